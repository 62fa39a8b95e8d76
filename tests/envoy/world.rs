//! What all rows share, and how a row is run.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use fieldgate::caller::{Caller, Evidence};
use fieldgate::exchange::{self, Answer as Native};
use fieldgate::model::Budget;
use fieldgate::model::moment::Moment;
use fieldgate::policy::{self, Disk};
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::support::bootstrap::{Blanks, Bootstrap, Host};
use super::support::client::{self, Answer, End, Protocol, Request};
use super::support::envoy::{Envoy, Scratch, Shared, Tools, record_in};
use super::support::http1::Field;
use super::support::marker::{self, Markers};
use super::support::row::{Carriage, Expected, Framing, HeadMode, Policy, Row, Upstream as Scripted};
use super::support::token::Issuer;
use super::support::upstream::{Arrived, SCRIPT, Script, Upstream};

/// The key of pseudonyms, in Envoy and natively: a test's, and nobody's secret.
pub(crate) const KEY: &str = "ZmllbGRnYXRlIHRlc3Qga2V5OiBub2JvZHkncyBzZWNyZXQ=";

/// Header names that are the host's business: framing and connection, its name, the time.
const HOSTS_OWN: [&str; 5] = ["connection", "content-length", "date", "server", "transfer-encoding"];

/// Request headers that no upstream of a governed route gets.
const NOT_FORWARDED: [&str; 6] =
    ["if-none-match", "if-modified-since", "if-range", "range", "x-http-method-override", "x-method-override"];

/// How many requests are under way at once where many are sent.
const AT_ONCE: usize = 12;

/// How long a line of the access log is waited for that is looked at if it is there.
const GLANCE: Duration = Duration::from_secs(1);

/// How long one is waited for that has to be there: a busy machine writes it late.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of one exchange.
pub(crate) struct Fetched {
    pub(crate) answer: Answer,
    pub(crate) markers: Markers,
    /// The upstream's response with its markers.
    pub(crate) scripted: Scripted,
    /// The request as the upstream got it, if it did.
    pub(crate) arrived: Option<Arrived>,
    /// The access log's line, with the decision record; where nobody asked for it, none.
    pub(crate) line: Option<String>,
}

/// What a client was told, and what the access log says of it.
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) record: Option<Value>,
}

type Slot<T> = Arc<OnceLock<Result<T, String>>>;

/// One upstream, one issuer, and for each policy listeners of the Envoy of its head mode.
pub(crate) struct World {
    pub(crate) tools: Tools,
    /// Chooses where bodies are cut. `FIELDGATE_SEED` repeats a run.
    pub(crate) seed: u64,
    pub(crate) runtime: Runtime,
    pub(crate) upstream: Upstream,
    pub(crate) issuer: Issuer,
    shared: [Slot<Shared>; 2],
    envoys: Mutex<HashMap<String, Slot<Envoy>>>,
    exchanges: AtomicU64,
    /// Signing takes a while without optimisation.
    tokens: Mutex<HashMap<String, String>>,
}

impl World {
    pub(crate) fn new(tools: Tools) -> Self {
        let runtime = Runtime::new().unwrap();
        let upstream = runtime.block_on(Upstream::start()).unwrap();
        let seed = std::env::var("FIELDGATE_SEED").ok().and_then(|text| text.parse().ok());
        Self {
            tools,
            seed: seed.unwrap_or_else(|| marker::random() % 1_000_000),
            runtime,
            upstream,
            issuer: Issuer::new(),
            shared: Default::default(),
            envoys: Mutex::default(),
            exchanges: AtomicU64::new(0),
            tokens: Mutex::default(),
        }
    }

