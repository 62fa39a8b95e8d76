//! Bodies, and the policy for each: about a fifth of the fields kept, one string masked, the rest dropped.

mod documents;
mod extremes;

use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::model::RouteId;
use fieldgate::policy;
use fieldgate::program::{Program, View};
use fieldgate::transform::PseudonymKey;
use serde_json::{Value, json};

/// What an input says about the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Generated customers, of that size.
    Customers,
    /// Other documents as services send them.
    Documents,
    /// What is hardest for one engine or another.
    Adversarial,
}

/// Bodies that are rewritten one after the other, each by its view.
pub struct Input {
    pub name: &'static str,
    pub kind: Kind,
    pub bodies: Vec<(Vec<u8>, Rc<View>)>,
}

impl Input {
    fn new(name: &'static str, kind: Kind, body: String, paths: &[(&str, &str)]) -> Self {
        Self { name, kind, bodies: vec![(body.into_bytes(), view(paths))] }
    }

    /// Bytes of all bodies.
    pub fn size(&self) -> usize {
        self.bodies.iter().map(|(body, _)| body.len()).sum()
    }
}

/// All inputs whose names contain one of the words, or all.
pub fn all(words: &[String]) -> Vec<Input> {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    type Maker = fn(&'static str) -> Input;
    let documents: [(&'static str, Maker); 7] = [
        ("customers 2 KB", |name| documents::customers(name, 2_000)),
        ("customers 100 KB", |name| documents::customers(name, 100_000)),
        ("customers 10 MB", |name| documents::customers(name, 10_000_000)),
        ("posts 600 KB", documents::posts),
        ("events 1.7 MB", documents::events),
        ("outline 2 MB", documents::outline),
        ("mixed cold 8 MB", documents::mixed),
    ];
    let documents = documents.into_iter().filter(|(name, _)| wanted(name)).map(|(name, make)| make(name));
    documents.chain(extremes::all().into_iter().filter(|input| wanted(input.name))).collect()
}

/// Generated customers of about so many bytes.
#[allow(dead_code, reason = "for the bench in Envoy")]
pub fn customers(name: &'static str, size: usize) -> Input {
    documents::customers(name, size)
}

/// The policy by which generated customers are rewritten, for everybody.
pub fn customers_policy() -> Value {
    policy_of(documents::CUSTOMERS)
}

/// The policy of customers where each request names one customer in its path (`GET /r/{id}`); with a budget of so many, or none.
#[allow(dead_code, reason = "for the bench in Envoy")]
pub fn one_customer_policy(max: Option<u64>) -> Value {
    let mut policy = customers_policy();
    policy["routes"]["r"]["match"] = json!("GET /r/{id}");
    policy["routes"]["r"]["subject"] = json!({"customer": "{id}"});
    if let Some(max) = max {
        policy["budgets"] = json!({"hour": {
            "areas": ["a"], "count": {"distinct": "customer"}, "per": "1d", "max": max,
            "steps": {"80%": "mask", "100%": "reject"},
        }});
    }
    policy
}

/// The key of the benches: nobody's secret.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The policy by which customers are rewritten whose ids are subjects that a budget counts, and its caller.
pub fn counted_customers() -> (Program, Caller) {
    let mut policy = customers_policy();
    let route = &mut policy["routes"]["r"];
    route["body"]["$.items[*].id"] = json!({"class": "s", "subject": "customer"});
    route["max_records"] = json!({"at": "$.items[*]", "max": 100_000, "over": "truncate"});
    policy["budgets"] = json!({"hour": {
        "areas": ["a"], "count": {"distinct": "customer"}, "per": "1d", "max": 10_000_000,
    }});
    let (set, _) = policy::from_json(policy.to_string().as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let caller = Caller::nobody(&set);
    (Program::new(set, Some(PseudonymKey::from_base64(KEY).unwrap())).unwrap(), caller)
}

/// The view of a caller to whom class `s` is shown and class `m` masked.
fn view(paths: &[(&str, &str)]) -> Rc<View> {
    let document = policy_of(paths).to_string();
    let (set, _) = policy::from_json(document.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let caller = Caller::nobody(&set);
    let program = Program::new(set, None).unwrap();
    Rc::new(program.view(RouteId(0), &caller).unwrap())
}

fn policy_of(paths: &[(&str, &str)]) -> Value {
    let body: serde_json::Map<String, Value> = paths
        .iter()
        .map(|(path, class)| {
            let entry = match *class {
                "m" => json!({"class": "m", "mask": "email"}),
                class => class.into(),
            };
            ((*path).to_owned(), entry)
        })
        .collect();
    json!({
        "language": 1,
        "policy": "bench",
        "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
        "classes": {"s": {"about": "shown"}, "m": {"about": "masked"}},
        "routes": {"r": {"match": "GET /r", "area": "a", "body": body}},
        "scopes": {"all": {"when": "always", "areas": ["a"], "grant": {"s": "show", "m": "mask"}}},
    })
}
