//! Who a gRPC call goes to, as Envoy wants to be told: `envoy.config.core.v3.GrpcService`, as far as a cluster of Envoy's needs
//! it.
//!
//! Envoy also takes a cluster's bare name there, but only if it cannot be read as this message: `meter` can be, as a field that
//! nobody knows and no target, and Envoy ends on it.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct GrpcService {
    #[prost(message, optional, tag = "1")]
    envoy_grpc: Option<EnvoyGrpc>,
}

#[derive(Clone, PartialEq, Message)]
struct EnvoyGrpc {
    #[prost(string, tag = "1")]
    cluster_name: String,
}

/// The longest name of a cluster, in bytes, whose message is text in UTF-8, which the host's interface wants: each of its two
/// lengths is one byte below 128.
pub(crate) const LONGEST_CLUSTER: usize = 125;

/// The message for a cluster; `None` if its name is longer than [`LONGEST_CLUSTER`].
pub(crate) fn grpc_service(cluster: &str) -> Option<String> {
    let envoy_grpc = Some(EnvoyGrpc { cluster_name: cluster.to_owned() });
    String::from_utf8(GrpcService { envoy_grpc }.encode_to_vec()).ok().filter(|_| cluster.len() <= LONGEST_CLUSTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_told_as_a_message_that_names_it() {
        let longest = "c".repeat(LONGEST_CLUSTER);
        // The first three are messages themselves, of a field that nobody knows.
        for name in [
            "meter",
            "api-limit",
            "usage",
            "ratelimit",
            "outbound|8081||ratelimit.default.svc.cluster.local",
            "ü",
            &longest,
        ] {
            let message = grpc_service(name).unwrap_or_else(|| panic!("{name}"));
            let read = GrpcService::decode(message.as_bytes()).unwrap();
            assert_eq!(read.envoy_grpc.map(|envoy| envoy.cluster_name).as_deref(), Some(name));
        }
        assert_eq!(grpc_service("ratelimit").as_deref(), Some("\n\u{b}\n\tratelimit"), "by its bytes");
        assert_eq!(grpc_service(&format!("{longest}c")), None, "no text any more");
    }
}
