//! A policy on disk: the root file and what it includes, as one document (rule 1). Not in the plugin.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::{Member, Node, PolicyDoc, Tree};
use super::{json, yaml};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Origin, Source, Sources, Span};

/// Where policy files are: a disk, a git revision, a test's table. Paths are joined with `/`.
pub trait Files {
    /// A file's bytes.
    ///
    /// # Errors
    /// Whatever kept it from being read.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The bytes of a file that another one in `directory` names: a disk gives it only if no link leads out of there.
    ///
    /// # Errors
    /// Whatever kept it from being read.
    fn read_named(&self, _directory: &str, path: &str) -> io::Result<Vec<u8>> {
        self.read(path)
    }

    /// The names of what is in a directory, files and directories, in any order; the empty path is the current one.
    ///
    /// # Errors
    /// Whatever kept it from being read.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;
}

/// A table of paths and texts.
impl Files for std::collections::BTreeMap<String, String> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let names: BTreeSet<&str> = self
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter_map(|rest| rest.split('/').next())
            .collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

/// Reads the policy whose root file is at `root`, with what it includes, as one document. A file whose name ends in
/// `.json` is read as JSON, any other as YAML.
///
/// What is merely wrong with it is kept for [`super::check`] to report along with the rest.
///
/// # Errors
/// The diagnostics, if a file cannot be read or its syntax leaves no tree.
pub fn load(files: &dyn Files, root: &str) -> Result<PolicyDoc, Diagnostics> {
    let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let mut loader = Loader { files, directory, sources: Sources::default(), found: Vec::new(), broken: false };
    let tree = loader.file(root, None);
    let merged = tree.map(|mut tree| {
        let includes = loader.includes(root, &mut tree);
        for (_, included) in includes {
            loader.merge(&mut tree, included);
        }
        tree
    });
    let sources = Rc::new(loader.sources);
    match merged {
        Some(root) if !loader.broken => Ok(PolicyDoc { root, sources, found: loader.found }),
        _ => Err(Diagnostics::new(loader.found, sources)),
    }
}

struct Loader<'a> {
    files: &'a dyn Files,
    /// The root file's.
    directory: String,
    sources: Sources,
    found: Vec<Diagnostic>,
    /// Whether a file is missing from the tree, so that what the others say cannot be judged.
    broken: bool,
}

