//! What the filter costs a real Envoy: processor time added to a request, next to what else could stand in its place.
//!
//! All Envoys run at once and take turns under the same load; what counts is the processor time of the Envoy process (and of
//! the external processor's server), less that of an Envoy without a filter. `make bench` runs it.
//!
//! usage: proxy [--quick]

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

#[allow(dead_code, reason = "its median is used")]
#[path = "../speed/clock.rs"]
mod clock;
mod ext_proc;
#[allow(dead_code, reason = "one of its inputs is used")]
#[path = "../speed/inputs/mod.rs"]
mod inputs;
mod load;
#[allow(dead_code, reason = "as the inputs")]
#[path = "../speed/seeded.rs"]
mod seeded;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use fieldgate::json::Texts;
use fieldgate::rewrite::Rewriter;
use serde_json::{Value, json};
use support::bootstrap::Bootstrap;
use support::envoy::{Envoy, Scratch, Tools, processor_time};

use crate::clock::median;
use crate::load::Upstream;

/// Requests of one turn, and turns: so many that an Envoy is used again to its work for nearly all of a turn, as one that serves
/// is, after the others have had theirs.
struct Effort {
    small: usize,
    large: usize,
    turns: usize,
}

/// What stands between the client and the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Nothing,
    /// A WebAssembly filter that puts each part of the body back as it is.
    Echo,
    /// The same, which besides makes fieldgate's calls to the host and uses nothing of their answers.
    Calls,
    /// fieldgate's engine in such a filter, with no call but echo's.
    Engine,
    Fieldgate,
    /// The engine that everyone writes first, in such a filter: it edits the whole body as a `serde_json::Value`.
    Value,
    /// An external processor, which runs fieldgate's own engine.
    ExtProc,
}

const FILTERS: [Filter; 7] =
    [Filter::Nothing, Filter::Echo, Filter::Calls, Filter::Engine, Filter::Fieldgate, Filter::Value, Filter::ExtProc];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let effort = match arguments.next().as_deref() {
        Some("ext-proc") => return ext_proc::serve(&arguments.next().expect("an input's name")),
        Some("--quick") => Effort { small: 800, large: 400, turns: 5 },
        _ => Effort { small: 2_000, large: 1_200, turns: 11 },
    };
    let tools = Tools::find().unwrap_or_else(|missing| panic!("{missing}"));
    println!("\nEnvoy {}, one worker", tools.envoy_version());
    println!(
        "{:<22}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "µs of CPU a request", "no filter", "+ echo", "+ its calls", "+ engine", "+ ours", "+ A Value", "+ ext_proc"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let measured = |name, requests| {
        measure(&runtime, &tools, name, requests, effort.turns).unwrap_or_else(|fault| {
            eprintln!("{fault}");
            std::process::exit(1)
        })
    };
    let (small, large) = (measured("customers 2 KB", effort.small), measured("customers 100 KB", effort.large));
    println!("\n{:<52}{:>8}{:>8}{:>9}", "target", "is", "gate", "stretch");
    let (engine, ours) = (Filter::Engine, Filter::Fieldgate);
    let over = |costs: &Costs, above, below| costs.added(above) / costs.added(below);
    say("CPU added at 100 KB, A ÷ ours", over(&large, Filter::Value, ours), 6.0, 9.0, true);
    say("the same, A ÷ engine", over(&large, Filter::Value, engine), 6.0, 9.0, true);
    say("CPU added at 2 KB, ours ÷ echo", over(&small, ours, Filter::Echo), 1.6, 1.2, false);
    say("the same, engine ÷ echo", over(&small, engine, Filter::Echo), 1.6, 1.2, false);
    say("CPU added with the servers' at 100 KB, ext_proc ÷ ours", over(&large, Filter::ExtProc, ours), 2.5, 4.0, true);
    say("the same, ext_proc ÷ engine", over(&large, Filter::ExtProc, engine), 2.5, 4.0, true);
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
    println!("{what:<54}{is:>6.2}{gate:>8}{stretch:>9}  {mark}");
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
    envoy: Envoy,
    server: Option<ext_proc::Server>,
    taken: Vec<f64>,
}

impl Lane {
    fn processor_time(&self) -> f64 {
        let servers = self.server.as_ref().map_or(0.0, |server| processor_time(server.id()).unwrap());
        processor_time(self.envoy.pid().expect("Envoy's process")).unwrap() + servers
    }
}

