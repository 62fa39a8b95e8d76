//! [`Views`]: what callers see of each route, worked out once for each look and kept for the next caller of that look.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::activation::Activation;
use super::automaton::Automaton;
use super::grant::{Grants, HeaderRule};
use super::kept::Kept;
use super::looks::{CallerProfile, EntryGroups, Look, RecentLooks};
use super::trie::Trie;
use super::view::View;
use crate::caller::Caller;
use crate::model::{ClassId, Entry, Governed, Level, PolicySet, RouteId, ScopeId};
use crate::refusal::Refusal;
use crate::transform::PseudonymKey;

/// States, and names of states, that kept views have together: some hundred bytes each, out of a gibibyte that a worker's VM
/// has in all. The largest view takes it alone; of views of some twenty places each it has room for ten thousand.
const KEPT_STATES: usize = 1 << 19;

/// Half of what the kinds of callers whose looks are known may take, in bytes: some twenty thousand kinds in all.
const KEPT_LOOKS: usize = 2 << 20;

/// What callers see of a policy's routes.
#[derive(Debug)]
pub(super) struct Views {
    policy: Rc<PolicySet>,
    key: Option<Rc<PseudonymKey>>,
    /// One per route; none where the route is passed.
    places: Vec<Option<Rc<RoutePlaces>>>,
    errors: Option<Rc<Automaton>>,
    activation: Activation,
    looks: RefCell<RecentLooks>,
    kept: RefCell<Kept<Rc<Look>, Automaton>>,
}

/// What the policy says of the places of a route's body; one for all routes that mount the same shapes.
#[derive(Debug)]
struct RoutePlaces {
    trie: Rc<Trie>,
    /// None where only the whole profile of a caller tells what it sees.
    groups: Option<Rc<EntryGroups>>,
}

impl Views {
    /// Those of a policy, in whose tries these kinds of subjects are marked.
    pub(super) fn new(policy: &Rc<PolicySet>, key: Option<PseudonymKey>, namespaces: &[Rc<str>]) -> Self {
        Self {
            policy: Rc::clone(policy),
            key: key.map(Rc::new),
            places: places(policy, namespaces),
            errors: Automaton::for_errors(Rc::clone(policy)).map(Rc::new),
            activation: Activation::new(policy),
            looks: RefCell::new(RecentLooks::new(KEPT_LOOKS)),
            kept: RefCell::new(Kept::new(KEPT_STATES)),
        }
    }

    /// The scope entries that are active for a caller on a route (rules 8, 9), in order. They are worked out once for a request.
    pub(super) fn active_scopes(&self, route: RouteId, caller: &Caller) -> Rc<[ScopeId]> {
        caller.active_on(route, || self.activation.active(&self.policy, route, caller))
    }

    /// What a caller sees of a governed route under the ceiling of a budget's step (rules 17, 35).
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the route is not governed, or its view would be larger than a view may be.
    pub(super) fn of(&self, route: RouteId, caller: &Caller, ceiling: Level) -> Result<View, Refusal> {
        let client = caller.entry.map(|entry| self.activation.standing_for(entry));
        let scopes = self.active_scopes(route, caller);
        let profile = CallerProfile { route, client, scopes: Rc::clone(&scopes), ceiling };
        let automaton = self.automaton(&profile)?;
        Ok(View::new(automaton, (Rc::clone(&caller.client), scopes), self.key.clone()))
    }

    fn automaton(&self, profile: &CallerProfile) -> Result<Rc<Automaton>, Refusal> {
        let places = self.places.get(usize::from(profile.route.0)).and_then(Option::as_ref).ok_or(Refusal::Internal)?;
        let groups = places.groups.as_ref();
        let look = self.looks.try_borrow_mut().map_err(|_| Refusal::Internal)?.get(profile, || match groups {
            Some(groups) => Some(groups.look(&self.policy, self.policy.governed(profile.route)?, profile)),
            None => Some(Look::Profile(profile.clone())),
        });
        let look = look.ok_or(Refusal::Internal)?;
        // Never borrowed twice, since nothing in here calls out; if it were, the request is refused, not the worker lost.
        let mut views = self.kept.try_borrow_mut().map_err(|_| Refusal::Internal)?;
        if let Some(kept) = views.get(&look) {
            return Ok(kept);
        }
        // The trie is the route's, whoever asks; the automaton is what callers of this look see of it.
        let known = groups.map(|groups| (Rc::clone(groups), Rc::clone(&look)));
        let made =
            Automaton::for_profile(Rc::clone(&self.policy), Rc::clone(&places.trie), profile, known, views.share());
        let made = Rc::new(made.ok_or(Refusal::Internal)?);
        views.keep(look, Rc::clone(&made));
        Ok(made)
    }

