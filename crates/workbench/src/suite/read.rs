//! `*.test.yaml` to a [`Suite`]: through the same spanned tree as a policy, with every mistake in one run.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::place::Pattern;
use super::{Case, Expectation, Expected, HeaderExpectation, Request, Response, Sequence, SequenceStep, Suite, Wanted};
use fieldgate::diagnostic::{Code, Diagnostic, Diagnostics, Origin, Source, Sources, Span};
use fieldgate::document::disk;
use fieldgate::document::{Member, Node, Tree};
use fieldgate::model::Level;
use fieldgate::model::moment::Moment;
use fieldgate::policy::similar::nearest;

/// A body of a row may be this large, in bytes: the default of `limits.body` and a little more, to test it.
const BODY: usize = 65 << 20;

/// A suite may be this large, in bytes.
const SUITE: usize = 64 << 20;

/// What a request is expected to come to.
const EXPECTED: [&str; 4] = ["expect", "expect_headers", "expect_refused", "nothing_else_above"];

/// What rows and the requests of a sequence have: who asks, what is answered, what is expected.
const EXPECTATIONS: [&str; 6] =
    ["request", "response", "expect", "expect_headers", "expect_refused", "nothing_else_above"];

/// How often one request of a sequence may be asked: enough to fill a large budget, and still a second or two.
const MOST_TIMES: u32 = 20_000;

/// The longest pause within a sequence, in seconds: ten years.
const LONGEST_PAUSE: u64 = 3653 * 86_400;

/// Reads a suite and the bodies that it names.
///
/// # Errors
/// Every mistake in it; a file that it names and that cannot be read is one.
///
/// # Examples
///
/// ```
/// use fieldgate_workbench::suite;
///
/// let path = std::env::temp_dir().join(format!("fieldgate-example-{}.test.yaml", std::process::id()));
/// std::fs::write(&path, "\
/// language: 1
/// policy: accounts.yaml
/// tests:
///   - name: the status is seen
///     request: {path: GET /accounts/42, scopes: [care.read]}
///     response: {json: {status: active}}
///     expect: {$.status: active}
/// ")?;
/// let suite = suite::load(&path)?;
/// assert_eq!(suite.cases.len(), 1);
/// assert_eq!(suite.cases[0].assertions(), 1);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(path: &Path) -> Result<Suite, Diagnostics> {
    let name = path.display().to_string();
    let text = match disk::read_whole(path, SUITE).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
    {
        Ok(text) => text,
        Err(error) => {
            let diagnostic = Diagnostic::nowhere(Code::Unreadable, format!("cannot read `{name}`: {error}"));
            return Err(Diagnostics::new(vec![diagnostic], Rc::default()));
        }
    };
    read(path, &text)
}

/// Reads a suite's text as that of a file at `path`, from whose directory on bodies are named.
///
/// # Errors
/// Every fault of the suite, with its place.
pub fn read(path: &Path, text: &str) -> Result<Suite, Diagnostics> {
    read_with(path, text, Bodies::OfDisk)
}

/// Where the bodies are that a suite's rows name.
#[derive(Debug, Clone, Copy)]
pub enum Bodies<'a> {
    /// On the disk, below the suite's directory.
    OfDisk,
    /// Here, by the name that the suite has for them.
    Given(&'a BTreeMap<String, Vec<u8>>),
}

/// Reads a suite's text, as [`read`] does, with the bodies that its rows name.
///
/// # Errors
/// Every fault of the suite, with its place.
pub fn read_with(path: &Path, text: &str, bodies: Bodies<'_>) -> Result<Suite, Diagnostics> {
    let name = path.display().to_string();
    let mut sources = Sources::default();
    let file = sources.add(Source { name, text: text.into(), origin: Origin::Text });
    let directory = path.parent().unwrap_or_else(|| Path::new(""));
    let mut reader = Reader { directory, bodies, found: Vec::new() };
    let root = fieldgate::document::yaml::read(text, file, &mut reader.found);
    let sources = Rc::new(sources);
    let suite = root.and_then(|root| reader.suite(&root, Rc::clone(&sources)));
    match suite {
        Some(suite) if reader.found.is_empty() => Ok(suite),
        _ => {
            if reader.found.is_empty() {
                let diagnostic = Diagnostic::nowhere(Code::MissingKey, format!("`{}` is empty", path.display()))
                    .help("a suite starts with `language: 1`, `policy:` and `tests:`");
                reader.found.push(diagnostic);
            }
            Err(Diagnostics::new(reader.found, sources))
        }
    }
}

