//! Whether the tests would notice a broken guard: each guard of `tests/mutants/guards.txt` is broken in a copy of the tree,
//! and the test that the row names must fail then.
//!
//! `cargo test` holds the table to the code, which takes a moment. `make mutants` breaks the guards, which takes a build
//! for each; `ONLY="A7, caller"` chooses those rows in which one of the two stands. What needs Envoy is broken in the wasm
//! alone and runs against the tests as they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may stop where it stands"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where a guard is, how it is broken, and what must notice.
#[derive(Debug, Default)]
struct Guard {
    claim: String,
    /// Threats of `SECURITY.md` and rules of the policy language.
    holds: Vec<String>,
    edits: Vec<Edit>,
    noticed_by: Vec<Check>,
}

/// One text of one file, and what it becomes.
#[derive(Debug, Default)]
struct Edit {
    file: String,
    old: Vec<String>,
    new: Vec<String>,
}

/// A test target, and the names in it to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Check {
    target: String,
    filter: String,
}

/// What became of a broken guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    Survived,
    DoesNotBuild,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    Passed(String),
    Failed(String),
    /// It was stopped: a broken guard may loop for ever.
    Overran,
}

/// How long a build may take, and a test: the slowest test takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(600);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the copy of the tree is, and what is built of it: it is kept, so that the next run builds little.
fn scratch() -> PathBuf {
    std::env::var_os("MUTANTS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"), PathBuf::from)
}

fn guards() -> Vec<Guard> {
    let path = root().join("tests/mutants/guards.txt");
    let text = fs::read_to_string(&path).unwrap();
    let mut guards: Vec<Guard> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        if sign == "##" {
            guards.push(Guard { claim: rest, ..Guard::default() });
            continue;
        }
        if sign.is_empty() || sign == "#" {
            continue;
        }
        let guard = guards.last_mut().unwrap_or_else(|| panic!("line {number} is before the first guard"));
        let edit = guard.edits.last_mut();
        match (sign, edit) {
            ("for:", _) => guard.holds = rest.split(", ").map(str::to_owned).collect(),
            ("test:", _) => {
                let (target, filter) = rest.split_once(' ').unwrap_or((&rest, ""));
                guard.noticed_by.push(Check { target: target.to_owned(), filter: filter.to_owned() });
            }
            ("in:", _) => guard.edits.push(Edit { file: rest, ..Edit::default() }),
            ("-", Some(edit)) => edit.old.push(rest),
            ("+", Some(edit)) => edit.new.push(rest),
            _ => panic!("line {number}: {line}"),
        }
    }
    guards
}

impl Edit {
    /// The file's text with the guard broken.
    fn apply(&self, text: &str) -> Result<String, String> {
        let file = Flush::new(text);
        let old = self.old.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n");
        let places: Vec<_> = file.text.match_indices(&old).map(|(start, _)| file.range(start, old.len())).collect();
        let new = self.new.join("\n");
        match places.as_slice() {
            [place] if Flush::new(&new).text != old => {
                Ok(format!("{}{new}{}", &text[..place.start], &text[place.end..]))
            }
            places => Err(format!("{}: `{old}` stands there {} times", self.file, places.len())),
        }
    }
}

/// A text with its lines flush left: a line that only moves in or out is found as before.
struct Flush {
    text: String,
    /// For each byte of the text, where it is in the indented one; then where that one ends.
    origins: Vec<usize>,
}

impl Flush {
    fn new(indented: &str) -> Self {
        let (mut text, mut origins, mut at) = (String::new(), Vec::new(), 0);
        for line in indented.split_inclusive('\n') {
            // An empty line keeps its end.
            let kept = line.trim_start_matches([' ', '\t']);
            text.push_str(kept);
            at += line.len();
            origins.extend(at - kept.len()..at);
        }
        origins.push(at);
        Self { text, origins }
    }

    /// The place in the indented text of so many bytes.
    fn range(&self, start: usize, length: usize) -> Range<usize> {
        let last = start + length.saturating_sub(1);
        self.origins[start]..self.origins[last] + usize::from(length > 0)
    }
}

