//! The decision record: what a line says of an exchange, and that nothing else gets into one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::fs;
use std::path::Path;
use std::rc::Rc;

use fieldgate::budget::{MemoryStore, SubjectKey};
use fieldgate::caller::Caller;
use fieldgate::exchange::{BodyDirective, End, Exchange, HeadDirective, Headers, RequestDirective};
use fieldgate::model::moment::Moment;
use fieldgate::program::Program;
use fieldgate::report::{METRICS, Outcome, Record, Stamp, request_id};
use fieldgate::transform::PseudonymKey;
use serde_json::{Value, json};

mod drift;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NOW: Moment = Moment(1_795_874_661);

/// A policy with a list, an account and calls of one customer; `more` are further sections.
fn policy(more: Value) -> Value {
    let mut policy = json!({
        "language": 1, "policy": "telco",
        "identity": {"source": "jwt_authn", "payload": "verified", "client": "azp", "scopes": "scope"},
        "classes": {"contact": {}, "identifier": {"blank": "REDACTED"}, "reference": {}},
        "routes": {
            "get-account": {"match": "GET /accounts/{id}", "area": "accounts", "body": {
                "$.id": {"class": "identifier", "subject": "customer"}, "$.status": "reference",
                "$.email": {"class": "contact", "mask": "email"}, "$.tags[*]": "contact",
                "$.address.street": "contact", "$.address.country": "reference"}},
            "list-accounts": {"match": "GET /accounts", "area": "accounts", "query": ["limit"],
                "body": {"$.items[*].id": {"class": "identifier", "subject": "customer"}, "$.items[*].status": "reference"},
                "max_records": {"at": "$.items[*]", "max": 2000, "over": "truncate", "query": "limit"}},
            "list-calls": {"match": "GET /accounts/{id}/calls", "area": "usage", "subject": {"customer": "{id}"},
                "body": {"$.items[*].to": {"class": "contact", "mask": {"last": 2}}}},
            "get-plan": {"match": "GET /plans/{id}", "area": "usage", "body": {"$.name": "reference"}},
            "health": {"match": "GET /healthz", "pass": "no personal data"}},
        "scopes": {
            "care": {"areas": ["accounts", "usage"], "grant": {"identifier": "show", "reference": "show", "contact": "mask"}},
            "few": {"areas": ["accounts"], "grant": {"reference": "show"}}},
        "clients": {"*": {}, "crm-app": {}},
    });
    for (name, section) in more.as_object().unwrap() {
        policy[name] = section.clone();
    }
    policy
}

fn program(policy: &Value, key: bool) -> Rc<Program> {
    let (policy, _) =
        fieldgate::policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    Rc::new(Program::new(policy, key.then(|| PseudonymKey::from_base64(KEY).unwrap())).unwrap())
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// One request, and what comes of it.
struct Case<'a> {
    target: &'a str,
    client: &'a str,
    scopes: &'a str,
    more: &'a [(&'a str, &'a str)],
    /// The upstream's status and body, in parts; no status if the caller leaves before.
    status: Option<&'a str>,
    parts: &'a [&'a str],
    /// Whether the body ends.
    ends: bool,
}

const PLAIN: Case<'_> = Case {
    target: "/accounts/1",
    client: "crm-app",
    scopes: "care",
    more: &[],
    status: Some("200"),
    parts: &[],
    ends: true,
};

fn run(program: &Rc<Program>, store: &mut MemoryStore, case: &Case<'_>) -> Value {
    let line = written(program, store, case);
    serde_json::from_slice(&line).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&line)))
}

