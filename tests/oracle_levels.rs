//! The compiled program against a naive reading of rules 8 to 18 and 25, on seeded random policies, callers and documents;
//! and the algebra of rule 41.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use fieldgate_testkit::cases;
use fieldgate_testkit::oracle;
use fieldgate_testkit::shown::places;
use fieldgate_testkit::tree;

use std::collections::{BTreeMap, BTreeSet};

use cases::{Choices, Made, choices_of};
use fieldgate::caller::Caller;
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{Governed, Level, PolicySet, RouteBody, RouteId};
use fieldgate::policy;
use fieldgate::program::{ContainerRule, PathStep, Program, ScalarRule, StateId, View};
use fieldgate::transform::PseudonymKey;
use oracle::{Asker, Fate, Oracle, Place, Step, active_scopes};
use serde_json::{Value, json};
use tree::Tree;

fn key() -> PseudonymKey {
    PseudonymKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn load(text: &str) -> Result<PolicySet, String> {
    match policy::from_json(text.as_bytes()) {
        Ok((policy, _)) => Ok(policy),
        Err(found) => Err(found.to_string()),
    }
}

/// The route `r`.
fn route(policy: &PolicySet) -> RouteId {
    let index = policy.routes.iter().position(|route| route.name == "r").unwrap();
    RouteId(u16::try_from(index).unwrap())
}

fn governed(policy: &PolicySet) -> &Governed {
    match &policy.routes[usize::from(route(policy).0)].body {
        RouteBody::Governed(governed) => governed,
        RouteBody::Pass(_) => panic!("a governed route"),
    }
}

/// A caller, and the same for the oracle.
fn caller(choices: &mut Choices<'_>, policy: &PolicySet) -> (Caller, Asker) {
    let scopes: Vec<String> =
        cases::SCOPES.iter().filter(|_| choices.now_and_then(10)).map(|scope| String::from(*scope)).collect();
    let client = choices.of(cases::CLIENTS);
    let claims = choices.of(&[json!(null), json!({"acr": "2"}), json!({"acr": ["1", "2"]}), json!({"acr": 2})]);
    let (caller, asker) = both(policy, client, scopes, claims);
    let levels = [Level::Show, Level::Show, Level::Show, Level::Mask, Level::Pseudonym, Level::Blank, Level::Hide];
    (caller, Asker { ceiling: choices.of(&levels), ..asker })
}

fn both(policy: &PolicySet, client: &str, scopes: Vec<String>, claims: Value) -> (Caller, Asker) {
    let route = &policy.routes[usize::from(route(policy).0)];
    let caller = Caller::new(policy, client, scopes.clone(), claims.clone());
    // Rule 9: the entry with the exact id, else `*`.
    let exact = policy.clients.iter().position(|entry| entry.name == client && client != "*");
    let entry = exact.or_else(|| policy.clients.iter().position(|entry| entry.name == "*"));
    let entry = entry.map(|index| fieldgate::model::ClientId(u16::try_from(index).unwrap()));
    let scopes = active_scopes(policy, route, entry, &scopes, &claims);
    let asker = Asker { client_text: client.into(), entry, scopes, ceiling: Level::Show };
    (caller, asker)
}

fn document(choices: &mut Choices<'_>, made: &Made) -> Value {
    let body = cases::body(choices, &made.paths);
    let tree = Tree::parse(body.as_bytes(), 64).unwrap_or_else(|fault| panic!("{fault:?}: {body}"));
    tree.value()
}

/// Runs seeded cases; a failing one says its seed and shows its policy.
fn seeded(seeds: std::ops::Range<u64>, mut case: impl FnMut(u64, &mut Choices<'_>, &Made, &PolicySet)) {
    let mut taken = 0u32;
    let wanted = u32::try_from(seeds.end - seeds.start).unwrap();
    for seed in seeds {
        let bytes = choices_of(seed, 6000);
        let mut choices = Choices::new(&bytes);
        let made = cases::policy(&mut choices);
        let Ok(policy) = load(&made.text) else { continue };
        taken += 1;
        case(seed, &mut choices, &made, &policy);
    }
    assert!(taken > wanted / 2, "of {wanted} policies only {taken} were accepted");
}

#[test]
fn most_made_policies_are_accepted() {
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..400 {
        let bytes = choices_of(seed, 6000);
        let made = cases::policy(&mut Choices::new(&bytes));
        if let Err(fault) = load(&made.text) {
            *faults.entry(fault.lines().find(|line| line.contains("error")).unwrap_or("?").to_owned()).or_default() +=
                1;
        }
    }
    let refused: usize = faults.values().sum();
    assert!(refused < 100, "{refused} of 400: {faults:#?}");
}

#[test]
fn mounts_overrides_and_denies_resolve_as_a_naive_expansion_does() {
    seeded(0..1000, |seed, _, made, policy| {
        let governed = governed(policy);
        let level = |level: &Level| match level {
            Level::Hide => "hide",
            Level::Blank => "blank",
            Level::Pseudonym => "pseudonym",
            Level::Mask => "mask",
            Level::Show => "show",
        };
        let mut resolved: Vec<cases::Resolved> = governed
            .entries
            .iter()
            .map(|entry| cases::Resolved {
                path: entry.path.to_string(),
                classes: entry.classes.iter().map(|class| known(&policy.classes[usize::from(class.0)].name)).collect(),
                overrides: entry
                    .overrides
                    .iter()
                    .map(|(scope, to)| (known(&policy.scopes[usize::from(scope.0)].name), level(to)))
                    .collect(),
            })
            .collect();
        let canonical = |text: &str| FieldPath::parse(text).unwrap().to_string();
        let mut expected = made.entries.clone();
        for entry in &mut expected {
            entry.path = canonical(&entry.path);
        }
        resolved.sort();
        expected.sort();
        assert_eq!(resolved, expected, "seed {seed}: {}", made.text);

        let denies: BTreeSet<(&str, String)> = governed
            .denies
            .iter()
            .map(|(client, path)| (known(&policy.clients[usize::from(client.0)].name), path.to_string()))
            .collect();
        let expected: BTreeSet<(&str, String)> =
            made.denies.iter().map(|(client, path)| (*client, canonical(path))).collect();
        assert_eq!(denies, expected, "seed {seed}: {}", made.text);
    });
}

/// The static spelling of a name that the cases use.
fn known(name: &str) -> &'static str {
    ["f", "k", "n", "r", "s0", "s1", "s2", "*", "c1"].into_iter().find(|known| *known == name).unwrap()
}

#[test]
fn active_scopes_are_those_of_the_rules() {
    seeded(0..1500, |seed, choices, made, policy| {
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        for _ in 0..8 {
            let (caller, asker) = caller(choices, policy);
            assert_eq!(*program.active_scopes(route(policy), &caller), asker.scopes, "seed {seed}: {}", made.text);
        }
    });
}

#[test]
fn the_program_gives_every_place_what_the_rules_give_it() {
    let mut cases = 0u64;
    let mut places = 0u64;
    seeded(0..1500, |seed, choices, made, policy| {
        let program = Program::new(policy.clone(), Some(key())).unwrap();
        let oracle = Oracle::new(policy, route(policy));
        for _ in 0..4 {
            let (caller, asker) = caller(choices, policy);
            let view = program.view_under(route(policy), &caller, asker.ceiling).unwrap();
            for _ in 0..4 {
                let document = document(choices, made);
                let read = oracle.places(&asker, &document);
                cases += 1;
                places += read.len() as u64;
                let context = || {
                    format!(
                        "seed {seed}, client `{}`, scopes {:?}\n{}\n{document}",
                        asker.client_text, caller.scopes, made.text
                    )
                };
                compare(&view, view.root(), &document, &mut Vec::new(), &mut read.iter(), &context);
            }
        }
    });
    println!("{cases} cases, {places} places");
    assert!(cases > 10_000 && places > 50_000, "{cases} cases, {places} places");
}

fn compare(
    view: &View,
    id: StateId,
    node: &Value,
    steps: &mut Vec<Step>,
    read: &mut std::slice::Iter<'_, Place>,
    context: &dyn Fn() -> String,
) {
    let state = view.state(id);
    let place = read.next().unwrap();
    assert_eq!(place.steps, *steps, "both go through the document in one order");
    assert_eq!(fate(&state.scalar), place.scalar, "a scalar at {steps:?}, {}", context());
    let comes_out = matches!(state.container, ContainerRule::Walk | ContainerRule::Open);
    assert_eq!(comes_out, place.container, "a container at {steps:?}, {}", context());
    let children: Vec<(Step, &Value)> = match node {
        Value::Array(array) => array.iter().enumerate().map(|(index, child)| (Step::Element(index), child)).collect(),
        Value::Object(object) => object.iter().map(|(name, child)| (Step::Member(name.clone()), child)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        let next = match &step {
            _ if matches!(state.container, ContainerRule::Drop | ContainerRule::Open) => None,
            Step::Element(_) if state.filtered => Some(view.select(id, PathStep::Element, child).unwrap()),
            Step::Member(name) if state.filtered => Some(view.select(id, PathStep::Member(name), child).unwrap()),
            Step::Element(_) => Some(state.element),
            Step::Member(name) => Some(state.member(name)),
        };
        steps.push(step);
        match next {
            Some(next) => compare(view, next, child, steps, read, context),
            None => uniform(state.container == ContainerRule::Open, child, steps, read, context),
        }
        steps.pop();
    }
}

/// Below what is dropped nothing may come out, and below what is open everything must.
fn uniform(
    open: bool,
    node: &Value,
    steps: &mut Vec<Step>,
    read: &mut std::slice::Iter<'_, Place>,
    context: &dyn Fn() -> String,
) {
    let place = read.next().unwrap();
    assert_eq!(place.steps, *steps, "both go through the document in one order");
    let expected = if open { Fate::Show } else { Fate::Hide };
    assert_eq!((&place.scalar, place.container), (&expected, open), "at {steps:?}, {}", context());
    match node {
        Value::Array(array) => {
            for (index, child) in array.iter().enumerate() {
                steps.push(Step::Element(index));
                uniform(open, child, steps, read, context);
                steps.pop();
            }
        }
        Value::Object(object) => {
            for (name, child) in object {
                steps.push(Step::Member(name.clone()));
                uniform(open, child, steps, read, context);
                steps.pop();
            }
        }
        _ => {}
    }
}

fn fate(rule: &ScalarRule) -> Fate {
    match rule.fate() {
        ScalarRule::Hide => Fate::Hide,
        ScalarRule::Blank(blank) => Fate::Blank(blank.to_string()),
        ScalarRule::Pseudonym { form, blank } => Fate::Pseudonym(form.clone(), blank.to_string()),
        ScalarRule::Mask { form, blank } => Fate::Mask(*form, blank.to_string()),
        ScalarRule::Detect { detectors, blank } => Fate::Detect(detectors.to_vec(), blank.to_string()),
        ScalarRule::Show => Fate::Show,
        ScalarRule::Subject { .. } => Fate::Hide,
    }
}

/// How much comes out of every place: the level of a scalar, and whether a container does.
type Amounts = BTreeMap<String, (Level, bool)>;

fn amounts(policy: &PolicySet, client: &str, scopes: &[String], document: &Value) -> Amounts {
    let program = Program::new(policy.clone(), Some(key())).unwrap();
    let (caller, _) = both(policy, client, scopes.to_vec(), Value::Null);
    let view = program.view(route(policy), &caller).unwrap();
    places(&view, document).into_iter().map(|(at, (rule, comes))| (at, (fate(&rule).level(), comes))).collect()
}

/// A change to a policy, and what it is called; `None` where it has no place.
type Change = (&'static str, fn(&mut Choices<'_>, &mut Value) -> Option<()>);

const LOWERING: &[Change] = &[
    ("a class more on a field", |choices, policy| {
        let holders: Vec<String> = policy["shapes"].as_object()?.keys().map(|name| format!("/shapes/{name}")).collect();
        let holder = choices.of(&[holders, vec![String::from("/routes/r/body")]].concat());
        let fields = policy.pointer_mut(&holder)?.as_object_mut()?;
        let paths: Vec<String> = fields.keys().cloned().collect();
        let classes = fields.get_mut(&choices.of(&paths))?.get_mut("class")?.as_array_mut()?;
        let more = json!(choices.of(&["f", "k", "n", "r"]));
        if !classes.contains(&more) {
            classes.push(more);
        }
        Some(())
    }),
    ("a ceiling where none applied", |choices, policy| {
        let holder = choices.of(&["/routes/r", "/clients/*", "/clients/c1"]);
        let holder = policy.pointer_mut(holder)?;
        if holder.get("ceiling").is_none() {
            holder["ceiling"] = json!({});
        }
        let ceiling = holder.get_mut("ceiling")?.as_object_mut()?;
        let class = choices.of(&["f", "k", "n", "r", "*"]);
        if ceiling.contains_key("*") || ceiling.contains_key(class) {
            return None;
        }
        ceiling.insert(class.into(), json!(choices.of(&["mask", "pseudonym", "blank", "hide"])));
        Some(())
    }),
    ("a deny", |choices, policy| {
        let shapes = policy["shapes"].as_object()?;
        let shape = choices.of(&shapes.keys().cloned().collect::<Vec<_>>());
        let path = choices.of(&shapes[&shape].as_object()?.keys().cloned().collect::<Vec<_>>());
        let client = policy.pointer_mut(choices.of(&["/clients/*", "/clients/c1"]))?;
        if client.get("deny").is_none() {
            client["deny"] = json!({});
        }
        let deny = client.get_mut("deny")?.as_object_mut()?;
        let paths = deny.entry(shape).or_insert_with(|| json!([])).as_array_mut()?;
        if !paths.contains(&json!(path)) {
            paths.push(json!(path));
        }
        Some(())
    }),
    ("a row condition", |choices, policy| {
        let rows = json!(choices.of(&["$.a[?@.a]", "$[?@.b == 'x']", "$.b[?!@.c]", "$[?@.a > 0]"]));
        let (holder, rows) = choices.of(&[
            ("/routes/r", rows.clone()),
            ("/scopes/s0", json!({"r": rows})),
            ("/scopes/s1", json!({"r": rows})),
        ]);
        let holder = policy.pointer_mut(holder)?;
        if holder.get("rows").is_some() {
            return None;
        }
        holder["rows"] = rows;
        Some(())
    }),
];

#[test]
fn a_class_a_ceiling_a_deny_and_a_row_condition_can_only_lower() {
    let mut changed: BTreeMap<&str, u32> = BTreeMap::new();
    seeded(0..1200, |seed, choices, made, policy| {
        let (name, change) = choices.of(LOWERING);
        let mut text: Value = serde_json::from_str(&made.text).unwrap();
        if change(choices, &mut text).is_none() {
            return;
        }
        // A place or a row condition that nothing stands behind is refused, which lowers everything.
        let Ok(lower) = load(&text.to_string()) else { return };
        *changed.entry(name).or_default() += 1;
        for _ in 0..6 {
            let (caller, _) = caller(choices, policy);
            let document = document(choices, made);
            let before = amounts(policy, &caller.client, &caller.scopes, &document);
            let after = amounts(&lower, &caller.client, &caller.scopes, &document);
            for (at, (level, container)) in &after {
                let (most, contained) = before[at];
                assert!(
                    *level <= most && *container <= contained,
                    "{name}: {at} had {most:?} {contained}, has {level:?} {container}; seed {seed}, client `{}`, scopes {:?}\n{}\n{text}\n{document}",
                    caller.client,
                    caller.scopes,
                    made.text
                );
            }
        }
    });
    assert!(changed.len() == LOWERING.len() && changed.values().all(|count| *count > 40), "{changed:?}");
}

#[test]
fn a_scope_more_can_only_raise() {
    seeded(2000..2600, |seed, choices, made, policy| {
        for _ in 0..4 {
            let (caller, _) = caller(choices, policy);
            let document = document(choices, made);
            let before = amounts(policy, &caller.client, &caller.scopes, &document);
            let mut scopes = caller.scopes.clone();
            scopes.push(choices.of(cases::SCOPES).into());
            let after = amounts(policy, &caller.client, &scopes, &document);
            for (at, (level, container)) in &before {
                let (least, contained) = after[at];
                assert!(
                    *level <= least && *container <= contained,
                    "{at} had {level:?} {container}, has {least:?} {contained}; seed {seed}, client `{}`, scopes {:?} and {scopes:?}\n{}\n{document}",
                    caller.client,
                    caller.scopes,
                    made.text
                );
            }
        }
    });
}

#[test]
fn the_order_of_anything_is_irrelevant() {
    seeded(4000..4600, |seed, choices, made, policy| {
        let mut turned: Value = serde_json::from_str(&made.text).unwrap();
        turn(&mut turned);
        let turned = load(&turned.to_string()).unwrap();
        for _ in 0..4 {
            let (caller, _) = caller(choices, policy);
            let document = document(choices, made);
            let mut scopes = caller.scopes.clone();
            scopes.reverse();
            assert_eq!(
                amounts(policy, &caller.client, &caller.scopes, &document),
                amounts(&turned, &caller.client, &scopes, &document),
                "seed {seed}, client `{}`, scopes {:?}\n{}\n{document}",
                caller.client,
                caller.scopes,
                made.text
            );
        }
    });
}

/// Turns every list and every map round.
fn turn(value: &mut Value) {
    match value {
        Value::Array(array) => {
            array.reverse();
            array.iter_mut().for_each(turn);
        }
        Value::Object(object) => {
            let mut members: Vec<(String, Value)> = std::mem::take(object).into_iter().collect();
            members.reverse();
            members.iter_mut().for_each(|(_, member)| turn(member));
            object.extend(members);
        }
        _ => {}
    }
}

/// What random cases found once, written down small: policy (shape, body and scopes), document, and what comes of it.
#[test]
fn what_was_wrong_once_stays_right() {
    let rows = [
        (
            "a hidden class behind a filter lowers what another path gives",
            json!({"shapes": {"t0": {"$[*][*]": "k", "$[*][?!@.a]": "n"}}, "grant": {"k": "show"}, "deny": []}),
            json!([["x"], {"b": {"a": 1}}]),
            "/0/0",
            (Level::Hide, false),
        ),
        (
            "a deny behind a filter covers the same filter on another path",
            json!({"shapes": {"t0": {"$.c[?@.b]": "k", "$[*][?@.b][*]": "n"}}, "grant": {"k": "show"}, "deny": ["$[*][?@.b]"]}),
            json!([]),
            "",
            (Level::Hide, false),
        ),
    ];
    for (claim, parts, document, at, expected) in rows {
        let text = json!({
            "language": 1,
            "policy": "p",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"k": {}, "n": {}},
            "shapes": parts["shapes"],
            "routes": {"r": {"match": "GET /r", "area": "m", "body": {"$": {"shape": "t0"}}}},
            "scopes": {"s0": {"areas": ["m"], "grant": parts["grant"]}},
            "clients": {"*": {"deny": {"t0": parts["deny"]}}},
        });
        let policy = load(&text.to_string()).unwrap();
        let found = amounts(&policy, "", &[String::from("s0")], &document);
        assert_eq!(found[&format!("${at}")], expected, "{claim}");
    }
}
