//! What is printed: formats of access logs, of Envoy's own answers and of header values, of which some commands read what the
//! plugin has not filtered.

use super::field::{at, elements, get, head, is, number, text, unwrap, walk};
use super::look::Look;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::{Node, Tree};

/// Metadata that filters write of a request, a token or a decision, not of a response.
const KNOWN_METADATA: [&str; 11] = [
    "envoy.filters.http.jwt_authn",
    "envoy.filters.http.rbac",
    "envoy.filters.http.ratelimit",
    "envoy.filters.http.local_ratelimit",
    "envoy.filters.http.ext_authz",
    "envoy.filters.http.gcp_authn",
    "envoy.filters.network.rbac",
    "envoy.lb",
    "envoy.common",
    "istio_authn",
    "istio.mixer",
];

/// Commands that read an object whose content is not known from the command's name.
const OBJECTS: [&str; 5] = ["DYNAMIC_METADATA", "FILTER_STATE", "UPSTREAM_FILTER_STATE", "CEL", "TYPED_JSON"];

/// Commands of Envoy's formatter that print addresses, times, counts, names, and headers as they are outside of the plugin.
const HARMLESS: [&str; 16] = [
    "REQ",
    "RESP",
    "REQUEST",
    "RESPONSE",
    "START",
    "DURATION",
    "BYTES",
    "PROTOCOL",
    "UPSTREAM",
    "DOWNSTREAM",
    "ROUTE",
    "VIRTUAL",
    "CONNECTION",
    "TRACE",
    "STREAM",
    "HOSTNAME",
];

/// More of the kind, by their whole name.
const NAMED: [&str; 25] = [
    "LOCAL_REPLY_BODY",
    "METADATA",
    "CLUSTER_METADATA",
    "ROUND_TRIP_DURATION",
    "TRANSPORT_FAILURE",
    "TRAILER",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "ACCESS_LOG_TYPE",
    "UNIQUE_ID",
    "ENVIRONMENT",
    "SPAN_ID",
    "PATH",
    "QUERY_PARAM",
    "QUERY_PARAMS",
    "REQUESTED_SERVER_NAME",
    "EMIT_TIME",
    "COMMON_DURATION",
    "FILTER_CHAIN_NAME",
    "WORKER_ID",
    "COALESCE",
    "CUSTOM_FLAGS",
    "BACKEND_DURATION",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
];

/// Whether filter state of that name is the plugin's, or of a filter that reads no response.
fn is_known_state(name: &str) -> bool {
    ["wasm.fieldgate", "envoy.", "io.istio"].iter().any(|known| name.starts_with(known))
}

/// A command that prints what the plugin may not have filtered, and why.
fn reveals(command: &str) -> Option<String> {
    let name: String = command.chars().take_while(|c| c.is_ascii_uppercase() || matches!(c, '_' | '0'..='9')).collect();
    let argument = command.get(name.len()..).and_then(|rest| rest.strip_prefix('(')).unwrap_or_default();
    let first = argument.split([':', ')', '?']).next().unwrap_or_default();
    if let Some(path) = argument.strip_prefix("envoy.filters.http.jwt_authn").filter(|_| name == "DYNAMIC_METADATA") {
        return claims(path.split(')').next().unwrap_or_default());
    }
    if OBJECTS.contains(&name.as_str()) {
        let known = match name.as_str() {
            "DYNAMIC_METADATA" => KNOWN_METADATA.contains(&first),
            "FILTER_STATE" => is_known_state(first),
            _ => first.ends_with("_peer"),
        };
        return (!known).then(|| format!("`%{name}({first}…)%`: what another filter read of a response may be there"));
    }
    let family = name.split('_').next().unwrap_or_default();
    let known = HARMLESS.contains(&family) && !name.ends_with("_BODY") || NAMED.contains(&name.as_str());
    (!known && !name.is_empty()).then(|| format!("`%{name}%` is not known here"))
}

/// The commands of a format: `%REQ(:path)%` and the like; `%%` is a percent sign. What is in brackets goes up to the first that
/// closes, and may have percent signs of its own: `%START_TIME(%Y-%m-%d)%`.
fn commands(format: &str) -> impl Iterator<Item = &str> {
    let mut rest = format;
    std::iter::from_fn(move || {
        loop {
            let (_, behind) = rest.split_once('%')?;
            let brackets = behind.find(['(', '%']).filter(|at| behind[*at..].starts_with('('));
            let from = brackets.and_then(|at| Some(at.saturating_add(behind[at..].find(')')?))).unwrap_or(0);
            let end = from.saturating_add(behind[from..].find('%').unwrap_or(behind.len().saturating_sub(from)));
            let command = &behind[..end];
            rest = behind[end..].strip_prefix('%').unwrap_or_default();
            if !command.is_empty() {
                return Some(command);
            }
        }
    })
}

