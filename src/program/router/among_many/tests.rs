//! Among many routes the one is found that looking at each of them in turn finds.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::super::*;
use crate::model::{Relation, Route};

/// A route as it is drawn: its method, segments, whether it ends in a slash, and whether it is governed.
type Drawn = (&'static str, Vec<&'static str>, bool, bool);

fn routes() -> impl Strategy<Value = Vec<Drawn>> {
    let segment = select(vec![
        "a", "b", "ab", "a.b", "A", "x", "{p}", "{p}", "{p}.b", "{p}b", "a{p}", "a{p}b", "ab{p}", "({p})", "{p}:x",
    ]);
    let last = select(vec!["", "", "", "", "/{rest+}"]);
    let one =
        (select(vec!["GET", "GET", "POST"]), prop::collection::vec(segment, 0..4), last, any::<bool>(), any::<bool>());
    let one = one.prop_map(|(method, mut segments, last, slash, governed)| {
        segments.extend(last.strip_prefix('/'));
        (method, segments, slash, governed)
    });
    prop::collection::vec(one, 1..24)
}

fn path() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "a",
        "b",
        "ab",
        "a.b",
        "A",
        "B",
        "AB",
        "x",
        "xb",
        "x.b",
        "axb",
        "abx",
        "(x)",
        "(x)b",
        "x:x",
        "aa.b",
        "ab.b",
        "a%20b",
        "a%253Bv",
        "%252E%252E",
        "x%252Fa",
        "a%253Fx",
        "b%2500",
        "%25252561",
        "%C3%89",
        "%FF",
        "a:x",
        "abb",
    ]);
    (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let path = segments.iter().map(|segment| format!("/{segment}")).collect::<String>();
        if slash || path.is_empty() { path + "/" } else { path }
    })
}

/// The policy of those routes that can stand beside the ones before them.
fn policy(drawn: &[Drawn]) -> Option<PolicySet> {
    let mut known: Vec<(&str, Template)> = Vec::new();
    let mut routes = Map::new();
    for (method, segments, slash, governed) in drawn {
        let path = segments.iter().map(|segment| format!("/{segment}")).collect::<String>();
        let path = if *slash || path.is_empty() { path + "/" } else { path };
        // A parameter's name stands once in a path.
        let path = path.split("{p}").enumerate().fold(String::new(), |path, (at, part)| match at {
            0 => part.to_owned(),
            _ => format!("{path}{{p{at}}}{part}"),
        });
        let Some(template) = crate::policy::path_template(&path) else { continue };
        let stands = |(of, other): &(&str, Template)| of == method && template.relation(other) == Relation::Conflict;
        if known.iter().any(stands) {
            continue;
        }
        known.push((method, template));
        let matches = format!("{method} {path}");
        let route = match governed {
            true => json!({"match": matches, "area": "x", "body": {"$.a": "open"}}),
            false => json!({"match": matches, "pass": "why"}),
        };
        routes.insert(format!("r{}", routes.len()), route);
    }
    let text = json!({
        "language": 1, "policy": "test",
        "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
        "classes": {"open": {"about": "open"}},
        "routes": Value::Object(routes),
        "scopes": {"s": {"areas": ["x"], "grant": {"open": "show"}}},
    });
    crate::policy::from_json(text.to_string().as_bytes()).ok().map(|(policy, _)| policy)
}

/// Looks at each route in turn, and before one that passes at each that is governed.
fn one_by_one(policy: &PolicySet, method: &str, path: &str) -> Option<RouteId> {
    let mut routes: Vec<(RouteId, &Route)> = (0u16..).map(RouteId).zip(&policy.routes).collect();
    routes.sort_by_key(|(_, route)| route.template.rank());
    let (id, route) =
        routes.iter().find(|(_, route)| route.method == method && fit(&route.template, path).is_some())?;
    let before = routes.iter().map(|(_, other)| *other).filter(|other| {
        matches!(other.body, RouteBody::Governed(_))
            && other.template.rank() <= route.template.rank()
            && !other.template.is_alike(&route.template)
    });
    let passes = matches!(route.body, RouteBody::Pass(_));
    let is_behind = passes && Loose::new(before.map(|route| &route.template)).may_be_governed_one_by_one(path);
    (!is_behind).then_some(*id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn the_route_is_found_that_looking_at_each_finds(drawn in routes(), paths in prop::collection::vec(path(), 1..40)) {
        let Some(policy) = policy(&drawn) else { return Ok(()) };
        let router = Router::new(&policy);
        for path in paths.iter().filter(|path| is_canonical(path)) {
            for method in ["GET", "POST"] {
                prop_assert_eq!(router.find("", method, path), one_by_one(&policy, method, path), "{} {}", method, path);
            }
            let governed = router.loose.may_be_governed_one_by_one(path);
            prop_assert_eq!(router.may_be_governed(path), governed, "{}", path);
        }
    }
}

#[test]
fn what_is_drawn_has_routes_of_each_kind_and_paths_that_fit() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut found, mut missed, mut policies) = (0, 0, 0);
    for _ in 0..64 {
        let drawn = routes().new_tree(&mut runner).unwrap().current();
        let Some(policy) = policy(&drawn) else { continue };
        policies += 1;
        let router = Router::new(&policy);
        for _ in 0..32 {
            let path = path().new_tree(&mut runner).unwrap().current();
            match router.find("", "GET", &path) {
                Some(_) => found += 1,
                None => missed += 1,
            }
        }
    }
    assert!(policies > 48 && found > 200 && missed > 200, "{policies} policies, {found} found, {missed} not");
}