struct Reader<'a> {
    directory: &'a Path,
    bodies: Bodies<'a>,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn say(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Diagnostic::at(code, span, message).help(help));
    }

    /// The node must be a map with no keys but these.
    fn map(&mut self, node: &Node, what: &str, known: &[&str]) -> bool {
        let Some(members) = node.members() else {
            self.say(
                Code::WrongKind,
                node.span,
                format!("{what} is a map, and this is {}", node.kind()),
                format!("its keys: {}", known.join(", ")),
            );
            return false;
        };
        for member in members {
            if !known.contains(&&*member.key) {
                let help = match nearest(&member.key, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("{what} has: {}", known.join(", ")),
                };
                self.found.push(
                    Diagnostic::at(Code::UnknownKey, member.key_span, format!("{what} has no key `{}`", member.key))
                        .help(help),
                );
            }
        }
        true
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        if let Some(text) = node.text() {
            return Some(text.to_owned());
        }
        self.say(
            Code::WrongKind,
            node.span,
            format!("{what} is a string, and this is {}", node.kind()),
            "quote it if it is to be one",
        );
        None
    }

    fn required<'n>(&mut self, node: &'n Node, key: &str, what: &str, help: &str) -> Option<&'n Node> {
        let found = node.get(key);
        if found.is_none() {
            // The whole of a long map is no help: its first line is.
            let span = node.members().and_then(<[_]>::first).map_or(node.span, |first| first.key_span);
            self.say(Code::MissingKey, span, format!("{what} has no `{key}`"), help);
        }
        found
    }

    fn suite(&mut self, root: &Node, sources: Rc<Sources>) -> Option<Suite> {
        if !self.map(root, "a suite", &["language", "policy", "now", "tests"]) {
            return None;
        }
        if let Some(language) = self.required(root, "language", "this suite", "write `language: 1`")
            && !matches!(&language.value, Tree::Number(text) if &**text == "1")
        {
            self.say(
                Code::UnknownLanguage,
                language.span,
                "a suite of this language version cannot be read",
                "write `language: 1`",
            );
        }
        let policy = self.required(root, "policy", "this suite", "name the policy's file, from this suite's directory");
        let named = policy.and_then(|node| self.text(node, "`policy`").map(|text| (text, node.span)));
        let now = self.now(root);
        let tests = self.required(root, "tests", "this suite", "list the rows under `tests:`")?;
        let Some(elements) = tests.elements() else {
            self.say(
                Code::WrongKind,
                tests.span,
                format!("`tests` is a list, and this is {}", tests.kind()),
                "start each row with `- name:`",
            );
            return None;
        };
        let (several, one): (Vec<&Node>, Vec<&Node>) = elements.iter().partition(|node| node.get("sequence").is_some());
        let cases: Vec<Case> = one.into_iter().filter_map(|node| self.case(node)).collect();
        let sequences: Vec<Sequence> = several.into_iter().filter_map(|node| self.sequence(node)).collect();
        let claims = cases.iter().map(|case| (case.name.as_str(), case.span));
        let claims = claims.chain(sequences.iter().map(|sequence| (sequence.name.as_str(), sequence.span)));
        let mut claims: Vec<(&str, Span)> = claims.collect();
        claims.sort_by_key(|(_, span)| *span);
        for (index, (name, span)) in claims.iter().enumerate() {
            if let Some((_, first)) = claims.iter().take(index).find(|(other, _)| other == name) {
                let diagnostic = Diagnostic::at(Code::DuplicateKey, *span, format!("two rows claim `{name}`"))
                    .label(*first, "first here")
                    .help("say what sets this one apart: a row's name is its claim");
                self.found.push(diagnostic);
            }
        }
        let (policy, policy_span) = named?;
        let policy = self.policy(&policy, policy_span)?;
        Some(Suite { sources, policy, policy_span, now, cases, sequences })
    }

    /// When a suite or a row is asked.
    fn now(&mut self, node: &Node) -> Option<Moment> {
        let node = node.get("now")?;
        let moment = node.text().and_then(Moment::parse);
        if moment.is_none() {
            self.say(
                Code::BadValue,
                node.span,
                "`now` is not a moment",
                "write it as RFC 3339 does, in UTC: 2027-02-01T00:00:00Z",
            );
        }
        moment
    }

    /// A row of several requests.
    fn sequence(&mut self, node: &Node) -> Option<Sequence> {
        if !self.map(node, "a row with a `sequence`", &["name", "now", "sequence"]) {
            return None;
        }
        let name = self.required(node, "name", "this row", "say in a few words what the row claims")?;
        let span = name.span;
        let name = self.text(name, "`name`")?;
        let now = self.now(node);
        let written = node.get("sequence")?;
        let elements = written.elements().unwrap_or_default();
        if elements.is_empty() {
            self.say(
                Code::WrongKind,
                written.span,
                "`sequence` is a list of requests",
                "write `- request: {path: GET /…, scopes: […]}` for each",
            );
            return None;
        }
        let steps: Vec<Option<SequenceStep>> = elements.iter().map(|node| self.step(node, &name, span)).collect();
        let steps = steps.into_iter().collect::<Option<Vec<SequenceStep>>>()?;
        Some(Sequence { name, span, now, steps })
    }

    fn step(&mut self, node: &Node, name: &str, span: Span) -> Option<SequenceStep> {
        let mut known = vec!["after", "times", "expect_step"];
        known.extend(EXPECTATIONS);
        if !self.map(node, "a request of a sequence", &known) {
            return None;
        }
        let after = node.get("after").map_or(Some(0), |node| self.duration(node));
        let times = node.get("times").map_or(Some(1), |node| {
            let times = match &node.value {
                Tree::Number(text) => text.parse::<u32>().ok().filter(|times| (1..=MOST_TIMES).contains(times)),
                _ => None,
            };
            if times.is_none() {
                self.say(Code::BadValue, node.span, "`times` is a number", format!("from 1 to {MOST_TIMES}"));
            }
            times
        });
        let step = node.get("expect_step").map(|node| {
            let level = node.text().and_then(level);
            if level.is_none() {
                let help = "one of show, mask, pseudonym, blank, hide; write `expect_refused: 429` for a refusal";
                self.say(Code::BadValue, node.span, "`expect_step` is a level", help);
            }
            level.map(|level| (level, node.span))
        });
        let (request, response) = self.asked(node, "this request");
        // A request of which nothing is expected is there for what it uses up: it must be answered.
        let silent = EXPECTED.iter().all(|key| node.get(key).is_none());
        let expected = if silent {
            Some(Expected::Answer { fields: Vec::new(), headers: Vec::new(), nothing_else_above: None })
        } else {
            self.expected(node, span)
        };
        let step = match step {
            Some(step) => Some(step?),
            None => None,
        };
        let (request, response, expected) = (request?, response?, expected?);
        if let (Some((_, span)), Expected::Refused { .. }) = (step, &expected) {
            let help = "a response that is refused meets no other expectation: make it two requests";
            self.say(Code::Incompatible, span, "this request expects a refusal and a step", help);
        }
        let case = Case { name: name.to_owned(), span, request, response, expected, now: None };
        Some(SequenceStep { case, after: after?, times: times?, step })
    }

    /// Time that passes: `90s`, `30m`, `1h`, `2d`.
    fn duration(&mut self, node: &Node) -> Option<u64> {
        let seconds = node.text().and_then(|text| {
            let unit = match text.chars().last()? {
                's' => 1_u64,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => return None,
            };
            let digits = text.get(..text.len().saturating_sub(1))?;
            let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
            digits.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| *seconds <= LONGEST_PAUSE)
        });
        if seconds.is_none() {
            self.say(
                Code::BadValue,
                node.span,
                "`after` is the time since the request before",
                "write a whole number and `s`, `m`, `h` or `d`: `after: 30m`",
            );
        }
        seconds
    }

    /// Who asks for what, and what the upstream answers.
    fn asked(&mut self, node: &Node, what: &str) -> (Option<Request>, Option<Response>) {
        let request = self.required(node, "request", what, "write `request: {path: GET /…, scopes: […]}`");
        let request = request.and_then(|node| self.request(node));
        let response = self.required(node, "response", what, "write `response: {body: FILE}`");
        (request, response.and_then(|node| self.response(node)))
    }

    fn case(&mut self, node: &Node) -> Option<Case> {
        let mut known = vec!["name", "now"];
        known.extend(EXPECTATIONS);
        if !self.map(node, "a row", &known) {
            return None;
        }
        let name = self.required(node, "name", "this row", "say in a few words what the row claims")?;
        let span = name.span;
        let name = self.text(name, "`name`")?;
        let now = self.now(node);
        let (request, response) = self.asked(node, "this row");
        let expected = self.expected(node, span);
        Some(Case { name, span, request: request?, response: response?, expected: expected?, now })
    }

    fn request(&mut self, node: &Node) -> Option<Request> {
        if !self.map(node, "a request", &["path", "scopes", "client", "claims", "headers"]) {
            return None;
        }
        let path = self.required(node, "path", "this request", "write `path: GET /accounts/42`")?;
        let line = self.text(path, "`path`")?;
        let Some((method, target)) = line.split_once(' ').filter(|(method, target)| {
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase()) && target.starts_with('/')
        }) else {
            self.say(
                Code::BadValue,
                path.span,
                format!("`{line}` is not a method and a path"),
                "write `GET /accounts/42?page=2`",
            );
            return None;
        };
        let scopes = node.get("scopes").map(|node| self.texts(node, "`scopes`")).unwrap_or_default();
        let client_node = node.get("client");
        let client = client_node.and_then(|node| self.text(node, "`client`"));
        let claims = node.get("claims").map_or_else(|| Value::Object(Map::new()), value);
        if !claims.is_object() {
            self.say(Code::WrongKind, node.span, "`claims` is a map", "write `claims: {acr: loa3}`");
        }
        let headers = node.get("headers").map(|node| self.headers(node)).unwrap_or_default();
        Some(Request {
            method: method.to_owned(),
            path: target.to_owned(),
            scopes,
            client,
            client_span: client_node.unwrap_or(path).span,
            claims,
            headers,
        })
    }

    fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        let Some(elements) = node.elements() else {
            self.say(
                Code::WrongKind,
                node.span,
                format!("{what} is a list, and this is {}", node.kind()),
                "write it as [a, b]",
            );
            return Vec::new();
        };
        elements.iter().filter_map(|element| self.text(element, &format!("an element of {what}"))).collect()
    }

    fn headers(&mut self, node: &Node) -> Vec<(String, String)> {
        let Some(members) = node.members() else {
            self.say(
                Code::WrongKind,
                node.span,
                format!("`headers` is a map, and this is {}", node.kind()),
                "write `headers: {name: value}`",
            );
            return Vec::new();
        };
        let mut headers = Vec::new();
        for member in members {
            let name = member.key.to_ascii_lowercase();
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(valid) {
                self.say(
                    Code::BadName,
                    member.key_span,
                    format!("`{}` is not a valid header name", member.key),
                    "see RFC 9110, section 5.1",
                );
                continue;
            }
            // A list is a header that is there more than once.
            match member.node.elements() {
                Some(_) => {
                    let values = self.texts(&member.node, "a header");
                    headers.extend(values.into_iter().map(|value| (name.clone(), value)));
                }
                None => headers.extend(self.text(&member.node, "a header").map(|value| (name, value))),
            }
        }
        headers
    }

    fn response(&mut self, node: &Node) -> Option<Response> {
        if !self.map(node, "a response", &["status", "headers", "body", "json", "text"]) {
            return None;
        }
        let status = node.get("status").map_or(Some(200), |node| self.status(node, 100));
        let mut headers = node.get("headers").map(|node| self.headers(node)).unwrap_or_default();
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let bodies: Vec<&Node> = ["body", "json", "text"].iter().filter_map(|key| node.get(key)).collect();
        if let [_, second, ..] = bodies.as_slice() {
            self.say(
                Code::Incompatible,
                second.span,
                "a response has one body",
                "keep one of `body` (a file), `json` (a value) and `text` (bytes)",
            );
        }
        let body = if let Some(file) = node.get("body") {
            let name = self.text(file, "`body`")?;
            self.file(&name, file.span)?
        } else if let Some(json) = node.get("json") {
            value(json).to_string().into_bytes()
        } else if let Some(text) = node.get("text") {
            self.text(text, "`text`")?.into_bytes()
        } else {
            Vec::new()
        };
        Some(Response { status: status?, headers, body })
    }

    /// The file of the suite's policy: below the suite's directory, or below the one that the command runs in. What cannot be
    /// found at all is for the policy's own reader to say.
    fn policy(&mut self, name: &str, span: Span) -> Option<PathBuf> {
        let path = self.directory.join(name);
        if let Bodies::Given(_) = self.bodies {
            return Some(path);
        }
        let place = if Path::new(name).is_absolute() {
            Err(io::Error::other("it is not relative"))
        } else {
            disk::place_below(&[self.directory, Path::new(".")], &path)
        };
        match place {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.say(
                    Code::Unreadable,
                    span,
                    format!("`{name}` cannot be the policy: {error}"),
                    "name a file of this suite's directory, or of the one that the command runs in",
                );
                None
            }
            _ => Some(path),
        }
    }

    /// The bytes of a file that a row names: one of the suite's own, so that a suite of somebody else's cannot show what else is
    /// on the machine.
    fn file(&mut self, name: &str, span: Span) -> Option<Vec<u8>> {
        let named = Path::new(name);
        let read = if let Bodies::Given(bodies) = self.bodies {
            bodies.get(name).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        } else if named.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            disk::read_below(&[self.directory], &self.directory.join(named), BODY)
        } else {
            Err(io::Error::other("it is not below this suite's directory"))
        };
        match read {
            Ok(body) => Some(body),
            Err(error) => {
                self.say(
                    Code::Unreadable,
                    span,
                    format!("cannot read `{name}`: {error}"),
                    "name a regular file below this suite's directory, of at most 65 MiB",
                );
                None
            }
        }
    }

    fn status(&mut self, node: &Node, least: u16) -> Option<u16> {
        let status = match &node.value {
            Tree::Number(text) => text.parse::<u16>().ok().filter(|status| (least..600).contains(status)),
            _ => None,
        };
        if status.is_none() {
            self.say(
                Code::BadValue,
                node.span,
                "this is not a valid HTTP status",
                format!("a number from {least} to 599"),
            );
        }
        status
    }

    fn expected(&mut self, node: &Node, name: Span) -> Option<Expected> {
        let answer = ["expect", "expect_headers", "nothing_else_above"];
        if let Some(refused) = node.get("expect_refused") {
            if let Some(other) = answer.iter().find_map(|key| node.get(key)) {
                let help = "a response that is refused meets no other expectation: make it two rows";
                self.say(Code::Incompatible, other.span, "this row expects a refusal and an answer", help);
            }
            return self.refused(refused);
        }
        if answer.iter().all(|key| node.get(key).is_none()) {
            self.say(
                Code::MissingKey,
                name,
                "this row expects nothing",
                "write `expect:`, `nothing_else_above:` or `expect_refused:`",
            );
            return None;
        }
        let fields = node.get("expect").map(|node| self.expected_fields(node)).unwrap_or_default();
        let headers = node.get("expect_headers").map(|node| self.expected_headers(node)).unwrap_or_default();
        let nothing_else_above = node.get("nothing_else_above").and_then(|node| {
            let level = node.text().and_then(level);
            if level.is_none() {
                self.say(
                    Code::BadValue,
                    node.span,
                    "`nothing_else_above` is a level",
                    "one of show, mask, pseudonym, blank, hide",
                );
            }
            level.map(|level| (level, node.span))
        });
        Some(Expected::Answer { fields, headers, nothing_else_above })
    }

    /// The members of a map of expectations; none if it is another thing.
    fn expectations<'n>(&mut self, node: &'n Node, key: &str, help: &str) -> &'n [Member] {
        let members = node.members();
        if members.is_none() {
            self.say(Code::WrongKind, node.span, format!("`{key}` is a map, and this is {}", node.kind()), help);
        }
        members.unwrap_or_default()
    }

    fn expected_fields(&mut self, node: &Node) -> Vec<Expectation> {
        let mut fields = Vec::new();
        for member in self.expectations(node, "expect", "write `$.path: value`") {
            match Pattern::parse(&member.key) {
                Ok(pattern) => fields.push(Expectation {
                    pattern,
                    wanted: wanted(&member.node),
                    span: member.key_span,
                    wanted_span: member.node.span,
                }),
                Err(fault) => self.say(
                    Code::PathSyntax,
                    member.key_span,
                    format!("the path `{}` {}", member.key, fault.what),
                    fault.help,
                ),
            }
        }
        fields
    }

    fn expected_headers(&mut self, node: &Node) -> Vec<HeaderExpectation> {
        let mut headers = Vec::new();
        for member in self.expectations(node, "expect_headers", "write `name: value`") {
            let wanted = wanted(&member.node);
            if matches!(&wanted, Wanted::Exactly(value) if !value.is_string()) {
                self.say(Code::WrongKind, member.node.span, "a header's value is a string", "quote it");
            }
            headers.push(HeaderExpectation {
                name: member.key.to_ascii_lowercase(),
                wanted,
                span: member.key_span,
                wanted_span: member.node.span,
            });
        }
        headers
    }

    fn refused(&mut self, node: &Node) -> Option<Expected> {
        if node.members().is_none() {
            let status = self.status(node, 400)?;
            return Some(Expected::Refused { status, reason: None, span: node.span });
        }
        if !self.map(node, "`expect_refused`", &["status", "reason"]) {
            return None;
        }
        let status = self.required(
            node,
            "status",
            "`expect_refused`",
            "write `expect_refused: {status: 502, reason: content_encoding}`",
        )?;
        let status = self.status(status, 400)?;
        let reason = node.get("reason").and_then(|node| self.text(node, "`reason`"));
        Some(Expected::Refused { status, reason, span: node.span })
    }
}

