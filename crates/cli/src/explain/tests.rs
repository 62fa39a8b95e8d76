//! Advice is applied: the field that was asked for comes out, and nothing else that the advice does not speak of.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::{BTreeMap, BTreeSet};

use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{Level, RouteBody};
use fieldgate_testkit::cases::{Choices, choices_of};
use fieldgate_workbench::suite::verdict::{Asker, covering, judge, word};
use serde_json::{Map, Value, json};

use super::Asked;
use crate::load::{self, Loaded};

const PATHS: [&str; 10] = ["$.a", "$.b", "$.*", "$.c.a", "$.c.b", "$.*.a", "$.c.*", "$.*.*", "$.c..*", "$..*"];
const CLASSES: [&str; 3] = ["k", "n", "r"];

/// A policy of two shapes, of which one mounts the other twice, with entries that share places.
fn policy(choices: &mut Choices<'_>) -> Value {
    let mut shape = |count: usize| {
        let mut entries = Map::new();
        for _ in 0..=choices.pick(count) {
            let mut classes: BTreeSet<&str> = BTreeSet::from([choices.of(&CLASSES)]);
            if choices.now_and_then(4) {
                classes.insert(choices.of(&CLASSES));
            }
            entries.insert(choices.of(&PATHS).to_owned(), json!({"class": classes}));
        }
        entries
    };
    let (mut outer, inner) = (shape(3), shape(2));
    outer.insert("$.d".to_owned(), json!({"shape": "inner"}));
    outer.insert("$.e".to_owned(), json!({"shape": "inner"}));
    let mut grant = Map::new();
    for class in CLASSES {
        if choices.now_and_then(6) {
            grant.insert(class.to_owned(), json!(choices.of(&["show", "mask", "hide"])));
        }
    }
    let ceiling = if choices.now_and_then(3) { json!({choices.of(&CLASSES): "hide"}) } else { json!({}) };
    json!({
        "language": 1, "policy": "advised",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"k": {"about": "k"}, "n": {"about": "n"}, "r": {"about": "r"}},
        "shapes": {"outer": outer, "inner": inner},
        "routes": {"get": {"match": "GET /a/{id}", "area": "a", "body": {"$": {"shape": "outer"}}}},
        "scopes": {"care": {"areas": ["a"], "grant": grant}},
        "clients": {"*": {"ceiling": ceiling}},
    })
}

fn loaded(policy: &Value) -> Option<Loaded> {
    let files = BTreeMap::from([("p.yaml".to_owned(), policy.to_string())]);
    load::one(&files, "p.yaml").ok()
}

fn body() -> Value {
    let leaves = json!({"a": 1, "b": 2, "f": 3, "q": {"z": 4}});
    let inner = json!({"a": 1, "b": 2, "g": 3, "c": leaves});
    json!({"a": 1, "b": 2, "h": 3, "c": leaves, "d": inner, "e": inner})
}

/// Each place of the body with its level, and the entries that name it.
fn levels(one: &Loaded, asker: Asker<'_>) -> BTreeMap<String, (Level, Vec<usize>)> {
    let route = &one.policy.routes[0];
    let RouteBody::Governed(governed) = &route.body else { panic!("it is governed") };
    let body = body();
    let judged = judge(&one.policy, route, governed, asker, &body);
    judged.into_iter().map(|one| (one.place.to_string(), (one.verdict.level, one.verdict.entries))).collect()
}

/// Applies a change to the policy, and looks at what comes out that did not.
fn comes_out(
    (document, asker, asked): (&Value, Asker<'_>, &FieldPath),
    (by_name, others): (bool, usize),
    apply: impl Fn(&mut Value),
) {
    let mut changed = document.clone();
    apply(&mut changed);
    let said = format!("{asked} of {document}\n{changed}");
    let (before, after) = (loaded(document).expect("it loads"), loaded(&changed).unwrap_or_else(|| panic!("{said}")));
    let RouteBody::Governed(governed) = &before.policy.routes[0].body else { panic!("it is governed") };
    // Where no other entry has a say, the answer is about the very place.
    let own = covering(governed, asked);
    let (before, after) = (levels(&before, asker), levels(&after, asker));
    let is = |place: &str| asked.covers(&FieldPath::parse(place).expect("a place is a path"));
    let more: Vec<&String> =
        after.iter().filter(|(place, (level, _))| before[*place].0 < *level).map(|(place, _)| place).collect();
    let very = after.iter().filter(|(place, (_, entries))| is(place) && *entries == own);
    for (place, _) in very {
        assert!(more.contains(&place), "{place} does not come out: {said}");
    }
    if others == 0 {
        // A name is of one entry: what others name too is theirs to show.
        let only = |place: &str| is(place) && (!by_name || after[place].1 == own);
        let besides: Vec<&&String> = more.iter().filter(|place| !only(place)).collect();
        assert!(besides.is_empty(), "{besides:?} besides: {said}");
    }
}

#[test]
fn advice_shows_the_field_that_was_asked_for_and_nothing_that_it_does_not_name() {
    let (mut granted, mut named, mut alone) = (0, 0, 0);
    let scopes = ["care".to_owned()];
    let claims = json!({});
    for seed in 0..300 {
        let choices = choices_of(seed, 64);
        let document = policy(&mut Choices::new(&choices));
        let Some(one) = loaded(&document) else { continue };
        let route = &one.policy.routes[0];
        let RouteBody::Governed(governed) = &route.body else { panic!("it is governed") };
        let asker = Asker { client: None, scopes: &scopes, claims: &claims };
        let paths: BTreeSet<String> = governed.entries.iter().map(|entry| entry.path.to_string()).collect();
        for path in paths.iter().map(String::as_str).chain(["$.h", "$.d.g", "$.e.c.f"]) {
            let path = FieldPath::parse(path).expect("a path");
            let asked = Asked::new(&one, route, governed, path.clone(), asker);
            let Some(advice) = asked.advice() else { continue };
            granted += 1;
            comes_out((&document, asker, &path), (false, advice.classes.1.0), |policy| {
                for class in &advice.classes.0 {
                    let class = &one.policy.classes[usize::from(class.0)].name;
                    policy["scopes"]["care"]["grant"][class] = json!(word(advice.level));
                }
            });
            let Some((shape, within, others)) = advice.named else { continue };
            named += 1;
            alone += u32::from(others.0 == 0);
            comes_out((&document, asker, &path), (true, others.0), |policy| {
                policy["scopes"]["care"]["fields"] = json!({&*shape: {within.to_string(): word(advice.level)}});
            });
        }
    }
    assert!(granted > 150 && named > 100 && alone > 50, "only {granted}, {named} by name, {alone} of them alone");
}
