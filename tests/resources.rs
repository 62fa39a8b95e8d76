//! What `fieldgate render` writes for Envoy Gateway and Istio against the projects' own resource definitions, as strictly as
//! an API server takes it with `--validate=strict`: schema and unknown fields. Their CEL rules are not run here: a
//! real API server runs them in `make platform`. What is patched into Envoy is opaque to the definitions.
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
use std::path::Path;

use fieldgate_testkit::resources;
use jsonschema::Validator;
use serde_json::Value;

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
        for document in resources::documents(&fs::read_to_string(entry.unwrap().path()).unwrap()) {
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

fn rendered(policy: &str, options: &[&str]) -> Vec<(String, Vec<Value>)> {
    resources::rendered(Path::new(env!("CARGO_BIN_EXE_fieldgate")), policy, options)
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
    for (policy, options) in resources::RENDERED {
        for (name, found) in rendered(policy, options) {
            for resource in found {
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

/// Whether a schema names the key at a place of a `spec`. What it leaves open it does not look into.
fn is_named(schema: &Value, place: &str) -> bool {
    let mut schema = schema;
    place.split('/').skip(1).all(|step| {
        let is_index = step.bytes().all(|byte| byte.is_ascii_digit());
        schema = if is_index { &schema["items"] } else { &schema["properties"][step] };
        !schema.is_null()
    })
}

#[test]
fn a_misspelt_key_of_what_is_rendered_is_refused() {
    let Some(definitions) = definitions() else { return };
    let mut seen = 0;
    for (policy, options) in resources::RENDERED {
        for (name, found) in rendered(policy, options) {
            for resource in found {
                let schema = schema(&definitions, &resource);
                let (validator, spec) = (validator(schema), &resource["spec"]);
                for place in resources::keys(spec, "").into_iter().filter(|place| is_named(schema, place)) {
                    let copy = resources::misspelt(spec, &place);
                    assert!(!validator.is_valid(&copy), "{policy} {name}: `{place}` may be misspelt");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 200, "only {seen} misspelt copies");
}
