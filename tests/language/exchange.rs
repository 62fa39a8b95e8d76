//! Exchanges as the page writes them, run on the core.
//!
//! ```text
//! GET /accounts/42 (care.read @acme) at 2027-01-30
//! > x-request-header: value
//! ~ header-as-forwarded: value, or `removed`
//! < 200
//! < upstream-header: value
//! < the upstream's body
//! = 200, and a refusal's reason
//! = header-of-the-answer: value, or `absent`; `route:` is the route's name
//! = the body of the answer
//! ```

use std::collections::BTreeMap;
use std::rc::Rc;

use fieldgate::budget::MemoryStore;
use fieldgate::caller::{Caller, Evidence};
use fieldgate::exchange::{Exchange, Headers, Request, RequestDirective, Response, respond_with};
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;
use serde_json::Value;

/// The key of the page's pseudonyms.
const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";

/// Headers and body of lines with one mark, and a status, as far as one is there.
#[derive(Default)]
struct Message {
    status: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<String>,
}

impl Message {
    fn take(&mut self, line: &str) {
        let name =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let status = line.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match line.split_once(':') {
            _ if self.status.is_none() && self.body.is_empty() && self.headers.is_empty() && status.is_some() => {
                self.status = Some(line.to_owned());
            }
            Some((key, value)) if self.body.is_empty() && name(key) => {
                self.headers.push((key.to_owned(), value.trim().to_owned()));
            }
            _ => self.body.push(line.to_owned()),
        }
    }

    fn bytes(&self) -> Headers {
        self.headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes())).collect()
    }
}

/// Runs the exchanges of a block: what is wrong with each.
pub(crate) fn run(files: &BTreeMap<String, String>, text: &str) -> Vec<String> {
    let (policy, _) =
        policy::load(files, "policy.yaml").and_then(|doc| policy::check(&doc)).expect("it has been checked");
    let key = PseudonymKey::from_base64(KEY).expect("a key");
    let program = Rc::new(Program::new(policy, Some(key)).expect("a key is there"));
    // The exchanges of a block follow each other, so budgets know of those before.
    let mut store = MemoryStore::default();
    text.split("\n\n")
        .filter_map(|one| exchange(&program, one, &mut store).err().map(|fault| format!("{one}\n{fault}")))
        .collect()
}

fn exchange(program: &Rc<Program>, text: &str, store: &mut MemoryStore) -> Result<(), String> {
    let (first, rest) = text.split_once('\n').ok_or("an exchange is more than its request")?;
    let (mut asks, mut forwarded, mut upstream, mut answer) =
        (Message::default(), Message::default(), Message::default(), Message::default());
    for line in rest.lines() {
        let message = match line.as_bytes().first() {
            Some(b'>') => &mut asks,
            Some(b'~') => &mut forwarded,
            Some(b'<') => &mut upstream,
            Some(b'=') => &mut answer,
            _ => return Err(format!("a line without a mark: {line}")),
        };
        message.take(line.get(2..).unwrap_or_default());
    }
    let asked = rest.contains("< ") || rest.contains("\n<");
    let request = request(program, first, asks.bytes())?;

    let mut came = String::new();
    let mut exchange = Exchange::new(Rc::clone(program));
    let mut head = vec![
        (b":method".to_vec(), request.method.clone().into_bytes()),
        (b":path".to_vec(), request.target.clone().into_bytes()),
    ];
    head.extend(request.headers.iter().cloned());
    let directive = exchange.on_request(&head, request.caller.clone(), request.now);
    let got_refused = matches!(directive, RequestDirective::Refuse(_));
    // Budgets are asked below, with the store.
    if directive != RequestDirective::Reserve && asked == got_refused {
        came.push_str(if asked { "the upstream is not asked\n" } else { "the upstream is asked\n" });
    }
    if let RequestDirective::Forward { remove, set } = directive {
        for (name, wanted) in &forwarded.headers {
            let is = match set.iter().find(|(known, _)| known == name) {
                Some((_, value)) => (*value).to_owned(),
                None if remove.iter().any(|known| known == name) => "removed".to_owned(),
                None => "as it came".to_owned(),
            };
            if is != *wanted {
                came.push_str(&format!("~ {name}: {is}\n"));
            }
        }
    }

    let mut headers = upstream.bytes();
    if !upstream.headers.iter().any(|(name, _)| name == "content-type") {
        headers.push((b"content-type".to_vec(), b"application/json".to_vec()));
    }
    let status = upstream.status.as_deref().unwrap_or("200").parse().map_err(|_| "a status is a number")?;
    let body = upstream.body.join("\n").into_bytes();
    let got = respond_with(program, request, &Response { status, headers, body }, store);

    let refusal = got.report.refusal;
    let line = match refusal {
        Some(refusal) => format!("{} {}", got.status, refusal.reason()),
        None => got.status.to_string(),
    };
    if answer.status.as_deref() != Some(&line) {
        came.push_str(&format!("= {line}\n"));
    }
    for (name, wanted) in &answer.headers {
        let is = if name == "route" {
            let route = got.report.route.and_then(|id| program.policy().routes.get(usize::from(id.0)));
            route.map_or("absent", |route| route.name.as_str()).to_owned()
        } else {
            let found = got.headers.iter().find(|(known, _)| known == name.as_bytes());
            found.map_or("absent".into(), |(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        if is != *wanted {
            came.push_str(&format!("= {name}: {is}\n"));
        }
    }
    let body = String::from_utf8_lossy(&got.body);
    if refusal.is_none() && body.trim_end_matches('\n') != answer.body.join("\n") {
        came.push_str(&format!("= {body}\n"));
    }
    if came.is_empty() { Ok(()) } else { Err(format!("--- but\n{came}")) }
}

/// `METHOD TARGET`, who is asking, and when.
fn request(program: &Program, line: &str, headers: Headers) -> Result<Request, String> {
    let (line, now) = match line.rsplit_once(" at ") {
        Some((line, moment)) => (line, Some(Moment::parse(moment).ok_or(format!("no moment: {moment}"))?)),
        // Without a clock no window can be told.
        None => (line, program.budgets().and_then(|_| Moment::parse("2027-01-31T12:00:00Z"))),
    };
    let mut words = line.splitn(3, ' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().ok_or("a method and a target")?);
    let who = words.next().unwrap_or_default();
    let policy = program.policy();
    let caller = if let Some(claims) = who.strip_prefix("claims ") {
        let claims: Value = serde_json::from_str(claims).map_err(|error| error.to_string())?;
        Caller::identify(policy, Evidence::Claims(claims), &headers)
    } else if let Some(uri) = who.strip_prefix("certificate ") {
        Caller::identify(policy, Evidence::PeerUri(uri.as_bytes()), &headers)
    } else if let Some(names) = who.strip_prefix('(').and_then(|names| names.strip_suffix(')')) {
        let (clients, scopes): (Vec<&str>, Vec<&str>) = names.split(' ').partition(|name| name.starts_with('@'));
        let client = clients.first().map_or("", |client| client.trim_start_matches('@'));
        Caller::new(policy, client, scopes.into_iter().map(str::to_owned).collect(), Value::Null)
    } else if who.is_empty() {
        Caller::identify(policy, Evidence::Nothing, &headers)
    } else {
        return Err(format!("nobody is `{who}`"));
    };
    Ok(Request { method: method.to_owned(), target: target.to_owned(), headers, caller, now })
}
