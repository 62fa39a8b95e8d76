//! What `docs/operations.md` writes for OpenTelemetry, to a real collector: records as logs, counters with their labels as attributes.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::lifecycle::{SHOWS_NAME, ask};
use super::streams::Test;
use super::support::bootstrap::Bootstrap;
use super::support::envoy::Envoy;
use super::support::row::{HeadMode, Policy};
use super::world::{KEY, World};

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![(
        "an OpenTelemetry collector gets decision records, and metrics with labels as attributes".to_owned(),
        Box::new(sent),
    )]
}

/// A collector that ends with the test.
struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The page's block that configures both.
fn configured() -> Result<Value, String> {
    let page =
        fs::read_to_string(super::support::root().join("docs/operations.md")).map_err(|error| error.to_string())?;
    let (_, rest) = page.split_once("## OpenTelemetry").ok_or("no OpenTelemetry on the page")?;
    let (_, rest) = rest.split_once("```yaml\n").ok_or("no block")?;
    let (block, _) = rest.split_once("```").ok_or("the block has no end")?;
    serde_saphyr::from_str(block).map_err(|fault| fault.to_string())
}

fn sent(world: &World) -> Result<(), String> {
    let program = super::support::root().join(".tools/otel/collector");
    if !program.exists() {
        println!("no collector (scripts/otel.sh): nothing was looked at");
        return Ok(());
    }
    let policy = World::policy_json(&Policy::Text(SHOWS_NAME), HeadMode::Held)?;
    let (scratch, reference) = world.reference(&policy);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = port.map_err(|error| error.to_string())?.port();
    let pipeline = json!({"receivers": ["otlp"], "exporters": ["debug"]});
    let configuration = json!({
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": format!("127.0.0.1:{port}")}}}},
        "exporters": {"debug": {"verbosity": "detailed", "sampling_initial": 1000}},
        "service": {"telemetry": {"metrics": {"level": "none"}}, "pipelines": {"logs": pipeline, "metrics": pipeline}},
    });
    let file = scratch.write("collector.yaml", &configuration.to_string()).map_err(|error| error.to_string())?;
    let told = scratch.path().join("collector.log");
    let log = fs::File::create(&told).map_err(|error| error.to_string())?;
    let _collector = Command::new(&program)
        .arg(format!("--config=file:{}", file.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn()
        .map(Collector)
        .map_err(|error| error.to_string())?;

    let mut tree: Value = serde_json::from_str(&reference.text()).map_err(|fault| fault.to_string())?;
    let mut page = configured()?;
    tree["stats_sinks"] = page["stats_sinks"].take();
    tree["stats_flush_interval"] = json!("1s");
    let manager = tree.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config");
    manager.ok_or("no connection manager")?["access_log"] = page["access_log"].take();
    let clusters = tree["static_resources"]["clusters"].as_array_mut().ok_or("no clusters")?;
    clusters.push(json!({
        "name": "otel", "type": "STATIC", "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "load_assignment": {"cluster_name": "otel", "endpoints": [{"lb_endpoints": [{"endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        }}]}]},
    }));
    let envoy = Envoy::start(&world.tools, scratch, &Bootstrap::of(tree), Some(KEY))?;
    let told = || fs::read_to_string(&told).unwrap_or_default();
    // What is sent before the collector listens is gone.
    let mut fault = String::new();
    for _ in 0..30 {
        let answer = ask(world, &envoy, "things.read", |_| {});
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        fault = missing(&told());
        if fault.is_empty() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    Err(format!("{fault}\n{}", told().lines().take(200).collect::<Vec<_>>().join("\n")))
}

/// What the collector has not printed yet; empty if it has all.
fn missing(told: &str) -> String {
    let record = told.lines().any(|line| {
        line.contains("Body: Str({\"fieldgate\":1")
            && line.contains(r#""outcome":"released""#)
            && line.contains("get-thing")
    });
    let metric = told.contains("-> Name: wasmcustom.fieldgate_responses_total\n");
    let labels =
        ["-> route: Str(get-thing)", "-> outcome: Str(released)", "-> mode: Str(enforced)", "-> client: Str(-)"];
    let mut lacking: Vec<&str> = labels.into_iter().filter(|label| !told.contains(label)).collect();
    lacking.extend((!record).then_some("a record"));
    lacking.extend((!metric).then_some("a metric"));
    lacking.join(", ")
}
