//! The reference of suites, `docs/suites.md`, and their JSON Schema: every example is run by the command, and prints what the
//! page shows; the schema takes what is shipped, and refuses what the reader refuses.
//!
//! `UPDATE_GOLDENS=1 cargo test --test suites` writes outputs and the key reference.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fieldgate::policy;
use fieldgate_testkit::key_reference::{self, About};
use fieldgate_workbench::suite;
use jsonschema::Validator;
use serde_json::Value;

const SCHEMA: &str = include_str!("../policies/fieldgate-suite.v1.schema.json");

const KEYS: About = About {
    rules: &[],
    required: &[
        ("tests[].name", "yes"),
        ("tests[].request", "without `sequence`"),
        ("tests[].response", "without `sequence`"),
        ("tests[].sequence", ""),
    ],
    defaults: &[
        ("now", "the machine's time"),
        ("tests[].now", "the suite's"),
        ("tests[].sequence[].after", "0s"),
        ("tests[].sequence[].times", "1"),
        ("tests[].request.scopes", "none"),
        ("tests[].request.client", "none"),
        ("tests[].request.claims", "none"),
        ("tests[].response.status", "200"),
        ("tests[].response.headers", "`content-type: application/json`"),
    ],
};

fn root() -> PathBuf {
    let here = fieldgate_testkit::root();
    here.ancestors().find(|folder| folder.join("policies").is_dir()).unwrap().to_owned()
}

/// A directory of the test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fieldgate-suites-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What a command of the page prints.
    fn run(&self, command: &str) -> String {
        let words = command.strip_prefix("$ fieldgate ").unwrap_or_else(|| panic!("not a command: {command}"));
        let run = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
            .args(words.split(' '))
            .current_dir(&self.0)
            .env_remove("FIELDGATE_KEY")
            .env("COLUMNS", "120")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8(run.stdout).unwrap() + &String::from_utf8(run.stderr).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A whole suite from an example: rows get what is above them.
fn whole(example: &str) -> String {
    match example.starts_with("- ") {
        true => format!("language: 1\npolicy: accounts.yaml\ntests:\n{}", indented(example)),
        false => example.to_owned(),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}

/// Runs the page: what it says now.
fn page(text: &str) -> String {
    let scratch = Scratch::new("page");
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let body = match info {
            "yaml policy" => {
                scratch.write("accounts.yaml", &body);
                body
            }
            "yaml" => {
                let mut parts = body.split("# file: ");
                scratch.write("accounts.test.yaml", &whole(parts.next().unwrap()));
                for part in parts {
                    let (name, text) = part.split_once('\n').unwrap();
                    scratch.write(name, text);
                }
                body
            }
            "console" => {
                let command = body.lines().next().unwrap();
                format!("{command}\n{}", scratch.run(command))
            }
            _ => panic!("a block that is not run: {info}"),
        };
        out.push_str(&body);
        out.push_str("```\n");
    }
    out
}

#[test]
fn the_page_shows_what_the_command_prints() {
    let path = root().join("docs/suites.md");
    let text = fs::read_to_string(&path).unwrap();
    let now = page(&text);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(&path, &now).unwrap();
    } else {
        for (line, (was, is)) in text.lines().zip(now.lines()).enumerate() {
            assert_eq!(was, is, "docs/suites.md:{}", line + 1);
        }
        assert_eq!(text.lines().count(), now.lines().count());
    }
    assert!(text.matches("```console").count() >= 6, "the page has lost its examples");
    key_reference::check(&root().join("docs/suites.md"), SCHEMA, &KEYS, &BTreeSet::new());
}

#[test]
fn the_page_has_every_reason_of_a_refusal() {
    let source = fs::read_to_string(root().join("src/refusal.rs")).unwrap();
    let mut reasons: BTreeSet<&str> = BTreeSet::new();
    for part in source.split("pub fn reason(self) -> &'static str {").skip(1) {
        let body = part.split("\n    }\n").next().unwrap();
        reasons.extend(body.split("=> \"").skip(1).filter_map(|word| word.split('"').next()));
    }
    let text = fs::read_to_string(root().join("docs/suites.md")).unwrap();
    let table = text.split("<!-- reasons -->").nth(1).unwrap().split("<!-- /reasons -->").next().unwrap();
    let named: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(reasons.len() > 15, "{reasons:?}");
    assert_eq!(named, reasons);
}

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

/// A suite as JSON, by the reader of policies, which reads the same YAML.
fn json(text: &str) -> Value {
    let files = BTreeMap::from([("a.test.yaml".to_owned(), text.to_owned())]);
    let doc = policy::load(&files, "a.test.yaml").unwrap_or_else(|found| panic!("{found}"));
    serde_json::from_str(&policy::to_json(&doc)).unwrap()
}

#[test]
fn every_shipped_suite_is_valid_by_the_schema() {
    let schema = schema();
    let mut seen = 0;
    for folder in ["policies", "policies/banking", "tests/cli"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".test.yaml") {
                let text = fs::read_to_string(&path).unwrap();
                let named = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
                assert!(
                    folder == "tests/cli" || named.is_some_and(|name| path.parent().unwrap().join(name).is_file()),
                    "{} names no schema",
                    path.display()
                );
                let suite = json(&text);
                let faults: Vec<String> =
                    schema.iter_errors(&suite).map(|fault| format!("{fault} at {}", fault.instance_path())).collect();
                assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 3, "only {seen} suites");
}