#[test]
fn every_guard_stands_once_where_the_table_says() {
    let security = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut claims = BTreeSet::new();
    let mut faults = Vec::new();
    for guard in guards() {
        let mut fault = |what: String| faults.push(format!("{}: {what}", guard.claim));
        if !claims.insert(guard.claim.clone()) {
            fault("two guards of this name".to_owned());
        }
        for held in &guard.holds {
            let is_rule =
                held.strip_prefix("rule ").is_some_and(|number| (1..=41).contains(&number.parse().unwrap_or(0)));
            if !is_rule && !security.contains(&format!("\n| {held} |")) {
                fault(format!("no threat or rule `{held}`"));
            }
        }
        if guard.holds.is_empty() || guard.edits.is_empty() || guard.noticed_by.is_empty() {
            fault("it lacks `for:`, `in:` or `test:`".to_owned());
        }
        for check in &guard.noticed_by {
            let target = &check.target;
            let there = |path: String| root().join(path).is_file();
            if !["lib", "module"].contains(&target.as_str())
                && !there(format!("tests/{target}.rs"))
                && !there(format!("tests/{target}/main.rs"))
            {
                fault(format!("no test `{target}`"));
            }
        }
        for edit in &guard.edits {
            if let Err(what) = fs::read_to_string(root().join(&edit.file))
                .map_err(|error| error.to_string())
                .and_then(|text| edit.apply(&text))
            {
                fault(what);
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_guard_is_found_however_far_in_it_stands() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    let edit = |old, new| Edit { file: "f".to_owned(), old: lines(old), new: lines(new) };
    let text = "fn f() {\n    if a {\n        b();\n    }\n\n    c();\n}\n";
    for (claim, old, new, broken) in [
        ("a part of a line", "a {", "true {", Some("fn f() {\n    if true {\n        b();\n    }\n\n    c();\n}\n")),
        ("two lines, flush", "if a {\nb();", "{", Some("fn f() {\n    {\n    }\n\n    c();\n}\n")),
        ("two lines, too far in", "  if a {\n            b();", "{", Some("fn f() {\n    {\n    }\n\n    c();\n}\n")),
        ("over an empty line", "}\n\nc();", "}", Some("fn f() {\n    if a {\n        b();\n    }\n}\n")),
        ("an end that is dropped", "c();", "", Some("fn f() {\n    if a {\n        b();\n    }\n\n    \n}\n")),
        ("what stands there twice", "}", "", None),
        ("what does not stand there", "if  a", "", None),
        ("nothing but the indentation changes", "c();", "  c();", None),
    ] {
        assert_eq!(edit(old, new).apply(text).ok().as_deref(), broken, "{claim}");
    }
}

#[test]
#[ignore = "a build for each guard: make mutants"]
fn every_broken_guard_is_noticed() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let words: Vec<&str> = only.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let mut chosen = guards();
    chosen.retain(|guard| words.is_empty() || words.iter().any(|word| guard.has(word)));
    // What is built soonest goes first.
    chosen.sort_by_key(|guard| guard.noticed_by.iter().map(|check| check.cost()).max());
    assert!(!chosen.is_empty(), "no row has one of the words in ONLY");
    let shop = Workshop::new(&chosen);
    shop.checks_pass(&chosen);

    let began = Instant::now();
    let mut fates = Vec::new();
    for (number, guard) in (1..).zip(&chosen) {
        let since = Instant::now();
        let fate = shop.break_and_run(guard);
        let word = match fate {
            Fate::Killed => "killed",
            Fate::Survived => "SURVIVED",
            Fate::DoesNotBuild => "does not build",
        };
        println!("{number:3}/{} {word:8} {:4} s  {}", chosen.len(), since.elapsed().as_secs(), guard.claim);
        fates.push((fate, &guard.claim));
    }
    let of = |wanted: Fate| fates.iter().filter(|(fate, _)| *fate == wanted).count();
    let (killed, survived, unbuilt) = (of(Fate::Killed), of(Fate::Survived), of(Fate::DoesNotBuild));
    println!(
        "{} guards broken in {} s: {killed} killed, {survived} survived, {unbuilt} did not build",
        fates.len(),
        began.elapsed().as_secs()
    );
    assert_eq!(
        killed,
        fates.len(),
        "no test notices:\n{}",
        fates
            .iter()
            .filter(|(fate, _)| *fate != Fate::Killed)
            .map(|(_, claim)| claim.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    );
}

impl Guard {
    fn has(&self, word: &str) -> bool {
        self.claim.contains(word)
            || self.holds.iter().any(|held| held == word)
            || self.edits.iter().any(|edit| edit.file.contains(word))
            || self.noticed_by.iter().any(|check| check.target == word)
    }
}

impl Check {
    fn cost(&self) -> u8 {
        match self.target.as_str() {
            "lib" | "module" => 0,
            "envoy" => 2,
            _ => 1,
        }
    }
}

/// A copy of the tree in which guards are broken, with what is built of it.
struct Workshop {
    tree: PathBuf,
    built: PathBuf,
    /// The tests in Envoy, built from the tree as it is.
    envoy: Option<PathBuf>,
}

impl Workshop {
    /// Copies what git knows of the tree, or would.
    fn new(chosen: &[Guard]) -> Self {
        let scratch = scratch();
        let shop = Self { tree: scratch.join("tree"), built: scratch.join("target"), envoy: None };
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .unwrap();
        for path in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
            if root().join(path).is_file() {
                write(&shop.tree.join(path), &fs::read(root().join(path)).unwrap()).unwrap();
            }
        }
        if chosen.iter().flat_map(|guard| &guard.noticed_by).any(|check| check.target == "envoy") {
            let envoy = Some(envoy_tests());
            return Self { envoy, ..shop };
        }
        shop
    }

    /// A check that fails, or runs nothing, while no guard is broken would notice everything, or nothing.
    fn checks_pass(&self, chosen: &[Guard]) {
        let checks: BTreeSet<&Check> = chosen.iter().flat_map(|guard| &guard.noticed_by).collect();
        if checks.iter().any(|check| check.target == "envoy") {
            self.build("envoy").unwrap();
        }
        for check in checks {
            println!("unbroken: {} {}", check.target, check.filter);
            match self.run(check) {
                Ok(Ended::Passed(said)) if !said.contains(" 0 passed") => {}
                other => panic!("nothing is broken, and `{} {}` says {other:?}", check.target, check.filter),
            }
        }
    }

    fn break_and_run(&self, guard: &Guard) -> Fate {
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for edit in &guard.edits {
            let path = self.tree.join(&edit.file);
            let whole = fs::read_to_string(&path).unwrap();
            write(&path, edit.apply(&whole).unwrap().as_bytes()).unwrap();
            files.push((path, whole));
        }
        let fate = self.fate(guard);
        // Two edits may be of one file: the first one's text is the whole one.
        for (path, whole) in files.into_iter().rev() {
            write(&path, whole.as_bytes()).unwrap();
        }
        fate
    }

    fn fate(&self, guard: &Guard) -> Fate {
        for check in &guard.noticed_by {
            if let Err(said) = self.build(&check.target) {
                println!("{said}");
                return Fate::DoesNotBuild;
            }
            match self.run(check) {
                Ok(Ended::Passed(_)) => {}
                Ok(Ended::Failed(_) | Ended::Overran) => return Fate::Killed,
                Err(error) => panic!("{error}"),
            }
        }
        Fate::Survived
    }

    fn build(&self, target: &str) -> Result<(), String> {
        let mut command = if target == "envoy" { self.wasm() } else { self.cargo(target) };
        if target != "envoy" {
            command.arg("--no-run");
        }
        match ended(&mut command) {
            Ok(Ended::Passed(_)) => Ok(()),
            Ok(Ended::Failed(said)) => Err(said),
            Ok(Ended::Overran) => Err("the build takes too long".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn run(&self, check: &Check) -> io::Result<Ended> {
        let mut command = match (check.target.as_str(), &self.envoy) {
            ("envoy", Some(tests)) => {
                let mut command = Command::new(tests);
                let wasm = self.built.join("wasm32-wasip1/release/fieldgate.wasm");
                // Without Envoy nothing would be noticed: the tests must not pass then.
                command.current_dir(root()).env("FIELDGATE_WASM", wasm).env("CI", "true");
                command
            }
            _ => {
                let mut command = self.cargo(&check.target);
                command.arg("--");
                command
            }
        };
        match check.filter.as_str() {
            "" => {}
            options if options.starts_with("--") => drop(command.args(options.split(' '))),
            claim => drop(command.arg(claim)),
        }
        ended(&mut command)
    }

    fn cargo(&self, target: &str) -> Command {
        let mut command = Command::new("cargo");
        command.args(["test", "--quiet", "--locked"]);
        match target {
            "lib" => command.args(["--package", "fieldgate", "--lib"]),
            "module" => command.args(["--package", "fieldgate-module", "--lib"]),
            _ => command.args(["--test", target]),
        };
        self.at_home(&mut command);
        command
    }

    /// Builds quickly what is thrown away after a test: the plugin decides the same without its optimisations.
    fn wasm(&self) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["scripts/wasm.sh", "build"])
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_INCREMENTAL", "true");
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        // Cargo's own path for libraries is of this toolchain; the wasm may be built with another.
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.built).env_remove("LD_LIBRARY_PATH");
        // That a case fails is enough: the smallest one that does is not looked for.
        command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    }
}

/// Builds the tests in Envoy from the tree as it is, and finds them.
fn envoy_tests() -> PathBuf {
    let built = Command::new("cargo")
        .args(["test", "--locked", "--test", "envoy", "--no-run", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let lines = String::from_utf8(built.stdout).unwrap();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_tests = messages.filter(|message| message["target"]["name"] == "envoy");
    let path = of_tests.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
    path.expect("the tests in Envoy are built")
}

/// Runs a command in a process group of its own, which is stopped if it overruns.
fn ended(command: &mut Command) -> io::Result<Ended> {
    let path = scratch().join("log");
    let log = File::create(&path)?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let mut child = command.spawn()?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let said = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            return Ok(if status.success() { Ended::Passed(said) } else { Ended::Failed(said) });
        }
        if began.elapsed() > PATIENCE {
            let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(group) = group {
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
            }
            child.wait()?;
            return Ok(Ended::Overran);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes a file, unless it holds that already: then nothing is to be built anew.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}
