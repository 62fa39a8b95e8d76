//! What the filter costs a real Envoy: processor time added to a request, next to what else could stand in its place.
//!
//! One Envoy has a listener for each filter, so that where its memory and its code happen to lie is the same for all. They
//! take turns under the same load; what counts is the processor time of Envoy (and of the external processor's server), less
//! that of the listener without a filter. `make bench` runs it.
//!
//! usage: proxy [--quick] [--budgets | --versus]
//!
//! With `--budgets` only what a budget adds; with `--versus` the head-to-head of `make bench-envoy`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

mod ext_proc;
mod load;
mod nginx;
mod versus;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use fieldgate::json::Texts;
use fieldgate::rewrite::Rewriter;
use fieldgate_benches::clock::median;
use fieldgate_benches::inputs;
use fieldgate_testkit::bootstrap::Bootstrap;
use fieldgate_testkit::envoy::{Envoy, Scratch, Tools, processor_time};
use serde_json::{Value, json};

use crate::load::{Load, Path, Upstream};

/// A turn on small bodies: so many requests that Envoy is used again to a filter for nearly all of its turn, as one that serves
/// is, after the others have had theirs; and over as many connections as keep it busy, for a worker that often waits does each
/// request with cold caches.
const SMALL: Load = Load { requests: 1_600, connections: 64, path: Path::Plain };
/// A turn on bodies of 100 KB.
const LARGE: Load = Load { requests: 400, connections: 4, path: Path::Plain };

/// What stands between the client and the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Nothing,
    /// A WebAssembly filter that does nothing.
    Empty,
    /// A WebAssembly filter that puts each part of the body back as it is.
    Echo,
    /// A filter as `Echo`, which besides makes fieldgate's calls to the host and uses nothing of their answers.
    Calls,
    /// fieldgate's engine in such a filter, with no call but echo's.
    Engine,
    Fieldgate,
    /// The filter that one would write first: it edits the whole body as a `serde_json::Value`.
    Value,
    /// An external processor, which runs fieldgate's own engine.
    ExtProc,
}

impl Filter {
    /// The name of the listener that it stands in; a yardstick is told by it what to be.
    fn listener(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Empty => "empty",
            Self::Echo => "echo",
            Self::Calls => "calls",
            Self::Engine => "engine",
            Self::Fieldgate => "fieldgate",
            Self::Value => "value",
            Self::ExtProc => "ext-proc",
        }
    }
}

