//! The demonstration: one customer account behind a real Envoy, asked as five scopes, and a harvester who asks for all.
//!
//! `demo` prints the five views side by side, one refused request, what a harvester gets of 37,000 accounts, and ends. `demo up` leaves everything running and
//! prints what to try. Everything that it starts listens on 127.0.0.1 at a free port, and stops when it ends.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a table of the demonstration's own making"
)]

use fieldgate_testkit as support;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use fieldgate::policy::{self, Disk};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use support::bootstrap::{Blanks, Bootstrap};
use support::client::{self, Answer, Protocol, Request};
use support::envoy::{Envoy, Scratch, Tools};
use support::harvester::{Got, get};
use support::marker;
use support::token::Issuer;

type Outcome<T> = Result<T, Box<dyn Error>>;

const POLICY: &str = "policies/telco.yaml";
const ACCOUNT: &str = "/accounts/42";
/// Client and scope of the five callers.
const CALLERS: [(&str, &str); 5] = [
    ("care-app", "care.read"),
    ("billing-app", "billing.read"),
    ("marketing-app", "marketing.read"),
    ("partner-app", "partner.verify"),
    ("analytics-app", "analytics.read"),
];
/// Widest a value is printed.
const WIDTH: usize = 17;
const WITHHELD: &str = "·";

fn main() -> ExitCode {
    let stays_up = std::env::args().nth(1).as_deref() == Some("up");
    match run(stays_up) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(stays_up: bool) -> Outcome<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tools = Tools::find()?;
    let document = policy::load(&Disk, &project.join(POLICY).to_string_lossy()).map_err(|found| found.to_string())?;
    let json = policy::to_json(&document);

    let api = CustomerApi::start()?;
    say(&format!("a customer-account API that shows everything: http://{}", api.address));
    let issuer = Issuer::new();
    let scratch = Scratch::new()?;
    let jwks = scratch.write("jwks.json", &issuer.jwks())?;
    let access_log = scratch.access_log();
    let (wasm, upstream) = (&tools.wasm, api.address);
    let blanks = Blanks { wasm, policy: &json, jwks: &jwks, upstream, access_log: &access_log };
    let bootstrap = Bootstrap::reference(&blanks);
    let version = tools.envoy_version();
    let version = version.split('/').nth(1).unwrap_or(&version).to_owned();
    say(&format!("Envoy {version} with envoy/envoy.yaml and {POLICY}, started through func-e"));
    let key = key();
    let envoy = Envoy::start(&tools, scratch, &bootstrap, Some(&key))?;
    let gate = envoy.listener("api");
    say(&format!("in front of it: http://{gate}"));

    let runtime = Runtime::new()?;
    let tokens: Vec<_> =
        CALLERS.iter().map(|(client, scope)| issuer.token(&json!({"azp": client, "scope": scope}))).collect();
    let ask = |address: SocketAddr, path: &str, token: Option<&String>| {
        let fields = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
        let request = Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            fields: fields.into_iter().collect(),
            body: Vec::new(),
        };
        runtime.block_on(client::ask(address, Protocol::Http1, &request))
    };

    let raw = ask(api.address, ACCOUNT, None);
    let views: Vec<_> = tokens.iter().map(|token| ask(gate, ACCOUNT, Some(token))).collect();
    print!("{}", side_by_side(&raw, &views)?);
    let refused = format!("{ACCOUNT}?fields=passwordHash");
    let answer = ask(gate, &refused, tokens.first());
    println!("\nGET {refused} as {}\n{} {}", CALLERS[0].1, answer.status, String::from_utf8_lossy(&answer.body));

    let token = issuer.token(&json!({"azp": "care-crawler", "scope": CALLERS[0].1}));
    let harvested = runtime.block_on(harvest(gate, &token))?;
    let open = runtime.block_on(harvest(api.address, ""))?;
    print!("{}", harvested.table(CALLERS[0].1, &open));

    if stays_up {
        let try_it = try_it(project, gate, api.address, &tokens)?;
        println!("\n{try_it}");
        let directory = project.join(".demo");
        fs::write(directory.join("key"), &key)?;
        println!("\nThe access log, with the decision record of each response: {}", access_log.display());
        println!("Whose data each client got, by it:\n\n  {}", whose(&access_log));
        std::io::stdout().flush()?;
        runtime.block_on(interrupted())?;
        // Envoy's own directory goes with it.
        let kept = directory.join("access.log");
        fs::copy(&access_log, &kept)?;
        println!("\nstopping; the access log is kept:\n\n  {}", whose(Path::new(".demo/access.log")));
    }
    Ok(())
}

/// Accounts that the harvester asks for: as many thousands as there were millions in the breach of 2022/23.
const ACCOUNTS: u64 = 37_000;