    /// The policy's JSON form, with the head mode that the carriage has.
    pub(crate) fn policy_json(policy: &Policy, head: HeadMode) -> Result<String, String> {
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
        let path = match policy {
            Policy::File(path) => fieldgate_testkit::root().join(path),
            Policy::Text(text) => scratch.write("policy.yaml", text).map_err(|error| error.to_string())?,
        };
        let document = policy::load(&Disk, &path.to_string_lossy()).map_err(|found| found.to_string())?;
        policy::check(&document).map_err(|found| found.to_string())?;
        let mut tree: Value = serde_json::from_str(&policy::to_json(&document)).map_err(|error| error.to_string())?;
        tree["head"] = json!(head.word());
        // Rows ask for many customers, who are new each time: budgets count them all, and have room for them. But for those
        // that are there to bind.
        let budgets = tree.get_mut("budgets").and_then(Value::as_object_mut);
        for (name, budget) in budgets.into_iter().flatten() {
            if !name.starts_with("binding-") {
                budget["max"] = json!(Budget::MOST);
            }
        }
        Ok(tree.to_string())
    }

    /// A bootstrap that is the reference one, and the directory that its files are in.
    pub(crate) fn reference(&self, policy: &str) -> (Scratch, Bootstrap) {
        self.reference_with(&self.tools.wasm, policy)
    }

    /// The reference bootstrap with another plugin.
    pub(crate) fn reference_with(&self, wasm: &Path, policy: &str) -> (Scratch, Bootstrap) {
        let scratch = Scratch::new().unwrap();
        let jwks = scratch.write("jwks.json", &self.issuer.jwks()).unwrap();
        let access_log = &scratch.access_log();
        let blanks = Blanks { wasm, policy, jwks: &jwks, upstream: self.upstream.http1, access_log };
        (scratch, Bootstrap::reference(&blanks))
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut tokens = self.tokens.lock().unwrap();
        tokens.entry(claims.to_string()).or_insert_with(|| self.issuer.token(claims)).clone()
    }

    /// Calls `use_it` with the listeners of this policy and head mode, added to their Envoy if they were not. Policies of
    /// many rows are in one Envoy, as those of many teams behind one gateway are.
    pub(crate) fn with_envoy<T>(
        &self,
        policy: &str,
        head: HeadMode,
        use_it: impl FnOnce(&Envoy) -> T,
    ) -> Result<T, String> {
        let slot = Arc::clone(self.envoys.lock().unwrap().entry(policy.to_owned()).or_default());
        let envoy = slot.get_or_init(|| {
            let (scratch, bootstrap) = self.reference(policy);
            // Some rows leave a connection that is of no use; the next request on it would be another row's.
            let bootstrap = bootstrap.with_head(head).in_every_framing(self.upstream.http2).with_a_connection_each();
            let shared = self.shared[head as usize].get_or_init(|| Shared::start(&self.tools, &bootstrap, KEY));
            shared.as_ref().map_err(Clone::clone)?.join(scratch, &bootstrap)
        });
        envoy.as_ref().map(use_it).map_err(Clone::clone)
    }