/// Whether a format prints headers or trailers of a response.
pub(super) fn reads_response(format: &str) -> bool {
    commands(format).any(|command| {
        let name = command.split('(').next().unwrap_or_default();
        matches!(name, "RESP" | "RESPONSE_HEADER" | "TRAILER" | "RESPONSE_TRAILER")
    })
}

/// Claims about a person that OpenID Connect names (OpenID Connect Core 1.0, section 5.1).
const PERSONAL: [&str; 13] = [
    "address",
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
];

/// Why claims must not be printed: all of a token's, or those about a person. `path` is behind the filter's name.
fn claims(path: &str) -> Option<String> {
    match path.split(':').filter(|part| !part.is_empty()).nth(1) {
        None => Some("a token's claims, all of them: those about a person too".to_owned()),
        Some(claim) => PERSONAL.contains(&claim).then(|| format!("the claim `{claim}`, which is about a person")),
    }
}

/// Judges every format in a tree, and where credentials are printed.
pub(super) fn formats(look: &mut Look, node: &Node, what: &str, credentials: Credentials) {
    let mut found: Vec<(Span, String)> = Vec::new();
    walk(node, &mut |node| {
        let Tree::Text { text, .. } = &node.value else { return };
        for command in commands(text) {
            found.extend(reveals(command).map(|why| (node.span, why)));
            if credentials == Credentials::Judged {
                found.extend(credential(command).map(|why| (node.span, why)));
            }
        }
    });
    for (span, why) in found {
        look.say(
            Code::Unfiltered,
            span,
            format!("{what} prints {why}"),
            "take it out: print only what the plugin has filtered, and no credentials",
        );
    }
}

/// Whether the credentials of a request may be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    /// They go back to who sent them.
    Own,
    Judged,
}

fn credential(command: &str) -> Option<String> {
    let argument = command
        .strip_prefix("REQ(")
        .or_else(|| command.strip_prefix("REQUEST_HEADER("))?
        .split(')')
        .next()?
        .to_ascii_lowercase();
    let named = |name: &str| argument.split('?').any(|part| part == name);
    ["authorization", "cookie", "proxy-authorization"]
        .into_iter()
        .find(|name| named(name))
        .map(|name| format!("`%REQ({name})%`: whoever reads the log has the caller's token"))
}

/// Access logs, of a connection manager, a listener or the router.
pub(super) fn logs(look: &mut Look, logs: &[Node]) {
    const KNOWN: [&str; 9] = [
        "FileAccessLog",
        "StdoutAccessLog",
        "StderrAccessLog",
        "HttpGrpcAccessLogConfig",
        "TcpGrpcAccessLogConfig",
        "OpenTelemetryAccessLogConfig",
        "FluentdAccessLogConfig",
        "StatsAccessLog",
        "Config",
    ];
    for log in logs {
        formats(look, log, "an access log", Credentials::Judged);
        let typed = get(log, "typed_config");
        if let Some(typed) = typed.filter(|typed| !KNOWN.iter().any(|name| is(typed, name))) {
            look.say(
                Code::Unfiltered,
                head(typed),
                "this access log is not known here: whether it writes what the plugin has not filtered is not judged",
                "take it out, or look up what it writes",
            );
        }
        let (mut spans, mut states) = (Vec::new(), Vec::new());
        walk(log, &mut |node| {
            let names = get(node, "additional_request_headers_to_log").and_then(Node::elements).unwrap_or_default();
            spans.extend(names.iter().filter(|name| name.text().is_some_and(is_credential)).map(|name| name.span));
            let objects = get(node, "filter_state_objects_to_log").and_then(Node::elements).unwrap_or_default();
            let own = |name: &&Node| name.text().is_some_and(|name| !is_known_state(name));
            states.extend(objects.iter().filter(own).map(|name| name.span));
        });
        for span in states {
            look.say(
                Code::Unfiltered,
                span,
                "an access log prints what another filter has left: what it read of a response may be there",
                "take it out: print only what the plugin has filtered, and no credentials",
            );
        }
        for span in spans {
            look.say(
                Code::Unfiltered,
                span,
                "an access log prints a credential: whoever reads the log has the caller's token",
                "take it out: print only what the plugin has filtered, and no credentials",
            );
        }
    }
}