const ROW: &str = "\
language: 1
policy: accounts.yaml
tests:
  - name: a claim
    request: {path: GET /accounts/1, scopes: [care.read]}
    response: {json: {status: active}}
    expect: {$.status: active}
";

/// What a sequence takes the place of.
const STEP: &str = "    request: {path: GET /accounts/1, scopes: [care.read]}
    response: {json: {status: active}}
    expect: {$.status: active}
";

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = schema();
    let scratch = Scratch::new("schema");
    for (claim, from, to, valid) in [
        ("a suite", "", "", true),
        ("another language", "language: 1", "language: 2", false),
        ("no policy", "policy: accounts.yaml\n", "", false),
        ("a policy that is a list", "policy: accounts.yaml", "policy: [accounts.yaml]", false),
        ("an unknown key", "tests:", "rows: []\ntests:", false),
        ("a day", "tests:", "now: 2027-01-31\ntests:", true),
        ("a time", "tests:", "now: 2027-01-31T00:00:00Z\ntests:", true),
        ("a time that is none", "tests:", "now: soon\ntests:", false),
        ("a row without a name", "name: a claim\n    request", "request", false),
        ("a row without a request", "    request: {path: GET /accounts/1, scopes: [care.read]}\n", "", false),
        ("a row without a response", "    response: {json: {status: active}}\n", "", false),
        ("a row that expects nothing", "    expect: {$.status: active}\n", "", false),
        ("an unknown key of a row", "expect:", "expects: {}\n    expect:", false),
        ("a path without a method", "GET /accounts/1", "/accounts/1", false),
        ("a method in lower case", "GET /accounts/1", "get /accounts/1", false),
        ("scopes as a string", "[care.read]", "care.read", false),
        ("an unknown key of a request", "scopes:", "scope:", false),
        ("a client that is a list", "scopes:", "client: [a], scopes:", false),
        ("claims as a list", "scopes:", "claims: [a], scopes:", false),
        ("claims", "scopes:", "claims: {acr: loa3}, scopes:", true),
        ("request headers", "scopes:", "headers: {x-a: [b, c]}, scopes:", true),
        ("a header name with a space", "scopes:", "headers: {\"x a\": b}, scopes:", false),
        ("a header that is a number", "scopes:", "headers: {x-a: 1}, scopes:", false),
        ("a status", "response: {", "response: {status: 404, ", true),
        ("a status that is none", "response: {", "response: {status: 99, ", false),
        ("two bodies", "response: {", "response: {text: x, ", false),
        ("a text", "{json: {status: active}}", "{text: x}", true),
        ("a path of an expectation without a root", "$.status: active", "status: active", false),
        ("expectations as a list", "{$.status: active}", "[active]", false),
        ("a level", "expect:", "nothing_else_above: hide\n    expect:", true),
        ("no level", "expect:", "nothing_else_above: none\n    expect:", false),
        ("headers", "expect:", "expect_headers: {etag: hidden}\n    expect:", true),
        ("headers as a list", "expect:", "expect_headers: [etag]\n    expect:", false),
        ("a header that is expected to be a number", "expect:", "expect_headers: {etag: 1}\n    expect:", false),
        ("a refusal", "expect: {$.status: active}", "expect_refused: 502", true),
        (
            "a refusal and its reason",
            "expect: {$.status: active}",
            "expect_refused: {status: 502, reason: status}",
            true,
        ),
        ("a refusal with success", "expect: {$.status: active}", "expect_refused: 200", false),
        ("a reason without a status", "expect: {$.status: active}", "expect_refused: {reason: status}", false),
        ("a refusal and an answer", "expect:", "expect_refused: 502\n    expect:", false),
        ("a row's own time", "expect:", "now: 2027-01-31\n    expect:", true),
        (
            "a sequence",
            STEP,
            "    sequence:\n      - {after: 1h, times: 2, request: {path: GET /a}, response: {}, expect_step: mask}\n",
            true,
        ),
        ("a sequence of nothing", STEP, "    sequence: []\n", false),
        (
            "a sequence and a request",
            "expect:",
            "sequence: [{request: {path: GET /a}, response: {}}]\n    expect:",
            false,
        ),
        ("a pause without a unit", STEP, "    sequence: [{after: 10, request: {path: GET /a}, response: {}}]\n", false),
        ("too often", STEP, "    sequence: [{times: 20001, request: {path: GET /a}, response: {}}]\n", false),
        (
            "a step that is none",
            STEP,
            "    sequence: [{expect_step: all, request: {path: GET /a}, response: {}}]\n",
            false,
        ),
        (
            "a refusal and a step",
            STEP,
            "    sequence: [{expect_step: mask, expect_refused: 429, request: {path: GET /a}, response: {}}]\n",
            false,
        ),
    ] {
        assert!(ROW.contains(from), "`{from}` is not in the row");
        let text = ROW.replacen(from, to, 1);
        scratch.write("a.test.yaml", &text);
        let read = suite::load(&scratch.0.join("a.test.yaml"));
        assert_eq!(read.is_ok(), valid, "the reader: {claim}: {:?}", read.err().map(|found| found.to_string()));
        assert_eq!(schema.is_valid(&json(&text)), valid, "the schema: {claim}");
    }
}

#[test]
fn the_command_prints_both_schemas() {
    let scratch = Scratch::new("print");
    assert_eq!(scratch.run("$ fieldgate schema --suite"), SCHEMA);
    assert_eq!(scratch.run("$ fieldgate schema"), include_str!("../policies/fieldgate.v1.schema.json"));
}
