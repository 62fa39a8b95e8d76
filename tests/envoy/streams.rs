//! Long bodies: in constant memory, as fast as the client reads, and never completed when something is wrong with them.
//!
//! `FIELDGATE_LONG_MB` is how long they are (8; 100 under `make soak`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::support::client::{End, Protocol};
use super::support::envoy::Envoy;
use super::support::marker::Markers;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::stream::{self, Coming, Part, Piece};
use super::support::upstream::{Script, Step};
use super::world::{self, KEY, World};

/// Buffer limits, in bytes: the least that the filter's writes are made for, what edge guides set, Envoy's default.
const BUFFERS: [u32; 3] = [16 << 10, 32 << 10, 1 << 20];

/// What a long body may add to Envoy's resident memory, in KiB: many times the buffers that it passes, far less than itself.
const GROWTH: u64 = 16 << 10;

/// Each scope lets the same body out in another form; the pseudonyms make it longer.
pub(crate) const SCOPES: [&str; 3] = ["list.show", "list.mask", "list.link"];

pub(crate) const LIST: &str = r"
language: 1
policy: list
identity: {source: jwt_authn, payload: verified_jwt, client: azp, scopes: scope}
defaults: {unmatched_route: reject, other_content: reject, errors: {show: [title, status]}}
limits: {body: 1GiB}
classes:
  plain:  {about: Anybody may know it}
  key:    {about: Links records, blank: '-'}
  secret: {about: Granted to nobody}
shapes:
  record:
    $.id:           {class: key, mask: {last: 2}, pseudonym: record}
    $.name:         plain
    $.owner.email:  {class: key, mask: email, pseudonym: email}
    $.owner.secret: secret
    $.code:         secret
routes:
  list:
    match: GET /list
    area: list
    body: {'$.items[*]': {shape: record}, $.next: plain}
scopes:
  list.show: {areas: [list], grant: {plain: show, key: show}}
  list.mask: {areas: [list], grant: {plain: show, key: mask}}
  list.link: {areas: [list], grant: {plain: show, key: pseudonym}}
";

pub(crate) type Test = Box<dyn FnOnce(&World) -> Result<(), String> + Send>;

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = Vec::new();
    for (turn, buffer) in BUFFERS.into_iter().enumerate() {
        for head in HeadMode::ALL {
            let setting = format!("buffers of {} KiB, head {}", buffer >> 10, head.word());
            tests.push((
                format!("long bodies stream in constant memory: {setting}"),
                Box::new(move |world| stream_long(world, buffer, head, turn)),
            ));
            tests.push((
                format!("a body that grows arrives whole, and Envoy lives: {setting}"),
                Box::new(move |world| grow(world, buffer, head)),
            ));
        }
    }
    for head in HeadMode::ALL {
        tests.push((
            format!("no buffer is too small for Envoy to live, head {}", head.word()),
            Box::new(move |world| small_buffers(world, head)),
        ));
    }
    tests.push((
        "a body that ends with its connection arrives whole".to_owned(),
        Box::new(to_the_end_of_the_connection),
    ));
    tests.push(("a client that reads slowly slows the upstream".to_owned(), Box::new(slow_reader)));
    tests.push(("a body that is cut or broken in its middle is reset".to_owned(), Box::new(broken_in_the_middle)));
    tests.push(("a body in HTTP/2 frames is never too large for its buffer".to_owned(), Box::new(frames)));
    tests.push(("what grows behind a part that was held back arrives whole".to_owned(), Box::new(held_then_grown)));
    tests
}

/// A body: `open`, `unit` so many times, `close`.
struct Long {
    open: Bytes,
    unit: Bytes,
    close: Bytes,
}

