//! Where the plugin's code comes from, and whether a digest says which code that is.

use super::field::{at, get, head};
use super::look::Look;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

const HELP: &str = "write the 64 of 0-9 and a-f that `crane digest --platform linux/amd64` prints of an image, or `sha256sum` of a file";

/// The code of Envoy's `vm_config`. What is on the machine already is not fetched.
pub(super) fn of_machine(look: &mut Look, vm: &Node) {
    if let Some(remote) = at(vm, &["code", "remote"]) {
        judge(look, head(remote), at(remote, &["http_uri", "uri"]), get(remote, "sha256"));
    }
}

/// The code of Istio's WasmPlugin.
pub(super) fn of_wasm_plugin(look: &mut Look, spec: &Node) {
    if let Some(url) = get(spec, "url") {
        judge(look, url.span, Some(url), get(spec, "sha256"));
    }
}

/// The code of a module of an EnvoyExtensionPolicy.
pub(super) fn of_module(look: &mut Look, module: &Node) {
    for kind in ["image", "http"] {
        if let Some(code) = at(module, &["code", kind]) {
            judge(look, head(code), get(code, "url"), get(code, "sha256"));
        }
    }
}

fn judge(look: &mut Look, place: Span, url: Option<&Node>, digest: Option<&Node>) {
    let address = url.and_then(Node::text).unwrap_or_default();
    if address.starts_with("file://") {
        return;
    }
    // What is no text is no digest.
    let apart = digest.map(|node| (node.span, node.text().unwrap_or("?"))).filter(|(_, written)| !written.is_empty());
    let in_name = url.zip(address.split_once("@sha256:")).map(|(url, (_, written))| (url.span, written));
    let written: Vec<(Span, &str)> = apart.into_iter().chain(in_name).collect();
    for (span, _) in written.iter().filter(|(_, written)| !is_digest(written) && !is_placeholder(written)) {
        look.say(Code::NotDigest, *span, "this is not a SHA-256: no code has it, and the plugin is never there", HELP);
    }
    if written.is_empty() && !is_placeholder(address) {
        look.say(
            Code::Unpinned,
            url.map_or(place, |node| node.span),
            "nothing says which code this is: whoever can write to the registry, or answer for it, decides what filters",
            "write the digest too: `fieldgate render --image oci://REGISTRY/fieldgate:VERSION@sha256:DIGEST`, or `--sha256 DIGEST`",
        );
    }
}

fn is_placeholder(text: &str) -> bool {
    text.contains("${")
}

/// Envoy writes a digest in small letters, and compares texts.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}
