//! The rewriter with its lane held against the rewriter without: bodies of any size, whole and damaged, in pieces.

use std::rc::Rc;

use fieldgate::budget::Subject;
use fieldgate::json::Texts;
use fieldgate::program::{ClassCount, Collector, FieldCount, NamespaceId, Subjects, View};
use fieldgate::refusal::Refusal;
use fieldgate::rewrite::{Counts, Lane, Rewriter};

use super::cases::Choices;

/// All that can be told of a body that is rewritten in pieces.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// After each piece what has left, and whether the body may end.
    pieces: Vec<(Vec<u8>, bool)>,
    pub end: Result<Counts, Refusal>,
    /// By place.
    fields: Vec<FieldCount>,
    /// By class, and how many members no entry speaks of.
    classes: (Vec<ClassCount>, u64),
    /// Records, those that named nobody, and whose the others are.
    subjects: (u64, u64, Vec<(NamespaceId, Subject)>),
}

/// Rewrites a body, and counts what can be counted for each response: by place only if `by_place`, as each member is looked at
/// for that.
fn told(view: &View, subjects: &Subjects, by_place: bool, lane: Lane, pieces: &[&[u8]]) -> Told {
    let collector = Rc::new(Collector::new(subjects, &[]));
    let view = view.clone().recorded().collected(Rc::clone(&collector));
    let view = Rc::new(if by_place { view.tallied() } else { view });
    let mut out = Vec::new();
    let mut told = Vec::new();
    let mut rewriter = Ok(Rewriter::with_lane(Rc::clone(&view), Texts::One, lane));
    for piece in pieces {
        rewriter = rewriter.and_then(|rewriter| {
            let mut out = Vec::new();
            let rewriter = rewriter.push(piece, &mut out)?;
            // What a refused call appended never leaves.
            told.push((out, rewriter.may_end()));
            Ok(rewriter)
        });
    }
    let end = rewriter.and_then(|rewriter| rewriter.finish(&mut out));
    if end.is_ok() {
        told.push((out, true));
    }
    let classes = view.census().map(|census| (census.classes(), census.undeclared())).unwrap();
    let subjects = (collector.records(), collector.nameless(), collector.take_subjects());
    Told { pieces: told, end, fields: view.counted(), classes, subjects }
}

/// Why the lane differs on these pieces of a body; else how the body ends.
pub fn agree(view: &View, subjects: &Subjects, pieces: &[&[u8]]) -> Result<Result<Counts, Refusal>, String> {
    let mut end = Err(Refusal::Internal);
    for (by_place, lanes) in [(false, &[Lane::Always, Lane::Usual][..]), (true, &[Lane::Always])] {
        let without = told(view, subjects, by_place, Lane::Never, pieces);
        for lane in lanes {
            let with = told(view, subjects, by_place, *lane, pieces);
            if with != without {
                let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
                return Err(format!("{lane:?}: {with:?}\nnot {without:?}\nin pieces of {lengths:?}"));
            }
        }
        end = without.end;
    }
    Ok(end)
}

/// A document of at least so many bytes, of which [`POLICY`] speaks.
pub fn document(choices: &mut Choices<'_>, size: usize) -> Vec<u8> {
    let mut text = String::from("{");
    let style = choices.pick(4);
    let mut first = true;
    for name in ["items", "map", "grid", "open", "left", "items2"] {
        if !first {
            text.push(',');
        }
        first = false;
        space(choices, style, 1, &mut text);
        text.push_str(&format!("\"{name}\":"));
        space(choices, style, 0, &mut text);
        let members = name == "map";
        text.push(if members { '{' } else { '[' });
        let end = text.len() + size / 6;
        let mut count = 0;
        while text.len() < end {
            if count > 0 {
                text.push(',');
            }
            if members {
                space(choices, style, 2, &mut text);
                text.push_str(&format!("\"k{count}\":"));
            }
            value(choices, style, 4, &mut text);
            count += 1;
        }
        space(choices, style, 1, &mut text);
        text.push(if members { '}' } else { ']' });
    }
    space(choices, style, 0, &mut text);
    text.push('}');
    text.into_bytes()
}

