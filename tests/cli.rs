//! What the command line says, as transcripts: `tests/cli/*.txt`. Each row is a claim, a command, and all that comes of it.
//!
//! ```text
//! === the claim
//! $ fieldgate check tests/cli/broken.yaml
//! --- exit 1
//! what it writes to standard output
//! --- err
//! what it writes to standard error
//! ```
//!
//! Commands run in the project's directory, without colour and with a known key; `< FILE` at the end is standard input. After a
//! change that is meant, `UPDATE_TRANSCRIPTS=1 cargo test --test cli` writes what comes out: read the difference.
//!
//! A runner of our own: trycmd would bring a dozen crates for what is a page here.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop where it stands")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// The key that suites use where the environment has none.
const KEY: &str = "ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ=";

#[derive(Clone)]
struct Row {
    claim: String,
    command: String,
    expected: String,
}

fn root() -> &'static Path {
    fieldgate_testkit::root()
}

fn rows(text: &str) -> Vec<Row> {
    text.split("=== ")
        .skip(1)
        .map(|block| {
            let (claim, rest) = block.split_once('\n').expect("a claim");
            let (command, expected) = rest.split_once('\n').unwrap_or((rest, ""));
            let command = command.strip_prefix("$ fieldgate").expect("a command").trim().to_owned();
            Row { claim: claim.to_owned(), command, expected: expected.trim_end_matches('\n').to_owned() }
        })
        .collect()
}

/// A command line's words: white space separates, quotes hold together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Text as a transcript shows it.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\\r\n").replace('\u{1b}', "\\e");
    match text.strip_suffix('\n') {
        Some(text) => text.to_owned(),
        None if text.is_empty() => text,
        None => text + "\n\\ no line end",
    }
}

fn run(command: &str) -> String {
    let (command, input) = match command.rsplit_once(" < ") {
        Some((command, file)) => (command, Stdio::from(fs::File::open(root().join(file)).expect("the input file"))),
        None => (command, Stdio::null()),
    };
    let output = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .args(words(command))
        .current_dir(root())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("COLUMNS", "100")
        .env("FIELDGATE_KEY", KEY)
        .stdin(input)
        .output()
        .expect("the command runs");
    let (out, err) = (shown(&output.stdout), shown(&output.stderr));
    let mut text = format!("--- exit {}", output.status.code().unwrap_or(-1));
    if !out.is_empty() {
        text.push_str(&format!("\n{out}"));
    }
    if !err.is_empty() {
        text.push_str(&format!("\n--- err\n{err}"));
    }
    text.trim_end_matches('\n').to_owned()
}

fn transcripts() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root().join("tests/cli"))
        .expect("the transcripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    found.sort();
    found
}

fn update() {
    for path in transcripts() {
        let text = fs::read_to_string(&path).expect("a transcript");
        let written: Vec<String> = rows(&text)
            .iter()
            .map(|row| format!("=== {}\n$ fieldgate {}\n{}\n", row.claim, row.command, run(&row.command)))
            .collect();
        fs::write(&path, written.join("\n")).expect("the transcript is written");
    }
}

fn main() -> ExitCode {
    if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        update();
    }
    let mut trials = Vec::new();
    let mut claims: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in transcripts() {
        let text = fs::read_to_string(&path).expect("a transcript");
        for row in rows(&text) {
            if let Some(other) = claims.insert(row.claim.clone(), path.clone()) {
                panic!("`{}` is claimed in {} and in {}", row.claim, other.display(), path.display());
            }
            let name = row.claim.clone();
            trials.push(Trial::test(name, move || {
                let came = run(&row.command);
                if came == row.expected {
                    return Ok(());
                }
                let message = format!("$ fieldgate {}\n--- expected\n{}\n--- came\n{came}", row.command, row.expected);
                Err(Failed::from(message))
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