fn level(word: &str) -> Option<Level> {
    [Level::Show, Level::Mask, Level::Pseudonym, Level::Blank, Level::Hide]
        .into_iter()
        .find(|level| super::verdict::word(*level) == word)
}

/// What an expectation asks for. `hidden` and `pseudonym` without quotes are words; quoted, or as `{exactly: …}`, values.
fn wanted(node: &Node) -> Wanted {
    match &node.value {
        Tree::Text { text, plain: true } if &**text == "hidden" => Wanted::Hidden,
        Tree::Text { text, plain: true } if &**text == "pseudonym" => Wanted::Pseudonym,
        Tree::Map(members) => match members.as_slice() {
            [only] if &*only.key == "exactly" => Wanted::Exactly(value(&only.node)),
            _ => Wanted::Exactly(value(node)),
        },
        _ => Wanted::Exactly(value(node)),
    }
}

/// The node as a JSON value. A number that no `f64` holds exactly is the nearest one.
fn value(node: &Node) -> Value {
    match &node.value {
        // The reader has said what is wrong with it.
        Tree::Null | Tree::Refused => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string())),
        Tree::Text { text, .. } => Value::String(text.to_string()),
        Tree::List(elements) => elements.iter().map(value).collect(),
        Tree::Map(members) => {
            Value::Object(members.iter().map(|member| (member.key.to_string(), value(&member.node))).collect())
        }
    }
}
