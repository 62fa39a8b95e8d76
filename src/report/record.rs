//! [`Record`]: the decision record, one line of compact JSON for each response.
//!
//! `docs/operations.md` says what each member means; `policies/fieldgate-record.v1.schema.json` is its schema. What is not
//! known, empty or nought is left out.

use std::rc::Rc;

use super::stamp::Stamp;
use crate::budget::Subject;
use crate::model::{ClientId, Level, PolicySet, RouteId, ScopeId};
use crate::program::{ClassCount, NamespaceId, Undeclared};
use crate::refusal::Refusal;

/// Most subjects that one record names. What is over is counted as unknown: a line must stay one that log pipelines take.
pub const MOST_SUBJECTS: usize = 1000;

/// The longest request id that a record repeats, in bytes.
const LONGEST_ID: usize = 64;

/// Levels as a record lists them, and their words in the policy language.
const LEVELS: [(Level, &str); 5] = [
    (Level::Show, "show"),
    (Level::Mask, "mask"),
    (Level::Pseudonym, "pseudonym"),
    (Level::Blank, "blank"),
    (Level::Hide, "hide"),
];

/// Whether what was decided was acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It was.
    Enforced,
    /// The route only reports: the response passed as it came, and the record says what would have become of it.
    Reported,
    /// Nothing was governed.
    Passed,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The response went to its end, rewritten.
    Released,
    /// Its head went, and nothing of its body.
    Emptied,
    /// The plugin answered in its place; nothing of it went.
    Refused,
    /// Part of it went, and then the stream ended: by the plugin, which then has a reason, by the caller, or by the upstream.
    Cut,
    /// The stream ended before anything of a response went.
    Unanswered,
    /// It went as it came: nothing was governed.
    Passed,
    /// The request never came to the plugin: a filter before it answered.
    Unseen,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Released, Self::Emptied, Self::Refused, Self::Cut, Self::Unanswered, Self::Passed, Self::Unseen];

    /// Its word in records and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Emptied => "emptied",
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Unanswered => "unanswered",
            Self::Passed => "passed",
            Self::Unseen => "unseen",
        }
    }
}

impl Ruling {
    /// Its word in records and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Reported => "reported",
            Self::Passed => "passed",
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester {
    /// Nobody, or somebody whom no key could make a tag of.
    Unknown,
    /// A client that the policy names.
    Named(ClientId),
    /// Another, by the tag of its id.
    Tagged(Subject),
}

/// What a budget stood at when the exchange was settled, or refused, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetState {
    /// Its number in the policy.
    pub budget: u16,
    /// What was released in the window.
    pub used: u64,
    /// What responses under way may release.
    pub reserved: u64,
}

/// The decision record of one exchange.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The policy; none where the plugin had none.
    pub policy: Option<&'a PolicySet>,
    /// The tag of the key of subjects.
    pub key: Option<u32>,
    /// When it was settled.
    pub time: Option<Stamp>,
    /// The request's id, as [`request_id`] lets it through.
    pub request: Option<&'a str>,
    /// Whether it was acted on; none of a request that the plugin did not see.
    pub ruling: Option<Ruling>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, or cut by the plugin.
    pub refusal: Option<Refusal>,
    /// The status that the caller got, as far as the plugin knows.
    pub status: Option<u16>,
    /// The governed route.
    pub route: Option<RouteId>,
    /// Who asked.
    pub client: Requester,
    /// The `payload` of the policy that the caller's verified claims were found under.
    pub issuer: Option<&'a str>,
    /// The scopes of the policy that were active.
    pub scopes: &'a [ScopeId],
    /// Records that left.
    pub records: u64,
    /// What became of the values of each class.
    pub classes: Vec<ClassCount>,
    /// Values of another shape than the policy says (rule 12).
    pub mismatches: u64,
    /// Values of which the policy knows nothing.
    pub undeclared: u64,
    /// What the upstream sends and no shape names, as far as it is new.
    pub drift: &'a [Undeclared],
    /// Whose data left: sorted, without repeats.
    pub subjects: &'a [(NamespaceId, Subject)],
    /// The names of their kinds, by number.
    pub namespaces: &'a [Rc<str>],
    /// Records that left and are nobody's in `subjects`.
    pub unknown: u64,
    /// The budgets that were asked, in the policy's order.
    pub budgets: &'a [BudgetState],
    /// The ceiling of the step that was reached.
    pub step: Level,
    /// Seeded subjects that left.
    pub canaries: &'a [Subject],
    /// How often a store or the rate limit service failed; for metrics alone.
    pub failures: u16,
}

