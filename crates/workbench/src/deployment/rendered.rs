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

const HELP: &str = "give them too, with another `--envoy FILE` each or the directory that has them, and apply them: each closes something that the others leave open";

/// The names of a set's resources: that of the plugin, and suffixes.
struct Set<'s, 'n> {
    survey: &'s Survey<'n>,
    /// The name of the plugin's resource.
    plugin: &'s str,
    namespace: &'s str,
    /// The kind of its patches.
    kind: &'s str,
}

/// A file's name, and whether it is there, or what it brings is in another.
type Brought = (&'static str, bool);

impl<'s, 'n> Set<'s, 'n> {
    /// The set of a resource with the plugin.
    fn of(survey: &'s Survey<'n>, plugin: &'s Node, kind: &'s str) -> Self {
        Self { survey, plugin: resource::name(plugin), namespace: resource::namespace(plugin), kind }
    }

    /// Whether a resource of the set is there, by its suffix.
    fn has(&self, suffix: &str) -> bool {
        let named = |one: &Resource<'_>| {
            one.kind == self.kind
                && resource::namespace(one.node) == self.namespace
                && resource::name(one.node).strip_prefix(self.plugin) == Some(suffix)
        };
        self.survey.resources.iter().any(named)
    }

    /// The files that are applied before the plugin's, for Envoy Gateway.
    fn of_gateway(&self, has_gate: bool) -> [Brought; 4] {
        [
            ("00-gate.yaml", has_gate),
            ("01-proxy.yaml", any(self.survey, "EnvoyProxy")),
            ("02-edge.yaml", any(self.survey, "ClientTrafficPolicy") || self.has("-edge")),
            ("03-head.yaml", self.has("-head") || patches::reloads(self.survey)),
        ]
    }

    /// The files that are applied before the plugin's, for Istio.
    fn of_mesh(&self, has_gate: bool) -> [Brought; 2] {
        let patched = self.survey.managers.iter().any(|manager| manager.extent == Extent::Patch);
        [("00-gate.yaml", has_gate), ("01-edge.yaml", self.has("-edge") || patched)]
    }
}

fn missing(files: &[Brought]) -> Vec<&'static str> {
    files.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect()
}

/// Says which files are missing, if there are any.
fn judge(look: &mut Look, plugin: &Node, files: &[Brought]) {
    let missing = missing(files);
    if !missing.is_empty() {
        say(look, resource::place(plugin), &missing);
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
    let set = Set::of(survey, plugin, "EnvoyPatchPolicy");
    if ["-gate", "-edge", "-head"].iter().any(|suffix| set.has(suffix)) {
        return judge(look, plugin, &set.of_gateway(has_gate));
    }
    let kinds = ["EnvoyProxy", "ClientTrafficPolicy"];
    let missing: Vec<&str> = kinds.into_iter().filter(|kind| !any(survey, kind)).collect();
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
    let set = Set::of(survey, plugin, "EnvoyFilter");
    if ["-gate", "-edge"].iter().any(|suffix| set.has(suffix)) {
        judge(look, plugin, &set.of_mesh(has_gate));
    }
}

/// Says which files are missing, where a gate of a set is there and the plugin is not.
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
        let Some(plugin) = resource::name(one.node).strip_suffix("-gate").filter(|_| is_gate) else { continue };
        let set = Set { survey, plugin, namespace: resource::namespace(one.node), kind: one.kind };
        let (mut files, last) = if one.kind == "EnvoyFilter" {
            (set.of_mesh(true).to_vec(), "02-fieldgate.yaml")
        } else {
            (set.of_gateway(true).to_vec(), "04-fieldgate.yaml")
        };
        files.push((last, false));
        say(look, resource::place(one.node), &missing(&files));
    }
}
