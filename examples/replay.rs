//! The harvest in a real Envoy, a second for each day: 370,000 accounts, 42 seconds, the budgets of `policies/telco.yaml`.
//!
//! It ends with an error unless Envoy lets out exactly what `fieldgate replay` and the arithmetic say, and without the plugin
//! all. An hour would be a twenty-fourth of a second here, which no window can be, so the budget per hour is left out; the one
//! per day, of 800 in 37 million, is one per second, of 8 in 370,000.

#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a demonstration of the project's own")]

use fieldgate_testkit as support;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use fieldgate::model::moment::Moment;
use fieldgate::policy::{self, Disk};
use fieldgate_workbench::replay::{Harvester, Patience, ReplayCase, Replayed, SweepRow, Upstream, sweep, windows};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use support::bootstrap::{Blanks, Bootstrap};
use support::envoy::{Envoy, Scratch, Tools};
use support::harvester::get;
use support::marker;
use support::token::Issuer;

type Outcome<T> = Result<T, Box<dyn Error>>;

const POLICY: &str = "policies/telco.yaml";
const ROUTE: &str = "get-account";
const SCOPE: &str = "care.read";
/// A hundredth of the accounts, and a second for a day: from an odd second on, 41 days touch 42.
const ACCOUNTS: u64 = 370_000;
const SECONDS: u64 = 42;
const CONNECTIONS: u64 = 16;
/// Requests that are sent at once on a connection, where nothing is in the way.
const AT_ONCE: u64 = 50;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let scaled = scaled()?;
    let most = scaled.pointer("/budgets/customers-per-second/max").and_then(Value::as_u64).unwrap_or_default();
    let runtime = Runtime::new()?;
    let tools = Tools::find()?;
    let issuer = Issuer::new();
    let upstream = runtime.block_on(accounts())?;
    let token = issuer.token(&json!({"azp": "harvester", "scope": SCOPE}));
    let start = |filtered: bool| -> Outcome<Envoy> {
        let scratch = Scratch::new()?;
        let jwks = scratch.write("jwks.json", &issuer.jwks())?;
        let policy = scaled.to_string();
        let access_log = scratch.access_log();
        let blanks = Blanks { wasm: &tools.wasm, policy: &policy, jwks: &jwks, upstream, access_log: &access_log };
        let bootstrap = Bootstrap::reference(&blanks);
        let bootstrap = if filtered { bootstrap } else { bootstrap.without_the_plugin() };
        Ok(Envoy::start_with(&tools, scratch, &bootstrap, Some(&key()), 2)?)
    };

    eprintln!("replay: {ACCOUNTS} accounts without the plugin");
    let open = {
        let envoy = start(false)?;
        runtime.block_on(all(envoy.listener("api"), &token))?
    };
    eprintln!("replay: {SECONDS} seconds with it");
    let (first, got, statuses) = {
        let envoy = start(true)?;
        runtime.block_on(harvest(envoy.listener("api"), &token))?
    };

    let case = ReplayCase { accounts: ACCOUNTS, seconds: SECONDS, from: Moment(first) };
    let simulated = simulated(&scaled, case)?;
    let arithmetic = windows(case, 1) * most;
    let share = |customers: u64| customers as f64 * 100.0 / ACCOUNTS as f64;
    println!("customers of {ACCOUNTS} that left in {SECONDS} seconds, each of which stands for a day");
    println!("  without the plugin      {open:>7}  {:>7.3} %", share(open));
    println!("  with the policy         {got:>7}  {:>7.3} %   statuses {statuses:?}", share(got));
    println!("  the simulation          {simulated:>7}  {:>7.3} %", share(simulated));
    println!("  {SECONDS} windows of {most}         {arithmetic:>7}  {:>7.3} %", share(arithmetic));
    let wrong = [
        (open != ACCOUNTS, "without the plugin not all left"),
        (got != simulated, "the simulation says another number than Envoy"),
        (got != arithmetic, "the arithmetic says another number than Envoy"),
        (share(got) > 0.1, "more than 0.1 % left"),
        (statuses.keys().any(|status| ![200, 429].contains(status)), "a status that nobody expects"),
    ];
    match wrong.iter().find(|(is_so, _)| *is_so) {
        Some((_, what)) => Err((*what).into()),
        None => Ok(()),
    }
}

/// The shipped policy with its budget per day as one per second, for a hundredth of the accounts.
fn scaled() -> Outcome<Value> {
    let path = support::root().join(POLICY);
    let doc = policy::load(&Disk, path.to_str().ok_or("a path of text")?).map_err(|found| format!("{found:?}"))?;
    let mut policy: Value = serde_json::from_str(&policy::to_json(&doc))?;
    let budgets = policy["budgets"].as_object_mut().ok_or("the shipped policy has no budgets")?;
    let mut daily = budgets.remove("customers-per-day").ok_or("the shipped policy has no budget per day")?;
    let max = daily["max"].as_u64().ok_or("a budget without max")?;
    if daily["per"] != "1d" || max % 100 != 0 {
        return Err("the budget per day cannot be scaled".into());
    }
    daily["per"] = json!("1s");
    daily["max"] = json!(max / 100);
    *budgets = serde_json::Map::from_iter([("customers-per-second".to_owned(), daily)]);
    Ok(policy)
}

