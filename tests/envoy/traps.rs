//! The VM dies, in each callback, with streams in every phase: none of them says a byte more of what is withheld, what
//! comes next is refused until there is a new VM, and then all is as before.
//!
//! The plugin here is not the one that is shipped, but one that traps where a request tells it to.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::lifecycle::until;
use super::streams::{self, Test};
use super::support::bootstrap::{Bootstrap, with_policy};
use super::support::client::{Answer, End, Protocol};
use super::support::envoy::{Envoy, Scratch};
use super::support::marker::Markers;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::stream::{self, Part, Piece};
use super::support::upstream::{Frame, Script, Step};
use super::world::{self, KEY, World};

/// The request header that makes the test's plugin trap.
const TRAP: &str = "x-fieldgate-trap";

/// Where it traps.
const PHASES: [&str; 6] = ["request", "response-head", "response-body", "later-body", "trailers", "log"];

/// A new VM may be made a second after the last one at the earliest, and later each time that one fails soon.
const RECOVERY: Duration = Duration::from_secs(20);

/// What Envoy sends before it is told to stop has arrived when nothing has come for so long, three times.
const QUIET: Duration = Duration::from_millis(200);

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = vec![
        ("the plugin that is shipped cannot be told to trap".to_owned(), Box::new(shipped)),
        ("with FAIL_CLOSED a VM that died refuses all until the next configuration".to_owned(), Box::new(closed)),
        ("with FAIL_OPEN a VM that died would leak, but for the gate".to_owned(), Box::new(open)),
    ];
    for head in HeadMode::ALL {
        tests.push((
            format!("a VM that dies leaks nothing, and the next one serves, head {}", head.word()),
            Box::new(move |world| reloads(world, head)),
        ));
    }
    tests
}

fn shipped(world: &World) -> Result<(), String> {
    let has_it = |path: &std::path::Path| {
        let wasm = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(memchr::memmem::find(&wasm, TRAP.as_bytes()).is_some())
    };
    if !has_it(&world.tools.trapping()?)? {
        return Err("the test's plugin does not know the header either".to_owned());
    }
    if has_it(&world.tools.wasm)? { Err("it knows the header".to_owned()) } else { Ok(()) }
}

/// An Envoy with the plugin that traps.
fn start(world: &World, head: HeadMode, change: impl Fn(&Scratch, Bootstrap) -> Bootstrap) -> Result<Envoy, String> {
    let policy = World::policy_json(&Policy::Text(streams::LIST), head)?;
    let (scratch, bootstrap) = world.reference_with(&world.tools.trapping()?, &policy);
    let bootstrap = change(&scratch, bootstrap.with_head(head)).in_every_framing(world.upstream.http2);
    Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))
}

/// One protocol all the way.
fn carriages(head: HeadMode, framing: Framing) -> [Carriage; 2] {
    [Protocol::Http1, Protocol::Http2].map(|both| Carriage { head, framing, upstream: both, downstream: both })
}

