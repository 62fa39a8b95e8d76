//! [`Refusal`]: why a request or a response does not pass, and the fixed local reply that the caller gets instead.
//!
//! A refusal is `Copy`: it holds a reason, a size or an offset, never bytes of a body or a header. What cannot be held
//! cannot be logged. The caller is told even less: one fixed problem (RFC 9457) for each status, so that which of an
//! upstream's faults it was is no oracle on what was withheld. Operators find the reason in the log and the metrics.

mod lines;

use std::fmt;

pub use lines::Lines;

/// Why a request or a response does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// No route matches (rules 4, 5).
    NoRoute,
    /// The path can be read in more than one way (rule 3): no route matches it.
    NotCanonical,
    /// The request lacks a path or a method, or names one twice.
    BadRequest,
    /// A query parameter that the route does not list (rule 6): its bytes in the request's path.
    QueryParameter {
        /// Offset of its name in the path.
        start: u32,
        /// Offset behind its name.
        end: u32,
    },
    /// Nothing of the route is visible to the caller (rule 33).
    NothingVisible,
    /// Nothing of the route is visible, and no identity was found: the caller has neither a client nor a scope (rules 7, 33).
    NoIdentity,
    /// An upgrade, CONNECT or gRPC request on a governed route.
    Upgrade,
    /// The response's status line cannot be read, or is one that is not governed: 101, 206 (rule 29).
    Status,
    /// A content-encoding other than identity, or a repeated one (rule 30).
    ContentEncoding,
    /// A body that is not JSON by its type, or a repeated content-type (rule 30).
    ContentType,
    /// A body that is not strict JSON (RFC 8259) or breaks a stricter rule (rule 30).
    Malformed {
        /// What is wrong.
        fault: JsonFault,
        /// Offset of the first byte that cannot be right, from the body's start.
        offset: u64,
    },
    /// The root would be removed (rule 25).
    RootHidden,
    /// A body over `limits.body` (rule 40).
    BodyTooLarge,
    /// An element that a filter must see whole is over `limits.record` (rule 40).
    RecordTooLarge {
        /// Offset of the element's first byte, from the body's start.
        offset: u64,
    },
    /// More elements than `max_records` allows (rule 28).
    TooManyRecords,
    /// A budget has no room for what the response may release (rule 34a).
    Budget {
        /// Its number in the policy.
        budget: u16,
        /// Seconds until it may be otherwise.
        retry_after: u32,
    },
    /// A budget's store or the rate limit service does not answer, or there is no clock (rule 36).
    BudgetStore,
    /// A request body that cannot wait for the rate limit service (rule 36).
    RequestTooLarge,
    /// The rewritten body outgrew what may be written at this moment.
    WriteBudget,
    /// All streams of the worker together would keep more of their bodies than they may (rule 40).
    Memory,
    /// The host failed at something that it must do, or did it out of order (rule 39).
    Host,
    /// A state that should not exist (rule 39).
    Internal,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonFault {
    /// The body ends inside a text, or holds none.
    Incomplete,
    /// A byte that the grammar does not allow there (RFC 8259 §2 to §7).
    Syntax,
    /// A byte-order mark (RFC 8259 §8.1).
    ByteOrderMark,
    /// Invalid UTF-8 (RFC 3629).
    Utf8,
    /// A lone surrogate escape (RFC 7493 §2.1).
    Surrogate,
    /// A member name twice in one object (RFC 7493 §2.3).
    DuplicateName,
    /// More containers open at once than `limits.depth` allows.
    Depth,
    /// Something follows the text.
    Trailing,
}

impl Refusal {
    /// The status of the local reply.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::QueryParameter { .. } => 400,
            Self::NoRoute
            | Self::NotCanonical
            | Self::NothingVisible
            | Self::NoIdentity
            | Self::Upgrade
            | Self::TooManyRecords => 403,
            Self::Budget { .. } => 429,
            Self::BudgetStore => 503,
            Self::RequestTooLarge => 413,
            Self::Host | Self::Internal => 500,
            Self::Status
            | Self::ContentEncoding
            | Self::ContentType
            | Self::Malformed { .. }
            | Self::RootHidden
            | Self::BodyTooLarge
            | Self::RecordTooLarge { .. }
            | Self::WriteBudget => 502,
            Self::Memory => 503,
        }
    }

    /// A stable word for logs, metrics and tests.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::NotCanonical => "not_canonical",
            Self::BadRequest => "bad_request",
            Self::QueryParameter { .. } => "query_parameter",
            Self::NothingVisible => "nothing_visible",
            Self::NoIdentity => "no_identity",
            Self::Upgrade => "upgrade",
            Self::Status => "status",
            Self::ContentEncoding => "content_encoding",
            Self::ContentType => "content_type",
            Self::Malformed { fault, .. } => fault.reason(),
            Self::RootHidden => "root_hidden",
            Self::BodyTooLarge => "body_too_large",
            Self::RecordTooLarge { .. } => "record_too_large",
            Self::TooManyRecords => "too_many_records",
            Self::Budget { .. } => "budget",
            Self::BudgetStore => "budget_store",
            Self::RequestTooLarge => "request_too_large",
            Self::WriteBudget => "write_budget",
            Self::Memory => "memory",
            Self::Host => "host",
            Self::Internal => "internal",
        }
    }

    /// Whether a test's `reason` is met: by the refusal's own word; by `nothing_visible` where no identity was found, since
    /// then nothing is visible either; and by `no_route` where the path is not canonical, since then none matches.
    #[must_use]
    pub fn is_called(self, reason: &str) -> bool {
        let wider = match self {
            Self::NoIdentity => Self::NothingVisible,
            Self::NotCanonical => Self::NoRoute,
            own => own,
        };
        reason == self.reason() || reason == wider.reason()
    }

    /// The offset in the body, where there is one.
    #[must_use]
    pub fn offset(self) -> Option<u64> {
        match self {
            Self::Malformed { offset, .. } | Self::RecordTooLarge { offset } => Some(offset),
            _ => None,
        }
    }
}

