//! `fieldgate lsp`: the language server protocol (3.17) on standard input and output, for editors.
//!
//! The protocol's framing, its start and its end are `lsp-server`'s. The few messages that are spoken are made here as JSON: all
//! types of the protocol would be a crate larger than this module.

mod editor;
mod hover;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fieldgate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, Span};
use fieldgate::policy::{self, FileKind, Files, PolicyDoc, PolicySet};
use fieldgate_workbench::{complete, suite};
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::load;
use editor::{Open, offset, path_of, range, uri_of};

/// Speak the language server protocol on standard input and output, for an editor
///
/// `docs/editors.md` of the project says how to wire VS Code, Neovim, Helix and Zed.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Taken and of no effect: some editors name the transport
    #[arg(long, hide = true)]
    stdio: bool,
}

pub(crate) fn run(_: &Arguments) -> Result<Exit, Failure> {
    let (connection, threads) = Connection::stdio();
    let can = json!({
        "textDocumentSync": {"openClose": true, "change": 1, "save": true},
        "hoverProvider": true,
        "definitionProvider": true,
        "completionProvider": {"triggerCharacters": [" ", "{", "[", ",", "$", "."]},
        "codeActionProvider": {"codeActionKinds": ["quickfix"]},
    });
    let failed = |what: &str| Failure::new(format!("the editor {what}"));
    connection.initialize(can).map_err(|_| failed("does not start as the protocol says"))?;
    let mut server = Server::default();
    for message in &connection.receiver {
        let answers = match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request).map_err(|_| failed("does not end as the protocol says"))? {
                    break;
                }
                vec![Message::Response(server.answer(request))]
            }
            Message::Notification(notification) => server.notified(&notification),
            Message::Response(_) => Vec::new(),
        };
        for answer in answers {
            connection.sender.send(answer).map_err(|_| failed("is gone"))?;
        }
    }
    drop(connection);
    threads.join().map_err(|error| Failure::new(format!("cannot write to the editor: {error}")))?;
    Ok(Exit::Fine)
}

/// What the editor has open, and what is known of it.
#[derive(Default)]
struct Server {
    open: Open,
    /// Policies by their root file.
    policies: BTreeMap<String, Looked>,
    /// The root of each file that was found in a policy: of one that cannot be read at this moment, too.
    roots: BTreeMap<String, String>,
    /// Files of which something is said.
    said: BTreeSet<String>,
}

/// A policy, as far as it is one.
struct Looked {
    /// As written, now or when it could be read last.
    doc: Option<PolicyDoc>,
    /// As checked, if it checks.
    policy: Option<PolicySet>,
    /// What is said of it now.
    diagnostics: Diagnostics,
}

/// How many directories above a file may have the policy that includes it.
const ABOVE: usize = 4;