    /// Runs a row in every carriage; all that went wrong, one line each.
    pub(crate) fn run(&self, row: &Row) -> Result<(), String> {
        let mut failures = String::new();
        for head in HeadMode::ALL {
            let policy = Self::policy_json(&row.policy, head)?;
            let carriages: Vec<_> = Carriage::all().filter(|carriage| carriage.head == head).collect();
            let native = native(&policy, row)?;
            self.with_envoy(&policy, head, |envoy| {
                let fetched = self.fetch_logged(envoy, carriages.iter().map(|carriage| (row, *carriage)));
                for (carriage, fetched) in carriages.iter().zip(fetched) {
                    if let Err(failure) = judge(row, *carriage, &native, fetched) {
                        let _ = writeln!(failures, "{carriage:?}\n  {failure}");
                    }
                }
            })?;
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Runs many inputs of one claim, each in both head modes, the carriages taken in turn. What no input may do besides what
    /// its row says: leave a marker in Envoy's log.
    pub(crate) fn run_many(&self, rows: &[Row]) -> Result<(), String> {
        let mut failures = String::new();
        for head in HeadMode::ALL {
            let carriages: Vec<_> = Carriage::all().filter(|carriage| carriage.head == head).collect();
            let mut by_policy: Vec<(String, Vec<(&Row, Carriage)>)> = Vec::new();
            for (row, carriage) in rows.iter().zip(carriages.iter().cycle()) {
                let policy = Self::policy_json(&row.policy, head)?;
                match by_policy.iter_mut().find(|(known, _)| *known == policy) {
                    Some((_, asked)) => asked.push((row, *carriage)),
                    None => by_policy.push((policy, vec![(row, *carriage)])),
                }
            }
            for (policy, asked) in &by_policy {
                let program = compile(policy)?;
                self.with_envoy(policy, head, |envoy| {
                    let fetched = self.fetch_logged(envoy, asked.iter().copied());
                    let log = envoy.log();
                    for ((row, carriage), fetched) in asked.iter().zip(fetched) {
                        if fetched.markers.any_in(log.as_bytes()) {
                            let _ = writeln!(failures, "{}: a marker in the log", row.claim);
                        }
                        if let Err(failure) = judge(row, *carriage, &respond(&program, row), fetched) {
                            let _ = writeln!(failures, "{} {carriage:?}\n  {failure}", row.claim);
                        }
                    }
                })?;
            }
        }
        println!("{} inputs, each with the head held and released", rows.len());
        if failures.is_empty() { Ok(()) } else { Err(failures.chars().take(20_000).collect()) }
    }

    /// A number that no other exchange has.
    pub(crate) fn number(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks once, and says what came and what it was made of.
    pub(crate) fn fetch(&self, envoy: &Envoy, row: &Row, carriage: Carriage) -> Fetched {
        self.fetch_all(envoy, std::iter::once((row, carriage))).remove(0)
    }

    /// Asks for each, a few at a time.
    pub(crate) fn fetch_all<'r>(
        &self,
        envoy: &Envoy,
        rows: impl IntoIterator<Item = (&'r Row, Carriage)>,
    ) -> Vec<Fetched> {
        self.fetch_known(envoy, rows).into_iter().map(|(_, fetched)| fetched).collect()
    }

    /// Asks for each, a few at a time, and for what the access log says of it.
    fn fetch_logged<'r>(&self, envoy: &Envoy, rows: impl IntoIterator<Item = (&'r Row, Carriage)>) -> Vec<Fetched> {
        let (ids, mut fetched): (Vec<String>, Vec<Fetched>) = self.fetch_known(envoy, rows).into_iter().unzip();
        for (fetched, line) in fetched.iter_mut().zip(envoy.lines_of(&ids, GLANCE)) {
            fetched.line = line;
        }
        fetched
    }

    /// Asks for each, a few at a time; with the ids of the requests.
    fn fetch_known<'r>(
        &self,
        envoy: &Envoy,
        rows: impl IntoIterator<Item = (&'r Row, Carriage)>,
    ) -> Vec<(String, Fetched)> {
        let a_few = Arc::new(Semaphore::new(AT_ONCE));
        let mut asked = Vec::new();
        for (row, carriage) in rows {
            let mut markers = Markers::default();
            let scripted = row.upstream.marked(&mut markers);
            let trailers = ["x-trailer", "etag", "digest"].map(|name| (name.to_owned(), markers.text().into_bytes()));
            let mut cuts = Cuts(self.seed.wrapping_add(self.number()).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let script = scripted.script(carriage.framing, &trailers, row.is_bodiless(), |left| cuts.next(left));
            let id = self.upstream.play(script);
            let (request, listener) = (self.request(row, &id), listener(envoy, carriage));
            let a_few = Arc::clone(&a_few);
            let task = self.runtime.spawn(async move {
                let _turn = a_few.acquire_owned().await;
                client::ask(listener, carriage.downstream, &request).await
            });
            asked.push((id, markers, scripted, task));
        }
        self.runtime.block_on(async {
            let mut fetched = Vec::new();
            for (id, markers, scripted, task) in asked {
                let answer = task.await.unwrap();
                let arrived = self.upstream.forget(&id);
                fetched.push((id, Fetched { answer, markers, scripted, arrived, line: None }));
            }
            fetched
        })
    }

    /// Sends a row's request, answered by a script: what came, and what the upstream was asked.
    pub(crate) fn play(
        &self,
        envoy: &Envoy,
        row: &Row,
        carriage: Carriage,
        script: Script,
    ) -> (Answer, Option<Arrived>) {
        let id = self.upstream.play(script);
        let request = self.request(row, &id);
        let answer = self.runtime.block_on(client::ask(listener(envoy, carriage), carriage.downstream, &request));
        (answer, self.upstream.forget(&id))
    }

    /// Sends rows' requests, a few at a time, each answered by its script; and what the access log says of them.
    pub(crate) fn tell_all(&self, envoy: &Envoy, asked: Vec<(&Row, Carriage, Script)>) -> Result<Vec<Told>, String> {
        let (ids, answers): (Vec<String>, Vec<Answer>) = self.play_known(envoy, asked).into_iter().unzip();
        let told = answers.into_iter().zip(envoy.lines_of(&ids, PATIENCE)).map(|(answer, line)| {
            let record = line.as_deref().map(record_in).transpose()?.flatten();
            Ok(Told { answer, record })
        });
        told.collect()
    }

    /// Sends rows' requests, a few at a time, each answered by its script.
    pub(crate) fn play_all(&self, envoy: &Envoy, asked: Vec<(&Row, Carriage, Script)>) -> Vec<Answer> {
        self.play_known(envoy, asked).into_iter().map(|(_, answer)| answer).collect()
    }

    fn play_known(&self, envoy: &Envoy, asked: Vec<(&Row, Carriage, Script)>) -> Vec<(String, Answer)> {
        let a_few = Arc::new(Semaphore::new(AT_ONCE));
        let tasks: Vec<_> = asked
            .into_iter()
            .map(|(row, carriage, script)| {
                let id = self.upstream.play(script);
                let (request, listener) = (self.request(row, &id), listener(envoy, carriage));
                let a_few = Arc::clone(&a_few);
                let task = self.runtime.spawn(async move {
                    let _turn = a_few.acquire_owned().await;
                    client::ask(listener, carriage.downstream, &request).await
                });
                (id, task)
            })
            .collect();
        self.runtime.block_on(async {
            let mut answers = Vec::new();
            for (id, task) in tasks {
                let answer = task.await.unwrap();
                self.upstream.forget(&id);
                answers.push((id, answer));
            }
            answers
        })
    }

    /// A row's request, with its token, to be answered by the script of that id, which is the request's own too.
    pub(crate) fn request(&self, row: &Row, id: &str) -> Request {
        let mut request = row.request.clone();
        if request.fields.iter().all(|(name, _)| name != "x-request-id") {
            request.fields.push(("x-request-id".to_owned(), id.as_bytes().to_vec()));
        }
        request.fields.push((SCRIPT.to_owned(), id.as_bytes().to_vec()));
        let token = self.token(&row.claims);
        request.fields.push(("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
        request
    }
}

/// Whether a row got what it says, in one carriage.
pub(crate) fn judge(row: &Row, carriage: Carriage, native: &Native, fetched: Fetched) -> Result<(), String> {
    let Fetched { answer, markers, scripted, arrived, line } = fetched;
    // The decision record holds nothing of a response, whatever becomes of it.
    if let Some(found) = line.as_ref().and_then(|line| markers.found_in(line.as_bytes())) {
        return Err(format!("{found} in the decision record: {}", line.unwrap_or_default()));
    }
    if row.asks_upstream.is_some_and(|asks| asks != arrived.is_some()) {
        return Err(format!("asked the upstream: {}, answered {}", arrived.is_some(), shown(&answer)));
    }
    arrived.map_or(Ok(()), |arrived| forwarded(row, &arrived))?;
    if matches!(row.expected, Expected::Untouched) {
        let is_whole = answer.end == End::Complete && answer.body == scripted.body && answer.status == scripted.status;
        return if is_whole { Ok(()) } else { Err(format!("not as it was: {}", shown(&answer))) };
    }
    if let Some(found) = markers.found_in(&answer.everything()) {
        return Err(format!("{found} left in {}", shown(&answer)));
    }
    if matches!(row.expected, Expected::NotCompleted) {
        // With the head gone a cut, else a refusal, of the filter's or of Envoy's own.
        let is_refused = answer.end == End::Complete && answer.status >= 400;
        return if is_refused || answer.end == End::Cut { Ok(()) } else { Err(shown(&answer)) };
    }
    sound(&answer)?;
    // In pieces of any size a body is not awaited: then its first part decides, or it comes too late for a clean reply.
    let is_awaited = carriage.framing == Framing::Length || carriage.upstream == Protocol::Http2;
    let is_reset = match row.expected {
        Expected::RefusedByBody(_) if is_awaited => carriage.head == HeadMode::Released,
        Expected::EmptiedByBody(_) if is_awaited => false,
        Expected::RefusedByBody(_) | Expected::EmptiedByBody(_) => answer.end == End::Cut,
        Expected::Reset => true,
        // A response that the body decides on has one more way to be refused.
        Expected::AsNative
            if native.report.refusal.is_some() && (carriage.head == HeadMode::Released || !is_awaited) =>
        {
            answer.end == End::Cut
        }
        Expected::HostsOwn => answer.end == End::Cut,
        _ => false,
    };
    match (answer.end, is_reset) {
        (End::Cut, true) => return Ok(()),
        (End::Complete, false) => {}
        _ => return Err(format!("reset is {is_reset}: {}", shown(&answer))),
    }
    expected(row, &answer)?;
    if matches!(row.expected, Expected::HostsOwn) {
        return Ok(());
    }
    same(native, &answer, row.request.method == "HEAD")
}

/// The listener whose upstream speaks the carriage's protocol.
pub(crate) fn listener(envoy: &Envoy, carriage: Carriage) -> SocketAddr {
    envoy.listener(match carriage.upstream {
        Protocol::Http1 => "api",
        Protocol::Http2 => "api-http2",
    })
}

/// What the upstream may be asked: exactly what was matched (rule 3), by a gateway that wants it plain and whole (rule 32).
fn forwarded(row: &Row, arrived: &Arrived) -> Result<(), String> {
    let values = |name: &str| {
        let of_name = arrived.fields.iter().filter(|(field, _)| field == name);
        of_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    };
    if (&arrived.method, &arrived.path) != (&row.request.method, &row.request.path)
        || !values("authorization").is_empty()
    {
        return Err(format!("the upstream was asked {arrived:?}"));
    }
    if matches!(row.expected, Expected::Untouched) {
        return Ok(());
    }
    let left: Vec<_> = NOT_FORWARDED.into_iter().filter(|name| !values(name).is_empty()).collect();
    if left.is_empty() && values("accept-encoding") == ["identity"] {
        Ok(())
    } else {
        Err(format!("the upstream was asked with {left:?}, accept-encoding {:?}", values("accept-encoding")))
    }
}

/// What no response may have, whatever the row.
fn sound(answer: &Answer) -> Result<(), String> {
    if let Some(fault) = &answer.fault {
        return Err(format!("{fault}: {}", shown(answer)));
    }
    if !answer.trailers.is_empty() {
        return Err(format!("trailers left: {:?}", answer.trailers));
    }
    Ok(())
}

/// What the row says.
fn expected(row: &Row, answer: &Answer) -> Result<(), String> {
    let (status, body) = match &row.expected {
        Expected::Answer { status, body } => (*status, Some(body)),
        Expected::Refused(status) | Expected::RefusedByBody(status) => {
            let kind = answer.values("content-type");
            if kind != ["application/problem+json"] {
                return Err(format!("no problem: {}", shown(answer)));
            }
            (*status, None)
        }
        Expected::EmptiedByBody(status) => (*status, Some(const { &Vec::new() })),
        Expected::AsNative | Expected::HostsOwn | Expected::NotCompleted | Expected::Untouched | Expected::Reset => {
            (answer.status, None)
        }
    };
    if answer.status != status || body.is_some_and(|body| *body != answer.body) {
        let body = body.map(|body| String::from_utf8_lossy(body).into_owned()).unwrap_or_default();
        return Err(format!("expected {status} {body}\n  got {}", shown(answer)));
    }
    for (name, value) in &row.headers {
        let got = answer.values(name);
        if got != value.iter().copied().collect::<Vec<_>>() {
            return Err(format!("expected {name}: {value:?}, got {got:?}"));
        }
    }
    Ok(())
}

/// Byte for byte what the native core answers.
fn same(native: &Native, answer: &Answer, is_head: bool) -> Result<(), String> {
    fn headers(headers: &[Field]) -> BTreeMap<&str, String> {
        // Envoy makes one line of some repeated fields, which says the same (RFC 9110 §5.3).
        let mut kept: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in headers.iter().filter(|(name, _)| !HOSTS_OWN.contains(&name.as_str())) {
            let line = kept.entry(name).or_default();
            let comma = if line.is_empty() { "" } else { "," };
            line.push_str(&format!("{comma}{}", String::from_utf8_lossy(value)));
        }
        kept
    }
    // Envoy lets a module write no empty header.
    let is_written = |value: &[u8]| Host::chosen() == Host::Plugin || !value.is_empty();
    let of_native: Vec<Field> = native
        .headers
        .iter()
        .filter(|(_, value)| is_written(value))
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.clone()))
        .collect();
    let body: &[u8] = if is_head { &[] } else { &native.body };
    if (native.status, body) != (answer.status, &answer.body) || headers(&of_native) != headers(&answer.fields) {
        return Err(format!(
            "the native core answers {} {:?} {}\n  Envoy {}",
            native.status,
            headers(&of_native),
            String::from_utf8_lossy(&native.body),
            shown(answer)
        ));
    }
    Ok(())
}

/// The program of a policy's JSON form, with [`KEY`].
pub(crate) fn compile(policy: &str) -> Result<Rc<Program>, String> {
    let (set, _) = policy::from_json(policy.as_bytes()).map_err(|found| found.to_string())?;
    let key = PseudonymKey::from_base64(KEY).map_err(|fault| fault.to_string())?;
    Program::new(set, Some(key)).map(Rc::new).map_err(|missing| missing.to_string())
}

/// The exchange of a row, without a host.
pub(crate) fn native(policy: &str, row: &Row) -> Result<Native, String> {
    Ok(respond(&compile(policy)?, row))
}

/// What a program answers to a row.
pub(crate) fn respond(program: &Rc<Program>, row: &Row) -> Native {
    let scripted = row.upstream.marked(&mut Markers::default());
    let bytes =
        |fields: &[Field]| fields.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect();
    let fields: Vec<Field> = row.request.fields_but_host().cloned().collect();
    let mut headers: exchange::Headers = bytes(&fields);
    headers.push((b":authority".to_vec(), row.request.authority().into_bytes()));
    let caller = Caller::identify(program.policy(), Evidence::Claims(row.claims.clone()), &headers);
    let request = exchange::Request {
        method: row.request.method.clone(),
        target: row.request.path.clone(),
        headers,
        caller,
        now: program.budgets().and_then(|_| Moment::of(SystemTime::now())),
    };
    let response = exchange::Response {
        status: scripted.status,
        headers: bytes(&scripted.fields),
        body: if row.is_bodiless() { Vec::new() } else { scripted.body },
    };
    exchange::respond(program, request, &response)
}

pub(crate) fn shown(answer: &Answer) -> String {
    let headers: Vec<_> =
        answer.fields.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))).collect();
    let body = String::from_utf8_lossy(&answer.body[..answer.body.len().min(400)]).into_owned();
    format!("{} {headers:?} {} bytes {body} ({:?})", answer.status, answer.body.len(), answer.end)
}

/// Chooses the lengths of a body's pieces: short at first, then up to 20,000 bytes.
struct Cuts(u64);

impl Cuts {
    fn next(&mut self, left: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let most = if left < 200 { 40 } else { 20_000 };
        1 + usize::try_from(self.0 % most).unwrap_or(0)
    }
}
