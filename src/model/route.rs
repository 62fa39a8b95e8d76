//! [`Route`]: which requests it takes, and what a governed one knows of its bodies.

use std::rc::Rc;

use super::field_path::{FieldPath, Filter};
use super::moment::{Day, Moment};
use super::{
    Ceiling, ClassId, ClientId, Detector, HeaderNames, Level, Mask, OtherContent, PathSubject, ScopeId, Template,
};
use crate::diagnostic::Span;

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

/// Query parameters that a caller may send (rule 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueryRule {
    /// These names, after percent-decoding; empty means none. `filter[*]` is every name of the form `filter[…]`.
    Only(Vec<String>),
    /// Any.
    Any,
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
