//! Everything at once, for long: rows in every framing, while hostile documents and broken upstreams come in between. Every
//! row still holds, no marker leaves, Envoy lives, and its memory is what the first round took.
//!
//! `SOAK_MINUTES` is for how long, over all rows of all policies; without it a few rows stand for all.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use fieldgate::exchange::Answer as Native;

use super::hostile;
use super::rows;
use super::streams::{self, Test};
use super::support::envoy::{Envoy, Memory};
use super::support::marker::Markers;
use super::support::row::{Carriage, Framing, HeadMode, Row};
use super::support::stream::Part;
use super::world::{self, World};

/// What all Envoys together may still add to their resident memory after each has had its first round, in KiB for each.
/// A round takes what it takes when the worst of it falls together, which the first may not have seen.
const SETTLED: u64 = 24 << 10;

/// Without `SOAK_MINUTES`, one row in so many.
const SAMPLE: usize = 23;

/// How many of one hostile document at once. A million conditions take a second each, and a route has fifteen.
const AT_ONCE: usize = 4;

/// All tests of this file.
pub(crate) fn all() -> Vec<(String, Test)> {
    vec![("under a mixed load every row holds and memory stays flat".to_owned(), Box::new(soak))]
}

/// An Envoy with the rows of its policy.
struct Place {
    envoy: Envoy,
    policy: String,
    head: HeadMode,
    rows: Vec<(Row, Native)>,
    /// After its first round.
    settled: Option<Memory>,
}

/// What was done, and what went wrong.
#[derive(Default)]
struct Tally {
    carried: AtomicUsize,
    hostile: AtomicUsize,
    leaked: AtomicUsize,
}

fn places(world: &World, is_long: bool) -> Result<Vec<Place>, String> {
    let mut places: Vec<Place> = Vec::new();
    for (index, row) in rows::all().into_iter().enumerate() {
        for head in HeadMode::ALL {
            let is_sampled = index % SAMPLE == 0 && head == HeadMode::Held && row.policy == rows::thing("").policy;
            if !is_long && !is_sampled {
                continue;
            }
            let policy = World::policy_json(&row.policy, head)?;
            let native = world::native(&policy, &row)?;
            match places.iter_mut().find(|place| place.policy == policy) {
                Some(place) => place.rows.push((row.clone(), native)),
                None => {
                    let envoy = streams::start(world, &policy, 32 << 10, head)?;
                    places.push(Place { envoy, policy, head, rows: vec![(row.clone(), native)], settled: None });
                }
            }
        }
    }
    Ok(places)
}

/// Hostile documents, and bodies that the upstream breaks off.
fn loads(markers: &mut Markers) -> Vec<Vec<Part>> {
    let mut loads: Vec<Vec<Part>> = hostile::documents()
        .into_iter()
        .map(|(_, template)| vec![Part::Bytes(markers.fill(&template).into(), 1)])
        .collect();
    let record = markers.fill(br#",{"id":"i","name":"a","code":"@@"}"#);
    loads.push(vec![
        Part::Bytes(markers.fill(br#"{"items":[{"code":"@@"}"#).into(), 1),
        Part::Bytes(record.into(), 20_000),
        Part::Cut,
    ]);
    loads
}

fn soak(world: &World) -> Result<(), String> {
    let minutes: Option<f32> = std::env::var("SOAK_MINUTES").ok().and_then(|text| text.parse().ok());
    let mut places = places(world, minutes.is_some())?;
    let mut markers = Markers::default();
    let loads = loads(&mut markers);
    let (begun, tally, mut rounds) = (Instant::now(), Tally::default(), 0_u32);
    let outcome = loop {
        let failed = places.iter_mut().try_for_each(|place| {
            mix(world, place, &loads, &markers, &tally)?;
            place.settled = place.settled.or_else(|| place.envoy.memory());
            if place.envoy.is_running() { Ok(()) } else { Err("Envoy has ended".to_owned()) }
        });
        rounds += 1;
        let is_over = rounds >= 2 && begun.elapsed().as_secs_f32() >= minutes.unwrap_or(0.0) * 60.0;
        if failed.is_err() || is_over {
            break failed;
        }
    };
    let settled = places.iter().filter_map(|place| Some((place.settled?, place.envoy.memory()?))).collect::<Vec<_>>();
    let sum = |of: fn(&(Memory, Memory)) -> u64| settled.iter().map(of).sum::<u64>() >> 10;
    println!(
        "mixed load: {:.1} minutes, {rounds} rounds over {} Envoys; {} rows carried, {} hostile requests; markers leaked: {}; \
         resident after the first round {} MiB (peak {}), at the end {} (peak {})",
        begun.elapsed().as_secs_f32() / 60.0,
        places.len(),
        tally.carried.into_inner(),
        tally.hostile.into_inner(),
        tally.leaked.into_inner(),
        sum(|(before, _)| before.now),
        sum(|(before, _)| before.peak),
        sum(|(_, after)| after.now),
        sum(|(_, after)| after.peak),
    );
    outcome?;
    match settled.iter().find(|(before, after)| after.peak > before.peak + SETTLED) {
        Some(grown) => Err(format!("memory grows: {grown:?}")),
        None => Ok(()),
    }
}

/// Carries all rows of a place, while hostile documents keep coming.
fn mix(world: &World, place: &Place, loads: &[Vec<Part>], markers: &Markers, tally: &Tally) -> Result<(), String> {
    let carriages: Vec<_> = Carriage::all().filter(|carriage| carriage.head == place.head).collect();
    // What is hostile comes where an answer would be let through.
    let target = place.rows.iter().find(|(row, native)| native.status == 200 && row.request.method == "GET");
    let (target, _) = target.ok_or("no row of this policy lets anything through")?;
    // HTTP/1 upstreams cannot send trailers that a script of parts has none of.
    let untrailed: Vec<_> = carriages
        .iter()
        .copied()
        .filter(|carriage| carriage.framing != Framing::Trailers && carriage.upstream == carriage.downstream)
        .collect();
    let carried_all = AtomicBool::new(false);
    let leaked = |what: String| {
        tally.leaked.fetch_add(1, Ordering::Relaxed);
        what
    };
    std::thread::scope(|scope| {
        let hostile = scope.spawn(|| {
            for (index, parts) in loads.iter().enumerate().cycle() {
                if carried_all.load(Ordering::Relaxed) && index == 0 {
                    break;
                }
                for (status, body, is_cut) in hostile::at_once(world, &place.envoy, target, parts, &untrailed, AT_ONCE)
                {
                    if markers.any_in(&body) {
                        return Err(leaked(format!("load {index}: a marker left")));
                    }
                    // 503 is Envoy's own, where the upstream breaks off while the head is held.
                    if !(matches!(status, 200 | 502 | 503) || is_cut) {
                        return Err(format!("load {index}: {status}, {} bytes", body.len()));
                    }
                    tally.hostile.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        let carried = place.rows.iter().try_for_each(|(row, native)| {
            carriages.iter().try_for_each(|carriage| {
                let outcome = world::judge(row, *carriage, native, world.fetch(&place.envoy, row, *carriage));
                tally.carried.fetch_add(1, Ordering::Relaxed);
                outcome.map_err(|error| {
                    let error = format!("{} {carriage:?}\n  {error}", row.claim);
                    if error.contains("marker") { leaked(error) } else { error }
                })
            })
        });
        carried_all.store(true, Ordering::Relaxed);
        hostile.join().unwrap_or_else(|_| Err("a hostile client panicked".to_owned())).and(carried)
    })
}
