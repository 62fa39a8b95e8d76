//! [`Program`]: a policy made ready to run. Routes by specificity, a field trie per route, and levels resolved into a
//! [`View`] for each kind of caller, kept for the next caller of the kind.

mod activation;
mod automaton;
mod budgets;
mod census;
mod collect;
mod configured;
mod drift;
mod fit;
mod forks;
mod grant;
mod kept;
mod looks;
mod loose;
pub(crate) mod memory;
mod names;
mod router;
mod tally;
mod trie;
mod view;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use serde_json::Value;

pub use budgets::{Budgets, Demand, InPath, Subjects, page};
pub use census::{Census, ClassCount};
pub use collect::{Collector, Kinds, NamespaceId, TooMany};
pub use drift::{Drift, JsonType, Person, Sightings, Undeclared};
pub use grant::ScalarRule;
pub use names::{Ends, FoundName, Names, hint_within};
pub use router::{is_canonical, is_canonical_segment};
pub use tally::{FieldCount, Standing};
pub use view::{ContainerRule, Outlook, PathStep, State, StateId, States, View};

use crate::caller::Caller;
use crate::model::{
    ClassId, ClientId, Count, Entry, Governed, HeaderNames, Level, PolicySet, Route, RouteBody, RouteId, ScopeId,
    Unmatched,
};
use crate::refusal::Refusal;
use crate::transform::PseudonymKey;
use activation::Activation;
use automaton::{Automaton, governed};
use grant::Grants;
use kept::Kept;
use looks::{EntryGroups, Look, RecentLooks};
use memory::Memory;
use router::Router;
use trie::Trie;

/// States, and names of states, that kept views have together: some hundred bytes each, out of a gibibyte that a worker's VM
/// has in all. The largest view takes it alone; of views of some twenty places each it has room for ten thousand.
const KEPT_STATES: usize = 1 << 19;

/// Half of what the kinds of callers whose looks are known may take, in bytes: some twenty thousand kinds in all.
const KEPT_LOOKS: usize = 2 << 20;

/// A policy made ready to run.
///
/// # Examples
///
/// ```
/// use fieldgate::policy;
/// use fieldgate::program::{Program, Way};
///
/// let (policy, _) = policy::from_json(br#"{"language": 1, "policy": "accounts",
///     "identity": {"source": "jwt_authn", "payload": "jwt", "client": "azp", "scopes": "scope"},
///     "classes": {"reference": {"about": "Status"}},
///     "routes": {
///         "get-account": {"match": "GET /accounts/{id}", "area": "accounts", "body": {"$.status": "reference"}},
///         "health": {"match": "GET /healthz", "pass": "no personal data"}},
///     "scopes": {"care.read": {"areas": ["accounts"], "grant": {"reference": "show"}}}}"#)?;
/// let program = Program::new(policy, None)?;
/// assert!(matches!(program.way("api.example", "GET", "/accounts/42"), Ok(Way::Governed(_))));
/// assert_eq!(program.way("api.example", "GET", "/healthz"), Ok(Way::Pass));
/// assert!(program.way("api.example", "GET", "/accounts/42?expand=all").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Program {
    policy: Rc<PolicySet>,
    key: Option<Rc<PseudonymKey>>,
    router: Router,
    /// One per route; none where the route is passed.
    places: Vec<Option<Rc<RoutePlaces>>>,
    errors: Option<Rc<Automaton>>,
    needs_clock: bool,
    subjects: Subjects,
    budgets: Option<Budgets>,
    activation: Activation,
    looks: RefCell<RecentLooks>,
    views: RefCell<Kept<Rc<Look>, Automaton>>,
    memory: Memory,
    drift: Drift,
}

/// What the policy says of the places of a route's body; one for all routes that mount the same shapes.
#[derive(Debug)]
struct RoutePlaces {
    trie: Rc<Trie>,
    /// None where only the kind of a caller tells what it sees.
    groups: Option<Rc<EntryGroups>>,
}

/// What the levels of a caller on a route depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CallerProfile {
    route: RouteId,
    /// The entry that stands for all that give the same views.
    client: Option<ClientId>,
    scopes: Rc<[ScopeId]>,
    /// That of the budgets' steps (rule 35).
    ceiling: Level,
}

/// The policy uses pseudonyms, budgets or canaries, and there is no key (rule 23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMissing {
    /// The environment variable that should hold it.
    pub variable: String,
}

