//! What surrounds a policy: the configuration of Envoy, Istio or Envoy Gateway, and the threats that it opens. Not in the
//! plugin.
//!
//! A policy decides nothing that never reaches the plugin, and a plugin that fails open decides nothing at all. So
//! [`check`] reads a bootstrap, discovery responses, a dump of the admin interface, or Kubernetes resources, and says where
//! they let something past: each finding has its line, like those of a policy.
//!
//! ```text
//!  bytes ─► trees (document::foreign, embedded) ─► survey ─► manager ── routes, order, headers, identity, gate, record, metrics
//!                                 │                │  ├──► plugin, module ── embedded policy ─► Demands
//!            patch, resource: what they are made of│  ├──► host
//!                                                  │  └──► istio, mesh, applied, narrow, served, proxies, pods; gateway: beside, callers, patches, attach, listeners, conflict; rendered
//!                                                  ├─────► recognise: which of them is the plugin, or the module
//!                                                  ├─────► services: the rate limit services that policies ask
//!                                                  ├─────► inventory: how much there is
//!                                                  ├─────► status: what a cluster says of what is in force
//!                                                  └─────► tables, message: fields that are known to be harmless
//! ```
//!
//! Only what is certain is said. What a file does not show (routes from a discovery service, another resource of the
//! cluster) is at most a note. Defaults are those of Envoy 1.40, Istio 1.27 and Envoy Gateway 1.9.

mod applied;
mod attach;
mod beside;
mod callers;
mod conflict;
mod connection;
mod covered;
mod demands;
mod embedded;
mod field;
mod gate;
mod gateway;
mod headers;
mod host;
mod identity;
mod inventory;
mod istio;
mod listeners;
mod look;
mod manager;
mod mesh;
mod message;
mod metrics;
mod module;
mod narrow;
mod order;
mod patch;
mod patches;
mod pin;
mod plugin;
mod pods;
mod printed;
mod proxies;
mod reach;
mod recognise;
mod record;
mod rendered;
mod resource;
mod routes;
mod secret;
mod served;
mod services;
mod status;
mod survey;
mod tables;

use std::collections::BTreeMap;
use std::rc::Rc;

use fieldgate::diagnostic::{Code, Diagnostic, Diagnostics, Origin, Source, Sources, Span};
use fieldgate::document::{Node, foreign};
use fieldgate::policy::PolicySet;

use demands::Demands;
pub use inventory::Inventory;
use look::Look;
pub use metrics::labels;
use survey::Survey;

/// Largest file, in bytes: a dump of a large mesh has some ten megabytes.
const MAX_BYTES: usize = 64 << 20;

/// A file of configuration.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// How its reader knows it.
    pub name: &'a str,
    /// What is in it.
    pub bytes: &'a [u8],
    /// Whether it was found in a directory, where other files may be too, and not named.
    pub is_found: bool,
}

/// A policy that is reviewed beside the deployment.
#[derive(Debug, Clone)]
pub struct Reviewed<'a> {
    /// How its reader knows it.
    pub name: &'a str,
    /// What it says.
    pub policy: &'a PolicySet,
    /// [`fieldgate::policy::digest`] of its document.
    pub digest: String,
}

/// Looks for the threats that configuration opens. The files are one deployment: a listener in one may name routes or an
/// extension configuration in another.
///
/// A policy that is in the deployment has to be one of those that are reviewed, if any are. Where it cannot be seen (a file
/// with a placeholder, a configuration from discovery), the one that is reviewed is taken for it.
#[must_use]
pub fn check(files: &[File<'_>], reviewed: &[Reviewed<'_>]) -> Diagnostics {
    judged(files, reviewed).0
}