const FILTERS: [Filter; 7] =
    [Filter::Nothing, Filter::Echo, Filter::Calls, Filter::Engine, Filter::Fieldgate, Filter::Value, Filter::ExtProc];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, input] = &arguments[..]
        && what == "ext-proc"
    {
        return ext_proc::serve(input);
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let turns = if has("--quick") { 6 } else { 36 };
    let tools = Tools::find().unwrap_or_else(|missing| panic!("{missing}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if has("--versus") {
        let turns = if has("--quick") { 4 } else { 16 };
        return versus::run(&runtime, &tools, turns).unwrap_or_else(|fault| {
            eprintln!("{fault}");
            std::process::exit(1)
        });
    }
    println!("\nEnvoy {}, one worker", tools.envoy_version());
    println!(
        "{:<22}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "µs of CPU a request", "no filter", "+ echo", "+ its calls", "+ engine", "+ ours", "+ A Value", "+ ext_proc"
    );
    let measured = |name, load| {
        measure(&runtime, &tools, name, load, turns).unwrap_or_else(|fault| {
            eprintln!("{fault}");
            std::process::exit(1)
        })
    };
    if has("--budgets") {
        return budgets(&runtime, &tools, turns);
    }
    let (small, large) = (measured("customers 2 KB", SMALL), measured("customers 100 KB", LARGE));
    println!("\n{:<54}{:>6}{:>8}{:>9}", "target", "is", "gate", "stretch");
    let over = |costs: &Costs, above, below| costs.added(above) / costs.added(below);
    let over_echo = |costs: &Costs, filter| costs.added(filter) - costs.added(Filter::Echo);
    let ours = Filter::Fieldgate;
    say("CPU added at 100 KB, naive ÷ ours", over(&large, Filter::Value, ours), 5.5, 6.5, true);
    let apart = over_echo(&large, Filter::Value) / over_echo(&large, ours);
    say("the same, (naive - echo) ÷ (ours - echo)", apart, 7.0, 9.0, true);
    say("CPU added at 3.6 KB and 64 connections, ours ÷ echo", over(&small, ours, Filter::Echo), 2.8, 2.5, false);
    say("CPU added with the servers' at 100 KB, ext_proc ÷ ours", over(&large, Filter::ExtProc, ours), 2.5, 4.0, true);
    budgets(&runtime, &tools, turns);
}

/// Requests of each lane before the first turn, so that views, connections and the shared store's room are there. (Envoy has V8
/// compile a plugin for good when it loads it.)
const WARM: usize = 8_000;

/// What an active local budget adds to a response of 2 KB, over the same policy without it. The listeners take turns.
fn budgets(runtime: &tokio::runtime::Runtime, tools: &Tools, turns: usize) {
    let added = with_budgets(runtime, tools, turns).unwrap_or_else(|fault| {
        eprintln!("{fault}");
        std::process::exit(1)
    });
    println!("\n{:<52}{:>8}{:>8}{:>9}", "target", "is", "gate", "stretch");
    let [known, new, request] = added;
    say("CPU that a local budget adds at 3.6 KB, known, in µs", known, 5.0, 3.0, false);
    say("the same, new", new, 8.0, 3.0, false);
    // A request took Envoy 53 µs where the gates were set.
    say("the same as a share of the request's CPU, known", known / request, 5.0 / 53.0, 3.0 / 53.0, false);
    say("the same, new", new / request, 8.0 / 53.0, 3.0 / 53.0, false);
}

/// A fault comes back, so that Envoy ends with this function.
fn with_budgets(runtime: &tokio::runtime::Runtime, tools: &Tools, turns: usize) -> Result<[f64; 3], String> {
    let input = inputs::all(&["customers 2 KB".to_owned()]).remove(0);
    let upstream = runtime.block_on(Upstream::start(&input.bodies[0].0));
    let policies = [("plain", None), ("budget", Some(1_000_000_000))];
    let listeners = policies.map(|(name, max)| {
        let policy = inputs::one_customer_policy(max).to_string();
        listener_of(name, Some(wasm(name, tools.wasm.clone(), &policy)))
    });
    let bootstrap = Bootstrap::of(json!({
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {"listeners": listeners, "clusters": [cluster("api", upstream.address)]},
    }));
    let envoy = Envoy::start(tools, Scratch::new().unwrap(), &bootstrap, Some(inputs::KEY))?;
    let process = envoy.pid().ok_or("Envoy's process is gone")?;
    // The last is the first again: how far apart two equal lanes are is what can be told at all.
    let lanes = [("plain", Path::Known), ("budget", Path::Known), ("budget", Path::New), ("plain", Path::New)];
    let mut taken: [Vec<f64>; 4] = Default::default();
    for (name, path) in lanes {
        let load = Load { requests: WARM, path, ..SMALL };
        runtime.block_on(load::run(envoy.listener(name), load)).ok_or("no answer")?;
    }
    for turn in 0..turns {
        for place in 0..lanes.len() {
            let place = if turn % 2 == 0 { place } else { lanes.len() - 1 - place };
            let at = (place + turn / 2) % lanes.len();
            let (name, path) = lanes[at];
            let before = processor_time(process).unwrap();
            runtime.block_on(load::run(envoy.listener(name), Load { path, ..SMALL })).ok_or("no answer")?;
            taken[at].push((processor_time(process).unwrap() - before) * 1e6 / SMALL.requests as f64);
        }
    }
    let over = |with: usize, without: usize| {
        median(taken[with].iter().zip(&taken[without]).map(|(with, without)| with - without).collect())
    };
    println!(
        "{:<22}{:>12.1} without a budget, known {:+.1}, new {:+.1}; the same twice {:+.1}",
        input.name,
        median(taken[0].clone()),
        over(1, 0),
        over(2, 3),
        over(3, 0)
    );
    Ok([over(1, 0), over(2, 3), median(taken[0].clone())])
}

fn say(what: &str, is: f64, gate: f64, stretch: f64, more_is_better: bool) {
    let holds = |bound: f64| if more_is_better { is >= bound } else { is <= bound };
    let mark = if holds(stretch) {
        "stretch holds"
    } else if holds(gate) {
        "gate holds"
    } else {
        "MISSED"
    };
    println!("{what:<54}{is:>6.2}{gate:>8.2}{stretch:>9.2}  {mark}");
}

/// Microseconds of processor time that a request takes, by filter and turn.
struct Costs(Vec<(Filter, Vec<f64>)>);

impl Costs {
    fn turns(&self, filter: Filter) -> &[f64] {
        self.0.iter().find(|(of, _)| *of == filter).map_or(&[], |(_, turns)| turns)
    }

    fn of(&self, filter: Filter) -> f64 {
        median(self.turns(filter).to_vec())
    }

    /// What a filter adds: the median over the turns of what it took more than no filter in the same turn.
    fn added(&self, filter: Filter) -> f64 {
        let turns = self.turns(filter).iter().zip(self.turns(Filter::Nothing));
        median(turns.map(|(with, without)| with - without).collect())
    }
}

struct Lane {
    filter: Filter,
    at: SocketAddr,
    taken: Vec<f64>,
}

/// A fault comes back, so that Envoy ends with this function: in a release build a panic would leave it running.
fn measure(
    runtime: &tokio::runtime::Runtime,
    tools: &Tools,
    name: &str,
    load: Load,
    turns: usize,
) -> Result<Costs, String> {
    let input = inputs::all(&[name.to_owned()]).remove(0);
    let (body, view) = &input.bodies[0];
    let mut filtered = Vec::new();
    let rewriter = Rewriter::new(Rc::clone(view), Texts::One).push(body, &mut filtered).unwrap();
    rewriter.finish(&mut filtered).unwrap();
    let upstream = runtime.block_on(Upstream::start(body));
    let server = ext_proc::Server::start(name);
    let envoy = start(tools, upstream.address, server.address())?;
    let lane = |filter: Filter| Lane { filter, at: envoy.listener(filter.listener()), taken: Vec::new() };
    let mut lanes = FILTERS.map(lane);
    for lane in &lanes {
        let got = runtime.block_on(load::run(lane.at, load)).ok_or("no answer")?;
        // No filter may be fast by doing less. The others may spell numbers anew.
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
        let wanted =
            if matches!(lane.filter, Filter::Nothing | Filter::Echo | Filter::Calls) { body } else { &filtered };
        if parse(&got) != parse(wanted) {
            return Err(format!("{:?} answers otherwise", lane.filter));
        }
    }
    let processes = [envoy.pid().ok_or("Envoy's process is gone")?, server.id()];
    let spent = || processes.into_iter().map(|process| processor_time(process).unwrap()).sum::<f64>();
    for turn in 0..turns {
        // Their number is prime: over six turns each comes right behind each of the others.
        for place in 0..FILTERS.len() {
            let lane = &mut lanes[(place * (1 + turn % (FILTERS.len() - 1))) % FILTERS.len()];
            let before = spent();
            runtime.block_on(load::run(lane.at, load)).ok_or("no answer")?;
            lane.taken.push((spent() - before) * 1e6 / load.requests as f64);
        }
    }
    let costs = Costs(lanes.map(|lane| (lane.filter, lane.taken)).into());
    print!("{name:<22}{:>12.1}", costs.of(Filter::Nothing));
    FILTERS.iter().skip(1).for_each(|filter| print!("{:>12.1}", costs.added(*filter)));
    println!();
    Ok(costs)
}

/// An Envoy with a listener for each filter.
fn start(tools: &Tools, upstream: SocketAddr, server: SocketAddr) -> Result<Envoy, String> {
    let listeners = FILTERS.map(|filter| listener(tools, filter));
    let bootstrap = Bootstrap::of(json!({
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {"listeners": listeners, "clusters": [cluster("api", upstream), processor(server)]},
    }));
    Envoy::start(tools, Scratch::new().unwrap(), &bootstrap, None)
}

/// The cluster of the external processor.
fn processor(server: SocketAddr) -> Value {
    let mut processor = cluster("processor", server);
    processor["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    processor
}

fn address(at: SocketAddr) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": at.port()}})
}

fn cluster(name: &str, at: SocketAddr) -> Value {
    json!({
        "name": name, "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(at)}}]}],
        },
    })
}