fn written(program: &Rc<Program>, store: &mut MemoryStore, case: &Case<'_>) -> Vec<u8> {
    let mut exchange = Exchange::new(Rc::clone(program));
    let scopes = case.scopes.split_terminator(' ').map(str::to_owned).collect();
    let caller = Caller::new(program.policy(), case.client, scopes, Value::Null);
    let mut request = headers(&[(":method", "GET"), (":path", case.target), (":authority", "api.example")]);
    request.extend(headers(case.more));
    let mut directive = exchange.on_request(&request, caller, Some(NOW));
    if directive == RequestDirective::Reserve {
        directive = exchange.reserve(End::Last, Some(NOW), store);
    }
    if let (RequestDirective::Forward { .. }, Some(status)) = (directive, case.status) {
        let head = headers(&[
            (":status", status),
            ("content-type", "application/json"),
            ("transfer-encoding", "chunked"),
            ("connection", "keep-alive"),
        ]);
        let end = if case.parts.is_empty() && case.ends { End::Last } else { End::More };
        let refused = matches!(exchange.on_response_head(&head, end), HeadDirective::Refuse(_));
        let mut host = Vec::new();
        for (at, part) in case.parts.iter().enumerate().filter(|_| !refused) {
            host.extend_from_slice(part.as_bytes());
            let end = if at + 1 == case.parts.len() && case.ends { End::Last } else { End::More };
            let new = host[exchange.held_back()..].to_vec();
            match exchange.on_response_body(&new, host.len(), end) {
                BodyDirective::Hold(bytes) => host = bytes.to_vec(),
                BodyDirective::Refuse(_) | BodyDirective::Reset => break,
                _ => host.clear(),
            }
            exchange.taken();
        }
    }
    exchange.settle(Some(NOW), store);
    exchange.record(Some(Stamp(NOW.0 * 1000 + 123))).line()
}

/// The tag of a customer, or of a client.
fn tag(namespace: &str, id: &str) -> String {
    let key = SubjectKey::derive(&PseudonymKey::from_base64(KEY).unwrap());
    format!("{:032x}", key.subject(namespace, id).long())
}

fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/fieldgate-record.v1.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// What every record of the policy begins with is taken off, once it is seen to be right.
fn rest(program: &Rc<Program>, mut record: Value) -> Value {
    let faults: Vec<String> = schema().iter_errors(&record).map(|fault| format!("{fault} in {record}")).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let members = record.as_object_mut().unwrap();
    assert_eq!(members.shift_remove("fieldgate"), Some(json!(1)));
    assert_eq!(members.shift_remove("time"), Some(json!("2026-11-28T14:04:21.123Z")));
    assert_eq!(members.shift_remove("policy"), Some(json!("telco")));
    assert_eq!(members.shift_remove("digest"), Some(json!(&*program.policy().digest)));
    let key = program.subjects().key().map(|key| json!(format!("{:08x}", key.tag())));
    assert_eq!(members.shift_remove("key"), key);
    record
}

const ACCOUNT: &str = r#"{"id":"A-1","status":"active","email":"ana@example.org","tags":["vip"],"pin":"1234",
    "address":{"street":"Main","country":"PT"}}"#;