/// A fault comes back, so that the Envoys end with their lanes: in a release build a panic would leave them running.
fn measure(
    runtime: &tokio::runtime::Runtime,
    tools: &Tools,
    name: &str,
    requests: usize,
    turns: usize,
) -> Result<Costs, String> {
    let input = inputs::all(&[name.to_owned()]).remove(0);
    let (body, view) = &input.bodies[0];
    let mut filtered = Vec::new();
    let rewriter = Rewriter::new(Rc::clone(view), Texts::One).push(body, &mut filtered).unwrap();
    rewriter.finish(&mut filtered).unwrap();
    let upstream = runtime.block_on(Upstream::start(body));
    let mut lanes: Vec<Lane> = FILTERS
        .into_iter()
        .map(|filter| {
            let server = (filter == Filter::ExtProc).then(|| ext_proc::Server::start(name));
            let at = server.as_ref().map(ext_proc::Server::address);
            let envoy = start(tools, filter, upstream.address, at)?;
            Ok::<_, String>(Lane { filter, envoy, server, taken: Vec::new() })
        })
        .collect::<Result<_, _>>()?;
    for lane in &mut lanes {
        let got = runtime.block_on(load::run(lane.envoy.listener("bench"), 200)).ok_or("no answer")?;
        // No filter may be fast by doing less. The others may spell numbers anew.
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
        let wanted =
            if matches!(lane.filter, Filter::Nothing | Filter::Echo | Filter::Calls) { body } else { &filtered };
        if parse(&got) != parse(wanted) {
            return Err(format!("{:?} answers otherwise", lane.filter));
        }
    }
    for _ in 0..turns {
        for lane in &mut lanes {
            let before = lane.processor_time();
            runtime.block_on(load::run(lane.envoy.listener("bench"), requests));
            lane.taken.push((lane.processor_time() - before) * 1e6 / requests as f64);
        }
    }
    let costs = Costs(lanes.iter_mut().map(|lane| (lane.filter, std::mem::take(&mut lane.taken))).collect());
    print!("{name:<22}{:>12.1}", costs.of(Filter::Nothing));
    FILTERS.iter().skip(1).for_each(|filter| print!("{:>12.1}", costs.added(*filter)));
    println!();
    Ok(costs)
}

fn start(tools: &Tools, filter: Filter, upstream: SocketAddr, server: Option<SocketAddr>) -> Result<Envoy, String> {
    let wasm = |file: PathBuf, configuration: String| {
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "bench", "root_id": "bench",
                    "failure_policy": "FAIL_CLOSED",
                    "allow_on_headers_stop_iteration": true,
                    "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}},
                    "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
                },
            },
        })
    };
    let yardstick = || {
        let built = tools.wasm.with_file_name("..").join("bench-wasm/examples/yardstick.wasm");
        fs::canonicalize(&built).unwrap_or_else(|_| panic!("{} is missing: run scripts/wasm.sh bench", built.display()))
    };
    let filter = match filter {
        Filter::Nothing => None,
        Filter::Echo => Some(wasm(yardstick(), "echo".to_owned())),
        Filter::Calls => Some(wasm(yardstick(), "calls".to_owned())),
        Filter::Engine => Some(wasm(yardstick(), "engine".to_owned())),
        Filter::Value => Some(wasm(yardstick(), "value".to_owned())),
        Filter::Fieldgate => Some(wasm(tools.wasm.clone(), inputs::customers_policy().to_string())),
        Filter::ExtProc => Some(json!({
            "name": "envoy.filters.http.ext_proc",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
                "grpc_service": {"envoy_grpc": {"cluster_name": "processor"}},
                "processing_mode": {
                    "request_header_mode": "SKIP", "response_header_mode": "SKIP",
                    "request_body_mode": "NONE", "response_body_mode": "BUFFERED",
                },
            },
        })),
    };
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let address = |at: SocketAddr| json!({"socket_address": {"address": "127.0.0.1", "port_value": at.port()}});
    let cluster = |name: &str, at: SocketAddr| {
        json!({
            "name": name, "type": "STATIC",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(at)}}]}],
            },
        })
    };
    let mut clusters = vec![cluster("api", upstream)];
    clusters.extend(server.map(|at| {
        let mut processor = cluster("processor", at);
        processor["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }});
        processor
    }));
    let bootstrap = Bootstrap::of(json!({
        "admin": {"address": address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {
            "listeners": [{
                "name": "bench",
                "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                        "stat_prefix": "bench",
                        "http_filters": filter.into_iter().chain([router]).collect::<Vec<_>>(),
                        "route_config": {"virtual_hosts": [{
                            "name": "api", "domains": ["*"],
                            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "api"}}],
                        }]},
                    },
                }]}],
            }],
            "clusters": clusters,
        },
    }));
    Envoy::start(tools, Scratch::new().unwrap(), &bootstrap, None)
}
