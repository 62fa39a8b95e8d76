//! What the command line does to files and reads from git: each in a directory of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A directory of the test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fieldgate-test-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("a file")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_fieldgate"))
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("FIELDGATE_KEY")
            .stdin(Stdio::null())
            .output()
            .expect("the command runs")
    }

    fn git(&self, arguments: &[&str]) {
        let run = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"])
            .args(["-c", "init.defaultBranch=main"])
            .args(arguments)
            .current_dir(&self.0)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .expect("git runs");
        assert!(run.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn small() -> String {
    let root = fieldgate_testkit::root();
    fs::read_to_string(root.join("tests/cli/small.yaml")).expect("the small policy")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SUITE: &str = "\
language: 1
policy: small.yaml
tests:
  - name: the status is seen   # a comment that stays
    request: {path: GET /accounts/1, scopes: [care.read]}
    response: {json: {status: active, name: Ana}}
    expect:
      $.status: hidden
      $.name:
      $.name.length: 3
";

#[test]
fn an_update_writes_what_came_out_and_nothing_else() {
    let scratch = Scratch::new("update");
    scratch.write("small.yaml", &small());
    scratch.write("small.test.yaml", &SUITE.replace("      $.name.length: 3\n", ""));
    let before = scratch.read("small.test.yaml");
    let asked = scratch.run(&["test", ".", "--update"]);
    assert_eq!(asked.status.code(), Some(3));
    assert_eq!(scratch.read("small.test.yaml"), before, "without a yes nothing is written");
    let written = scratch.run(&["test", ".", "--update", "--yes"]);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let shown = text(&written.stdout);
    assert!(shown.contains("-       $.status: hidden") && shown.contains("+       $.status: \"active\""), "{shown}");
    let after = scratch.read("small.test.yaml");
    assert_eq!(after, before.replace("$.status: hidden", "$.status: \"active\"").replace("$.name:", "$.name: hidden"));
    assert_eq!(scratch.run(&["test", "."]).status.code(), Some(0));
}

#[test]
fn an_update_leaves_what_it_cannot_mend() {
    let scratch = Scratch::new("void");
    scratch.write("small.yaml", &small());
    scratch.write("small.test.yaml", SUITE);
    let written = scratch.run(&["test", ".", "--update", "--yes"]);
    assert_eq!(written.status.code(), Some(3), "a path that matches nothing is the author's to mend");
    assert!(text(&written.stderr).contains("1 finding cannot be updated"), "{}", text(&written.stderr));
    assert!(scratch.read("small.test.yaml").contains("$.name.length: 3"));
}

#[test]
fn rendering_into_a_directory_leaves_only_whole_files() {
    let scratch = Scratch::new("render");
    scratch.write("small.yaml", &small());
    let run = scratch.run(&["render", "--to", "ecds", "--out", "made/here", "small.yaml"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let mut names: Vec<String> = fs::read_dir(scratch.0.join("made/here"))
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["fieldgate.ecds.yaml", "fieldgate.filter.yaml", "fieldgate.telemetry.yaml"]);
}

#[test]
fn a_rendered_policy_is_the_policy() {
    let scratch = Scratch::new("json");
    scratch.write("small.yaml", &small());
    let json = scratch.run(&["render", "--to", "json", "small.yaml"]);
    scratch.write("policy.json", &text(&json.stdout));
    let same = scratch.run(&["diff", "small.yaml", "policy.json", "--fail-on-gain"]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert_eq!(text(&same.stdout), "No difference in what anybody sees.\n");
}

#[test]
fn a_difference_is_made_with_what_a_revision_has() {
    let scratch = Scratch::new("git");
    scratch.write(
        "repository/policies/small.yaml",
        &small().replace("language: 1", "language: 1\ninclude: [shapes/*.yaml]"),
    );
    scratch.write("repository/policies/shapes/more.yaml", "shapes: {more: {$.x: reference}}\n");
    let inside = Scratch(scratch.0.join("repository"));
    inside.git(&["init", "-q"]);
    inside.git(&["add", "-A"]);
    inside.git(&["commit", "-qm", "one"]);
    for place in [".", "policies", "policies/small.yaml"] {
        let same = inside.run(&["diff", "git:HEAD", place, "--fail-on-gain"]);
        assert_eq!(same.status.code(), Some(0), "{place}: {}{}", text(&same.stdout), text(&same.stderr));
    }
    let next =
        inside.read("policies/small.yaml").replace("$.status: reference}", "$.status: reference, $.name: reference}");
    inside.write("policies/small.yaml", &next);
    let gain = inside.run(&["diff", "git:main", ".", "--fail-on-gain"]);
    assert_eq!(gain.status.code(), Some(4), "{}", text(&gain.stderr));
    assert!(text(&gain.stdout).contains("$.name  new -> show"), "{}", text(&gain.stdout));
    let loss = inside.run(&["diff", ".", "git:HEAD", "--fail-on-gain"]);
    assert_eq!(loss.status.code(), Some(0), "{}", text(&loss.stdout));
    for bad in ["git:nowhere", "git:", "git:--help", "git:HEAD:policies"] {
        let run = inside.run(&["diff", bad, "."]);
        assert_eq!(run.status.code(), Some(2), "{bad}");
        assert!(text(&run.stderr).starts_with("error: "), "{bad}: {}", text(&run.stderr));
    }
}

#[test]
fn a_revision_is_read_as_a_directory_is() {
    let scratch = Scratch::new("json");
    scratch.git(&["init", "-q"]);
    let policy = |grant: &str| {
        format!(
            r#"{{"language": 1, "policy": "p", "identity": {{"source": "mtls"}}, "classes": {{"a": {{}}, "b": {{}}}},
            "routes": {{"r": {{"match": "GET /r", "area": "m", "body": {{"$.a": "a", "$.b": "b"}}}}}},
            "clients": {{"*": {{"scopes": ["s"]}}}}, "scopes": {{"s": {{"areas": ["m"], "grant": {{"a": "show"{grant}}}}}}}}}"#
        )
    };
    scratch.write("policies/p.json", &policy(r#", "b": "show""#));
    scratch.write("policies/.hidden/p.yaml", &small());
    scratch.write("policies/testdata/body.json", "{\"policy\": \"none\"}\n");
    scratch.git(&["add", "-A"]);
    scratch.git(&["commit", "-qm", "one"]);
    let same = scratch.run(&["diff", "git:HEAD", "policies", "--fail-on-gain"]);
    assert_eq!(same.status.code(), Some(0), "{}{}", text(&same.stdout), text(&same.stderr));
    assert!(text(&same.stdout).starts_with("No difference"), "{}", text(&same.stdout));
    scratch.write("policies/p.json", &policy(""));
    let gain = scratch.run(&["diff", "policies", "git:HEAD", "--fail-on-gain"]);
    assert_eq!(gain.status.code(), Some(4), "{}{}", text(&gain.stdout), text(&gain.stderr));
}

#[test]
fn nothing_is_said_of_fewer_policies_than_there_are() {
    let scratch = Scratch::new("fewer");
    scratch.git(&["init", "-q"]);
    scratch.write("old/a.yaml", &small());
    scratch.write("twice/a.yaml", &small());
    scratch.write("twice/b.yaml", &small().replace("reference: show", "reference: mask"));
    scratch.write("broken/a.yaml", &small());
    scratch.write("broken/b.yaml", "language: 1\npolicy: [b\n");
    scratch.git(&["add", "-A"]);
    scratch.git(&["commit", "-qm", "one"]);
    for (claim, arguments, exit, says) in [
        (
            "two of a name",
            &["diff", "old", "twice"][..],
            2,
            "`twice/a.yaml` and `twice/b.yaml` are both called `small`",
        ),
        ("two of a name in a revision", &["diff", "git:HEAD", "twice"], 2, "are both called `small`"),
        ("two of a name are checked", &["check", "twice", "--format", "compact"], 1, "twice/b.yaml:2:9: error[FG163]"),
        ("files of a name that are named", &["check", "old/a.yaml", "twice/a.yaml"], 0, ""),
        ("one that cannot be read", &["diff", "old", "broken"], 2, "broken/b.yaml:"),
        ("one that cannot be read in a revision", &["diff", "git:HEAD", "broken"], 2, "broken/b.yaml:"),
        ("one that cannot be read, drawn", &["matrix", "broken"], 2, "broken/b.yaml:"),
    ] {
        let run = scratch.run(arguments);
        let said = text(&run.stdout) + &text(&run.stderr);
        assert_eq!(run.status.code(), Some(exit), "{claim}: {said}");
        assert!(said.contains(says) && !said.contains("No difference"), "{claim}: {said}");
    }
}

#[test]
fn a_file_that_no_policy_includes_is_named() {
    let scratch = Scratch::new("stray");
    scratch.write("policies/small.yaml", &small());
    scratch.write("policies/shapes/forgotten.yaml", "shapes: {more: {$.x: reference}}\n");
    scratch.write("policies/misspelt.yaml", &small().replace("policy:", "polcy:"));
    scratch.write("policies/quoted.yml", "{\"language\": 1, \"policy\": \"quoted\"}\n");
    scratch.write("policies/empty.yaml", "");
    scratch.write("policies/workflow.yml", "# fieldgate: ignore\njobs: {}\n");
    scratch.write("policies/testdata/body.json", "{\"policy\": \"none\"}\n");
    fs::write(scratch.0.join("policies/noise.yaml"), b"\x80\x81\xff\n").expect("a file");
    for format in ["human", "compact", "json", "sarif", "github"] {
        let run = scratch.run(&["check", "--format", format]);
        let said = text(&run.stdout);
        assert_eq!(run.status.code(), Some(1), "{format}: {said}");
        for name in ["shapes/forgotten.yaml", "misspelt.yaml", "quoted.yml", "empty.yaml", "noise.yaml"] {
            assert!(said.contains(&format!("policies/{name}")), "{name} in {format}: {said}");
        }
        for name in ["workflow.yml", "body.json"] {
            assert!(!said.contains(name), "{name} in {format}: {said}");
        }
    }
    let suite = scratch.run(&["check", "policies/misspelt.yaml"]);
    assert_eq!(suite.status.code(), Some(1));
    scratch.write("one.test.yaml", "language: 1\npolicy: policies/small.yaml\ntests: []\n");
    let suite = scratch.run(&["check", "one.test.yaml"]);
    assert!(text(&suite.stdout).contains("run it: `fieldgate test one.test.yaml`"), "{}", text(&suite.stdout));
}

#[test]
fn the_first_policy_makes_its_directory_and_no_other_replaces_it() {
    let scratch = Scratch::new("first");
    scratch.write("body.json", "{\"id\": 1}");
    let first = ["init", "--samples", "body.json", "--route", "GET /a", "--out", "policies/api/a.yaml"];
    assert_eq!(scratch.run(&first).status.code(), Some(0));
    assert_eq!(scratch.run(&["check"]).status.code(), Some(0));
    let again = scratch.run(&first);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("is there already"), "{}", text(&again.stderr));
}

#[test]
fn a_file_is_read_however_an_editor_saved_it_or_refused_with_its_place() {
    let scratch = Scratch::new("saved");
    let typo = small().replace("reference: show", "referense: show");
    let bytes = |text: &str| text.as_bytes().to_vec();
    let utf16 = |text: &str| [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let latin1 = [b"# caf\xe9\n".to_vec(), bytes(&small())].concat();
    let rows: [(&str, Vec<u8>, i32, &str); 8] = [
        ("a byte order mark", bytes(&format!("\u{feff}{}", small())), 0, "Nothing to mend."),
        ("lines that end in CR LF", bytes(&small().replace('\n', "\r\n")), 0, "Nothing to mend."),
        ("a mark and a slip", bytes(&format!("\u{feff}{typo}")), 1, "did you mean `reference`?"),
        ("a slip among CR LF", bytes(&typo.replace('\n', "\r\n")), 1, "did you mean `reference`?"),
        ("Latin-1", latin1, 1, "policies/a.yaml:1:6"),
        ("UTF-16", utf16(&small()), 1, "it is UTF-16: save it as UTF-8"),
        ("nothing", Vec::new(), 1, "`policies/a.yaml` is empty"),
        ("a NUL", bytes(&small().replace("policy: ", "policy: \0")), 1, "policies/a.yaml:2:9"),
    ];
    for (what, content, exit, says) in rows {
        fs::create_dir_all(scratch.0.join("policies")).expect("a directory");
        fs::write(scratch.0.join("policies/a.yaml"), content).expect("a file");
        let run = scratch.run(&["check"]);
        let said = text(&run.stdout) + &text(&run.stderr);
        assert_eq!(run.status.code(), Some(exit), "{what}: {said}");
        assert!(said.contains(says), "{what}: {said}");
    }
}

#[test]
fn a_broken_file_hides_no_other_from_the_check() {
    let scratch = Scratch::new("beside");
    scratch.write("policies/b.yaml", &small().replace("reference: show", "referense: show"));
    fs::write(scratch.0.join("policies/a.yaml"), b"policy: caf\xe9\n").expect("a file");
    let said = text(&scratch.run(&["check", "--format", "compact"]).stdout);
    assert!(said.contains("policies/a.yaml:1:12: error[FG001]") && said.contains("policies/b.yaml:"), "{said}");
}

#[test]
fn fixes_are_written_until_nothing_is_left_that_leaves_no_choice() {
    let scratch = Scratch::new("fix");
    let slips = fs::read_to_string(fieldgate_testkit::root().join("tests/cli/fix/slips.yaml")).expect("a policy");
    scratch.write("policies/slips.yaml", &slips);
    let shown = scratch.run(&["check", "--fix"]);
    assert_eq!(scratch.read("policies/slips.yaml"), slips, "nobody said yes");
    assert!(text(&shown.stderr).contains("first name"), "{}", text(&shown.stderr));
    // What one mistake hides, the next run mends.
    for _ in 0..3 {
        scratch.run(&["check", "--fix", "--yes"]);
    }
    let mended = scratch.read("policies/slips.yaml");
    for line in
        ["    $.id: key", "mask: email", "class: contact,", "GET /accounts/{id}", "{shape: account}", "first name"]
    {
        assert!(mended.contains(line), "{line}: {mended}");
    }
    let checked = scratch.run(&["check", "--deny-warnings", "--format", "compact"]);
    assert!(!text(&checked.stdout).contains("error["), "{}", text(&checked.stdout));
    let again = scratch.run(&["check", "--fix", "--yes"]);
    assert!(text(&again.stderr).contains("Nothing to write"), "{}", text(&again.stderr));
    assert_eq!(scratch.read("policies/slips.yaml"), mended);
}

/// A help that shows how such a value looks is not one that says which.
#[test]
fn an_example_in_a_help_is_not_written_into_a_policy() {
    let mtls =
        small().replace("{source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}", "{source: mtls}");
    let budgets = |of: &str, budget: &str| {
        format!("{of}budgets:\n  hour:\n    areas: [accounts]\n    count: {{records: true}}\n    max: 10\n{budget}")
    };
    for (claim, text) in [
        ("a number where a list of areas stands", small().replace("areas: [accounts]", "areas: 5")),
        ("a boolean where a window stands", budgets(&small(), "    per: true\n")),
        ("a claim of who has none, in lines of its own", budgets(&mtls, "    per: 1h\n    by:\n      - claim: sub\n")),
        ("a claim's name where a budget's key stands", budgets(&small(), "    per: 1h\n    by: sub\n")),
        (
            "a count that is said not to be",
            budgets(&small(), "    per: 1h\n").replace("records: true", "records: false"),
        ),
        ("a word where a condition stands", small().replace("areas: [accounts]", "when: staff, areas: [accounts]")),
        (
            "a class that differs in a digit",
            small()
                .replace("classes:\n", "classes:\n  kind1: {about: x}\n")
                .replace("grant: {", "grant: {kind2: show, "),
        ),
        (
            "a row condition that a policy already has a meaning with",
            small().replace(
                "body: {$: {shape: account}}",
                "body: {\"$.items[*]\": {shape: account}}, rows: \"$.items[*][?@.status == 'x']\"",
            ),
        ),
        ("a mask without a space after its colon", small().replace("reference: show", "reference:show")),
    ] {
        let scratch = Scratch::new("example");
        scratch.write("policies/a.yaml", &text);
        let said = scratch.run(&["check", "--fix", "--yes", "--format", "compact"]);
        let found = self::text(&said.stdout);
        assert!(found.contains("error[") || found.contains("warning[FG146]"), "{claim}: {found}");
        assert_eq!(scratch.read("policies/a.yaml"), text, "{claim}");
    }
}

#[test]
fn a_difference_is_said_in_its_direction() {
    let with = |line: &str| small().replace("classes:\n", &format!("{line}\nclasses:\n"));
    let errors = |detect: &str| with(&format!("defaults: {{errors: {{show: [message], detect: [{detect}]}}}}"));
    let blank = |blank: &str| small().replace("quote: \\\"\"", &format!("quote: \\\"\", blank: {blank}"));
    let when = |when: &str| small().replace("areas: [accounts]", &format!("when: {when}, areas: [accounts]"));
    for (claim, old, new, line, exit) in [
        (
            "a detector that is gone lets pass",
            errors("card, iban"),
            errors("card"),
            "errors.detect iban taken out -> passes",
            4,
        ),
        (
            "a detector that comes takes out",
            errors("card"),
            errors("card, iban"),
            "errors.detect iban passes -> taken out",
            0,
        ),
        ("hosts that are gone answer any authority", with("hosts: [a.example]"), small(), "hosts a.example -> any", 4),
        (
            "a host more is answered",
            with("hosts: [a.example]"),
            with("hosts: [a.example, b.example]"),
            "hosts b.example no -> yes",
            4,
        ),
        ("hosts that come refuse others", small(), with("hosts: [a.example]"), "hosts any -> a.example", 0),
        (
            "a blank of a class is another",
            blank("X"),
            blank("John Smith"),
            "blank of class reference \"X\" -> \"John Smith\"",
            0,
        ),
        (
            "a condition is said as it is written",
            when("{any_of: [care.read, staff]}"),
            when("{all_of: [care.read], claims: {acr: [sca]}}"),
            "when of care.read any_of: [care.read, staff] -> all_of: [care.read] and claim acr: [sca]",
            4,
        ),
    ] {
        let scratch = Scratch::new("direction");
        scratch.write("old.yaml", &old);
        scratch.write("new.yaml", &new);
        let run = scratch.run(&["diff", "old.yaml", "new.yaml", "--fail-on-gain"]);
        let said = text(&run.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(line), "{claim}: {said} {}", text(&run.stderr));
        assert_eq!(run.status.code(), Some(exit), "{claim}");
    }
}

#[test]
fn what_cannot_be_read_as_it_is_called_is_named() {
    let scratch = Scratch::new("named");
    scratch.write("policies/small.yaml", &small());
    scratch.write("policies/itself.yaml", &small().replace("policy: small", "policy: itself\ninclude: [itself.yaml]"));
    let utf16: Vec<u8> = small().bytes().flat_map(|byte| [byte, 0]).collect();
    fs::write(scratch.0.join("utf16.yaml"), utf16).expect("a file");
    scratch.write("large.yaml", &format!("{}# {}\n", small(), "x".repeat(8 << 20)));
    let deep = format!("{{\"openapi\": \"3.0.0\", \"x\": {}1{}}}", "[".repeat(80), "]".repeat(80));
    scratch.write("api.json", &deep);
    for (arguments, says) in [
        (&["check", "/dev/null"][..], "it is not a regular file"),
        (&["check", "utf16.yaml"], "it is UTF-16: save it as UTF-8"),
        (&["check", "large.yaml"], "a policy is at most 8 MiB"),
        (&["check", "api.json"], "is a description of an API, not a policy"),
        (&["check", "policies/itself.yaml"], "finds this file alone, which is the root"),
        (&["canary", ""], "the id is empty"),
        (&["explain", "get-account", "-p", "policies/small.yaml"], "$.status"),
        (&["explain", "get-acount", "-p", "policies/small.yaml"], "did you mean `get-account`?"),
        (&["explain", "GET /accounts/42", "$.status", "-s", "care.read", "-p", "policies/small.yaml"], "SHOWN"),
        (&["explain", "GET /nothing", "$.status", "-s", "care.read", "-p", "policies/small.yaml"], "no route is for"),
    ] {
        let run = scratch.run(arguments);
        let said = text(&run.stdout) + &text(&run.stderr);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

#[test]
fn a_client_that_is_nearly_an_entry_is_asked_for() {
    let scratch = Scratch::new("nearly");
    scratch.write("policies/small.yaml", &format!("{}clients: {{\"*\": {{}}, support-app: {{}}}}\n", small()));
    let matrix = |client| text(&scratch.run(&["matrix", "-c", client]).stderr);
    assert!(matrix("suport-app").contains("did you mean `support-app`?"), "{}", matrix("suport-app"));
    assert_eq!(matrix("support-app"), "");
    assert_eq!(matrix("another"), "");
    let run = scratch.run(&["explain", "get-account", "$.status", "-s", "care.read", "-c", "suport-app"]);
    assert!(text(&run.stderr).contains("did you mean `support-app`?"), "{}", text(&run.stderr));
}

/// A child that is ended when the test is, however that ends.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_watched_policy_is_checked_again_when_it_changes() {
    use std::io::{BufRead, BufReader};
    let scratch = Scratch::new("watch");
    scratch.write("policies/small.yaml", &small());
    let mut child = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .args(["check", "--watch", "--format", "compact"])
        .current_dir(&scratch.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    let (out, said) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let _child = Child(child);
    let mut said = BufReader::new(said).lines();
    assert!(said.next().expect("a line").expect("a line").contains("Waiting for a change"));
    scratch.write("policies/small.yaml", &small().replace("language: 1", "language: 7"));
    let mut found = String::new();
    BufReader::new(out).read_line(&mut found).expect("a line");
    assert!(found.contains("error[FG009]"), "{found}");
}

#[test]
fn a_preview_needs_a_key_where_a_pseudonym_can_come_out_and_only_there() {
    let scratch = Scratch::new("key");
    let policy = small().replace("$.status: reference", "$.status: {class: reference, pseudonym: a}");
    let scopes = "scopes:\n  care.read: {areas: [accounts], grant: {reference: show}}\n";
    for (claim, changed, needs) in [
        ("a scope shows it", policy.clone(), false),
        ("a scope has it as a pseudonym", policy.replace("reference: show}", "reference: pseudonym}"), true),
        ("a mask that is not there falls to it", policy.replace("reference: show}", "reference: mask}"), true),
        (
            "rows may leave it to the scope that has it as a pseudonym",
            policy.replace(
                scopes,
                &format!("{scopes}  all: {{when: always, areas: [accounts], grant: {{reference: pseudonym}}}}\n"),
            ),
            true,
        ),
        ("a ceiling", policy.replace("body: {$", "ceiling: {reference: pseudonym}, body: {$"), true),
    ] {
        scratch.write("small.yaml", &changed);
        let run = scratch.run(&["preview", "get-account", "-p", "small.yaml", "-s", "care.read"]);
        assert_eq!(run.status.code() == Some(2), needs, "{claim}: {}", text(&run.stderr));
        assert_eq!(text(&run.stderr).contains("FIELDGATE_KEY"), needs, "{claim}: {}", text(&run.stderr));
    }
}

#[test]
fn a_policy_from_a_pipe_is_read_once_and_never_written() {
    let scratch = Scratch::new("pipe");
    scratch.write("good.yaml", &small());
    scratch.write("bad.yaml", &small().replace("policy:", "polcy:"));
    let shell = |line: &str| {
        let run = Command::new("bash")
            .args(["-c", line])
            .current_dir(&scratch.0)
            .env("fieldgate", env!("CARGO_BIN_EXE_fieldgate"))
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        (run.status.code(), text(&run.stdout) + &text(&run.stderr))
    };
    for (claim, line, code, says) in [
        ("standard input by its file", "cat good.yaml | $fieldgate check /dev/stdin", 0, "1 route"),
        ("standard input by its number", "cat good.yaml | $fieldgate check /dev/fd/0", 0, "1 route"),
        ("standard input by a dash", "cat good.yaml | $fieldgate check -", 0, "1 route"),
        ("what a command writes", "$fieldgate check <(cat good.yaml)", 0, "1 route"),
        ("two commands", "$fieldgate check <(cat good.yaml) <(cat good.yaml)", 0, "1 route"),
        ("a broken one", "$fieldgate check <(cat bad.yaml)", 1, "`polcy`"),
        ("a broken one with --fix", "$fieldgate check --fix --yes <(cat bad.yaml)", 1, "Nothing to write"),
    ] {
        let (exit, said) = shell(line);
        assert!(exit == Some(code) && said.contains(says), "{claim}: {exit:?}\n{said}");
    }
}

/// What a shell is offered after these words; the last is the one that is being typed.
fn completed(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let run = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .args(["--", "fieldgate"])
        .args(words)
        .current_dir(&scratch.0)
        .env("FIELDGATE_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    assert!(run.status.success(), "{words:?}: {}", text(&run.stderr));
    text(&run.stdout).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn completions_know_verbs_options_and_the_names_of_the_policy_at_hand() {
    let scratch = Scratch::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = scratch.run(&["completions", shell]);
        assert!(run.status.success() && text(&run.stdout).contains("FIELDGATE_COMPLETE"), "{shell}");
    }
    let verbs = completed(&scratch, &[""]);
    for verb in ["check", "test", "preview", "explain", "matrix", "diff", "render", "canary", "schema", "lsp"] {
        assert!(verbs.contains(&verb.to_owned()), "no {verb} in {verbs:?}");
    }
    assert_eq!(completed(&scratch, &["matrix", "--route", ""]), Vec::<String>::new(), "there is no policy");
    scratch.write("policies/small.yaml", &small());
    scratch.write("other.yaml", &small().replace("get-account", "get-other").replace("care.read", "other.read"));
    scratch.write("policies/broken.yaml", "language: 1\npolicy: [\n");
    let rows: [(&[&str], &[&str]); 12] = [
        (&["matrix", "--route", ""], &["get-account"]),
        (&["matrix", "--route", "get-x"], &[]),
        (&["matrix", "--scope", ""], &["care.read"]),
        (&["matrix", "--class", ""], &["reference"]),
        (&["matrix", "other.yaml", "--route", ""], &["get-other"]),
        (&["matrix", "missing.yaml", "--route", ""], &["get-account"]),
        (&["preview", "get"], &["get-account"]),
        (&["preview", "get-account", "-p", "other.yaml", "-s", ""], &["other.read"]),
        (&["replay", "-r", ""], &["get-account"]),
        (&["explain", "FG01"], &["FG010", "FG012", "FG013", "FG014", "FG015", "FG016", "FG017", "FG018", "FG019"]),
        (&["explain", "get"], &["get-account"]),
        (&["explain", "get-account", "$."], &["$.status"]),
    ];
    for (words, expected) in rows {
        assert_eq!(completed(&scratch, words), expected, "{words:?}");
    }
}

#[test]
fn the_matrix_page_needs_no_network_and_holds_policy_text_as_text() {
    let scratch = Scratch::new("page");
    scratch.write("small.yaml", &small().replace("$.status: reference", "\"$['</script><b>']\": reference"));
    let run = scratch.run(&["matrix", "small.yaml", "--format", "html"]);
    let page = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page names something on a network");
    assert!(!page.contains("</script><b>"), "a policy's text became markup");
    assert_eq!(page.matches("</script>").count(), 2);
}

/// A policy of 50 routes with 20 fields each and 12 scopes, as a company with one policy for all of its APIs has it.
fn large() -> String {
    let mut text = "language: 1\npolicy: large\n\
        identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}\n"
        .to_owned();
    text.push_str("classes:\n");
    for class in 0..8 {
        writeln!(text, "  class{class}: {{about: \"Kind {class}\"}}").expect("a line");
    }
    text.push_str("shapes:\n");
    for shape in 0..50 {
        writeln!(text, "  shape{shape}:").expect("a line");
        for field in 0..20 {
            let class = (shape + field) % 8;
            writeln!(
                text,
                "    $.part{}.field{field}: {{class: class{class}, mask: {{last: 2}}, pseudonym: n{class}}}",
                field % 4
            )
            .expect("a line");
        }
    }
    text.push_str("routes:\n");
    for route in 0..50 {
        let area = route % 5;
        writeln!(
            text,
            "  get-{route}:\n    match: GET /api{route}/{{id}}\n    area: area{area}\n    body: {{$: {{shape: shape{route}}}}}"
        )
        .expect("a line");
    }
    text.push_str("scopes:\n");
    for scope in 0..12 {
        let grants: Vec<String> = (0..8)
            .map(|class| format!("class{class}: {}", ["show", "mask", "pseudonym", "hide"][(scope + class) % 4]))
            .collect();
        writeln!(
            text,
            "  scope{scope}:\n    areas: [area0, area1, area2, area3, area4]\n    grant: {{{}}}",
            grants.join(", ")
        )
        .expect("a line");
    }
    text
}

#[test]
fn a_resource_that_is_too_large_to_apply_says_so() {
    let scratch = Scratch::new("heavy");
    let rows: [(usize, Option<&str>); 3] = [
        (0, None),
        (300, Some("`kubectl apply` takes it with `--server-side` only")),
        (1_600, Some("an API server takes about 1572864")),
    ];
    for (kibibytes, expected) in rows {
        let filler = "x".repeat(1 << 10);
        let classes: String = (0..kibibytes).map(|n| format!("  filler{n}: {{about: \"{filler}\"}}\n")).collect();
        let policy = large().replacen("verified_jwt", "payload", 1);
        scratch.write("heavy.yaml", &policy.replacen("classes:\n", &format!("classes:\n{classes}"), 1));
        for target in ["istio", "envoy-gateway"] {
            let run =
                scratch.run(&["render", "heavy.yaml", "--to", target, "--image", "oci://registry.example/fieldgate:1"]);
            let said = text(&run.stderr);
            assert!(run.status.success(), "{target}: {said}");
            assert_eq!(said.contains("warning: "), expected.is_some(), "{target}, {kibibytes} KiB: {said}");
            assert!(said.contains(expected.unwrap_or_default()), "{target}, {kibibytes} KiB: {said}");
        }
    }
}

/// Prints what `check` and `matrix` take: `cargo test --release --test cli_files large -- --nocapture`. Times are for a reader:
/// a machine that is busy fails no test.
#[test]
fn a_large_policy_checks_and_is_drawn_whole() {
    let scratch = Scratch::new("large");
    scratch.write("policies/large.yaml", &large());
    for (arguments, least) in [
        (&["check", "policies"][..], 1),
        (&["matrix", "policies"], 1_000),
        (&["matrix", "policies", "--format", "md"], 1_000),
        (&["matrix", "policies", "--format", "csv"], 1_000),
        (&["matrix", "policies", "--format", "html"], 50),
    ] {
        let run = scratch.run(arguments);
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        let lines = String::from_utf8_lossy(&run.stdout).lines().count();
        assert!(lines >= least, "{arguments:?}: {lines} lines");
    }
}

#[test]
fn what_render_writes_lets_nothing_past() {
    let scratch = Scratch::new("rendered");
    let root = fieldgate_testkit::root();
    let telco = fs::read_to_string(root.join("policies/telco.yaml")).expect("the reference policy");
    let either = |policy: &str| policy.replace("payload: verified_jwt", "payload: [verified_jwt, payload]");
    scratch.write("held.yaml", &either(&telco));
    scratch.write("released.yaml", &format!("{}head: released\n", either(&telco)));
    scratch.write("plain.yaml", &either(&small()));
    for policy in ["held.yaml", "released.yaml", "plain.yaml"] {
        for target in ["envoy", "ecds", "istio", "envoy-gateway"] {
            // Envoy Gateway fetches it.
            let place: &[&str] =
                if target == "envoy-gateway" { &["--wasm", "oci://r.example/fieldgate:1"] } else { &[] };
            let written = scratch.run(&[&["render", policy, "--to", target], place].concat());
            assert!(written.status.success(), "{policy} to {target}: {}", text(&written.stderr));
            let rendered = text(&written.stdout);
            scratch.write("rendered.yaml", &rendered);
            // Without the policy, whose own warnings are not meant.
            let found = scratch.run(&["check", "--envoy", "rendered.yaml", "--format", "json"]);
            let found: serde_json::Value = serde_json::from_slice(&found.stdout).expect("JSON");
            assert_eq!(
                (&found["errors"], &found["warnings"]),
                (&0.into(), &0.into()),
                "{policy} to {target}: {found:#}"
            );
        }
    }
}

#[test]
fn what_gets_lost_on_the_way_to_envoy_gateway_is_said() {
    let scratch = Scratch::new("null");
    let small =
        fs::read_to_string(fieldgate_testkit::root().join("tests/cli/released-payload.yaml")).expect("a policy");
    assert!(small.contains("$.status: reference"));
    scratch.write("small.yaml", &small);
    let place = ["--image", "oci://r.example/fieldgate:1"];
    for (blank, target, is_said) in [
        ("null", "envoy-gateway", true),
        ("~", "envoy-gateway", true),
        ("\"null\"", "envoy-gateway", false),
        ("0", "envoy-gateway", false),
        ("null", "istio", false),
    ] {
        scratch.write(
            "null.yaml",
            &small.replace("$.status: reference", &format!("$.status: {{class: reference, blank: {blank}}}")),
        );
        let written = scratch.run(&[&["render", "null.yaml", "--to", target], &place[..]].concat());
        let said = text(&written.stderr);
        assert_eq!(
            (said.contains("`--server-side`"), written.status.success()),
            (is_said, true),
            "{blank} to {target}: {said}"
        );
    }
    let written = scratch.run(&[&["render", "small.yaml", "--to", "envoy-gateway"], &place[..]].concat());
    assert_eq!((text(&written.stderr), written.status.success()), (String::new(), true));
}

#[test]
fn a_deployment_is_looked_at_where_there_are_no_policies() {
    let scratch = Scratch::new("deployment");
    let root = fieldgate_testkit::root();
    scratch.write("envoy.yaml", &fs::read_to_string(root.join("envoy/envoy.yaml")).expect("the reference bootstrap"));
    let found = scratch.run(&["check", "--envoy", "envoy.yaml"]);
    let said =
        "envoy.yaml: 1 listener, 1 route: nothing found that lets a response past the plugin\nNothing to mend.\n";
    assert_eq!((found.status.code(), text(&found.stdout)), (Some(0), said.to_owned()));
    let alone = scratch.run(&["check"]);
    assert_eq!(alone.status.code(), Some(2), "{}", text(&alone.stderr));
    let named = scratch.run(&["check", "policies", "--envoy", "envoy.yaml"]);
    assert_eq!(named.status.code(), Some(2), "a path that is named has to be there");
}

/// A suite whose row is answered with that body.
fn answered_with(body: &str) -> String {
    format!(
        "language: 1\npolicy: small.yaml\ntests:\n  - name: a row\n    request: {{path: GET /accounts/1, scopes: [care.read]}}\n    \
         response: {{body: {body}}}\n    expect: {{$.status: never}}\n"
    )
}

#[cfg(unix)]
#[test]
fn a_suite_reads_only_regular_files_below_its_own_directory() {
    use std::os::unix::fs::symlink;

    const SECRET: &str = r#"{"status": "the-secret"}"#;
    let scratch = Scratch::new("suite-data");
    scratch.write("outside.json", SECRET);
    scratch.write("outside/secret.json", SECRET);
    scratch.write("suites/small.yaml", &small());
    scratch.write("suites/data/own.json", r#"{"status": "own-value"}"#);
    let at = |name: &str| scratch.0.join("suites").join(name);
    symlink("data/own.json", at("inner-link.json")).expect("a link");
    symlink("data", at("inner")).expect("a link");
    symlink("../outside.json", at("link.json")).expect("a link");
    symlink("link.json", at("link-to-link.json")).expect("a link");
    symlink("../outside", at("linked")).expect("a link");
    symlink("/dev/zero", at("zero.json")).expect("a link");
    symlink("nowhere.json", at("dangling.json")).expect("a link");
    symlink("circle.json", at("circle.json")).expect("a link");
    let made = Command::new("mkfifo").arg(at("pipe.json")).status().expect("mkfifo runs");
    assert!(made.success());
    let absolute = scratch.0.join("outside.json").display().to_string();
    let below_by_its_whole_name = at("data/own.json").display().to_string();
    let rows: [(&str, &str, bool); 19] = [
        ("a file below", "data/own.json", true),
        ("a file below, from here", "./data/own.json", true),
        ("a link to a file below", "inner-link.json", true),
        ("a link to a directory below", "inner/own.json", true),
        ("an absolute path", &absolute, false),
        ("an absolute path of a file below", &below_by_its_whole_name, false),
        ("the parent's file", "../outside.json", false),
        ("the parent's file by way of a directory below", "data/../../outside.json", false),
        ("a file below by way of the parent", "../suites/data/own.json", false),
        ("a link that leads out", "link.json", false),
        ("a link to a link that leads out", "link-to-link.json", false),
        ("a directory that leads out", "linked/secret.json", false),
        ("a link to a device", "zero.json", false),
        ("a device", "/dev/zero", false),
        ("a pipe", "pipe.json", false),
        ("a directory", "data", false),
        ("a link to nothing", "dangling.json", false),
        ("a link to itself", "circle.json", false),
        ("nothing", "missing.json", false),
    ];
    for (claim, body, reads) in rows {
        scratch.write("suites/one.test.yaml", &answered_with(body));
        for format in ["human", "compact", "json", "github", "junit"] {
            let run = scratch.run(&["test", "suites", "--format", format]);
            let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
            assert_eq!(run.status.code(), Some(3), "{claim}: {said}");
            assert_eq!(said.contains("own-value"), reads, "{claim}: {said}");
            assert!(!said.contains("the-secret"), "{claim}: {said}");
            if !reads && format == "compact" {
                assert!(said.contains("suites/one.test.yaml:6:"), "{claim}: {said}");
            }
        }
    }
    fs::remove_file(at("one.test.yaml")).expect("a file");
    for (claim, policy) in [
        ("a policy by an absolute path", absolute.as_str()),
        ("a policy that is a device", "/dev/zero"),
        ("a policy outside of where the command runs", "../../../../../../../../etc/hosts"),
        ("a policy by a link that leads out", "etc.yaml"),
        ("a policy that is a directory", "data"),
    ] {
        if policy == "etc.yaml" {
            symlink("/etc/hosts", at("etc.yaml")).expect("a link");
        }
        scratch.write("suites/one.test.yaml", &answered_with("data/own.json").replace("small.yaml", policy));
        let run = scratch.run(&["test", "suites"]);
        let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
        assert_eq!(run.status.code(), Some(3), "{claim}: {said}");
        assert!(said.contains("cannot be the policy") && !said.contains("localhost"), "{claim}: {said}");
        fs::remove_file(at("one.test.yaml")).expect("a file");
    }
    // A suite in a directory of its own may name the policy beside it.
    scratch.write("suites/tests/one.test.yaml", &SUITE.replace("small.yaml", "../small.yaml"));
    let run = scratch.run(&["test", "suites/tests"]);
    assert!(!text(&run.stdout).contains("cannot be the policy"), "{}", text(&run.stdout));
    fs::remove_dir_all(at("tests")).expect("a directory");
    // A suite that is itself a link that leads out is not read either.
    symlink("../outside.json", at("linked.test.yaml")).expect("a link");
    let run = scratch.run(&["test", "suites"]);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(!text(&run.stderr).contains("the-secret"));
}

#[cfg(unix)]
#[test]
fn a_policy_includes_only_regular_files_below_its_own_directory() {
    use std::os::unix::fs::symlink;

    let scratch = Scratch::new("include-links");
    let part = "classes:\n  secret-name: {about: x}\n";
    scratch.write("outside.yaml", part);
    scratch.write("outside/part.yaml", part);
    scratch.write("policies/parts/own.yaml", part);
    let at = |name: &str| scratch.0.join("policies").join(name);
    symlink("parts/own.yaml", at("inner.yaml")).expect("a link");
    symlink("../outside.yaml", at("link.yaml")).expect("a link");
    symlink("../outside", at("linked")).expect("a link");
    symlink("/dev/zero", at("zero.yaml")).expect("a link");
    assert!(Command::new("mkfifo").arg(at("pipe.yaml")).status().expect("mkfifo runs").success());
    fs::create_dir(at("directory.yaml")).expect("a directory");
    let rows = [
        ("a file below", "parts/*.yaml", true),
        ("a link to a file below", "inner.yaml", true),
        ("a link that leads out", "link.yaml", false),
        ("a link that leads out, by a pattern", "lin?.yaml", false),
        ("a directory that leads out", "linked/*.yaml", false),
        ("a device", "zero.yaml", false),
        ("a pipe", "pipe.yaml", false),
        ("a directory", "directory.yaml", false),
    ];
    for (claim, pattern, reads) in rows {
        scratch.write("policies/root.yaml", &format!("{}include: [{pattern}]\n", small()));
        let run = scratch.run(&["check", "policies/root.yaml", "--format", "compact"]);
        let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
        // An unused class is warned of by its name, where it was read.
        assert_eq!(said.contains("secret-name"), reads, "{claim}: {said}");
        assert_eq!(said.contains("error[FG001]"), !reads, "{claim}: {said}");
        assert_eq!(said.contains("policies/root.yaml:"), !reads, "{claim}: {said}");
    }
}

/// What steers a terminal, starts a command of a workflow, turns the direction of writing, or is markup.
const STEERING: &str = "\\u001b]0;x\\u0007 \\u001b[8m \\u001b[2K \\u001b[32m \\n\\n**Losses**\\n\\u009b2J \\u202e \\n::error::x <img src=x> | ` \\u2028";

#[test]
fn no_word_of_a_policy_or_a_suite_steers_what_it_is_printed_on() {
    let scratch = Scratch::new("steering");
    let quoted = format!("\"{STEERING}\"");
    let policy = small();
    scratch.write("policies/small.yaml", &format!("{policy}\ndefaults: {{unmatched_route: reject}}\n"));
    let with_pass =
        small().replacen("routes:\n", &format!("routes:\n  health: {{match: GET /healthz, pass: {quoted}}}\n"), 1);
    scratch.write("policies/small.yaml", &with_pass);
    scratch.write("policies/one.test.yaml", &answered_with("body.json").replace("a row", &quoted));
    scratch.write("policies/body.json", r#"{"status": "active"}"#);
    scratch.write("old.yaml", &small());
    let mut runs = Vec::new();
    for format in ["human", "md", "json"] {
        runs.push(vec!["diff", "old.yaml", "policies/small.yaml", "--format", format]);
    }
    for format in ["term", "md", "csv", "html", "json"] {
        runs.push(vec!["matrix", "policies", "--format", format]);
    }
    for format in ["human", "compact", "github", "json", "junit"] {
        runs.push(vec!["test", "policies", "--format", format]);
    }
    for format in ["human", "compact", "github", "json", "sarif"] {
        runs.push(vec!["check", "policies", "--format", format]);
    }
    for arguments in runs {
        let run = scratch.run(&arguments);
        let said = format!("{}{}", text(&run.stdout), text(&run.stderr));
        assert!(said.len() > 20, "{arguments:?}: {said}");
        let steering = said
            .chars()
            .find(|c| !matches!(c, '\n' | '\r' | '\t') && c.is_control() || "\u{202e}\u{2028}".contains(*c));
        assert_eq!(steering, None, "{arguments:?}: {said}");
        let commands =
            said.lines().filter(|line| line.starts_with("::error::x") || line.starts_with("**Losses")).count();
        assert_eq!(commands, 0, "{arguments:?}: {said}");
        if arguments.contains(&"html") {
            assert!(!said.contains("<img"), "{arguments:?}");
        }
        // In colour there are sequences, and none of them is the policy's.
        let coloured = scratch.run(&[&arguments[..], &["--color", "always"]].concat());
        let said = text(&coloured.stdout);
        for theirs in ["\u{1b}[8m", "\u{1b}[2K", "\u{1b}[32m \u{a}", "\u{1b}]0"] {
            assert!(!said.contains(theirs), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn no_name_of_a_policy_is_a_formula_or_markup() {
    let scratch = Scratch::new("formula");
    scratch.write("policies/small.yaml", &small().replace("care.read:", "\"=cmd|A1!B2\":"));
    let csv = text(&scratch.run(&["matrix", "policies", "--format", "csv"]).stdout);
    assert!(csv.contains("'=cmd") && !csv.contains(",=cmd"), "{csv}");
    let md = text(&scratch.run(&["matrix", "policies", "--format", "md"]).stdout);
    assert!(md.contains("cmd") && !md.contains("=cmd|"), "{md}");
}

/// The command beside a page that was made, and its directory of policies: `p/`.
#[cfg(unix)]
fn beside_a_page(name: &str) -> Scratch {
    const PAGE: &str = "<p>page</p><script type=\"application/json\" id=\"given\">{}</script><p>end</p>";
    let scratch = Scratch::new(name);
    scratch.write("target/page/studio.html", PAGE);
    scratch.write("target/debug/empty", "");
    let command = scratch.0.join("target/debug/fieldgate");
    // A link costs nothing; over a border of file systems there is none.
    if fs::hard_link(env!("CARGO_BIN_EXE_fieldgate"), &command).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_fieldgate"), &command).expect("a copy");
    }
    scratch.write("p/small.yaml", &format!("# </script><b>\n{}", small()));
    scratch
}

#[cfg(unix)]
fn studio(scratch: &Scratch, arguments: &[&str]) -> Output {
    let path = format!("{}:{}", scratch.0.join("bin").display(), std::env::var("PATH").expect("a path"));
    Command::new(scratch.0.join("target/debug/fieldgate"))
        .arg("studio")
        .args(arguments)
        .current_dir(&scratch.0)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("the command runs")
}

/// What a page begins with.
#[cfg(unix)]
fn given(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"given\">").expect("the data");
    serde_json::from_str(rest.split_once("</script>").expect("its end").0).expect("JSON")
}

#[cfg(unix)]
#[test]
fn the_studio_begins_with_the_policy_and_its_suites_and_nothing_else_of_the_machine() {
    let scratch = beside_a_page("studio-given");
    scratch.write("p/data/own.json", r#"{"status": "own-value"}"#);
    scratch.write("outside.json", r#"{"status": "the-secret"}"#);
    let row = |name: &str, body: &str| {
        format!(
            "  - {{name: {name}, request: {{path: GET /accounts/1, scopes: [care.read]}}, response: {{body: {body}}}, expect: {{$.status: own-value}}}}\n"
        )
    };
    let suite = |policy: &str, rows: &str| format!("language: 1\npolicy: {policy}\ntests:\n{rows}");
    scratch.write(
        "p/own.test.yaml",
        &suite("small.yaml", &(row("one", "data/own.json") + &row("two", "../outside.json"))),
    );
    scratch.write("p/other.yaml", &small());
    scratch.write("p/other.test.yaml", &suite("other.yaml", &row("one", "data/own.json")));
    let policy = scratch.read("p/small.yaml");
    let absolute = scratch.0.join("p/small.yaml").display().to_string();
    for named in ["p/small.yaml", "./p/small.yaml", absolute.as_str()] {
        let run = studio(&scratch, &[named, "-o", "-"]);
        let page = text(&run.stdout);
        assert!(
            run.status.success() && page.starts_with("<p>page</p>") && page.ends_with("<p>end</p>"),
            "{named}: {run:?}"
        );
        let given = given(&page);
        assert_eq!(
            (&given["files"], &given["root"]),
            (&serde_json::json!({"small.yaml": policy}), &"small.yaml".into()),
            "{named}"
        );
        let suites: Vec<&serde_json::Value> = given["suites"].as_array().expect("suites").iter().collect();
        assert!(
            suites.len() <= 1 && suites.iter().all(|suite| suite["name"] == "own.test.yaml"),
            "{named}: {suites:?}"
        );
        assert!(!page.contains("the-secret") && !page.contains("</script><b>"), "{named}: {page}");
        assert!(!page.contains(&scratch.0.display().to_string()), "{named}: the page tells where it was made: {page}");
    }
    // A row that can be read brings its body.
    scratch.write("p/own.test.yaml", &suite("small.yaml", &row("one", "data/own.json")));
    let page = text(&studio(&scratch, &["p/small.yaml", "-o", "-"]).stdout);
    let bodies = &given(&page)["suites"][0]["bodies"];
    assert_eq!(bodies, &serde_json::json!({"data/own.json": "{\"status\": \"own-value\"}"}), "{page}");
    // One that does not check is what the page is for.
    scratch.write("p/small.yaml", "language: 1\npolicy: [\n");
    let page = text(&studio(&scratch, &["p/small.yaml", "-o", "-"]).stdout);
    assert_eq!(given(&page)["files"]["small.yaml"], "language: 1\npolicy: [\n");
}

#[cfg(unix)]
#[test]
fn the_studio_says_what_it_cannot_do_and_opens_what_it_wrote() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = beside_a_page("studio-opens");
    scratch.write("two/a.yaml", &small());
    scratch.write("two/b.yaml", &small());
    for (claim, arguments, said) in [
        ("a page on standard output is no file to open", &["p", "-o", "-", "--open"][..], "--open"),
        ("two policies are one too many", &["two"], "name one: two/a.yaml, two/b.yaml"),
        ("no such policy", &["nowhere.yaml"], "nowhere.yaml"),
    ] {
        let run = studio(&scratch, arguments);
        assert!(run.status.code() == Some(2) && text(&run.stderr).contains(said), "{claim}: {run:?}");
    }
    // What stands for the system's way to open a page, on every system.
    for name in ["xdg-open", "open"] {
        scratch.write(&format!("bin/{name}"), "#!/bin/sh\nprintf %s \"$1\" > opened.new && mv opened.new opened\n");
        fs::set_permissions(scratch.0.join("bin").join(name), fs::Permissions::from_mode(0o755)).expect("a program");
    }
    let run = studio(&scratch, &["p/small.yaml", "--open"]);
    assert!(run.status.success() && scratch.read("studio.html").contains("<p>end</p>"), "{run:?}");
    let opened = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        fs::read_to_string(scratch.0.join("opened")).ok()
    });
    assert_eq!(opened.as_deref(), Some("studio.html"));
    // Without a page there is nothing to write.
    fs::remove_file(scratch.0.join("target/page/studio.html")).expect("a page");
    let run = studio(&scratch, &["p/small.yaml"]);
    assert!(run.status.code() == Some(2) && text(&run.stderr).contains("make studio"), "{run:?}");
}

#[test]
fn what_is_learnt_is_written_once_beside_what_stands_there() {
    let scratch = Scratch::new("learn");
    let root = fieldgate_testkit::root().join("tests/cli/learn");
    for name in ["policy.yaml", "access.log"] {
        scratch.write(name, &fs::read_to_string(root.join(name)).expect("a file of the row"));
    }
    let before = scratch.read("policy.yaml");
    let learn = ["learn", "access.log", "-p", "policy.yaml"];
    assert_eq!(scratch.run(&learn).status.code(), Some(0));
    assert_eq!(scratch.read("policy.yaml"), before, "without `--write` the file stays");
    let run = scratch.run(&[&learn[..], &["--write"]].concat());
    assert_eq!((run.status.code(), String::from_utf8_lossy(&run.stderr).as_ref()), (Some(0), "4 lines written.\n"));
    let after = scratch.read("policy.yaml");
    let lost: Vec<&str> =
        before.lines().filter(|line| !after.contains(line) && !line.contains("list-accounts")).collect();
    assert_eq!(lost, [""; 0], "lines and comments stay");
    for entry in ["$.address.geo..*: unreviewed", "$.nickname: unreviewed", "$.total: unreviewed"] {
        assert_eq!(after.matches(entry).count(), 1, "{entry}: {after}");
    }
    let check = scratch.run(&["check", "policy.yaml", "--format", "compact"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    for name in ["granted.yaml", "granted.log"] {
        let path = root.with_file_name("learnt").join(name);
        scratch.write(name, &fs::read_to_string(path).expect("a file of the row"));
    }
    let before = scratch.read("granted.yaml");
    let refused = scratch.run(&["learn", "granted.log", "-p", "granted.yaml", "--write"]);
    assert_eq!(refused.status.code(), Some(2), "somebody would gain");
    assert_eq!(scratch.read("granted.yaml"), before);
    let again = scratch.run(&[&learn[..], &["--write"]].concat());
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(scratch.read("policy.yaml"), after, "what is there is not written again");
}
