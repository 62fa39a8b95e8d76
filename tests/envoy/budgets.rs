//! What a harvester tries at a real Envoy, and what befalls budgets meanwhile: rows in which the host matters (rules 34 to 37).
//!
//! Each row has a client of its own in a window that does not end. What its budget has counted is found out by asking for new
//! accounts until it refuses.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::harvest::{nothing_reserved, token};
use super::lifecycle::until;
use super::streams::Test;
use super::support::bootstrap::{Blanks, Bootstrap, RATE_LIMITS, with_policy};
use super::support::envoy::{Envoy, Scratch};
use super::support::harvester::{Got, get};
use super::support::ratelimit::{Part, Service};
use super::world::{KEY, World};

/// What may leave.
const MAX: u64 = 100;

/// Records of a page at most: half of it.
const PAGE: u64 = MAX / 2;

/// No request takes longer, whatever happens.
const PATIENCE: Duration = Duration::from_secs(30);

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    type Plain = fn(&World) -> Result<(), String>;
    let tests: [(&str, Plain); 9] = [
        ("what a harvester tries at Envoy is counted", tries),
        ("a policy that is reloaded while a page is out settles it", |world| reloaded(world, Plugin::Discovered)),
        ("a listener that is replaced while a page is out settles it", |world| reloaded(world, Plugin::ListenedFor)),
        ("a VM that traps keeps what was reserved, and no more leaves", trapped),
        ("a VM that traps in the service's answer ends the request by the idle timeout", trapped_in_answer),
        ("a rate limit service that is killed in mid-call ends in on_error", |world| killed(world, Part::Service)),
        ("a rate limit service whose Redis is gone ends in on_error", |world| killed(world, Part::Redis)),
        ("who leaves while the service is asked reserves nothing", left_meanwhile),
        ("a policy that is reloaded while the service is asked hangs nobody", reloaded_meanwhile),
    ];
    let mut tests: Vec<(String, Test)> =
        tests.into_iter().map(|(claim, test)| (claim.to_owned(), Box::new(test) as Test)).collect();
    // Under `make soak`.
    if std::env::var_os("FIELDGATE_HARVEST").is_some() {
        tests.push(("what clients and subjects take of memory is bounded".to_owned(), Box::new(memory)));
    }
    tests
}

fn budget() -> Value {
    json!({"areas": ["a"], "count": {"distinct": "customer"}, "per": "365d", "max": MAX, "store": "local"})
}

fn from_service(on_error: &str) -> Value {
    let mut budget = budget();
    budget["store"] = json!("rls");
    budget["rls"] = json!({"cluster": RATE_LIMITS, "domain": "fieldgate", "timeout": "3s", "lease": 1});
    budget["on_error"] = json!(on_error);
    budget
}

fn policy(budget: &Value) -> String {
    let path_subject = json!({"customer": "{id}"});
    json!({
        "language": 1, "policy": "budgets",
        "identity": {"source": "jwt_authn", "payload": "verified_jwt", "client": "azp", "scopes": "scope"},
        "classes": {"key": {"about": "ids"}, "open": {"about": "open"}},
        "shapes": {"account": {
            "$.id": {"class": "key", "pseudonym": "customer", "subject": "customer"},
            "$.name": "open", "$.state": "open",
        }},
        "routes": {
            "one": {"match": "GET /accounts/{id}", "area": "a", "subject": path_subject, "body": {"$": {"shape": "account"}}},
            "calls": {"match": "GET /accounts/{id}/calls", "area": "a", "subject": path_subject, "body": {"$.calls[*].to": "open"}},
            "own": {"match": "GET /own/{id}", "area": "a", "body": {"$": {"shape": "account"}}},
            "list": {
                "match": "GET /accounts", "area": "a", "query": ["limit", "from", "as"],
                "body": {"$.items[*]": {"shape": "account"}},
                "rows": "$.items[?@.state && @.state != 'draft']",
                "max_records": {"at": "$.items[*]", "max": PAGE, "over": "truncate", "query": "limit"},
            },
        },
        "scopes": {"all": {"areas": ["a"], "grant": {"key": "show", "open": "show"}}},
        "budgets": {"second": budget},
    })
    .to_string()
}