/// Connections of the harvester.
const CONNECTIONS: u64 = 32;

/// What the harvester got, in the order in which it got worse.
#[derive(Default)]
struct Harvest {
    /// What a customer looked like, in how many answers, and the number of the first request that got it.
    rungs: Vec<(String, u64, u64)>,
}

/// Asks for every account, one after the other, on a few connections at once.
async fn harvest(gate: SocketAddr, token: &str) -> Outcome<Harvest> {
    let next = Arc::new(AtomicU64::new(1));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (next, token) = (Arc::clone(&next), token.to_owned());
            tokio::spawn(async move {
                let mut seen: Vec<(u64, String)> = Vec::new();
                let Ok(mut socket) = TcpStream::connect(gate).await else { return seen };
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > ACCOUNTS {
                        return seen;
                    }
                    match get(&mut socket, &format!("/accounts/{number}"), &token).await {
                        Some(got) => seen.push((number, rung(&got))),
                        None => return seen,
                    }
                }
            })
        })
        .collect();
    let mut seen = Vec::new();
    for client in clients {
        seen.extend(client.await?);
    }
    seen.sort_unstable();
    let mut harvest = Harvest::default();
    for (number, what) in seen {
        match harvest.rungs.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, count, _)) => *count += 1,
            None => harvest.rungs.push((what, 1, number)),
        }
    }
    Ok(harvest)
}

/// What the harvester was shown: how a view looks, without a value of it.
fn rung(got: &Got) -> String {
    let text = |place: &str| got.body.pointer(place).and_then(Value::as_str);
    match (got.status, text("/id"), text("/email")) {
        (200, _, Some(email)) if email.contains("***") => "masked".to_owned(),
        (200, Some(id), _) if id.starts_with("ps_") => "pseudonyms".to_owned(),
        (200, ..) => "in full".to_owned(),
        (status, ..) => format!("status {status}"),
    }
}

impl Harvest {
    /// Customers that left.
    fn left(&self) -> u64 {
        self.rungs.iter().filter(|(what, ..)| !what.starts_with("status")).map(|(_, count, _)| count).sum()
    }

    fn table(&self, scope: &str, open: &Self) -> String {
        let mut text = format!("\nGET /accounts/1 to /accounts/{ACCOUNTS}, as {scope}: a harvester\n\n");
        text.push_str("what it gets   customers   from request\n");
        text.push_str(&"─".repeat(40));
        text.push('\n');
        for (what, count, first) in &self.rungs {
            text.push_str(&format!("{what:<12}  {count:>10}   {first:>12}\n"));
        }
        text.push_str(&format!(
            "\n{} of {ACCOUNTS} customers left. Without fieldgate: {}.\n",
            self.left(),
            open.left()
        ));
        text
    }
}

fn say(progress: &str) {
    eprintln!("demo: {progress}");
}

