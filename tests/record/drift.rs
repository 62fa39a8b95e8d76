//! Members that an upstream sends and no shape names: which are told, when, and that no name is that may be a person's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::caller::Caller;
use fieldgate::json::Texts;
use fieldgate::model::RouteId;
use fieldgate::program::Program;
use fieldgate::rewrite::Rewriter;
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::learn::Lesson;
use fieldgate_workbench::ledger::{Line, read};
use serde_json::{Value, json};

use super::{Case, KEY, PLAIN, program, run, schema, written};

/// A policy with shapes inside each other, a list of them, and a route that says nothing of whom it is about; `more` are
/// further sections.
fn policy(more: &Value) -> Value {
    let mut policy = json!({
        "language": 1, "policy": "telco", "drift": true,
        "identity": {"source": "jwt_authn", "payload": "verified", "client": "azp", "scopes": "scope"},
        "classes": {"contact": {}, "identifier": {}, "secret": {}},
        "detectors": {"vip": {"pattern": "VIP[a-z]+"}},
        "shapes": {
            "holder": {"$.name": "contact", "$.birth.date": "contact"},
            "account": {
                "$.id": {"class": "identifier", "subject": "customer"}, "$.holder": {"shape": "holder"},
                "$.address.street": "contact", "$.lines[*].msisdn": "contact", "$.tags[*]": "contact",
                "$.notes..*": "contact", "$.vault.pin": "secret",
                "$.extra[?@.name == 'x'].value": "contact"}},
        "routes": {
            "get-account": {"match": "GET /accounts/{id}", "area": "a", "body": {"$": {"shape": "account"}}},
            "get-plan": {"match": "GET /plans/{id}", "area": "a", "body": {
                "$.plan.name": "contact", "$.plan.holder": {"shape": "holder"},
                "$.plan.id": {"class": "identifier", "subject": "plan"}}},
            "list-accounts": {"match": "GET /accounts", "area": "a", "body": {"$.items[*]": {"shape": "account"}}}},
        "scopes": {"care": {"areas": ["a"], "grant": {"identifier": "show", "contact": "show"}}},
    });
    for (name, section) in more.as_object().unwrap() {
        policy[name] = section.clone();
    }
    policy
}

/// The drift of the record of each response, as `shape path type`.
fn drift(program: &Rc<Program>, responses: &[(&str, String)]) -> Vec<Vec<String>> {
    let (schema, mut store) = (schema(), MemoryStore::default());
    let of = |(target, body): &(&str, String)| {
        let record = run(program, &mut store, &Case { target, parts: &[body], ..PLAIN });
        let faults: Vec<String> = schema.iter_errors(&record).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:#?} in {record}");
        let told = record.get("drift").and_then(Value::as_array).cloned().unwrap_or_default();
        let word = |new: &Value, member: &str| new.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
        told.iter().map(|new| format!("{} {} {}", word(new, "shape"), word(new, "path"), word(new, "type"))).collect()
    };
    responses.iter().map(of).collect()
}

