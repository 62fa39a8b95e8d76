//! Policy test suites: `*.test.yaml` beside the policies. Not in the plugin.
//!
//! A [`Suite`] is rows; a row ([`Case`]) is a request, what the upstream answers, and what the caller must get. Whoever runs rows
//! hands in what came out ([`Outcome`]): the native core for `fieldgate test`, a real Envoy in the integration tests. The judgement
//! ([`judge`]) is the same for both, so one row can hold for every framing.
//!
//! - A field that is expected `hidden`, or to have a value, must be in the upstream's response: an expectation that matches nothing
//!   proves nothing and is an error.
//! - `nothing_else_above: LEVEL` closes the world: no field without an expectation of its own comes out above that level.
//! - A refusal is expected as such; a response that is refused meets no other expectation.

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;

use fieldgate::diagnostic::{Sources, Span};
use fieldgate::model::Level;
use fieldgate::model::moment::Moment;
use fieldgate::refusal::Refusal;

pub mod budgets;
pub mod forms;
mod judge;
pub mod parts;
pub mod place;
mod read;
pub mod run;
pub mod verdict;
mod why;

pub use judge::{Cell, Finding, FindingKind, Judgement, Setting, judge, texts};
pub use read::{Bodies, load, read, read_with};
pub use why::{Reason, reasons};

use place::Pattern;

/// One `*.test.yaml`, valid by construction.
#[derive(Debug, Clone)]
pub struct Suite {
    /// What the spans point into.
    pub sources: Rc<Sources>,
    /// The policy's file: the suite's `policy`, from the suite's own directory.
    pub policy: PathBuf,
    /// Where the suite names it.
    pub policy_span: Span,
    /// The moment that the rows are asked at (rule 38); `None` is the machine's own clock.
    pub now: Option<Moment>,
    /// The rows of one request, in the order written.
    pub cases: Vec<Case>,
    /// The rows of several requests, in the order written.
    pub sequences: Vec<Sequence>,
}

/// A row of several requests, one after the other: budgets are kept over all of them, and time passes (rules 34 to 37).
#[derive(Debug, Clone)]
pub struct Sequence {
    /// The claim.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// When it begins, if not with the suite.
    pub now: Option<Moment>,
    /// Its requests.
    pub steps: Vec<SequenceStep>,
}

/// One request of a [`Sequence`], or the same one several times.
#[derive(Debug, Clone)]
pub struct SequenceStep {
    /// Who asks for what, what the upstream answers, and what must come of it; its name is the sequence's. In the path, the
    /// client id and the body, `{n}` is the number of the request in the sequence, from 1.
    pub case: Case,
    /// How many seconds have passed since the step before.
    pub after: u64,
    /// How often it is asked, one right after the other.
    pub times: u32,
    /// The ceiling that budgets must put on the response, if the step says one.
    pub step: Option<(Level, Span)>,
}

impl SequenceStep {
    /// The step's request as the `number`th of its sequence.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Case {
        const NUMBER: &str = "{n}";
        let number = number.to_string();
        let mut case = self.case.clone();
        case.request.path = case.request.path.replace(NUMBER, &number);
        case.request.client = case.request.client.map(|client| client.replace(NUMBER, &number));
        // Bytes that are not UTF-8 are a case of their own, and have no number.
        if let Ok(text) = std::str::from_utf8(&case.response.body) {
            case.response.body = text.replace(NUMBER, &number).into_bytes();
        }
        case
    }

    /// How many assertions the step makes. One that expects nothing expects an answer.
    #[must_use]
    pub fn assertions(&self) -> usize {
        self.case.assertions().saturating_add(usize::from(self.step.is_some())).max(1)
    }
}

/// One row: its name is a claim.
#[derive(Debug, Clone)]
pub struct Case {
    /// The claim.
    pub name: String,
    /// Where it is written.
    pub span: Span,
    /// Who asks for what.
    pub request: Request,
    /// What the upstream answers.
    pub response: Response,
    /// What must come of it.
    pub expected: Expected,
    /// When it is asked, if not with the suite.
    pub now: Option<Moment>,
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct Request {
    /// Upper-case method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The scopes of the caller's token.
    pub scopes: Vec<String>,
    /// The caller's client id.
    pub client: Option<String>,
    /// Where client and scopes are written, or the request.
    pub client_span: Span,
    /// Further claims, a JSON object.
    pub claims: Value,
    /// Request headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// What the upstream answers.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case; `content-type: application/json` unless the row says otherwise.
    pub headers: Vec<(String, String)>,
    /// Its body's bytes.
    pub body: Vec<u8>,
}

/// What must come of a row.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A local reply of that status, for that reason if one is named.
    Refused {
        /// The status.
        status: u16,
        /// The refusal's stable word ([`Refusal::reason`]).
        reason: Option<String>,
        /// Where it is written.
        span: Span,
    },
    /// The upstream's response, rewritten.
    Answer {
        /// Fields, in the order written.
        fields: Vec<Expectation>,
        /// Response headers, in the order written.
        headers: Vec<HeaderExpectation>,
        /// No field without an expectation of its own comes out above that level.
        nothing_else_above: Option<(Level, Span)>,
    },
}

/// What one place must be.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The place, or places.
    pub pattern: Pattern,
    /// What must be there.
    pub wanted: Wanted,
    /// Where the path is written.
    pub span: Span,
    /// Where the value is written.
    pub wanted_span: Span,
}

/// What one response header must be.
#[derive(Debug, Clone)]
pub struct HeaderExpectation {
    /// Its name in lower case.
    pub name: String,
    /// What it must be; a string, or hidden.
    pub wanted: Wanted,
    /// Where the name is written.
    pub span: Span,
    /// Where the value is written.
    pub wanted_span: Span,
}

/// What must be at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Nothing.
    Hidden,
    /// A pseudonym (rule 23), whatever the key.
    Pseudonym,
    /// This value; a list, where the path may name several places, is the values in document order.
    Exactly(Value),
}

/// What came out of a row.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The status that the caller gets.
    pub status: u16,
    /// The headers that the caller gets, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body that the caller gets.
    pub body: Vec<u8>,
    /// Whether it is the plugin's own local reply.
    pub refused: Refused,
}

/// Whether an outcome is the plugin's own local reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is the upstream's response.
    No,
    /// It is, and the reason is known.
    For(Refusal),
    /// It is; seen from outside, the reason stays in the log.
    ForUnknownReason,
}

impl Case {
    /// How many assertions the row makes.
    #[must_use]
    pub fn assertions(&self) -> usize {
        match &self.expected {
            Expected::Refused { .. } => 1,
            Expected::Answer { fields, headers, nothing_else_above } => {
                fields.len().saturating_add(headers.len()).saturating_add(usize::from(nothing_else_above.is_some()))
            }
        }
    }
}