/// An API of accounts that does what its request says: it waits, is cut off, or spells ids in other ways.
struct Api {
    address: SocketAddr,
    /// Requests that wait for [`Api::open`].
    waiting: Arc<AtomicU64>,
    /// How often it has opened.
    gate: watch::Sender<u64>,
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
        let waiting = Arc::new(AtomicU64::new(0));
        let (gate, open) = watch::channel(0);
        let count = Arc::clone(&waiting);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&count), open.clone()));
            }
        });
        Self { address, waiting, gate, accepting }
    }

    /// Waits until so many requests wait.
    async fn holds(&self, count: u64) -> Result<(), String> {
        let begun = Instant::now();
        while self.waiting.load(Ordering::Relaxed) < count {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{} of {count} requests came", self.waiting.load(Ordering::Relaxed)));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Lets all go on that wait.
    async fn open(&self) {
        self.gate.send_modify(|opened| *opened += 1);
        while self.waiting.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// An account, of which fifty are over 64 KiB: what is less goes whole, when it has ended, and nothing of it before.
fn account(id: &Value, number: u64, drafts: bool) -> Value {
    let state = if drafts && number.is_multiple_of(2) { "draft" } else { "active" };
    json!({"id": id, "name": "n".repeat(2000), "state": state})
}

async fn serve(mut socket: TcpStream, waiting: Arc<AtomicU64>, mut open: watch::Receiver<u64>) {
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
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
        let query = |name: &str| {
            let (_, rest) = target.split_once(&format!("{name}="))?;
            rest.split('&').next()
        };
        let number = |name: &str| query(name).and_then(|text| text.parse::<u64>().ok());
        let manner = query("as").unwrap_or_default();
        let last = target.rsplit('/').next().unwrap_or_default();
        let (status, body) = match (number("from"), last) {
            (Some(from), _) => {
                let all = from..from + number("limit").unwrap_or(PAGE);
                let item = |id: u64| account(&json!(format!("A{id}")), id, manner == "drafts");
                (200, json!({"items": all.map(item).collect::<Vec<_>>()}).to_string())
            }
            (None, "calls") => (200, json!({"calls": [{"to": "1"}, {"to": "2"}]}).to_string()),
            (None, "gone") => (404, json!({"title": "no such account"}).to_string()),
            (None, "null") => (200, account(&Value::Null, 1, false).to_string()),
            (None, "number") => (200, account(&json!(7), 1, false).to_string()),
            (None, "escaped") => (200, account(&json!("@"), 1, false).to_string().replace('@', "\\u0037")),
            (None, id) => (200, account(&json!(id), 1, false).to_string()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        let mut wait = async || {
            let before = *open.borrow_and_update();
            waiting.fetch_add(1, Ordering::Relaxed);
            let _ = open.wait_for(|opened| *opened > before).await;
            waiting.fetch_sub(1, Ordering::Relaxed);
        };
        let body = if method == "HEAD" { "" } else { &body };
        let (first, then) = body.split_at(body.len() * 3 / 4);
        if manner == "late" {
            wait().await;
        }
        if socket.write_all(format!("{head}{first}").as_bytes()).await.is_err() {
            return;
        }
        match manner {
            "part" => wait().await,
            "cut" => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return;
            }
            _ => {}
        }
        if socket.write_all(then.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// One client at one Envoy.
#[derive(Clone)]
struct Caller {
    envoy: SocketAddr,
    token: String,
}

/// Numbers of accounts that nobody has asked for.
static FRESH: AtomicU64 = AtomicU64::new(1_000_000);

fn fresh(count: u64) -> u64 {
    FRESH.fetch_add(count, Ordering::Relaxed)
}

impl Caller {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.envoy).await.unwrap()
    }

    /// What comes for a request; that nothing comes in good time is an error.
    async fn get(&self, target: &str) -> Result<Got, String> {
        let mut socket = self.connect().await;
        match tokio::time::timeout(PATIENCE, get(&mut socket, target, &self.token)).await {
            Ok(Some(got)) => Ok(got),
            Ok(None) => Err(format!("{target}: cut")),
            Err(_) => Err(format!("{target}: no answer for {PATIENCE:?}")),
        }
    }

    async fn status(&self, target: &str, expected: u16) -> Result<Got, String> {
        let got = self.get(target).await?;
        if got.status == expected { Ok(got) } else { Err(format!("{target}: {} {}", got.status, got.body)) }
    }

    /// Sends a request, and gives the connection.
    async fn send(&self, method: &str, target: &str, more: &str) -> TcpStream {
        let mut socket = self.connect().await;
        let token = &self.token;
        let request = format!("{method} {target} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n{more}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    /// A page of accounts that nobody has had.
    fn page(limit: u64, manner: &str) -> String {
        format!("/accounts?limit={limit}&from={}&as={manner}", fresh(limit))
    }

    /// Asks until it gets a new account again.
    async fn until_there_is_room(&self) -> Result<(), String> {
        let begun = Instant::now();
        while self.get(&format!("/accounts/{}", fresh(1))).await?.status != 200 {
            if begun.elapsed() > PATIENCE {
                return Err("no room any more".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// How many new accounts it still gets.
    async fn left(&self) -> Result<u64, String> {
        let mut socket = self.connect().await;
        for left in 0..=MAX + 1 {
            let target = format!("/accounts/{}", fresh(1));
            let got = tokio::time::timeout(PATIENCE, get(&mut socket, &target, &self.token)).await;
            match got.ok().flatten().map(|got| got.status) {
                Some(200) => {}
                Some(429) => return Ok(left),
                other => return Err(format!("{target}: {other:?}")),
            }
        }
        Err(format!("more than {MAX} left"))
    }

    /// Reads what comes of a response until enough has come or nothing more does: the ids in it.
    async fn ids_in(socket: &mut TcpStream, enough: usize) -> Vec<String> {
        let mut got = Vec::new();
        while got.len() < enough {
            match tokio::time::timeout(PATIENCE, socket.read_buf(&mut got)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => break,
            }
        }
        let text = String::from_utf8_lossy(&got).into_owned();
        text.split("\"id\":\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(id, _)| id.to_owned()).collect()
    }
}

/// What a row asks, and how much of the budget that takes at least and at most.
type Row = (&'static str, for<'a> fn(&'a Api, &'a Caller) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>);
type Outcome = Result<(u64, u64), String>;

macro_rules! row {
    ($claim:literal, |$api:ident, $who:ident| $body:expr) => {
        (
            $claim,
            (|$api, $who| Box::pin(async move { $body }))
                as for<'a> fn(&'a Api, &'a Caller) -> Pin<Box<dyn Future<Output = Outcome> + 'a>>,
        )
    };
}

const ROWS: [Row; 14] = [
    row!("an account counts once, by whatever route", |_api, who| {
        for target in ["/accounts/A1", "/accounts/A1/calls", "/own/A1", "/accounts/A1"] {
            who.status(target, 200).await?;
        }
        who.status("/accounts?limit=3&from=1&as=x", 200).await?;
        Ok((3, 3))
    }),
    row!("HEAD counts nothing", |_api, who| {
        for number in 0..5 {
            let mut socket = who.send("HEAD", &format!("/accounts/H{number}"), "connection: close\r\n").await;
            let mut got = Vec::new();
            let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut got)).await;
            if !got.starts_with(b"HTTP/1.1 200") {
                return Err(String::from_utf8_lossy(&got).into_owned());
            }
        }
        Ok((0, 0))
    }),
    row!("an account that there is not counts nothing", |_api, who| {
        for _ in 0..5 {
            who.status("/accounts/gone", 404).await?;
        }
        Ok((0, 0))
    }),
    row!("an id in escapes, as a number and as a string is one", |_api, who| {
        for target in ["/own/escaped", "/own/number", "/own/7", "/accounts/7"] {
            who.status(target, 200).await?;
        }
        Ok((1, 1))
    }),
    row!("a null subject is one more each time", |_api, who| {
        for _ in 0..3 {
            who.status("/own/null", 200).await?;
        }
        Ok((3, 3))
    }),
    row!("rows that are left out are not counted", |_api, who| {
        who.status(&Caller::page(10, "drafts"), 200).await?;
        Ok((5, 5))
    }),
    row!("pages that are refused cost nothing, however often", |_api, who| {
        who.status(&Caller::page(PAGE, "x"), 200).await?;
        who.status(&Caller::page(PAGE - 10, "x"), 200).await?;
        for _ in 0..20 {
            who.status(&Caller::page(PAGE, "x"), 429).await?;
        }
        Ok((MAX - 10, MAX - 10))
    }),
    row!("a page whose size is no number needs all of it", |_api, who| {
        who.status(&Caller::page(PAGE, "x"), 200).await?;
        who.status(&Caller::page(1, "x"), 200).await?;
        for size in ["limit=-1", "limit=", "limit=1&limit=50", "limit=%31"] {
            who.status(&format!("/accounts?{size}&from=9000000"), 429).await?;
        }
        Ok((PAGE + 1, PAGE + 1))
    }),
    row!("a path in another spelling is no way around", |_api, who| {
        who.status("/accounts/A1", 200).await?;
        for target in ["/accounts/%411", "/accounts/A1/", "/accounts//A1", "/accounts/A1%2F"] {
            who.status(target, 403).await?;
        }
        Ok((1, 1))
    }),
    row!("parallel pages reserve all, and Retry-After says that it may pass", |api, who| {
        let pages: Vec<_> = (0..2)
            .map(|_| {
                let who = who.clone();
                tokio::spawn(async move { who.status(&Caller::page(PAGE, "late"), 200).await.map(|got| got.body) })
            })
            .collect();
        api.holds(2).await?;
        let refused = who.status(&Caller::page(1, "x"), 429).await?;
        if !refused.head.contains("retry-after: 1\r\n") {
            return Err(refused.head);
        }
        api.open().await;
        let mut released = 0;
        for page in pages {
            released += page.await.unwrap()?["items"].as_array().unwrap().len() as u64;
        }
        if released == MAX { Ok((MAX, MAX)) } else { Err(format!("{released} of {MAX}")) }
    }),
    row!("who leaves before the answer has got nothing", |api, who| {
        let socket = who.send("GET", &Caller::page(PAGE, "late"), "").await;
        api.holds(1).await?;
        who.status(&Caller::page(PAGE, "x"), 200).await?;
        who.status("/accounts/over", 429).await?;
        drop(socket);
        // Once Envoy knows that it has left.
        who.until_there_is_room().await?;
        api.open().await;
        Ok((PAGE + 1, PAGE + 1))
    }),
    row!("who leaves in mid-body has got what was sent", |api, who| {
        let mut socket = who.send("GET", &Caller::page(PAGE, "part"), "").await;
        // The first block, and not all of the page.
        let ids = Caller::ids_in(&mut socket, 40_000).await;
        drop(socket);
        tokio::time::sleep(Duration::from_millis(300)).await;
        api.open().await;
        if ids.is_empty() { Err("nothing was sent".to_owned()) } else { Ok((ids.len() as u64, PAGE)) }
    }),
    row!("a response that is cut off has left as far as it came", |_api, who| {
        let mut socket = who.send("GET", &Caller::page(PAGE, "cut"), "").await;
        let ids = Caller::ids_in(&mut socket, usize::MAX).await;
        if ids.is_empty() { Err("nothing was sent".to_owned()) } else { Ok((ids.len() as u64, PAGE)) }
    }),
    row!("a known account stays free at a full budget", |_api, who| {
        for _ in 0..2 {
            who.status(&Caller::page(PAGE, "x"), 200).await?;
        }
        who.status("/accounts/another", 429).await?;
        Ok((MAX, MAX))
    }),
];

fn tries(world: &World) -> Result<(), String> {
    let (api, envoy) = start(world, &policy(&budget()), Plugin::Shipped, None)?;
    let address = envoy.listener("api");
    let mut wrong = String::new();
    for (number, (claim, tries)) in ROWS.iter().enumerate() {
        let caller = Caller { envoy: address, token: token(world, &format!("client-{number}")) };
        let seen = world.runtime.block_on(async {
            let (least, most) = tries(&api, &caller).await?;
            let counted = MAX - caller.left().await?;
            if (least..=most).contains(&counted) {
                Ok(format!("{counted} counted"))
            } else {
                Err(format!("{counted} counted, {least} to {most} expected"))
            }
        });
        match seen {
            Ok(seen) => println!("  {claim}: {seen}"),
            Err(fault) => wrong += &format!("{claim}: {fault}\n"),
        }
    }
    // Without a client id all are one; with many ids each has its own.
    let nobody = |subject: &str| world.issuer.token(&json!({"sub": subject, "scope": "all"}));
    let asked = world.runtime.block_on(async {
        let mut got = 0;
        for number in 0..3 {
            let caller = Caller { envoy: address, token: nobody(&format!("s-{number}")) };
            got += caller.left().await?;
        }
        Ok::<_, String>(got)
    });
    if asked != Ok(MAX) {
        wrong += &format!("without azp: {asked:?} of {MAX}\n");
    }
    nothing_reserved(&envoy)?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Slots of a budget.
const SLOTS: u64 = 1 << 16;

/// How much memory a process takes more for as many clients as a budget has slots, for as many again, and for the subjects of
/// one client.
fn memory(world: &World) -> Result<(), String> {
    let mut budget = budget();
    budget["max"] = json!(1_000_000);
    let mut policy: Value = serde_json::from_str(&policy(&budget)).unwrap();
    policy["identity"] = json!({
        "source": "trusted_header", "header": "x-client", "trusted": "the test sends it",
    });
    policy["scopes"]["all"]["when"] = json!("always");
    policy["routes"]["list"]["max_records"]["max"] = json!(1000);
    let (_api, envoy) = start(world, &policy.to_string(), Plugin::Shipped, None)?;
    let (address, token) = (envoy.listener("api"), token(world, "memory"));
    let resident = || envoy.memory().map(|memory| memory.now).ok_or("Envoy's process is gone");
    let ask = |from: u64, to: u64| {
        let clients = (0..8).map(|part| {
            let token = token.clone();
            world.runtime.spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                for number in (from..to).filter(|number| number % 8 == part) {
                    let head = format!("{token}\r\nx-client: client-{number}");
                    let got = get(&mut socket, &format!("/accounts/{}", fresh(1)), &head).await;
                    if got.as_ref().is_none_or(|got| got.status != 200) {
                        return Err(format!("client {number}: {:?}", got.map(|got| got.status)));
                    }
                }
                Ok(())
            })
        });
        let clients: Vec<_> = clients.collect();
        world.runtime.block_on(async {
            for client in clients {
                client.await.unwrap()?;
            }
            Ok::<_, String>(())
        })
    };
    ask(0, 2_000)?;
    let before = resident()?;
    ask(2_000, SLOTS)?;
    let full = resident()?;
    ask(SLOTS, 2 * SLOTS)?;
    let twice = resident()?;
    let subjects = |count: u64| {
        world.runtime.block_on(async {
            let mut socket = TcpStream::connect(address).await.unwrap();
            for _ in 0..count / 1000 {
                let target = format!("/accounts?limit=1000&from={}&as=x", fresh(1000));
                let got = get(&mut socket, &target, &format!("{token}\r\nx-client: one")).await;
                if got.is_none_or(|got| got.status != 200) {
                    return Err("a page".to_owned());
                }
            }
            Ok(())
        })
    };
    subjects(5_000)?;
    let some = resident()?;
    subjects(100_000)?;
    let many = resident()?;
    let kib = |from: u64, to: u64| to.saturating_sub(from);
    println!(
        "{before} KiB; {} more clients +{} KiB, as many again +{} KiB; 100,000 subjects of one +{} KiB",
        SLOTS - 2_000,
        kib(before, full),
        kib(full, twice),
        kib(some, many)
    );
    if kib(before, full) < 96 << 10 && kib(full, twice) < 32 << 10 && kib(some, many) < 32 << 10 {
        Ok(())
    } else {
        Err("more than is said".to_owned())
    }
}

/// Which plugin, and how its configuration comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugin {
    Shipped,
    /// Its configuration is discovered.
    Discovered,
    /// Its listener is.
    ListenedFor,
    Trapping,
}

fn start(world: &World, policy: &str, plugin: Plugin, service: Option<u16>) -> Result<(Api, Envoy), String> {
    let api = world.runtime.block_on(Api::start());
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let jwks = scratch.write("jwks.json", &world.issuer.jwks()).map_err(|error| error.to_string())?;
    let trapping = if plugin == Plugin::Trapping { world.tools.trapping()? } else { world.tools.wasm.clone() };
    let access_log = &scratch.access_log();
    let blanks = Blanks { wasm: &trapping, policy, jwks: &jwks, upstream: api.address, access_log };
    let mut bootstrap = Bootstrap::reference(&blanks);
    if let Some(port) = service {
        bootstrap = bootstrap.with_ratelimit(port);
    }
    if plugin == Plugin::Trapping {
        bootstrap = bootstrap.with_idle_timeout("3s");
    }
    if matches!(plugin, Plugin::Discovered | Plugin::ListenedFor) {
        let file = scratch.path().join("fieldgate.json");
        let (discovering, response) = match plugin {
            Plugin::ListenedFor => bootstrap.with_listener_discovery(&file),
            _ => bootstrap.with_discovery(&file),
        };
        scratch.write("fieldgate.json", &response.to_string()).map_err(|error| error.to_string())?;
        scratch.write("response.json", &response.to_string()).map_err(|error| error.to_string())?;
        bootstrap = discovering;
    }
    // With one worker it is known whose VM traps.
    let workers = if plugin == Plugin::Trapping { 1 } else { 2 };
    let envoy = Envoy::start_with(&world.tools, scratch, &bootstrap, Some(KEY), workers)?;
    Ok((api, envoy))
}

/// Gives a running Envoy another policy, and waits until it has it.
fn reload(envoy: &Envoy, policy: &str) -> Result<(), String> {
    let path = envoy.scratch.path().join("response.json");
    let response: Value = std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap();
    let reloads =
        || envoy.stat(".*extension_config_discovery.*config_reload") + envoy.stat("listener_manager.listener_modified");
    let before = reloads();
    envoy
        .scratch
        .write("fieldgate.json", &with_policy(response, policy).to_string())
        .map_err(|error| error.to_string())?;
    until("the next policy is there", || reloads() > before)
}

fn reloaded(world: &World, plugin: Plugin) -> Result<(), String> {
    let (api, envoy) = start(world, &policy(&budget()), plugin, None)?;
    let caller = Caller { envoy: envoy.listener("api"), token: token(world, "reloaded") };
    let (own, page) = (caller.clone(), Caller::page(PAGE, "late"));
    let page = world.runtime.spawn(async move { own.status(&page, 200).await.map(|got| got.body) });
    world.runtime.block_on(api.holds(1))?;
    let mut next = budget();
    next["max"] = json!(MAX + 1);
    reload(&envoy, &policy(&next))?;
    world.runtime.block_on(async {
        // What is out under the last policy is held under this one.
        caller.status(&Caller::page(PAGE, "x"), 200).await?;
        // Each worker takes a policy in its own time.
        caller.until_there_is_room().await?;
        caller.status("/accounts/one-too-many", 429).await?;
        api.open().await;
        let page = page.await.unwrap()?;
        let released = page["items"].as_array().map_or(0, Vec::len) as u64;
        if released != PAGE {
            return Err(format!("{released} of {PAGE}"));
        }
        until("nothing is reserved", || nothing_reserved(&envoy).is_ok())?;
        match caller.left().await? {
            0 => Ok(()),
            left => Err(format!("{left} left")),
        }
    })?;
    nothing_reserved(&envoy)
}

/// Asks until a new VM serves: how many new accounts that took.
async fn recover(caller: &Caller) -> Result<u64, String> {
    let begun = Instant::now();
    loop {
        match caller.get(&format!("/accounts/{}", fresh(1))).await.map(|got| got.status) {
            Ok(200) => return Ok(1),
            Ok(503) => {}
            other => return Err(format!("while the VM is down: {other:?}")),
        }
        if begun.elapsed() > 2 * PATIENCE {
            return Err("no new VM".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn trapped(world: &World) -> Result<(), String> {
    let (api, envoy) = start(world, &policy(&budget()), Plugin::Trapping, None)?;
    let caller = Caller { envoy: envoy.listener("api"), token: token(world, "trapped") };
    world.runtime.block_on(async {
        let (own, page) = (caller.clone(), Caller::page(PAGE, "late"));
        let page = tokio::spawn(async move { own.get(&page).await.map(|got| got.status) });
        api.holds(1).await?;
        let mut socket =
            caller.send("GET", "/accounts/trap", "x-fieldgate-trap: request\r\nconnection: close\r\n").await;
        let mut got = Vec::new();
        if tokio::time::timeout(PATIENCE, socket.read_to_end(&mut got)).await.is_err() {
            return Err("a request that traps hangs".to_owned());
        }
        api.open().await;
        let page = page.await.unwrap();
        let asked = recover(&caller).await?;
        let left = caller.left().await?;
        // The reservation stays until the window ends.
        if asked + left == MAX - PAGE {
            println!("  the page ended with {page:?}; then {asked} + {left} left of {MAX}");
            Ok(())
        } else {
            Err(format!("the page ended with {page:?}; then {asked} + {left} left of {MAX}"))
        }
    })
}

fn service() -> Result<Option<Service>, String> {
    let service = Service::start()?;
    if service.is_none() {
        println!("no rate limit service here: run scripts/ratelimit.sh");
    }
    Ok(service)
}

fn trapped_in_answer(world: &World) -> Result<(), String> {
    let Some(service) = service()? else { return Ok(()) };
    let (_api, envoy) = start(world, &policy(&from_service("reject")), Plugin::Trapping, Some(service.port))?;
    let caller = Caller { envoy: envoy.listener("api"), token: token(world, "trapped") };
    world.runtime.block_on(async {
        caller.status("/accounts/first", 200).await?;
        let begun = Instant::now();
        let mut socket =
            caller.send("GET", "/accounts/trap", "x-fieldgate-trap: answer\r\nconnection: close\r\n").await;
        let mut got = Vec::new();
        if tokio::time::timeout(PATIENCE, socket.read_to_end(&mut got)).await.is_err() {
            return Err("it hangs beyond the idle timeout".to_owned());
        }
        let got = String::from_utf8_lossy(&got).into_owned();
        println!("  ended after {:.1?}: {}", begun.elapsed(), got.lines().next().unwrap_or("cut"));
        if got.starts_with("HTTP/1.1 200") {
            return Err(got);
        }
        recover(&caller).await.map(drop)
    })
}

fn killed(world: &World, part: Part) -> Result<(), String> {
    for (on_error, expected) in [("reject", 503), ("local", 200)] {
        let Some(mut service) = service()? else { return Ok(()) };
        let (_api, envoy) = start(world, &policy(&from_service(on_error)), Plugin::Shipped, Some(service.port))?;
        let caller = Caller { envoy: envoy.listener("api"), token: token(world, "killed") };
        world.runtime.block_on(async {
            caller.status("/accounts/first", 200).await?;
            service.stop(part, true);
            let asked: Vec<_> = (0..8)
                .map(|_| {
                    let caller = caller.clone();
                    tokio::spawn(async move { caller.status(&format!("/accounts/{}", fresh(1)), expected).await })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(300)).await;
            service.kill(part);
            for asked in asked {
                asked.await.unwrap().map_err(|fault| format!("in mid-call, {on_error}: {fault}"))?;
            }
            caller.status(&format!("/accounts/{}", fresh(1)), expected).await.map_err(|f| format!("then: {f}"))?;
            caller.status("/accounts/first", 200).await.map_err(|fault| format!("a known one: {fault}"))?;
            if on_error == "local" {
                let left = caller.left().await?;
                if left > MAX - 10 {
                    return Err(format!("{left} of {MAX} left after ten"));
                }
            }
            Ok(())
        })?;
        nothing_reserved(&envoy)?;
        quiet(&envoy)?;
    }
    Ok(())
}

/// No VM has died.
fn quiet(envoy: &Envoy) -> Result<(), String> {
    let complaints = envoy.complaints();
    if complaints.contains("panicked") || complaints.contains("Function: proxy_") { Err(complaints) } else { Ok(()) }
}

fn left_meanwhile(world: &World) -> Result<(), String> {
    let Some(service) = service()? else { return Ok(()) };
    let (_api, envoy) = start(world, &policy(&from_service("reject")), Plugin::Shipped, Some(service.port))?;
    let caller = Caller { envoy: envoy.listener("api"), token: token(world, "left") };
    world.runtime.block_on(async {
        caller.status("/accounts/first", 200).await?;
        service.stop(Part::Service, true);
        for _ in 0..20 {
            let socket = caller.send("GET", &format!("/accounts/{}", fresh(1)), "").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(socket);
        }
        service.stop(Part::Service, false);
        tokio::time::sleep(Duration::from_millis(200)).await;
        caller.status("/accounts/second", 200).await?;
        // What the service has granted to those that left is lost, or is there for others.
        let left = caller.left().await?;
        if (MAX - 22..=MAX - 2).contains(&left) { Ok(()) } else { Err(format!("{left} left of {MAX}")) }
    })?;
    nothing_reserved(&envoy)?;
    quiet(&envoy)
}

fn reloaded_meanwhile(world: &World) -> Result<(), String> {
    let Some(service) = service()? else { return Ok(()) };
    let (_api, envoy) = start(world, &policy(&from_service("reject")), Plugin::Discovered, Some(service.port))?;
    let caller = Caller { envoy: envoy.listener("api"), token: token(world, "reloaded") };
    world.runtime.block_on(caller.status("/accounts/first", 200))?;
    service.stop(Part::Service, true);
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let caller = caller.clone();
            world
                .runtime
                .spawn(async move { caller.get(&format!("/accounts/{}", fresh(1))).await.map(|got| got.status) })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    reload(&envoy, &policy(&from_service("local")))?;
    service.stop(Part::Service, false);
    world.runtime.block_on(async {
        for asked in asked {
            match asked.await.unwrap()? {
                200 | 503 => {}
                other => return Err(format!("{other} while the policy changed")),
            }
        }
        caller.status("/accounts/second", 200).await.map(drop)
    })?;
    nothing_reserved(&envoy)?;
    quiet(&envoy)
}
