//! What explanations say is what callers get: the naive verdict on every place of a body, held against what the compiled
//! program lets out, for every set of scopes and every client of the shipped policy.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::exchange::{Request, Response, respond};
use fieldgate::model::moment::Moment;
use fieldgate::model::{BudgetId, Level, RouteBody};
use fieldgate::program::{Program, Way};
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::suite::budgets;
use fieldgate_workbench::suite::place::scalars;
use fieldgate_workbench::suite::verdict::{Asker, judge};
use serde_json::{Value, json};

/// Values by place, indexes as `*`, in document order.
type Released = BTreeMap<String, Vec<Value>>;

fn released(body: &Value) -> Released {
    let mut released = Released::new();
    for (place, value) in scalars(body) {
        released.entry(place.general()).or_default().push(value.clone());
    }
    released
}

#[test]
fn every_verdict_on_the_shipped_policy_is_what_comes_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let (policy, _) = fieldgate::policy::from_yaml(&root.join("telco.yaml")).expect("the shipped policy checks");
    let key = PseudonymKey::from_base64("ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ=").expect("a key");
    let names: Vec<String> = policy.scopes.iter().map(|scope| scope.name.clone()).collect();
    let mut compared = 0;
    for (ceiling, target, file) in [
        (Level::Show, "/accounts/42", "account.json"),
        (Level::Show, "/accounts/42/invoices", "invoices.json"),
        (Level::Show, "/accounts/42/calls", "calls.json"),
        // As a step of a budget leaves them.
        (Level::Mask, "/accounts/42", "account.json"),
        (Level::Pseudonym, "/accounts/42", "account.json"),
        (Level::Blank, "/accounts/42/invoices", "invoices.json"),
    ] {
        let lowered = budgets::with_ceiling(&policy, ceiling);
        let program = Rc::new(Program::new(lowered, Some(key.clone())).expect("a key is there"));
        let bytes = std::fs::read(root.join("testdata").join(file)).expect("a fixture");
        let body: Value = serde_json::from_slice(&bytes).expect("a fixture is JSON");
        let Ok(Way::Governed(id)) = program.way("api.example", "GET", target) else { panic!("{target} is governed") };
        let route = &policy.routes[usize::from(id.0)];
        let RouteBody::Governed(governed) = &route.body else { panic!("{target} is governed") };
        for set in 0_u32..1 << names.len() {
            let scopes: Vec<String> =
                names.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| name.clone()).collect();
            for client in ["", "care-app", "acme-partner"] {
                let claims = json!({});
                let asker = Asker { client: (!client.is_empty()).then_some(client), scopes: &scopes, claims: &claims };
                let judged = judge(&policy, route, governed, asker, &body);
                let answer = respond(
                    &program,
                    Request {
                        method: "GET".to_owned(),
                        target: target.to_owned(),
                        headers: vec![(b":authority".to_vec(), b"api.example".to_vec())],
                        caller: Caller::new(&policy, client, scopes.clone(), claims.clone()),
                        now: Some(Moment(1_800_000_000)),
                    },
                    &Response {
                        status: 200,
                        headers: vec![(b"content-type".to_vec(), b"application/json".to_vec())],
                        body: bytes.clone(),
                    },
                );
                let came = match answer.report.refusal {
                    None => released(&serde_json::from_slice(&answer.body).expect("an answer is JSON")),
                    Some(_) => Released::new(),
                };
                let mut expected: BTreeMap<String, Vec<(Level, Value)>> = BTreeMap::new();
                for one in &judged {
                    let verdict = one.verdict.clone().under(governed, BudgetId(0), 80, ceiling);
                    if verdict.level > Level::Hide {
                        let place = expected.entry(one.place.general()).or_default();
                        place.push((verdict.level, one.value.clone()));
                    }
                }
                let about = format!("{target} at most {ceiling:?} {scopes:?} {client:?}");
                assert_eq!(came.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{about}");
                for (place, expected) in &expected {
                    assert_eq!(came[place].len(), expected.len(), "{about} {place}");
                    for (value, (level, original)) in came[place].iter().zip(expected) {
                        let as_said = match level {
                            // Detectors may have taken something out.
                            Level::Show => value == original || place.starts_with("$.notes"),
                            Level::Mask => value != original,
                            Level::Pseudonym => value.as_str().is_some_and(|text| text.starts_with("ps_")),
                            Level::Blank => value.is_null() || value == "REDACTED",
                            Level::Hide => false,
                        };
                        assert!(as_said, "{about} {place}: {level:?} of {original} came out as {value}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 1000, "only {compared} values were compared");
}
