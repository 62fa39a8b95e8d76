//! Documents that are made to cost, answers that are none, and ways around the filter.

use std::time::Instant;

use super::rows;
use super::streams::{self, Test};
use super::support::bootstrap::Bypass;
use super::support::client::{End, Protocol};
use super::support::envoy::Envoy;
use super::support::marker::Markers;
use super::support::row::{Carriage, Framing, HeadMode, Policy, Row};
use super::support::stream::{self, Part, Piece};
use super::support::upstream::{Script, Step};
use super::world::{self, KEY, World};

/// What 64 hostile documents at once may add to Envoy's resident memory, in KiB. Nothing gives a VM's memory back.
const GROWTH: u64 = 64 << 10;

const AT_ONCE: usize = 64;

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    let mut tests: Vec<(String, Test)> = vec![
        ("an early hint never leaves".to_owned(), Box::new(early_hints)),
        ("an upgrade or a tunnel is refused".to_owned(), Box::new(upgrades)),
        ("without the filter, or with it disabled, nothing passes unfiltered".to_owned(), Box::new(bypass)),
    ];
    for head in HeadMode::ALL {
        tests.push((
            format!("{AT_ONCE} hostile documents at once cost a bounded memory, head {}", head.word()),
            Box::new(move |world| costly(world, head)),
        ));
    }
    tests
}

