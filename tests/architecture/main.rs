//! The arrows between modules, as a table that the code is held against, so that the picture in `lib.rs` stays true.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each package may use of the others, tests aside.
const PACKAGES: [(&str, &[&str]); 9] = [
    (".", &[]),
    ("crates/plugin", &["fieldgate"]),
    ("crates/module", &["fieldgate"]),
    ("crates/workbench", &["fieldgate"]),
    ("crates/cli", &["fieldgate", "fieldgate-workbench"]),
    ("crates/studio", &["fieldgate", "fieldgate-workbench"]),
    ("crates/testkit", &["fieldgate", "fieldgate-workbench"]),
    ("benches", &["fieldgate", "fieldgate-testkit"]),
    ("benches/naive", &[]),
];

/// What each module of the core and of the workbench may use of the others in its crate. Not listed is not allowed.
const ARROWS: [(&str, &[&str]); 30] = [
    ("src/budget", &["model", "protobuf", "transform"]),
    ("src/caller", &["model"]),
    ("src/diagnostic", &[]),
    ("src/document", &["diagnostic", "protobuf"]),
    ("src/exchange", &["budget", "caller", "json", "model", "program", "refusal", "report", "rewrite"]),
    ("src/json", &["refusal"]),
    ("src/lib", &[]),
    ("src/model", &["diagnostic"]),
    ("src/policy", &["diagnostic", "document", "model"]),
    ("src/program", &["budget", "caller", "model", "policy", "refusal", "transform"]),
    ("src/protobuf", &[]),
    ("src/refusal", &[]),
    ("src/report", &["budget", "model", "program", "refusal"]),
    ("src/rewrite", &["json", "model", "program", "refusal", "transform"]),
    ("src/transform", &["model"]),
    ("crates/workbench/src/cells", &["suite"]),
    ("crates/workbench/src/changes", &["cells", "loaded", "suite"]),
    ("crates/workbench/src/complete", &[]),
    ("crates/workbench/src/deployment", &[]),
    ("crates/workbench/src/fault", &[]),
    ("crates/workbench/src/found", &[]),
    ("crates/workbench/src/invented", &[]),
    ("crates/workbench/src/lib", &[]),
    ("crates/workbench/src/learn", &["ledger", "openapi", "suite"]),
    ("crates/workbench/src/loaded", &[]),
    ("crates/workbench/src/ledger", &[]),
    ("crates/workbench/src/openapi", &["fault"]),
    ("crates/workbench/src/preview", &["suite"]),
    ("crates/workbench/src/replay", &["fault", "invented"]),
    ("crates/workbench/src/suite", &[]),
];

/// Foreign crates that one place alone may name.
const CRATES: [(&str, &str); 22] = [
    ("rustc_hash", "src/"),
    ("siphasher", "src/budget/subject"),
    ("proxy_wasm", "crates/plugin/src"),
    ("log", "crates/plugin/src"),
    ("jsonpath_rust", "src/model/field_path"),
    ("prost", "src/protobuf"),
    ("regex_lite", "src/model/pattern"),
    ("serde_saphyr", "src/document/yaml"),
    ("hmac", "src/transform/pseudonym"),
    ("annotate_snippets", "crates/cli/src"),
    ("anstream", "crates/cli/src/terminal"),
    ("anstyle", "crates/cli/src/terminal"),
    ("clap", "crates/cli/src"),
    ("clap_complete", "crates/cli/src/completions"),
    ("flate2", "crates/cli/src/logs"),
    ("ruzstd", "crates/cli/src/logs"),
    ("clap_mangen", "crates/cli/src/man"),
    ("lsp_server", "crates/cli/src/lsp"),
    ("percent_encoding", "crates/cli/src/lsp/editor"),
    ("similar", "crates/cli/src/change"),
    ("strsim", "src/policy/similar"),
    ("terminal_size", "crates/cli/src/terminal"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is shipped: the sources of each package that is not for tests alone.
const SHIPPED: [&str; 6] =
    ["src", "crates/plugin/src", "crates/module/src", "crates/workbench/src", "crates/studio/src", "crates/cli/src"];

/// The sources of what is shipped, by their path from the root.
fn all_sources() -> Vec<(String, String)> {
    sources_of(&SHIPPED)
}

/// The sources below these folders, by their path from the root.
fn sources_of(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut found);
    }
    let relative =
        |path: &Path| path.strip_prefix(root).expect("a path under the root").to_string_lossy().replace('\\', "/");
    found.retain(|path| !path.ends_with("tests.rs"));
    found.into_iter().map(|path| (relative(&path), fs::read_to_string(&path).expect("a source file"))).collect()
}

