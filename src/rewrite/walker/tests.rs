//! The phases as `docs/design.md` has them: every step from one phase to another that is seen, byte by byte, over documents
//! that reach every phase. `UPDATE_GOLDENS=1 cargo test --lib the_phases` writes the table.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Phase, Walker};
use crate::caller::Caller;
use crate::json::Texts;
use crate::json::lexer::{Block, Tokens};
use crate::json::scanner::{BlockReader, Scanner};
use crate::model::RouteId;
use crate::program::{Program, View};
use crate::refusal::Refusal;
use crate::rewrite::sink::Sink;

const POLICY: &str = r#"{
    "language": 1, "policy": "phases",
    "identity": {"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"},
    "classes": {"s": {"about": "shown"}, "m": {"about": "masked"}, "h": {"about": "hidden"}},
    "routes": {"r": {"match": "GET /r", "area": "a", "body": {
        "$.show": "s", "$.mask": {"class": "m", "mask": {"last": 1}}, "$.hide": "h", "$.open..*": "s",
        "$.in.show": "s", "$.shows[*]": "s", "$.masks[*]": {"class": "m", "mask": {"last": 1}}, "$.hides[*]": "h",
        "$.list[*].show": "s", "$.picked[?@.k == 'x'].show": "s", "$.lone[?@ == 1]": "s"}}},
    "scopes": {"one": {"areas": ["a"], "grant": {"s": "show", "m": "mask"}}}}"#;

/// Documents that together reach every phase, and leave it in every way.
const DOCUMENTS: [(Texts, &str); 8] = [
    (
        Texts::One,
        r#"{"show":"a","show2":"b","mask":"abc","hide":"c","in":{"show":1,"other":{"x":[]}},"open":{"x":[1]},
            "shows":["a",1, true ],"masks":["abc",123,null, "x"],"hides":[1,"a",{}],"list":[{"show":1},{"other":1},2],
            "picked":[{"k":"x","show":1},"a",1 ,[2],{"k":"y"}],"lone":[1,2,"a"],"oth\u0065r":[1],"last":{"x":1}}"#,
    ),
    (Texts::One, r#"{ "show" : 1 , "mask" : 123 , "hide" : 1 , "in" : { } , "shows" : [ ] , "open" : [ ] }"#),
    (Texts::One, r#"{"show":1,"mask":123}"#),
    (Texts::One, r#"{"shows":[1],"masks":[12],"hides":[1],"lone":[1],"picked":["a"],"show":{"x":1},"mask":[1]}"#),
    (Texts::One, r#"{"mask":"abc","hide":{"x":1},"in":{"hide":2}}"#),
    (Texts::One, r#"{"in":[1,{"show":2},"a",[3]],"show":1,"list":[{"x":1}, {} ],"mask":"a"}"#),
    (Texts::One, r#"{"in":[1,2],"shows":[[1],"a"]}"#),
    (Texts::Lines, "{\"show\":1}\n{\"hide\":\"a\"}\n{}\n"),
];

fn view() -> Rc<View> {
    let (policy, _) = crate::policy::from_json(POLICY.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
    let caller = Caller::new(&policy, "c", vec!["one".to_owned()], serde_json::Value::Null);
    let program = Program::new(policy, None).unwrap();
    Rc::new(program.view(RouteId(0), &caller).unwrap())
}

/// What a byte is to the walker, if it is anything.
fn token(tokens: &Tokens) -> &'static str {
    let found = [
        (tokens.quote_open, "`\"` opens"),
        (tokens.quote_close, "`\"` closes"),
        (tokens.open, "`{` `[`"),
        (tokens.close, "`}` `]`"),
        (tokens.comma, "`,`"),
        (tokens.scalar_start, "a scalar begins"),
        (tokens.scalar_after, "a scalar has ended"),
    ];
    found.into_iter().find(|(mask, _)| *mask != 0).map_or("white space", |(_, name)| name)
}

/// From each phase, at each token, to which others.
type Steps = BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>>;

/// A walker that is watched as it takes blocks of one byte.
struct Watched<'a, 'c> {
    walker: &'a mut Walker,
    sink: &'a mut Sink<'c>,
    steps: &'a mut Steps,
}

impl BlockReader for Watched<'_, '_> {
    fn block(&mut self, base: usize, _: Block<'_>, tokens: &Tokens) -> Result<(), Refusal> {
        let before = self.walker.phase;
        self.walker.block(self.sink, base, tokens).map_err(|halt| halt.at(0))?;
        if self.walker.phase != before {
            let ends = self.steps.entry(format!("{before:?}")).or_default();
            ends.entry(token(tokens)).or_default().insert(format!("`{:?}`", self.walker.phase));
        }
        Ok(())
    }
}

fn steps() -> Steps {
    let mut steps = Steps::new();
    let view = view();
    for (texts, document) in DOCUMENTS {
        let mut scanner = Scanner::new(texts, 64);
        let mut walker = Walker::new(Rc::clone(&view), texts);
        for byte in document.as_bytes() {
            let chunk = [*byte];
            let mut out = Vec::new();
            let mut sink = Sink::new(&chunk, &mut out);
            let mut watched = Watched { walker: &mut walker, sink: &mut sink, steps: &mut steps };
            scanner = scanner.push(&chunk, &mut watched).unwrap();
            walker.suspend(&mut sink).map_err(|halt| halt.at(0)).unwrap();
        }
    }
    steps
}

/// What ends each phase, in the order of [`Phase`].
fn table() -> String {
    let steps = steps();
    let phases = [
        Phase::Value,
        Phase::Name,
        Phase::NameEnd,
        Phase::After,
        Phase::Drop,
        Phase::DropElements,
        Phase::Skip,
        Phase::Copy,
        Phase::ShowString,
        Phase::ShowPlain,
        Phase::TakeString,
        Phase::TakePlain,
        Phase::HoldString,
        Phase::HoldPlain,
        Phase::HoldContainer,
        Phase::Done,
    ];
    let mut out = String::from("| phase | at | then |\n|---|---|---|\n");
    for phase in phases {
        let name = format!("{phase:?}");
        match steps.get(&name) {
            Some(ends) => {
                for (token, next) in ends {
                    let next: Vec<&str> = next.iter().map(String::as_str).collect();
                    out.push_str(&format!("| `{name}` | {token} | {} |\n", next.join(", ")));
                }
            }
            None => out.push_str(&format!("| `{name}` | | |\n")),
        }
    }
    out
}

#[test]
fn the_phases_are_those_of_the_design() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/design.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("<!-- phases -->\n").unwrap();
    let (now, after) = rest.split_once("<!-- /phases -->").unwrap();
    let table = table();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, format!("{before}<!-- phases -->\n{table}<!-- /phases -->{after}")).unwrap();
        return;
    }
    assert_eq!(now, table, "docs/design.md: run with UPDATE_GOLDENS=1");
}