fn simulated(policy: &Value, case: ReplayCase) -> Outcome<u64> {
    let (set, _) = policy::from_json(policy.to_string().as_bytes()).map_err(|found| format!("{found:?}"))?;
    let route = set.routes.iter().find(|route| route.name == ROUTE).ok_or("no such route")?;
    let upstream = Upstream::new(&set, route, None).map_err(|fault| fault.message)?;
    let harvester = Harvester {
        route: ROUTE.to_owned(),
        client: "harvester".to_owned(),
        scopes: vec![SCOPE.to_owned()],
        claims: Value::Null,
    };
    let setting = SweepRow { clients: 1, page: 1, patience: Patience::Window };
    let replayed = Replayed::new(policy.to_string());
    let harvests = sweep(&replayed, &upstream, &harvester, case, &[setting], |_| ()).map_err(|fault| fault.message)?;
    Ok(harvests.iter().map(|harvest| harvest.total.customers).sum())
}

fn key() -> String {
    let bytes: Vec<u8> = (0..4).flat_map(|_| marker::random().to_be_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An API with an account for each path.
async fn accounts() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    Ok(address)
}

async fn serve(mut socket: TcpStream) {
    let mut input = Vec::new();
    loop {
        let Some(end) = memchr_end(&input) else {
            match socket.read_buf(&mut input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let head = String::from_utf8_lossy(&input[..end]).into_owned();
        input.drain(..end + 4);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let id = path.rsplit('/').next().unwrap_or_default();
        let body = json!({"id": id, "status": "active", "email": "ana@example.com", "holder": {"name": "Ana Lopez"}});
        let body = body.to_string();
        let length = body.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Where the head of a message ends.
fn memchr_end(input: &[u8]) -> Option<usize> {
    input.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Asks for every account, where nothing is in the way: how many came.
async fn all(gate: SocketAddr, token: &str) -> Outcome<u64> {
    let next = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (next, token) = (Arc::clone(&next), token.to_owned());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                let Ok(mut socket) = TcpStream::connect(gate).await else { return seen };
                loop {
                    let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
                    let end = (first + AT_ONCE).min(ACCOUNTS);
                    if first >= end {
                        return seen;
                    }
                    let ask = |id: u64| {
                        format!("GET /accounts/{id} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n\r\n")
                    };
                    let requests: String = (first..end).map(ask).collect();
                    if socket.write_all(requests.as_bytes()).await.is_err() {
                        return seen;
                    }
                    // Each answer ends with its customer's body, which has no other `}}`.
                    let (mut input, mut looked, mut ended) = (Vec::new(), 0, 0);
                    while ended < end - first {
                        match socket.read_buf(&mut input).await {
                            Ok(0) | Err(_) => return seen,
                            Ok(_) => {}
                        }
                        let new = &input[looked..];
                        ended += new.windows(2).filter(|two| *two == b"}}").count() as u64;
                        looked = input.len().saturating_sub(1);
                    }
                    let text = String::from_utf8_lossy(&input);
                    let ids =
                        text.split("{\"id\":\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<u64>().ok());
                    seen.extend(ids);
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for client in clients {
        seen.extend(client.await?);
    }
    Ok(seen.len() as u64)
}

/// Asks for one account after the other, each until it comes, for so many whole seconds: the first of them, how many customers
/// came, and how often each status.
async fn harvest(gate: SocketAddr, token: &str) -> Outcome<(u64, u64, BTreeMap<u16, u64>)> {
    let next = Arc::new(AtomicU64::new(0));
    tokio::time::sleep(Duration::from_secs(1).saturating_sub(Duration::from_nanos(now().subsec_nanos().into()))).await;
    let first = now().as_secs();
    // What is asked for in the last tenth of a second may be of the next.
    let until = Duration::from_secs(first + SECONDS).saturating_sub(Duration::from_millis(100));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (next, token) = (Arc::clone(&next), token.to_owned());
            tokio::spawn(async move {
                let (mut seen, mut statuses) = (BTreeSet::new(), BTreeMap::<u16, u64>::new());
                let Ok(mut socket) = TcpStream::connect(gate).await else { return (seen, statuses) };
                let mut id = next.fetch_add(1, Ordering::Relaxed);
                while now() < until && id < ACCOUNTS {
                    let Some(got) = get(&mut socket, &format!("/accounts/{id}"), &token).await else { break };
                    *statuses.entry(got.status).or_default() += 1;
                    if got.status == 200 {
                        seen.extend(got.body["id"].as_str().map(str::to_owned));
                        id = next.fetch_add(1, Ordering::Relaxed);
                    } else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                (seen, statuses)
            })
        })
        .collect();
    let (mut seen, mut statuses) = (BTreeSet::new(), BTreeMap::<u16, u64>::new());
    for client in clients {
        let (ids, counts) = client.await?;
        seen.extend(ids);
        for (status, count) in counts {
            *statuses.entry(status).or_default() += count;
        }
    }
    Ok((first, seen.len() as u64, statuses))
}
