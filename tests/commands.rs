//! The commands of the pages: each `console` block is run and prints what the page shows, and each command in a sentence is one
//! that exists, with options that exist. `UPDATE_GOLDENS=1 cargo test --test commands` writes what they print.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Pages with commands. The blocks of `docs/suites.md` are run by `tests/suites.rs`.
const PAGES: [&str; 19] = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "RELEASING.md",
    "policies/README.md",
    "docs/language.md",
    "docs/suites.md",
    "docs/design.md",
    "docs/operations.md",
    "docs/diagnostics.md",
    "docs/performance.md",
    "docs/gateways.md",
    "docs/replay.md",
    "docs/ledger.md",
    "docs/detectors.md",
    "docs/editors.md",
    "docs/envoy.md",
    "docs/studio.md",
];

fn root() -> PathBuf {
    let here = fieldgate_testkit::root();
    here.ancestors().find(|folder| folder.join("policies").is_dir()).unwrap().to_owned()
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// A directory of the test's own, removed at its end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The directory in which the first page's commands are run: its policy, its account, a bootstrap that fails open, and
/// the shipped policies.
fn first_page(text: &str) -> Scratch {
    let scratch = Scratch(std::env::temp_dir().join(format!("fieldgate-commands-{}", std::process::id())));
    drop(fs::remove_dir_all(&scratch.0));
    fs::create_dir_all(&scratch.0).unwrap();
    let block = |fence: &str| {
        let after = text.split_once(&format!("```{fence}\n")).unwrap().1;
        after.split_once("```").unwrap().0.to_owned()
    };
    fs::write(scratch.0.join("accounts.yaml"), block("yaml")).unwrap();
    fs::write(scratch.0.join("account.json"), block("json")).unwrap();
    let bootstrap = fs::read_to_string(root().join("envoy/envoy.yaml")).unwrap();
    assert!(bootstrap.contains("failure_policy: FAIL_RELOAD"));
    fs::write(scratch.0.join("bootstrap.yaml"), bootstrap.replace("FAIL_RELOAD", "FAIL_OPEN")).unwrap();
    copy(&root().join("policies"), &scratch.0.join("policies"));
    scratch
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &there);
        } else {
            fs::copy(&path, &there).unwrap();
        }
    }
}

/// The two mistakes that the first page makes in its policy.
const MISTAKES: [(&str, &str); 2] =
    [("$.payment.iban:", "$.payment[0].iban:"), ("financial: mask}", "finacial: mask}")];

/// What a command line prints, by a shell.
fn run(line: &str, folder: &Path) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_fieldgate"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("NO_COLOR", "1")
        .env("COLUMNS", "120")
        .env_remove("FIELDGATE_KEY")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (mut out, err) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    // A body ends where it ends; on a page what is said of it is on the next line.
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out + &err
}

#[test]
fn the_first_page_shows_what_its_commands_print() {
    let text = read("README.md");
    let scratch = first_page(&text);
    let policy = fs::read_to_string(scratch.0.join("accounts.yaml")).unwrap();
    let mut out = String::new();
    let (mut lines, mut seen) = (text.lines(), 0);
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if line != "```console" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        for command in block.iter().filter(|line| line.starts_with("$ ")) {
            out.push_str(command);
            out.push('\n');
            let line = command.trim_start_matches("$ ");
            if line.starts_with("make ") {
                continue;
            }
            let broken = MISTAKES.iter().fold(policy.clone(), |text, (right, wrong)| {
                assert!(text.contains(right), "the policy has no `{right}`");
                text.replace(right, wrong)
            });
            let shown = if line == "fieldgate check accounts.yaml" { &broken } else { &policy };
            fs::write(scratch.0.join("accounts.yaml"), shown).unwrap();
            out.push_str(&run(line, &scratch.0));
            seen += 1;
        }
        out.push_str("```\n");
    }
    assert!(seen >= 5, "the first page has lost its commands");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(root().join("README.md"), out).unwrap();
        return;
    }
    for (line, (was, is)) in text.lines().zip(out.lines()).enumerate() {
        assert_eq!(was, is, "README.md:{}: run with UPDATE_GOLDENS=1", line + 1);
    }
    assert_eq!(text.lines().count(), out.lines().count(), "README.md: run with UPDATE_GOLDENS=1");
}

