//! The scripts that get programs, on a machine that has nothing and no way to get it: each says what is missing and what to do,
//! and where a test can go on without it, only `CI=true` makes that a failure.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's own fault should stop the test")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fieldgate_testkit::envoy::Scratch;

/// A script with its arguments, whether what needs it can go on without, and what it says.
const WITHOUT: [(&[&str], bool, &str); 12] = [
    (&["browser.sh"], true, "browser: no Chromium and no way to install one: put one on PATH"),
    (&["crds.sh"], true, "crds: no Go to fetch them with: install Go"),
    (&["otel.sh"], true, "otel: no Go to build a collector with: install Go"),
    (&["prometheus.sh"], true, "prometheus: no Prometheus and no way to get one: put prometheus and promtool on PATH"),
    (&["platform.sh"], false, "platform: no ip: install iproute2"),
    (&["platform.sh", "envoy-gateway"], true, "platform: no ip: install iproute2"),
    (&["ratelimit.sh"], true, "ratelimit: no rate limit service: install Go"),
    (&["debian.sh", "redis-server", "redis-server", "link"], false, "redis-server: not here: put it on PATH"),
    (&["envoy.sh"], false, "envoy: "),
    (&["image-tools.sh"], false, "image: no oras: put it on PATH"),
    (&["studio.sh"], false, "studio: no npm: install Node.js"),
    (&["wasm.sh", "build"], false, "wasm: "),
];

/// What any machine has.
const BARE: [&str; 22] = [
    "awk", "basename", "bash", "cat", "cp", "cut", "dirname", "env", "grep", "head", "id", "ln", "ls", "mkdir",
    "mktemp", "mv", "rm", "sed", "sh", "tr", "uname", "wc",
];

/// A folder that holds the scripts and nothing that they got, and one of [`BARE`].
fn bare_machine(home: &Path) -> (PathBuf, PathBuf) {
    let (scripts, programs) = (home.join("scripts"), home.join("bin"));
    fs::create_dir_all(&scripts).expect("a folder");
    fs::create_dir_all(&programs).expect("a folder");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for entry in fs::read_dir(own).expect("the scripts") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, scripts.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let path = std::env::var_os("PATH").expect("a PATH");
    for name in BARE {
        let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.exists());
        symlink(found.unwrap_or_else(|| panic!("no {name}")), programs.join(name)).expect("a link");
    }
    (scripts, programs)
}

fn run(home: &Path, script: &Path, arguments: &[&str], path: &Path, ci: &str) -> Output {
    let mut command = Command::new(script);
    command.args(arguments).current_dir(home).env_clear().env("PATH", path).env("HOME", home).env("CI", ci);
    command.output().unwrap_or_else(|error| panic!("{}: {error}", script.display()))
}

#[test]
fn what_cannot_be_had_is_said_and_fails_where_it_must() {
    let scratch = Scratch::new().expect("a directory");
    let home = scratch.path();
    let (scripts, programs) = bare_machine(home);
    for (call, goes_on, says) in WITHOUT {
        let [script, arguments @ ..] = call else { panic!("no script") };
        for (ci, is_well) in [("true", false), ("", goes_on)] {
            let ran = run(home, &scripts.join(script), arguments, &programs, ci);
            let said = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.success(), is_well, "{script} with CI={ci}: {said}");
            assert!(said.contains(says), "{script} with CI={ci}: {said}");
        }
    }
}

/// `command -v` finds a function before a program: a script that named one after what it looks for would always find it.
#[test]
fn no_function_of_a_script_is_named_as_a_program_that_it_looks_for() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut looked_at = 0;
    for entry in fs::read_dir(own).expect("the scripts") {
        let path = entry.expect("an entry").path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let functions = text.lines().filter_map(|line| line.split_once("() {").map(|(name, _)| name));
        let sought: Vec<&str> = text
            .lines()
            .flat_map(|line| {
                let looks =
                    line.split("command -v ").skip(1).filter_map(|rest| rest.split([' ', ')', ';', '"']).next());
                let listed = line.trim().strip_prefix("for ").and_then(|rest| rest.split_once(" in "));
                let names = listed.and_then(|(_, names)| names.split(';').next()).unwrap_or_default();
                looks.chain(names.split(' '))
            })
            .collect();
        for function in functions {
            looked_at += 1;
            assert!(!sought.contains(&function), "{}: {function}", path.display());
        }
    }
    assert!(looked_at > 30, "{looked_at}");
}
