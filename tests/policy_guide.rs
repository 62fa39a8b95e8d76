//! The language guide, `policies/README.md`, and the first page: each example is checked and run, so that it shows what is so.

#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::rc::Rc;

use fieldgate::caller::Caller;
use fieldgate::exchange::{Request, Response, respond};
use fieldgate::model::RouteBody;
use fieldgate::policy::{self, Files};
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;

const GUIDE: &str = include_str!("../policies/README.md");
const README: &str = include_str!("../README.md");

/// One fenced block: what stands behind the fence, and its lines.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            blocks.push((
                info,
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect(),
            ));
        }
    }
    blocks
}

struct OneFile(String);

impl Files for OneFile {
    fn read(&self, _: &str) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }

    fn list(&self, _: &str) -> std::io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn load(text: &str) -> Rc<Program> {
    let found = policy::load(&OneFile(text.to_owned()), "guide.yaml").and_then(|doc| policy::check(&doc));
    let (policy, _) = found.unwrap_or_else(|found| panic!("{found}\n{text}"));
    let key = PseudonymKey::from_base64("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=").unwrap();
    Rc::new(Program::new(policy, Some(key)).unwrap())
}

/// What a caller gets of the policy's one route.
fn view(program: &Rc<Program>, who: &str, body: &str) -> String {
    let route = program.policy().routes.iter().find(|route| matches!(route.body, RouteBody::Governed(_))).unwrap();
    let target = route.template.example("42");
    let (scope, client) = who.split_once(" @").unwrap_or((who, ""));
    let caller = Caller::new(program.policy(), client, vec![scope.to_owned()], serde_json::Value::Null);
    let request = Request { method: "GET".to_owned(), target, headers: Vec::new(), caller, now: None };
    let answer = respond(program, request, &Response { status: 200, headers: Vec::new(), body: body.into() });
    String::from_utf8(answer.body).unwrap()
}

/// The guide leaves out what differs from key to key.
fn without_pseudonyms(text: &str) -> String {
    let mut parts = text.split("\"ps_");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}\"ps_…{}", part.get(26..).unwrap_or("(short)")))
}

#[test]
fn the_guide_shows_what_is_so() {
    let (mut prelude, mut program, mut body, mut views) = (String::new(), None, String::new(), 0);
    for (info, text) in blocks(GUIDE) {
        match info.split_once(' ') {
            Some(("yaml", "prelude")) => prelude = text,
            None if info == "yaml" => program = Some(load(&format!("{prelude}{text}"))),
            Some(("json", "upstream")) => body = text,
            Some(("json", who)) => {
                let program = program.as_ref().unwrap_or_else(|| panic!("a view without a policy"));
                assert_eq!(without_pseudonyms(&view(program, who, &body)), text.trim_end(), "{who} of {body}");
                views += 1;
            }
            _ => panic!("a block that is not run: {info}"),
        }
    }
    assert!(views >= 10, "the guide has lost its examples");
}

#[test]
fn the_first_page_shows_what_is_so() {
    let blocks = blocks(README);
    let mut json = blocks.iter().filter(|(info, _)| *info == "json").map(|(_, text)| text);
    let policy = blocks.iter().find(|(info, _)| *info == "yaml").map(|(_, text)| text).unwrap();
    let (upstream, seen) = (json.next().unwrap(), json.next().unwrap());
    assert_eq!(view(&load(policy), "care.read", upstream), seen.trim_end());
    assert_eq!(policy.lines().count(), 12, "a policy of twelve lines");
}