#[test]
fn a_record_says_what_was_decided() {
    let budgets = json!({"budgets": {"hour": {"count": {"distinct": "customer"}, "per": "1h", "max": 3,
        "areas": ["accounts"], "steps": {"60%": "mask", "100%": "reject"}}}});
    let plain = policy(json!({}));
    let customer = tag("customer", "A-1");
    let shown = json!({"contact": {"mask": 1, "blank": 2}, "identifier": {"show": 1}, "reference": {"show": 2}});
    let enforced = |outcome: &str, more: Value| {
        let mut record = json!({"mode": "enforced", "outcome": outcome});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let of_account = |status: u16, more: Value| {
        let mut record = json!({"status": status, "route": "get-account", "client": "crm-app", "issuer": "verified",
            "scopes": ["care"]});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let account = &[ACCOUNT];
    let rows: Vec<(&str, &Value, Case<'_>, Value)> = vec![
        (
            "a response that was rewritten",
            &plain,
            Case { parts: account, ..PLAIN },
            enforced(
                "released",
                of_account(
                    200,
                    json!({"records": 1, "fields": shown, "undeclared": 1,
                "subjects": {"customer": [customer]}}),
                ),
            ),
        ),
        (
            "a request's id that is plain",
            &plain,
            Case { more: &[("x-request-id", "4f-A_b.9")], parts: account, ..PLAIN },
            json!({"request": "4f-A_b.9", "mode": "enforced", "outcome": "released", "status": 200,
                "route": "get-account", "client": "crm-app", "issuer": "verified", "scopes": ["care"], "records": 1,
                "fields": shown, "undeclared": 1, "subjects": {"customer": [customer]}}),
        ),
        (
            "a client that the policy does not name is a tag",
            &plain,
            Case { client: "other", parts: account, ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "get-account", "client": {"tag": tag("client", "other")},
                "issuer": "verified", "scopes": ["care"], "records": 1, "fields": shown, "undeclared": 1,
                "subjects": {"customer": [customer]}}),
            ),
        ),
        (
            "a subject counts where it is hidden, and a container that goes whole counts once",
            &plain,
            Case { scopes: "few", parts: account, ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "get-account", "client": "crm-app", "issuer": "verified",
                "scopes": ["few"], "records": 1, "fields": {"contact": {"hide": 3}, "identifier": {"hide": 1},
                "reference": {"show": 2}}, "undeclared": 1, "subjects": {"customer": [customer]}}),
            ),
        ),
        (
            "a record without a subject",
            &plain,
            Case { parts: &[r#"{"id":null,"status":"active"}"#], ..PLAIN },
            enforced(
                "released",
                of_account(
                    200,
                    json!({"records": 1, "fields": {"identifier": {"show": 1},
                "reference": {"show": 1}}, "unknown": 1}),
                ),
            ),
        ),
        (
            "a value of another shape",
            &plain,
            Case { parts: &[r#"{"id":"A-1","status":{"a":1}}"#], ..PLAIN },
            enforced(
                "released",
                of_account(
                    200,
                    json!({"records": 1, "fields": {"identifier": {"show": 1},
                "reference": {"hide": 1}}, "mismatches": 1, "subjects": {"customer": [customer]}}),
                ),
            ),
        ),
        (
            "the path says whose it is",
            &plain,
            Case { target: "/accounts/A-1/calls", parts: &[r#"{"items":[{"to":"12345"},{"to":"67890"}]}"#], ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "list-calls", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"], "records": 1, "fields": {"contact": {"mask": 2}}, "subjects": {"customer": [customer]}}),
            ),
        ),
        (
            "nothing says whose it is",
            &plain,
            Case { target: "/plans/7", parts: &[r#"{"name":"gold"}"#], ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "get-plan", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"], "fields": {"reference": {"show": 1}}, "unknown": 1}),
            ),
        ),
        (
            "a list, each subject once",
            &plain,
            Case { target: "/accounts", parts: &[r#"{"items":[{"id":"A-1"},{"id":"A-1"},{"id":true}]}"#], ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "list-accounts", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"], "records": 3, "fields": {"identifier": {"show": 3}}, "subjects": {"customer": [customer]},
                "unknown": 1}),
            ),
        ),
        (
            "an empty list is nobody's",
            &plain,
            Case { target: "/accounts", parts: &[r#"{"items":[]}"#], ..PLAIN },
            enforced(
                "released",
                json!({"status": 200, "route": "list-accounts", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"]}),
            ),
        ),
        (
            "an upstream's error holds nobody's data",
            &plain,
            Case { status: Some("404"), parts: &[r#"{"title":"A-1 is not there"}"#], ..PLAIN },
            enforced("released", of_account(404, json!({}))),
        ),
        ("no body", &plain, Case { status: Some("204"), ..PLAIN }, enforced("emptied", of_account(204, json!({})))),
        (
            "a body that is not JSON",
            &plain,
            Case { parts: &[r#"{"id":"A-1","status":actve}"#], ..PLAIN },
            enforced(
                "refused",
                json!({"reason": "json_syntax", "offset": 21, "status": 502, "route": "get-account",
                "client": "crm-app", "issuer": "verified", "scopes": ["care"]}),
            ),
        ),
        (
            "no route",
            &plain,
            Case { target: "/elsewhere", ..PLAIN },
            enforced("refused", json!({"reason": "no_route", "status": 403, "issuer": "verified"})),
        ),
        (
            "a path that is not canonical",
            &plain,
            Case { target: "/accounts//1", ..PLAIN },
            enforced("refused", json!({"reason": "not_canonical", "status": 403, "issuer": "verified"})),
        ),
        (
            "a query parameter that is not listed",
            &plain,
            Case { target: "/accounts/1?secret=1", ..PLAIN },
            enforced(
                "refused",
                json!({"reason": "query_parameter", "status": 400, "route": "get-account",
                "client": "crm-app", "issuer": "verified", "scopes": ["care"]}),
            ),
        ),
        (
            "nobody",
            &plain,
            Case { client: "", scopes: "", ..PLAIN },
            enforced(
                "refused",
                json!({"reason": "no_identity", "status": 403, "route": "get-account",
                "issuer": "verified"}),
            ),
        ),
        (
            "somebody who may see nothing",
            &plain,
            Case { scopes: "", ..PLAIN },
            enforced(
                "refused",
                json!({"reason": "nothing_visible", "status": 403, "route": "get-account",
                "client": "crm-app", "issuer": "verified"}),
            ),
        ),
        (
            "a caller who leaves before the upstream answers",
            &plain,
            Case { status: None, ..PLAIN },
            enforced(
                "unanswered",
                json!({"route": "get-account", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"]}),
            ),
        ),
        (
            "a response whose head waits when the upstream stops",
            &plain,
            Case { ends: false, ..PLAIN },
            enforced(
                "unanswered",
                json!({"route": "get-account", "client": "crm-app", "issuer": "verified",
                "scopes": ["care"]}),
            ),
        ),
        (
            "a route that is passed",
            &plain,
            Case { target: "/healthz", parts: &["ok"], ..PLAIN },
            json!({"mode": "passed", "outcome": "passed", "status": 200}),
        ),
    ];
    for (claim, policy, case, expected) in rows {
        let program = program(policy, true);
        let record = run(&program, &mut MemoryStore::default(), &case);
        assert_eq!(rest(&program, record), expected, "{claim}");
    }
    let program = program(&policy(budgets), true);
    let mut store = MemoryStore::default();
    let list = |limit: &'static str, body: &'static str| (limit, body);
    let budget = |used: u64| json!([{"name": "hour", "used": used, "reserved": 0, "max": 3}]);
    for (claim, (target, body), expected) in [
        (
            "what a budget stands at",
            list("/accounts?limit=1", r#"{"items":[{"id":"A-1"}]}"#),
            json!([null, budget(1), null]),
        ),
        ("a step", list("/accounts?limit=1", r#"{"items":[{"id":"A-2"}]}"#), json!(["mask", budget(2), null])),
        ("a budget that refuses", list("/accounts?limit=2", ""), json!([null, budget(2), "budget"])),
    ] {
        let record = run(&program, &mut store, &Case { target, parts: &[body], ..PLAIN });
        let record = rest(&program, record);
        assert_eq!(json!([record["step"], record["budgets"], record["reason"]]), expected, "{claim}: {record}");
    }
}

#[test]
fn a_record_names_a_thousand_subjects_and_counts_the_rest() {
    let program = program(&policy(json!({})), true);
    let items: Vec<Value> = (0..1203).map(|id| json!({"id": id})).collect();
    let body = json!({"items": items}).to_string();
    let record = run(&program, &mut MemoryStore::default(), &Case { target: "/accounts", parts: &[&body], ..PLAIN });
    let record = rest(&program, record);
    assert_eq!(record["subjects"]["customer"].as_array().unwrap().len(), 1000);
    assert_eq!((&record["records"], &record["unknown"]), (&json!(1203), &json!(203)));
}

#[test]
fn without_a_key_all_are_unknown() {
    let program = program(&policy(json!({})), false);
    for (target, body) in
        [("/accounts/A-1", ACCOUNT), ("/accounts/A-1/calls", r#"{"items":[{"to":"1234"},{"to":"5678"}]}"#)]
    {
        let record =
            run(&program, &mut MemoryStore::default(), &Case { target, client: "other", parts: &[body], ..PLAIN });
        let record = rest(&program, record);
        assert_eq!(
            (&record["unknown"], record.get("subjects"), record.get("client")),
            (&json!(1), None, None),
            "{target}"
        );
    }
}

#[test]
fn canaries_that_left_are_named() {
    let id = tag("customer", "A-1")[..16].to_owned();
    let program = program(&policy(json!({"canaries": {"customer": [format!("c1_{id}")], "ceiling": "blank"}})), true);
    let mut store = MemoryStore::default();
    let record = rest(&program, run(&program, &mut store, &Case { parts: &[ACCOUNT], ..PLAIN }));
    assert_eq!((&record["canaries"], record.get("step")), (&json!([id]), None));
    let record = rest(&program, run(&program, &mut store, &Case { parts: &[r#"{"id":"A-2"}"#], ..PLAIN }));
    assert_eq!((record.get("canaries"), &record["step"]), (None, &json!("blank")), "and what they do from then on");
}

#[test]
fn a_route_that_only_reports_says_what_would_have_become_of_it() {
    let mut policy = policy(json!({}));
    policy["routes"]["get-account"]["report_until"] = json!("2027-01-01");
    let program = program(&policy, true);
    let report = |case: &Case<'_>| {
        let record = rest(&program, run(&program, &mut MemoryStore::default(), case));
        json!([record["mode"], record["outcome"], record["reason"], record["status"], record["fields"]["contact"]])
    };
    let expected = json!(["reported", "released", null, 200, {"mask": 1, "blank": 2}]);
    assert_eq!(report(&Case { parts: &[ACCOUNT], ..PLAIN }), expected);
    let expected = json!(["reported", "refused", "nothing_visible", 200, null]);
    assert_eq!(report(&Case { parts: &[ACCOUNT], scopes: "", ..PLAIN }), expected);
}

#[test]
fn a_route_that_only_reports_names_whoever_left_before_a_cut() {
    let mut policy = policy(json!({}));
    policy["routes"]["get-account"]["report_until"] = json!("2027-01-01");
    policy["routes"]["list-accounts"]["report_until"] = json!("2027-01-01");
    let program = program(&policy, true);
    // Within what an enforced response would have held: here all that has come has gone.
    let account = &ACCOUNT[..ACCOUNT.len() - 1];
    let rows: [(&str, &str, &[&str], Value); 3] = [
        ("an account but for its last byte", "/accounts/A-1", &[account], json!(["cut", 1, 1])),
        (
            "a page after its second record",
            "/accounts",
            &[r#"{"items":[{"id":"A-1"},{"id":"A-2"},"#],
            json!(["cut", 2, 2]),
        ),
        ("no byte of the body", "/accounts", &[], json!(["cut", null, null])),
    ];
    for (claim, target, parts, expected) in rows {
        let case = Case { target, parts, ends: false, ..PLAIN };
        let record = rest(&program, run(&program, &mut MemoryStore::default(), &case));
        let subjects = record["subjects"]["customer"].as_array().map(Vec::len);
        assert_eq!(record["mode"], "reported", "{claim}");
        assert_eq!(json!([record["outcome"], record["records"], subjects]), expected, "{claim}: {record}");
    }
}

#[test]
fn a_response_that_is_cut_counts_what_left() {
    let program = program(&policy(json!({"head": "released"})), true);
    let items: Vec<String> = (0..3000).map(|id| format!(r#"{{"id":"A-{id}"}}"#)).collect();
    let (before, after) = items.split_at(1500);
    let first = format!(r#"{{"items":[{},"#, before.join(","));
    let second = format!("{},nonsense", after.join(","));
    let run = |parts: &[&str]| {
        let case = Case { target: "/accounts", parts, ends: false, ..PLAIN };
        rest(&program, run(&program, &mut MemoryStore::default(), &case))
    };
    let record = run(&[&first]);
    assert_eq!((&record["outcome"], &record["records"]), (&json!("cut"), &json!(1500)), "the caller left");
    assert_eq!(record["fields"], json!({"identifier": {"show": 1500}}));
    let record = run(&[&first, &second]);
    assert_eq!((&record["outcome"], &record["reason"]), (&json!("cut"), &json!("json_syntax")));
    let offset = first.len() + second.len() - "nonsense".len() + 1;
    assert_eq!((&record["status"], &record["offset"]), (&json!(200), &json!(offset)));
}

#[test]
fn a_plugin_without_a_policy_says_that_it_refused() {
    let mut record = Record::new(None, Outcome::Refused);
    record.refusal = Some(fieldgate::refusal::Refusal::Host);
    assert_eq!(record.line(), br#"{"fieldgate":1,"outcome":"refused","reason":"host"}"#);
    let exchange = Exchange::new(program(&policy(json!({})), false));
    let record: Value = serde_json::from_slice(&exchange.record(None).line()).unwrap();
    assert_eq!((&record["outcome"], record.get("mode")), (&json!("unseen"), None), "another filter answered");
}

/// A page's table rows, by their first cell, of the part under a heading.
fn rows_of<'a>(page: &'a str, heading: &str) -> Vec<(Vec<&'a str>, &'a str)> {
    let part = page.split_once(&format!("\n## {heading}\n")).unwrap().1;
    let part = part.split_once("\n## ").map_or(part, |(part, _)| part);
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let words = |cell: &'a str| cell.split('`').skip(1).step_by(2).collect();
    rows.map(|row| row.trim_start_matches('|').split_once('|').unwrap())
        .map(|(first, rest)| (words(first), rest))
        .collect()
}

#[test]
fn the_page_describes_each_member_and_each_metric() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(root.join("policies/fieldgate-record.v1.schema.json")).unwrap())
            .unwrap();
    let members: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let outcomes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
    let described: Vec<&str> = rows_of(&page, "The decision record").into_iter().flat_map(|(names, _)| names).collect();
    let expected: Vec<&str> = members.iter().chain(["outcome"].iter()).chain(&outcomes).copied().collect();
    assert_eq!(described, expected, "members and outcomes, in order");
    assert_eq!(schema["properties"]["outcome"]["enum"], json!(outcomes));

    let metrics: Vec<(&str, Vec<&str>)> = METRICS.iter().map(|metric| (metric.name, metric.labels.to_vec())).collect();
    let described: Vec<(&str, Vec<&str>)> = rows_of(&page, "Metrics")
        .into_iter()
        .map(|(names, rest)| {
            let labels = rest.split('|').next().unwrap().split('`').skip(1).step_by(2).collect();
            (names[0], labels)
        })
        .collect();
    assert_eq!(described, metrics);
    let bootstrap = fs::read_to_string(root.join("envoy/envoy.yaml")).unwrap();
    for label in METRICS.iter().flat_map(|metric| metric.labels) {
        let tag = format!(r"{{tag_name: {label}, regex: '({label}=\.=(.*?);\.;)'}}");
        assert!(bootstrap.contains(&tag), "envoy/envoy.yaml has no tag {label}");
    }
    let rules = fs::read_to_string(root.join("envoy/alerts.yaml")).unwrap();
    let asked =
        rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("fieldgate_"));
    for name in asked.filter(|name| *name != "fieldgate_gate") {
        assert!(METRICS.iter().any(|metric| metric.name == name), "envoy/alerts.yaml asks for {name}");
    }
}

#[test]
fn nothing_of_a_body_or_a_header_gets_into_a_record() {
    // Text that nothing of the policy's, of the product's or of a tag has in it.
    const MARKER: &str = "Qz-Ωmarker";
    let program = program(&policy(json!({})), true);
    let body = format!(
        r#"{{"id":"{MARKER}","status":"{MARKER}","email":"{MARKER}@example.org","tags":["{MARKER}"],"{MARKER}":1,
            "address":{{"street":"{MARKER}","country":{{"{MARKER}":"{MARKER}"}}}}}}"#
    );
    let broken = format!("{body}{MARKER}");
    let path = format!("/accounts/{}", "Qz-%CE%A9marker");
    let query = format!("{path}?{MARKER}={MARKER}");
    let elsewhere = format!("/{MARKER}");
    let more = [("x-request-id", MARKER), ("x-secret", MARKER), (MARKER, MARKER)];
    for (target, client, scopes) in [
        (path.as_str(), MARKER, "care"),
        (&path, MARKER, MARKER),
        (&query, MARKER, "care"),
        (&elsewhere, MARKER, "care"),
        ("/accounts/1/calls", "crm-app", MARKER),
    ] {
        for parts in [&[body.as_str()], &[broken.as_str()]] {
            let case = Case { target, client, scopes, more: &more, parts, ..PLAIN };
            let line = String::from_utf8(written(&program, &mut MemoryStore::default(), &case)).unwrap();
            assert!(!line.contains("Qz") && !line.contains("marker") && line.is_ascii(), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}

/// Of several issuers the record names the one whose token was verified.
#[test]
fn of_several_issuers_the_one_that_vouched_is_named() {
    let mut policy = policy(json!({}));
    policy["identity"]["payload"] = json!(["staff", "partners"]);
    let program = program(&policy, true);
    for (claim, payload, issuer) in
        [("the first", Some(0), Some("staff")), ("the second", Some(1), Some("partners")), ("none", None, None)]
    {
        let mut exchange = Exchange::new(Rc::clone(&program));
        let mut caller = Caller::new(program.policy(), "crm-app", vec!["care".to_owned()], Value::Null);
        caller.payload = payload;
        let request = headers(&[(":method", "GET"), (":path", "/accounts/1"), (":authority", "api.example")]);
        exchange.on_request(&request, caller, None);
        exchange.settle(None, &mut MemoryStore::default());
        let record: Value = serde_json::from_slice(&exchange.record(None).line()).unwrap();
        assert_eq!(record.get("issuer").and_then(Value::as_str), issuer, "{claim}");
    }
}

#[test]
fn only_a_plain_request_id_is_repeated() {
    let long = "a".repeat(65);
    for (id, plain) in [
        ("7f3e-1", true),
        ("A.b_c-9", true),
        (&long[..64], true),
        (&long, false),
        ("", false),
        ("a b", false),
        ("a\"b", false),
        ("a\nb", false),
        ("é", false),
    ] {
        assert_eq!(request_id(id), plain.then_some(id), "{id:?}");
    }
}
