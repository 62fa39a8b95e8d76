//! What a policy comes to mean, rule by rule.

use super::super::tests::yaml;
use crate::model::{
    Condition, Governed, HeadMode, Identity, Level, Limits, Link, Mask, Over, PolicySet, QueryRule, RoundTo, Route,
    RouteBody, Template, When,
};

/// A policy whose sections are those given, and the least of each other.
fn policy(sections: &str) -> PolicySet {
    let mut text = sections.to_owned();
    for (name, section) in [
        ("language", "language: 1"),
        ("policy", "policy: example"),
        ("identity", "identity: {source: jwt_authn, payload: p, client: azp, scopes: scope}"),
        ("classes", "classes: {key: {}, contact: {}, money: {}}"),
        (
            "shapes",
            "shapes: {account: {$.id: key, $.email: contact, $.home: {shape: address}}, address: {$.street: contact}}",
        ),
        ("routes", "routes: {get: {match: GET /a, area: a, body: {$: {shape: account}}}}"),
        ("scopes", "scopes: {read: {areas: [a], grant: {key: show}}}"),
    ] {
        if !text.lines().any(|line| line.starts_with(&format!("{name}:"))) {
            text.push('\n');
            text.push_str(section);
        }
    }
    yaml(&text).unwrap_or_else(|found| panic!("{found}")).0
}

fn route<'p>(policy: &'p PolicySet, name: &str) -> &'p Route {
    policy.routes.iter().find(|route| route.name == name).unwrap()
}

fn governed<'p>(policy: &'p PolicySet, name: &str) -> &'p Governed {
    match &route(policy, name).body {
        RouteBody::Governed(governed) => governed,
        RouteBody::Pass(_) => panic!("{name} passes"),
    }
}

/// A route's entries as `path: classes`, in the order written.
fn places(policy: &PolicySet, name: &str) -> Vec<String> {
    governed(policy, name)
        .entries
        .iter()
        .map(|entry| {
            let classes: Vec<&str> =
                entry.classes.iter().map(|id| policy.classes[usize::from(id.0)].name.as_str()).collect();
            format!("{}: {}", entry.path, classes.join("+"))
        })
        .collect()
}

#[test]
fn a_path_is_its_mount_and_its_own() {
    let policy = policy(
        "routes: {get: {match: GET /a, area: a, body: {'$.items[*]': {shape: account}, $.next: key, '$.x..*': {class: [money, key, money]}}}}"
            .replace("[money, key, money]", "[money, key]")
            .as_str(),
    );
    assert_eq!(
        places(&policy, "get"),
        [
            "$.items[*].id: key",
            "$.items[*].email: contact",
            "$.items[*].home.street: contact",
            "$.next: key",
            "$.x..*: key+money"
        ]
    );
}

#[test]
fn a_place_has_a_name_for_each_shape_around_it_outermost_first() {
    let policy = policy("");
    let street = governed(&policy, "get").entries.last().unwrap();
    let names: Vec<String> = street.names.iter().map(|(shape, path)| format!("{shape} {path}")).collect();
    assert_eq!(names, ["account $.home.street", "address $.street"]);
}

#[test]
fn of_several_levels_that_one_scope_sets_the_lowest_counts() {
    let policy = policy(
        "scopes: {read: {areas: [a], grant: {key: show}, fields: {account: {$.home.street: show}, address: {$.street: mask}}}, \
         some: {areas: [a], fields: {address: {\"$['street']\": show}}}}",
    );
    let street = governed(&policy, "get").entries.last().unwrap();
    let levels: Vec<(u16, Level)> = street.overrides.iter().map(|(scope, level)| (scope.0, *level)).collect();
    assert_eq!(levels, [(0, Level::Mask), (1, Level::Show)]);
}

#[test]
fn a_deny_is_wherever_its_shape_is_mounted() {
    let policy = policy(
        "routes: {get: {match: GET /a, area: a, body: {'$.items[*]': {shape: account}, $.owner: {shape: address}}}}\n\
         clients: {'*': {deny: {address: [$.street], account: [$.home]}}}",
    );
    let denies: Vec<String> = governed(&policy, "get").denies.iter().map(|(_, path)| path.to_string()).collect();
    assert_eq!(denies, ["$.items[*].home.street", "$.owner.street", "$.items[*].home"]);
    assert_eq!(policy.any_client.map(|id| id.0), Some(0));
}

#[test]
fn an_absent_grant_is_hide() {
    let policy = policy("scopes: {read: {areas: [a], grant: {money: blank, contact: pseudonym}}}\n");
    // Classes are in name order: contact, key, money.
    assert_eq!(policy.scopes[0].grant, [Level::Pseudonym, Level::Hide, Level::Blank]);
    assert!(policy.scopes[0].grant_spans[1].is_none());
}

