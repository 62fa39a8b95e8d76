//! Whose data did they get? A day of mixed traffic at a real Envoy: what `fieldgate ledger` reads from the access log, what the
//! upstream has sent, and what arrived at the clients.
//!
//! What arrived at a client is among what the ledger names, and that is among what the upstream has sent for it. Of answers that
//! are whole, all three are one. Of those that are cut the ledger names what had gone to Envoy. Of those that are refused, or
//! that nobody waits for, it names none, whatever the upstream has sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fieldgate::model::moment::Moment;
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::ledger::{Ledger, Question, Tags, read};
use fieldgate_workbench::replay::{ReplayCase, windows};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::streams::Test;
use super::support::bootstrap::{Blanks, Bootstrap};
use super::support::envoy::{Envoy, Scratch};
use super::world::{KEY, World};

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    vec![
        ("the ledger agrees with the upstream and the clients on a day of mixed traffic".to_owned(), Box::new(mixed)),
        ("who has many client ids gets so many budgets, and the ledger names each".to_owned(), Box::new(many_ids)),
    ]
}

/// Most records of a page: over 64 KiB of them, so that the first go before the last have come.
const PAGE: u64 = 120;

/// Bytes that fill up a record.
const FILLER: usize = 1000;

/// No request takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

const DAY: &str = r"
language: 1
policy: day
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
classes: {key: {about: ids}, open: {about: open}, secret: {about: Granted to nobody}}
shapes:
  account:
    $.id:     {class: key, pseudonym: customer, subject: customer}
    $.name:   open
    $.filler: open
    $.code:   secret
routes:
  one:  {match: 'GET /accounts/{id}', area: a, subject: {customer: '{id}'}, body: {$: {shape: account}}}
  list:
    match: GET /accounts
    area: a
    query: [from, limit, as]
    body: {'$.items[*]': {shape: account}}
    max_records: {at: '$.items[*]', max: 120, over: truncate, query: limit}
scopes:
  full: {areas: [a], grant: {key: show, open: show}}
  link: {areas: [a], grant: {key: pseudonym, open: show}}
clients: {'*': {}, shop: {}}
budgets: {day: {areas: [a], count: {distinct: customer}, per: 1d, max: 1000000}}
";

/// Whose records the upstream has begun to send, by whom they were asked for.
type Sent = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// An API of accounts that counts for whom it sends which.
struct Api {
    address: SocketAddr,
    sent: Sent,
    accepting: JoinHandle<()>,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Api {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Sent::default();
        let counts = Arc::clone(&sent);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sent = Arc::clone(&counts);
                tokio::spawn(async move { serve(socket, &sent).await });
            }
        });
        Self { address, sent, accepting }
    }
}

fn record(id: u64) -> String {
    let (name, filler) = (format!("of-A{id};"), "f".repeat(FILLER));
    json!({"id": format!("A{id}"), "code": "withheld", "name": name, "filler": filler}).to_string()
}