impl fmt::Display for KeyMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = &self.variable;
        write!(
            f,
            "the policy uses pseudonyms, budgets or canaries, so {variable} must hold a key of at least 32 bytes in base64"
        )
    }
}

impl std::error::Error for KeyMissing {}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a route, whose bodies are rewritten.
    Governed(RouteId),
    /// To a route that is passed, or to none where the policy passes those (rule 5).
    Pass,
}

impl Program {
    /// Makes a policy ready. Pure: the same policy and key always give the same program.
    ///
    /// # Errors
    /// If the policy uses pseudonyms, budgets or canaries and `key` is `None` (rule 23).
    pub fn new(policy: PolicySet, key: Option<PseudonymKey>) -> Result<Self, KeyMissing> {
        if key.is_none() && policy.needs_key() {
            return Err(KeyMissing { variable: policy.key_variable() });
        }
        // Pseudonyms carry the key's name, so that those of an old key can be told apart (rule 23).
        let key = key.map(|key| key.named(policy.key.as_deref()));
        let policy = Rc::new(policy);
        let subjects = Subjects::new(&policy, key.as_ref());
        let budgets = Budgets::new(&policy, &subjects);
        let namespaces = Rc::clone(subjects.namespaces());
        Ok(Self {
            router: Router::new(&policy),
            key: key.map(Rc::new),
            needs_clock: budgets.is_some() || policy.routes.iter().any(|route| route.report_until.is_some()),
            subjects,
            budgets,
            places: places(&policy, &namespaces),
            errors: Automaton::for_errors(Rc::clone(&policy)).map(Rc::new),
            activation: Activation::new(&policy),
            drift: Drift::new(&policy),
            looks: RefCell::new(RecentLooks::new(KEPT_LOOKS)),
            views: RefCell::new(Kept::new(KEPT_STATES)),
            policy,
            memory: Memory::default(),
        })
    }

    /// The program with another bound on what all its streams together may keep of their bodies, in bytes.
    #[must_use]
    pub fn with_memory(self, most: usize) -> Self {
        Self { memory: Memory::of(most), ..self }
    }

    /// What all its streams together keep of their bodies.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The policy that it runs.
    #[must_use]
    pub fn policy(&self) -> &PolicySet {
        &self.policy
    }

    /// What it has told, and is to tell, of members that no shape names.
    #[must_use]
    pub fn drift(&self) -> &Drift {
        &self.drift
    }

    /// Where a request goes (rules 3 to 6). `target` is the request's path with its query, as it came.
    ///
    /// # Errors
    /// [`Refusal::NoRoute`], [`Refusal::NotCanonical`] and [`Refusal::QueryParameter`].
    pub fn way(&self, authority: &str, method: &str, target: &str) -> Result<Way, Refusal> {
        let Some(id) = self.find(authority, method, target)? else { return Ok(Way::Pass) };
        // Routes that pass have their queries checked, too: the list is the route's, not the body's (rule 6).
        self.check_query(id, target)?;
        Ok(match self.route(id).ok_or(Refusal::Internal)?.body {
            RouteBody::Governed(_) => Way::Governed(id),
            RouteBody::Pass(_) => Way::Pass,
        })
    }

    /// The route of a request, whatever its query says (rules 3 to 5); `None` where what matches none passes.
    ///
    /// # Errors
    /// [`Refusal::NoRoute`] and [`Refusal::NotCanonical`].
    pub fn find(&self, authority: &str, method: &str, target: &str) -> Result<Option<RouteId>, Refusal> {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        // Another reader could take such a path for one of a governed route: it does not pass, whatever else does.
        if target.contains('#') || !is_canonical(path) {
            return Err(Refusal::NotCanonical);
        }
        match (self.router.find(authority, method, path), self.policy.defaults.unmatched_route) {
            (Some(id), _) => Ok(Some(id)),
            (None, Unmatched::Pass) if !self.router.may_be_governed(path) => Ok(None),
            (None, Unmatched::Pass | Unmatched::Reject) => Err(Refusal::NoRoute),
        }
    }

    /// Whether the route lists every query parameter of the request (rule 6).
    ///
    /// # Errors
    /// [`Refusal::QueryParameter`].
    pub fn check_query(&self, id: RouteId, target: &str) -> Result<(), Refusal> {
        let route = self.route(id).ok_or(Refusal::Internal)?;
        match target.split_once('?') {
            Some((path, _)) => router::check_query(&route.query, target, path.len().saturating_add(1)),
            None => Ok(()),
        }
    }

