//! The key changes in three steps, none of which mixes pseudonyms for long or fails a request: a second key beside the first, with
//! a restart; a policy that names it, at once; a restart without the first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::lifecycle::{SHOWS_NAME, ask, until};
use super::streams::Test;
use super::support::bootstrap::with_policy;
use super::support::envoy::{Envoy, Scratch};
use super::support::row::{HeadMode, Policy};
use super::world::{KEY, World};

/// Another key, of other bytes.
const NEXT: &str = "YW5vdGhlciBmaWVsZGdhdGUgdGVzdCBrZXksIG5vdCBzZWNyZXQ=";

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![(
        "the key changes in three steps, and no request fails or gets another's pseudonym".to_owned(),
        Box::new(rotate),
    )]
}

fn policy(key: &str) -> Result<String, String> {
    let text = SHOWS_NAME
        .replace("$.name: plain", "$.name: {class: plain, pseudonym: name}")
        .replace("plain: show", "plain: pseudonym")
        .replace("defaults:", &format!("{key}defaults:"));
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    let path = scratch.write("policy.yaml", &text).map_err(|error| error.to_string())?;
    World::policy_json(&Policy::file(path), HeadMode::Held)
}

/// What a caller gets.
fn body(world: &World, envoy: &Envoy) -> String {
    let answer = ask(world, envoy, "things.read", |_| {});
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

fn rotate(world: &World) -> Result<(), String> {
    let (first, second) = (policy("")?, policy("key: next\n")?);
    let started = |policy: &str, keys: &[(&str, &str)]| -> Result<(Envoy, serde_json::Value), String> {
        let (scratch, bootstrap) = world.reference(policy);
        let (bootstrap, discovered) = bootstrap.with_discovery(&scratch.path().join("fieldgate.json"));
        let both = discovered.to_string().replace(r#"["FIELDGATE_KEY"]"#, r#"["FIELDGATE_KEY","FIELDGATE_KEY_next"]"#);
        let discovered: serde_json::Value = serde_json::from_str(&both).map_err(|fault| fault.to_string())?;
        let response = with_policy(discovered.clone(), policy).to_string();
        scratch.write("fieldgate.json", &response).map_err(|error| error.to_string())?;
        Ok((Envoy::start_keyed(&world.tools, scratch, &bootstrap, keys, 2)?, discovered))
    };
    let (old, new) = (("FIELDGATE_KEY", KEY), ("FIELDGATE_KEY_next", NEXT));
    let before = body(world, &started(&first, &[old])?.0);
    let after = body(world, &started(&second, &[new])?.0);
    if !before.starts_with("200 ") || !after.starts_with("200 ") || before == after {
        return Err(format!("with one key {before}, with the other {after}"));
    }
    let (envoy, discovered) = started(&first, &[old, new])?;
    let beside = body(world, &envoy);
    if beside != before {
        return Err(format!("a second key beside the first changes {before} to {beside}"));
    }
    let stop = AtomicBool::new(false);
    let seen: Result<Vec<BTreeMap<String, u32>>, String> = thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = BTreeMap::new();
                    while !stop.load(Ordering::Relaxed) {
                        *seen.entry(body(world, &envoy)).or_default() += 1;
                    }
                    seen
                })
            })
            .collect();
        // The callers stop whatever comes of it.
        let changed = change(world, &envoy, &with_policy(discovered, &second).to_string(), &after);
        stop.store(true, Ordering::Relaxed);
        let seen = callers.into_iter().map(|caller| caller.join().map_err(|_| "a caller".to_owned())).collect();
        changed.and(seen)
    });
    let all = seen?.into_iter().flatten().fold(BTreeMap::<String, u32>::new(), |mut all, (answer, count)| {
        *all.entry(answer).or_default() += count;
        all
    });
    println!("{all:?}");
    if all.keys().eq([&before, &after].into_iter().collect::<std::collections::BTreeSet<_>>()) {
        Ok(())
    } else {
        Err(format!("other answers than {before} and {after}: {all:?}"))
    }
}

/// Loads the policy with the other key, once the callers are under way, and waits until both workers have it.
fn change(world: &World, envoy: &Envoy, response: &str, after: &str) -> Result<(), String> {
    let requests = || envoy.stat("http.api.downstream_rq_2xx");
    let under_way = requests();
    until("callers are under way", || requests() > under_way + 20)?;
    envoy.scratch.write("fieldgate.json", response).map_err(|error| error.to_string())?;
    until("every answer has the other key's pseudonym", || (0..20).all(|_| body(world, envoy) == after))
}