/// As [`check`], and what there was to look at.
#[must_use]
pub fn judged(files: &[File<'_>], reviewed: &[Reviewed<'_>]) -> (Diagnostics, Inventory) {
    let mut found = Vec::new();
    let mut sources = Sources::default();
    let mut trees: Vec<(Span, &File<'_>, Vec<Node>)> = Vec::new();
    for file in files {
        let Some(text) = readable(file, &mut found) else { continue };
        let source = Source { name: file.name.to_owned(), text: text.into(), origin: Origin::Text };
        let index = sources.add(source);
        let documents = foreign::read(file.name, text, index, &mut found);
        trees.push((Span { file: index, start: 0, end: first_line(text) }, file, documents));
    }
    let mut look = Look {
        found,
        texts: sources.files().iter().map(|source| Rc::clone(&source.text)).collect(),
        reviewed: reviewed.iter().map(|one| (one.name.to_owned(), one.digest.clone())).collect(),
        services: BTreeMap::new(),
    };
    for (_, _, documents) in &mut trees {
        let found: Vec<Node> = documents.iter().flat_map(|document| embedded::documents(&mut look, document)).collect();
        documents.extend(found);
    }
    let mut survey = Survey::default();
    let mut others = Vec::new();
    for (start, file, documents) in &trees {
        let before = std::mem::take(&mut survey.known);
        documents.iter().for_each(|document| survey.document(document));
        if !survey.known && !documents.is_empty() {
            let other = not_deployment(*start, file.name);
            if file.is_found { others.push(other) } else { look.push(other) }
        }
        survey.known |= before;
        for document in documents {
            secret::check(&mut look, document);
            survey::messages(document).into_iter().for_each(|message| message::spellings(&mut look, message));
        }
    }
    if !survey.known {
        look.found.append(&mut others);
    }
    // Of several it is not known which one the plugin has.
    let given = if let [only] = reviewed { Demands::of(only.policy) } else { Demands::default() };
    let governed = manager::check(&mut look, &survey, &given);
    routes::around(&mut look, &survey, &governed);
    host::check(&mut look, &survey, &governed);
    let loose = plugin::loose(&mut look, &survey, &given);
    let patched = istio::check(&mut look, &survey, &given).or(loose);
    mesh::check(&mut look, &survey, patched.as_ref().unwrap_or(&given));
    let attached = gateway::check(&mut look, &survey, &given);
    identity::unplaced(&mut look, &survey, &patched.unwrap_or(attached));
    status::check(&mut look, &survey);
    services::check(&mut look, &survey);
    nowhere(&mut look, &survey);
    let inventory = Inventory::of(&survey);
    (Diagnostics::new(look.found, Rc::new(sources)), inventory)
}

/// Says that the plugin is in none of the files: nothing is filtered, or nothing was found to check.
fn nowhere(look: &mut Look, survey: &Survey<'_>) {
    if !survey.known || recognise::anywhere(survey) {
        return;
    }
    rendered::without_plugin(look, survey);
    let traffic = |resource: &&resource::Resource<'_>| resource::TRAFFIC.contains(&resource.kind);
    if let Some(first) = survey.resources.iter().find(traffic) {
        look.say(
            Code::PluginMissing,
            resource::place(first.node),
            "the plugin is in none of these resources: nothing is filtered",
            "`fieldgate render POLICY --to istio` or `--to envoy-gateway` writes what is missing",
        );
    } else if survey.managers.is_empty()
        && let Some(first) = survey.documents.first()
    {
        look.say(
            Code::Elsewhere,
            field::head(first),
            "the plugin is in none of the files: only what is here is looked at, and whether anything is filtered is not known",
            "give the file with the plugin too: another `--envoy FILE`",
        );
    }
}

fn not_deployment(start: Span, name: &str) -> Diagnostic {
    let message = format!("`{name}` has no configuration of Envoy, Istio or Envoy Gateway");
    Diagnostic::at(Code::NotDeployment, start, message).help(
        "name a bootstrap, a discovery response, or a file with EnvoyFilter, WasmPlugin or EnvoyExtensionPolicy resources",
    )
}

/// The text of a file that can be one.
fn readable<'a>(file: &File<'a>, found: &mut Vec<Diagnostic>) -> Option<&'a str> {
    let fault = if file.bytes.len() > MAX_BYTES {
        format!("it is over {MAX_BYTES} bytes")
    } else {
        match std::str::from_utf8(file.bytes) {
            Ok(text) => return Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Err(_) => "it is not UTF-8".to_owned(),
        }
    };
    let message = format!("`{}` cannot be read: {fault}", file.name);
    found.push(Diagnostic::nowhere(Code::Unreadable, message).help("name the file that Envoy reads"));
    None
}

fn first_line(text: &str) -> u32 {
    u32::try_from(text.lines().next().map_or(0, str::len)).unwrap_or(u32::MAX)
}