impl JsonFault {
    /// A stable word for logs, metrics and tests.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Incomplete => "json_incomplete",
            Self::Syntax => "json_syntax",
            Self::ByteOrderMark => "json_byte_order_mark",
            Self::Utf8 => "json_utf8",
            Self::Surrogate => "json_surrogate",
            Self::DuplicateName => "json_duplicate_name",
            Self::Depth => "json_depth",
            Self::Trailing => "json_trailing",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        match self.offset() {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The local reply to a refused request or response: a problem (RFC 9457) that depends on the refusal alone, and for a
/// refused query parameter on its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the reply.
    pub status: u16,
    /// The JSON text of the reply.
    pub body: String,
    /// Names and values of headers besides those that every reply has: lower-case names, each once.
    headers: Vec<(String, String)>,
}

impl Problem {
    /// Names and values of the headers that every reply has.
    const HEADERS: [(&'static str, &'static str); 2] =
        [("content-type", "application/problem+json"), ("cache-control", "no-store")];

    /// Names and values of the reply's headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self::HEADERS.into_iter().chain(own)
    }

    /// The reply with more headers. A name that it has already stays as it is.
    #[must_use]
    pub fn with_headers<'a>(mut self, more: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in more {
            if self.headers().all(|(known, _)| known != name) {
                self.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        self
    }

    /// The reply to a request that a budget refuses: it names the budget and when to come again, and no number of what is
    /// counted (rule 35).
    #[must_use]
    pub fn of_budget(budget: &str, retry_after: u32) -> Self {
        let detail = format!("The budget `{budget}` of this caller is spent.");
        let body = serde_json::json!({
            "type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": detail, "budget": budget,
        });
        Self { status: 429, body: body.to_string(), headers: Vec::new() }
            .with_headers([("retry-after", retry_after.to_string().as_str())])
    }

    /// The reply to `refusal`. `target` is the request's path and query, for the name of a refused parameter.
    #[must_use]
    pub fn new(refusal: Refusal, target: &str) -> Self {
        let status = refusal.status();
        let (title, detail) = match refusal {
            Refusal::BadRequest => ("Bad Request", "The request cannot be read.".to_owned()),
            Refusal::QueryParameter { start, end } => ("Bad Request", parameter_detail(target, start, end)),
            // A caller is not told which of the two it is.
            Refusal::NoRoute | Refusal::NotCanonical => {
                ("Forbidden", "Nothing is offered at this path and method.".to_owned())
            }
            // A caller is not told whether its token could be read: the log and the metrics tell the operator.
            Refusal::NothingVisible | Refusal::NoIdentity => {
                ("Forbidden", "This caller may see nothing of this resource.".to_owned())
            }
            Refusal::Upgrade => ("Forbidden", "Upgrades and gRPC are not offered here.".to_owned()),
            Refusal::TooManyRecords => {
                ("Forbidden", "More records than may be returned: narrow the request.".to_owned())
            }
            Refusal::Budget { .. } => ("Too Many Requests", "A budget for this caller is spent.".to_owned()),
            Refusal::BudgetStore => {
                ("Service Unavailable", "The budgets for this caller cannot be asked at the moment.".to_owned())
            }
            Refusal::RequestTooLarge => {
                ("Content Too Large", "Here a request body has to state its length, of at most 16384 bytes.".to_owned())
            }
            Refusal::Host | Refusal::Internal => {
                ("Internal Server Error", "The response cannot be decided.".to_owned())
            }
            Refusal::Memory => ("Service Unavailable", "Too much is under way: try again later.".to_owned()),
            Refusal::Status
            | Refusal::ContentEncoding
            | Refusal::ContentType
            | Refusal::Malformed { .. }
            | Refusal::RootHidden
            | Refusal::BodyTooLarge
            | Refusal::RecordTooLarge { .. }
            | Refusal::WriteBudget => ("Bad Gateway", "The upstream's response cannot be passed on.".to_owned()),
        };
        let body = serde_json::json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
        Self { status, body: body.to_string(), headers: Vec::new() }
    }
}

/// Longest parameter name that a problem repeats, in bytes.
const LONGEST_NAME: usize = 64;

/// Names the parameter as the caller sent it, if it is short and plain.
fn parameter_detail(target: &str, start: u32, end: u32) -> String {
    let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    let name = target.get(at(start)..at(end)).unwrap_or_default();
    if name.len() <= LONGEST_NAME && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        format!("The query parameter `{name}` is not accepted here.")
    } else {
        "A query parameter is not accepted here.".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_may_have_more_headers_but_none_in_the_place_of_its_own() {
        let plain = Problem::new(Refusal::NoRoute, "");
        let fixed: Vec<_> = plain.headers().collect();
        assert_eq!(fixed, Problem::HEADERS);
        let more = [("retry-after", "7"), ("cache-control", "public"), ("retry-after", "8"), ("x-request-id", "r")];
        let reply = plain.clone().with_headers(more);
        let all: Vec<_> = reply.headers().collect();
        assert_eq!(all, [&fixed[..], &[("retry-after", "7"), ("x-request-id", "r")]].concat());
        assert_eq!((reply.status, reply.body), (plain.status, plain.body));
    }
}
