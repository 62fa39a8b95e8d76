//! What patches are made of: those of Istio's EnvoyFilter, and those of Envoy Gateway's EnvoyPatchPolicy.

use super::field::{at, get, text};
use fieldgate::document::Node;

/// How much of a message is there to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: what is not there has its default.
    Whole,
    /// A patch of it: what is not there is as it was.
    Patch,
}

/// The patches of an EnvoyFilter.
pub(super) fn patches(resource: &Node) -> impl Iterator<Item = &Node> {
    at(resource, &["spec", "configPatches"]).and_then(Node::elements).unwrap_or_default().iter()
}

/// What a patch puts in.
pub(super) fn value(patch: &Node) -> Option<&Node> {
    at(patch, &["patch", "value"])
}

/// A merge shows a part of a message, anything else all of it.
pub(super) fn extent(patch: &Node) -> Extent {
    match at(patch, &["patch", "operation"]).and_then(Node::text) {
        Some("MERGE") => Extent::Patch,
        _ => Extent::Whole,
    }
}

/// The operations of an EnvoyPatchPolicy (RFC 6902).
pub(super) fn operations(resource: &Node) -> impl Iterator<Item = &Node> {
    json_patches(resource).iter().filter_map(|patch| get(patch, "operation"))
}

/// The patches of an EnvoyPatchPolicy.
pub(super) fn json_patches(resource: &Node) -> &[Node] {
    at(resource, &["spec", "jsonPatches"]).and_then(Node::elements).unwrap_or_default()
}

/// The listener that a patch of an EnvoyPatchPolicy is for, by Envoy's name.
pub(super) fn listener(patch: &Node) -> Option<&Node> {
    let of_listener = text(patch, "type").is_some_and(|kind| kind.ends_with(".Listener"));
    get(patch, "name").filter(|_| of_listener)
}

/// Where an operation works: what its `jsonPath` selects, and the `path` from there.
pub(super) fn place(operation: &Node) -> String {
    let part = |name| text(operation, name).unwrap_or_default();
    format!("{}/{}", part("jsonPath"), part("path").trim_start_matches('/'))
}

/// The field that an operation writes, and what it writes there. One that is none of RFC 6902 writes nothing.
pub(super) fn written(operation: &Node) -> Option<(&str, &Node)> {
    text(operation, "op").filter(|op| matches!(*op, "add" | "replace"))?;
    let path = text(operation, "path").or_else(|| text(operation, "jsonPath"))?;
    Some((path.rsplit(['/', '.']).next()?, get(operation, "value")?))
}