/// The account of somebody, with more members.
fn account(id: &str, more: &str) -> (&'static str, String) {
    ("/accounts/1", format!(r#"{{"id":"{id}"{more}}}"#))
}

/// A list of accounts, each with more members.
fn list(ids: &[&str], more: &str) -> (&'static str, String) {
    let items: Vec<String> = ids.iter().map(|id| account(id, more).1).collect();
    ("/accounts", format!(r#"{{"items":[{}]}}"#, items.join(",")))
}

/// A plan, whose holder has a member more.
fn plan(id: &str) -> (&'static str, String) {
    ("/plans/1", format!(r#"{{"plan":{{"id":"{id}","holder":{{"alias":1}}}}}}"#))
}

/// The accounts of four people, with more members.
fn of_four(more: &str) -> Vec<(&'static str, String)> {
    ["A", "B", "C", "D"].iter().map(|id| account(id, more)).collect()
}

/// A claim, responses, and the drift of the record of each.
type Row<'a> = (&'a str, Vec<(&'a str, String)>, Vec<&'a [&'a str]>);

#[test]
fn a_member_is_told_once_and_by_name_only_where_that_names_nobody() {
    const HOLDER: &str = r#","holder":{"alias":1}"#;
    const ALIKE: &str = r#","nickname":"x""#;
    let nothing: &[&[&str]] = &[&[], &[], &[], &[]];
    let third = |told: &'static [&'static str]| vec![&[][..], &[], told, &[]];
    let at_once = |told: &'static [&'static str]| vec![told, &[], &[], &[]];
    let rows: Vec<Row<'_>> = vec![
        ("a name that came with three people", of_four(ALIKE), third(&["account $.nickname string"])),
        (
            "one that came with the same person",
            ["A", "A", "A", "A"].iter().map(|id| account(id, ALIKE)).collect(),
            nothing.to_vec(),
        ),
        (
            "one that came with two people, in turn",
            ["A", "B", "A", "B"].iter().map(|id| account(id, ALIKE)).collect(),
            nothing.to_vec(),
        ),
        (
            "one that came with nobody who can be told",
            vec![("/accounts/1", format!(r#"{{"holder":{{}}{ALIKE}}}"#)), ("/accounts/2", "{}".to_owned())],
            vec![&["account $[*] string"], &[]],
        ),
        (
            "pages that have nobody in common",
            vec![list(&["A", "B"], ALIKE), list(&["C", "D"], ALIKE), list(&["E"], ALIKE)],
            vec![&[], &[], &["account $.nickname string"]],
        ),
        (
            "pages that have somebody in common",
            vec![list(&["A", "B"], ALIKE), list(&["B", "C"], ALIKE), list(&["C", "D", "B"], ALIKE)],
            vec![&[], &[], &[]],
        ),
        (
            "people of two kinds, of whom one may be the other",
            vec![account("A", HOLDER), plan("1"), plan("2"), account("B", HOLDER)],
            nothing.to_vec(),
        ),
        (
            "people of two kinds, and three of one",
            vec![account("A", HOLDER), plan("1"), plan("2"), plan("3"), plan("4")],
            vec![&[], &[], &[], &["holder $.alias number"], &[]],
        ),
        (
            "one shape of several routes",
            vec![account("A", ALIKE), list(&["B"], ALIKE), account("C", ALIKE), list(&["D"], ALIKE)],
            third(&["account $.nickname string"]),
        ),
        (
            "an object in a shape",
            of_four(r#","address":{"street":"x","unit":4}"#),
            third(&["account $.address.unit number"]),
        ),
        (
            "the innermost shape",
            of_four(r#","holder":{"name":"x","alias":null,"birth":{"date":"x","place":[]}}"#),
            third(&["holder $.alias null", "holder $.birth.place array"]),
        ),
        ("elements", of_four(r#","lines":[{"msisdn":"1","imei":"2"},{}]"#), third(&["account $.lines[*].imei string"])),
        (
            "an element that a filter selects",
            of_four(r#","extra":[{"name":"x","value":1,"unit":"y"},{"name":"z","odd":1}]"#),
            third(&["account $.extra[?@.name == 'x'].name string", "account $.extra[?@.name == 'x'].unit string"]),
        ),
        (
            "types, each by itself, and names that need quoting",
            of_four(r#","a":true,"b":{},"@type":1.5,"x-y" :  "z","bool":false"#),
            third(&[
                "account $.a boolean",
                "account $.b object",
                "account $['@type'] number",
                "account $['x-y'] string",
                "account $.bool boolean",
            ]),
        ),
        (
            "another type of a name that is told",
            (1..=6).map(|n| account(&n.to_string(), if n < 4 { ALIKE } else { r#","nickname":{}"# })).collect(),
            vec![&[], &[], &["account $.nickname string"], &[], &[], &["account $.nickname object"]],
        ),
        ("a telephone number for a name", of_four(r#","447700900123":"x""#), at_once(&["account $[*] string"])),
        ("an address for a name", of_four(r#","ana@example.org":{}"#), at_once(&["account $[*] object"])),
        ("a name with an escape", of_four(r#","nick\u006eame":1"#), nothing.to_vec()),
        ("a find of the policy's own detector", of_four(r#","VIPana":1"#), at_once(&["account $[*] number"])),
        ("what is declared for a wildcard", of_four(r#","tags":{"odd":1}"#), nothing.to_vec()),
        ("what is below `..*`", of_four(r#","notes":{"odd":{"even":1}}"#), nothing.to_vec()),
        ("what is below a member that is not told", of_four(r#","odd":{"even":1}"#), third(&["account $.odd object"])),
        (
            "what is in an object that this caller never sees",
            of_four(r#","vault":{"pin":1,"odd":1}"#),
            nothing.to_vec(),
        ),
        ("a response that is not JSON", of_four(r#","nickname":"x",,"#), nothing.to_vec()),
        (
            "a body's own member, on a route whose items are people",
            (1..=4).map(|id| ("/accounts", format!(r#"{{"items":[{{"id":{id}}}],"total":9}}"#))).collect(),
            third(&["- $.total number"]),
        ),
    ];
    for (claim, responses, expected) in rows {
        assert_eq!(drift(&program(&policy(&json!({})), true), &responses), expected, "{claim}");
    }
}

/// A record of which nothing leaves is nobody's whose data left: a name that only it has would be told of others.
#[test]
fn a_name_that_only_a_withheld_record_has_is_not_told() {
    let person = json!({"class": "key", "subject": "customer"});
    let bodies = [
        (
            "an element that no filter selects",
            json!({"$.items[*].id": person, "$.items[?@.kind=='x'].name": "contact"}),
        ),
        (
            "an object in it",
            json!({"$.items[*].owner.id": person, "$.items[?@.kind=='x'].name": "contact", "$.items[*].owner.pin": "key"}),
        ),
    ];
    for (claim, body) in bodies {
        let mut withheld = policy(&json!({"classes": {"contact": {}, "key": {}}, "shapes": {}}));
        withheld["routes"] = json!({"list": {"match": "GET /accounts", "area": "a", "body": body}});
        withheld["scopes"] = json!({"care": {"areas": ["a"], "grant": {"contact": "show"}}});
        let program = program(&withheld, true);
        let shown = |n: u32| format!(r#"{{"id":"A{n}","kind":"x","name":"a","owner":{{"id":"A{n}"}}}}"#);
        let other = r#"{"id":"P","kind":"y","Silva":1,"owner":{"id":"P","Perez":1}}"#;
        let responses: Vec<_> =
            (0..6).map(|n| ("/accounts", format!(r#"{{"items":[{},{other}]}}"#, shown(n)))).collect();
        let told = drift(&program, &responses).concat();
        assert!(!told.iter().any(|told| told.contains("Silva") || told.contains("Perez")), "{claim}: {told:?}");
    }
}

/// What one response's names may cost is bounded, however many it has: those for which no effort is left are not told.
#[test]
fn all_names_of_a_response_are_searched_with_one_effort() {
    let slow = json!({"detectors": {"slow": {"pattern": "(a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p){1,40}q{30}"}}});
    let program = program(&policy(&slow), true);
    let members = |of: &str| {
        (0..60).fold(String::new(), |mut text, n| {
            let letters = [n / 16, n % 16].map(|at| char::from(b'a' + u8::try_from(at).unwrap()));
            let name: String = letters.into_iter().cycle().take(40).collect();
            write!(text, r#","{of}{}":1"#, &name[..38]).unwrap();
            text
        })
    };
    let body = |n: usize| {
        let (lines, address) = (members("l"), members("m"));
        account(&n.to_string(), &format!(r#","address":{{"street":"x"{address}}},"lines":[{{"msisdn":"1"{lines}}}]"#))
    };
    let told = drift(&program, &(0..3).map(body).collect::<Vec<_>>()).concat();
    assert!(
        told.iter().any(|told| told.ends_with("[*] number")),
        "with one effort for each all would be told: {told:?}"
    );
}

#[test]
fn without_subjects_the_path_says_whom_a_response_is_about() {
    let mut nobodys = policy(&json!({"shapes": {"account": {"$.id": "identifier"}}}));
    nobodys["routes"]["get-plan"]["body"] = json!({"$.plan.name": "contact"});
    let (plan, page) = (r#"{"plan":{"name":"x","tier":2}}"#, r#"{"items":[{"tier":2}]}"#);
    let rows = [
        ("three", plan, ["/plans/1", "/plans/2", "/plans/3"], vec![vec![], vec![], vec!["- $.plan.tier number"]]),
        ("one", plan, ["/plans/1", "/plans/1", "/plans/1"], vec![vec![], vec![], vec![]]),
        ("none", page, ["/accounts", "/accounts", "/accounts"], vec![vec!["account $[*] number"], vec![], vec![]]),
    ];
    for (parameters, body, targets, expected) in rows {
        let program = program(&nobodys, true);
        let told = drift(&program, &targets.map(|target| (target, body.to_owned())));
        assert_eq!(told, expected, "{parameters}");
    }
}

/// Names that each come once are data: no record has one of them, and it is told that the object is a map.
#[test]
fn an_object_whose_names_differ_from_one_to_the_next_is_a_map() {
    let program = program(&policy(&json!({})), true);
    let letters = |n: usize| [n / 26, n % 26].map(|at| char::from(b'a' + u8::try_from(at).unwrap())).iter().collect();
    let person = |n: usize| {
        let names: Vec<String> =
            (0..5).map(|at| letters(n * 5 + at)).map(|name: String| format!(r#""{name}":1"#)).collect();
        account(&n.to_string(), &format!(r#","address":{{{}}}"#, names.join(",")))
    };
    let told: Vec<String> = drift(&program, &(0..60).map(person).collect::<Vec<_>>()).into_iter().flatten().collect();
    assert_eq!(told, ["account $.address[*] number"]);
}

#[test]
fn what_is_told_has_bounds() {
    let program = program(&policy(&json!({})), true);
    let members = |from: usize| {
        (from..from + 20).fold(String::new(), |mut text, n| {
            write!(text, r#","n{n}":1"#).unwrap();
            text
        })
    };
    let told = |from: usize| -> Vec<usize> {
        let responses: Vec<_> = (0..6).map(|n| account(&format!("{from}-{n}"), &members(from))).collect();
        drift(&program, &responses).iter().map(Vec::len).collect()
    };
    assert_eq!(told(0), [0, 0, 16, 4, 0, 0], "sixteen by one record, and the rest by the next");
    let all: usize = (1..20).flat_map(|page| told(page * 20)).sum();
    assert_eq!(all + 20, 256, "by one worker");
}

/// Once nothing new comes, few responses are looked at; what comes then is still told.
#[test]
fn looks_become_few_and_never_end() {
    let program = program(&policy(&json!({})), true);
    let plain: Vec<_> = (0..500).map(|n| account(&n.to_string(), "")).collect();
    assert!(drift(&program, &plain).iter().all(Vec::is_empty));
    let drifted: Vec<_> = (500..700).map(|n| account(&n.to_string(), r#","nickname":1"#)).collect();
    let told = drift(&program, &drifted);
    let at = told.iter().position(|told| !told.is_empty()).unwrap();
    assert!((2..67).contains(&at), "the first look is one of 64, and three in a row tell: {at}");
    assert_eq!(told.iter().flatten().count(), 1);
}

#[test]
fn a_policy_has_to_ask_for_it_and_a_route_that_only_reports_tells_it_too() {
    let more = r#","nickname":"x""#;
    let off = program(&policy(&json!({"drift": false})), true);
    assert!(drift(&off, &of_four(more)).iter().all(Vec::is_empty), "`drift: false`");
    let mut unsaid = policy(&json!({}));
    unsaid.as_object_mut().unwrap().remove("drift");
    assert!(drift(&program(&unsaid, true), &of_four(more)).iter().all(Vec::is_empty), "without `drift`");
    let mut reports = policy(&json!({}));
    reports["routes"]["get-account"]["report_until"] = json!("2027-01-31");
    let told = drift(&program(&reports, true), &of_four(more)).concat();
    assert_eq!(told, ["account $.nickname string"]);
}

/// Responses of which only what is withheld differs give the same records, and a response that is looked at the same bytes.
#[test]
fn a_look_changes_nothing_else() {
    let twins =
        |secret: &str| of_four(&format!(r#","nickname":"{secret}","odd":{{"{secret}":1}},"holder":{{"age":7}}"#));
    let of = |secret| drift(&program(&policy(&json!({})), true), &twins(secret));
    assert_eq!(of("one"), of("another, much longer than the first"));

    let bodies = [
        account("A", r#","nickname":"x", "lines" : [ {"msisdn":"1" , "imei":[{}]}, {"odd":{"a":[]}} ],"holder":{"x":1,"name":"y"}"#).1,
        list(&["A", "B"], r#","odd":1,"extra":[{"name":"x","value":1,"odd":2},{"odd":1}],"notes":{"a":{"b":[1]}}"#).1,
    ];
    let rewritten = |drift: bool, route: u16, body: &str, cut: usize| {
        let program = program(&policy(&json!({"drift": drift})), true);
        let caller = Caller::new(program.policy(), "app", vec!["care".to_owned()], Value::Null);
        let view = program.view(RouteId(route), &caller).unwrap().watched(program.drift(), RouteId(route));
        assert_eq!(view.sightings().is_some(), drift);
        let mut out = Vec::new();
        let (first, second) = body.split_at(cut);
        let rewriter = Rewriter::new(Rc::new(view), Texts::One);
        let rewriter = if first.is_empty() { rewriter } else { rewriter.push(first.as_bytes(), &mut out).unwrap() };
        let counts = rewriter.push(second.as_bytes(), &mut out).unwrap().finish(&mut out).unwrap();
        (String::from_utf8(out).unwrap(), counts)
    };
    for (route, body) in [0, 2].into_iter().zip(&bodies) {
        for cut in 0..body.len() {
            assert_eq!(rewritten(true, route, body, cut), rewritten(false, route, body, cut), "cut at {cut}: {body}");
        }
    }
}

/// A policy as people write it: lines and braces, comments, and no `unreviewed`.
const WRITTEN: &str = "\
# Accounts.
language: 1
policy: telco
drift: true
identity: {source: jwt_authn, payload: verified, client: azp, scopes: scope}
classes:
  contact: {about: Address}   # and the rest
shapes:
  # People.
  account:
    $.id: {class: contact, subject: customer}
    $.address.street:   # where they live
      class: contact
      blank: \"-\"

  holder: {$.name: contact}
routes:
  get-account:
    match: GET /accounts/{id}
    area: a
    body: {$: {shape: account}, \"$.holder\": {shape: holder}}
  list-accounts: {match: GET /accounts, area: a, body: {\"$.items[*]\": {shape: account}}}
scopes:
  care: {areas: [a], grant: {contact: show}}
";

/// What is learnt of the records goes into the policy, and nothing else of that changes; then no record tells it again.
#[test]
fn what_is_learnt_is_drift_no_more() {
    let policy = |text: &str| {
        let files = BTreeMap::from([("accounts.yaml".to_owned(), text.to_owned())]);
        let doc = fieldgate::policy::load(&files, "accounts.yaml").unwrap_or_else(|found| panic!("{found}"));
        let (checked, _) = fieldgate::policy::check(&doc).unwrap_or_else(|found| panic!("{found}\n{text}"));
        let key = PseudonymKey::from_base64(KEY).unwrap();
        (doc, Rc::new(Program::new(checked, Some(key)).unwrap()))
    };
    let more = r#","nickname":"x","@type":"y","address":{"unit":[1]},"holder":{"alias":{"a":1}},"x.y":1"#;
    let mut responses = of_four(more);
    responses.extend(of_four(r#","nickname":{"first":"x"}"#));
    responses.extend((1..4).map(|id| ("/accounts", format!(r#"{{"items":[{{"id":{id}}}],"total":9}}"#))));

    let (doc, program) = policy(WRITTEN);
    let (mut lesson, mut store) = (Lesson::of("telco"), MemoryStore::default());
    for (target, body) in &responses {
        let line = written(&program, &mut store, &Case { target, parts: &[body], ..PLAIN });
        let Line::Record(record) = read(&line) else { panic!("{}", String::from_utf8_lossy(&line)) };
        lesson.take(&record);
    }
    let changes = lesson.changes(&doc, program.policy());
    let nameless: Vec<(String, &str)> =
        changes.nameless.iter().map(|one| (one.owner.to_string(), one.path.as_str())).collect();
    assert_eq!(nameless, [("shape account".to_owned(), "$[*]")]);
    assert_eq!((changes.left_out.len(), lesson.broken(), lesson.records()), (0, 0, 11));
    let [file] = changes.files.as_slice() else { panic!("{changes:?}") };
    let expected = WRITTEN
        .replace("# and the rest\n", "# and the rest\n  unreviewed: {about: \"Nobody has looked at it yet: grant it to nobody\"}\n")
        .replace(
            "      blank: \"-\"\n",
            "      blank: \"-\"\n    $.address.unit..*: unreviewed\n    $.nickname: unreviewed\n    $.nickname..*: unreviewed\n    \
             $['@type']: unreviewed\n",
        )
        .replace("{$.name: contact}", "{$.name: contact, \"$.alias..*\": unreviewed}")
        .replace("{\"$.items[*]\": {shape: account}}", "{\"$.items[*]\": {shape: account}, $.total: unreviewed}");
    assert_eq!(file.after, expected);

    let (doc, program) = policy(&file.after);
    let told: Vec<String> = drift(&program, &responses).concat();
    assert_eq!(told, ["account $[*] number"], "what has no name goes on");
    let again = lesson.changes(&doc, program.policy());
    assert_eq!((again.added.len(), again.files.len()), (0, 0), "what the policy names is learnt once");
}

/// A log is written by others: what is no member of a policy's is left out, and counted.
#[test]
fn only_what_a_record_can_tell_is_learnt() {
    let files = BTreeMap::from([("accounts.yaml".to_owned(), WRITTEN.to_owned())]);
    let doc = fieldgate::policy::load(&files, "accounts.yaml").unwrap();
    let (checked, _) = fieldgate::policy::check(&doc).unwrap();
    let rows = [
        ("a member", r#"{"shape":"account","path":"$.x","type":"string"}"#, (1, 0, 0)),
        ("a member of no shape", r#"{"path":"$.x","type":"string"}"#, (1, 0, 0)),
        ("of a shape that is gone", r#"{"shape":"bill","path":"$.x","type":"string"}"#, (0, 1, 0)),
        ("of a type that JSON has not", r#"{"shape":"account","path":"$.x","type":"date"}"#, (0, 0, 1)),
        ("no path", r#"{"shape":"account","path":"x: hide","type":"string"}"#, (0, 0, 1)),
        ("the root", r#"{"shape":"account","path":"$","type":"string"}"#, (0, 0, 1)),
        ("all below the root", r#"{"shape":"account","path":"$..*","type":"string"}"#, (0, 0, 1)),
        ("a name that ends a line", r#"{"shape":"account","path":"$['a\\nb: {}']","type":"string"}"#, (1, 0, 0)),
        ("no object", "7", (0, 0, 1)),
    ];
    for (claim, new, expected) in rows {
        let line = format!(
            r#"{{"fieldgate":1,"time":"2026-11-28T14:00:01.007Z","policy":"telco","outcome":"released","route":"get-account","drift":[{new}]}}"#
        );
        let Line::Record(record) = read(line.as_bytes()) else { panic!("{claim}: {line}") };
        let mut lesson = Lesson::of("telco");
        lesson.take(&record);
        let changes = lesson.changes(&doc, &checked);
        let found = (
            u64::try_from(changes.added.len()).unwrap(),
            u64::try_from(changes.left_out.len()).unwrap(),
            lesson.broken(),
        );
        assert_eq!(found, expected, "{claim}");
        for file in &changes.files {
            let files = BTreeMap::from([("accounts.yaml".to_owned(), file.after.clone())]);
            let doc = fieldgate::policy::load(&files, "accounts.yaml").unwrap_or_else(|found| panic!("{found}"));
            fieldgate::policy::check(&doc).unwrap_or_else(|found| panic!("{claim}: {found}"));
        }
    }
}