/// A short row, and what the native core makes of it.
fn small(head: HeadMode) -> Result<(Row, Vec<u8>), String> {
    let row = streams::list("small", "list.show")
        .answers(200, r#"{"items":[{"id":"i","name":"a","code":"@@","owner":{"secret":##}}],"total":"@@","next":"b"}"#);
    let policy = World::policy_json(&Policy::Text(streams::LIST), head)?;
    let native = world::native(&policy, &row)?;
    Ok((row, native.body))
}

/// What a client has of a stream so far: status, header fields, body.
#[derive(Debug, Default)]
struct Seen {
    status: u16,
    fields: Vec<u8>,
    body: Vec<u8>,
}

/// A stream whose upstream waits in some phase.
struct Flight {
    what: String,
    id: String,
    gate: Arc<Notify>,
    seen: Arc<Mutex<Seen>>,
    /// Whether it came to its end.
    task: JoinHandle<bool>,
}

impl Flight {
    fn take_off(
        world: &World,
        envoy: &Envoy,
        carriage: Carriage,
        what: &str,
        script: impl Fn(&Arc<Notify>) -> Script,
    ) -> Self {
        let (gate, seen) = (Arc::new(Notify::new()), Arc::<Mutex<Seen>>::default());
        let id = world.upstream.play(script(&gate));
        let request = world.request(&streams::list(what, "list.show"), &id);
        let (listener, to) = (world::listener(envoy, carriage), Arc::clone(&seen));
        let task = world.runtime.spawn(async move {
            let mut coming = stream::open(listener, carriage.downstream, &request).await;
            {
                let mut seen = to.lock().unwrap();
                seen.status = coming.status;
                seen.fields = coming.fields.iter().flat_map(|(_, value)| [value, &b"\n"[..]].concat()).collect();
            }
            loop {
                match coming.next().await {
                    Piece::Bytes(piece) => to.lock().unwrap().body.extend_from_slice(&piece),
                    Piece::End(_) => return true,
                    Piece::Cut(_) => return false,
                }
            }
        });
        Self { what: format!("{what}, {:?}", carriage.downstream), id, gate, seen, task }
    }

    fn has(&self) -> (u16, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.status, seen.body.len())
    }
}