impl Server {
    /// Takes what the editor tells, and answers with what is to be said of the files.
    fn notified(&mut self, notification: &Notification) -> Vec<Message> {
        let parameters = &notification.params;
        let Some(path) = parameters.pointer("/textDocument/uri").and_then(Value::as_str).and_then(path_of) else {
            return Vec::new();
        };
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                let text = parameters.pointer("/textDocument/text").and_then(Value::as_str).unwrap_or_default();
                self.open.put(&path, text);
            }
            "textDocument/didChange" => {
                // The whole text, as agreed; of several changes the last is the newest.
                let changes = parameters.get("contentChanges").and_then(Value::as_array);
                let last = changes.and_then(|all| all.last()).and_then(|change| change.get("text"));
                if let Some(text) = last.and_then(Value::as_str) {
                    self.open.put(&path, text);
                }
            }
            "textDocument/didClose" => self.open.remove(&path),
            "textDocument/didSave" => {}
            _ => return Vec::new(),
        }
        self.published(&path)
    }

    /// What is said of a file, and of the others that its policy is made of. A file of which nothing is said any more gets an
    /// empty list.
    fn published(&mut self, path: &str) -> Vec<Message> {
        let mut found: BTreeMap<String, Vec<Value>> =
            std::mem::take(&mut self.said).into_iter().map(|path| (path, Vec::new())).collect();
        found.entry(path.to_owned()).or_default();
        if load::is_suite(path) {
            let text = self.open.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
            if let Err(diagnostics) = suite::read(Path::new(path), &text) {
                add(&diagnostics, path, &mut found);
            }
        } else if let Some(root) = self.root(path) {
            self.look(&root);
        }
        for (root, looked) in &self.policies {
            add(&looked.diagnostics, root, &mut found);
        }
        self.said = found.iter().filter(|(_, items)| !items.is_empty()).map(|(path, _)| path.clone()).collect();
        let message = |(path, diagnostics): (String, Vec<Value>)| {
            let parameters = json!({"uri": uri_of(&path), "diagnostics": diagnostics});
            Message::Notification(Notification::new("textDocument/publishDiagnostics".to_owned(), parameters))
        };
        found.into_iter().map(message).collect()
    }

    /// The policy that a file is of: itself, or one beside it or above that includes it.
    fn root(&mut self, path: &str) -> Option<String> {
        let bytes = self.open.read(path).unwrap_or_default();
        match FileKind::of(path, &bytes) {
            FileKind::Policy => Some(path.to_owned()),
            FileKind::Suite | FileKind::Ignored | FileKind::Data => None,
            FileKind::Broken | FileKind::Other => {
                if !self.roots.contains_key(path) {
                    self.look_above(path);
                }
                self.roots.get(path).cloned().or_else(|| Some(path.to_owned()))
            }
        }
    }

    /// Looks at the policies beside a file and in the directories above it: an include leads only below its own directory.
    fn look_above(&mut self, path: &str) {
        for folder in Path::new(path).ancestors().skip(1).take(ABOVE) {
            let folder = folder.to_string_lossy().into_owned();
            let mut names = self.open.list(&folder).unwrap_or_default();
            names.sort();
            for name in names.iter().filter(|name| load::may_be_policy(name)) {
                let other = format!("{}/{name}", folder.trim_end_matches('/'));
                let is_policy =
                    self.open.read(&other).is_ok_and(|bytes| FileKind::of(&other, &bytes) == FileKind::Policy);
                if is_policy && other != path {
                    self.look(&other);
                    if self.roots.contains_key(path) {
                        return;
                    }
                    self.policies.remove(&other);
                }
            }
        }
    }

    /// Reads and checks a policy anew; what could be read before is kept where it cannot be now.
    fn look(&mut self, root: &str) {
        let before = self.policies.remove(root).and_then(|looked| looked.doc);
        let looked = match policy::load(&self.open, root) {
            Err(diagnostics) => Looked { doc: before, policy: None, diagnostics },
            Ok(doc) => match policy::check(&doc) {
                Ok((policy, diagnostics)) => Looked { doc: Some(doc), policy: Some(policy), diagnostics },
                Err(diagnostics) => Looked { doc: Some(doc), policy: None, diagnostics },
            },
        };
        for source in looked.diagnostics.sources().files() {
            self.roots.insert(source.name.clone(), root.to_owned());
        }
        self.policies.insert(root.to_owned(), looked);
    }

    fn answer(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let path = params.pointer("/textDocument/uri").and_then(Value::as_str).and_then(path_of);
        let text = path.as_ref().and_then(|path| String::from_utf8(self.open.read(path).ok()?).ok());
        let (Some(path), Some(text)) = (path, text) else { return Response::new_ok(id, Value::Null) };
        let at = params.get("position").map(|position| offset(&text, position));
        let looked = self.of(&path);
        let result = match (method.as_str(), at, looked) {
            ("textDocument/hover", Some(at), Some(looked)) => hover::at(looked, &path, &text, at),
            ("textDocument/definition", Some(at), Some(looked)) => definition(looked, &text, at),
            ("textDocument/completion", Some(at), looked) => completion(looked, &text, at),
            ("textDocument/codeAction", _, Some(looked)) => actions(looked, &path, &params),
            ("textDocument/hover" | "textDocument/definition" | "textDocument/codeAction", _, _) => Value::Null,
            _ => {
                let code = ErrorCode::MethodNotFound as i32;
                return Response::new_err(id, code, format!("`{method}` is not answered"));
            }
        };
        Response::new_ok(id, result)
    }

    /// What is known of the policy that a file is of; of a suite, the policy that it names.
    fn of(&mut self, path: &str) -> Option<&Looked> {
        if load::is_suite(path) {
            let text = String::from_utf8(self.open.read(path).ok()?).ok()?;
            let named = text.lines().find_map(|line| line.strip_prefix("policy:"))?.trim().trim_matches(['"', '\'']);
            let root = load::slashes(&Path::new(path).parent()?.join(named));
            if !self.policies.contains_key(&root) {
                self.look(&root);
            }
            return self.policies.get(&root);
        }
        self.policies.get(self.roots.get(path).map_or(path, String::as_str))
    }
}

