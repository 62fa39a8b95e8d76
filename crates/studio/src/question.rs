//! What a question holds: its policy, the moment, who asks and what the upstream answers.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use fieldgate::diagnostic::{Diagnostics, Source, Sources, Span};
use fieldgate::exchange::{Headers, Response};
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate_workbench::loaded::Loaded;
use serde_json::{Map, Value, json};

/// A member that is a string; empty if it is not there.
pub(crate) fn text<'q>(question: &'q Value, name: &str) -> &'q str {
    question.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is a list of strings.
pub(crate) fn texts(question: &Value, name: &str) -> Vec<String> {
    let list = question.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The moment that the page says it is.
pub(crate) fn now(question: &Value) -> Option<Moment> {
    question.get("now").and_then(Value::as_u64).map(Moment)
}

/// How much of each budget is used, in percent.
pub(crate) fn used(question: &Value) -> Option<u8> {
    question.get("used").and_then(Value::as_u64).and_then(|used| u8::try_from(used).ok()).filter(|used| *used <= 100)
}

/// The files of a policy, by name.
pub(crate) fn files(question: &Value) -> BTreeMap<String, String> {
    let files = question.get("files").and_then(Value::as_object);
    let text = |(name, text): (&String, &Value)| Some((name.clone(), text.as_str()?.to_owned()));
    files.into_iter().flatten().filter_map(text).collect()
}

/// A policy as it was read, or why it was not.
pub(crate) type Read = Result<Rc<Loaded>, Rc<Diagnostics>>;

/// What a policy was read from: its files, the root, and when.
#[derive(PartialEq)]
struct Written {
    files: BTreeMap<String, String>,
    root: String,
    now: Option<Moment>,
}

/// Policies that are kept as they were read: that of the page, and the one that it is compared with.
const KEPT: usize = 2;

thread_local! {
    /// The last policies, the newest at the end: most questions change the body or the caller, and not the policy.
    static LAST: RefCell<Vec<(Written, Read)>> = const { RefCell::new(Vec::new()) };
}

/// The policy, or why there is none.
pub(crate) fn policy(question: &Value) -> Read {
    let written = Written { files: files(question), root: text(question, "root").to_owned(), now: now(question) };
    LAST.with_borrow_mut(|last| {
        let kept = last.iter().position(|(other, _)| *other == written);
        let one = match kept {
            Some(at) => last.remove(at),
            None => {
                let read = read(&written);
                (written, read)
            }
        };
        let read = one.1.clone();
        last.push(one);
        let over = last.len().saturating_sub(KEPT);
        last.drain(..over);
        read
    })
}

fn read(written: &Written) -> Read {
    let Written { files, root, now } = written;
    Loaded::read(files, root, *now).map(Rc::new).map_err(|found| {
        // What is no policy at all does not check either: said as `check` says it.
        let other = files.get(root).and_then(|text| policy::not_a_policy(root, text.as_bytes()));
        Rc::new(other.unwrap_or(found))
    })
}

/// The claims of a caller, as the page has them: a JSON text, or a JSON object.
pub(crate) fn claims(caller: &Value) -> Result<Value, String> {
    match caller.get("claims") {
        None | Some(Value::Null) => Ok(Value::Object(Map::new())),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Value::Object(Map::new())),
        Some(Value::String(text)) => match serde_json::from_str(text) {
            Ok(claims @ Value::Object(_)) => Ok(claims),
            Ok(_) => Err("the claims are JSON, but not an object: write {\"acr\": \"loa3\"}".to_owned()),
            Err(error) => Err(format!("the claims are not JSON: line {}, column {}", error.line(), error.column())),
        },
        Some(claims) => Ok(claims.clone()),
    }
}

/// What the upstream answers.
pub(crate) fn response(question: &Value) -> Response {
    let response = question.get("response").unwrap_or(&Value::Null);
    let status = response.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    Response {
        status: status.unwrap_or(200),
        headers: headers(response, "headers"),
        body: text(response, "body").as_bytes().to_vec(),
    }
}

/// A member that is a list of headers, each a name and a value.
pub(crate) fn headers(of: &Value, name: &str) -> Headers {
    let pair = |pair: &Value| -> Option<(Vec<u8>, Vec<u8>)> {
        let part = |at: usize| Some(pair.get(at)?.as_str()?.trim().as_bytes().to_vec());
        // `:path` and its like are the message's first line, and no headers.
        Some((part(0)?.to_ascii_lowercase(), part(1)?)).filter(|(name, _)| !name.starts_with(b":"))
    };
    of.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect()
}

/// Places as the editor counts them: UTF-16 code units from the file's start, each worked out once.
pub(crate) struct Places<'s> {
    sources: &'s Sources,
    /// Of each file that was asked for: where each of its lines begins, in bytes and in units.
    lines: HashMap<u16, Vec<(usize, usize)>>,
    known: HashMap<Span, Value>,
}

impl<'s> Places<'s> {
    pub(crate) fn new(sources: &'s Sources) -> Self {
        Self { sources, lines: HashMap::new(), known: HashMap::new() }
    }

    /// File, first and last unit, line, and the line's text; null for what is in no text.
    pub(crate) fn of(&mut self, span: Span) -> Value {
        let Some(source) = self.sources.get(span.file) else { return Value::Null };
        let lines = self.lines.entry(span.file).or_insert_with(|| lines(&source.text));
        self.known.entry(span).or_insert_with(|| place(source, lines, span).unwrap_or_default()).clone()
    }
}

/// Where each line begins, in bytes and in UTF-16 code units.
fn lines(text: &str) -> Vec<(usize, usize)> {
    let mut next = (0_usize, 0_usize);
    text.split_inclusive('\n')
        .map(|line| {
            let begins = next;
            next = (begins.0.saturating_add(line.len()), begins.1.saturating_add(units(line)));
            begins
        })
        .collect()
}

fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn place(source: &Source, lines: &[(usize, usize)], span: Span) -> Option<Value> {
    let text = &*source.text;
    let byte = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    let (start, end) = (byte(span.start), byte(span.end).max(byte(span.start)));
    // The line on which the place begins; behind the last line's end there is one more, which is empty.
    let line = lines.partition_point(|(begins, _)| *begins <= start);
    let (first, before) = line.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or_default();
    let written = text.get(first..)?.lines().next().unwrap_or_default();
    let from = before.saturating_add(units(text.get(first..start)?));
    let to = from.saturating_add(units(text.get(start..end)?));
    let is_behind = start == text.len() && text.ends_with('\n');
    let (line, written) = if is_behind { (line.saturating_add(1), "") } else { (line.max(1), written) };
    Some(json!({"file": source.name, "from": from, "to": to, "line": line, "text": written}))
}

/// The byte of a place that the editor counts in UTF-16 code units.
pub(crate) fn byte(text: &str, unit: usize) -> usize {
    let mut units = 0_usize;
    for (at, letter) in text.char_indices() {
        if units >= unit {
            return at;
        }
        units = units.saturating_add(letter.len_utf16());
    }
    text.len()
}
