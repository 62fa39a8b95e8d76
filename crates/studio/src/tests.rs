//! What the page is answered: on the shipped policy, where each row is a thing that somebody looks for.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

use serde_json::{Value, json};

use super::answer;

const POLICY: &str = include_str!("../../../policies/telco.yaml");
const SUITE: &str = include_str!("../../../policies/telco.test.yaml");
const ACCOUNT: &str = include_str!("../../../policies/testdata/account.json");
const INVOICES: &str = include_str!("../../../policies/testdata/invoices.json");

fn look(policy: &str, more: Value) -> Value {
    let mut question = json!({
        "ask": "look", "files": {"telco.yaml": policy}, "root": "telco.yaml", "now": 1_801_440_000,
        "request": "GET /accounts/42",
        "response": {"status": 200, "headers": [["content-type", "application/json"]], "body": ACCOUNT},
    });
    for (name, value) in more.as_object().unwrap() {
        question[name] = value.clone();
    }
    answer(&question)
}

/// The line of a view on which the upstream's value stands.
fn line<'a>(answer: &'a Value, scope: &str, was: &str) -> &'a Value {
    let views = answer["views"].as_array().unwrap();
    let view = views.iter().find(|view| view["name"] == scope).unwrap();
    view["lines"].as_array().unwrap().iter().find(|line| line["was"] == was).unwrap()
}

#[test]
fn each_value_says_what_became_of_it_and_which_line_decides() {
    let looked = look(POLICY, json!({}));
    for (scope, was, kind, is, decides) in [
        ("care.read", "\"ES9121000418450200051332\"", "mask", json!("\"****1332\""), "care.read grants mask"),
        ("care.read", "\"ana@example.com\"", "show", Value::Null, "care.read names it in its `fields`: show"),
        ("care.read", "\"+34655010123\"", "hide", Value::Null, "care.read grants nothing: hide"),
        ("care.read", "48.50", "blank", json!("null"), "care.read names it in its `fields`: blank"),
        ("billing.read", "48.50", "show", Value::Null, "billing.read grants show"),
        ("care.read", "\"B2\"", "hide", Value::Null, "no shape names this place, so nobody sees it"),
        (
            "care.read",
            "\"Asked to be called on +34 655 010 123 after six.\"",
            "detect",
            json!("\"Asked to be called on [phone] after six.\""),
            "care.read grants show",
        ),
    ] {
        let line = line(&looked, scope, was);
        assert_eq!((&line["k"], &line["is"]), (&json!(kind), &is), "{scope} {was}");
        let field = &looked["fields"][usize::try_from(line["e"].as_u64().unwrap()).unwrap()];
        let deciding = field["reasons"].as_array().unwrap().iter().find(|reason| reason["decides"] == true).unwrap();
        assert_eq!(deciding["text"], decides, "{scope} {was}");
        if let Some(at) = deciding["at"].as_object() {
            let text = POLICY.lines().nth(usize::try_from(at["line"].as_u64().unwrap()).unwrap() - 1);
            assert_eq!(at["text"].as_str(), text, "{scope} {was}");
        }
    }
}

#[test]
fn elements_that_rows_leave_out_are_struck_and_the_others_are_where_they_were() {
    let asked = json!({"request": "GET /accounts/42/invoices", "response": {"status": 200,
        "headers": [["content-type", "application/json"]], "body": INVOICES}});
    let looked = look(POLICY, asked);
    for (was, kind) in [
        ("\"INV-2026-1103\"", "show"),
        ("\"INV-2026-1201\"", "hide"),
        ("\"INV-2026-1203\"", "show"),
        ("\"INV-2026-9999\"", "hide"),
        ("12.00", "hide"),
        ("5.00", "hide"),
    ] {
        assert_eq!(line(&looked, "billing.read", was)["k"], kind, "{was}");
    }
}

#[test]
fn budgets_lower_what_comes_out_and_name_themselves() {
    for (used, kind, decides) in [
        (json!(null), "show", "billing.read grants show"),
        (json!(79), "show", "billing.read grants show"),
        (json!(80), "mask", "budget customers-per-hour above 80%: at most mask for financial"),
    ] {
        let looked = look(POLICY, json!({"used": used}));
        let line = line(&looked, "billing.read", "\"ES9121000418450200051332\"");
        let field = &looked["fields"][usize::try_from(line["e"].as_u64().unwrap()).unwrap()];
        let reasons = field["reasons"].as_array().unwrap();
        let deciding = reasons.iter().find(|reason| reason["decides"] == true).unwrap();
        assert_eq!((&line["k"], &deciding["text"]), (&json!(kind), &json!(decides)), "{used}");
    }
    let full = look(POLICY, json!({"used": 100}));
    let refused = &full["views"][0];
    assert_eq!((&refused["status"], &refused["refused"]["reason"]), (&json!(429), &json!("budget")));
    assert!(refused["body"].as_str().unwrap().contains("\"status\":429"), "{refused}");
    assert!(refused["headers"].as_array().unwrap().contains(&json!(["retry-after", "86400"])), "{refused}");
}