    /// What everybody sees of an error body (rule 29).
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the view would be larger than a view may be.
    pub(super) fn of_errors(&self) -> Result<View, Refusal> {
        let automaton = self.errors.clone().ok_or(Refusal::Internal)?;
        Ok(View::new(automaton, ("".into(), Rc::default()), None))
    }

    /// What a classified response header becomes for a caller on a route (rule 31): shown, replaced by a text, or dropped.
    pub(super) fn header_rule(
        &self,
        route: RouteId,
        caller: &Caller,
        classes: &[ClassId],
        ceiling: Level,
    ) -> HeaderRule {
        let Some(governed) = self.policy.governed(route) else { return HeaderRule::Drop };
        let grants = Grants::new(&self.policy, caller.entry, &governed.ceiling, ceiling);
        grants.header_rule(classes, &self.active_scopes(route, caller))
    }
}

/// The places of each governed route.
fn places(policy: &PolicySet, namespaces: &[Rc<str>]) -> Vec<Option<Rc<RoutePlaces>>> {
    let mut known: HashMap<*const Entry, Vec<(&Governed, Rc<RoutePlaces>)>> = HashMap::new();
    let mut all = Vec::with_capacity(policy.routes.len());
    for route in &policy.routes {
        let Some(governed) = route.body.governed() else {
            all.push(None);
            continue;
        };
        // Entries are shared by routes that mount the same; which routes those are their place in memory tells.
        let alike = known.entry(governed.entries.as_ptr()).or_default();
        let places = match alike.iter().find(|(other, _)| Trie::is_shared(governed, other)) {
            Some((_, places)) => Rc::clone(places),
            None => {
                let trie = Rc::new(Trie::new(governed, namespaces));
                let groups = EntryGroups::new(governed, &trie).map(Rc::new);
                let places = Rc::new(RoutePlaces { trie, groups });
                alike.push((governed, Rc::clone(&places)));
                places
            }
        };
        all.push(Some(places));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::program::Program;

    #[test]
    fn a_scope_is_active_for_those_whom_it_names_and_nobody_else() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"open": {}},
            "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$.a": "open"}},
                "s": {"match": "GET /o", "area": "y", "body": {"$.a": "open"}}},
            "scopes": {
                "care": {"areas": ["x"], "grant": {"open": "show"}},
                "elsewhere": {"areas": ["y"], "when": "always", "grant": {"open": "show"}},
                "both": {"areas": ["x"], "when": {"all_of": ["a", "b"]}, "grant": {"open": "show"}},
                "either": {"areas": ["x"], "when": {"any_of": ["c", "d"]}, "grant": {"open": "show"}},
                "strong": {"areas": ["x"], "when": {"claims": {"acr": ["loa3"]}}, "grant": {"open": "show"}},
                "deep": {"areas": ["x"], "when": {"any_of": ["e"], "claims": {"$.a.b": ["1"]}}, "grant": {"open": "show"}}}}"#;
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let program = Program::new(policy, None).unwrap();
        let claims = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let rows = [
            ("its name", "care", "{}", "care"),
            ("a longer name", "care.read", "{}", ""),
            ("a shorter name", "car", "{}", ""),
            ("another case", "Care", "{}", ""),
            ("an asterisk", "*", "{}", ""),
            ("one of two", "a", "{}", ""),
            ("two of two", "b a", "{}", "both"),
            ("any of two", "d", "{}", "either"),
            ("a name with a condition in its place", "both either strong", "{}", ""),
            ("a claim", "", r#"{"acr": "loa3"}"#, "strong"),
            ("a claim among others", "", r#"{"acr": ["loa2", "loa3"]}"#, "strong"),
            ("a longer claim", "", r#"{"acr": "loa3x"}"#, ""),
            ("longer claims", "", r#"{"acr": ["loa3x", ["loa3"]]}"#, ""),
            ("a claim of another type", "", r#"{"acr": {"loa3": true}}"#, ""),
            ("a claim below", "e", r#"{"a": {"b": "1"}}"#, "deep"),
            ("a number for a text", "e", r#"{"a": {"b": 1}}"#, ""),
            ("the claim without the scope", "", r#"{"a": {"b": "1"}}"#, ""),
            ("the scope without the claim", "e", "{}", ""),
        ];
        for (claim, scopes, given, expected) in rows {
            let scopes = scopes.split_terminator(' ').map(str::to_owned).collect();
            let caller = Caller::new(program.policy(), "c", scopes, claims(given));
            let active = program.active_scopes(RouteId(0), &caller);
            let names: Vec<&str> =
                active.iter().map(|id| program.policy().scopes[usize::from(id.0)].name.as_str()).collect();
            assert_eq!(names.join(" "), expected, "{claim}");
        }
    }

    #[test]
    fn clients_whose_entries_say_the_same_share_a_view() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"open": {}},
            "shapes": {"s": {"$.a": "open"}},
            "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$": {"shape": "s"}}}},
            "scopes": {"s": {"areas": ["x"], "grant": {"open": "show"}}},
            "clients": {"*": {}, "one": {}, "two": {"scopes": ["s"]}, "low": {"ceiling": {"open": "blank"}},
                "lower": {"ceiling": {"open": "blank"}}, "denied": {"deny": {"s": ["$.a"]}}}}"#;
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let program = Program::new(policy, None).unwrap();
        let view = |client: &str| {
            let caller = Caller::new(program.policy(), client, vec!["s".to_owned()], Value::Null);
            program.view(RouteId(0), &caller).unwrap()
        };
        let rows = [
            ("entries that say nothing", "one", "unknown", true),
            ("an entry that bounds scopes, with the same scope active", "one", "two", true),
            ("entries with the same ceiling", "low", "lower", true),
            ("entries with different ceilings", "low", "one", false),
            ("an entry that hides a place", "denied", "one", false),
        ];
        for (claim, one, other, shares) in rows {
            assert_eq!(view(one).shares_with(&view(other)), shares, "{claim}");
        }
        assert!(view("denied").shows_nothing() && !view("one").shows_nothing());
    }

    #[test]
    fn callers_of_one_look_share_a_view_and_see_what_they_would_see_alone() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"a": {}, "b": {}},
            "shapes": {"s": {"$.a": "a", "$.b": "b", "$.items[*].x": "a", "$.items[*].y": "a"}, "v": {"$.v": "a"}, "o": {"$.o..*": "a"}},
            "routes": {"apart": {"match": "GET /apart", "area": "x", "body": {"$": {"shape": "s"}}},
                "meet": {"match": "GET /meet", "area": "x", "body": {"$.*": "a", "$.b": "b"}},
                "filters": {"match": "GET /f", "area": "x", "body": {"$.items[?@.x == 1].y": "a", "$.items[?@.x == 2].y": "b"}},
                "one-filter": {"match": "GET /o", "area": "x", "body": {"$.items[?@.x == 1].y": "a"}},
                "twice": {"match": "GET /t", "area": "x", "body": {"$": {"shape": "v"}, "$.v": "b"}},
                "twice-open": {"match": "GET /u", "area": "x", "body": {"$": {"shape": "o"}, "$.o..*": "b"}}},
            "scopes": {
                "both": {"areas": ["x"], "grant": {"a": "show", "b": "show"}},
                "low": {"areas": ["x"], "grant": {"a": "blank"}},
                "high": {"areas": ["x"], "grant": {"a": "show"}},
                "also": {"areas": ["x"], "grant": {"a": "show"}},
                "other": {"areas": ["x"], "grant": {"b": "show"}},
                "rows": {"areas": ["x"], "grant": {"a": "show"}, "rows": {"apart": "$.items[?@.x == 1]"}},
                "named": {"areas": ["x"], "grant": {"a": "blank"}, "fields": {"s": {"$.a": "show"}}}},
            "clients": {"*": {}, "no-a": {"deny": {"s": ["$.a"]}}, "nor-a": {"deny": {"s": ["$.a"]}},
                "no-b": {"deny": {"s": ["$.b"]}}, "low": {"ceiling": {"*": "blank"}}}}"#;
        let program = || {
            let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
            Program::new(policy, None).unwrap()
        };
        let shared = program();
        let routes: Vec<String> = shared.policy().routes.iter().map(|route| route.name.clone()).collect();
        let view = |program: &Program, route, who: &str| {
            let (client, scopes) = who.split_once(' ').unwrap_or((who, ""));
            let scopes = scopes.split_terminator(' ').map(str::to_owned).collect();
            let caller = Caller::new(program.policy(), client, scopes, Value::Null);
            program.view(RouteId(route), &caller).unwrap()
        };
        let rows = [
            ("another scope that grants the same", "apart", "c high", "c also", true),
            ("a scope that adds nothing", "apart", "c high", "c high low", true),
            ("a ceiling that lowers what a lower scope gives anyway", "apart", "c low", "low high", true),
            ("a scope that adds a class", "apart", "c high", "c high other", false),
            ("a scope whose rows say what it keeps", "apart", "c high", "c rows", false),
            ("a scope that names a place", "apart", "c low", "c named", false),
            ("clients from whom the same is hidden", "apart", "no-a high other", "nor-a high other", true),
            ("clients from whom something else is hidden", "apart", "no-a high other", "no-b high other", false),
            ("a client from whom something is hidden", "apart", "no-a high other", "c high other", false),
            ("no scope", "apart", "c high", "c", false),
            ("where filters choose, each profile by itself", "filters", "c high", "c also", false),
            ("one filter, which nothing is beside", "one-filter", "c high", "c also", true),
            ("where entries meet, each profile by itself", "meet", "c high", "c also", false),
            (
                "a place of two entries: two scopes do not add up to one that grants both",
                "twice",
                "c high other",
                "c both",
                false,
            ),
            ("the same the other way round", "twice", "c both low", "c high other low", false),
            ("a place of two entries and all below", "twice-open", "c high other", "c both", false),
        ];
        for (claim, route, one, other, shares) in rows {
            let route = routes.iter().position(|name| name == route).unwrap() as u16;
            let (one_sees, other_sees) = (view(&shared, route, one), view(&shared, route, other));
            assert_eq!(one_sees.shares_with(&other_sees), shares, "{claim}");
            for (who, sees) in [(one, one_sees), (other, other_sees)] {
                let alone = view(&program(), route, who);
                assert_eq!(format!("{:?}", sees.states()), format!("{:?}", alone.states()), "{claim}: {who}");
                assert_eq!(sees.scopes(), alone.scopes(), "{claim}: {who}");
            }
        }
    }

    #[test]
    fn routes_that_mount_the_same_shapes_share_its_places_if_nothing_else_is_said_of_them() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"a": {}},
            "shapes": {"s": {"$.items[*].x": "a", "$.id": {"class": "a", "subject": "n"}}},
            "routes": {
                "one": {"match": "GET /one/{id}", "area": "x", "body": {"$": {"shape": "s"}}},
                "other": {"match": "GET /other/{id}", "area": "y", "body": {"$": {"shape": "s"}}, "ceiling": {"a": "blank"}},
                "rows": {"match": "GET /rows/{id}", "area": "x", "body": {"$": {"shape": "s"}}, "rows": "$.items[?@.x == 1]"},
                "counted": {"match": "GET /counted/{id}", "area": "x", "body": {"$": {"shape": "s"}},
                    "max_records": {"at": "$.items[*]", "max": 2, "over": "truncate"}},
                "named": {"match": "GET /named/{id}", "area": "x", "body": {"$": {"shape": "s"}}, "subject": {"n": "{id}"}},
                "below": {"match": "GET /below/{id}", "area": "x", "body": {"$.data": {"shape": "s"}}},
                "own": {"match": "GET /own/{id}", "area": "x", "body": {"$": {"shape": "s"}, "$.more": "a"}},
                "pass": {"match": "GET /pass", "pass": "why"}},
            "scopes": {"s": {"areas": ["x", "y"], "grant": {"a": "show"}}}}"#;
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let program = Program::new(policy, None).unwrap();
        let places = |name: &str| {
            let at = program.policy().routes.iter().position(|route| route.name == name).unwrap();
            program.views.places[at].clone()
        };
        assert!(places("pass").is_none());
        let one = places("one").unwrap();
        for (name, shares) in
            [("other", true), ("rows", false), ("counted", false), ("named", false), ("below", false), ("own", false)]
        {
            assert_eq!(Rc::ptr_eq(&one, &places(name).unwrap()), shares, "{name}");
        }
        // What else is said of a route, as `other`'s ceiling, is each one's own: whoever comes first.
        let caller = Caller::new(program.policy(), "c", vec!["s".to_owned()], Value::Null);
        let sees = |route: usize| {
            let view = program.view(RouteId(route as u16), &caller).unwrap();
            format!("{:?}", view.states())
        };
        let routes: Vec<&str> = program.policy().routes.iter().map(|route| route.name.as_str()).collect();
        let at = |name: &str| routes.iter().position(|route| *route == name).unwrap();
        let (shown, blank) = (sees(at("one")), sees(at("other")));
        assert!(shown != blank && shown.contains("Show") && blank.contains("Blank"), "{shown}\n{blank}");
        assert_eq!(sees(at("one")), shown);
    }
}