/// One stream that awaits its response, one that is held or has begun, and one in the middle of a long body.
fn flights(world: &World, envoy: &Envoy, head: HeadMode, markers: &mut Markers) -> Result<Vec<Flight>, String> {
    let open = markers.fill(br#"{"total":"@@","items":[{"id":"i","name":"a","code":"@@"}"#);
    let unit =
        markers.fill(br#",{"id":"i","name":"a name","code":"@@","owner":{"secret":##,"email":"a@example.com"}}"#);
    let close = markers.fill(br#"],"@@":["@@",##],"next":"b"}"#);
    let part = |bytes: &[u8], times| Part::Bytes(bytes::Bytes::copy_from_slice(bytes), times);
    let halves = |gate: &Arc<Notify>, times| {
        [part(&open, 1), part(&unit, times), Part::Gate(Arc::clone(gate)), part(&unit, times), part(&close, 1)]
    };
    let mut flights = Vec::new();
    for carriage in carriages(head, Framing::Length) {
        flights.push(Flight::take_off(world, envoy, carriage, "awaiting its response", |gate| {
            let mut script = stream::script(&halves(gate, 1), carriage.framing, &[]);
            script.http1.insert(0, Step::Gate(Arc::clone(gate)));
            script.http2.insert(0, Frame::Gate(Arc::clone(gate)));
            // The body does not wait too.
            script.http1.retain(once(|step| matches!(step, Step::Gate(_))));
            script.http2.retain(once(|frame| matches!(frame, Frame::Gate(_))));
            script
        }));
        flights.push(Flight::take_off(world, envoy, carriage, "begun", |gate| {
            stream::script(&halves(gate, 10), carriage.framing, &[])
        }));
        flights.push(Flight::take_off(world, envoy, carriage, "in the middle", |gate| {
            stream::script(&halves(gate, 3_000), carriage.framing, &[])
        }));
    }
    let is_up = |flight: &Flight| {
        let (status, length) = flight.has();
        world.upstream.was_asked(&flight.id)
            && match flight.what.split(',').next() {
                Some("in the middle") => status == 200 && length > 0,
                Some("begun") if head == HeadMode::Released => status == 200,
                _ => true,
            }
    };
    until("all streams are in flight", || flights.iter().all(is_up))?;
    let (mut before, mut quiet) = (Vec::new(), 0);
    while quiet < 3 {
        std::thread::sleep(QUIET);
        let now: Vec<_> = flights.iter().map(Flight::has).collect();
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
    }
    let held = flights.iter().filter(|flight| flight.has().0 == 0).count();
    let expected = if head == HeadMode::Held { 4 } else { 2 };
    if held == expected { Ok(flights) } else { Err(format!("{held} heads are held, not {expected}: {before:?}")) }
}

/// Keeps the first that `is_one` finds, and all that it does not.
fn once<T>(is_one: impl Fn(&T) -> bool) -> impl FnMut(&T) -> bool {
    let mut found = false;
    move |item| !is_one(item) || !std::mem::replace(&mut found, true)
}

/// Lets the upstreams go on: every stream ends, refused or cut, and none says a byte more.
fn land(world: &World, flights: Vec<Flight>, markers: &Markers) -> Result<(), String> {
    let before: Vec<_> = flights.iter().map(Flight::has).collect();
    for flight in &flights {
        flight.gate.notify_one();
    }
    for (flight, (status, length)) in flights.into_iter().zip(before) {
        let ended = world.runtime.block_on(flight.task).map_err(|_| format!("{}: it hangs", flight.what))?;
        world.upstream.forget(&flight.id);
        let seen = flight.seen.lock().unwrap();
        let more = &seen.body[length..];
        if let Some(found) = [&seen.fields, &seen.body].into_iter().find_map(|bytes| markers.found_in(bytes)) {
            return Err(format!("{}: {found} left", flight.what));
        }
        let is_refused = match (status, seen.status, ended) {
            // The head has gone: no more comes.
            (200, 200, false) => more.is_empty(),
            (0 | 503, 503, true) => !seen.body.starts_with(b"{"),
            (0, 0, false) => true,
            _ => false,
        };
        if !is_refused {
            let more = String::from_utf8_lossy(&more[..more.len().min(200)]).into_owned();
            return Err(format!("{}: {status}, then {}, ended: {ended}, {more}", flight.what, seen.status));
        }
    }
    Ok(())
}

/// Asks for a thing whose stream makes the VM trap.
fn trap(world: &World, envoy: &Envoy, phase: &str, carriage: Carriage, markers: &mut Markers) -> Answer {
    let unit = markers.fill(br#"{"id":"i","name":"a name","code":"@@","owner":{"secret":##}},"#).repeat(2_000);
    let body = [&markers.fill(br#"{"code":"@@","items":["#)[..], &unit, br#"{}],"next":"b"}"#].concat();
    let long = streams::list("traps", "list.show").answers(200, body);
    let row = if phase == "later-body" { long } else { small(carriage.head).map_or(long, |(row, _)| row) };
    let row = row.with(TRAP, phase);
    let fetched = world.fetch(envoy, &row, carriage);
    *markers = fetched.markers;
    fetched.answer
}

fn reloads(world: &World, head: HeadMode) -> Result<(), String> {
    let envoy = start(world, head, |_, bootstrap| bootstrap)?;
    let (row, body) = small(head)?;
    for (turn, phase) in PHASES.into_iter().enumerate() {
        let told = |error: String| format!("{phase}: {error}");
        let mut markers = Markers::default();
        let flights = flights(world, &envoy, head, &mut markers).map_err(told)?;
        let carriage = carriages(head, Framing::Trailers)[turn % 2];
        let mut own = Markers::default();
        let answer = trap(world, &envoy, phase, carriage, &mut own);
        if let Some(found) = own.found_in(&answer.everything()) {
            return Err(told(format!("{found} left in {}", world::shown(&answer))));
        }
        let is_right = match answer.end {
            // The response had gone when its log was due.
            _ if phase == "log" => answer.status == 200 && answer.body == body,
            End::Complete => answer.status == 503,
            End::Cut => head == HeadMode::Released || phase == "later-body" || phase == "trailers",
            End::Hung => false,
        };
        if !is_right {
            return Err(told(world::shown(&answer)));
        }
        let begun = Instant::now();
        land(world, flights, &markers).map_err(told)?;
        let refused = recover(world, &envoy, head, &row, &body).map_err(told)?;
        println!(
            "a trap at {phase}, head {}: {refused} refused meanwhile, served again after {:.1?}",
            head.word(),
            begun.elapsed()
        );
        for framing in Framing::ALL {
            for carriage in carriages(head, framing) {
                let answer = world.fetch(&envoy, &row, carriage).answer;
                if answer.body != body || !envoy.is_running() {
                    return Err(told(format!("then {}", world::shown(&answer))));
                }
            }
        }
    }
    Ok(())
}

/// Asks until each listener serves again; how many were refused before. No request gets anything else.
fn recover(world: &World, envoy: &Envoy, head: HeadMode, row: &Row, body: &[u8]) -> Result<u32, String> {
    let mut refused = 0;
    // Each listener has its own plugin to make anew.
    for carriage in carriages(head, Framing::Chunked) {
        let begun = Instant::now();
        loop {
            let fetched = world.fetch(envoy, row, carriage);
            if let Some(found) = fetched.markers.found_in(&fetched.answer.everything()) {
                return Err(format!("while down: {found} left"));
            }
            match fetched.answer.status {
                200 if fetched.answer.body == body => break,
                503 if fetched.arrived.is_none() => refused += 1,
                _ => return Err(format!("while down: {}", world::shown(&fetched.answer))),
            }
            if begun.elapsed() > RECOVERY {
                return Err(format!("down for {RECOVERY:?}"));
            }
        }
    }
    Ok(refused)
}

fn closed(world: &World) -> Result<(), String> {
    let head = HeadMode::Held;
    let discovered = Mutex::new(None);
    let policy = World::policy_json(&Policy::Text(streams::LIST), head)?;
    let envoy = start(world, head, |scratch, bootstrap| {
        let file = scratch.path().join("fieldgate.json");
        let (bootstrap, response) = bootstrap.with_failure_policy("FAIL_CLOSED").with_discovery(&file);
        scratch.write("fieldgate.json", &response.to_string()).unwrap();
        *discovered.lock().unwrap() = Some(response);
        bootstrap
    })?;
    let (row, body) = small(head)?;
    let mut markers = Markers::default();
    let flights = flights(world, &envoy, head, &mut markers)?;
    let carriage = carriages(head, Framing::Length)[0];
    let answer = trap(world, &envoy, "response-body", carriage, &mut Markers::default());
    if answer.status != 503 {
        return Err(world::shown(&answer));
    }
    land(world, flights, &markers)?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let fetched = world.fetch(&envoy, &row, carriage);
        if fetched.answer.status != 503 || fetched.arrived.is_some() {
            return Err(format!("{:?} after: {}", begun.elapsed(), world::shown(&fetched.answer)));
        }
    }
    let response = discovered.into_inner().unwrap().ok_or("no discovery response")?;
    let next = policy.replace("\"policy\":\"list\"", "\"policy\":\"list-again\"");
    envoy
        .scratch
        .write("fieldgate.json", &with_policy(response, &next).to_string())
        .map_err(|error| error.to_string())?;
    until("the next configuration serves", || world.fetch(&envoy, &row, carriage).answer.body == body)
}

/// Why no shipped configuration has it, and what the other tests would see if they could not fail.
fn open(world: &World) -> Result<(), String> {
    let head = HeadMode::Held;
    let carriage = carriages(head, Framing::Length)[0];
    let (row, _) = small(head)?;
    for gated in [true, false] {
        let envoy = start(world, head, |_, bootstrap| {
            let bootstrap = bootstrap.with_failure_policy("FAIL_OPEN");
            if gated { bootstrap } else { bootstrap.without_gate() }
        })?;
        trap(world, &envoy, "response-head", carriage, &mut Markers::default());
        let fetched = world.fetch(&envoy, &row, carriage);
        let leaks = fetched.markers.found_in(&fetched.answer.everything()).is_some();
        if leaks == gated || (gated && fetched.answer.status != 403) {
            return Err(format!("with the gate: {gated}: {}", world::shown(&fetched.answer)));
        }
    }
    Ok(())
}