#[test]
fn one_caller_is_the_one_that_is_given() {
    let caller = |scopes: Value, claims: Value| json!({"callers": [{"name": "x", "scopes": scopes, "client": "acme-partner", "claims": claims}]});
    let looked = look(POLICY, caller(json!(["partner.verify", "care.read"]), json!("")));
    assert_eq!(line(&looked, "x", "\"X-4482-117-123\"")["k"], "hide");
    let looked = look(POLICY, caller(json!([]), json!("")));
    let view = &looked["views"][0];
    assert_eq!((&view["status"], &view["refused"]["reason"]), (&json!(403), &json!("nothing_visible")));
    assert!(look(POLICY, caller(json!([]), json!("{")))["fault"].as_str().unwrap().contains("not JSON"));
}

#[test]
fn places_count_as_the_editor_does() {
    let broken = POLICY
        .replace("identity: show, contact", "identity: show, c😀ntact")
        .replace("  identity:  {about", "  # ñ😀\n  identity:  {about");
    let looked = look(&broken, json!({}));
    let units: Vec<u16> = broken.encode_utf16().collect();
    let mark = looked["marks"].as_array().unwrap().iter().find(|mark| mark["code"] == "FG012").unwrap();
    let unit = |name: &str| usize::try_from(mark["at"][name].as_u64().unwrap()).unwrap();
    assert_eq!(String::from_utf16(&units[unit("from")..unit("to")]).unwrap(), "c😀ntact");
    assert!(looked["policy"].is_null() && looked["check"]["errors"].as_u64() > Some(0));
}

#[test]
fn a_fix_is_what_check_would_write() {
    let looked = look(&POLICY.replace("financial: mask", "finacial: mask"), json!({}));
    let mark = looked["marks"].as_array().unwrap().iter().find(|mark| mark["code"] == "FG012").unwrap();
    assert_eq!(mark["fix"]["text"], "financial");
    assert_eq!(mark["fix"]["at"], mark["at"]);
}

