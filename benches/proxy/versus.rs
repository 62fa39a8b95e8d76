//! The head-to-head: what else could do fieldgate's work in an Envoy, each on bodies of four sizes and over one to 64
//! connections, in one Envoy with one worker. `make bench-envoy` runs it, writes `benches/results/envoy.json` and the plot, and
//! the tables of `docs/performance.md` from those.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path as File;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fieldgate::json::Texts;
use fieldgate::rewrite::Rewriter;
use fieldgate_benches::clock::median;
use fieldgate_benches::inputs;
use fieldgate_testkit::bootstrap::{Bootstrap, module};
use fieldgate_testkit::envoy::{Envoy, Scratch, Tools, processor_time};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::load::{self, Load, Path, Upstream};
use crate::nginx::Nginx;
use crate::{Filter, ext_proc};

/// A contender: its name, and what the tables call it. All but those of nginx are listeners of one Envoy.
const CONTENDERS: [(&str, &str); 11] = [
    ("nothing", "no filter"),
    ("empty", "a filter that does nothing, Wasm"),
    ("echo", "echo, Wasm"),
    ("calls", "echo with fieldgate's calls, Wasm"),
    ("module", "**fieldgate, module**"),
    ("fieldgate", "**fieldgate, Wasm**"),
    ("value", "naive `Value` plugin, Wasm"),
    ("ext-proc", "`ext_proc` in Rust, fieldgate's engine"),
    ("lua", "Lua, pure-Lua JSON"),
    ("nginx", "nginx, no filter"),
    ("njs", "nginx, njs"),
];

/// What a contender is measured over: the same proxy without a filter.
fn base(name: &str) -> &str {
    if matches!(name, "nginx" | "njs") { "nginx" } else { "nothing" }
}

/// Those that hand on what comes.
const UNCHANGED: [&str; 5] = ["nothing", "empty", "echo", "calls", "nginx"];

/// Bodies: name, customers of at least so many bytes, requests of a turn, connections. The second is what `make bench` calls
/// `customers 2 KB`.
const BODIES: [(&str, usize, usize, usize); 8] = [
    ("2 KB", 1_000, 800, 4),
    ("100 KB", 100_000, 200, 4),
    ("1 MB", 1_000_000, 24, 4),
    ("10 MB", 10_000_000, 4, 4),
    ("2 KB", 1_000, 800, 1),
    ("2 KB", 1_000, 800, 16),
    ("2 KB", 1_000, 1_600, 64),
    ("3.6 KB", 2_000, 1_600, 64),
];

/// Bytes of bodies that each contender has had before its first turn.
const WARM: usize = 8 << 20;

/// Where the results are.
const RESULTS: &str = "benches/results/envoy.json";
const PLOT: &str = "docs/speed-in-envoy.svg";
const PAGE: &str = "docs/performance.md";

/// What a contender took in its turns.
#[derive(Default)]
struct Taken {
    cpu: Vec<f64>,
    rate: Vec<f64>,
    times: Vec<Duration>,
    /// KiB over what the process had before the turn.
    memory: u64,
    /// Why it is not measured.
    fault: Option<String>,
}

/// Measures, writes the results, and shows them.
pub(crate) fn run(runtime: &Runtime, tools: &Tools, turns: usize) -> Result<(), String> {
    let mut bodies = Vec::new();
    for (name, size, requests, connections) in BODIES {
        let load = Load { requests, connections, path: Path::Plain };
        let (bytes, taken) = measure(runtime, tools, (name, size), load, turns)?;
        bodies.push(json!({
            "body": name, "bytes": bytes, "requests": requests, "connections": connections, "turns": turns,
            "contenders": summed(&taken),
        }));
        eprintln!("{name}, {connections} connections: done");
    }
    let results = json!({
        "envoy": tools.envoy_version(), "machine": machine(), "date": date(), "load": load_average(),
        "workers": 1, "bodies": bodies,
    });
    let root = fieldgate_testkit::root();
    fs::create_dir_all(root.join("benches/results")).map_err(|error| error.to_string())?;
    let text = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
    fs::write(root.join(RESULTS), text + "\n").map_err(|error| error.to_string())?;
    show(&results, root)
}