/// The request's id, if it is one that can do no harm in a log: 1 to 64 letters, digits, dots, hyphens and low lines of ASCII.
#[must_use]
pub fn request_id(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ((1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

impl<'a> Record<'a> {
    /// The record of an exchange of which nothing is known but how it ended.
    #[must_use]
    pub fn new(policy: Option<&'a PolicySet>, outcome: Outcome) -> Self {
        Self {
            policy,
            key: None,
            time: None,
            request: None,
            ruling: None,
            outcome,
            refusal: None,
            status: None,
            route: None,
            client: Requester::Unknown,
            issuer: None,
            scopes: &[],
            records: 0,
            classes: Vec::new(),
            mismatches: 0,
            undeclared: 0,
            drift: &[],
            subjects: &[],
            namespaces: &[],
            unknown: 0,
            budgets: &[],
            step: Level::Show,
            canaries: &[],
            failures: 0,
        }
    }

    /// The record of a stream that was refused because no policy has been taken.
    #[must_use]
    pub fn unconfigured(time: Option<Stamp>) -> Self {
        Self { time, refusal: Some(Refusal::Host), ..Self::new(None, Outcome::Refused) }
    }

    /// The record as one line of JSON, without the line's end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let subjects = self.subjects.len().min(MOST_SUBJECTS);
        let mut out = Vec::with_capacity(subjects.saturating_mul(35).saturating_add(768));
        out.extend_from_slice(br#"{"fieldgate":1"#);
        self.write_request(&mut out);
        self.write_decision(&mut out);
        self.write_caller(&mut out);
        self.write_release(&mut out);
        self.write_budgets(&mut out);
        out.push(b'}');
        out
    }

    fn write_request(&self, out: &mut Vec<u8>) {
        if let Some(time) = self.time {
            out.extend_from_slice(br#","time":""#);
            time.write(out);
            out.push(b'"');
        }
        if let Some(request) = self.request.and_then(request_id) {
            out.extend_from_slice(br#","request":""#);
            out.extend_from_slice(request.as_bytes());
            out.push(b'"');
        }
        if let Some(policy) = self.policy {
            out.extend_from_slice(br#","policy":"#);
            write_text(&policy.name, out);
            out.extend_from_slice(br#","digest":""#);
            out.extend_from_slice(policy.digest.as_bytes());
            out.push(b'"');
        }
        if let Some(key) = self.key {
            out.extend_from_slice(br#","key":""#);
            out.extend_from_slice(hexadecimal(key.to_be_bytes()).as_flattened());
            out.push(b'"');
        }
    }

    fn write_decision(&self, out: &mut Vec<u8>) {
        if let Some(ruling) = self.ruling {
            write_word(br#","mode":"#, ruling.word(), out);
        }
        write_word(br#","outcome":"#, self.outcome.word(), out);
        if let Some(refusal) = self.refusal {
            write_word(br#","reason":"#, refusal.reason(), out);
            if let Some(offset) = refusal.offset() {
                write_count(br#","offset":"#, offset, out);
            }
        }
        if let Some(status) = self.status {
            write_count(br#","status":"#, status.into(), out);
        }
        let route = self.route.zip(self.policy).and_then(|(id, policy)| policy.routes.get(usize::from(id.0)));
        if let Some(route) = route {
            out.extend_from_slice(br#","route":"#);
            write_text(&route.name, out);
        }
    }

    fn write_caller(&self, out: &mut Vec<u8>) {
        let Some(policy) = self.policy else { return };
        match self.client {
            Requester::Unknown => {}
            Requester::Named(id) => {
                if let Some(client) = policy.clients.get(usize::from(id.0)) {
                    out.extend_from_slice(br#","client":"#);
                    write_text(&client.name, out);
                }
            }
            Requester::Tagged(tag) => {
                out.extend_from_slice(br#","client":{"tag":""#);
                out.extend_from_slice(hexadecimal(tag.long().to_be_bytes()).as_flattened());
                out.extend_from_slice(br#""}"#);
            }
        }
        if let Some(issuer) = self.issuer {
            out.extend_from_slice(br#","issuer":"#);
            write_text(issuer, out);
        }
        let scopes = self.scopes.iter().filter_map(|id| policy.scopes.get(usize::from(id.0)));
        write_list(br#","scopes":["#, scopes, |scope, out| write_text(&scope.name, out), out);
    }

    fn write_release(&self, out: &mut Vec<u8>) {
        if self.records > 0 {
            write_count(br#","records":"#, self.records, out);
        }
        if let (Some(policy), false) = (self.policy, self.classes.is_empty()) {
            let mut before: &[u8] = br#","fields":{"#;
            for count in &self.classes {
                let Some(class) = policy.classes.get(usize::from(count.class.0)) else { continue };
                out.extend_from_slice(before);
                write_text(&class.name, out);
                write_levels(count, out);
                before = b",";
            }
            if before == b"," {
                out.push(b'}');
            }
        }
        if self.mismatches > 0 {
            write_count(br#","mismatches":"#, self.mismatches, out);
        }
        if self.undeclared > 0 {
            write_count(br#","undeclared":"#, self.undeclared, out);
        }
        let write = |new: &Undeclared, out: &mut Vec<u8>| {
            out.push(b'{');
            if let Some(shape) = &new.shape {
                out.extend_from_slice(br#""shape":"#);
                write_text(shape, out);
                out.push(b',');
            }
            out.extend_from_slice(br#""path":"#);
            write_text(&new.path, out);
            write_word(br#","type":"#, new.kind.word(), out);
            out.push(b'}');
        };
        write_list(br#","drift":["#, self.drift.iter(), write, out);
        self.write_subjects(out);
        if self.unknown > 0 {
            write_count(br#","unknown":"#, self.unknown, out);
        }
    }

    fn write_subjects(&self, out: &mut Vec<u8>) {
        let mut open: Option<NamespaceId> = None;
        for (id, subject) in self.subjects.iter().take(MOST_SUBJECTS) {
            let Some(namespace) = self.namespaces.get(usize::from(id.0)) else { continue };
            if open == Some(*id) {
                out.push(b',');
            } else {
                let before: &[u8] = if open.is_some() { b"]," } else { br#","subjects":{"# };
                out.extend_from_slice(before);
                write_text(namespace, out);
                out.extend_from_slice(b":[");
                open = Some(*id);
            }
            out.push(b'"');
            out.extend_from_slice(hexadecimal(subject.long().to_be_bytes()).as_flattened());
            out.push(b'"');
        }
        if open.is_some() {
            out.extend_from_slice(b"]}");
        }
    }

    fn write_budgets(&self, out: &mut Vec<u8>) {
        let Some(policy) = self.policy else { return };
        let budgets =
            self.budgets.iter().filter_map(|state| Some((state, policy.budgets.get(usize::from(state.budget))?)));
        let write = |(state, budget): (&BudgetState, &crate::model::Budget), out: &mut Vec<u8>| {
            out.extend_from_slice(br#"{"name":"#);
            write_text(&budget.name, out);
            write_count(br#","used":"#, state.used, out);
            write_count(br#","reserved":"#, state.reserved, out);
            write_count(br#","max":"#, budget.max, out);
            out.push(b'}');
        };
        write_list(br#","budgets":["#, budgets, write, out);
        if self.step < Level::Show {
            write_word(br#","step":"#, level_word(self.step), out);
        }
        let write = |canary: &Subject, out: &mut Vec<u8>| {
            out.push(b'"');
            out.extend_from_slice(hexadecimal(canary.short().to_be_bytes()).as_flattened());
            out.push(b'"');
        };
        write_list(br#","canaries":["#, self.canaries.iter(), write, out);
    }
}

/// A level's word in the policy language.
pub(super) fn level_word(level: Level) -> &'static str {
    LEVELS.iter().find(|(known, _)| *known == level).map_or("hide", |(_, word)| word)
}

fn write_levels(count: &ClassCount, out: &mut Vec<u8>) {
    let mut before: &[u8] = b":{";
    for (level, word) in LEVELS {
        let at = count.at(level);
        if at > 0 {
            out.extend_from_slice(before);
            out.push(b'"');
            out.extend_from_slice(word.as_bytes());
            write_count(br#"":"#, at, out);
            before = b",";
        }
    }
    if before == b":{" {
        out.extend_from_slice(before);
    }
    out.push(b'}');
}

/// Appends a list, unless it is empty. `start` is what stands before its first element, the bracket included.
fn write_list<T>(start: &[u8], elements: impl Iterator<Item = T>, write: impl Fn(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    let mut any = false;
    for element in elements {
        out.extend_from_slice(if any { b"," } else { start });
        write(element, out);
        any = true;
    }
    if any {
        out.push(b']');
    }
}

/// Appends one of the product's own words.
fn write_word(start: &[u8], word: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(start);
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// Appends a number.
fn write_count(start: &[u8], count: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(start);
    let mut digits = [0u8; 20];
    let mut rest = count;
    let mut used = 0usize;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(rest.checked_rem(10).unwrap_or(0)).unwrap_or(0));
        rest = rest.checked_div(10).unwrap_or(0);
        used = used.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
}

/// Appends a word of the policy as a JSON string.
fn write_text(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else if serde_json::to_writer(&mut *out, text).is_err() {
        // A vector takes whatever is written to it.
        out.extend_from_slice(b"\"\"");
    }
}

/// Bytes in hexadecimal, in small letters.
fn hexadecimal<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    let digit = |half: u8| half.wrapping_add(if half < 10 { b'0' } else { b'a' - 10 });
    bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_a_policy_is_a_refusal_of_which_nothing_else_is_known() {
        let rows = [
            (
                "with a clock",
                Some(Stamp(1000)),
                r#"{"fieldgate":1,"time":"1970-01-01T00:00:01.000Z","outcome":"refused","reason":"host"}"#,
            ),
            ("without one", None, r#"{"fieldgate":1,"outcome":"refused","reason":"host"}"#),
        ];
        for (claim, time, expected) in rows {
            assert_eq!(String::from_utf8(Record::unconfigured(time).line()).unwrap(), expected, "{claim}");
        }
    }

    #[test]
    fn hexadecimal_is_what_the_standard_library_writes() {
        let all = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
        for number in [0_u128, 9, 10, all, all.rotate_left(4), u128::MAX, 0x9a9a_a9a9_0f0f_f0f0] {
            assert_eq!(hexadecimal(number.to_be_bytes()).as_flattened(), format!("{number:032x}").as_bytes());
        }
    }
}
