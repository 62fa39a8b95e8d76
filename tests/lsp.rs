//! `fieldgate lsp`, asked by a client of its own over standard input and output, as an editor asks it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may stop where it stands"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use fieldgate::model::Mask;
use serde_json::{Value, json};

/// A cold start on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the cursor is, in a text.
const CURSOR: char = '‸';

const POLICY: &str = "\
language: 1
policy: accounts
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes:
  key: {about: \"Ids that link records\"}
  contact: {about: \"Address, e-mail, phone\"}
shapes:
  account:
    $.id: {class: key, pseudonym: customer}
    $.email: {class: contact, mask: email, detect: [phone]}
    $.lines[*].msisdn: {class: [contact, key], mask: {last: 3}}
routes:
  get-account:
    match: GET /accounts/{id}
    area: accounts
    body: {$: {shape: account}}
scopes:
  care.read:
    areas: [accounts]
    grant: {key: show, contact: mask}
  other.read:
    areas: [accounts]
    grant: {key: pseudonym}
clients:
  \"*\": {}
  acme:
    scopes: [care.read, other.read]
";

/// An editor.
struct Editor {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    next: u64,
    home: PathBuf,
    /// What was said of each file last.
    said: BTreeMap<String, Vec<Value>>,
}

impl Editor {
    fn start(name: &str) -> Self {
        let home = std::env::temp_dir().join(format!("fieldgate-lsp-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&home));
        fs::create_dir_all(&home).unwrap();
        let home = home.canonicalize().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
            .arg("lsp")
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (tell, from) = mpsc::channel();
        std::thread::spawn(move || {
            loop {
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if out.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    match line.trim_end().split_once(": ") {
                        Some(("Content-Length", bytes)) => length = bytes.parse().unwrap(),
                        Some(_) => {}
                        None => break,
                    }
                }
                let mut body = vec![0; length];
                if out.read_exact(&mut body).is_err() || tell.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
            }
        });
        let to = child.stdin.take();
        let mut editor = Self { child, to, from, next: 0, home, said: BTreeMap::new() };
        let can = editor.ask("initialize", &json!({"capabilities": {}, "processId": null, "rootUri": null}));
        assert_eq!(can["capabilities"]["hoverProvider"], true, "{can}");
        editor.tell("initialized", &json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let to = self.to.as_mut().unwrap();
        write!(to, "Content-Length: {}\r\n\r\n{text}", text.len()).and_then(|()| to.flush()).unwrap();
    }

    fn tell(&mut self, method: &str, params: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// The answer to a request, result or error; what is said of files in between is kept.
    fn answer(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["method"] == "textDocument/publishDiagnostics" {
                let items = message["params"]["diagnostics"].as_array().unwrap().clone();
                self.said.insert(message["params"]["uri"].as_str().unwrap().to_owned(), items);
            } else if message["id"] == id {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn uri(&self, file: &str) -> String {
        format!("file://{}/{}", self.home.display(), file.replace(' ', "%20"))
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.home.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn open(&mut self, file: &str, text: &str) {
        let document = json!({"uri": self.uri(file), "languageId": "yaml", "version": 1, "text": text});
        self.tell("textDocument/didOpen", &json!({"textDocument": document}));
    }

    fn change(&mut self, file: &str, text: &str) {
        let document = json!({"uri": self.uri(file), "version": 2});
        self.tell("textDocument/didChange", &json!({"textDocument": document, "contentChanges": [{"text": text}]}));
    }

    /// What is said of a file now: code, place and message of each.
    fn said(&mut self, file: &str) -> Vec<String> {
        // Messages come in order, so an answer is behind all that was told before.
        self.ask_at("textDocument/hover", file, (0, 0));
        let found = self.said.get(&self.uri(file)).cloned().unwrap_or_default();
        found
            .iter()
            .map(|item| {
                let (start, end) = (&item["range"]["start"], &item["range"]["end"]);
                format!(
                    "{} {}:{}-{} {}",
                    item["code"].as_str().unwrap(),
                    start["line"],
                    start["character"],
                    end["character"],
                    item["message"].as_str().unwrap()
                )
            })
            .collect()
    }

    fn ask_at(&mut self, method: &str, file: &str, (line, character): (usize, usize)) -> Value {
        let place = json!({"line": line, "character": character});
        self.ask(method, &json!({"textDocument": {"uri": self.uri(file)}, "position": place}))
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// A text without its cursor, and where that is: line, and UTF-16 code units in it.
fn at_cursor(text: &str) -> (String, (usize, usize)) {
    let (before, after) = text.split_once(CURSOR).expect("a cursor");
    let line = before.matches('\n').count();
    let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
    (format!("{before}{after}"), (line, character))
}

/// The policy with a part of it written otherwise.
fn with(old: &str, new: &str) -> String {
    assert!(POLICY.contains(old), "the policy has no `{old}`");
    POLICY.replacen(old, new, 1)
}

#[test]
fn a_slip_is_said_while_it_is_typed_and_taken_back_when_it_is_mended() {
    let mut editor = Editor::start("slip");
    editor.open("policy.yaml", &with("contact: mask}", "contcat: mask}"));
    let said = editor.said("policy.yaml");
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        said[0],
        "FG012 19:23-30 scope `care.read` grants a class that does not exist: `contcat`\nhelp: did you mean `contact`?"
    );
    editor.change("policy.yaml", POLICY);
    assert_eq!(editor.said("policy.yaml"), Vec::<String>::new());
    editor.change("policy.yaml", &with("classes:", "classes: ["));
    assert!(editor.said("policy.yaml")[0].starts_with("FG0"), "what is no YAML is said");
}

#[test]
fn places_are_counted_as_the_protocol_counts() {
    let mut editor = Editor::start("units");
    editor.open("policy.yaml", &with("{about: \"Ids that link records\"}", "{about: \"\u{1f600}é\", blnk: x}"));
    let said = editor.said("policy.yaml");
    // Two units for the face, one for the letter.
    assert!(said.iter().any(|one| one.starts_with("FG") && one.contains(" 4:22-26 ")), "{said:?}");
}

#[test]
fn a_file_that_is_included_is_looked_at_as_a_part_of_its_policy() {
    let mut editor = Editor::start("include");
    let (head, shapes) = POLICY.split_once("shapes:\n").unwrap();
    let (shapes, rest) = shapes.split_once("routes:\n").unwrap();
    editor.write("my policy.yaml", &format!("{head}include: [shapes/*.yaml]\nroutes:\n{rest}"));
    editor.write("shapes/account.yaml", &format!("shapes:\n{shapes}"));
    editor.open("shapes/account.yaml", &format!("shapes:\n{}", shapes.replace("class: key", "class: kee")));
    let said = editor.said("shapes/account.yaml");
    assert!(said.iter().any(|one| one.contains("`kee`") && one.starts_with("FG012 2:")), "{said:?}");
    // What is wrong in the one file because of the other is said there.
    editor.change("shapes/account.yaml", "shapes:\n  other:\n    $.id: key\n");
    assert_eq!(editor.said("shapes/account.yaml"), Vec::<String>::new());
    let said = editor.said("my policy.yaml");
    assert!(said.iter().any(|one| one.contains("`account`")), "{said:?}");
    editor.change("shapes/account.yaml", &format!("shapes:\n{shapes}"));
    assert_eq!(editor.said("my policy.yaml"), Vec::<String>::new());
    // A definition leads from one file into another.
    let (text, at) = at_cursor(&format!("shapes:\n{}", shapes.replace("class: key", "class: k‸ey")));
    editor.change("shapes/account.yaml", &text);
    let found = editor.ask_at("textDocument/definition", "shapes/account.yaml", at);
    assert_eq!(found["uri"], editor.uri("my policy.yaml"), "{found}");
    assert_eq!(found["range"]["start"], json!({"line": 4, "character": 2}), "{found}");
}

#[test]
fn an_include_leads_nowhere_else_because_the_editor_has_it_open() {
    let mut editor = Editor::start("link");
    let (head, shapes) = POLICY.split_once("shapes:\n").unwrap();
    let (shapes, rest) = shapes.split_once("routes:\n").unwrap();
    let policy = format!("{head}include: [shapes/*.yaml]\nroutes:\n{rest}");
    editor.write("elsewhere.yaml", &format!("shapes:\n{shapes}"));
    editor.write("inner/policy.yaml", &policy);
    fs::create_dir_all(editor.home.join("inner/shapes")).unwrap();
    std::os::unix::fs::symlink("../../elsewhere.yaml", editor.home.join("inner/shapes/account.yaml")).unwrap();
    editor.open("inner/shapes/account.yaml", &format!("shapes:\n{shapes}"));
    editor.open("inner/policy.yaml", &policy);
    let said = editor.said("inner/policy.yaml");
    assert!(said.iter().any(|one| one.contains("shapes/account.yaml")), "{said:?}");
}

#[test]
fn a_word_under_the_cursor_says_what_it_means() {
    let rows: [(&str, String, &[&str]); 8] = [
        (
            "a field says its classes, its forms and who sees it",
            with("$.email: {class", "$.em‸ail: {class"),
            &[
                "class contact; detect phone; mask email",
                "get-account `$.email`: care.read mask, other.read hide",
                "rule 10",
            ],
        ),
        (
            "a class says who is granted it",
            with("grant: {key: show", "grant: {k‸ey: show"),
            &["Ids that link records", "care.read show, other.read pseudonym"],
        ),
        (
            "a class says so where it is declared",
            with("  contact: {about", "  con‸tact: {about"),
            &["class `contact`", "granted to care.read mask"],
        ),
        ("a scope says what it gets", with("  care.read:", "  care.re‸ad:"), &["areas accounts", "contact mask"]),
        ("a route says what it matches", with("  get-account:", "  get-acc‸ount:"), &["`GET /accounts/{id}`"]),
        (
            "a key of the language says what it is for, by which rule",
            with("    grant: {key: show", "    gra‸nt: {key: show"),
            &["`scopes.*.grant`", "A class that is not named is hidden", "rule 15"],
        ),
        ("a form says its rule", with("mask: email", "mask: em‸ail"), &["How the field looks at mask", "rule 21"]),
        ("a fault says what it means", with("contact: mask}", "con‸tcat: mask}"), &["**FG012**"]),
    ];
    let mut editor = Editor::start("hover");
    editor.open("policy.yaml", POLICY);
    for (claim, text, parts) in rows {
        let (text, at) = at_cursor(&text);
        editor.change("policy.yaml", &text);
        let hover = editor.ask_at("textDocument/hover", "policy.yaml", at);
        let said = hover["contents"]["value"].as_str().unwrap_or_default();
        for part in parts {
            assert!(said.contains(part), "{claim}: no `{part}` in {hover}");
        }
    }
    let (text, at) = at_cursor(&format!("# a com‸ment\n{POLICY}"));
    editor.change("policy.yaml", &text);
    assert_eq!(editor.ask_at("textDocument/hover", "policy.yaml", at), Value::Null);
}

/// What is offered at the cursor: what it would write.
fn offered(editor: &mut Editor, file: &str, text: &str) -> Vec<String> {
    let (text, at) = at_cursor(text);
    editor.change(file, &text);
    let items = editor.ask_at("textDocument/completion", file, at);
    let items = items.as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["textEdit"]["newText"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn names_that_fit_are_offered() {
    let levels = ["blank", "hide", "mask", "pseudonym", "show"];
    let mut forms: Vec<&str> = Mask::EACH.iter().filter_map(|form| form.word()).collect();
    forms.sort_unstable();
    let rows: [(&str, String, &[&str]); 15] = [
        ("classes in a grant", with("contact: mask}", "contact: mask, ‸}"), &["contact", "key"]),
        ("levels of a grant", with("contact: mask}", "contact: m‸}"), &levels),
        ("classes of a field", with("$.id: {class: key", "$.id: {class: ‸"), &["contact", "key"]),
        ("classes in a list", with("class: [contact, key]", "class: [contact, ‸]"), &["contact", "key"]),
        ("shapes of a body", with("{shape: account}", "{shape: ‸}"), &["account"]),
        ("areas of a scope", with("areas: [accounts]", "areas: [‸]"), &["accounts"]),
        ("detectors", with("detect: [phone]", "detect: [‸]"), &["card", "email", "iban", "phone", "ssn"]),
        ("forms of a mask", with("mask: email", "mask: ‸"), &forms),
        ("scopes of a client", with("scopes: [care.read, other.read]", "scopes: [‸]"), &["care.read", "other.read"]),
        (
            "paths of the shape, in quotes where they need some",
            with("    grant: {key: show", "    fields: {account: {‸}}\n    grant: {key: show"),
            &["$.email", "$.id", "\"$.lines[*].msisdn\""],
        ),
        (
            "paths of the shape, in a list",
            with("    scopes: [care.read, other.read]", "    deny:\n      account:\n        - ‸"),
            &["$.email", "$.id", "$.lines[*].msisdn"],
        ),
        (
            "shapes of named fields",
            with("    grant: {key: show", "    fields: {‸}\n    grant: {key: show"),
            &["account"],
        ),
        (
            "routes of a scope's rows",
            with("    grant: {key: show", "    rows:\n      ‸\n    grant: {key: show"),
            &["get-account"],
        ),
        (
            "keys of the language",
            with("    grant: {key: show", "    ‸\n    grant: {key: show"),
            &["areas", "fields", "grant", "rows", "when"],
        ),
        (
            "values of the language",
            with("    body: {$", "    max_records: {over: ‸}\n    body: {$"),
            &["reject", "truncate"],
        ),
    ];
    let mut editor = Editor::start("completion");
    editor.open("policy.yaml", POLICY);
    for (claim, text, expected) in rows {
        // What is typed may be no policy: names come from when it was one last.
        editor.change("policy.yaml", POLICY);
        assert_eq!(offered(&mut editor, "policy.yaml", &text), expected, "{claim}");
    }
    assert_eq!(
        offered(&mut editor, "policy.yaml", &format!("# ‸\n{POLICY}")),
        Vec::<String>::new(),
        "nothing in a comment"
    );
    let text = with("language: 1", "lan‸");
    assert!(offered(&mut editor, "policy.yaml", &text).contains(&"language".to_owned()), "keys of the root");
    // What is offered takes the place of what is typed.
    let (text, at) = at_cursor(&with("contact: mask}", "con‸: mask}"));
    editor.change("policy.yaml", &text);
    let items = editor.ask_at("textDocument/completion", "policy.yaml", at);
    assert_eq!(
        items[0]["textEdit"]["range"],
        json!({"start": {"line": 19, "character": 23}, "end": {"line": 19, "character": 26}})
    );
}

#[test]
fn a_name_leads_to_where_it_is_declared() {
    type Place = Option<(usize, usize)>;
    let rows: [(&str, String, Place); 9] = [
        ("a class in a grant", with("grant: {key: show, con", "grant: {key: show, c‸on"), Some((5, 2))),
        ("a class of a field", with("$.email: {class: contact", "$.email: {class: con‸tact"), Some((5, 2))),
        ("a class in a list", with("class: [contact, key]", "class: [contact, k‸ey]"), Some((4, 2))),
        ("a shape", with("{shape: account}", "{shape: acc‸ount}"), Some((7, 2))),
        ("an area", with("    areas: [accounts]", "    areas: [acc‸ounts]"), Some((14, 10))),
        ("a scope of a client", with("scopes: [care.read, ", "scopes: [care‸.read, "), Some((17, 2))),
        (
            "a path, in the shape that is named",
            with(
                "    grant: {key: show",
                "    fields: {account: {\"$.lin‸es[*].msisdn\": mask}}\n    grant: {key: show",
            ),
            Some((10, 4)),
        ),
        ("a level is declared nowhere", with("contact: mask}", "contact: ma‸sk}"), None),
        ("a name that is not there", with("{shape: account}", "{shape: acco‸}"), None),
    ];
    let mut editor = Editor::start("definition");
    editor.open("policy.yaml", POLICY);
    for (claim, text, expected) in rows {
        let (text, at) = at_cursor(&text);
        editor.change("policy.yaml", &text);
        let found = editor.ask_at("textDocument/definition", "policy.yaml", at);
        let start = &found["range"]["start"];
        let came = start
            .as_object()
            .map(|_| (start["line"].as_u64().unwrap() as usize, start["character"].as_u64().unwrap() as usize));
        assert_eq!(came, expected, "{claim}: {found}");
    }
}

#[test]
fn a_help_that_leaves_no_choice_is_a_quick_fix() {
    let mut editor = Editor::start("fix");
    let text = with("contact: mask}", "contcat: mask}");
    editor.open("policy.yaml", &text);
    let document = json!({"uri": editor.uri("policy.yaml")});
    let ask = |editor: &mut Editor, line: usize| {
        let place = json!({"line": line, "character": 0});
        let params =
            json!({"textDocument": document, "range": {"start": place, "end": place}, "context": {"diagnostics": []}});
        editor.ask("textDocument/codeAction", &params)
    };
    assert_eq!(ask(&mut editor, 3), json!([]), "none on another line");
    let actions = ask(&mut editor, 19);
    assert_eq!(actions.as_array().map(Vec::len), Some(1), "{actions}");
    assert_eq!(actions[0]["title"], "Write `contact`");
    assert_eq!(actions[0]["diagnostics"][0]["code"], "FG012");
    let edit = &actions[0]["edit"]["changes"][editor.uri("policy.yaml")][0];
    let (start, end) = (
        edit["range"]["start"]["character"].as_u64().unwrap() as usize,
        edit["range"]["end"]["character"].as_u64().unwrap() as usize,
    );
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[19].replace_range(start..end, edit["newText"].as_str().unwrap());
    editor.change("policy.yaml", &(lines.join("\n") + "\n"));
    assert_eq!(editor.said("policy.yaml"), Vec::<String>::new(), "the fix mends it");
}

#[test]
fn a_suite_is_looked_at_too() {
    let mut editor = Editor::start("suite");
    editor.write("policy.yaml", POLICY);
    let suite = "language: 1\npolicy: policy.yaml\ntests:\n  - name: x\n    request: {path: GET /accounts/1, scopes: [care.read], client: acme}\n    response: {json: {id: 1}}\n    expect: {$.id: 1}\n";
    editor.open("policy.test.yaml", &suite.replace("expect:", "expct:"));
    let said = editor.said("policy.test.yaml");
    assert!(said.iter().any(|one| one.contains("`expct`") && one.contains(" 6:4-9 ")), "{said:?}");
    editor.change("policy.test.yaml", suite);
    assert_eq!(editor.said("policy.test.yaml"), Vec::<String>::new());
    for (old, new, expected) in [
        ("scopes: [care.read]", "scopes: [‸]", &["care.read", "other.read"][..]),
        ("client: acme", "client: ‸", &["\"*\"", "acme"]),
        ("path: GET /accounts/1", "path: ‸", &["\"GET /accounts/{id}\""]),
        ("{$.id: 1}", "{‸}", &["$.email", "$.id", "\"$.lines[*].msisdn\""]),
    ] {
        assert_eq!(offered(&mut editor, "policy.test.yaml", &suite.replace(old, new)), expected, "{new}");
    }
    let (text, at) = at_cursor(&suite.replace("scopes: [care", "scopes: [ca‸re"));
    editor.change("policy.test.yaml", &text);
    let found = editor.ask_at("textDocument/definition", "policy.test.yaml", at);
    assert_eq!((&found["uri"], &found["range"]["start"]["line"]), (&json!(editor.uri("policy.yaml")), &json!(17)));
}

#[test]
fn the_protocol_is_kept() {
    let mut editor = Editor::start("protocol");
    let unknown = editor.answer("textDocument/formatting", &json!({"textDocument": {"uri": "file:///nowhere.yaml"}}));
    assert!(unknown["error"]["code"] == -32601 || unknown["result"].is_null(), "{unknown}");
    editor.open("policy.yaml", POLICY);
    let document = json!({"textDocument": {"uri": editor.uri("policy.yaml")}});
    assert_eq!(editor.answer("textDocument/formatting", &document)["error"]["code"], -32601);
    // What is not a file, no policy or not there is no fault.
    editor.tell("textDocument/didOpen", &json!({"textDocument": {"uri": "untitled:1", "text": "a: ["}}));
    editor.open("notes.txt", "not a policy");
    editor.tell("workspace/didChangeConfiguration", &json!({"settings": null}));
    assert_eq!(editor.ask_at("textDocument/hover", "nowhere.yaml", (5, 5)), Value::Null);
    assert_eq!(editor.ask_at("textDocument/hover", "policy.yaml", (5_000, 5_000)), Value::Null);
    let closed = json!({"textDocument": {"uri": editor.uri("policy.yaml")}});
    editor.tell("textDocument/didClose", &closed);
    assert_eq!(editor.ask("shutdown", &Value::Null), Value::Null);
    editor.tell("exit", &Value::Null);
    assert!(editor.child.wait().unwrap().success(), "it ends as it was asked to");
}
