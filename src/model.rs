//! [`PolicySet`]: a policy that is valid by construction.
//!
//! Only `check` makes one. Names are resolved to indexes, mounts to absolute paths, and every fact that the author could
//! have got wrong has been looked at: nothing that takes a `PolicySet` can fail for a reason the author could mend.

mod budget;
pub mod field_path;
mod filter;
mod mask;
pub mod media;
pub mod moment;
pub(crate) mod path_fault;
pub mod pattern;
pub mod region;
mod template;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use self::field_path::{FieldPath, Filter};
use self::media::MediaRange;
use self::moment::{Day, Moment};
use self::pattern::Pattern;
use self::region::Region;
use crate::diagnostic::Span;

pub use budget::{
    Budget, BudgetClients, BudgetId, BudgetKey, BudgetStep, Canaries, Count, OnError, PathSubject, Per, Rls,
    StepEffect, Store, SubjectPlace, innermost_array, without_filters,
};
pub use mask::{Mask, RoundTo};
pub use path_fault::{PathFault, PathFaultKind};
pub use template::{Relation, Template, TemplateSegment, between};

/// How much of a value a caller gets: one chain, from least to most.
///
/// There is no `Default`: what a missing level means is said where it is missing (rule 15: hide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The member or element is removed (rule 24).
    Hide,
    /// The replacement value stands in its place (rule 24).
    Blank,
    /// A keyed, pairwise pseudonym (rule 23).
    Pseudonym,
    /// A masked form (rules 20 to 22).
    Mask,
    /// The value's bytes unchanged (rule 19).
    Show,
}

/// Index of a class in [`PolicySet::classes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// Index of a scope in [`PolicySet::scopes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeId(pub u16);

/// Index of a client entry in [`PolicySet::clients`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u16);

/// Index of a route in [`PolicySet::routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// A whole policy, includes merged and names resolved.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// The policy's own name.
    pub name: String,
    /// Its digest, by which configuration, log and record name the same policy ([`super::digest`]).
    pub digest: Rc<str>,
    /// Authorities the policy is limited to, lower case; empty means any (rule 4).
    pub hosts: Vec<String>,
    /// Where client and scopes come from (rule 7).
    pub identity: Identity,
    /// What happens where no route or field decides.
    pub defaults: Defaults,
    /// Sizes that bound the work of one response (rule 40).
    pub limits: Limits,
    /// Whether the host can hold the response head (rule 40).
    pub head: HeadMode,
    /// Classes, in name order.
    pub classes: Vec<Class>,
    /// The author's own detectors, in name order (rule 27).
    pub detectors: Vec<Rc<CustomDetector>>,
    /// Routes, in name order.
    pub routes: Vec<Route>,
    /// Scopes, in name order.
    pub scopes: Vec<Scope>,
    /// Client entries, in name order; empty when the policy has no `clients` (rule 9).
    pub clients: Vec<Client>,
    /// The entry of every client without one of its own; `None` only when `clients` is empty (rule 9).
    pub any_client: Option<ClientId>,
    /// Budgets, in name order (rule 34).
    pub budgets: Vec<Budget>,
    /// Seeded subjects (rule 37).
    pub canaries: Option<Canaries>,
    /// Which of several keys the policy uses, 1 to 8 of a-z and 0-9 (rule 23); see [`PolicySet::key_variable`].
    pub key: Option<Rc<str>>,
    /// Whether the decision record tells of members that no shape names.
    pub drift: bool,
}

impl PolicySet {
    /// Whether a field has a form that needs the key (rule 23); see [`PolicySet::needs_key`] for what else does.
    #[must_use]
    pub fn uses_pseudonyms(&self) -> bool {
        self.routes.iter().any(|route| match &route.body {
            RouteBody::Governed(governed) => governed.entries.iter().any(|entry| entry.pseudonym.is_some()),
            RouteBody::Pass(_) => false,
        })
    }
}

/// Where client and scopes come from (rule 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Envoy's verified JWT metadata.
    JwtAuthn {
        /// Where the claims may be: `JwtProvider.payload_in_metadata` of each issuer.
        payloads: Vec<String>,
        /// The claim that names the client.
        client: ClaimPath,
        /// The claim that lists the scopes.
        scopes: ClaimPath,
    },
    /// The first URI SAN of the verified peer certificate; scopes are those of the client entry.
    Mtls,
    /// Headers that the edge overwrites.
    TrustedHeader {
        /// Lower-case name of the header that holds the client id.
        client: String,
        /// Lower-case name of the header that holds the scopes, separated by spaces.
        scopes: Option<String>,
    },
}

