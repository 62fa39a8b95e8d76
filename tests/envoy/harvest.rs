//! A harvester in front of a real Envoy: many connections, several workers, one budget (rules 34 to 37).
//!
//! A request is admitted after it was sent and before the upstream stamps its answer with the time, so the two seconds tell its
//! window, or the few that it may be. Every account is asked for once, and ten times more are asked for than may leave: each
//! window must end full, and never a subject over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::lifecycle::until;
use super::streams::Test;
use super::support::bootstrap::{Blanks, Bootstrap, RATE_LIMITS};
use super::support::envoy::{Envoy, Scratch};
use super::support::harvester::{Got, get};
use super::support::ratelimit::Service;
use super::world::{KEY, World};

/// Connections of one harvester.
const CONNECTIONS: usize = 64;

/// How long one run lasts: so many windows of a second, and a part of one at each end.
const SECONDS: u64 = 3;

/// How much longer it may last on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = Vec::new();
    // All pairs under `make soak`; here each value once.
    let pairs = [(2, None), (4, Some(10))];
    let all = [2, 4].into_iter().flat_map(|workers| [None, Some(1), Some(10), Some(100)].map(|page| (workers, page)));
    let whole = std::env::var_os("FIELDGATE_HARVEST").is_some();
    let rows: Vec<(u32, Option<u64>)> = if whole { all.collect() } else { pairs.to_vec() };
    for (workers, page) in rows {
        let what = page.map_or_else(|| "one account".to_owned(), |page| format!("pages of {page}"));
        let claim = format!("a window never releases more than max: {workers} workers, {what}, local");
        tests.push((claim, Box::new(move |world| local(world, workers, page))));
    }
    let pairs = [(1, 2, None), (2, 2, Some(10))];
    let all = [1, 2].into_iter().flat_map(|envoys| {
        [2, 4]
            .into_iter()
            .flat_map(move |workers| [None, Some(1), Some(10), Some(100)].map(|page| (envoys, workers, page)))
    });
    let rows: Vec<(usize, u32, Option<u64>)> = if whole { all.collect() } else { pairs.to_vec() };
    for (envoys, workers, page) in rows {
        let what = page.map_or_else(|| "one account".to_owned(), |page| format!("pages of {page}"));
        let claim = format!(
            "a window never releases more than max: {envoys} Envoys, {workers} workers, {what}, rate limit service"
        );
        tests.push((claim, Box::new(move |world| together(world, envoys, workers, page))));
    }
    tests.push(("a rate limit service that fails ends in on_error, and nothing hangs".to_owned(), Box::new(failures)));
    tests.push((
        "a rate limit service that outlasts Envoy's patience is one that did not answer".to_owned(),
        Box::new(idle),
    ));
    tests.push(("the ladder is seen through Envoy, and ends in 429 with Retry-After".to_owned(), Box::new(ladder)));
    tests.push(("what a caller that leaves was sent counts, and nothing stays reserved".to_owned(), Box::new(leavers)));
    tests
}

fn policy(budget: &Value) -> String {
    json!({
        "language": 1, "policy": "harvest",
        "identity": {"source": "jwt_authn", "payload": "verified_jwt", "client": "azp", "scopes": "scope"},
        "classes": {"key": {"about": "ids"}, "open": {"about": "open"}, "name": {"about": "names"}},
        "shapes": {"account": {
            "$.id": {"class": "key", "pseudonym": "customer", "subject": "customer"},
            "$.name": {"class": "name", "mask": "initials"},
        }},
        "routes": {
            "one": {
                "match": "GET /accounts/{id}", "area": "a", "subject": {"customer": "{id}"},
                "body": {"$": {"shape": "account"}, "$.at": "open"},
            },
            "list": {
                "match": "GET /accounts", "area": "a", "query": ["limit", "from"],
                "body": {"$.items[*]": {"shape": "account"}, "$.at": "open"},
                "max_records": {"at": "$.items[*]", "max": 100, "over": "truncate", "query": "limit"},
            },
        },
        "scopes": {"all": {"areas": ["a"], "grant": {"key": "show", "open": "show", "name": "show"}}},
        "budgets": {"second": budget},
    })
    .to_string()
}

fn budget(max: u64, per: &str) -> Value {
    json!({"areas": ["a"], "count": {"distinct": "customer"}, "per": per, "max": max, "store": "local"})
}