/// Writes tables and plot from results.
fn show(results: &Value, root: &File) -> Result<(), String> {
    fs::write(root.join(PLOT), plot(results)).map_err(|error| error.to_string())?;
    let page = fs::read_to_string(root.join(PAGE)).map_err(|error| error.to_string())?;
    let (before, rest) =
        page.split_once("<!-- versus -->\n").ok_or("docs/performance.md has no place for the tables")?;
    let (_, after) = rest.split_once("<!-- /versus -->").ok_or("docs/performance.md has no end of the tables")?;
    let tables = tables(results);
    println!("{tables}");
    fs::write(root.join(PAGE), format!("{before}<!-- versus -->\n{tables}<!-- /versus -->{after}"))
        .map_err(|error| error.to_string())
}

/// A fault comes back, so that Envoy ends with this function.
fn measure(
    runtime: &Runtime,
    tools: &Tools,
    (name, size): (&'static str, usize),
    load: Load,
    turns: usize,
) -> Result<(usize, Vec<Taken>), String> {
    let input = inputs::customers(name, size);
    let (body, view) = &input.bodies[0];
    let mut filtered = Vec::new();
    let rewriter = Rewriter::new(Rc::clone(view), Texts::One).push(body, &mut filtered).map_err(|_| "no JSON")?;
    rewriter.finish(&mut filtered).map_err(|_| "no JSON")?;
    let upstream = runtime.block_on(Upstream::start(body));
    let server = ext_proc::Server::start("customers 2 KB");
    let envoy = start(tools, upstream.address, server.address())?;
    let nginx = Nginx::start(upstream.address);
    let envoy_pid = envoy.pid().ok_or("Envoy's process is gone")?;
    let nginx_pid = nginx.as_ref().map_or(envoy_pid, Nginx::id);
    let pid_of = |name| if base(name) == "nginx" { nginx_pid } else { envoy_pid };
    let spent = |name| match name {
        "ext-proc" => processor_time(envoy_pid).unwrap_or(0.0) + processor_time(server.id()).unwrap_or(0.0),
        name => processor_time(pid_of(name)).unwrap_or(0.0),
    };
    let listener = |name: &str| match (name, &nginx) {
        ("nginx", Some(nginx)) => Some(nginx.plain),
        ("njs", Some(nginx)) => Some(nginx.edits),
        ("nginx" | "njs", None) => None,
        _ => Some(envoy.listener(name)),
    };
    let mut all: Vec<Taken> = CONTENDERS.iter().map(|_| Taken::default()).collect();
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().map(by_value);
    for ((name, _), taken) in CONTENDERS.iter().zip(&mut all) {
        let warm = Load { requests: (WARM / body.len()).max(load.connections), ..load };
        let Some(address) = listener(name) else {
            taken.fault = Some("not on this machine".to_owned());
            continue;
        };
        let got = runtime.block_on(load::run(address, warm));
        let wanted = if UNCHANGED.contains(name) { body } else { &filtered };
        if got.and_then(|got| parse(&got)) != parse(wanted) {
            taken.fault = Some("it answers otherwise".to_owned());
            eprintln!("{name}: it answers otherwise");
        }
    }
    for turn in 0..turns {
        for place in 0..CONTENDERS.len() {
            // Their number is prime: each stride goes through all, each turn in another order.
            let at = (place * (1 + turn % 4) + turn) % CONTENDERS.len();
            let name = CONTENDERS[at].0;
            let (None, Some(address)) = (&all[at].fault, listener(name)) else { continue };
            let pid = pid_of(name);
            let before = (forget_peak(pid), memory(pid, "VmRSS:"), spent(name), Instant::now());
            let (answered, times) = runtime.block_on(load::timed(address, load));
            let (cpu, wall) = (spent(name) - before.2, before.3.elapsed().as_secs_f64());
            let taken = &mut all[at];
            if answered.is_none() {
                taken.fault = Some("it stops answering".to_owned());
                eprintln!("{}: it stops answering", CONTENDERS[at].0);
                continue;
            }
            taken.cpu.push(cpu * 1e6 / load.requests as f64);
            taken.rate.push(load.requests as f64 / wall);
            taken.times.extend(times);
            taken.memory = taken.memory.max(memory(pid, "VmHWM:").saturating_sub(before.1));
        }
    }
    Ok((body.len(), all))
}

/// With each number as its value alone: JavaScript writes `250.00` as `250`.
fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(elements) => elements.into_iter().map(by_value).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, by_value(value))).collect(),
        other => other,
    }
}

