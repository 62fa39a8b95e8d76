//! What `fieldgate render --to istio` patches into a gateway, put into a real Envoy as istiod would put it: EnvoyFilters are opaque
//! to Istio's own resource definitions, so here is who reads what is in them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::lifecycle::until;
use super::streams::Test;
use super::support::bootstrap::Bootstrap;
use super::support::client::{self, Protocol, Request};
use super::support::envoy::{Envoy, Scratch};
use super::support::upstream::{SCRIPT, Script, Step};
use super::world::{KEY, World};

pub(crate) fn all() -> Vec<(String, Test)> {
    vec![
        (
            "what render writes for Istio filters, records, and finds a caller where istiod leaves it".to_owned(),
            Box::new(|world: &World| filters(world)),
        ),
        (
            "of what render writes for Istio the gate alone lets nothing through".to_owned(),
            Box::new(|world: &World| gate_alone(world)),
        ),
        (
            "a misspelt field in what render writes for Istio keeps Envoy from starting".to_owned(),
            Box::new(|world: &World| misspelt(world)),
        ),
    ]
}

/// The rendered EnvoyFilters, in the order in which istiod applies them, by their file.
fn rendered(world: &World, scratch: &Scratch) -> Result<Vec<(String, Value)>, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .current_dir(super::support::root())
        .args(["render", "tests/cli/either.yaml", "--to", "istio", "--wasm"])
        .arg(&world.tools.wasm)
        .arg("--out")
        .arg(scratch.path().join("deploy"))
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let read = |name: &str| -> Result<(String, Value), String> {
        let text = fs::read_to_string(scratch.path().join("deploy").join(name)).map_err(|error| error.to_string())?;
        let read = serde_saphyr::from_str(&text).map_err(|fault| format!("{name}: {fault}"))?;
        Ok((name.to_owned(), read))
    };
    let mut all =
        ["00-gate.yaml", "01-edge.yaml", "02-fieldgate.yaml"].map(read).into_iter().collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|(_, filter)| filter["spec"]["priority"].as_i64().unwrap_or(0));
    Ok(all)
}

/// Merges a message into another as protobuf does: lists grow, maps are merged, all else is replaced.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from.iter().cloned()),
        (into, from) => *into = from.clone(),
    }
}

/// The reference bootstrap as a gateway of Istio's before fieldgate: neither plugin nor gate, nor an access log, and claims under
/// `payload`. With these EnvoyFilters applied, and the extension configurations that they add.
fn applied(tree: &mut Value, filters: &[(String, Value)]) -> Result<Vec<Value>, String> {
    let manager = tree
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
        .ok_or("no connection manager")?;
    manager.as_object_mut().ok_or("a map")?.remove("access_log");
    let chain = manager["http_filters"].as_array_mut().ok_or("no filters")?;
    chain.retain(|filter| filter["name"] != "envoy.filters.http.wasm" && filter["name"] != "fieldgate.gate");
    for filter in chain.iter_mut().filter(|filter| filter["name"] == "envoy.filters.http.jwt_authn") {
        filter["typed_config"]["providers"]["issuer"]["payload_in_metadata"] = json!("payload");
    }
    let mut extensions = Vec::new();
    for (name, filter) in filters {
        for patch in filter["spec"]["configPatches"].as_array().ok_or_else(|| format!("{name}: no patches"))? {
            let value = &patch["patch"]["value"];
            match (patch["applyTo"].as_str(), patch["patch"]["operation"].as_str()) {
                (Some("EXTENSION_CONFIG"), Some("ADD")) => extensions.push(value.clone()),
                (Some("NETWORK_FILTER"), Some("MERGE")) => merge(manager, &value["typed_config"]),
                (Some("HTTP_FILTER"), Some("INSERT_BEFORE")) => {
                    let chain = manager["http_filters"].as_array_mut().ok_or("no filters")?;
                    let router = chain.iter().position(|filter| filter["name"] == "envoy.filters.http.router");
                    chain.insert(router.ok_or("no router")?, value.clone());
                }
                other => return Err(format!("{name}: istiod is not asked for {other:?}")),
            }
        }
    }
    Ok(extensions)
}