fn listener(tools: &Tools, filter: Filter) -> Value {
    listener_of(filter.listener(), filter_of(tools, filter))
}

fn listener_of(name: &str, filter: Option<Value>) -> Value {
    let filters = filter.into_iter().chain([json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    })]);
    json!({
        "name": name,
        "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "bench",
                "http_filters": filters.collect::<Vec<_>>(),
                "route_config": {"virtual_hosts": [{
                    "name": "api", "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}],
                }]},
            },
        }]}],
    })
}

fn wasm(name: &str, file: PathBuf, configuration: &str) -> Value {
    json!({
        "name": "envoy.filters.http.wasm",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": name, "root_id": name,
                "failure_policy": "FAIL_CLOSED",
                "allow_on_headers_stop_iteration": true,
                "vm_config": {
                    "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}},
                    "environment_variables": {"host_env_keys": ["FIELDGATE_KEY"]},
                },
                "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            },
        },
    })
}

fn filter_of(tools: &Tools, filter: Filter) -> Option<Value> {
    let built = |name: &str| {
        let built = tools.wasm.with_file_name("..").join("bench-wasm").join(name);
        fs::canonicalize(&built).unwrap_or_else(|_| panic!("{} is missing: run scripts/wasm.sh bench", built.display()))
    };
    match filter {
        Filter::Nothing => None,
        Filter::Empty | Filter::Echo | Filter::Calls | Filter::Engine => {
            Some(wasm(filter.listener(), built("examples/yardstick.wasm"), filter.listener()))
        }
        Filter::Value => Some(wasm(filter.listener(), built("fieldgate_naive.wasm"), filter.listener())),
        Filter::Fieldgate => Some(wasm(filter.listener(), tools.wasm.clone(), &inputs::customers_policy().to_string())),
        Filter::ExtProc => Some(json!({
            "name": "envoy.filters.http.ext_proc",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
                "grpc_service": {"envoy_grpc": {"cluster_name": "processor"}},
                // Envoy would give up after 0.2 s, which large bodies take with others before them.
                "message_timeout": "30s",
                "processing_mode": {
                    "request_header_mode": "SKIP", "response_header_mode": "SKIP",
                    "request_body_mode": "NONE", "response_body_mode": "BUFFERED",
                },
            },
        })),
    }
}
