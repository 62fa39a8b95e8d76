//! The path that servers have in front of all paths.

use serde_json::Value;

use super::document::{Document, Layers, Root, Version};
use super::{one_line, text_of};

/// What servers say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Servers {
    /// In front of all paths; empty if they do not agree.
    pub(super) prefix: String,
    /// What a reviewer has to know: one sentence each.
    pub(super) notes: Vec<String>,
}

/// What the servers of a description say.
pub(super) fn of(document: &Document, root: &Root) -> Servers {
    let tree = document.root(root);
    let mut servers = Servers::default();
    let shown = |path: &str| format!("`{}`", one_line(if path.is_empty() { "/" } else { path }, 60));
    match root.version {
        Version::Swagger2 => {
            let base = text_of(tree, "basePath").unwrap_or_default();
            if !base.is_empty() && !base.starts_with('/') {
                servers.notes.push(format!(
                    "`basePath: {}` has no slash at its start; here it has one. If servers say otherwise, say it with `--prefix`",
                    one_line(base, 60)
                ));
            }
            servers.prefix = definite(&slashed(base)).unwrap_or_default();
        }
        Version::OpenApi3 => {
            let mut all = paths(tree.get("servers"));
            all.dedup();
            match all.as_slice() {
                [] => {}
                [one] if definite(one).is_some() => servers.prefix = definite(one).unwrap_or_default(),
                [one] => servers.notes.push(format!(
                    "the servers have {} in front of all paths, where something is to be filled in: say what with `--prefix`, or no \
                     request finds its route",
                    shown(one)
                )),
                several => servers.notes.push(format!(
                    "the servers name different paths in front of all others ({}), so none is written: say one with `--prefix`, or \
                     no request finds its route",
                    several.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ")
                )),
            }
        }
    }
    for (path, item) in tree.get("paths").and_then(Value::as_object).into_iter().flatten() {
        let layers = document.layers(item);
        let operations =
            layers.members().filter(|(name, _)| *name != "servers").filter_map(|(_, value)| value.get("servers"));
        for own in operations.chain(layers.get("servers")) {
            let own: Vec<String> =
                paths(Some(own)).iter().filter(|path| **path != servers.prefix).map(|one| shown(one)).collect();
            if !own.is_empty() && servers.notes.len() < 20 {
                servers.notes.push(format!(
                    "`{}` has servers of its own, with {} in front: see that the policy has the path that the proxy sees",
                    one_line(path, 60),
                    own.join(", ")
                ));
            }
        }
    }
    servers
}

/// What a path's own servers have in front of it, if they agree and nothing is to be filled in.
pub(super) fn of_path(layers: &Layers<'_>) -> Option<String> {
    let mut all = paths(layers.get("servers"));
    all.dedup();
    match all.as_slice() {
        [one] => definite(one),
        _ => None,
    }
}

/// The paths of servers' URLs, without a slash at the end.
fn paths(servers: Option<&Value>) -> Vec<String> {
    let urls = servers.and_then(Value::as_array).into_iter().flatten().filter_map(|server| text_of(server, "url"));
    urls.map(|url| {
        // A scheme may be left out (RFC 3986 §4.2).
        let path = match url.split_once("://").or_else(|| url.strip_prefix("//").map(|rest| ("", rest))) {
            Some((_, rest)) => rest.split_once('/').map(|(_, path)| format!("/{path}")).unwrap_or_default(),
            None => slashed(url),
        };
        path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
    })
    .collect()
}

fn slashed(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" | "." => String::new(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("/{}", path.trim_start_matches("./")),
    }
}

/// A path in which nothing is to be filled in.
fn definite(path: &str) -> Option<String> {
    (!path.contains(['{', '}'])).then(|| path.to_owned())
}