/// Answers one request, as its `as` says.
async fn serve(mut socket: TcpStream, sent: &Sent) -> Option<()> {
    let mut input = Vec::new();
    while memchr::memmem::find(&input, b"\r\n\r\n").is_none() {
        if socket.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&input).into_owned();
    let target = head.split(' ').nth(1)?.to_owned();
    let who = head.lines().find_map(|line| line.strip_prefix("x-asker: "))?.trim().to_owned();
    let query = |name: &str| target.split_once(&format!("{name}="))?.1.split('&').next();
    let number = |name: &str| query(name).and_then(|text| text.parse::<u64>().ok());
    let manner =
        query("as").or_else(|| head.lines().find_map(|line| line.strip_prefix("x-manner: "))).unwrap_or("whole");
    let (ids, is_page) = match number("from") {
        Some(from) => ((from..from + number("limit").unwrap_or(PAGE)).collect::<Vec<_>>(), true),
        None => (vec![target.rsplit('A').next()?.parse().ok()?], false),
    };
    if manner == "slow" {
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    if manner == "left" {
        // Envoy ends its own request when it knows that its client has left.
        while socket.read_buf(&mut input).await.ok()? > 0 {}
        return None;
    }
    let status = if manner == "gone" { "404 Not Found" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    socket.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.ok()?;
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    if manner == "gone" {
        socket.write_all(&chunk(r#"{"title":"no such account"}"#)).await.ok()?;
        return socket.write_all(b"0\r\n\r\n").await.ok();
    }
    if is_page {
        socket.write_all(&chunk(r#"{"items":["#)).await.ok()?;
    }
    for (at, id) in ids.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Before it is written: nothing arrives that is not counted.
        sent.lock().unwrap().entry(who.clone()).or_default().insert(format!("A{id}"));
        socket.write_all(&chunk(&format!("{comma}{}", record(*id)))).await.ok()?;
        let most_of_it = at * 10 > ids.len() * 8;
        match manner {
            "cut" if most_of_it => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                return None;
            }
            "broken" if most_of_it => {
                socket.write_all(&chunk(",nonsense")).await.ok()?;
            }
            "stalls" if most_of_it => tokio::time::sleep(Duration::from_millis(40)).await,
            _ => {}
        }
    }
    if manner == "malformed" {
        socket.write_all(&chunk("}nonsense")).await.ok()?;
    }
    socket.write_all(&chunk(if is_page { "]}" } else { " " })).await.ok()?;
    socket.write_all(b"0\r\n\r\n").await.ok()
}

/// Who asks.
#[derive(Clone)]
struct Asker {
    envoy: SocketAddr,
    name: String,
    token: String,
}

impl Asker {
    fn new(world: &World, envoy: SocketAddr, name: &str, scope: &str) -> Self {
        let token = world.token(&json!({"azp": name, "scope": scope}));
        Self { envoy, name: name.to_owned(), token }
    }

    /// Asks, reads for as long as it stays, and says which status came and whose records are in the bytes.
    async fn ask(&self, target: &str, manner: &str, stays: Duration) -> (u16, BTreeSet<String>) {
        let mut socket = TcpStream::connect(self.envoy).await.unwrap();
        let (name, token) = (&self.name, &self.token);
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\nx-asker: {name}\r\nx-manner: {manner}\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let reading = async { while socket.read_buf(&mut got).await.is_ok_and(|count| count > 0) {} };
        let _ = tokio::time::timeout(stays, reading).await;
        let text = String::from_utf8_lossy(&got).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        // Chunks may begin anywhere: what is read is the body without their lines.
        let body: String = text.split("\r\n\r\n").skip(1).collect::<Vec<_>>().join("");
        let body: String =
            body.split("\r\n").filter(|line| line.len() > 8 || u64::from_str_radix(line, 16).is_err()).collect();
        let ids = body.split("of-").skip(1).filter_map(|rest| rest.split_once(';')).map(|(id, _)| id.to_owned());
        (status, ids.collect())
    }
}

fn start(world: &World, policy: &str) -> Result<(Api, Envoy), String> {
    let api = world.runtime.block_on(Api::start());
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let path = scratch.write("policy.yaml", policy).map_err(|error| error.to_string())?;
    let document = fieldgate::policy::load(&fieldgate::policy::Disk, &path.to_string_lossy());
    let policy = fieldgate::policy::to_json(&document.map_err(|found| found.to_string())?);
    let jwks = scratch.write("jwks.json", &world.issuer.jwks()).map_err(|error| error.to_string())?;
    let access_log = &scratch.access_log();
    let blanks = Blanks { wasm: &world.tools.wasm, policy: &policy, jwks: &jwks, upstream: api.address, access_log };
    let envoy = Envoy::start_with(&world.tools, scratch, &Bootstrap::reference(&blanks), Some(KEY), 2)?;
    Ok((api, envoy))
}

fn tags() -> Tags {
    Tags::new(&PseudonymKey::from_base64(KEY).unwrap())
}

/// The access log's lines, once there are so many.
fn log(envoy: &Envoy, asked: usize) -> Result<Vec<String>, String> {
    super::lifecycle::until("the log has all lines", || envoy.access_log().len() >= asked)?;
    let lines = envoy.access_log();
    if lines.len() == asked { Ok(lines) } else { Err(format!("{} lines of {asked} requests", lines.len())) }
}

fn ask_ledger(question: Question, lines: &[String]) -> Ledger {
    let mut ledger = Ledger::new(question, (None, None), Some(tags()), None);
    lines.iter().for_each(|line| ledger.take(read(line.as_bytes())));
    ledger
}

/// Whose data a client got, by the ledger, among the ids of a list.
fn named(lines: &[String], client: &str, ids: &HashMap<u128, String>) -> Result<BTreeSet<String>, String> {
    let ledger = ask_ledger(Question::Client(client.to_owned()), lines);
    let summary = ledger.summary();
    if summary.broken + summary.unwritten + summary.unknown + summary.timeless + summary.other_key > 0 {
        return Err(format!("{client}: {summary:?}"));
    }
    ledger.subjects(ids).into_iter().map(|named| named.id.ok_or_else(|| format!("{client}: a tag of nobody"))).collect()
}

/// What came of a request.
struct Came {
    who: usize,
    manner: &'static str,
    status: u16,
    got: BTreeSet<String>,
    asked: BTreeSet<String>,
}

fn mixed(world: &World) -> Result<(), String> {
    const ASKERS: usize = 75;
    let (api, envoy) = start(world, DAY)?;
    let address = envoy.listener("api");
    let asker = |number: usize| {
        let name = if number == 0 { "shop".to_owned() } else { format!("client-{number}") };
        Asker::new(world, address, &name, if number.is_multiple_of(3) { "link" } else { "full" })
    };
    let askers: Vec<Asker> = (0..ASKERS).map(asker).collect();
    let nobody = Asker { token: "none".to_owned(), ..askers[1].clone() };
    let scopeless = Asker::new(world, address, "client-2", "other");
    let pages = ["whole", "cut", "broken", "stalls", "leaves", "slow-leaves", "more", "refused", "whole"];
    let singles = ["whole", "gone", "malformed", "nobody", "scopeless", "no-route", "whole", "gone-away"];
    let came: Vec<Came> = world.runtime.block_on(async {
        let mut asked = Vec::new();
        let room = Arc::new(tokio::sync::Semaphore::new(12));
        for (who, asker) in askers.iter().enumerate() {
            // Some people are asked about by several clients.
            let from = 1 + (who as u64 % 40) * 1000;
            let page = pages[who % pages.len()];
            for (at, manner) in singles.into_iter().chain([page]).enumerate() {
                let (asker, nobody, scopeless) = (asker.clone(), nobody.clone(), scopeless.clone());
                let room = Arc::clone(&room);
                asked.push(tokio::spawn(async move {
                    let _turn = room.acquire_owned().await;
                    let is_page = at == singles.len();
                    let limit = if manner == "more" { PAGE + 30 } else { PAGE };
                    let ids = if is_page { from..from + limit } else { from + at as u64..from + at as u64 + 1 };
                    let (upstream, stays) = match manner {
                        "leaves" => ("stalls", Duration::from_millis(500)),
                        "slow-leaves" | "gone-away" => ("left", Duration::from_millis(200)),
                        "more" => ("whole", PATIENCE),
                        other => (other, PATIENCE),
                    };
                    let target = match (is_page, manner) {
                        (true, "refused") => format!("/accounts?from={from}&limit={limit}&expand=all"),
                        (true, _) => format!("/accounts?from={from}&limit={limit}&as={upstream}"),
                        (false, "no-route") => format!("/elsewhere/A{}", ids.start),
                        (false, _) => format!("/accounts/A{}", ids.start),
                    };
                    let asker = match manner {
                        "nobody" => nobody,
                        "scopeless" => scopeless,
                        _ => asker,
                    };
                    let (status, got) = asker.ask(&target, upstream, stays).await;
                    Came { who, manner, status, got, asked: ids.map(|id| format!("A{id}")).collect() }
                }));
            }
        }
        let mut came = Vec::new();
        for asked in asked {
            came.push(asked.await.unwrap());
        }
        came
    });
    // Who left has left when Envoy knows.
    std::thread::sleep(Duration::from_millis(1_500));
    let lines = log(&envoy, came.len())?;
    let sent = api.sent.lock().unwrap().clone();
    judge(&askers, &came, &lines, &sent)?;
    reverse(&askers, &came, &lines)
}

/// Compares the three for each client.
fn judge(
    askers: &[Asker],
    came: &[Came],
    lines: &[String],
    sent: &BTreeMap<String, BTreeSet<String>>,
) -> Result<(), String> {
    let everybody = came.iter().flat_map(|came| &came.asked);
    let ids: HashMap<u128, String> = everybody.map(|id| (tags().of("customer", id), id.clone())).collect();
    let (mut wrong, mut equal, mut people) = (Vec::new(), 0, [0; 3]);
    for (who, asker) in askers.iter().enumerate() {
        let of_client: Vec<&Came> = came.iter().filter(|came| came.who == who).collect();
        let named = named(lines, &asker.name, &ids)?;
        let got: BTreeSet<String> = of_client.iter().flat_map(|came| came.got.clone()).collect();
        let sent = sent.get(&asker.name).cloned().unwrap_or_default();
        if !(got.is_subset(&named) && named.is_subset(&sent)) {
            let missing: Vec<_> = got.difference(&named).collect();
            let invented: Vec<_> = named.difference(&sent).collect();
            wrong.push(format!("{}: not named {missing:?}, never sent {invented:?}", asker.name));
        }
        let is_whole = |came: &&&Came| matches!(came.manner, "whole" | "more" | "stalls") && came.status == 200;
        let whole: BTreeSet<String> = of_client.iter().filter(is_whole).flat_map(|came| came.got.clone()).collect();
        // Behind the end of a text nothing may come: it has gone when that is seen.
        let may_be_more = of_client.iter().any(|came| {
            matches!(came.manner, "cut" | "broken" | "leaves") || (came.manner == "malformed" && came.status == 200)
        });
        for came in of_client.iter().filter(is_whole).filter(|came| came.got.len() < came.asked.len()) {
            if came.manner != "more" || came.got.len() as u64 != PAGE {
                wrong.push(format!("{}: {} of {} sent arrived", asker.name, came.got.len(), came.asked.len()));
            }
        }
        // What was not cut: exactly what arrived.
        if !may_be_more && named != whole {
            wrong.push(format!("{}: {} named, {} in whole answers", asker.name, named.len(), whole.len()));
        }
        equal += usize::from(named == got);
        people = [people[0] + got.len(), people[1] + named.len(), people[2] + sent.len()];
    }
    let mut statuses: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    came.iter().for_each(|came| *statuses.entry((came.manner, came.status)).or_default() += 1);
    println!(
        "{} requests of {} clients: {} people arrived, {} are named, {} were sent; named is arrived for {equal} clients; {statuses:?}",
        came.len(),
        askers.len(),
        people[0],
        people[1],
        people[2]
    );
    for expected in
        [("whole", 200), ("cut", 200), ("nobody", 401), ("scopeless", 403), ("no-route", 403), ("refused", 400)]
    {
        if !statuses.contains_key(&expected) {
            wrong.push(format!("nothing of {expected:?} came"));
        }
    }
    if came.iter().all(|came| came.manner != "cut" || came.got.is_empty()) {
        wrong.push("nothing arrived of pages that were cut".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Who got data about a person: every client to whom a byte of it came is named.
fn reverse(askers: &[Asker], came: &[Came], lines: &[String]) -> Result<(), String> {
    for id in ["A1", "A7", "A1001", "A39001", "A999999"] {
        let ledger = ask_ledger(Question::Subject(id.to_owned()), lines);
        let named = ledger.releases().len();
        let clients: BTreeSet<&str> =
            came.iter().filter(|came| came.got.contains(id)).map(|came| askers[came.who].name.as_str()).collect();
        if named < clients.len() || (named > 0) == clients.is_empty() {
            return Err(format!("{id}: {named} releases in the ledger, {clients:?} got something"));
        }
    }
    Ok(())
}

/// What one client may have in the rows of many ids.
const MAX: u64 = 12;

fn many_ids(world: &World) -> Result<(), String> {
    const IDS: usize = 75;
    let policy = DAY.replace("per: 1d, max: 1000000", &format!("per: 365d, max: {MAX}"));
    let (_api, envoy) = start(world, &policy)?;
    let address = envoy.listener("api");
    let askers: Vec<Asker> = (0..IDS).map(|id| Asker::new(world, address, &format!("client-{id}"), "full")).collect();
    let came: Vec<(u16, BTreeSet<String>)> = world.runtime.block_on(async {
        let room = Arc::new(tokio::sync::Semaphore::new(12));
        let mut asked = Vec::new();
        for (who, asker) in askers.iter().enumerate() {
            // More than one id may have, and each account new.
            for account in 0..MAX + 3 {
                let (asker, room) = (asker.clone(), Arc::clone(&room));
                asked.push(tokio::spawn(async move {
                    let _turn = room.acquire_owned().await;
                    asker.ask(&format!("/accounts/A{}", who as u64 * 100 + account), "whole", PATIENCE).await
                }));
            }
        }
        let mut came = Vec::new();
        for asked in asked {
            came.push(asked.await.unwrap());
        }
        came
    });
    let lines = log(&envoy, came.len())?;
    let got: BTreeSet<String> = came.iter().flat_map(|(_, got)| got.clone()).collect();
    let ids: HashMap<u128, String> = got.iter().map(|id| (tags().of("customer", id), id.clone())).collect();
    let ledger = ask_ledger(Question::Top, &lines);
    let most: Vec<u64> = ledger.top().iter().map(|(_, top)| top.subjects).collect();
    let mut together = BTreeSet::new();
    for asker in &askers {
        together.extend(named(&lines, &asker.name, &ids)?);
    }
    // The arithmetic of `fieldgate replay`: so many clients, so many windows, so many of each.
    let case = ReplayCase { accounts: 10_000, seconds: 1, from: Moment(0) };
    let arithmetic = windows(case, 365 * 86_400) * MAX * IDS as u64;
    let statuses: BTreeMap<u16, usize> = came.iter().fold(BTreeMap::new(), |mut statuses, (status, _)| {
        *statuses.entry(*status).or_default() += 1;
        statuses
    });
    println!(
        "{IDS} ids of one caller: {} accounts arrived, {} are named, {arithmetic} by arithmetic; statuses {statuses:?}",
        got.len(),
        together.len()
    );
    let is_so = got.len() as u64 == arithmetic && together == got && most == vec![MAX; IDS];
    let expected = BTreeMap::from([(200, IDS * MAX as usize), (429, IDS * 3)]);
    if is_so && statuses == expected {
        Ok(())
    } else {
        Err(format!("{} arrived, {} named, {arithmetic} by arithmetic, by id {most:?}", got.len(), together.len()))
    }
}