impl Loader<'_> {
    /// One file's tree; `from` is where it is included.
    fn file(&mut self, path: &str, from: Option<Span>) -> Option<Node> {
        let bytes = match from {
            Some(_) => self.files.read_named(&self.directory, path),
            None => self.files.read(path),
        };
        let text = match bytes.map(String::from_utf8) {
            Ok(Ok(text)) if is_utf16(text.as_bytes()) => {
                self.not_utf8(path, 0, text.as_bytes());
                return None;
            }
            Ok(Ok(text)) => text,
            Ok(Err(error)) => {
                self.not_utf8(path, error.utf8_error().valid_up_to(), error.as_bytes());
                return None;
            }
            Err(error) => {
                let message = format!("`{path}` cannot be read: {error}");
                let diagnostic = match from {
                    Some(span) => Diagnostic::at(Code::Unreadable, span, message),
                    None => Diagnostic::nowhere(Code::Unreadable, message),
                };
                let help = match error.kind() {
                    io::ErrorKind::FileTooLarge => "a policy is at most 8 MiB: look whether this is another file",
                    _ => "check its name, whether it is a file, and who may read it",
                };
                self.found.push(diagnostic.help(help));
                self.broken = true;
                return None;
            }
        };
        let source = Source { name: path.to_owned(), text: text.as_str().into(), origin: Origin::Text };
        let file = self.sources.add(source);
        let json = Path::new(path).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let tree =
            if json { json::read(&text, file, &mut self.found) } else { yaml::read(&text, file, &mut self.found) };
        if tree.is_none() {
            if !self.found.iter().any(|found| found.span.is_some_and(|span| span.file == file)) {
                let span = Span { file, start: 0, end: 0 };
                self.found.push(
                    Diagnostic::at(Code::WrongKind, span, format!("`{path}` is empty"))
                        .help("a policy starts with `language: 1`"),
                );
            }
            self.broken = true;
        }
        tree
    }

    /// A file whose bytes are no UTF-8 from there on: the place is in what they are as far as they go.
    fn not_utf8(&mut self, path: &str, at: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let file = self.sources.add(Source { name: path.to_owned(), text: (&*text).into(), origin: Origin::Text });
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        let span = Span { file, start, end: start };
        let help = if is_utf16(bytes) { "it is UTF-16: save it as UTF-8" } else { "save the file as UTF-8" };
        self.found
            .push(Diagnostic::at(Code::Unreadable, span, format!("`{path}` is not UTF-8 from here on")).help(help));
        self.broken = true;
    }

    /// What the root includes, in path order; the `include` key is taken out.
    fn includes(&mut self, root: &str, tree: &mut Node) -> Vec<(String, Node)> {
        let Tree::Map(members) = &mut tree.value else {
            return Vec::new();
        };
        let Some(at) = members.iter().position(|member| &*member.key == "include") else {
            return Vec::new();
        };
        let include = members.remove(at);
        let Some(patterns) = include.node.elements() else {
            self.found.push(
                Diagnostic::at(
                    Code::WrongKind,
                    include.node.span,
                    format!("`include` is {}, not a list", include.node.kind()),
                )
                .help("list them, as in `include: [shapes/*.yaml, routes/*.yaml]`"),
            );
            return Vec::new();
        };
        let directory = self.directory.clone();
        let mut paths: Vec<(String, Span)> = Vec::new();
        for pattern in patterns {
            for path in self.pattern(&directory, root, pattern) {
                if !paths.iter().any(|(known, _)| *known == path) {
                    paths.push((path, pattern.span));
                }
            }
        }
        paths.sort();
        let mut trees = Vec::new();
        for (path, span) in paths {
            if let Some(tree) = self.file(&path, Some(span)) {
                trees.push((path, tree));
            }
        }
        trees
    }

    /// The paths that a pattern stands for, whether or not there is such a file; a `*` or `?` stands for names that are there.
    fn expand(&self, directory: &str, pattern: &str) -> Vec<String> {
        let mut at = vec![directory.to_owned()];
        for step in pattern.split('/') {
            let mut next = Vec::new();
            for directory in at {
                let join = |name: &str| {
                    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
                };
                if step.contains(['*', '?']) {
                    let names = self.files.list(&directory).unwrap_or_default();
                    next.extend(
                        names
                            .iter()
                            .filter(|name| !name.starts_with('.') && matches(step, name))
                            .map(|name| join(name)),
                    );
                } else {
                    next.push(join(step));
                }
            }
            at = next;
        }
        at
    }

    /// The files that a pattern finds, never the root itself and never a test suite.
    fn pattern(&mut self, directory: &str, root: &str, node: &Node) -> Vec<String> {
        let Some(pattern) = node.text() else {
            self.found.push(
                Diagnostic::at(Code::WrongKind, node.span, format!("a pattern of `include` is {}", node.kind()))
                    .help("write a path: `shapes/*.yaml`"),
            );
            return Vec::new();
        };
        let finding = if pattern.starts_with('/') || pattern.contains('\\') || pattern.contains(':') {
            Some("is not relative to the root file")
        } else if pattern.split('/').any(|step| matches!(step, "" | "." | "..")) {
            Some("leaves the root file's directory, or has an empty step")
        } else if pattern.contains("**") {
            Some("has `**`: one `*` stands for one name")
        } else {
            None
        };
        if let Some(finding) = finding {
            self.found.push(
                Diagnostic::at(Code::Include, node.span, format!("`{pattern}` {finding}"))
                    .help("name files below the root file's directory: `shapes/*.yaml`"),
            );
            return Vec::new();
        }
        let mut at = self.expand(directory, pattern);
        let itself = at.iter().any(|path| path == root);
        at.retain(|path| path != root && !path.ends_with(".test.yaml") && !path.ends_with(".test.yml"));
        at.sort();
        if at.is_empty() {
            self.found.push(if itself {
                Diagnostic::at(
                    Code::Include,
                    node.span,
                    format!("`{pattern}` finds this file alone, which is the root"),
                )
                .help("take it out: the root file is read anyway")
            } else {
                Diagnostic::at(Code::Include, node.span, format!("`{pattern}` finds no file"))
                    .help("patterns are relative to the root file; `*.test.yaml` files are never included")
            });
        }
        at
    }

    /// Merges as a disjoint union: a section that is a map takes the other's members; anything else may be there once.
    fn merge(&mut self, into: &mut Node, from: Node) {
        let Tree::Map(theirs) = from.value else {
            self.found.push(
                Diagnostic::at(Code::WrongKind, from.span, format!("an included file is {}, not a map", from.kind()))
                    .help("it has sections, like the root file: `shapes: …`"),
            );
            return;
        };
        let Tree::Map(ours) = &mut into.value else {
            return;
        };
        for member in theirs {
            if &*member.key == "include" {
                self.found.push(
                    Diagnostic::at(Code::Include, member.key_span, "`include` in a file that is itself included")
                        .help("name the files in the root file: only that includes"),
                );
                continue;
            }
            let Some(known) = ours.iter_mut().find(|known| known.key == member.key) else {
                ours.push(member);
                continue;
            };
            match (section(&member.key), &mut known.node.value, member.node.value) {
                (true, Tree::Map(known), Tree::Map(members)) => union(&mut self.found, &member.key, known, members),
                _ => self.found.push(twice(&member.key, "", member.key_span, known.key_span)),
            }
        }
    }
}