/// Makes the system forget the most memory that a process has had so far.
fn forget_peak(pid: u32) {
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0)
}

fn summed(taken: &[Taken]) -> Vec<Value> {
    let added = |name: &str, one: &Taken| {
        let at = CONTENDERS.iter().position(|(other, _)| *other == base(name)).unwrap_or_default();
        let added: Vec<f64> = one.cpu.iter().zip(&taken[at].cpu).map(|(with, without)| with - without).collect();
        // Nothing can be told where the proxy itself failed.
        if added.is_empty() { f64::NAN } else { median(added) }
    };
    CONTENDERS
        .iter()
        .zip(taken)
        .map(|((name, _), taken)| {
            if let Some(fault) = &taken.fault {
                return json!({"name": name, "fault": fault});
            }
            let mut times: Vec<f64> = taken.times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
            times.sort_by(f64::total_cmp);
            let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
            json!({
                "name": name,
                "cpu_us": round(median(taken.cpu.clone())), "added_us": round(added(name, taken)),
                "requests_per_second": round(median(taken.rate.clone())),
                "p50_ms": round(at(50)), "p99_ms": round(at(99)), "memory_kib": taken.memory,
            })
        })
        .collect()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn tables(results: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut page = format!(
        "Envoy {}, one worker, {}, {}; load average at the end {}.\n",
        text(&results["envoy"]).split('/').nth(1).unwrap_or_default(),
        text(&results["machine"]),
        text(&results["date"]),
        text(&results["load"]),
    );
    for body in bodies(results).filter(|body| body["connections"] == 4) {
        let _ = write!(
            page,
            "\n{} ({} bytes, four connections, {} turns of {} requests)\n\n\
             | | µs of CPU added | requests a second | p50 ms | p99 ms | peak memory, MiB more |\n|---|---|---|---|---|---|\n",
            text(&body["body"]),
            body["bytes"],
            body["turns"],
            body["requests"],
        );
        for (one, (_, title)) in contenders(body).zip(CONTENDERS) {
            let number = |name: &str| one[name].as_f64().unwrap_or(0.0);
            if one["fault"].is_string() {
                let _ = writeln!(page, "| {title} | {} | | | | |", text(&one["fault"]));
                continue;
            }
            let _ = writeln!(
                page,
                "| {title} | {} | {:.0} | {:.2} | {:.2} | {:.1} |",
                added(one),
                number("requests_per_second"),
                number("p50_ms"),
                number("p99_ms"),
                number("memory_kib") / 1024.0,
            );
        }
    }
    by_connections(results, &mut page);
    page
}

/// The bodies that are not larger than 4 KB, by connections.
fn by_connections(results: &Value, page: &mut String) {
    let mut small: Vec<&Value> = bodies(results).filter(|body| body["bytes"].as_u64() < Some(4_000)).collect();
    small.sort_by_key(|body| (body["bytes"].as_u64(), body["connections"].as_u64()));
    let _ = write!(page, "\nµs of CPU added by size of the body and connections\n\n| |");
    for body in &small {
        let _ = write!(page, " {}, {} |", body["body"].as_str().unwrap_or_default(), body["connections"]);
    }
    let _ = writeln!(page, "\n|---|{}", "---|".repeat(small.len()));
    for (at, (_, title)) in CONTENDERS.iter().enumerate() {
        let _ = write!(page, "| {title} |");
        for body in &small {
            let _ = write!(page, " {} |", contenders(body).nth(at).map(added).unwrap_or_default());
        }
        page.push('\n');
    }
}

fn bodies(results: &Value) -> impl Iterator<Item = &Value> {
    results["bodies"].as_array().into_iter().flatten()
}

fn contenders(body: &Value) -> impl Iterator<Item = &Value> {
    body["contenders"].as_array().into_iter().flatten()
}

/// What a contender adds; without a filter, what a request takes.
fn added(contender: &Value) -> String {
    let number = |name: &str| contender[name].as_f64();
    let name = contender["name"].as_str().unwrap_or_default();
    match (base(name) == name, number("cpu_us"), number("added_us")) {
        (true, Some(all), _) => format!("({all:.0} in all)"),
        (false, _, Some(added)) => format!("{added:.1}"),
        _ => "–".to_owned(),
    }
}

/// CPU added, by size, on two axes of powers of ten.
fn plot(results: &Value) -> String {
    const COLOURS: [&str; 9] =
        ["#dddddd", "#888888", "#bbbbbb", "#1b7f3b", "#0b5fa5", "#b8860b", "#8a4baf", "#c0392b", "#16a085"];
    let sizes: Vec<&Value> = bodies(results).filter(|body| body["connections"] == 4).collect();
    let x = |at: usize| 80.0 + 150.0 * at as f64;
    let y = |added: f64| 360.0 - 60.0 * added.max(1.0).log10();
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"430\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"860\" height=\"430\" fill=\"white\"/>\n\
         <text x=\"80\" y=\"20\">µs of CPU that a filter adds to a request, by the size of the body (both axes by powers of ten)</text>\n",
    );
    for power in 0..6 {
        let (at, value) = (y(10f64.powi(power)), 10u32.pow(power.unsigned_abs()));
        let _ = writeln!(
            svg,
            "<line x1=\"80\" y1=\"{at}\" x2=\"530\" y2=\"{at}\" stroke=\"#dddddd\"/><text x=\"70\" y=\"{}\" text-anchor=\"end\">{value}</text>",
            at + 4.0
        );
    }
    for (at, size) in sizes.iter().enumerate() {
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"385\" text-anchor=\"middle\">{}</text>",
            x(at),
            size["body"].as_str().unwrap_or_default()
        );
    }
    let shown = CONTENDERS.iter().filter(|(name, _)| base(name) != *name);
    for (which, ((name, title), colour)) in shown.zip(COLOURS).enumerate() {
        let mut line = String::new();
        for (at, size) in sizes.iter().enumerate() {
            let found = contenders(size).find(|one| one["name"] == *name);
            if let Some(added) = found.and_then(|one| one["added_us"].as_f64()) {
                let _ = write!(line, "{},{:.1} ", x(at), y(added));
            }
        }
        let title: String = title.chars().filter(|letter| !"*`".contains(*letter)).collect();
        let row = 60 + 22 * which;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><line x1=\"560\" y1=\"{row}\" x2=\"585\" y2=\"{row}\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"592\" y=\"{}\">{title}</text>",
            line.trim(),
            row + 4,
        );
    }
    svg + "</svg>\n"
}

fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    format!("{count} virtual processors ({})", model.map_or("of unknown make", |(_, model)| model.trim()))
}

fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

fn date() -> String {
    let output = std::process::Command::new("date").arg("+%F").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// An Envoy with a listener for each contender. Its buffers hold the largest body, for those that need it whole.
fn start(tools: &Tools, upstream: SocketAddr, server: SocketAddr) -> Result<Envoy, String> {
    const BUFFER: u32 = 64 << 20;
    let listeners: Vec<Value> = CONTENDERS
        .iter()
        .map(|(name, _)| {
            let mut listener = super::listener_of(name, filter(tools, name));
            listener["per_connection_buffer_limit_bytes"] = json!(BUFFER);
            listener
        })
        .collect();
    let mut api = super::cluster("api", upstream);
    api["per_connection_buffer_limit_bytes"] = json!(BUFFER);
    let bootstrap = Bootstrap::of(json!({
        "admin": {"address": super::address(SocketAddr::from(([127, 0, 0, 1], 0)))},
        "static_resources": {"listeners": listeners, "clusters": [api, super::processor(server)]},
    }));
    Envoy::start(tools, Scratch::new().map_err(|error| error.to_string())?, &bootstrap, None)
}

fn filter(tools: &Tools, name: &str) -> Option<Value> {
    let policy = || inputs::customers_policy().to_string();
    match name {
        "module" => Some(json!({
            "name": "fieldgate",
            "typed_config": module(json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy()})),
        })),
        "lua" => Some(json!({
            "name": "envoy.filters.http.lua",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": {"inline_string": include_str!("filter.lua")},
            },
        })),
        "empty" => super::filter_of(tools, Filter::Empty),
        _ => super::FILTERS
            .into_iter()
            .find(|filter| filter.listener() == name)
            .and_then(|filter| super::filter_of(tools, filter)),
    }
}
