//! Resources of Kubernetes as `fieldgate render` writes them, and copies of them in which one key is misspelt.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Policies, and how each is rendered: all that `render` has for a cluster.
pub const RENDERED: [(&str, &[&str]); 5] = [
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

/// Rendered resources by their file, without the list for kustomize and patches of what is there. `command` is `fieldgate`.
#[must_use]
pub fn rendered(command: &Path, policy: &str, options: &[&str]) -> Vec<(String, Vec<Value>)> {
    let output = Command::new(command)
        .current_dir(crate::root())
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

/// The documents of a YAML file that hold something.
#[must_use]
pub fn documents(text: &str) -> Vec<Value> {
    let start = format!("\n{text}");
    let parts =
        start.split("\n---\n").filter(|part| part.lines().any(|line| !line.is_empty() && !line.starts_with('#')));
    parts.map(|part| serde_saphyr::from_str(part).unwrap_or_else(|fault| panic!("{fault}: {part:.300}"))).collect()
}

/// Where each key below a value stands, as JSON pointers (RFC 6901) with `above` before them.
#[must_use]
pub fn keys(value: &Value, above: &str) -> Vec<String> {
    match value {
        Value::Object(members) => {
            let below = |(key, inner): (&String, &Value)| {
                let place = format!("{above}/{}", key.replace('~', "~0").replace('/', "~1"));
                let mut found = keys(inner, &place);
                found.insert(0, place);
                found
            };
            members.iter().flat_map(below).collect()
        }
        Value::Array(elements) => {
            let below = |(index, inner): (usize, &Value)| keys(inner, &format!("{above}/{index}"));
            elements.iter().enumerate().flat_map(below).collect()
        }
        _ => Vec::new(),
    }
}

/// A copy of a resource with the key at a place misspelt.
#[must_use]
pub fn misspelt(resource: &Value, place: &str) -> Value {
    let mut copy = resource.clone();
    let (above, key) = place.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/").replace("~0", "~");
    let members = copy.pointer_mut(above).and_then(Value::as_object_mut).expect("a map");
    let own = members.remove(&key).expect("a key that is there");
    members.insert(format!("{key}s"), own);
    copy
}
