//! What a release is made with: a signature that holds of one file alone, by the commands of `RELEASING.md`, and a list of what is
//! built in that leaves nothing out.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fieldgate_testkit::envoy::Scratch;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(program: &str, arguments: &[&str], folder: &Path, key: Option<&str>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_remove("SIGNING_KEY").envs(key.map(|key| ("SIGNING_KEY", key)));
    command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// The block of `RELEASING.md` with which whoever installs verifies.
fn verification() -> String {
    let text = fs::read_to_string(root().join("RELEASING.md")).expect("the page");
    let (_, rest) = text.split_once("```sh\n").expect("a block of commands");
    format!("set -e\n{}", rest.split("```").next().expect("its end"))
}

#[test]
fn the_signature_of_a_release_holds_of_what_was_released_and_of_nothing_else() {
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        assert!(std::env::var("CI").is_err(), "no ssh-keygen: install OpenSSH's client");
        println!("no ssh-keygen: nothing was looked at");
        return;
    }
    let scratch = Scratch::new().expect("a directory");
    let here = scratch.path();
    for key in ["own", "other"] {
        let made = run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", key], here, None);
        assert!(made.status.success(), "{made:?}");
    }
    fs::write(here.join("fieldgate.wasm"), "plugin").expect("a file");
    let sums = run("sha256sum", &["fieldgate.wasm"], here, None);
    fs::write(here.join("SHA256SUMS"), sums.stdout).expect("a file");
    let public = fs::read_to_string(here.join("own.pub")).expect("a key");
    let signers = format!("releases@fieldgate namespaces=\"fieldgate-release\" {public}");
    fs::write(here.join("release-signers"), &signers).expect("a file");
    let script = root().join("scripts/sign.sh");
    let script = script.to_str().expect("a path of text");
    let sign = |key: &str| run(script, &["SHA256SUMS"], here, Some(key));
    let verify = || run("sh", &["-c", &verification()], here, None).status.success();
    assert!(sign("own").status.success(), "{:?}", sign("own"));
    assert!(verify(), "{:?}", run("sh", &["-c", &verification()], here, None));

    let changes: [(&str, &str, &str); 4] = [
        ("another plugin", "fieldgate.wasm", "plugim"),
        (
            "sums of another plugin",
            "SHA256SUMS",
            "0000000000000000000000000000000000000000000000000000000000000000  x\n",
        ),
        ("no signature", "SHA256SUMS.sig", ""),
        ("a signer for something else", "release-signers", &signers.replace("fieldgate-release", "git")),
    ];
    for (claim, name, text) in changes {
        let before = fs::read(here.join(name)).expect("a file");
        fs::write(here.join(name), text).expect("a file");
        assert!(!verify(), "{claim} is taken");
        fs::write(here.join(name), before).expect("a file");
        assert!(verify(), "what was there before {claim}");
    }
    assert!(sign("other").status.success());
    assert!(!verify(), "a signature with another key is taken");
    assert!(!sign("nowhere").status.success(), "a key that is not there signs");
    assert!(!run(script, &["SHA256SUMS"], here, None).status.success(), "no key signs");
}

/// The crates that Cargo builds in, as `name version`. What macros are made of runs when they are built.
fn built(arguments: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let output = run("cargo", &[&tree[..], arguments].concat(), root(), None);
    assert!(output.status.success(), "{output:?}");
    let line = |line: &str| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(line).collect()
}

#[test]
fn the_list_of_what_is_built_in_leaves_nothing_out() {
    let tool = root().join(".tools/bin/cargo-cyclonedx");
    if !tool.is_file() && Command::new("cargo-cyclonedx").arg("--version").output().is_err() {
        println!("no cargo-cyclonedx (scripts/sbom.sh): nothing was looked at");
        return;
    }
    let host = run("rustc", &["-vV"], root(), None);
    let host = String::from_utf8_lossy(&host.stdout).into_owned();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let (first, second) = (Scratch::new().expect("a directory"), Scratch::new().expect("a directory"));
    for scratch in [&first, &second] {
        let folder = scratch.path().to_str().expect("a path of text");
        let made = run("scripts/sbom.sh", &[folder], root(), None);
        assert!(made.status.success(), "{made:?}");
    }
    let of_command = ["--package", "fieldgate-cli", "--features", "studio", "--target", host];
    for (name, arguments) in [
        ("fieldgate.cdx.json", &["--package", "fieldgate-plugin", "--target", "wasm32-wasip1"][..]),
        ("fieldgate-command.cdx.json", &of_command),
    ] {
        let text = fs::read_to_string(first.path().join(name)).expect("a list");
        assert_eq!(text, fs::read_to_string(second.path().join(name)).expect("a list"), "{name}, made twice");
        assert!(!text.contains(&*root().to_string_lossy()), "{name} names a place of this machine");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        let word = |one: &Value, member: &str| one[member].as_str().unwrap_or_default().to_owned();
        let component = |one: &Value| format!("{} {}", word(one, "name"), word(one, "version"));
        let mut listed: BTreeSet<String> =
            list["components"].as_array().expect("components").iter().map(component).collect();
        listed.insert(component(&list["metadata"]["component"]));
        let missing: Vec<String> = built(arguments).difference(&listed).cloned().collect();
        assert_eq!(missing, [""; 0], "{name} leaves them out");
        // Cargo tells features for the workspace as a whole, so that a package may seem to have what another one asks for.
        let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file");
        let entry = |entry: &str| {
            let mut lines = entry.lines().filter_map(|line| line.split('"').nth(1));
            Some(format!("{} {}", lines.next()?, lines.next()?))
        };
        let locked: BTreeSet<String> = lock.split("[[package]]").skip(1).filter_map(entry).collect();
        let foreign: Vec<String> = listed.difference(&locked).cloned().collect();
        assert_eq!(foreign, [""; 0], "{name} has them from nowhere");
    }
}
