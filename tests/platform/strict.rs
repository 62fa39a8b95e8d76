//! What `fieldgate render` writes, as those read it who look before it runs: istioctl, egctl, a Kubernetes API. A copy with one key
//! misspelt is never taken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fieldgate_testkit::envoy::Scratch;
use fieldgate_testkit::resources;
use serde_json::{Value, json};

use super::Row;
use super::cluster::{self, Cluster};
use super::tools;

pub(super) const ISTIOCTL: &[Row] = &[(
    "istioctl: each resource for Istio is taken, and no misspelt copy, down to what is patched into Envoy",
    by_istioctl,
)];

pub(super) const EGCTL: &[Row] = &[("egctl: each resource for Envoy Gateway is taken, and no misspelt copy", by_egctl)];

/// What the rows with a Kubernetes API need beside it.
pub(super) const API_NEEDS: &[&str] = &["gateway-api.yaml"];

pub(super) const API: &[Row] = &[
    ("kube-apiserver: each resource for Istio and Envoy Gateway is taken, and no misspelt copy", by_the_api),
    ("kube-apiserver: what only a rule in CEL forbids is refused, with the rule's own words", by_a_rule),
];

/// Resources, each under a name of its own in place of its own name.
type Named = Vec<(String, Value)>;

/// What is rendered, for these targets.
fn rendered(targets: &[&str]) -> Named {
    let command = Path::new(env!("CARGO_BIN_EXE_fieldgate"));
    let sets = resources::RENDERED.iter().filter(|(_, options)| targets.iter().any(|target| options.contains(target)));
    let files = sets.flat_map(|(policy, options)| resources::rendered(command, policy, options));
    named("whole", files.flat_map(|(_, resources)| resources))
}

fn named(kind: &str, resources: impl Iterator<Item = Value>) -> Named {
    let name = |(index, mut resource): (usize, Value)| {
        let name = format!("{kind}-{index}");
        resource["metadata"]["name"] = json!(name);
        (name, resource)
    };
    resources.enumerate().map(name).collect()
}

/// Whether a place is a member of a message: keys of a map may be any.
fn is_member(place: &str) -> bool {
    !["/labels", "/policies"].iter().any(|map| place.rsplit_once('/').is_some_and(|(above, _)| above.ends_with(map)))
}

/// What resource definitions leave open: the `value` of a patch, a piece of Envoy's configuration, which Envoy judges; and the
/// plugin's `config`, the policy, which the plugin judges.
const OPEN: [&str; 2] = ["/value/", "/config/"];

/// Copies of resources, each with one key below `spec` misspelt, and where. Not below what is `open`.
fn misspelt(whole: &Named, open: &[&str]) -> (Named, Vec<String>) {
    let is_looked_at = |place: &String| is_member(place) && !open.iter().any(|part| place.contains(part));
    let mut places = Vec::new();
    let mut copies = Vec::new();
    for (_, resource) in whole {
        let kind = resource["kind"].as_str().unwrap_or_default();
        for place in resources::keys(&resource["spec"], "/spec").into_iter().filter(is_looked_at) {
            copies.push(resources::misspelt(resource, &place));
            places.push(format!("{kind}: {place}"));
        }
    }
    (named("copy", copies.into_iter()), places)
}

/// Writes resources as documents of one file.
fn file(scratch: &Scratch, resources: &Named) -> Result<PathBuf, String> {
    let text: String = resources.iter().map(|(_, resource)| format!("---\n{resource}\n")).collect();
    scratch.write("resources.yaml", &text).map_err(|error| error.to_string())
}