/// The lines that are code: no comments, and nothing of a test module within a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

/// The library's modules that a file names through `crate::`.
fn used(text: &str) -> BTreeSet<String> {
    let text: String = code(text).collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    for (at, found) in text.match_indices("crate::") {
        let rest = &text[at + found.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String =
                name.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            if name.chars().next().is_some_and(char::is_lowercase) {
                used.insert(name);
            }
        }
    }
    used
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        let (source, module) = match name.split_once("src/") {
            Some((source, module)) => (source, module.split(['/', '.']).next().unwrap_or_default()),
            None => continue,
        };
        if !["", "crates/workbench/"].contains(&source) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == format!("{source}src/{module}")) else {
            wrong.push(format!("{name}: the module `{module}` is not in the table"));
            continue;
        };
        for other in used(&text) {
            if other != module && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{name}: `{module}` uses `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_foreign_crate_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (foreign, place) in CRATES {
            if name.starts_with(place) {
                continue;
            }
            let names = |line: &str| {
                let found = line.find(&format!("{foreign}::"));
                found.is_some_and(|at| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c)))
            };
            wrong.extend(code(&text).filter(|line| names(line)).map(|line| format!("{name}: {}", line.trim())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Type names that stand more than once in a crate on purpose, with the reason.
const HOMONYMS: [(&str, &str); 5] = [
    ("Arguments", "each subcommand's own, as clap's derive has it"),
    ("Phase", "of the exchange, and of the walker: two state machines, neither of which knows the other"),
    ("Sixteen", "one for each processor: only one is compiled"),
    ("Vector", "the trait's, and one for each processor"),
    ("Vectors", "one for each processor: only one is compiled"),
];

#[test]
fn a_type_name_stands_once_in_a_crate() {
    let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (file, text) in all_sources() {
        let package = file.split("src/").next().unwrap_or_default().to_owned();
        for line in code(&text) {
            let line = line.trim_start();
            // What a trait's implementation names is the trait's.
            if line.starts_with("type ") && !text.contains(&format!("\n{line}")) {
                continue;
            }
            let words = line.split([' ', '<', '(', ';', '{']).filter(|word| !word.is_empty());
            let mut words =
                words.skip_while(|word| ["pub", "crate)", "super)", "in"].contains(word) || word.ends_with(')'));
            if words.next().is_some_and(|word| ["struct", "enum", "trait", "union", "type"].contains(&word))
                && let Some(name) = words.next()
            {
                let name = name.trim_end_matches(':');
                places.entry((package.clone(), name.to_owned())).or_default().push(file.clone());
            }
        }
    }
    assert!(places.len() > 500, "{} types", places.len());
    places.retain(|(_, name), files| files.len() > 1 && !HOMONYMS.iter().any(|(known, _)| known == name));
    assert!(places.is_empty(), "{places:#?}");
}

/// What a user of the core can name by a path: types, traits, functions, constants. (Methods and fields are told of by their
/// type.)
#[test]
fn the_core_is_small_to_its_users() {
    let names = ["struct", "enum", "trait", "fn", "const", "type", "static", "union"];
    let items: usize = all_sources()
        .iter()
        .filter(|(name, _)| name.starts_with("src/"))
        .map(|(_, text)| {
            code(text)
                .filter_map(|line| line.strip_prefix("pub "))
                .filter(|line| names.contains(&line.split(' ').next().unwrap_or_default()))
                .count()
        })
        .sum();
    assert!((150..=250).contains(&items), "{items} public items");
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("the root");
    let (_, listed) = root.split_once("# For whom").expect("a list by who an item is for");
    let listed = listed.split("//! # ").next().unwrap_or_default();
    for module in root.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        assert!(listed.contains(&format!("[`{module}`]")), "lib.rs does not say for whom `{module}` is");
    }
}

/// Of at most sixty lines of code.
#[test]
fn functions_fit_on_a_screen() {
    let mut long = Vec::new();
    for (name, text) in all_sources().into_iter().chain(sources_of(&["crates/testkit/src", "benches/src"])) {
        let lines: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
        for (start, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let words: Vec<&str> = line.trim_start().split([' ', '(']).take(5).collect();
            let opens = lines[start..].iter().position(|line| line.ends_with(['{', '}', ';'])).unwrap_or_default();
            if !words.contains(&"fn") || line.trim_start().starts_with("//") || !lines[start + opens].ends_with('{') {
                continue;
            }
            let end = format!("{indent}}}");
            let body = lines[start + opens + 1..].iter().take_while(|line| ***line != *end);
            let body = body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"));
            let length = body.count();
            if length > 60 {
                long.push(format!("{name}: {length} lines: {}", line.trim()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The parts of the engine in which masks and states are hard to follow: each has at least three comments for a hundred
/// lines of code, docs aside.
#[test]
fn the_engine_gives_its_reasons() {
    for part in ["src/json", "src/rewrite", "src/program"] {
        let (mut comments, mut lines) = (0, 0);
        for (name, text) in all_sources() {
            if !name.starts_with(&format!("{part}/")) && name != format!("{part}.rs") {
                continue;
            }
            let inner = text.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
            comments += inner.clone().filter(|line| line.starts_with("// ")).count();
            lines += inner.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        }
        assert!(comments * 100 >= lines * 3, "{part}: {comments} comments in {lines} lines");
    }
}

/// A comment names its subject, and a message says what is wrong in the words of what it is about.
#[test]
fn comments_and_messages_are_in_plain_words() {
    let (mut found, mut files) = (Vec::new(), Vec::new());
    for folder in ["src", "crates", "tests", "benches"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    files.retain(|file| !file.iter().any(|part| part == "target" || part == "node_modules"));
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let opens = |line: &&str| {
            let comment = line.trim_start().trim_start_matches('/').trim_start_matches('!');
            line.trim_start().starts_with("//") && comment.starts_with(" The same")
        };
        found.extend(text.lines().filter(opens).map(|line| format!("{}: {}", file.display(), line.trim())));
        // `x` is no method: is not an HTTP method.
        let is_no = |line: &&str| line.contains("` is no ") && !line.trim_start().starts_with("//");
        let message = !file.iter().any(|part| part == "tests") && !file.ends_with("tests.rs");
        let said = text.lines().take_while(|line| message && *line != "#[cfg(test)]").filter(is_no);
        found.extend(said.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A manifest's keys under `[dependencies]`, those for a target among them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside =
                section == "dependencies" || (section.starts_with("target.") && section.ends_with(".dependencies"));
        } else if inside && let Some((key, _)) = line.split_once(['.', '=']) {
            found.insert(key.trim().to_owned());
        }
    }
    found
}

