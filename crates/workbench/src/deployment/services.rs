//! The rate limit services that policies ask (rule 36): whether Envoy can.

use super::demands::Demands;
use super::field::{at, get, head, is, member, text};
use super::look::Look;
use super::survey::Survey;
use fieldgate::diagnostic::{Code, Span};
use fieldgate::document::Node;

/// Remembers the clusters that a policy asks.
pub(super) fn asked(look: &mut Look, place: Span, demands: &Demands) {
    for cluster in &demands.services {
        look.services.entry(cluster.clone()).or_insert(place);
    }
}

/// Judges the clusters that are asked: a call is gRPC, and so HTTP/2.
pub(super) fn check(look: &mut Look, survey: &Survey<'_>) {
    for (name, place) in std::mem::take(&mut look.services) {
        let found = survey.clusters.iter().find(|cluster| text(cluster, "name") == Some(&name));
        match found {
            Some(cluster) if speaks_http2(cluster) => {}
            Some(cluster) => look.say(
                Code::RateLimitCluster,
                head(cluster),
                format!("the rate limit service `{name}` is asked over gRPC, and this cluster does not speak HTTP/2: every ask fails"),
                "write `typed_extension_protocol_options` with `explicit_http_config: {http2_protocol_options: {}}`",
            ),
            None if survey.documents.iter().any(|document| is_closed(document)) => look.say(
                Code::RateLimitCluster,
                place,
                format!("the policy's budgets ask the rate limit service in the cluster `{name}`, and there is none of that name: every ask fails"),
                format!("add the cluster `{name}`, with HTTP/2, or name the right one in `rls: {{cluster: …}}`"),
            ),
            None => look.say(
                Code::Elsewhere,
                place,
                format!("the policy's budgets ask the rate limit service in the cluster `{name}`, which is not in these files"),
                "give the file with the cluster too: another `--envoy FILE`",
            ),
        }
    }
}

/// Whether a bootstrap says all clusters that there are.
fn is_closed(document: &Node) -> bool {
    let discovers = |name| at(document, &["dynamic_resources", name]).is_some();
    get(document, "static_resources").is_some() && !discovers("cds_config") && !discovers("ads_config")
}

/// Whether Envoy speaks HTTP/2 to a cluster, whatever its clients speak.
fn speaks_http2(cluster: &Node) -> bool {
    let options = get(cluster, "typed_extension_protocol_options").and_then(Node::members).unwrap_or_default();
    let explicit =
        options.iter().map(|option| &option.node).filter(|node| is(node, "HttpProtocolOptions")).any(|node| {
            let explicit = at(node, &["explicit_http_config", "http2_protocol_options"]).is_some();
            // With what the server says in the handshake.
            explicit || get(node, "auto_config").is_some()
        });
    explicit || member(cluster, "http2_protocol_options").is_some()
}