/// Whether a file starts with the byte order mark of UTF-16, in either order, or with a letter of ASCII as UTF-16 has it.
#[must_use]
pub fn is_utf16(bytes: &[u8]) -> bool {
    let letter = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || matches!(bytes, [0, first, 0, second, ..] | [first, 0, second, 0, ..] if letter(*first) && letter(*second))
}

/// Whether a section's members may come from several files.
fn section(key: &str) -> bool {
    matches!(key, "classes" | "detectors" | "shapes" | "routes" | "scopes" | "clients" | "budgets" | "canaries")
}

fn union(found: &mut Vec<Diagnostic>, section: &str, known: &mut Vec<Member>, members: Vec<Member>) {
    for member in members {
        match known.iter().find(|known| known.key == member.key) {
            Some(first) => found.push(twice(&member.key, section, member.key_span, first.key_span)),
            None => known.push(member),
        }
    }
}

fn twice(key: &str, section: &str, span: Span, first: Span) -> Diagnostic {
    let place = if section.is_empty() { String::new() } else { format!(" of `{section}`") };
    Diagnostic::at(Code::DuplicateKey, span, format!("the key `{key}`{place} is in two files"))
        .label(first, "first here")
        .help("keep one of them: no file replaces or adds to what another says")
}

/// Whether a name fits a pattern in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    let mut states: BTreeSet<usize> = BTreeSet::from([0]);
    let pattern: Vec<char> = pattern.chars().collect();
    let close = |states: &mut BTreeSet<usize>| {
        let mut at: Vec<usize> = states.iter().copied().collect();
        while let Some(state) = at.pop() {
            let next = state.saturating_add(1);
            if pattern.get(state) == Some(&'*') && states.insert(next) {
                at.push(next);
            }
        }
    };
    close(&mut states);
    for c in name.chars() {
        let mut next: BTreeSet<usize> = states
            .iter()
            .filter_map(|state| match pattern.get(*state) {
                Some('*') => Some(*state),
                Some('?') => Some(state.saturating_add(1)),
                Some(known) if *known == c => Some(state.saturating_add(1)),
                _ => None,
            })
            .collect();
        close(&mut next);
        states = next;
    }
    states.contains(&pattern.len())
}