#[test]
fn a_bare_ceiling_is_one_for_every_class() {
    let policy = policy(
        "clients: {'*': {ceiling: mask}, b: {ceiling: {key: show, '*': hide}}, c: {}}\n\
         routes: {get: {match: GET /a, area: a, ceiling: {contact: mask}, body: {$: {shape: account}}}}",
    );
    let of = |name: &str| &policy.clients.iter().find(|client| client.name == name).unwrap().ceiling;
    let levels =
        |ceiling: &crate::model::Ceiling| (0..3).map(|id| ceiling.of(crate::model::ClassId(id))).collect::<Vec<_>>();
    assert_eq!(levels(of("*")), [Level::Mask; 3]);
    assert_eq!(levels(of("b")), [Level::Hide, Level::Show, Level::Hide]);
    assert_eq!(levels(of("c")), [Level::Show; 3]);
    assert_eq!(levels(&governed(&policy, "get").ceiling), [Level::Mask, Level::Show, Level::Show]);
}

#[test]
fn rows_are_the_routes_first_and_then_each_scopes() {
    let policy = policy(
        "routes: {get: {match: GET /a, area: a, rows: \"$.items[?@.a == 1]\", body: {'$.items[*]': {shape: account}}}}\n\
         scopes: {read: {areas: [a], grant: {key: show}, rows: {get: \"$['items'][?(@.b)]\"}}}",
    );
    let rows: Vec<(Option<u16>, String, &str)> = governed(&policy, "get")
        .rows
        .iter()
        .map(|rule| (rule.scope.map(|scope| scope.0), rule.array.to_string(), rule.filter.as_str()))
        .collect();
    assert_eq!(rows, [(None, "$.items".to_owned(), "@.a == 1"), (Some(0), "$.items".to_owned(), "@.b")]);
}

