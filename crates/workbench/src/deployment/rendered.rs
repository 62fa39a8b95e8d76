//! Sets of files that `fieldgate render` writes for Envoy Gateway and Istio: which of them are missing among those that are
//! given. A set is known by the names of its resources; what a missing file brings may be in another.

use super::field::{at, text};
use super::look::{Look, names};
use super::patch::{self, Extent};
use super::resource::{self, Resource};
use super::survey::Survey;
use super::{gate, patches};
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

const HELP: &str =
    "give them too, with another `--envoy FILE` each, and apply them: each closes something that the others leave open";

/// The names of a set's resources: that of the plugin, and suffixes.
struct Set<'s, 'n> {
    survey: &'s Survey<'n>,
    plugin: &'n Node,
    /// The kind of its patches.
    kind: &'static str,
}

impl Set<'_, '_> {
    /// Whether a resource of the set is there, by its suffix.
    fn has(&self, suffix: &str) -> bool {
        let named = |one: &Resource<'_>| {
            one.kind == self.kind
                && resource::namespace(one.node) == resource::namespace(self.plugin)
                && resource::name(one.node).strip_prefix(resource::name(self.plugin)) == Some(suffix)
        };
        self.survey.resources.iter().any(named)
    }

    /// Says which files are missing, if any of the set's others is there. Whether it is a set.
    fn judge(&self, look: &mut Look, suffixes: &[&str], files: &[(&'static str, bool)]) -> bool {
        let known = suffixes.iter().any(|suffix| self.has(suffix));
        let missing: Vec<&str> = files.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        if known && !missing.is_empty() {
            say(look, resource::place(self.plugin), &missing);
        }
        known
    }
}

fn say(look: &mut Look, place: Span, missing: &[&str]) {
    look.say(
        Code::MissingFile,
        place,
        format!(
            "of the files that `fieldgate render` writes these are missing, and nothing here brings what is in them: {}",
            names(missing.iter().copied())
        ),
        HELP,
    );
}

fn any(survey: &Survey<'_>, kind: &str) -> bool {
    survey.resources.iter().any(|resource| resource.kind == kind)
}

/// Judges the set of an EnvoyExtensionPolicy that has the plugin.
pub(super) fn gateway(look: &mut Look, survey: &Survey<'_>, plugin: &Node, has_gate: bool) {
    let set = Set { survey, plugin, kind: "EnvoyPatchPolicy" };
    let (proxy, client) = (any(survey, "EnvoyProxy"), any(survey, "ClientTrafficPolicy"));
    let files = [
        ("00-gate.yaml", has_gate),
        ("01-proxy.yaml", proxy),
        ("02-edge.yaml", client || set.has("-edge")),
        ("03-head.yaml", set.has("-head") || patches::reloads(survey)),
    ];
    if set.judge(look, &["-gate", "-edge", "-head"], &files) {
        return;
    }
    let missing: Vec<&str> = [("EnvoyProxy", proxy), ("ClientTrafficPolicy", client)]
        .iter()
        .filter(|(_, there)| !there)
        .map(|(kind, _)| *kind)
        .collect();
    if !missing.is_empty() {
        look.say(
            Code::Elsewhere,
            resource::place(plugin),
            format!(
                "not among the files: {}; whether decision records are printed, and paths reach the plugin as they were sent, is not known",
                names(missing)
            ),
            "give them too: another `--envoy FILE`; where there are none, `fieldgate render --to envoy-gateway` writes them",
        );
    }
}

/// Judges the set of an EnvoyFilter that brings the plugin.
pub(super) fn mesh(look: &mut Look, survey: &Survey<'_>, plugin: &Node, has_gate: bool) {
    let set = Set { survey, plugin, kind: "EnvoyFilter" };
    let edge = set.has("-edge") || survey.managers.iter().any(|manager| manager.extent == Extent::Patch);
    set.judge(look, &["-gate", "-edge"], &[("00-gate.yaml", has_gate), ("01-edge.yaml", edge)]);
}

/// Says that the file with the plugin is missing, where a gate of a set is there.
pub(super) fn without_plugin(look: &mut Look, survey: &Survey<'_>) {
    for one in &survey.resources {
        let values: Vec<&Node> = match one.kind {
            "EnvoyPatchPolicy" => {
                patch::operations(one.node).filter_map(|operation| at(operation, &["value"])).collect()
            }
            "EnvoyFilter" => patch::patches(one.node).filter_map(patch::value).collect(),
            _ => continue,
        };
        let is_gate = values.iter().any(|value| text(value, "name").is_some() && gate::is_meant(value, survey));
        if is_gate && resource::name(one.node).ends_with("-gate") {
            let file = if one.kind == "EnvoyFilter" { "02-fieldgate.yaml" } else { "04-fieldgate.yaml" };
            say(look, resource::place(one.node), &[file]);
        }
    }
}