#[test]
fn the_first_page_s_budget_goes_into_its_policy() {
    let text = read("README.md");
    let scratch = Scratch(std::env::temp_dir().join(format!("fieldgate-budget-{}", std::process::id())));
    fs::create_dir_all(&scratch.0).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [policy, counted] = blocks[..] else { panic!("{} blocks of a policy", blocks.len()) };
    let routes = policy.lines().find(|line| line.starts_with("routes: ")).unwrap();
    let with_budget = policy.replace(&format!("{routes}\n"), counted);
    fs::write(scratch.0.join("accounts.yaml"), with_budget).unwrap();
    let said = run("fieldgate check accounts.yaml --format compact", &scratch.0);
    assert!(!said.contains("error["), "{said}");
    // It counts: above 80 % of it nothing is above a mask.
    let account = text.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    fs::write(scratch.0.join("account.json"), account).unwrap();
    let asked = "FIELDGATE_KEY=ZmllbGRnYXRlIHRlc3Qga2V5LCBub3QgYSBzZWNyZXQ= fieldgate preview get-account -p accounts.yaml --scope care.read";
    let full = run(&format!("{asked} <account.json"), &scratch.0);
    let later = run(&format!("{asked} --used 85% <account.json"), &scratch.0);
    assert!(full.contains("ana@example.com") && later.contains("a***@example.com"), "{full}{later}");
}

/// Pages whose `console` blocks are run where they show them, with the shipped policies at hand.
const SHOWN: [&str; 3] = ["docs/gateways.md", "docs/replay.md", "docs/ledger.md"];

#[test]
fn the_pages_of_breaches_show_what_their_commands_print() {
    for page in SHOWN {
        let text = read(page);
        let scratch = Scratch(std::env::temp_dir().join(format!("fieldgate-page-{}", std::process::id())));
        drop(fs::remove_dir_all(&scratch.0));
        copy(&root().join("policies"), &scratch.0.join("policies"));
        copy(&root().join("tests/cli/ledger"), &scratch.0);
        let mut out = String::new();
        let (mut lines, mut seen) = (text.lines(), 0);
        while let Some(line) = lines.next() {
            out.push_str(line);
            out.push('\n');
            if line != "```console" {
                continue;
            }
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            // What wants a cluster is run by `make platform`, as it stands.
            if block.iter().any(|line| line.starts_with("$ kubectl ")) {
                out.extend(block.iter().map(|line| format!("{line}\n")));
                out.push_str("```\n");
                continue;
            }
            for command in block.iter().filter(|line| line.starts_with("$ ")) {
                out.push_str(&format!("{command}\n{}", run(command.trim_start_matches("$ "), &scratch.0)));
                seen += 1;
            }
            out.push_str("```\n");
        }
        assert!(seen >= 1, "{page} has lost its commands");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(root().join(page), out).unwrap();
            continue;
        }
        assert_eq!(text, out, "{page}: run with UPDATE_GOLDENS=1");
    }
}

#[test]
fn an_envoy_of_ones_own_gets_a_bootstrap_that_checks() {
    let text = read("docs/envoy.md");
    let scratch = Scratch(std::env::temp_dir().join(format!("fieldgate-own-{}", std::process::id())));
    drop(fs::remove_dir_all(&scratch.0));
    copy(&root().join("policies"), &scratch.0.join("policies"));
    copy(&root().join("envoy"), &scratch.0.join("envoy"));
    let blocks: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2, "docs/envoy.md has lost its commands");
    let said = run(&format!("set -eu\n{}", blocks.concat()), &scratch.0);
    let bootstrap =
        fs::read_to_string(scratch.0.join("bootstrap.yaml")).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(!bootstrap.contains("${"), "something is not filled in");
    assert!(bootstrap.contains("telco-accounts") && bootstrap.contains("port_value: \"8080\""), "{bootstrap}");
    // Of the shipped policy alone there is a note; of the two together only that nothing was found.
    let alone = run("fieldgate check policies/telco.yaml", &scratch.0);
    let sound = "bootstrap.yaml: 1 listener, 1 route: nothing found that lets a response past the plugin\n";
    assert!(said.contains(sound) && said.replace(sound, "").ends_with(&alone), "{said}");
    assert!(!said.contains("error[") && !said.contains("warning["), "{said}");
    let token = fs::read_to_string(scratch.0.join("token")).unwrap();
    assert_eq!(token.split('.').map(|part| part.len() > 10).collect::<Vec<_>>(), [true; 3], "{token}");
    let keys = fs::read_to_string(scratch.0.join("jwks.json")).unwrap();
    // 2,048 bits in base64url.
    assert!(keys.split('"').any(|part| part.len() == 342), "{keys}");
}