    /// Whether a budget that binds a caller on a route counts cost (rule 34b).
    #[must_use]
    pub fn counts_cost(&self, route: RouteId, caller: &Caller) -> bool {
        let bound = self.policy.budgets_on(route).map(|(_, budget)| budget);
        bound.into_iter().any(|budget| budget.binds(caller.entry) && budget.count == Count::Cost)
    }

    /// Whose data its records are.
    #[must_use]
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// The policy's budgets and canaries, if it has any (rules 34 to 37).
    #[must_use]
    pub fn budgets(&self) -> Option<&Budgets> {
        self.budgets.as_ref()
    }

    /// Whether the time is to be asked for: some route reports until a day (rule 38), or there are budgets.
    #[must_use]
    pub fn needs_clock(&self) -> bool {
        self.needs_clock
    }

    fn route(&self, id: RouteId) -> Option<&Route> {
        self.policy.routes.get(usize::from(id.0))
    }

    /// The scope entries that are active for a caller on a route (rules 8, 9), in order. They are worked out once for a request.
    #[must_use]
    pub fn active_scopes(&self, route: RouteId, caller: &Caller) -> Rc<[ScopeId]> {
        caller.active_on(route, || self.activation.active(&self.policy, route, caller))
    }

    /// What a caller sees of a governed route.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the route is not governed, or its view would be larger than a view may be.
    pub fn view(&self, route: RouteId, caller: &Caller) -> Result<View, Refusal> {
        self.view_under(route, caller, Level::Show)
    }

    /// What a caller sees of a governed route under the ceiling of a budget's step (rules 17, 35).
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the route is not governed, or its view would be larger than a view may be.
    pub fn view_under(&self, route: RouteId, caller: &Caller, ceiling: Level) -> Result<View, Refusal> {
        let client = caller.entry.map(|entry| self.activation.standing_for(entry));
        let scopes = self.active_scopes(route, caller);
        let kind = CallerProfile { route, client, scopes: Rc::clone(&scopes), ceiling };
        let automaton = self.automaton(&kind)?;
        Ok(View::new(automaton, (Rc::clone(&caller.client), scopes), self.key.clone()))
    }

    fn automaton(&self, kind: &CallerProfile) -> Result<Rc<Automaton>, Refusal> {
        let places = self.places.get(usize::from(kind.route.0)).and_then(Option::as_ref).ok_or(Refusal::Internal)?;
        let groups = places.groups.as_ref();
        let look = self.looks.try_borrow_mut().map_err(|_| Refusal::Internal)?.get(kind, || match groups {
            Some(groups) => Some(groups.look(&self.policy, governed(&self.policy, kind.route)?, kind)),
            None => Some(Look::Kind(kind.clone())),
        });
        let look = look.ok_or(Refusal::Internal)?;
        // Never borrowed twice, since nothing in here calls out; if it were, the request is refused, not the worker lost.
        let mut views = self.views.try_borrow_mut().map_err(|_| Refusal::Internal)?;
        if let Some(kept) = views.get(&look) {
            return Ok(kept);
        }
        // The trie is the route's, whoever asks; the automaton is what callers of this look see of it.
        let known = groups.map(|groups| (Rc::clone(groups), Rc::clone(&look)));
        let made = Automaton::for_kind(Rc::clone(&self.policy), Rc::clone(&places.trie), kind, known, views.share());
        let made = Rc::new(made.ok_or(Refusal::Internal)?);
        views.keep(look, Rc::clone(&made));
        Ok(made)
    }

    /// What everybody sees of an error body (rule 29).
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the view would be larger than a view may be.
    pub fn error_view(&self) -> Result<View, Refusal> {
        let automaton = self.errors.clone().ok_or(Refusal::Internal)?;
        Ok(View::new(automaton, ("".into(), Rc::default()), None))
    }

    /// What the policy says of headers on every route, and on this one (rule 31).
    pub(crate) fn headers(&self, route: RouteId) -> impl Iterator<Item = &HeaderNames> + Clone {
        let own = governed(&self.policy, route).map(|governed| &governed.headers);
        [&self.policy.defaults.headers].into_iter().chain(own)
    }