/// The names that a text has, of these.
fn names_in(text: &str, resources: &Named) -> BTreeSet<String> {
    let is_there = |name: &&String| {
        text.match_indices(name.as_str())
            .any(|(at, _)| !text[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    resources.iter().map(|(name, _)| name).filter(is_there).cloned().collect()
}

/// Whether each whole resource was taken, and no copy. `taken` gives the names of those that were.
fn judged(
    whole: &Named,
    open: &[&str],
    taken: impl Fn(&Named) -> Result<BTreeSet<String>, String>,
) -> Result<(), String> {
    let good = taken(whole)?;
    if good.len() != whole.len() {
        return Err(format!("of {} resources only these are taken: {good:?}", whole.len()));
    }
    let (copies, places) = misspelt(whole, open);
    let missed = taken(&copies)?;
    let missed: Vec<&String> =
        copies.iter().zip(&places).filter(|((name, _), _)| missed.contains(name)).map(|(_, place)| place).collect();
    println!("{} resources, {} misspelt copies", whole.len(), copies.len());
    if missed.is_empty() && copies.len() > 40 {
        Ok(())
    } else {
        Err(format!("of {} misspelt copies these are taken: {missed:#?}", copies.len()))
    }
}

/// Those that a checker, which names what it complains of, said nothing about.
fn unnamed(said: &str, resources: &Named) -> BTreeSet<String> {
    let named = names_in(said, resources);
    resources.iter().map(|(name, _)| name).filter(|name| !named.contains(*name)).cloned().collect()
}

/// What a program prints, whether it is content or not.
fn printed(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn by_istioctl() -> Result<(), String> {
    let scratch = tools::scratch()?;
    judged(&rendered(&["istio"]), &[], |resources| {
        let file = file(&scratch, resources)?;
        // A fault in Envoy's messages is a warning there, and a failure here; what it says of every EnvoyFilter is none.
        let said = printed(Command::new(tools::path("istioctl")).args(["validate", "-f"]).arg(file))?;
        let told: String = said.lines().filter(|line| !line.contains("Prefer other APIs if possible")).collect();
        let taken = unnamed(&told, resources);
        // Whatever it looked at it names.
        if names_in(&said, resources).is_empty() { Err(said) } else { Ok(taken) }
    })
}

fn by_egctl() -> Result<(), String> {
    let scratch = tools::scratch()?;
    judged(&rendered(&["envoy-gateway"]), &OPEN, |resources| {
        let file = file(&scratch, resources)?;
        // It ends well whatever it finds, and shows each resource that it would not take.
        let said = printed(Command::new(tools::path("egctl")).args(["x", "validate", "-f"]).arg(file))?;
        let taken = unnamed(&said, resources);
        match (said.contains("OK"), taken.len() == resources.len()) {
            (true, true) | (false, false) => Ok(taken),
            _ => Err(said),
        }
    })
}

/// A Kubernetes API with the definitions, and the namespaces of these resources.
fn cluster(scratch: &Scratch, resources: &Named) -> Result<Cluster, String> {
    let cluster = Cluster::start(scratch.path())?;
    cluster.define(&[cluster::definitions(""), tools::path("gateway-api.yaml")])?;
    let spaces: BTreeSet<_> = resources.iter().filter_map(|(_, one)| one["metadata"]["namespace"].as_str()).collect();
    for space in spaces.into_iter().filter(|space| *space != "default") {
        cluster.run(&["create", "namespace", space])?;
    }
    Ok(cluster)
}

/// What kubectl prints of a dry run, and what it complains of.
fn dry_run(cluster: &Cluster, file: &Path) -> Result<String, String> {
    let mut command = cluster.kubectl();
    printed(command.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"]).arg(file))
}

fn by_the_api() -> Result<(), String> {
    let scratch = tools::scratch()?;
    let whole = rendered(&["envoy-gateway", "istio"]);
    let cluster = cluster(&scratch, &whole)?;
    judged(&whole, &OPEN, |resources| {
        let said = dry_run(&cluster, &file(&scratch, resources)?)?;
        let taken: String = said.lines().filter(|line| line.ends_with("(server dry run)")).collect();
        let refused = said.lines().filter(|line| line.starts_with("Error from server")).count();
        let taken = names_in(&taken, resources);
        if taken.len() + refused == resources.len() { Ok(taken) } else { Err(said) }
    })
}

fn by_a_rule() -> Result<(), String> {
    let scratch = tools::scratch()?;
    let whole = rendered(&["envoy-gateway"]);
    let cluster = cluster(&scratch, &whole)?;
    let is_plugin = |(_, one): &&(String, Value)| one["kind"] == "EnvoyExtensionPolicy";
    let (name, mut plugin) = whole.iter().find(is_plugin).cloned().ok_or("no EnvoyExtensionPolicy")?;
    let group = plugin.pointer_mut("/spec/targetRefs/0/group").ok_or("no group")?;
    *group = json!("apps");
    let said = dry_run(&cluster, &file(&scratch, &vec![(name, plugin)])?)?;
    println!("{said}");
    let rules = definition(&cluster)?;
    let is_theirs = rules.iter().any(|words| said.contains(words.as_str()));
    if is_theirs && !said.contains("dry run)") {
        Ok(())
    } else {
        Err(format!(
            "{said}
of the rules {rules:#?}"
        ))
    }
}

/// What the rules of EnvoyExtensionPolicies say when they are broken.
fn definition(cluster: &Cluster) -> Result<Vec<String>, String> {
    let definition = cluster.get("crd", "default", "envoyextensionpolicies.gateway.envoyproxy.io")?;
    let mut rules = Vec::new();
    collect(&definition, &mut rules);
    Ok(rules)
}

fn collect(value: &Value, rules: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let own = members.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
            rules.extend(own.filter_map(|rule| rule["message"].as_str().map(str::to_owned)));
            members.values().for_each(|inner| collect(inner, rules));
        }
        Value::Array(elements) => elements.iter().for_each(|inner| collect(inner, rules)),
        _ => {}
    }
}