/// A claim's place: member names from the payload's root, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(pub Vec<String>);

/// What happens where no route or field decides.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// `unmatched_route` (rule 5).
    pub unmatched_route: Unmatched,
    /// What an upstream's error keeps (rule 29).
    pub errors: Errors,
    /// What becomes of headers on every route (rule 31).
    pub headers: HeaderNames,
}

/// What an upstream's error body keeps (rule 29).
#[derive(Debug, Clone, Default)]
pub struct Errors {
    /// Places whose scalars it keeps, without filters and without `..*`.
    pub show: Vec<FieldPath>,
    /// What is taken out of them, sorted, without repeats.
    pub detect: Vec<Detector>,
}

/// Response headers besides the built-in safe list (rule 31). Names are in lower case; none is kept and classified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderNames {
    /// Every caller gets these.
    pub keep: Vec<String>,
    /// These follow classes, as fields do.
    pub classify: Vec<(String, Vec<ClassId>)>,
    /// These of the request are put on every answer, the plugin's own refusals too.
    pub echo: Vec<String>,
}

/// What an unmatched request gets (rule 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmatched {
    /// 403.
    Reject,
    /// Forwarded untouched.
    Pass,
}

/// What a body that is not JSON gets (rule 30).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherContent {
    /// 502.
    Reject,
    /// Passed as it is, if it is of one of these types.
    Pass(Vec<MediaRange>),
}

/// Whether the host can hold the response head (rule 40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadMode {
    /// The head waits for the body's verdict; needs `allow_on_headers_stop_iteration`.
    Held,
    /// The head goes at once; a later refusal is a reset.
    Released,
}

/// Sizes that bound the work of one response, in bytes but for `depth` (rule 40).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest body.
    pub body: u64,
    /// Largest element that a filter must see whole.
    pub record: u32,
    /// Containers open at once, at most 64.
    pub depth: u8,
    /// How much of a body is awaited with its head held.
    pub hold: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 64 << 20, record: 256 << 10, depth: 64, hold: 16 << 10 }
    }
}

/// A kind of personal data.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// What the author says of it.
    pub about: String,
    /// Replacement for fields of the class at blank, as JSON text of a scalar (rule 18).
    pub blank: Option<Rc<str>>,
    /// What a scalar of the class costs at show in budgets that count cost (rule 34); nothing if absent.
    pub cost: Option<u32>,
    /// Where it is declared.
    pub span: Span,
}

/// One governed or passed route.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Upper-case method; HEAD requests use the GET route (rule 4).
    pub method: String,
    /// Its path, segment by segment (rule 4).
    pub template: Template,
    /// The area that scopes name; empty for a passed route.
    pub area: String,
    /// Query parameters a caller may send (rule 6).
    pub query: QueryRule,
    /// What happens to its bodies.
    pub body: RouteBody,
    /// Before the start of this day it only reports; see [`Route::reports_at`] (rule 38).
    pub report_until: Option<Day>,
    /// Where it is declared.
    pub span: Span,
}

impl Route {
    /// Whether the route only reports at a moment (rule 38): what it would do is done on the side and counted, by field
    /// and level, never by value, and the response passes as it came. Without a clock it enforces.
    ///
    /// | while it reports | |
    /// |---|---|
    /// | head, body and trailers of the response | pass as they came, whatever the policy says of them, also what would be refused |
    /// | a query parameter that is not listed; nothing visible | counted, and passes |
    /// | the request's head | is changed as when it enforces (rule 32), or the upstream would answer otherwise than it will then |
    /// | a path that matches no route, or can be read twice | is refused: it belongs to no route that reports |
    /// | an upgrade, a tunnel, gRPC | is refused: what goes through it may be for routes that enforce |
    #[must_use]
    pub fn reports_at(&self, now: Option<Moment>) -> bool {
        match (self.report_until, now) {
            (Some(until), Some(now)) => now < until.start(),
            _ => false,
        }
    }
}

