//! [`Program`]: a policy made ready to run. Routes by specificity, a field trie per route, and levels resolved into a
//! [`View`] for each kind of caller, kept for the next caller of the kind.

mod activation;
mod automaton;
mod bins;
mod budgets;
mod census;
mod collect;
mod drift;
mod fit;
mod forks;
mod grant;
mod ids;
mod kept;
mod looks;
mod loose;
pub(crate) mod memory;
mod names;
mod router;
mod state;
mod tally;
mod target;
mod trie;
mod view;
mod views;

use std::fmt;
use std::rc::Rc;
use std::time::SystemTime;

pub use budgets::{Budgets, Demand, InPath, Subjects, page};
pub use census::{Census, ClassCount};
pub use collect::{Collector, Kinds, TooMany};
pub(crate) use drift::MOST_PEOPLE;
pub use drift::{Drift, JsonType, Person, Sightings, Undeclared};
pub use grant::{HeaderRule, ScalarRule};
pub use ids::{NamespaceId, Outlook, Standing, StateId};
pub use names::{Ends, FoundName, Names, hint_within};
pub use state::{ContainerRule, PathStep, State, States};
pub use tally::FieldCount;
pub use target::{is_canonical, is_canonical_segment};
pub use view::View;

use crate::caller::Caller;
use crate::model::moment::Moment;
use crate::model::{ClassId, Count, HeaderNames, Level, PolicySet, Route, RouteBody, RouteId, ScopeId, Unmatched};
use crate::policy;
use crate::refusal::Refusal;
use crate::transform::PseudonymKey;
use memory::Memory;
use router::Router;
use views::Views;

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
    router: Router,
    views: Views,
    needs_clock: bool,
    subjects: Subjects,
    budgets: Option<Budgets>,
    memory: Memory,
    drift: Drift,
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
        Ok(Self {
            router: Router::new(&policy),
            views: Views::new(&policy, key, subjects.namespaces()),
            needs_clock: budgets.is_some() || policy.routes.iter().any(|route| route.report_until.is_some()),
            subjects,
            budgets,
            drift: Drift::new(&policy),
            policy,
            memory: Memory::default(),
        })
    }

    /// The program of a configuration: the policy as JSON, or as the bytes of a `google.protobuf.Struct`. It depends on
    /// nothing but these bytes and the variables of the key (rule 23), so that every worker decides like the one that tried
    /// the configuration first.
    ///
    /// # Errors
    /// Lines for the log, which name places of the policy or the variable, never a value of it.
    pub fn configured(configuration: &[u8], variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        // A Struct's bytes cannot be mistaken for JSON: before the first `{` of one stands more than white space.
        let is_json = configuration.trim_ascii_start().first() == Some(&b'{');
        let loaded = if is_json { policy::from_json(configuration) } else { policy::from_struct(configuration) };
        let (policy, _) = loaded.map_err(|found| found.lines().collect::<Vec<_>>())?;
        let held = policy.key_variables().into_iter().find_map(|name| variable(&name).map(|text| (name, text)));
        let key = match held {
            Some((name, text)) => {
                let key = PseudonymKey::from_base64(&text);
                Some(key.map_err(|fault| vec![format!("{name}: {fault}")])?)
            }
            None => None,
        };
        Self::new(policy, key).map_err(|missing| vec![missing.to_string()])
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

    /// The line for the log when a policy is enforced from now on.
    #[must_use]
    pub fn enforcing(&self) -> String {
        let policy = self.policy();
        let (name, digest, routes) = (&policy.name, &policy.digest, policy.routes.len());
        format!("enforcing policy {name}, digest {digest}, language 1, {routes} routes")
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
            Some((path, _)) => target::check_query(&route.query, target, path.len().saturating_add(1)),
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

    /// The time, where the policy needs it.
    pub fn now(&self, time: impl FnOnce() -> Option<SystemTime>) -> Option<Moment> {
        if self.needs_clock() { time().and_then(Moment::of) } else { None }
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
        self.views.active_scopes(route, caller)
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
        self.views.of(route, caller, ceiling)
    }

    /// What everybody sees of an error body (rule 29).
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the view would be larger than a view may be.
    pub fn error_view(&self) -> Result<View, Refusal> {
        self.views.of_errors()
    }

    /// What the policy says of headers on every route, and on this one (rule 31).
    pub(crate) fn headers(&self, route: RouteId) -> impl Iterator<Item = &HeaderNames> + Clone {
        let own = self.policy.governed(route).map(|governed| &governed.headers);
        [&self.policy.defaults.headers].into_iter().chain(own)
    }

    /// What a classified response header becomes for a caller on a route (rule 31): shown, replaced by a text, or dropped.
    #[must_use]
    pub fn header_rule(&self, route: RouteId, caller: &Caller, classes: &[ClassId], ceiling: Level) -> HeaderRule {
        self.views.header_rule(route, caller, classes, ceiling)
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