/// The router's `upstream_log`: it is written where the plugin has not been, so that a response's headers are the upstream's own.
pub(super) fn upstream_logs(look: &mut Look, found: &[Node]) {
    const PLAIN: [&str; 6] =
        [":STATUS", "CONTENT-TYPE", "CONTENT-LENGTH", "GRPC-STATUS", "X-ENVOY-UPSTREAM-SERVICE-TIME", "DATE"];
    logs(look, found);
    let mut raw = Vec::new();
    for log in found {
        walk(log, &mut |node| {
            let Tree::Text { text, .. } = &node.value else { return };
            for command in commands(text) {
                let of_response = ["RESP(", "RESPONSE_HEADER(", "TRAILER(", "RESPONSE_TRAILER("];
                let name = of_response.iter().find_map(|start| command.strip_prefix(start));
                let names = name.and_then(|rest| rest.split(')').next()).unwrap_or_default().to_ascii_uppercase();
                if names.split('?').any(|name| !name.is_empty() && !PLAIN.contains(&name)) {
                    raw.push((node.span, command.split(')').next().unwrap_or_default().to_owned()));
                }
            }
        });
    }
    for (span, command) in raw {
        look.say(
            Code::Unfiltered,
            span,
            format!("the router's log prints `%{command})%`, which the plugin has not filtered yet"),
            "take it out: the connection manager's `access_log` prints what is left of headers",
        );
    }
}

fn is_credential(name: &str) -> bool {
    ["authorization", "cookie", "proxy-authorization"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// `tracing`: what goes into spans.
pub(super) fn spans(look: &mut Look, tracing: &Node) {
    formats(look, tracing, "a span", Credentials::Judged);
    let mut found = Vec::new();
    walk(tracing, &mut |node| {
        let header = get(node, "request_header").and_then(|header| get(header, "name"));
        found.extend(header.filter(|name| name.text().is_some_and(is_credential)).map(|name| name.span));
    });
    let mut metadata = Vec::new();
    walk(tracing, &mut |node| {
        // That of a route, a cluster or a host is configuration.
        let key = get(node, "metadata_key").filter(|_| at(node, &["kind", "request"]).is_some());
        let key = key.and_then(|key| get(key, "key"));
        metadata
            .extend(key.filter(|key| key.text().is_some_and(|key| !KNOWN_METADATA.contains(&key))).map(|key| key.span));
    });
    for span in metadata {
        look.say(
            Code::Unfiltered,
            span,
            "a span has metadata of another filter: what it read of a response may be there",
            "take the tag out",
        );
    }
    for span in found {
        look.say(
            Code::Unfiltered,
            span,
            "a span has a credential: whoever reads traces has the caller's token",
            "take the tag out",
        );
    }
}

/// `local_reply_config`: the plugin's own answers, refusals and held bodies, are local replies too.
pub(super) fn replies(look: &mut Look, config: &Node) {
    formats(look, config, "an answer of Envoy's own", Credentials::Own);
    for mapper in elements(config, "mappers") {
        let status = get(mapper, "status_code");
        if let Some(status) = status.filter(|status| number(status).is_some_and(|status| status < 400)) {
            look.say(
                Code::NotedField,
                status.span,
                "a refusal of the plugin's may come as a success",
                "leave the status as it is",
            );
        }
    }
    let mut bodies = Vec::new();
    walk(config, &mut |node| {
        let named = ["body_format", "body_format_override", "body"].iter().filter_map(|name| get(node, name));
        bodies.extend(named.map(head));
    });
    if let Some(span) = bodies.first() {
        look.say(
            Code::NotedField,
            *span,
            "`local_reply_config` writes other bodies: the plugin's own refusals, and filtered answers that it sends whole, may be replaced by them",
            "limit it by `filter` to what Envoy itself refuses, or take it out",
        );
    }
}

/// Taps, wherever they are: they record what the plugin has not filtered, or a caller's token.
pub(super) fn taps(look: &mut Look, document: &Node) {
    let mut found = Vec::new();
    walk(document, &mut |node| {
        let is_tap = unwrap(node).is_some_and(|(name, _)| name.ends_with(".tap.v3.Tap"));
        // What Envoy was built with, in a dump's `node.extensions`, has a category and is none of its configuration.
        let by_name = matches!(text(node, "name"), Some("envoy.filters.http.tap" | "envoy.transport_sockets.tap"))
            && get(node, "category").is_none();
        if by_name || is_tap {
            found.push(head(node));
        }
    });
    // A filter and its configuration are one tap.
    let mut last: Option<Span> = None;
    for span in found {
        if last.is_none_or(|last| span.start.saturating_sub(last.end) > 200 || span.file != last.file) {
            look.say(
                Code::Unfiltered,
                span,
                "a tap records whole requests and responses, tokens and unfiltered bodies among them",
                "take it out",
            );
        }
        last = Some(span);
    }
}
