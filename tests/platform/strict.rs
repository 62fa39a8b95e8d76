//! What `fieldgate render` writes for Istio, as istioctl reads it before it runs. A copy with one key misspelt is never taken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use fieldgate_testkit::envoy::Scratch;
use fieldgate_testkit::resources;
use serde_json::{Value, json};

use super::Row;
use super::tools;

pub(super) const ALL: &[Row] = &[(
    "istioctl: each resource for Istio is taken, and no misspelt copy, down to what is patched into Envoy",
    by_istioctl,
)];

/// Resources, each under a name of its own in place of its own name.
type Named = Vec<(String, Value)>;

/// What is rendered for Istio.
fn rendered() -> Named {
    let command = Path::new(env!("CARGO_BIN_EXE_fieldgate"));
    let sets = resources::RENDERED.iter().filter(|(_, options)| options.contains(&"istio"));
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

/// Whether Envoy's messages, or Istio's, look into a place: keys of a map may be any.
fn is_message(place: &str) -> bool {
    !["/labels", "/policies"].iter().any(|map| place.rsplit_once('/').is_some_and(|(above, _)| above.ends_with(map)))
}

/// Copies of resources, each with one key below `spec` misspelt, and where.
fn misspelt(whole: &Named) -> (Named, Vec<String>) {
    let mut places = Vec::new();
    let mut copies = Vec::new();
    for (_, resource) in whole {
        let kind = resource["kind"].as_str().unwrap_or_default();
        for place in resources::keys(&resource["spec"], "/spec").into_iter().filter(|place| is_message(place)) {
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
fn judged(whole: &Named, taken: impl Fn(&Named) -> Result<BTreeSet<String>, String>) -> Result<(), String> {
    let good = taken(whole)?;
    if good.len() != whole.len() {
        return Err(format!("of {} resources only these are taken: {good:?}", whole.len()));
    }
    let (copies, places) = misspelt(whole);
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
    let scratch = Scratch::new().map_err(|error| error.to_string())?;
    judged(&rendered(), |resources| {
        let file = file(&scratch, resources)?;
        // A fault in Envoy's messages is a warning there, and a failure here; what it says of every EnvoyFilter is none.
        let said = printed(Command::new(tools::path("istioctl")).args(["validate", "-f"]).arg(file))?;
        let told: String = said.lines().filter(|line| !line.contains("Prefer other APIs if possible")).collect();
        let taken = unnamed(&told, resources);
        // Whatever it looked at it names.
        if names_in(&said, resources).is_empty() { Err(said) } else { Ok(taken) }
    })
}