/// An Envoy with them. The agent puts what istiod discovers into a file: so does this.
fn started(world: &World, change: impl FnOnce(&mut Vec<(String, Value)>)) -> Result<Envoy, String> {
    let (scratch, reference) = world.reference("{}");
    let mut filters = rendered(world, &scratch)?;
    change(&mut filters);
    let mut tree: Value = serde_json::from_str(&reference.text()).map_err(|fault| fault.to_string())?;
    let extensions = applied(&mut tree, &filters)?;
    let resources: Vec<Value> = extensions
        .into_iter()
        .map(|mut one| {
            one["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
            one
        })
        .collect();
    let file = scratch
        .write("extensions.json", &json!({"resources": resources}).to_string())
        .map_err(|error| error.to_string())?;
    let text = tree
        .to_string()
        .replace(r#""ads":{}"#, &format!(r#""path_config_source":{{"path":{}}}"#, json!(file)))
        .replace("/dev/stdout", &scratch.access_log().to_string_lossy());
    let tree = serde_json::from_str(&text).map_err(|fault| fault.to_string())?;
    Envoy::start(&world.tools, scratch, &Bootstrap::of(tree), Some(KEY))
}

/// Status and body of an account that a caller with `care.read` asks for.
fn ask(world: &World, envoy: &Envoy) -> (u16, String) {
    let body = r#"{"status":"active","pin":"WITHHELD"}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let http1 = vec![Step::Bytes([head.as_bytes(), body.as_bytes()].concat())];
    let id = world.upstream.play(Script { http1, ..Script::default() });
    let token = world.issuer.token(&json!({"azp": "care-app", "scope": "care.read"}));
    let request = Request {
        method: "GET".to_owned(),
        path: "/accounts/42".to_owned(),
        fields: vec![
            (SCRIPT.to_owned(), id.into_bytes()),
            ("authorization".to_owned(), format!("Bearer {token}").into_bytes()),
        ],
        body: Vec::new(),
    };
    let answer = world.runtime.block_on(client::ask(envoy.listener("api"), Protocol::Http1, &request));
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

fn filters(world: &World) -> Result<(), String> {
    let envoy = started(world, |_| {})?;
    let expected = (200, r#"{"status":"active"}"#.to_owned());
    let answer = ask(world, &envoy);
    if answer != expected {
        return Err(format!("{answer:?}\n{}", envoy.log()));
    }
    until("a decision record", || {
        envoy.access_log().iter().any(|line| line.contains(r#""outcome":"released""#) && line.contains("care.read"))
    })
}

fn gate_alone(world: &World) -> Result<(), String> {
    let envoy = started(world, |filters| filters.retain(|(name, _)| name == "00-gate.yaml"))?;
    match ask(world, &envoy) {
        (403, body) if !body.contains("WITHHELD") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn misspelt(world: &World) -> Result<(), String> {
    for (file, word) in [
        ("00-gate.yaml", "rules_stat_prefix"),
        ("00-gate.yaml", "filter_state"),
        ("01-edge.yaml", "stream_idle_timeout"),
        ("01-edge.yaml", "text_format_source"),
        ("02-fieldgate.yaml", "initial_fetch_timeout"),
        ("02-fieldgate.yaml", "type_urls"),
    ] {
        let started = started(world, |filters| {
            for (name, filter) in filters.iter_mut().filter(|(name, _)| name == file) {
                let text = filter.to_string();
                assert!(text.contains(word), "{name} has no `{word}`");
                *filter = serde_json::from_str(&text.replacen(word, &format!("{word}s"), 1)).expect("JSON");
            }
        });
        match started {
            Ok(_) => return Err(format!("{file}: Envoy takes a misspelt `{word}`")),
            Err(log) if log.contains(&format!("{word}s")) => {}
            Err(log) => return Err(format!("{file}: `{word}`: Envoy did not start, but why?\n{log}")),
        }
    }
    Ok(())
}
