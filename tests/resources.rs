//! What `fieldgate render` writes for Envoy Gateway and Istio against the projects' own resource definitions, as strictly as
//! an API server takes it with `--validate=strict`: schema and unknown fields. Their CEL rules are not run here: Envoy
//! Gateway runs its own in `make platform`. What is patched into Envoy is opaque to the definitions.
//!
//! `scripts/crds.sh` gets the definitions. Where there are none the rows say so, but with `CI=true` that is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's own fault should stop the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Map, Value};

/// Policies, and how each is rendered.
const RENDERED: &[(&str, &[&str])] = &[
    ("policies/telco.yaml", &["--to", "envoy-gateway", "--image", "oci://registry.example/fieldgate:1"]),
    (
        "tests/cli/small.yaml",
        &[
            "--to",
            "envoy-gateway",
            "--image",
            "https://files.example/fieldgate.wasm",
            "--listener",
            "http",
            "--listener",
            "https",
        ],
    ),
    (
        "tests/cli/released.yaml",
        &[
            "--to",
            "envoy-gateway",
            "--image",
            "oci://registry.example/fieldgate:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
    ),
    ("tests/cli/either.yaml", &["--to", "istio", "--image", "oci://registry.example/fieldgate:1"]),
    ("tests/cli/released-payload.yaml", &["--to", "istio", "--namespace", "edge", "--gateway", "public"]),
];

/// Group, version and kind.
type Kind = (String, String);

/// The definitions that were fetched, each of a resource's `spec`: what stands beside it is the API server's. None where this
/// machine has none.
fn definitions() -> Option<BTreeMap<Kind, Value>> {
    let folder = fieldgate_testkit::root().join(".tools/crds/current");
    if !folder.is_dir() {
        assert!(std::env::var("CI").is_err(), "no resource definitions: run scripts/crds.sh");
        println!("NOTHING LOOKED AT: no resource definitions, which scripts/crds.sh gets");
        return None;
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder of definitions") {
        for document in documents(&fs::read_to_string(entry.unwrap().path()).unwrap()) {
            let spec = &document["spec"];
            for version in spec["versions"].as_array().into_iter().flatten() {
                let group = format!("{}/{}", spec["group"].as_str().unwrap(), version["name"].as_str().unwrap());
                let mut schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"].clone();
                strict(&mut schema);
                found.insert((group, spec["names"]["kind"].as_str().unwrap().to_owned()), schema);
            }
        }
    }
    Some(found)
}

fn documents(text: &str) -> Vec<Value> {
    let start = format!("\n{text}");
    let parts =
        start.split("\n---\n").filter(|part| part.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
    parts.map(|part| serde_saphyr::from_str(part).unwrap_or_else(|fault| panic!("{fault}: {part:.300}"))).collect()
}

/// Lets a schema take no field that it does not name, as an API server prunes and refuses them.
fn strict(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    let open = members.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if members.contains_key("properties") && !open && !members.contains_key("additionalProperties") {
        members.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(strict);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = members.get_mut(inner) {
            strict(inner);
        }
    }
}

/// Rendered files by name, without the list for kustomize and patches of what is there.
fn rendered(policy: &str, options: &[&str]) -> Vec<(String, Vec<Value>)> {
    let output = Command::new(env!("CARGO_BIN_EXE_fieldgate"))
        .current_dir(fieldgate_testkit::root())
        .args(["render", policy])
        .args(options)
        .output()
        .expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{policy} {options:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut files: Vec<(String, String)> = Vec::new();
    for part in format!("\n{text}").split("\n---\n").filter(|part| !part.is_empty()) {
        match part.strip_prefix("# ").and_then(|rest| rest.split_once('\n')) {
            Some((name, rest)) if name.ends_with(".yaml") => files.push((name.to_owned(), rest.to_owned())),
            _ => files.last_mut().expect("a file").1.push_str(&format!("\n---\n{part}")),
        }
    }
    files.retain(|(name, _)| name != "kustomization.yaml" && !name.ends_with(".patch.yaml"));
    files.into_iter().map(|(name, text)| (name, documents(&text))).collect()
}

fn schema<'d>(definitions: &'d BTreeMap<Kind, Value>, resource: &Value) -> &'d Value {
    let text = |name: &str| resource[name].as_str().expect("a resource").to_owned();
    let kind = (text("apiVersion"), text("kind"));
    definitions.get(&kind).unwrap_or_else(|| panic!("no definition of {kind:?}"))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft4::new(schema).expect("a schema")
}

#[test]
fn what_is_rendered_is_taken_by_the_projects_own_definitions() {
    let Some(definitions) = definitions() else { return };
    let mut seen = 0;
    for (policy, options) in RENDERED {
        for (name, resources) in rendered(policy, options) {
            for resource in resources {
                let faults: Vec<String> = validator(schema(&definitions, &resource))
                    .iter_errors(&resource["spec"])
                    .map(|fault| format!("{fault} at {}", fault.instance_path()))
                    .collect();
                assert!(faults.is_empty(), "{policy} {options:?} {name}: {faults:#?}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "only {seen} resources");
}

/// Copies of a resource in which one key is misspelt, each with the key's place; what the schema leaves open is left out.
fn misspelt(value: &Value, schema: &Value, place: &str, copies: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            let Some(properties) = schema["properties"].as_object() else { return };
            for (key, inner) in members {
                let mut copy: Map<String, Value> = members.clone();
                let own = copy.remove(key).expect("a key that is there");
                copy.insert(format!("{key}s"), own);
                copies.push((format!("{place}/{key}"), Value::Object(copy)));
                let before = copies.len();
                misspelt(inner, properties.get(key).unwrap_or(&Value::Null), &format!("{place}/{key}"), copies);
                for (_, below) in copies.iter_mut().skip(before) {
                    let mut copy = members.clone();
                    copy.insert(key.clone(), below.take());
                    *below = Value::Object(copy);
                }
            }
        }
        Value::Array(elements) => {
            for (index, inner) in elements.iter().enumerate() {
                let before = copies.len();
                misspelt(inner, &schema["items"], &format!("{place}/{index}"), copies);
                for (_, below) in copies.iter_mut().skip(before) {
                    let mut copy = elements.clone();
                    copy[index] = below.take();
                    *below = Value::Array(copy);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_misspelt_key_of_what_is_rendered_is_refused() {
    let Some(definitions) = definitions() else { return };
    let mut seen = 0;
    for (policy, options) in RENDERED {
        for (name, resources) in rendered(policy, options) {
            for resource in resources {
                let schema = schema(&definitions, &resource);
                let validator = validator(schema);
                let mut copies = Vec::new();
                misspelt(&resource["spec"], schema, "", &mut copies);
                for (place, copy) in copies {
                    assert!(!validator.is_valid(&copy), "{policy} {name}: `{place}` may be misspelt");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 200, "only {seen} misspelt copies");
}