/// A policy with a form for each place of [`document`].
pub const POLICY: &str = r#"{
    "language": 1, "policy": "lanes",
    "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
    "classes": {"s": {}, "m": {}, "p": {}, "b": {"blank": "-"}, "h": {}},
    "routes": {"r": {"match": "GET /r", "area": "a", "max_records": {"at": "$.items[*]", "max": 40, "over": "truncate"},
        "body": {
            "$.items[*].id": {"class": "s", "subject": "customer"}, "$.items[*].name.family": "s", "$.items[*].name.given": "h", "$.items[*].n": "s",
            "$.items[*].email": {"class": "m", "mask": "email"}, "$.items[*].iban": {"class": "m", "mask": {"last": 2}},
            "$.items[*].ref": {"class": "p", "pseudonym": "r"}, "$.items[*].blank": "b",
            "$.items[*].note": {"class": "s", "detect": ["email", "phone"]},
            "$.items[*].list[*].a": "s", "$.items[*].list[*].id": "s", "$.items[*].open..*": "s",
            "$.items[*].picked[?@.a == 1].b": "s", "$.items[*]['\u00e9']": "s", "$.items[*]['']": "s",
            "$.map.*.id": "s", "$.map.*.name": "s", "$.grid[*]": "s", "$.grid[*][*]": "s",
            "$.open..*": "s", "$.left[*]": "h", "$.items2[*].x": "h"}}},
    "budgets": {"day": {"areas": ["a"], "count": {"distinct": "customer"}, "per": "1d", "max": 1000000}},
    "scopes": {"all": {"when": "always", "areas": ["a"],
        "grant": {"s": "show", "m": "mask", "p": "pseudonym", "b": "blank"}}}}"#;

const NAMES: [&str; 24] = [
    "id",
    "name",
    "family",
    "given",
    "n",
    "email",
    "iban",
    "ref",
    "blank",
    "note",
    "list",
    "a",
    "b",
    "open",
    "picked",
    "\u{e9}",
    "",
    "i\\u0064",
    "x",
    "idx",
    "unknown",
    "a\\n",
    "aVeryLongNameOfWhichNoPolicySpeaksAndThatGoesOnForMoreThanABlock",
    "href",
];

const SCALARS: [&str; 32] = [
    "1",
    "0",
    "-1",
    "12",
    "12345678",
    "123456789012345678",
    "-0.5",
    "10.25",
    "1e5",
    "1E-7",
    "-12.5e+10",
    "0.1",
    "true",
    "false",
    "null",
    "\"\"",
    "\"x\"",
    "\"A-12\"",
    "\"anna@mail.example\"",
    "\"+46701234567\"",
    "\"a\\\"b\"",
    "\"\\\\\"",
    "\"\\u00e9\\ud83d\\ude00\"",
    "\"Bj\u{f6}rn\"",
    "\"\u{3042}\u{3044}\u{3046} \u{1f600}\"",
    "\"{[,:]}\"",
    "\"a longer text, which goes on: \\\"over the end of a block\\\", and ends\\n\"",
    "[]",
    "{}",
    "[ ]",
    "{ }",
    "\"\\/\"",
];

fn value(choices: &mut Choices<'_>, style: usize, depth: usize, text: &mut String) {
    let kind = choices.pick(8);
    if depth == 0 || (kind < 3 && depth < 4) {
        text.push_str(choices.of(&SCALARS));
        if choices.pick(16) == 0 {
            space(choices, style, depth, text);
        }
        return;
    }
    let object = kind < 7;
    text.push(if object { '{' } else { '[' });
    let mut names = Vec::new();
    for index in 0..choices.pick(if object { 9 } else { 6 }) {
        let name = choices.of(&NAMES);
        // Twice only now and then: most such bodies are refused.
        if names.contains(&name) && choices.pick(64) != 0 {
            continue;
        }
        if !names.is_empty() || (!object && index > 0) {
            text.push(',');
        }
        names.push(name);
        space(choices, style, 5 - depth, text);
        if object {
            text.push_str(&format!("\"{name}\""));
            if choices.pick(32) == 0 {
                text.push(' ');
            }
            text.push(':');
            if style > 0 {
                text.push(' ');
            }
        }
        value(choices, style, depth - 1, text);
    }
    space(choices, style, 4 - depth, text);
    text.push(if object { '}' } else { ']' });
}

/// White space as a document of that style has it: none, indented, or anything.
fn space(choices: &mut Choices<'_>, style: usize, deep: usize, text: &mut String) {
    match style {
        0 | 1 => {}
        2 => {
            text.push('\n');
            text.push_str(&"    ".repeat(deep));
        }
        _ => text.push_str(choices.of(&["", " ", "\r\n", "\t", "          "])),
    }
}

/// Cuts of a body: now and then none, mostly pieces of all sizes.
pub fn pieces<'b>(choices: &mut Choices<'_>, body: &'b [u8]) -> Vec<&'b [u8]> {
    let longest = choices.of(&[usize::MAX, 3, 40, 64, 200, 1000, 4096, 6000]);
    let mut pieces = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let length = if longest == usize::MAX {
            rest.len()
        } else {
            1 + (choices.pick(256) * 256 + choices.pick(256)) % longest
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
