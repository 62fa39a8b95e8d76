//! What a policy costs an Envoy in memory and in processor time to start, by its number of routes and of workers: the figures of
//! docs/operations.md.

use std::fmt::Write as _;

use super::streams::Test;
use super::support::bootstrap::Bypass;
use super::support::envoy::{Envoy, processor_time};
use super::world::{KEY, World};

/// What a worker more may take with a policy of a hundred routes, in KiB.
const WORKER: u64 = 16 << 10;

/// Times of which the middle one is told.
const TIMES: usize = 3;

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![("what a policy costs in memory and at the start is measured".to_owned(), Box::new(sizes))]
}

/// A policy of so many routes, each with a shape of ten fields of its own, in JSON.
fn policy(routes: usize) -> String {
    let (mut shapes, mut paths) = (String::new(), String::new());
    for route in 0..routes {
        let fields: Vec<String> = (0..10).map(|field| format!(r#""$.part{field}.name{route}":"plain""#)).collect();
        let comma = if route == 0 { "" } else { "," };
        write!(shapes, r#"{comma}"shape{route}":{{{}}}"#, fields.join(",")).unwrap();
        write!(
            paths,
            r#"{comma}"get-{route}":{{"match":"GET /things{route}/{{id}}","area":"things","body":{{"$":{{"shape":"shape{route}"}}}}}}"#
        )
        .unwrap();
    }
    format!(
        r#"{{"language":1,"policy":"sizes","identity":{{"source":"jwt_authn","payload":"verified_jwt","client":"azp","scopes":"scope"}},"classes":{{"plain":{{"about":"Whatever"}}}},"shapes":{{{shapes}}},"routes":{{{paths}}},"scopes":{{"things.read":{{"areas":["things"],"grant":{{"plain":"show"}}}}}}}}"#
    )
}

/// Resident memory in KiB, and seconds of a processor, once Envoy serves: the middle of several. Others on this machine make it no
/// slower.
fn started(world: &World, policy: Option<&str>, workers: u32) -> Result<(u64, f64), String> {
    let (mut memories, mut times) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let (scratch, bootstrap) = world.reference(policy.unwrap_or("{}"));
        let bootstrap = if policy.is_some() { bootstrap } else { bootstrap.with_bypass(Bypass::NoFilter) };
        let envoy = Envoy::start_with(&world.tools, scratch, &bootstrap, Some(KEY), workers)?;
        times.push(envoy.pid().and_then(processor_time).ok_or("Envoy's process is gone")?);
        memories.push(envoy.memory().ok_or("Envoy's process is gone")?.now);
    }
    memories.sort_unstable();
    times.sort_by(f64::total_cmp);
    Ok((memories[TIMES / 2], times[TIMES / 2]))
}

fn sizes(world: &World) -> Result<(), String> {
    let mut table = String::new();
    let mut worker = Vec::new();
    for routes in [None, Some(1), Some(10), Some(100), Some(1000)] {
        let policy = routes.map(policy);
        let (few, many) = (started(world, policy.as_deref(), 1)?, started(world, policy.as_deref(), 5)?);
        let each = many.0.saturating_sub(few.0) / 4;
        let bytes = policy.as_ref().map_or(0, String::len);
        writeln!(
            table,
            "{} routes, {bytes} bytes: 1 worker {} KiB and {:.2} s, 5 workers {} KiB and {:.2} s, a worker more {each} KiB",
            routes.unwrap_or(0),
            few.0,
            few.1,
            many.0,
            many.1,
        )
        .unwrap();
        worker.push((routes, each));
    }
    println!("{table}");
    match worker.iter().find(|(routes, each)| *routes == Some(100) && *each > WORKER) {
        Some((_, each)) => Err(format!("a worker more takes {each} KiB\n{table}")),
        None => Ok(()),
    }
}