fn manifest(package: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join("Cargo.toml");
    fs::read_to_string(path).expect("a manifest")
}

#[test]
fn packages_use_only_what_the_table_allows() {
    for (package, allowed) in PACKAGES {
        let names = dependencies(&manifest(package));
        let ours: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.starts_with("fieldgate")).collect();
        assert_eq!(ours, allowed, "{package}");
    }
    let hosts = ["proxy-wasm", "clap", "tokio", "annotate-snippets"];
    for package in [".", "crates/workbench"] {
        let names = dependencies(&manifest(package));
        let found: Vec<&str> = hosts.into_iter().filter(|host| names.contains(*host)).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}

#[test]
fn each_file_of_tests_is_a_test_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Those three have commands of their own.
    let elsewhere = ["browser", "envoy", "platform"];
    let unit =
        Command::new("make").args(["-n", "unit"]).env_remove("MAKEFLAGS").current_dir(root).output().expect("make");
    let unit = String::from_utf8_lossy(&unit.stdout).into_owned() + " ";
    let (core, command) = (manifest("."), manifest("crates/cli"));
    for entry in fs::read_dir(root.join("tests")).expect("the tests") {
        let path = entry.expect("a test").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let target = format!("[[test]]\nname = \"{name}\"\n");
        let of_command = |file: &str| command.contains(&format!("{target}path = \"../../tests/{file}\"\n"));
        let runs = if path.join("main.rs").is_file() {
            core.contains(&target) || of_command(&format!("{name}/main.rs"))
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            core.contains(&target) || of_command(&format!("{name}.rs"))
        } else {
            continue;
        };
        assert!(runs, "{} is in no manifest, so nothing runs it", path.display());
        let called = unit.replace('\n', " ").contains(&format!(" --test {name} "));
        assert!(called != elsewhere.contains(&&*name), "`make unit` and {name}");
    }
}