#[test]
fn conditions_of_a_when_all_have_to_hold() {
    let policy = policy(
        "scopes: {read: {when: {all_of: [a, b], any_of: [c], claims: {acr: [loa3], $.realm.roles: [v, w]}}, areas: [a], grant: {key: show}}, \
         open: {when: always, areas: [a], grant: {key: show}}}",
    );
    assert_eq!(policy.scopes[0].when, When::Always);
    let When::All(conditions) = &policy.scopes[1].when else { panic!("not all") };
    assert_eq!(conditions[0], Condition::AllOf(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(conditions[1], Condition::AnyOf(vec!["c".to_owned()]));
    let claims: Vec<(&[String], &[String])> = conditions[2..]
        .iter()
        .map(|condition| match condition {
            Condition::Claim(path, values) => (path.0.as_slice(), values.as_slice()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(claims[0], (["acr".to_owned()].as_slice(), ["loa3".to_owned()].as_slice()));
    assert_eq!(claims[1].0, ["realm", "roles"]);
}

#[test]
fn templates_are_segments_with_or_without_a_slash_at_the_end() {
    for (path, segments, slash) in [
        ("/", "", true),
        ("/a", "a", false),
        ("/a/", "a", true),
        ("/a/{id}/b", "a {id} b", false),
        ("/{a}/{b}/", "{a} {b}", true),
        ("/caf%C3%A9/a%20b", "caf%C3%A9 a%20b", false),
        ("/v1:batch/a,b=c@d", "v1:batch a,b=c@d", false),
        ("/...", "...", false),
    ] {
        let policy =
            policy(&format!("routes: {{get: {{match: \"GET {path}\", area: a, body: {{$: {{shape: account}}}}}}}}"));
        let template = &route(&policy, "get").template;
        let text: Vec<String> = template
            .segments
            .iter()
            .map(|segment| {
                Template { segments: vec![segment.clone()], trailing_slash: false }.to_string()[1..].to_owned()
            })
            .collect();
        assert_eq!((text.join(" ").as_str(), template.trailing_slash), (segments, slash), "{path}");
    }
}

#[test]
fn routes_that_differ_in_more_than_names_stand_side_by_side() {
    let policy = policy(
        "routes:\n  a: {match: 'GET /a/{id}', area: a, body: {$: {shape: account}}}\n  \
         b: {match: 'POST /a/{id}', area: a, body: {$: {shape: account}}}\n  \
         c: {match: 'GET /a/{id}/', area: a, body: {$: {shape: account}}}\n  \
         d: {match: 'GET /a/me', area: a, body: {$: {shape: account}}}\n  \
         e: {match: 'GET /{x}/me', area: a, body: {$: {shape: account}}}",
    );
    assert_eq!(policy.routes.len(), 5);
}

#[test]
fn sizes_are_bytes_or_powers_of_two() {
    let policy = policy(
        "limits: {body: 2MiB, record: 1024, depth: 8, hold: 32KiB}\nhead: released\nhosts: [API.Example.com, \"[::1]:8080\"]",
    );
    assert_eq!(policy.limits, Limits { body: 2 << 20, record: 1024, depth: 8, hold: 32 << 10 });
    assert_eq!(policy.head, HeadMode::Released);
    assert_eq!(policy.hosts, ["[::1]:8080", "api.example.com"]);
}

#[test]
fn a_host_is_kept_in_the_spelling_in_which_it_is_looked_for() {
    let policy = policy("hosts: [a.example., \"b.example:\", \"c.example.:0443\", a.example]");
    assert_eq!(policy.hosts, ["a.example", "b.example", "c.example:443"]);
}

#[test]
fn what_is_not_said_is_the_strictest() {
    let policy = policy("");
    assert_eq!(policy.limits, Limits::default());
    assert_eq!(policy.head, HeadMode::Held);
    assert!(policy.hosts.is_empty() && policy.defaults.errors.show.is_empty() && policy.any_client.is_none());
    assert_eq!(route(&policy, "get").query, QueryRule::Only(Vec::new()));
}

#[test]
fn each_form_at_mask_is_read_as_it_is_spelled() {
    for form in Mask::EACH {
        let policy = policy(&format!("shapes: {{account: {{$.a: {{class: key, mask: {}}}}}}}", form.spelled()));
        assert_eq!(governed(&policy, "get").entries[0].mask, Some(*form), "{form}");
    }
}

#[test]
fn forms_are_read_as_they_are_written() {
    let policy = policy(
        "shapes: {account: {\
         $.a: {class: key, mask: {first: 2}, pseudonym: {ns: ids, link: all}}, $.b: {class: key, mask: {round: 100}, blank: 1.50}, \
         $.c: {class: key, mask: initials, pseudonym: ids, blank: \"-\\n\", subject: customer}, $.d: {class: key, blank: null, detect: [phone, email]}}}",
    );
    let entries = &governed(&policy, "get").entries;
    assert_eq!(entries[0].mask, Some(Mask::First(2)));
    assert_eq!(entries[0].pseudonym.as_ref().map(|form| (&*form.namespace, form.link)), Some(("ids", Link::All)));
    assert_eq!(
        (entries[1].mask, entries[1].blank.as_deref()),
        (Some(Mask::Round(RoundTo::parse("100").unwrap())), Some("1.50"))
    );
    assert_eq!(entries[2].pseudonym.as_ref().map(|form| form.link), Some(Link::Client));
    assert_eq!((entries[2].blank.as_deref(), entries[2].subject.as_deref()), (Some("\"-\\n\""), Some("customer")));
    assert_eq!(entries[3].blank.as_deref(), Some("null"));
    assert_eq!(entries[3].detect.len(), 2);
}

#[test]
fn a_header_is_named_in_lower_case_whatever_the_author_writes() {
    let policy = policy(
        "identity: {source: trusted_header, header: X-Client, scopes: X-Scopes, trusted: because}\n\
         defaults: {headers: {keep: [X-Request-Id], classify: {X-Number: {class: [contact, key]}}}}",
    );
    assert_eq!(
        policy.identity,
        Identity::TrustedHeader { client: "x-client".to_owned(), scopes: Some("x-scopes".to_owned()) }
    );
    assert_eq!(policy.defaults.headers.keep, ["x-request-id"]);
    assert_eq!(policy.defaults.headers.classify[0].0, "x-number");
    assert_eq!(policy.defaults.headers.classify[0].1.len(), 2);
}

#[test]
fn max_records_counts_the_elements_of_an_array() {
    let policy = policy(
        "routes: {get: {match: GET /a, area: a, max_records: {at: '$.items.*', max: 7, over: reject}, body: {'$.items[*]': {shape: account}}}}",
    );
    let max_records = governed(&policy, "get").max_records.as_ref().unwrap();
    assert_eq!(
        (max_records.at.to_string().as_str(), max_records.max, max_records.over),
        ("$.items[*]", 7, Over::Reject)
    );
}

#[test]
fn under_mtls_a_client_may_have_scopes_that_only_a_when_asks_for() {
    let policy = policy(
        "identity: {source: mtls}\nscopes: {read: {when: {all_of: [v, w]}, areas: [a], grant: {key: show}}}\n\
         clients: {'*': {scopes: []}, 'spiffe://a/b': {scopes: [v, w, read]}}",
    );
    assert_eq!(policy.clients[1].scopes.as_deref().map(<[_]>::len), Some(3));
}