/// A key for pseudonyms that lasts as long as the demonstration.
fn key() -> String {
    let bytes: Vec<u8> = (0..4).flat_map(|_| marker::random().to_be_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The upstream's process.
struct CustomerApi {
    process: Child,
    address: SocketAddr,
}

impl CustomerApi {
    fn start() -> Outcome<Self> {
        let program = std::env::current_exe()?.with_file_name("customer-api");
        let mut process = Command::new(&program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("customer-api says nothing")?;
        BufReader::new(output).read_line(&mut line)?;
        match line.trim().strip_prefix("listening on ").map(str::parse) {
            Some(Ok(address)) => Ok(Self { process, address }),
            _ => {
                process.kill()?;
                Err(format!("{} does not say where it listens", program.display()).into())
            }
        }
    }
}

impl Drop for CustomerApi {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Field × caller: what the API sent, and what each caller got of it.
fn side_by_side(raw: &Answer, views: &[Answer]) -> Outcome<String> {
    let sent = leaves(&raw.body)?;
    let seen = views.iter().map(|view| leaves(&view.body)).collect::<Result<Vec<_>, _>>()?;
    let mut table = vec![["field", "the API sends"].map(str::to_owned).to_vec()];
    table[0].extend(CALLERS.iter().map(|(_, scope)| (*scope).to_owned()));
    for (place, values) in &sent.0 {
        let mut row = vec![place.clone(), shortened(values)];
        row.extend(seen.iter().map(|view| view.get(place).map_or_else(|| WITHHELD.to_owned(), shortened)));
        table.push(row);
    }
    let mut totals = vec!["fields withheld".to_owned(), format!("of {}", sent.0.len())];
    totals.extend(seen.iter().map(|view| (sent.0.len() - view.0.len()).to_string()));
    let mut sizes = vec!["body, bytes".to_owned(), raw.body.len().to_string()];
    sizes.extend(views.iter().map(|view| view.body.len().to_string()));
    let mut headers = vec!["headers withheld".to_owned(), format!("of {}", raw.fields.len())];
    let missing =
        |view: &Answer| raw.fields.iter().filter(|(name, _)| view.values(name).is_empty()).count().to_string();
    headers.extend(views.iter().map(missing));
    let status: Vec<_> = ["status".to_owned(), raw.status.to_string()]
        .into_iter()
        .chain(views.iter().map(|view| view.status.to_string()))
        .collect();
    table.extend([totals, headers, sizes, status]);

    let is_plain =
        !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let mut text = format!("\nGET {ACCOUNT}, as five scopes ({WITHHELD} withheld)\n\n");
    let widths: Vec<_> = (0..table[0].len())
        .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let body = 1..=sent.0.len();
    for (index, row) in table.iter().enumerate() {
        if index == 1 || index == body.end() + 1 {
            text.push_str(&"─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
            text.push('\n');
        }
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padded = format!("{cell:<width$}  ");
            let style = match () {
                () if is_plain || column < 2 || !body.contains(&index) => "",
                () if cell == WITHHELD => "2",
                () if *cell == row[1] => "32",
                () => "33",
            };
            line.push_str(&if style.is_empty() { padded } else { format!("\x1b[{style}m{padded}\x1b[0m") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

/// The scalars of a body, by place: elements of an array share a place.
#[derive(Default)]
struct Leaves(Vec<(String, Vec<String>)>);

impl Leaves {
    fn get(&self, place: &str) -> Option<&[String]> {
        self.0.iter().find(|(known, _)| known == place).map(|(_, values)| values.as_slice())
    }

    fn add(&mut self, place: &str, value: &Value) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| self.add(&format!("{place}.{name}"), value))
            }
            Value::Array(elements) => elements.iter().for_each(|value| self.add(&format!("{place}[*]"), value)),
            scalar => {
                let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned);
                match self.0.iter_mut().find(|(known, _)| known == place) {
                    Some((_, values)) => values.push(text),
                    None => self.0.push((place.to_owned(), vec![text])),
                }
            }
        }
    }
}

fn leaves(body: &[u8]) -> Outcome<Leaves> {
    let mut leaves = Leaves::default();
    leaves.add("$", &serde_json::from_slice(body)?);
    Ok(leaves)
}

/// The first value of a place, cut to the table's width, and how many there are.
fn shortened(values: &[String]) -> String {
    let many = if values.len() > 1 { format!(" ×{}", values.len()) } else { String::new() };
    let first = values.first().map(String::as_str).unwrap_or_default();
    let room = WIDTH - many.chars().count();
    if first.chars().count() <= room {
        return format!("{first}{many}");
    }
    let kept: String = first.chars().take(room - 1).collect();
    format!("{kept}…{many}")
}

/// The lines to try by hand. The tokens are in files, so that the lines stay short.
fn try_it(project: &Path, gate: SocketAddr, api: SocketAddr, tokens: &[String]) -> Outcome<String> {
    let directory = project.join(".demo");
    fs::create_dir_all(&directory)?;
    let mut text = "Everything stays up until Ctrl-C; the tokens are good for an hour. To try:\n\n".to_owned();
    let files: BTreeMap<&str, PathBuf> =
        CALLERS.iter().map(|(_, scope)| (*scope, directory.join(format!("{scope}.jwt")))).collect();
    for ((_, scope), token) in CALLERS.iter().zip(tokens) {
        fs::write(&files[scope], token)?;
        text.push_str(&format!(
            "  curl -s -H \"authorization: Bearer $(cat .demo/{scope}.jwt)\" http://{gate}{ACCOUNT}\n"
        ));
    }
    let more = [
        ("care.read", "/accounts/7/invoices?page=2"),
        ("analytics.read", "/accounts/7/calls"),
        ("care.read", "/accounts/7/calls"),
        ("care.read", "/accounts/7?expand=everything"),
    ];
    for (scope, path) in more {
        text.push_str(&format!(
            "  curl -s -H \"authorization: Bearer $(cat .demo/{scope}.jwt)\" 'http://{gate}{path}'\n"
        ));
    }
    text.push_str(&format!("\nand without the gate:\n\n  curl -si http://{api}{ACCOUNT}"));
    Ok(text)
}

/// The line that asks a log whose data a client of the demonstration got.
fn whose(log: &Path) -> String {
    format!(
        "FIELDGATE_KEY=$(cat .demo/key) cargo run --quiet -- ledger {} --client {} --policy {POLICY}",
        log.display(),
        CALLERS[0].0
    )
}

/// Waits for Ctrl-C, or to be told to stop.
async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome,
        _ = terminate.recv() => Ok(()),
    }
}
