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

/// The message for a cluster, as text in UTF-8, which the host's interface wants; `None` if its name is too long for that: each of
/// the two lengths before it is then more than one byte below 128.
pub(crate) fn grpc_service(cluster: &str) -> Option<String> {
    let envoy_grpc = Some(EnvoyGrpc { cluster_name: cluster.to_owned() });
    String::from_utf8(GrpcService { envoy_grpc }.encode_to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rls;

    #[test]
    fn a_cluster_is_told_as_a_message_that_names_it() {
        let longest = "c".repeat(Rls::LONGEST_CLUSTER);
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