#[test]
fn a_suites_rows_run_with_the_bodies_that_are_given() {
    let suite = |bodies: Value| {
        answer(&json!({
            "ask": "suite", "files": {"telco.yaml": POLICY}, "root": "telco.yaml", "now": 1_801_440_000,
            "suite": {"name": "telco.test.yaml", "text": SUITE, "bodies": bodies},
        }))
    };
    let mut bodies = json!({});
    for name in ["account", "calls", "error", "invoices"] {
        let file = format!("{}/../../policies/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
        bodies[format!("testdata/{name}.json")] = std::fs::read_to_string(file).unwrap().into();
    }
    let ran = suite(bodies);
    let rows = ran["rows"].as_array().unwrap();
    assert!(rows.len() > 10 && rows.iter().all(|row| row["findings"] == json!([])), "{ran}");
    assert_eq!(rows[0]["asks"]["route"], "get-account");
    // A body that is not given is said, and is never looked for on a disk.
    let missing = suite(json!({}));
    assert_eq!(missing["check"]["diagnostics"][0]["code"], "FG001", "{missing}");
}

#[test]
fn two_policies_are_compared() {
    let policy = |text: &str| json!({"files": {"telco.yaml": text}, "root": "telco.yaml"});
    let compared = |old: &str, new: &str| {
        let mut question = policy(new);
        question["ask"] = "diff".into();
        question["old"] = policy(old);
        answer(&question)
    };
    let more = POLICY.replace("contact: mask, financial: mask", "contact: mask, financial: show");
    let counts =
        |answer: &Value| (answer["gains"].as_array().unwrap().len(), answer["losses"].as_array().unwrap().len());
    let (gains, losses) = counts(&compared(POLICY, &more));
    assert!(gains > 0 && losses == 0, "{gains} {losses}");
    assert_eq!(counts(&compared(&more, POLICY)), (0, gains));
    // Another name is no other policy here.
    assert_eq!(counts(&compared(POLICY, &POLICY.replace("policy: telco-accounts", "policy: other"))), (0, 0));
    assert_eq!(compared("nonsense: 1\n", POLICY)["broken"], "old");
}

#[test]
fn what_is_not_understood_is_said() {
    for (question, fault) in [
        (json!({}), "no question is called"),
        (json!({"ask": "delete"}), "no question is called `delete`"),
        (json!({"ask": "complete"}), "no such file"),
        (json!({"ask": "diff"}), "`old`"),
    ] {
        assert!(answer(&question)["fault"].as_str().unwrap().contains(fault), "{question}");
    }
    // No policy at all is said as `check` says it, and nothing is drawn.
    let nothing = answer(&json!({"ask": "look"}));
    assert!(nothing["check"]["errors"].as_u64() > Some(0) && nothing["views"].is_null());
}

#[test]
fn an_answer_is_of_its_own_question_whatever_was_asked_before() {
    let show = POLICY.replace("contact: mask, financial: mask", "contact: mask, financial: show");
    let iban = |policy: &str| line(&look(policy, json!({})), "care.read", "\"ES9121000418450200051332\"")["k"].clone();
    // Three policies in turn, of which two are kept.
    let third = POLICY.replace("policy: telco-accounts", "policy: third");
    for _ in 0..2 {
        for (policy, kind) in [(POLICY, "mask"), (&show, "show"), (&third, "mask"), (POLICY, "mask")] {
            assert_eq!(iban(policy), kind);
        }
    }
    // The moment is a part of the question: what reports until a day is said to be over on it.
    let reports = POLICY.replacen("area: accounts", "area: accounts\n    report_until: 2027-02-03", 1);
    let said = |now: u64| look(&reports, json!({"now": now}))["check"].to_string().contains("FG");
    let noted = |now: u64| look(&reports, json!({"now": now}))["check"].clone();
    assert!(said(1_801_440_000));
    assert_ne!(noted(1_801_440_000), noted(1_811_440_000));
    assert_eq!(noted(1_801_440_000), noted(1_801_440_000));
}

#[test]
fn a_callers_own_budget_is_untouched_by_the_view_before() {
    // One customer an hour, and every scope's caller asks for one with the client id of all.
    let policy = POLICY.replace("max: 200", "max: 1").replace("max: 800", "max: 1");
    for used in [json!(null), json!(50)] {
        let looked = look(&policy, json!({"client": "care-app", "used": used}));
        let views = looked["views"].as_array().unwrap();
        assert!(views.len() > 3 && views.iter().all(|view| view["refused"].is_null()), "{used}: {looked}");
    }
}

#[test]
fn headers_of_the_request_come_back_where_the_policy_says_so() {
    let policy = POLICY.replace("headers: {keep:", "headers: {echo: [x-trace], keep:");
    assert_ne!(policy, POLICY);
    let echoed = |more: Value| {
        let looked = look(&policy, more);
        let headers = looked["views"][0]["headers"].as_array().unwrap().clone();
        headers.iter().find(|header| header[0] == "x-trace").map(|header| header[1].clone())
    };
    assert_eq!(echoed(json!({})), None);
    assert_eq!(echoed(json!({"headers": [["X-Trace", "7"], ["x-other", "8"]]})), Some(json!("7")));
    // The request's line is no header of it.
    assert_eq!(look(&policy, json!({"headers": [[":path", "/elsewhere"]]}))["views"][0]["status"], 200);
}

#[test]
fn a_cell_of_which_another_entry_shows_a_part_says_so() {
    const PARTS: &str = include_str!("../../../tests/cli/parts/policy.yaml");
    let said = answer(&json!({"ask": "matrix", "files": {"p.yaml": PARTS}, "root": "p.yaml"}));
    let route = said["routes"].as_array().unwrap().iter().find(|route| route["name"] == "get-held").unwrap();
    let field = route["fields"].as_array().unwrap().iter().find(|field| field["path"] == "$[*].ssn").unwrap();
    let scopes = said["scopes"].as_array().unwrap();
    for (scope, expected) in [("care", json!(["where $.holder[*] names it too: show"])), ("desk", json!([]))] {
        let cell = &field["cells"][scopes.iter().position(|name| name == scope).unwrap()];
        assert_eq!(cell[0], "hide", "{scope}");
        let reasons = route["explained"][usize::try_from(cell[1].as_u64().unwrap()).unwrap()]["reasons"].as_array();
        let parts: Vec<&Value> = reasons.unwrap().iter().filter(|one| one["topic"] == "in part").collect();
        let texts: Vec<&Value> = parts.iter().map(|one| &one["text"]).collect();
        assert_eq!(json!(texts), expected, "{scope}");
    }
}