impl Long {
    /// Records with a marker in each member that nobody may see.
    fn upstream(markers: &mut Markers) -> Self {
        let record = |index: u32| {
            format!(
                r#"{{"code":"@@","id":"r-{index}","na\u006de":"Añ{}","owner":{{"secret":##,"email":"a{index}@example.com"}},"more":[{{"@@":"@@"}},[]]}}"#,
                "x".repeat(usize::try_from(index).unwrap_or(0) % 97)
            )
        };
        let unit: String = (1..=97).map(|index| format!(",{}\n", record(index))).collect();
        Self {
            open: markers.fill(format!(r#"{{"total":##,"items":[ {}"#, record(0)).as_bytes()).into(),
            unit: markers.fill(unit.as_bytes()).into(),
            close: Bytes::from_static(br#"],"next":"/list?page=2"}"#),
        }
    }

    fn whole(&self, times: usize) -> Vec<u8> {
        [&*self.open, &self.unit.repeat(times), &self.close].concat()
    }

    /// What the native core makes of it: taken from three short ones, since every unit comes out the same.
    fn filtered(&self, policy: &str, scope: &str) -> Result<Self, String> {
        let of = |times| {
            let row = list("", scope).answers(200, self.whole(times));
            world::native(policy, &row).map(|answer| answer.body)
        };
        let (none, one, two) = (of(0)?, of(1)?, of(2)?);
        let close = Bytes::from_static(br#"],"next":"/list?page=2"}"#);
        let open = Bytes::from(none.strip_suffix(&*close).ok_or("the end is filtered")?.to_vec());
        let filtered = Self { unit: Bytes::copy_from_slice(&one[open.len()..one.len() - close.len()]), open, close };
        if filtered.whole(1) == one && filtered.whole(2) == two {
            Ok(filtered)
        } else {
            Err("two units come out otherwise than one twice".to_owned())
        }
    }
}

/// Compares what comes with what must come.
struct Follower<'l> {
    long: &'l Long,
    times: usize,
    at: usize,
}

impl Follower<'_> {
    fn take(&mut self, mut piece: &[u8]) -> Result<(), String> {
        while !piece.is_empty() {
            let units = self.long.unit.len() * self.times;
            let expected = match self.at.checked_sub(self.long.open.len()) {
                None => &self.long.open[self.at..],
                Some(at) if at < units => &self.long.unit[at % self.long.unit.len()..],
                Some(at) => self.long.close.get(at - units..).unwrap_or_default(),
            };
            let length = expected.len().min(piece.len());
            if length == 0 || expected[..length] != piece[..length] {
                let shown = String::from_utf8_lossy(&piece[..piece.len().min(200)]).into_owned();
                return Err(format!("another body than the native core's, at byte {} or soon after: {shown}", self.at));
            }
            self.at += length;
            piece = &piece[length..];
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.at == self.long.whole_length(self.times)
    }
}

impl Long {
    fn whole_length(&self, times: usize) -> usize {
        self.open.len() + self.unit.len() * times + self.close.len()
    }
}

pub(crate) fn list(claim: &str, scope: &str) -> Row {
    Row::get(claim, Policy::Text(LIST), "/list").by("app", scope)
}

fn long_bytes() -> usize {
    let megabytes = std::env::var("FIELDGATE_LONG_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    megabytes << 20
}

/// The list's policy for these buffers: they must hold what is held back, and one HTTP/2 frame.
pub(crate) fn list_policy(buffer: u32, head: HeadMode) -> Result<String, String> {
    let mut policy: Value = serde_json::from_str(&World::policy_json(&Policy::Text(LIST), head)?).unwrap();
    if buffer < 32 << 10 {
        policy["limits"]["hold"] = json!(1);
    }
    Ok(policy.to_string())
}

/// An Envoy of its own, whose memory nobody else uses.
pub(crate) fn start(world: &World, policy: &str, buffer: u32, head: HeadMode) -> Result<Envoy, String> {
    let (scratch, bootstrap) = world.reference(policy);
    let bootstrap = bootstrap.with_head(head).in_every_framing(world.upstream.http2).with_buffers(buffer);
    Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))
}

/// Asks for the list, answered by a script; the id to forget it by.
async fn open(world: &World, envoy: &Envoy, carriage: Carriage, scope: &str, script: Script) -> (String, Coming) {
    let id = world.upstream.play(script);
    let request = world.request(&list("streams", scope), &id);
    let listener = world::listener(envoy, carriage);
    (id, stream::open(listener, carriage.downstream, &request).await)
}

fn trailers(markers: &mut Markers) -> [(String, Vec<u8>); 2] {
    ["x-trailer", "etag"].map(|name| (name.to_owned(), markers.text().into_bytes()))
}

fn carriages(head: HeadMode) -> impl Iterator<Item = Carriage> {
    Carriage::all().filter(move |carriage| carriage.head == head)
}

/// The rest of a body, to its end.
async fn follow(coming: &mut Coming, follower: &mut Follower<'_>) -> Result<(), String> {
    loop {
        match coming.next().await {
            Piece::Bytes(piece) => follower.take(&piece)?,
            Piece::End(trailers) if trailers.is_empty() && follower.is_complete() => return Ok(()),
            Piece::End(trailers) => return Err(format!("ended at byte {} with {trailers:?}", follower.at)),
            Piece::Cut(why) => return Err(format!("cut at byte {}: {why}", follower.at)),
        }
    }
}

/// Each carriage carries a long body; the upstream sends the greater part of it only when its beginning has arrived.
fn stream_long(world: &World, buffer: u32, head: HeadMode, turn: usize) -> Result<(), String> {
    let policy = list_policy(buffer, head)?;
    let envoy = start(world, &policy, buffer, head)?;
    let mut markers = Markers::default();
    let long = Long::upstream(&mut markers);
    let trailers = trailers(&mut markers);
    let filtered: Vec<_> = SCOPES.iter().map(|scope| long.filtered(&policy, scope)).collect::<Result<_, _>>()?;
    for filtered in &filtered {
        if let Some(found) = markers.found_in(&filtered.whole(1)) {
            return Err(format!("{found} left in the native core's answer"));
        }
    }
    let carry = |carriage: Carriage, which: usize, times: usize| {
        let gate = Arc::new(Notify::new());
        // More than any buffer on the way, so that something arrives.
        let first = times.min(1 + (3 << 20) / long.unit.len() / 8);
        let parts = [
            Part::Bytes(long.open.clone(), 1),
            Part::Bytes(long.unit.clone(), first),
            Part::Gate(Arc::clone(&gate)),
            Part::Bytes(long.unit.clone(), times - first),
            Part::Bytes(long.close.clone(), 1),
        ];
        let script = stream::script(&parts, carriage.framing, &trailers);
        let mut follower = Follower { long: &filtered[which], times, at: 0 };
        world.runtime.block_on(async {
            let (id, mut coming) = open(world, &envoy, carriage, SCOPES[which], script).await;
            let outcome = match coming.next().await {
                Piece::Bytes(piece) if coming.status == 200 => {
                    gate.notify_one();
                    follower.take(&piece)?;
                    follow(&mut coming, &mut follower).await
                }
                other => Err(format!("{} {:?}: {other:?}", coming.status, coming.fields)),
            };
            world.upstream.forget(&id);
            outcome.map_err(|error| format!("{carriage:?} {}: {error}", SCOPES[which]))
        })
    };
    for carriage in carriages(head) {
        carry(carriage, turn, 40)?;
    }
    let (before, begun, mut carried) = (envoy.memory(), Instant::now(), 0);
    let times = long_bytes() / long.unit.len();
    for (index, carriage) in carriages(head).enumerate() {
        carry(carriage, (index + turn) % SCOPES.len(), times)?;
        carried += long.whole_length(times);
    }
    if let (Some(before), Some(after)) = (before, envoy.memory()) {
        println!(
            "buffers of {} KiB, head {}: {} MiB in {} bodies, {:.1} s; resident before {} KiB, after {}, at most {}",
            buffer >> 10,
            head.word(),
            carried >> 20,
            carriages(head).count(),
            begun.elapsed().as_secs_f32(),
            before.now,
            after.now,
            after.peak
        );
        if after.peak > before.now + GROWTH {
            return Err(format!("memory grew: {before:?}, then {after:?}"));
        }
    }
    Ok(())
}

/// While the client sleeps the upstream can send no more than buffers hold, the kernel's among them.
fn slow_reader(world: &World) -> Result<(), String> {
    /// Envoy's two sockets have kernel buffers that grow to 6 MiB and 4 MiB (Linux's defaults), the test's own less.
    const BUFFERED: u64 = 14 << 20;
    let policy = World::policy_json(&Policy::Text(LIST), HeadMode::Held)?;
    let envoy = start(world, &policy, 32 << 10, HeadMode::Held)?;
    let long = Long::upstream(&mut Markers::default());
    let filtered = long.filtered(&policy, "list.show")?;
    let times = (48 << 20) / long.unit.len();
    let parts =
        [Part::Bytes(long.open.clone(), 1), Part::Bytes(long.unit.clone(), times), Part::Bytes(long.close.clone(), 1)];
    for carriage in carriages(HeadMode::Held).filter(|carriage| carriage.framing == Framing::Chunked) {
        let script = stream::script(&parts, carriage.framing, &[]);
        let sent = Arc::clone(&script.sent);
        let before = envoy.memory();
        let mut follower = Follower { long: &filtered, times, at: 0 };
        let stalled = world.runtime.block_on(async {
            let (id, mut coming) = open(world, &envoy, carriage, "list.show", script).await;
            let Piece::Bytes(piece) = coming.next().await else { return Err("no body".to_owned()) };
            follower.take(&piece)?;
            // Asleep until nothing moves any more.
            let mut seen = 0;
            loop {
                tokio::time::sleep(Duration::from_millis(400)).await;
                let now = sent.load(Ordering::Relaxed);
                if now == seen {
                    break;
                }
                seen = now;
            }
            let memory = envoy.memory();
            if seen > BUFFERED {
                return Err(format!("{seen} bytes were sent to a client that reads none"));
            }
            follow(&mut coming, &mut follower).await?;
            world.upstream.forget(&id);
            Ok((seen, memory))
        });
        let (sent, during) = stalled.map_err(|error| format!("{carriage:?}: {error}"))?;
        let resident = before.zip(during).map_or(0, |(before, during)| during.now.saturating_sub(before.now));
        println!(
            "a sleeping client, {:?} to {:?}: the upstream stops after {} KiB, Envoy grew by {resident} KiB",
            carriage.upstream,
            carriage.downstream,
            sent >> 10
        );
        if resident > GROWTH {
            return Err(format!("{carriage:?}: memory grew by {resident} KiB"));
        }
    }
    Ok(())
}

fn broken_in_the_middle(world: &World) -> Result<(), String> {
    for head in HeadMode::ALL {
        let policy = World::policy_json(&Policy::Text(LIST), head)?;
        let envoy = start(world, &policy, 32 << 10, head)?;
        let mut markers = Markers::default();
        let long = Long::upstream(&mut markers);
        let trailers = trailers(&mut markers);
        let filtered = long.filtered(&policy, "list.link")?;
        let bytes = |text: &'static [u8]| Part::Bytes(Bytes::from_static(text), 1);
        let faults = [
            ("cut", Part::Cut),
            ("a comma too many", bytes(b",")),
            ("a raw control character", bytes(b",{\"code\":\"\x01\"}")),
            ("not UTF-8", bytes(b",{\"code\":\"\xC3\x28\"}")),
            ("a member twice", bytes(br#",{"id":1,"i\u0064":2}"#)),
            ("the root closed too early", bytes(b"]}}")),
        ];
        for carriage in carriages(head) {
            for (what, fault) in &faults {
                let parts = [
                    Part::Bytes(long.open.clone(), 1),
                    Part::Bytes(long.unit.clone(), 20),
                    fault.clone(),
                    Part::Bytes(long.unit.clone(), 20),
                    Part::Bytes(long.close.clone(), 1),
                ];
                let script = stream::script(&parts, carriage.framing, &trailers);
                let mut follower = Follower { long: &filtered, times: 20, at: 0 };
                let outcome = world.runtime.block_on(async {
                    let (id, mut coming) = open(world, &envoy, carriage, "list.link", script).await;
                    let outcome = loop {
                        match coming.next().await {
                            // Of what is not yet known to be wrong, allowed bytes may go: a record's beginning.
                            Piece::Bytes(piece) => match follower.take(&piece) {
                                Ok(()) => {}
                                Err(_) if markers.found_in(&piece).is_none() && follower.at > 0 => {}
                                Err(error) => break Err(error),
                            },
                            Piece::Cut(_) => break Ok(()),
                            Piece::End(_) => break Err("it was completed".to_owned()),
                        }
                    };
                    world.upstream.forget(&id);
                    outcome
                });
                outcome.map_err(|error| format!("{what} {carriage:?}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// Short bodies whose every record comes out five times as long, around all limits; and after each the next request works.
fn grow(world: &World, buffer: u32, head: HeadMode) -> Result<(), String> {
    let policy = list_policy(buffer, head)?;
    let envoy = start(world, &policy, buffer, head)?;
    let mut whole = 0;
    let small = list("small", "list.link").answers(200, r#"{"items":[{"id":1,"code":"@@"}]}"#);
    let small_native = world::native(&policy, &small)?;
    for records in [1, 30, 200, 300, 330, 700, 1_000, 1_700, 1_820, 3_600, 8_000] {
        let body = format!(r#"{{"items":[{}]}}"#, vec![r#"{"id":1}"#; records].join(","));
        let row = list("grows", "list.link").answers(200, body);
        let native = world::native(&policy, &row)?;
        for carriage in carriages(head) {
            let answer = world.fetch(&envoy, &row, carriage).answer;
            if (answer.end, answer.status) != (End::Complete, 200) || answer.body != native.body {
                return Err(format!("{records} records {carriage:?}: {}", world::shown(&answer)));
            }
            whole += 1;
            let next = world.fetch(&envoy, &small, carriage).answer;
            if !envoy.is_running() || next.body != small_native.body {
                return Err(format!("{records} records {carriage:?}: then {}", world::shown(&next)));
            }
        }
    }
    println!("growing bodies, buffers of {} KiB, head {}: all {whole} whole", buffer >> 10, head.word());
    Ok(())
}

/// Buffers of any size, the hold window left as it is: what Envoy cannot hold back it answers 500 for, and where nothing is
/// held back every sound answer is whole.
fn small_buffers(world: &World, head: HeadMode) -> Result<(), String> {
    const PAUSE: Duration = Duration::from_millis(1);
    let policy = World::policy_json(&Policy::Text(LIST), head)?;
    let program_rows: Vec<Row> = [(1, 10), (100, 3_000), (300, 0), (700, 6_000)]
        .into_iter()
        .flat_map(|(records, hidden)| {
            let records = vec![r#"{"id":1,"name":"a","owner":{"email":"a@b.example"}}"#; records].join(",");
            let body = format!(r#"{{"total":"mrk{}","items":[{records}],"next":"b"}}"#, "x".repeat(hidden));
            SCOPES.map(|scope| list("small buffers", scope).answers(200, &body))
        })
        .collect();
    for limit in [1_024, 2_048, 4_096, 8_192, 12_000, 16_384, 32_768] {
        let envoy = start(world, &policy, limit, head)?;
        let (mut whole, mut by_envoy) = (0, 0);
        for row in &program_rows {
            let native = world::native(&policy, row)?;
            for part in [900, 4_096] {
                let asked = carriages(head).map(|carriage| {
                    let trailers = [("x-trailer".to_owned(), b"1".to_vec())];
                    let script = row.upstream.script(carriage.framing, &trailers, false, |left| left.min(part));
                    (row, carriage, script.paused(PAUSE))
                });
                let answers = world.play_all(&envoy, asked.collect());
                if !envoy.is_running() {
                    return Err(format!(
                        "buffers of {limit}, {} bytes in parts of {part}: Envoy has ended",
                        row.upstream.body.len()
                    ));
                }
                for (carriage, answer) in carriages(head).zip(answers) {
                    let is_whole = (answer.status, answer.end) == (200, End::Complete) && answer.body == native.body;
                    // Envoy's own reply has none of the upstream's bytes.
                    let may_be_envoys = head == HeadMode::Held && limit < 32 << 10;
                    let is_envoys = may_be_envoys && answer.status == 500 && answer.body == b"Internal Server Error";
                    if !(is_whole || is_envoys) || answer.wire.windows(3).any(|bytes| bytes == b"mrk") {
                        let length = row.upstream.body.len();
                        return Err(format!(
                            "buffers of {limit}, {length} bytes in parts of {part}, {carriage:?}: {}",
                            world::shown(&answer)
                        ));
                    }
                    whole += u32::from(is_whole);
                    by_envoy += u32::from(is_envoys);
                }
            }
        }
        println!(
            "buffers of {limit} bytes, head {}: {whole} whole, {by_envoy} answered by Envoy, 0 crashes",
            head.word()
        );
    }
    Ok(())
}

/// HTTP/1.0, and HTTP/1.1 that says neither a length nor that it closes the connection: it cannot be told from HTTP/2.
fn to_the_end_of_the_connection(world: &World) -> Result<(), String> {
    let mut runs = 0;
    for head in HeadMode::ALL {
        let policy = World::policy_json(&Policy::Text(LIST), head)?;
        let envoy = start(world, &policy, 32 << 10, head)?;
        for scope in SCOPES {
            for (first, rest) in [(200, 100), (10_000, 23_000), (10_000, 60_000), (1, 40_000), (20_000, 200_000)] {
                let record =
                    r#"{"id":"record","name":"as it is","code":"secret","owner":{"email":"ana@example.com"}},"#;
                let mut body = String::from(r#"{"items":["#);
                while body.len() + record.len() < first + rest {
                    body.push_str(record);
                }
                body.push_str(r#"{"id":2}]}"#);
                let row = list("to the end", scope).answers(200, &body);
                let native = world::native(&policy, &row)?;
                for head_of in
                    ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nconnection: close\r\n"]
                {
                    let head_of = format!("{head_of}content-type: application/json\r\n\r\n");
                    let (one, other) = body.split_at(first.min(body.len()));
                    let http1 = vec![
                        Step::Bytes(head_of.into()),
                        Step::Bytes(one.into()),
                        Step::Pause(Duration::from_millis(5)),
                        Step::Bytes(other.into()),
                        Step::Close,
                    ];
                    for carriage in carriages(head)
                        .filter(|carriage| carriage.upstream == Protocol::Http1 && carriage.framing == Framing::Length)
                    {
                        let script = Script { http1: http1.clone(), ..Script::default() };
                        let (answer, _) = world.play(&envoy, &row, carriage, script);
                        if (answer.status, answer.end) != (200, End::Complete) || answer.body != native.body {
                            return Err(format!("{first} and {rest} bytes {carriage:?}: {}", world::shown(&answer)));
                        }
                        runs += 1;
                    }
                }
            }
        }
    }
    println!("bodies that end with their connection: all {runs} whole");
    Ok(())
}

/// Without a length, in frames of all sizes, while the head is held.
fn frames(world: &World) -> Result<(), String> {
    let policy = World::policy_json(&Policy::Text(LIST), HeadMode::Held)?;
    let envoy = start(world, &policy, 32 << 10, HeadMode::Held)?;
    let mut runs = 0;
    for scope in ["list.show", "list.link"] {
        for size in [10_000, 16_000, 16_384, 16_385, 20_000, 30_000, 32_768, 32_769, 45_000, 60_000] {
            let mut body = String::from(r#"{"items":["#);
            while body.len() + 200 < size {
                body.push_str(r#"{"id":"record","name":"a name of some length","code":"secret","owner":{"email":"a@example.com"}},"#);
            }
            let rest = size - body.len() - r#"{"name":""}]}"#.len();
            body.push_str(&format!(r#"{{"name":"{}"}}]}}"#, "x".repeat(rest)));
            assert_eq!(body.len(), size);
            let row = list("frames", scope).answers(200, &body);
            let native = world::native(&policy, &row)?;
            let framed = carriages(HeadMode::Held)
                .filter(|carriage| carriage.upstream == Protocol::Http2 && carriage.framing != Framing::Length);
            for carriage in framed.flat_map(|carriage| [carriage; 3]) {
                let answer = world.fetch(&envoy, &row, carriage).answer;
                if (answer.status, answer.end) != (200, End::Complete) || answer.body != native.body {
                    return Err(format!("{size} bytes {carriage:?}: {}", world::shown(&answer)));
                }
                runs += 1;
            }
        }
    }
    println!("HTTP/2 bodies of 10,000 to 60,000 bytes without a length, held: all {runs} whole");
    Ok(())
}

/// A short first part that is held back, then parts that come out longer than what may be written in its place: how the
/// response ends decides how it goes, never whether.
fn held_then_grown(world: &World) -> Result<(), String> {
    let policy = World::policy_json(&Policy::Text(LIST), HeadMode::Held)?;
    let envoy = start(world, &policy, 32 << 10, HeadMode::Held)?;
    let (mut runs, mut at_once) = (0, 0);
    for (hidden, records) in [(400, 500), (400, 1_600), (400, 3_000), (5_000, 700), (12_000, 400)] {
        let records = vec![r#"{"id":1}"#; records].join(",");
        let body = format!(r#"{{"total":"{}","items":[{records}]}}"#, "x".repeat(hidden));
        let row = list("grows", "list.link").answers(200, &body);
        let native = world::native(&policy, &row)?;
        for carriage in carriages(HeadMode::Held) {
            for then in [3_000, 16_384] {
                let mut first = Some(hidden + 20);
                let trailers = [("x-trailer".to_owned(), b"1".to_vec())];
                let cut = |_| first.take().unwrap_or(then);
                let script = row.upstream.script(carriage.framing, &trailers, false, cut);
                let (answer, _) = world.play(&envoy, &row, carriage, script);
                if (answer.status, answer.end) != (200, End::Complete) || answer.body != native.body {
                    return Err(format!("{} bytes {carriage:?}: {}", body.len(), world::shown(&answer)));
                }
                if answer.values("content-type") != ["application/json"] || !answer.trailers.is_empty() {
                    return Err(format!("{} bytes {carriage:?}: {}", body.len(), world::shown(&answer)));
                }
                runs += 1;
                // The filter takes the upstream's length away; a reply of the host's own has one.
                at_once += usize::from(!answer.values("content-length").is_empty());
            }
        }
    }
    println!("bodies of 4 to 28 KB that grow behind their first part, held: all {runs} whole, {at_once} at once");
    if envoy.is_running() && at_once > 0 { Ok(()) } else { Err(format!("{at_once} at once, or Envoy ended")) }
}