/// Answers with accounts: the one that the path names, or those that the query asks for.
struct Accounts {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Drop for Accounts {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl Accounts {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&count)));
            }
        });
        Self { address, asked, accepting }
    }
}

async fn serve(mut socket: TcpStream, asked: Arc<AtomicU64>) {
    let mut input = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(&input, b"\r\n\r\n") else {
            match socket.read_buf(&mut input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        input.drain(..end + 4);
        asked.fetch_add(1, Ordering::Relaxed);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let number = |name: &str| -> Option<u64> {
            let (_, rest) = target.split_once(&format!("{name}="))?;
            rest.split('&').next()?.parse().ok()
        };
        let account = |id: String| json!({"id": id, "name": "Ana Lopez", "secret": "s"});
        let mut body = match (number("limit"), number("from")) {
            (Some(limit), Some(from)) => {
                json!({"items": (from..from + limit).map(|id| account(id.to_string())).collect::<Vec<_>>()})
            }
            _ => account(target.rsplit('/').next().unwrap_or_default().to_owned()),
        };
        body["at"] = json!(seconds());
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The subjects of an answer.
fn ids(body: &Value) -> Vec<String> {
    let id = |account: &Value| account["id"].as_str().map(str::to_owned);
    match body["items"].as_array() {
        Some(items) => items.iter().filter_map(id).collect(),
        None => id(body).into_iter().collect(),
    }
}

/// What a harvester got: subjects, and how often each status came.
#[derive(Default)]
struct Harvest {
    /// Of each answer: the seconds between which it was admitted, and its subjects, which come in no other.
    answers: Vec<(u64, u64, u64)>,
    subjects: BTreeSet<String>,
    statuses: BTreeMap<u16, u64>,
    /// Answered requests by the second in which they were sent.
    asked: BTreeMap<u64, u64>,
    lost: u64,
}

impl Harvest {
    fn take(&mut self, sent: u64, got: &Got) {
        *self.statuses.entry(got.status).or_default() += 1;
        *self.asked.entry(sent).or_default() += 1;
        if got.status == 200 {
            let ids = ids(&got.body);
            self.answers.push((sent, got.body["at"].as_f64().unwrap() as u64, ids.len() as u64));
            self.subjects.extend(ids);
        }
    }

    /// Subjects by window: each answer in the earliest that it may be of and that has room.
    fn by_window(&self, max: u64) -> BTreeMap<u64, u64> {
        let mut answers = self.answers.clone();
        answers.sort_unstable_by_key(|(sent, stamped, _)| (*stamped, *sent));
        let mut windows: BTreeMap<u64, u64> = BTreeMap::new();
        for (sent, stamped, count) in answers {
            let room = |window: &u64| windows.get(window).copied().unwrap_or(0) + count <= max;
            let window = (sent..=stamped).find(room).unwrap_or(stamped);
            *windows.entry(window).or_default() += count;
        }
        windows
    }

    /// Windows that were asked in from their start to their end, as far as one can tell.
    fn whole_windows(&self) -> Vec<u64> {
        let last = self.asked.len().saturating_sub(1);
        self.asked.keys().copied().take(last).skip(1).collect()
    }
}

/// Asks for new accounts on many connections, for a while.
async fn harvest(envoys: &[SocketAddr], token: &str, page: Option<u64>, lasting: Duration) -> Harvest {
    let harvest = Arc::new(Mutex::new(Harvest::default()));
    let next = Arc::new(AtomicU64::new(1));
    // From the start of a window on: the first one is whole.
    tokio::time::sleep(Duration::from_secs_f64(1.0 - seconds().fract())).await;
    let until = Instant::now() + lasting;
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (harvest, next) = (Arc::clone(&harvest), Arc::clone(&next));
            let (address, token) = (envoys[number % envoys.len()], token.to_owned());
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                // A busy machine may let nothing be asked for a second and more.
                let has_windows = || harvest.lock().unwrap().asked.len() as u64 > SECONDS;
                while Instant::now() < until || !has_windows() && Instant::now() < until + PATIENCE {
                    let step = page.unwrap_or(1);
                    let from = next.fetch_add(step, Ordering::Relaxed);
                    let target = match page {
                        None => format!("/accounts/{from}"),
                        Some(limit) => format!("/accounts?limit={limit}&from={from}"),
                    };
                    let sent = seconds() as u64;
                    let got = tokio::time::timeout(Duration::from_secs(10), get(&mut socket, &target, &token)).await;
                    let Ok(Some(got)) = got else {
                        harvest.lock().unwrap().lost += 1;
                        socket = TcpStream::connect(address).await.unwrap();
                        continue;
                    };
                    harvest.lock().unwrap().take(sent, &got);
                    if got.status == 429 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    Arc::try_unwrap(harvest).ok().unwrap().into_inner().unwrap()
}

pub(crate) fn token(world: &World, client: &str) -> String {
    world.issuer.token(&json!({"azp": client, "scope": "all"}))
}

fn start(
    world: &World,
    upstream: SocketAddr,
    policy: &str,
    workers: u32,
    service: Option<u16>,
) -> Result<Envoy, String> {
    start_changed(world, upstream, policy, workers, service, |bootstrap| bootstrap)
}

fn start_changed(
    world: &World,
    upstream: SocketAddr,
    policy: &str,
    workers: u32,
    service: Option<u16>,
    change: impl FnOnce(Bootstrap) -> Bootstrap,
) -> Result<Envoy, String> {
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let jwks = scratch.write("jwks.json", &world.issuer.jwks()).map_err(|error| error.to_string())?;
    let blanks = Blanks { wasm: &world.tools.wasm, policy, jwks: &jwks, upstream, access_log: &scratch.access_log() };
    let bootstrap = change(Bootstrap::reference(&blanks));
    let bootstrap = match service {
        Some(port) => bootstrap.with_ratelimit(port),
        None => bootstrap,
    };
    Envoy::start_with(&world.tools, scratch, &bootstrap, Some(KEY), workers)
}

/// Every window at most `max`, and the whole ones at least nine tenths of it where the need is small.
fn judge(harvest: &Harvest, max: u64, page: Option<u64>, demand: u64) -> Result<(), String> {
    let by_window = harvest.by_window(max);
    let counts: Vec<u64> = by_window.values().copied().collect();
    if harvest.subjects.len() as u64 != counts.iter().sum::<u64>() {
        return Err("a subject came twice".to_owned());
    }
    let windows = harvest.whole_windows();
    let in_window = |window: &u64| by_window.get(window).copied().unwrap_or(0);
    let whole: u64 = windows.iter().map(in_window).sum();
    let asked = demand.checked_div(counts.len() as u64).unwrap_or(0);
    println!(
        "released by window: {counts:?} of {max}, {:.3} of max in whole ones, {:.1} x max asked for; statuses {:?}",
        whole as f64 / (max * windows.len().max(1) as u64) as f64,
        asked as f64 / max as f64,
        harvest.statuses
    );
    if let Some(most) = counts.iter().find(|count| **count > max) {
        return Err(format!("{most} of {max} left in one window: {counts:?}"));
    }
    if harvest.lost > 0 {
        return Err(format!("{} requests were lost or hung", harvest.lost));
    }
    let unexpected: Vec<_> = harvest.statuses.keys().filter(|status| !matches!(status, 200 | 429)).collect();
    if !unexpected.is_empty() {
        return Err(format!("{:?}", harvest.statuses));
    }
    // Of a window in which a busy machine let little be asked, nothing can be said.
    let page = page.unwrap_or(1);
    let is_too_few = |window: &&u64| harvest.asked[*window] * page >= 10 * max && in_window(window) * 10 < max * 9;
    match windows.iter().find(|window| page <= max / 20 && is_too_few(window)) {
        Some(window) => {
            let (least, asked) = (in_window(window), harvest.asked[window] * page);
            Err(format!("only {least} of {max} left in a window in which {asked} were asked for: {counts:?}"))
        }
        None if windows.is_empty() => Err(format!("no whole window: {counts:?}")),
        None => Ok(()),
    }
}

fn local(world: &World, workers: u32, page: Option<u64>) -> Result<(), String> {
    let max = page.unwrap_or(1) * 20;
    let upstream = world.runtime.block_on(Accounts::start());
    let envoy = start(world, upstream.address, &policy(&budget(max, "1s")), workers, None)?;
    let lasting = Duration::from_secs(SECONDS);
    let token = token(world, "harvester");
    let harvest = world.runtime.block_on(harvest(&[envoy.listener("api")], &token, page, lasting));
    let demand: u64 = harvest.statuses.values().sum::<u64>() * page.unwrap_or(1);
    judge(&harvest, max, page, demand)?;
    nothing_reserved(&envoy)
}

/// What a series of the plugin's stands at, over its labels. A series that is not there is an error: it would stand at nothing.
fn series(envoy: &Envoy, name: &str) -> Result<u64, String> {
    let (_, text) = envoy.admin_get(&format!("/stats?filter={name}")).unwrap_or_default();
    let values: Vec<u64> = text.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    if values.is_empty() { Err(format!("there is no `{name}`")) } else { Ok(values.iter().sum()) }
}

pub(crate) fn nothing_reserved(envoy: &Envoy) -> Result<(), String> {
    match series(envoy, "fieldgate_budget_reserved")? {
        0 => Ok(()),
        reserved => Err(format!("{reserved} are still reserved")),
    }
}

fn with_service(max: u64, on_error: &str, timeout: &str) -> String {
    let mut budget = budget(max, "1s");
    budget["store"] = json!("rls");
    budget["rls"] = json!({"cluster": RATE_LIMITS, "domain": "fieldgate", "timeout": timeout});
    budget["on_error"] = json!(on_error);
    policy(&budget)
}

fn together(world: &World, envoys: usize, workers: u32, page: Option<u64>) -> Result<(), String> {
    let max = page.unwrap_or(1) * 40;
    let service = match Service::start()? {
        Some(service) => service,
        None => {
            println!("no rate limit service here: run scripts/ratelimit.sh");
            return Ok(());
        }
    };
    let upstream = world.runtime.block_on(Accounts::start());
    // What is looked at is what leaves, and not how fast the service is.
    let policy = with_service(max, "reject", "5s");
    let envoys: Vec<Envoy> = (0..envoys)
        .map(|_| start(world, upstream.address, &policy, workers, Some(service.port)))
        .collect::<Result<_, _>>()?;
    let addresses: Vec<SocketAddr> = envoys.iter().map(|envoy| envoy.listener("api")).collect();
    let lasting = Duration::from_secs(SECONDS);
    let harvest = world.runtime.block_on(harvest(&addresses, &token(world, "harvester"), page, lasting));
    // A grant that comes as the window ends, and a lease that is not spent, are lost: it only ever over-counts.
    let demand: u64 = harvest.statuses.values().sum::<u64>() * page.unwrap_or(1);
    judge(&harvest, max, page, demand)?;
    if harvest.subjects.is_empty() {
        return Err("nothing left at all".to_owned());
    }
    envoys.iter().try_for_each(nothing_reserved)
}

/// Envoy gives a request up that is idle for so long, though the service may still answer.
fn idle(world: &World) -> Result<(), String> {
    let upstream = world.runtime.block_on(Accounts::start());
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = silent.local_addr().map_err(|error| error.to_string())?.port();
    let policy = with_service(1000, "reject", "10s");
    let impatient = |bootstrap: Bootstrap| bootstrap.with_idle_timeout("1s");
    let envoy = start_changed(world, upstream.address, &policy, 1, Some(port), impatient)?;
    let (address, token) = (envoy.listener("api"), token(world, "caller"));
    let got = world.runtime.block_on(async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        tokio::time::timeout(Duration::from_secs(8), get(&mut socket, "/accounts/1", &token)).await
    });
    let status = got.ok().flatten().map(|got| got.status);
    if (status, upstream.asked.load(Ordering::Relaxed)) != (Some(503), 0) {
        return Err(format!("{status:?}, asked {}", upstream.asked.load(Ordering::Relaxed)));
    }
    Ok(())
}

/// A rate limit service that is none.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Broken {
    Refused,
    Silent,
    Garbage,
    Hangs,
    /// Envoy knows no cluster of that name.
    Unknown,
}

fn failures(world: &World) -> Result<(), String> {
    let upstream = world.runtime.block_on(Accounts::start());
    for broken in [Broken::Refused, Broken::Silent, Broken::Garbage, Broken::Hangs, Broken::Unknown] {
        let listener = world.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = Some(listener.local_addr().unwrap().port()).filter(|_| broken != Broken::Unknown);
        let serving = world.runtime.spawn(async move {
            if matches!(broken, Broken::Refused | Broken::Unknown) {
                return;
            }
            let mut kept = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                match broken {
                    Broken::Garbage => {
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                    Broken::Hangs => drop(socket.read_buf(&mut Vec::new()).await),
                    Broken::Silent | Broken::Refused | Broken::Unknown => kept.push(socket),
                }
            }
        });
        // What an error is, is one thing; what is done then, another: that needs not be tried with each.
        let whats_done = [("reject", 503), ("local", 200)];
        let tried = if matches!(broken, Broken::Silent | Broken::Hangs) { &whats_done[..] } else { &whats_done[..1] };
        for (on_error, expected) in tried.iter().copied() {
            let envoy = start(world, upstream.address, &with_service(1000, on_error, "500ms"), 1, port)?;
            let (address, token) = (envoy.listener("api"), token(world, "caller"));
            world.runtime.block_on(async {
                // One that does not wait for its answer.
                let mut leaver = TcpStream::connect(address).await.unwrap();
                let request = format!("GET /accounts/1 HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n\r\n");
                leaver.write_all(request.as_bytes()).await.unwrap();
                drop(leaver);
                for number in 2..5 {
                    let mut socket = TcpStream::connect(address).await.unwrap();
                    let target = format!("/accounts/{number}");
                    let got = tokio::time::timeout(Duration::from_secs(5), get(&mut socket, &target, &token)).await;
                    match got {
                        Ok(Some(got)) if got.status == expected => {}
                        Ok(Some(got)) => return Err(format!("{broken:?}, {on_error}: {} {}", got.status, got.body)),
                        Ok(None) => return Err(format!("{broken:?}, {on_error}: cut")),
                        Err(_) => return Err(format!("{broken:?}, {on_error}: no answer for 5 s")),
                    }
                }
                Ok(())
            })?;
            // Where all are refused, nothing ever is.
            if expected == 200 {
                nothing_reserved(&envoy)?;
            }
            // A body that cannot wait is refused before anything is asked.
            let complaints = envoy.complaints();
            if complaints.contains("panicked") || complaints.contains("Function: proxy_") {
                return Err(complaints);
            }
        }
        serving.abort();
    }
    Ok(())
}

fn ladder(world: &World) -> Result<(), String> {
    let mut budget = budget(20, "1h");
    budget["steps"] = json!({"80%": "mask", "95%": "pseudonym", "100%": "reject"});
    let upstream = world.runtime.block_on(Accounts::start());
    let envoy = start(world, upstream.address, &policy(&budget), 1, None)?;
    let (address, token) = (envoy.listener("api"), token(world, "harvester"));
    let seen = world.runtime.block_on(async {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for number in 0..25 {
            let got = get(&mut socket, &format!("/accounts/{number}"), &token).await.unwrap();
            let what = match got.status {
                200 => {
                    format!("{} {}", got.body["name"], got.body["id"].as_str().unwrap_or_default().starts_with("ps_"))
                }
                429 if got.head.contains("retry-after: ") && got.body["budget"] == "second" => "429".to_owned(),
                other => format!("{other} {}", got.head),
            };
            *seen.entry(what).or_default() += 1;
        }
        let known = get(&mut socket, "/accounts/3", &token).await.unwrap();
        seen.insert("known".to_owned(), known.status.into());
        seen
    });
    // An hour's border may fall into the run.
    let expected = BTreeMap::from([
        ("\"Ana Lopez\" false".to_owned(), 16),
        ("\"A.L.\" true".to_owned(), 3),
        ("null true".to_owned(), 1),
        ("429".to_owned(), 5),
        ("known".to_owned(), 200),
    ]);
    if seen == expected && upstream.asked.load(Ordering::Relaxed) == 21 { Ok(()) } else { Err(format!("{seen:?}")) }
}

fn leavers(world: &World) -> Result<(), String> {
    let upstream = world.runtime.block_on(Accounts::start());
    let envoy = start(world, upstream.address, &policy(&budget(1000, "1d")), 2, None)?;
    let (address, token) = (envoy.listener("api"), token(world, "leaver"));
    world.runtime.block_on(async {
        for number in 0..40u64 {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let target = format!("/accounts?limit=100&from={}", number * 100);
            let request = format!("GET {target} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            if number % 2 == 0 {
                tokio::time::sleep(Duration::from_millis(number)).await;
            }
            drop(socket);
        }
    });
    until("nothing is reserved", || nothing_reserved(&envoy).is_ok())?;
    if series(&envoy, "fieldgate_budget_failures_total")? > 0 {
        return Err("a store failed".to_owned());
    }
    Ok(())
}