/// Name and body; `@@` are markers.
pub(crate) fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let names = |of: fn(usize) -> String| (0..100_000).map(of).collect::<Vec<_>>().join(",");
    let text: [(&str, String); 9] = [
        ("10^6 open brackets", "[".repeat(1_000_000)),
        ("10^6 open brackets in a withheld member", format!(r#"{{"code":"@@","x":{}"#, "[".repeat(1_000_000))),
        ("10^6 open objects", r#"{"a":"#.repeat(1_000_000)),
        ("10^6 empty objects", format!("[{}{{}}]", "{},".repeat(1_000_000))),
        ("10^6 empty records", format!(r#"{{"items":[{}{{}}],"code":"@@"}}"#, "{},".repeat(1_000_000))),
        ("10^5 names", format!("{{{}}}", names(|index| format!(r#""n{index}":"@@""#)))),
        ("10^5 times one known name", format!(r#"{{{}}}"#, names(|_| r#""next":"@@""#.to_owned()))),
        ("1 MiB of escapes", format!(r#"{{"next":"{}","code":"@@"}}"#, r"\u0041".repeat(175_000))),
        ("one record that never ends", format!(r#"{{"items":[{{"code":"@@{}"#, "x".repeat(2 << 20))),
    ];
    text.into_iter().map(|(name, text)| (name, text.into_bytes())).collect()
}

fn costly(world: &World, head: HeadMode) -> Result<(), String> {
    // `rows` makes the filter keep a record whole, which costs the most.
    let keeping = streams::LIST.replace("area: list\n    body", "area: list\n    rows: '$.items[?@.name]'\n    body");
    assert_ne!(keeping, streams::LIST);
    let policy = World::policy_json(&Policy::Text(Box::leak(keeping.into_boxed_str())), head)?;
    let envoy = streams::start(world, &policy, 32 << 10, head)?;
    let small = streams::list("small", "list.show").answers(200, r#"{"items":[{"name":"a","code":"@@"}],"next":"b"}"#);
    let small_native = world::native(&policy, &small)?;
    let carriages: Vec<_> = Carriage::all()
        .filter(|c| c.head == head && c.upstream == c.downstream && c.framing != Framing::Trailers)
        .collect();
    for carriage in &carriages {
        world.fetch(&envoy, &small, *carriage);
    }
    for (what, template) in documents() {
        let mut markers = Markers::default();
        let body = bytes::Bytes::from(markers.fill(&template));
        let row = streams::list(what, "list.show").answers(200, &body[..]);
        let native = world::native(&policy, &row)?;
        let (before, begun) = (envoy.memory(), Instant::now());
        // A million conditions take a second; 64 times that is longer than a route's timeout.
        let count = match head {
            _ if what.ends_with("records") => 4,
            HeadMode::Held => AT_ONCE,
            // The engine is the same: only the ends differ.
            HeadMode::Released => 8,
        };
        let parts = [Part::Bytes(body.clone(), 1)];
        let answers = at_once(world, &envoy, &small, &parts, &carriages, count);
        for (carriage, (status, answer, is_cut)) in carriages.iter().cycle().zip(&answers) {
            let refused = native.report.refusal.is_some();
            let right = match (status, is_cut) {
                (200, false) => !refused && *answer == native.body,
                (502, false) => refused,
                // Envoy's own reply to a client of an overloaded upstream has no byte of the upstream's.
                (_, true) => refused,
                _ => false,
            };
            let found = markers.any_in(answer);
            if !right || found {
                let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
                return Err(format!("{what} {carriage:?}: {status}, cut: {is_cut}, marker: {found}: {shown}"));
            }
        }
        let next = world.fetch(&envoy, &small, carriages[0]).answer;
        if next.body != small_native.body {
            return Err(format!("{what}: then {}", world::shown(&next)));
        }
        if let (Some(before), Some(after)) = (before, envoy.memory()) {
            println!(
                "{what}, head {}: {} KiB, {count} at once in {:.1} s, {}; resident before {} KiB, after {}, at most {}",
                head.word(),
                body.len() >> 10,
                begun.elapsed().as_secs_f32(),
                native.report.refusal.map_or_else(|| "let through".to_owned(), |refusal| refusal.to_string()),
                before.now,
                after.now,
                after.peak
            );
            if after.peak > before.now.max(before.peak) + GROWTH {
                return Err(format!("{what}: memory grew: {before:?}, then {after:?}"));
            }
        }
    }
    Ok(())
}

/// Status, body and whether it was cut, of many requests of a row at once, each answered by these parts.
pub(crate) fn at_once(
    world: &World,
    envoy: &Envoy,
    row: &Row,
    parts: &[Part],
    carriages: &[Carriage],
    count: usize,
) -> Vec<(u16, Vec<u8>, bool)> {
    let scripts: Vec<(Framing, String)> = Framing::ALL
        .into_iter()
        .map(|framing| (framing, world.upstream.play(stream::script(parts, framing, &[]))))
        .collect();
    let mut asked = Vec::new();
    for carriage in carriages.iter().cycle().take(count) {
        let (_, id) =
            scripts.iter().find(|(framing, _)| *framing == carriage.framing).expect("each framing has a script");
        let (listener, protocol, request) =
            (world::listener(envoy, *carriage), carriage.downstream, world.request(row, id));
        asked.push(world.runtime.spawn(async move {
            let mut coming = stream::open(listener, protocol, &request).await;
            let mut body = Vec::new();
            loop {
                match coming.next().await {
                    Piece::Bytes(piece) => body.extend_from_slice(&piece),
                    Piece::End(_) => return (coming.status, body, false),
                    Piece::Cut(_) => return (coming.status, body, true),
                }
            }
        }));
    }
    let answers = world.runtime.block_on(async {
        let mut answers = Vec::new();
        for asked in asked {
            answers.push(asked.await.unwrap());
        }
        answers
    });
    for (_, id) in &scripts {
        world.upstream.forget(id);
    }
    answers
}

fn early_hints(world: &World) -> Result<(), String> {
    let row = rows::thing("an early hint");
    for head in HeadMode::ALL {
        let policy = World::policy_json(&row.policy, head)?;
        for status in ["100 Continue", "102 Processing", "103 Early Hints"] {
            let mut markers = Markers::default();
            let hint =
                markers.fill(format!("HTTP/1.1 {status}\r\nlink: </@@>; rel=preload\r\nx-hint: @@\r\n\r\n").as_bytes());
            let answer =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"name\":\"lamp\"}";
            let http1 = vec![Step::Bytes(hint.clone()), Step::Bytes(hint), Step::Bytes(answer.into())];
            world.with_envoy(&policy, head, |envoy| {
                for carriage in
                    Carriage::all().filter(|c| c.upstream == Protocol::Http1 && c.framing == Framing::Length)
                {
                    let script = Script { http1: http1.clone(), ..Script::default() };
                    let (answer, _) = world.play(envoy, &row, carriage, script);
                    let is_right = answer.status == 200 && answer.body == br#"{"name":"lamp"}"#;
                    if let Some(found) = markers.found_in(&answer.everything()) {
                        return Err(format!("{status} {carriage:?}: {found} left"));
                    }
                    if !is_right || answer.wire.starts_with(b"HTTP/1.1 1") {
                        return Err(format!("{status} {carriage:?}: {}", world::shown(&answer)));
                    }
                }
                Ok(())
            })??;
        }
    }
    Ok(())
}

fn upgrades(world: &World) -> Result<(), String> {
    let upgrade = |protocol: &str| rows::thing(protocol).with("connection", "Upgrade").with("upgrade", protocol);
    let asked = [
        upgrade("websocket"),
        upgrade("h2c").with("http2-settings", "AAMAAABkAAQAAP__"),
        upgrade("connect-udp"),
        rows::at("CONNECT", "api.example:443").method("CONNECT"),
    ];
    let mut markers = Markers::default();
    let switched = markers.fill(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-m: @@\r\n\r\n@@@@@@",
    );
    for head in HeadMode::ALL {
        let policy = World::policy_json(&asked[0].policy, head)?;
        world.with_envoy(&policy, head, |envoy| {
            for carriage in Carriage::all().filter(|carriage| {
                (carriage.upstream, carriage.downstream) == (Protocol::Http1, Protocol::Http1)
                    && carriage.framing == Framing::Length
            }) {
                for row in asked.iter().chain([&rows::thing("101 unasked")]) {
                    let http1 = vec![Step::Bytes(switched.clone()), Step::Close];
                    let (answer, arrived) = world.play(envoy, row, carriage, Script { http1, ..Script::default() });
                    if let Some(found) = markers.found_in(&answer.everything()) {
                        return Err(format!("{}: {found} left", row.claim));
                    }
                    let is_asked = arrived.as_ref().is_some_and(|arrived| {
                        arrived.method == "CONNECT" || arrived.fields.iter().any(|(name, _)| name == "upgrade")
                    });
                    if is_asked || answer.status < 400 || answer.end == End::Hung {
                        return Err(format!("{}: {} {arrived:?}", row.claim, world::shown(&answer)));
                    }
                }
            }
            Ok(())
        })??;
    }
    Ok(())
}

/// The reference bootstrap opens the way to the upstream only to what the filter has seen.
fn bypass(world: &World) -> Result<(), String> {
    let row = rows::thing("bypass").answers(200, r#"{"name":"lamp","code":"@@"}"#);
    let carriage = Carriage {
        head: HeadMode::Held,
        framing: Framing::Length,
        upstream: Protocol::Http1,
        downstream: Protocol::Http1,
    };
    let policy = World::policy_json(&row.policy, HeadMode::Held)?;
    for way in [None, Some(Bypass::NoFilter), Some(Bypass::Disabled), Some(Bypass::DisabledOnRoute)] {
        let (scratch, bootstrap) = world.reference(&policy);
        let bootstrap = way.map_or(bootstrap.clone(), |way| bootstrap.with_bypass(way));
        let envoy = Envoy::start(&world.tools, scratch, &bootstrap, Some(KEY))?;
        // The last is what the filter sets itself, so that nothing changes.
        let sent = [
            None,
            Some(("wasm.fieldgate", "seen")),
            Some(("x-fieldgate-seen", "seen")),
            Some(("accept-encoding", "identity")),
        ];
        for sent in sent {
            let row = sent.into_iter().fold(row.clone(), |row, (name, value)| row.with(name, value));
            let fetched = world.fetch(&envoy, &row, carriage);
            if let Some(found) = fetched.markers.found_in(&fetched.answer.everything()) {
                return Err(format!("{way:?}, {sent:?}: {found} left"));
            }
            let serves = way.is_none();
            let status = if serves { 200 } else { 403 };
            if fetched.answer.status != status || fetched.arrived.is_some() != serves {
                return Err(format!("{way:?}, {sent:?}: {}", world::shown(&fetched.answer)));
            }
        }
    }
    Ok(())
}
