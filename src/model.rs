//! [`PolicySet`]: a policy that is valid by construction.
//!
//! Only `check` makes one. Names are resolved to indexes, mounts to absolute paths, and every fact that the author could
//! have got wrong has been looked at: nothing that takes a `PolicySet` can fail for a reason the author could mend.

mod budget;
mod detector;
pub mod field_path;
mod filter;
mod mask;
pub mod media;
pub mod moment;
pub(crate) mod path_fault;
pub mod pattern;
pub mod region;
mod route;
mod template;

use std::rc::Rc;

use self::field_path::FieldPath;
use self::media::MediaRange;
use crate::diagnostic::Span;

pub use budget::{
    Budget, BudgetClients, BudgetId, BudgetKey, BudgetStep, Canaries, Count, OnError, PathSubject, Per, Rls,
    StepEffect, Store, SubjectPlace, innermost_array, without_filters,
};
pub use detector::{BuiltIn, CustomDetector, Detector};
pub use mask::{Mask, RoundTo};
pub use path_fault::{PathFault, PathFaultKind};
pub use route::{Entry, Governed, Link, MaxRecords, Over, Pseudonym, QueryRule, Route, RouteBody, RowRule, authority};
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