    /// What a classified response header becomes for a caller on a route (rule 31): shown, replaced by a text, or dropped.
    #[must_use]
    pub fn header_rule(&self, route: RouteId, caller: &Caller, classes: &[ClassId], ceiling: Level) -> HeaderRule {
        let Some(governed) = governed(&self.policy, route) else { return HeaderRule::Drop };
        let grants = Grants::new(&self.policy, caller.entry, &governed.ceiling, ceiling);
        match grants.header_level(classes, &self.active_scopes(route, caller)) {
            Level::Hide => HeaderRule::Drop,
            Level::Show => HeaderRule::Keep,
            Level::Mask | Level::Pseudonym | Level::Blank => {
                HeaderRule::Replace(header_text(grants.class_blank(classes.iter().copied())))
            }
        }
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

/// What a classified response header becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRule {
    /// Kept as it is.
    Keep,
    /// Its value is replaced. A header has no form at mask or pseudonym, so these levels end here too (rule 18).
    Replace(String),
    /// Removed.
    Drop,
}

/// A class's replacement as a header value: a string's text, another scalar's JSON text, nothing for `null`.
fn header_text(blank: Option<&Rc<str>>) -> String {
    match blank.and_then(|blank| serde_json::from_str(blank).ok()) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => text,
        Some(Value::String(_)) => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(defaults: &str) -> Program {
        let text = format!(
            r#"{{"language": 1, "policy": "test", "hosts": ["api.example", "api.example:8443"],
                "identity": {{"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}},
                "defaults": {{{defaults}}},
                "classes": {{"open": {{"about": "open"}}}},
                "routes": {{
                    "one": {{"match": "GET /a/{{id}}", "area": "x", "query": ["page"], "body": {{"$.a": "open"}}}},
                    "me": {{"match": "GET /a/me", "area": "x", "body": {{"$.a": "open"}}}},
                    "deep": {{"match": "GET /a/me/b/{{id}}", "area": "x", "body": {{"$.a": "open"}}}},
                    "dead-end": {{"match": "GET /a/{{id}}/b/c", "area": "x", "body": {{"$.a": "open"}}}},
                    "slash": {{"match": "GET /a/", "area": "x", "body": {{"$.a": "open"}}}},
                    "write": {{"match": "POST /a/{{id}}", "area": "x", "body": {{"$.a": "open"}}}},
                    "health": {{"match": "GET /healthz", "pass": "no personal data"}}}},
                "scopes": {{"s": {{"areas": ["x"], "grant": {{"open": "show"}}}}}}}}"#
        );
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        Program::new(policy, None).unwrap()
    }

    #[test]
    fn a_request_goes_where_the_policy_says() {
        const HOST: &str = "api.example";
        let rows = [
            ("a parameter takes a segment", HOST, "GET", "/a/42", Ok("one")),
            ("a literal beats a parameter", HOST, "GET", "/a/me", Ok("me")),
            ("HEAD uses the GET route", HOST, "HEAD", "/a/42", Ok("one")),
            ("the method decides too", HOST, "POST", "/a/me", Ok("write")),
            ("a literal that leads nowhere hides no parameter", HOST, "GET", "/a/me/b/c", Ok("deep")),
            ("the order is among the routes that match", HOST, "GET", "/a/you/b/c", Ok("dead-end")),
            ("a slash at the end is another path", HOST, "GET", "/a/", Ok("slash")),
            ("a passed route passes", HOST, "GET", "/healthz", Ok("-")),
            ("a listed parameter passes", HOST, "GET", "/a/42?page=2", Ok("one")),
            ("an unlisted parameter is refused", HOST, "GET", "/a/42?sort=2", Err("query_parameter")),
            ("parameters are listed route by route", HOST, "GET", "/a/me?page=2", Err("query_parameter")),
            ("a passed route lists none either", HOST, "GET", "/healthz?x", Err("query_parameter")),
            ("methods are compared exactly", HOST, "get", "/a/42", Err("no_route")),
            ("no route, no answer", HOST, "GET", "/b", Err("no_route")),
            ("a fragment matches nothing", HOST, "GET", "/a/42#x", Err("not_canonical")),
            ("a fragment in the query matches nothing", HOST, "GET", "/a/42?page=1#x", Err("not_canonical")),
            ("authorities are compared without case", "API.example", "GET", "/a/42", Ok("one")),
            ("an authority may bring its port", "api.example:443", "GET", "/a/42", Ok("one")),
            ("a listed port is that port", "api.example:8443", "GET", "/a/42", Ok("one")),
            ("a name may end in the root's dot", "api.example.", "GET", "/a/42", Ok("one")),
            ("a port may start with zeros", "api.example:08443", "GET", "/a/42", Ok("one")),
            ("a port may be empty", "api.example:", "GET", "/a/42", Ok("one")),
            ("a port may be empty behind the root's dot", "api.example.:", "GET", "/a/42", Ok("one")),
            ("another authority is not the policy's", "example", "GET", "/a/42", Err("no_route")),
            ("a longer authority is not the policy's", "api.example.org", "GET", "/a/42", Err("no_route")),
        ];
        let program = program("");
        for (claim, authority, method, target, expected) in rows {
            let way = program.way(authority, method, target);
            let found = match way {
                Ok(Way::Pass) => Ok("-"),
                Ok(Way::Governed(id)) => Ok(program.policy().routes[usize::from(id.0)].name.as_str()),
                Err(refusal) => Err(refusal.reason()),
            };
            assert_eq!(found, expected, "{claim}: {method} {authority}{target}");
        }
    }

    #[test]
    fn what_matches_nothing_passes_unless_somebody_could_take_it_for_a_governed_route() {
        const HOST: &str = "api.example";
        let passes = Ok(Way::Pass);
        let refused = Err(Refusal::NoRoute);
        let twofold = Err(Refusal::NotCanonical);
        let rows = [
            ("no route", HOST, "GET", "/b", passes),
            ("no route of another authority", "elsewhere", "GET", "/b", passes),
            ("a passed route", HOST, "GET", "/healthz", passes),
            ("a passed route with a slash more", HOST, "GET", "/healthz/", passes),
            ("a passed route by another method", HOST, "POST", "/healthz", passes),
            ("a passed route of another authority", "elsewhere", "GET", "/healthz", passes),
            ("another authority", "elsewhere", "GET", "/a/42", refused),
            ("an authority with two dots at its end", "api.example..", "GET", "/a/42", refused),
            ("an authority with a user", "u@api.example", "GET", "/a/42", refused),
            ("an authority by address", "10.0.0.1", "GET", "/a/42", refused),
            ("no authority", "", "GET", "/a/42", refused),
            ("a longer authority", "api.example.org:443", "GET", "/a/42", refused),
            ("another method", HOST, "PUT", "/a/42", refused),
            ("a method in another case", HOST, "get", "/a/42", refused),
            ("a method that nobody knows", HOST, "FROB", "/a/42", refused),
            ("a preflight", HOST, "OPTIONS", "/a/42", refused),
            ("another case", HOST, "GET", "/A/42", refused),
            ("a slash more", HOST, "GET", "/a/42/", refused),
            ("a slash more, another case, method and authority", "elsewhere", "PUT", "/A/42/", refused),
            ("a slash less", HOST, "GET", "/a", refused),
            ("a slash that is decoded twice", HOST, "GET", "/a%252F42", refused),
            ("with a query", HOST, "GET", "/A/42?x=1", refused),
            ("a path that is not canonical", HOST, "GET", "//a/42", twofold),
            ("an encoding that need not be", HOST, "GET", "/a/%34%32", twofold),
            ("a dot segment", HOST, "GET", "/b/../a/42", twofold),
            ("parameters of a segment", HOST, "GET", "/a;x/42", twofold),
            ("a fragment", HOST, "GET", "/a/42#", twofold),
            ("a path of nothing governed that is not canonical", HOST, "GET", "/b//c", twofold),
        ];
        let program = program(r#""unmatched_route": "pass""#);
        for (claim, authority, method, target, expected) in rows {
            assert_eq!(program.way(authority, method, target), expected, "{claim}: {method} {authority}{target}");
        }
    }

    #[test]
    fn a_route_that_passes_lets_nothing_by_that_somebody_could_take_for_a_governed_route() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"open": {}},
            "routes": {
                "account": {"match": "GET /accounts/{id}", "area": "a", "body": {"$.a": "open"}},
                "lines": {"match": "GET /accounts/{id}/lines", "area": "a", "body": {"$.a": "open"}},
                "report": {"match": "GET /files/report", "area": "a", "body": {"$.a": "open"}},
                "thing": {"match": "GET /things/{id}", "area": "a", "body": {"$.a": "open"}},
                "app": {"match": "GET /{path+}", "pass": "why"},
                "writes": {"match": "POST /{path+}", "pass": "why"},
                "write": {"match": "PUT /accounts/{id}", "pass": "why"},
                "health": {"match": "GET /accounts/health", "pass": "why"},
                "parts": {"match": "GET /accounts/{id}/{part+}", "pass": "why"},
                "file": {"match": "GET /files/{name}", "pass": "why"},
                "slash": {"match": "GET /things/{id}/", "pass": "why"}},
            "scopes": {"care": {"areas": ["a"], "grant": {"open": "show"}}}}"#;
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let program = Program::new(policy, None).unwrap();
        let (passes, refused) = (Ok(Way::Pass), Err(Refusal::NoRoute));
        let rows = [
            ("what nobody takes for another", "GET", "/app.js", passes),
            ("some segments of it", "GET", "/static/a/b.css", passes),
            ("the governed route itself", "GET", "/accounts/1", Ok(Way::Governed(RouteId(0)))),
            ("another case", "GET", "/Accounts/1", refused),
            ("a slash more", "GET", "/accounts/1/", refused),
            ("parameters that are decoded", "GET", "/accounts%3Bv=1/1", refused),
            ("a slash that is decoded twice", "GET", "/accounts%252F1", refused),
            ("what cannot be read to its end", "GET", "/%C0%AF", refused),
            ("another method of the governed path", "POST", "/accounts/1", refused),
            ("another method, elsewhere", "POST", "/orders", passes),
            ("a method that the policy lets pass at that very path", "PUT", "/accounts/1", passes),
            ("a path that the policy names", "GET", "/accounts/health", passes),
            ("in another case it is an account", "GET", "/accounts/Health", Ok(Way::Governed(RouteId(0)))),
            ("below a governed path", "GET", "/accounts/1/logo", passes),
            ("below it, and another case of a governed one", "GET", "/accounts/1/LINES", refused),
            ("a parameter beside a governed name", "GET", "/files/a.pdf", passes),
            ("a parameter in whose place a governed name stands", "GET", "/files/Report", refused),
            ("a governed name with an extension", "GET", "/files/report.json", refused),
            ("the governed path with a slash, which the policy lets pass", "GET", "/things/1/", refused),
        ];
        for (claim, method, target, expected) in rows {
            assert_eq!(program.way("api.example", method, target), expected, "{claim}: {method} {target}");
        }
    }

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
            ("where filters choose, each kind by itself", "filters", "c high", "c also", false),
            ("one filter, which nothing is beside", "one-filter", "c high", "c also", true),
            ("where entries meet, each kind by itself", "meet", "c high", "c also", false),
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
            program.places[at].clone()
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

    #[test]
    fn pseudonyms_budgets_and_canaries_need_a_key() {
        let text = r#"{"language": 1, "policy": "test",
            "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
            "classes": {"key": {"about": "ids"}},
            "routes": {"r": {"match": "GET /r", "area": "x", "body": {"$.a": {"class": "key", "pseudonym": "n"}}}},
            "scopes": {"s": {"areas": ["x"], "grant": {"key": "pseudonym"}}}}"#;
        let policy = |text: &str| crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}")).0;
        let key = || PseudonymKey::from_base64("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
        let plain = text.replace(r#", "pseudonym": "n""#, r#", "subject": "n""#);
        let with = |section: &str| plain.replacen('{', &format!("{{{section},"), 1);
        for (text, variable) in [
            (text.to_owned(), Some("FIELDGATE_KEY")),
            (plain.clone(), None),
            (with(r#""key": "k2""#), None),
            (with(r#""budgets": {"b": {"count": {"distinct": "n"}, "per": "1h", "max": 10}}"#), Some("FIELDGATE_KEY")),
            (with(r#""canaries": {"n": [], "ceiling": "blank"}, "key": "k2""#), Some("FIELDGATE_KEY_k2")),
        ] {
            let missing = variable.map(|variable| KeyMissing { variable: variable.to_owned() });
            assert_eq!(Program::new(policy(&text), None).err(), missing, "{text}");
            assert!(Program::new(policy(&text), Some(key())).is_ok());
        }
    }
}