/// The name of an authority, and its port, which may be empty, in the one spelling in which authorities are compared (rule 4).
///
/// A name may end in the root's dot (RFC 3986 §3.2.2), and a port start with zeros or be empty (§3.2.3): the same authority.
#[must_use]
pub fn authority(text: &str) -> (String, String) {
    let text = text.to_ascii_lowercase();
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (text.as_str(), ""),
    };
    (name.strip_suffix('.').unwrap_or(name).to_owned(), port.trim_start_matches('0').to_owned())
}

/// What happens to a route's bodies.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "nearly every route is governed")]
pub enum RouteBody {
    /// Forwarded untouched, with the author's reason (rule 5).
    Pass(String),
    /// Rewritten.
    Governed(Governed),
}

impl RouteBody {
    /// What a governed route knows of its bodies; `None` where they pass.
    #[must_use]
    pub fn governed(&self) -> Option<&Governed> {
        match self {
            Self::Governed(governed) => Some(governed),
            Self::Pass(_) => None,
        }
    }
}

/// What a governed route knows of its bodies.
#[derive(Debug, Clone)]
pub struct Governed {
    /// Every scalar place, mounts resolved (rule 10). Routes that mount the same shapes at the same places share them.
    pub entries: Rc<[Entry]>,
    /// Places hidden for a client, mounts resolved (rules 13, 17).
    pub denies: Vec<(ClientId, FieldPath)>,
    /// The route's own row condition, and those of scopes (rules 15, 26).
    pub rows: Vec<RowRule>,
    /// `max_records` (rule 28).
    pub max_records: Option<MaxRecords>,
    /// The route's ceiling (rule 17).
    pub ceiling: Ceiling,
    /// What a body that is not JSON gets (rule 30).
    pub other_content: OtherContent,
    /// The subject that the path names (rule 34).
    pub subject: Option<PathSubject>,
    /// Media types in lower case that are JSON and keep their name, those of `defaults` among them (rule 30).
    pub content_types: Vec<String>,
    /// What becomes of headers on this route, besides `defaults` (rule 31).
    pub headers: HeaderNames,
}

/// One scalar place of one route.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path from the body's root.
    pub path: FieldPath,
    /// Every name it goes by: (shape, path within that shape as the author wrote it), outermost mount first (rule 13).
    pub names: Vec<(Rc<str>, FieldPath)>,
    /// Its classes, sorted, without repeats, never empty.
    pub classes: Vec<ClassId>,
    /// Its form at mask (rules 20 to 22).
    pub mask: Option<Mask>,
    /// Its form at pseudonym (rule 23).
    pub pseudonym: Option<Pseudonym>,
    /// Its own replacement at blank, as JSON text of a scalar (rule 18).
    pub blank: Option<Rc<str>>,
    /// The kind of subject that it identifies (rule 34).
    pub subject: Option<Rc<str>>,
    /// Detectors that run on it at show (rule 27), sorted, without repeats.
    pub detect: Vec<Detector>,
    /// Levels that scopes set for it by name; of several for one scope, the lowest (rule 15).
    pub overrides: Vec<(ScopeId, Level)>,
    /// Where it is declared.
    pub span: Span,
}

/// A form at pseudonym (rule 23).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pseudonym {
    /// Its namespace.
    pub namespace: Rc<str>,
    /// For whom equal values give equal pseudonyms.
    pub link: Link,
}

/// For whom equal values give equal pseudonyms (rule 23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// For one client only.
    Client,
    /// For all clients.
    All,
}

/// What is looked for inside strings at show (rule 27). Equal, ordered and hashed by name, and by region: within a policy a
/// name is one detector's, and ties are settled by it.
#[derive(Debug, Clone)]
pub enum Detector {
    /// One that every policy has.
    BuiltIn(BuiltIn),
    /// National telephone numbers of a region, as finds of [`BuiltIn::Phone`].
    Phone(Region),
    /// One of the policy's own.
    Custom(Rc<CustomDetector>),
}

impl Detector {
    /// What it is called in a policy, and in the place of what it finds.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(built_in) => built_in.name(),
            Self::Phone(_) => BuiltIn::Phone.name(),
            Self::Custom(custom) => &custom.name,
        }
    }

    /// What tells it from all others of its policy.
    fn identity(&self) -> (&str, Option<Region>) {
        let region = match self {
            Self::Phone(region) => Some(*region),
            Self::BuiltIn(_) | Self::Custom(_) => None,
        };
        (self.name(), region)
    }
}