/// Where the name at a place is declared.
fn definition(looked: &Looked, text: &str, at: usize) -> Value {
    let found = looked.doc.as_ref().and_then(|doc| {
        let span = complete::definition(doc, text, at)?;
        let source = doc.sources().get(span.file)?;
        Some(json!({"uri": uri_of(&source.name), "range": range(&source.text, span)}))
    });
    found.unwrap_or_default()
}

/// What may be written at a place.
fn completion(looked: Option<&Looked>, text: &str, at: usize) -> Value {
    let doc = looked.and_then(|looked| looked.doc.as_ref());
    let Some((typed, items)) = complete::completion(doc, text, at) else { return Value::Null };
    let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let range = range(text, Span { file: 0, start: byte(typed.start), end: byte(typed.end) });
    let items = items.into_iter().map(|item| {
        // Kinds of the protocol: 6 is a variable, 14 a keyword.
        json!({
            "label": item.label, "detail": item.about, "kind": if item.is_name { 6 } else { 14 },
            "filterText": item.written, "textEdit": {"range": range, "newText": item.written},
        })
    });
    items.collect()
}

/// Adds what is said of a policy to what is said of its files.
fn add(diagnostics: &Diagnostics, root: &str, found: &mut BTreeMap<String, Vec<Value>>) {
    for item in diagnostics.items() {
        let (name, value) = said(item, diagnostics.sources(), root);
        found.entry(name).or_default().push(value);
    }
}

/// A diagnostic as the protocol has it, and the file that it is in.
fn said(item: &Diagnostic, sources: &Sources, root: &str) -> (String, Value) {
    let weight = match item.severity() {
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Note => 3,
    };
    let help = item.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let place = |span: Span| {
        let source = sources.get(span.file)?;
        Some((source.name.clone(), range(&source.text, span)))
    };
    let nowhere = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}});
    let (name, range) = item.span.and_then(place).unwrap_or_else(|| (root.to_owned(), nowhere));
    let related: Vec<Value> = item
        .labels
        .iter()
        .filter_map(|label| {
            let (name, range) = place(label.span)?;
            Some(json!({"location": {"uri": uri_of(&name), "range": range}, "message": label.text}))
        })
        .collect();
    let value = json!({
        "range": range, "severity": weight, "code": item.code.to_string(), "source": "fieldgate",
        "message": format!("{}{help}", item.message), "relatedInformation": related,
    });
    (name, value)
}

/// The edits that helps ask for, on the lines asked about: those that `check --fix` writes.
fn actions(looked: &Looked, path: &str, params: &Value) -> Value {
    let sources = looked.diagnostics.sources();
    let mut actions = Vec::new();
    for item in looked.diagnostics.items() {
        let Some(fix) = item.fix(sources) else { continue };
        let Some(source) = sources.get(fix.span.file).filter(|source| source.name == path) else { continue };
        let at = range(&source.text, fix.span);
        if !meets(&at, params.get("range")) {
            continue;
        }
        let (_, found) = said(item, sources, path);
        actions.push(json!({
            "title": format!("Write `{}`", fix.text), "kind": "quickfix", "diagnostics": [found], "isPreferred": true,
            "edit": {"changes": {(uri_of(path)): [{"range": at, "newText": fix.text}]}},
        }));
    }
    json!(actions)
}

/// Whether two ranges have a line in common.
fn meets(range: &Value, asked: Option<&Value>) -> bool {
    let line = |value: &Value, end: &str| value.pointer(&format!("/{end}/line")).and_then(Value::as_u64);
    asked.is_none_or(|asked| line(range, "start") <= line(asked, "end") && line(asked, "start") <= line(range, "end"))
}