/// The studio's core is WebAssembly too, and has all that a command has: what the plugin alone leaves out is told by its system.
#[test]
fn what_is_not_in_the_plugin_is_told_by_wasi_and_not_by_webassembly() {
    let is_gate = |line: &&str| line.contains("cfg(") && line.contains("wasm32") && !line.contains("simd128");
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        // The plugin is for WebAssembly alone, and its linter for everything.
        if !name.starts_with("crates/plugin/") {
            wrong.extend(code(&text).filter(is_gate).map(|line| format!("{name}: {line}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "`target_os = \"wasi\"` is the plugin's, `wasm32` is the studio's too:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_files_import_each_other_in_a_loop() {
    let mut wrong = Vec::new();
    for crate_folder in SHIPPED.into_iter().chain(["crates/testkit/src"]) {
        let files = sources_of(&[crate_folder]);
        let named = files
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(crate_folder)?.trim_start_matches('/'), text.as_str())));
        let circles = circles::circles(named).into_iter();
        wrong.extend(circles.map(|(folder, circle)| format!("{crate_folder}, {folder}: {}", circle.join(" "))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Most lines of code that the plugin has beside its store and the trap of tests, comments and blank lines aside.
const PLUGIN: usize = 388;

#[test]
fn the_plugin_only_obeys() {
    let mut all = 0;
    for (name, text) in sources_of(&["crates/plugin/src"]) {
        let file = name.trim_start_matches("crates/plugin/src/");
        if ["store.rs", "trap.rs"].contains(&file) {
            continue;
        }
        let lines = text.lines().count();
        assert!(lines <= 200, "{name} has {lines} lines: what is decided there belongs to the core");
        all += code(&text).filter(|line| !line.trim().is_empty()).count();
        // Where the host gets an event or a directive there are branches. The root has none.
        let is_branch = |line: &&str| ["if ", "match ", "while ", "else"].iter().any(|word| line.contains(word));
        let branches: Vec<&str> = code(&text).filter(is_branch).collect();
        assert!(file != "lib.rs" || branches.is_empty(), "{branches:?}");
        // What the policy says, and why something is refused, is read by the core.
        for decided in
            ["model::Identity", "model::Level", "model::Route", "Refusal::Budget", ".routes", ".clients", ".scopes"]
        {
            assert!(!code(&text).any(|line| line.contains(decided)), "{name} looks at `{decided}`");
        }
    }
    assert!(all <= PLUGIN, "{all} lines of code: what is decided there belongs to the core");
}

#[test]
fn what_is_for_one_processor_stands_in_few_places() {
    let (mut gates, mut paths) = (Vec::new(), Vec::new());
    for (name, text) in sources_of(&["src", "crates", "benches", "tests", "fuzz"]) {
        if name.split('/').any(|part| ["target", "node_modules"].contains(&part)) {
            continue;
        }
        let lines = || text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let is_shipped = name.starts_with("src/") || name.starts_with("crates/");
        let is_counted = is_shipped && !name.starts_with("src/json/simd");
        gates.extend(
            lines()
                .filter(|line| line.contains(concat!("cfg(", "target_arch")) && is_counted)
                .map(|line| format!("{name}: {line}")),
        );
        paths.extend(
            lines().filter(|line| line.trim_start().starts_with("#[path")).map(|line| format!("{name}: {line}")),
        );
    }
    assert!(gates.len() <= 2, "{gates:#?}");
    assert!(paths.is_empty(), "a file is in one place of one package: {paths:#?}");
}