impl PartialEq for Detector {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Detector {}

impl PartialOrd for Detector {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Detector {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(&other.identity())
    }
}

impl Hash for Detector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// A policy's own detector.
#[derive(Debug, Clone)]
pub struct CustomDetector {
    /// Its name; never that of a built-in one.
    pub name: String,
    /// What the author says of it.
    pub about: String,
    /// What it finds.
    pub pattern: Pattern,
    /// Where it is declared.
    pub span: Span,
}

/// A detector that every policy has, in name order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BuiltIn {
    /// Payment card numbers (Luhn).
    Card,
    /// E-mail addresses.
    Email,
    /// International Bank Account Numbers (mod 97).
    Iban,
    /// Telephone numbers.
    Phone,
    /// US social security numbers.
    Ssn,
}

impl BuiltIn {
    /// All of them, in name order.
    pub const ALL: [Self; 5] = [Self::Card, Self::Email, Self::Iban, Self::Phone, Self::Ssn];

    /// What it is called in a policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Phone => "phone",
            Self::Ssn => "ssn",
        }
    }
}

/// A row condition: the elements that it leaves out are out (rule 26).
#[derive(Debug, Clone)]
pub struct RowRule {
    /// For whom: every scope, or one.
    pub scope: Option<ScopeId>,
    /// The array.
    pub array: FieldPath,
    /// Which elements stay.
    pub filter: Filter,
    /// Where it is declared.
    pub span: Span,
}

/// `max_records` (rule 28).
#[derive(Debug, Clone)]
pub struct MaxRecords {
    /// The elements that are counted; the last segment is `*`.
    pub at: FieldPath,
    /// How many may leave.
    pub max: u64,
    /// What happens to those over it.
    pub over: Over,
    /// The query parameter by which a request asks for a smaller page, and so reserves less (rule 34a).
    pub query: Option<String>,
}

/// What happens to elements over `max_records`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The first `max` stay.
    Truncate,
    /// 403.
    Reject,
}

/// At most: by class, else the rest, else show (rule 17).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// Named classes, sorted.
    pub classes: Vec<(ClassId, Level)>,
    /// `"*"`.
    pub rest: Option<Level>,
}

impl Ceiling {
    /// The most that a value of `class` may be shown.
    #[must_use]
    pub fn of(&self, class: ClassId) -> Level {
        self.classes
            .iter()
            .find(|(named, _)| *named == class)
            .map(|(_, level)| *level)
            .or(self.rest)
            .unwrap_or(Level::Show)
    }
}

/// Query parameters that a caller may send (rule 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryRule {
    /// These names, after percent-decoding; empty means none. `filter[*]` is every name of the form `filter[…]`.
    Only(Vec<String>),
    /// Any.
    Any,
}

/// What a scope gives.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its name.
    pub name: String,
    /// When it is active (rule 8).
    pub when: When,
    /// Areas it acts on (rule 9), sorted.
    pub areas: Vec<String>,
    /// Its grant for each class, in class order; an absent class is [`Level::Hide`] (rule 15).
    pub grant: Vec<Level>,
    /// Where each grant is written, in class order; `None` where absent.
    pub grant_spans: Vec<Option<Span>>,
    /// Where it is declared.
    pub span: Span,
}

/// When a scope is active (rule 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Its own name is among the caller's scopes.
    Named,
    /// Needs no scope at all.
    Always,
    /// All of the conditions hold.
    All(Vec<Condition>),
}

/// One condition on a caller (rule 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every one of these scopes.
    AllOf(Vec<String>),
    /// At least one of these scopes.
    AnyOf(Vec<String>),
    /// The claim is one of these strings, or an array that holds one.
    Claim(ClaimPath, Vec<String>),
}

/// A client's entry: it can only lower (rule 9).
#[derive(Debug, Clone)]
pub struct Client {
    /// The exact client id, or `*`.
    pub name: String,
    /// The only scopes that can be active, if given; under mTLS also the caller's scopes (rules 7, 9).
    pub scopes: Option<Vec<String>>,
    /// Its ceiling (rule 17).
    pub ceiling: Ceiling,
    /// Where it is declared.
    pub span: Span,
}