#[test]
fn envoy_gateway_without_a_cluster_gets_files_that_are_filled_in() {
    let text = read("docs/gateways.md");
    let (_, section) = text.split_once("### Envoy Gateway without a cluster\n").expect("the section");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = "tests/platform/envoy-gateway";
    for file in ["standalone.yaml", "gateway.yaml"] {
        let filled = read(&format!("{folder}/{file}"));
        for name in filled.split("${").skip(1).filter_map(|rest| rest.split('}').next()) {
            assert!(block.contains(&format!(" {name}=")), "{file}: nothing fills in {name}");
        }
        assert!(block.contains(&format!("envsubst <{folder}/{file}")), "{file}");
    }
    assert!(read(&format!("{folder}/gateway.yaml")).contains("port: 3000"), "`sed` finds no port");
    // What is rendered and changed for this machine is still sound.
    let scratch = Scratch(std::env::temp_dir().join(format!("fieldgate-files-{}", std::process::id())));
    drop(fs::remove_dir_all(&scratch.0));
    copy(&root().join("policies"), &scratch.0.join("policies"));
    let own = |line: &&str| ["fieldgate render", "sed -i", "echo "].iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = block.lines().filter(own).collect();
    assert_eq!(lines.len(), 3, "{block}");
    let said = run(&format!("set -e\n{}\nrm deploy/*.bak", lines.join("\n")), &scratch.0);
    let proxy = fs::read_to_string(scratch.0.join("deploy/01-proxy.yaml")).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(proxy.matches("\n  provider: ").count(), 1, "{proxy}");
    let found = run("fieldgate check policies/telco.yaml --envoy deploy --format compact", &scratch.0);
    assert!(!found.contains("error[") && !found.contains("deploy/01-proxy.yaml:"), "{found}");
}

/// The code spans of a page that are commands of a program, without the line breaks in them.
fn spans(text: &str, program: &str) -> Vec<String> {
    let mut spans = Vec::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.contains("```")) {
        let spans_here = paragraph.split('`').skip(1).step_by(2);
        spans.extend(spans_here.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    spans.retain(|span| span.starts_with(program));
    spans
}

#[test]
fn each_command_in_a_sentence_exists_with_its_options() {
    let here = root();
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let verbs = run("fieldgate --help", &here);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in PAGES {
        for span in spans(&read(page), "fieldgate ") {
            let words: Vec<&str> = span.split(' ').skip(1).take_while(|word| *word != ">" && *word != "|").collect();
            let Some(verb) = words.first().filter(|verb| verb.bytes().all(|byte| byte.is_ascii_lowercase())) else {
                continue;
            };
            seen += 1;
            if !verbs.contains(&format!("\n  {verb} ")) {
                wrong.push(format!("{page}: `{span}`: there is no command `{verb}`"));
                continue;
            }
            let help =
                helps.entry((*verb).to_owned()).or_insert_with(|| run(&format!("fieldgate {verb} --help"), &here));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                if !help.contains(*option) {
                    wrong.push(format!("{page}: `{span}`: `{verb}` has no option `{option}`"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 20, "only {seen} commands were found");
}

#[test]
fn each_target_of_make_in_a_page_exists() {
    let makefile = read("Makefile");
    let mut seen = 0;
    for page in PAGES {
        let text = read(page);
        let lines = text.lines().filter_map(|line| line.strip_prefix("$ make "));
        let spans = spans(&text, "make ");
        for target in lines.chain(spans.iter().filter_map(|span| span.strip_prefix("make "))) {
            let target = target.split(' ').next().unwrap();
            assert!(makefile.contains(&format!("\n{target}: ")), "{page}: there is no `make {target}`");
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} targets were found");
}

#[test]
fn each_link_between_the_pages_leads_to_a_file() {
    let mut wrong = Vec::new();
    for page in PAGES {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") || file.is_empty() {
                continue;
            }
            let path = folder.join(file);
            if !path.exists() {
                wrong.push(format!("{page}: {link}"));
            } else if !anchor.is_empty() {
                let there = fs::read_to_string(&path).unwrap();
                let has = there
                    .lines()
                    .filter_map(|line| line.split_once("# "))
                    .any(|(_, title)| self::anchor(title) == anchor);
                if !has {
                    wrong.push(format!("{page}: {link}: no such heading"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
    let first = read("README.md");
    for page in PAGES.iter().filter(|page| page.starts_with("docs/")) {
        assert!(first.contains(&format!("({page})")), "README.md has no link to {page}");
        let text = read(page);
        assert!(text.contains("](../README.md)"), "{page} has no way back");
    }
}

/// The anchor that a heading gets.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
