//! Settings of a connection, wherever they are written out: in a connection manager, in a patch of one, in a route, or in a
//! resource that Envoy Gateway makes one of.

use super::demands::Demands;
use super::field::{elements, get, head, is_enumerator, is_zero_duration, number, set, text, truth};
use super::look::Look;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;
use fieldgate::model::{HeadMode, Rls};

/// The least buffer that the plugin can work with, in bytes: one write while Envoy buffers may be that large.
const FLOOR: u64 = 16 << 10;

/// The settings that are written out: of a connection manager, or of a patch of one.
pub(super) fn written(look: &mut Look, node: &Node, demands: &Demands) {
    if let Some(span) = set(node, "proxy_100_continue") {
        look.say(
            Code::PassesNoFilter,
            span,
            "`proxy_100_continue: true`: responses with a status of 1xx go to the client, with their headers, past every filter",
            "write `proxy_100_continue: false`",
        );
    }
    elements(node, "upgrade_configs").iter().for_each(|each| upgrade(look, each));
    for (name, does) in [("normalize_path", "normalises the path"), ("merge_slashes", "merges slashes in the path")] {
        if let Some(span) = set(node, name) {
            rewritten(look, span, &format!("`{name}: true`: Envoy {does}"), &format!("write `{name}: false`"));
        }
    }
    if let Some(found) = get(node, "path_with_escaped_slashes_action") {
        for (word, value) in [("UNESCAPE_AND_REDIRECT", 3), ("UNESCAPE_AND_FORWARD", 4)] {
            if is_enumerator(found, word, value) {
                let what = format!("`path_with_escaped_slashes_action: {word}`: Envoy makes slashes of `%2F`");
                rewritten(look, found.span, &what, "write `KEEP_UNCHANGED`, or `REJECT_REQUEST`");
            }
        }
    }
    if let Some(found) = get(node, "stream_idle_timeout").filter(|found| is_zero_duration(found)) {
        no_idle_timeout(look, found.span, "stream_idle_timeout");
    }
    for path in [["http2_protocol_options", ""], ["http3_protocol_options", "quic_protocol_options"]] {
        let options = path.iter().filter(|name| !name.is_empty()).try_fold(node, |node, name| get(node, name));
        if let Some(found) = options.and_then(|options| get(options, "initial_stream_window_size")) {
            buffer(look, found, "initial_stream_window_size", demands);
        }
    }
    if let Some(found) = get(node, "per_connection_buffer_limit_bytes") {
        buffer(look, found, "per_connection_buffer_limit_bytes", demands);
    }
}

/// Says that a path is changed before the plugin sees it.
pub(super) fn rewritten(look: &mut Look, span: Span, what: &str, help: &str) {
    look.say(
        Code::PathAltered,
        span,
        format!("{what} before the plugin sees it: what rule 3 refuses comes out as a path that a route matches"),
        help,
    );
}

/// Threat A10.
pub(super) fn upgrade(look: &mut Look, upgrade: &Node) {
    if get(upgrade, "enabled").and_then(truth) == Some(false) {
        return;
    }
    let kind = text(upgrade, "upgrade_type").unwrap_or("?");
    let own = if elements(upgrade, "filters").is_empty() { "" } else { ", and goes through filters of its own" };
    let place = get(upgrade, "upgrade_type").map_or_else(|| head(upgrade), |node| node.span);
    look.say(
        Code::PassesNoFilter,
        place,
        format!("an upgrade to `{kind}` is let through: what follows is not a response to filter{own}"),
        "take it out: the plugin refuses upgrades",
    );
}

/// Threat A11.
pub(super) fn no_idle_timeout(look: &mut Look, span: Span, name: &str) {
    look.say(
        Code::NoIdleTimeout,
        span,
        format!("`{name}` is off: a stream that is held back and never goes on stays for ever"),
        format!("write `{name}: 30s`"),
    );
}

/// The least buffer that the plugin needs, in bytes: what is held back, and one frame more; and what of a request waits for a
/// rate limit service (rule 36).
pub(super) fn least(demands: &Demands) -> u64 {
    let waiting = if demands.bodies_wait { Rls::MOST_WAITING.saturating_mul(2) } else { FLOOR };
    match demands.head {
        Some(HeadMode::Held) => waiting.max(u64::from(demands.hold).saturating_mul(2)),
        Some(HeadMode::Released) | None => waiting,
    }
}

/// Judges a limit in bytes.
pub(super) fn buffer(look: &mut Look, node: &Node, name: &str, demands: &Demands) {
    // Nothing is no limit.
    if let Some(size) = number(node).filter(|size| *size > 0 && *size < least(demands)) {
        small(look, node.span, name, size, demands);
    }
}

/// Says that a buffer is too small, if it is: `size` and what is needed are in bytes.
pub(super) fn small(look: &mut Look, span: Span, name: &str, size: u64, demands: &Demands) {
    let least = least(demands);
    if size >= least {
        return;
    }
    let (why, help) = if least <= FLOOR {
        ("one write", ", or a smaller `limits.hold` in the policy")
    } else if least > u64::from(demands.hold).saturating_mul(2) || demands.head != Some(HeadMode::Held) {
        ("twice a request's body that waits for the rate limit service", "")
    } else {
        ("twice `limits.hold`", ", or a smaller `limits.hold` in the policy")
    };
    look.say(
        Code::SmallBuffer,
        span,
        format!("`{name}` is {size} bytes, and the plugin needs {least} ({why}): Envoy ends larger responses with its own 500"),
        format!("write at least {least}{help}"),
    );
}
