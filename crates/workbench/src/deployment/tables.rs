//! The fields of Envoy's messages, as far as they are known (Envoy 1.40): those that are harmless with any value, or that
//! another part judges, and what is said of those that are neither.

use super::message::{Message, Said, When};
use fieldgate::diagnostic::Code;

const fn said(field: &'static str, when: When, code: Code, what: &'static str, help: &'static str) -> Said {
    Said { field, when, code, what, help }
}

/// `envoy.extensions.wasm.v3.PluginConfig`.
pub(super) const PLUGIN: Message = Message {
    name: "the plugin's configuration",
    known: &[
        "name",
        "root_id",
        "vm_config",
        "configuration",
        "fail_open",
        "failure_policy",
        "reload_config",
        "capability_restriction_config",
        "allow_on_headers_stop_iteration",
    ],
    said: &[],
};

/// `envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter`.
pub(super) const MODULE: Message = Message {
    name: "the module's filter",
    known: &["dynamic_module_config", "filter_name", "filter_config"],
    said: &[said(
        "terminal_filter",
        When::True,
        Code::PluginDisabled,
        "the module ends the list of filters, so that no request goes on to an API",
        "take it out",
    )],
};

/// `envoy.extensions.dynamic_modules.v3.DynamicModuleConfig`.
pub(super) const LIBRARY: Message =
    Message { name: "the module's library", known: &["name", "do_not_close"], said: &[] };

/// `envoy.extensions.wasm.v3.VmConfig`.
pub(super) const VM: Message = Message {
    name: "the virtual machine's configuration",
    known: &[
        "vm_id",
        "runtime",
        "code",
        "configuration",
        "environment_variables",
        "capability_restriction_config",
        "nack_on_code_cache_miss",
    ],
    said: &[said(
        "allow_precompiled",
        When::True,
        Code::NotedField,
        "machine code beside the module runs instead of it, if there is any",
        "take it out",
    )],
};

/// `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.
pub(super) const MANAGER: Message = Message {
    name: "HttpConnectionManager",
    known: &[
        // Judged.
        "rds",
        "route_config",
        "scoped_routes",
        "http_filters",
        "tracing",
        "common_http_protocol_options",
        "http_protocol_options",
        "http2_protocol_options",
        "http3_protocol_options",
        "stream_idle_timeout",
        "access_log",
        "early_header_mutation_extensions",
        "proxy_100_continue",
        "upgrade_configs",
        "normalize_path",
        "merge_slashes",
        "path_with_escaped_slashes_action",
        "local_reply_config",
        // A listener's, which a patch may write here.
        "per_connection_buffer_limit_bytes",
        // They count, limit or name connections.
        "codec_type",
        "stat_prefix",
        "http1_safe_max_connection_duration",
        "max_request_headers_kb",
        "stream_flush_timeout",
        "request_timeout",
        "request_headers_timeout",
        "drain_timeout",
        "drain_timeout_jitter",
        "delayed_close_timeout",
        "access_log_flush_interval",
        "flush_access_log_on_new_request",
        "access_log_options",
        "stream_error_on_invalid_http_message",
        "append_local_overload",
        "record_route_resolution_stats",
        // They write request headers that say who the client is, before the plugin sees them.
        "add_user_agent",
        "use_remote_address",
        "xff_num_trusted_hops",
        "original_ip_detection_extensions",
        "internal_address_config",
        "skip_xff_append",
        "via",
        "generate_request_id",
        "preserve_external_request_id",
        "request_id_extension",
        "forward_client_cert_details",
        "set_current_client_cert_details",
        "forward_client_cert_matcher",
        "represent_ipv4_remote_address_as_ipv4_mapped_ipv6",
        "append_x_forwarded_port",
        "add_proxy_protocol_connection_state",
        "forward_proto_config",
        "scheme_header_transformation",
        // They write response headers of Envoy's own.
        "server_name",
        "server_header_transformation",
        "always_set_request_id_in_response",
        "proxy_status_config",
        // The policy's `hosts` are compared with what they leave, and so are the routes.
        "strip_matching_host_port",
        "strip_any_host_port",
        "strip_trailing_host_dot",
    ],
    said: &[
        said(
            "path_normalization_options",
            When::Written,
            Code::PathAltered,
            "Envoy changes the path before the plugin sees it, or after",
            "take it out: what is matched must be what is forwarded",
        ),
        said(
            "typed_header_validation_config",
            When::Written,
            Code::UnknownField,
            "an extension decides which heads are sound, and may change a path",
            "take it out: Envoy's own validation refuses what can be read in two ways",
        ),
    ],
};

/// `envoy.config.core.v3.HttpProtocolOptions`.
pub(super) const COMMON: Message = Message {
    name: "common_http_protocol_options",
    known: &[
        "idle_timeout",
        "max_connection_duration",
        "max_connection_duration_jitter",
        "max_headers_count",
        "max_response_headers_kb",
        "max_stream_duration",
        "headers_with_underscores_action",
        "max_requests_per_connection",
    ],
    said: &[],
};

const METADATA: Said = said(
    "allow_metadata",
    When::True,
    Code::PassesNoFilter,
    "METADATA frames of the upstream's go to the client, and the plugin does not see them",
    "take it out",
);

/// `envoy.config.core.v3.Http1ProtocolOptions`.
pub(super) const HTTP1: Message = Message {
    name: "http_protocol_options",
    known: &[
        "allow_absolute_url",
        "accept_http_10",
        "default_host_for_http_10",
        "header_key_format",
        "enable_trailers",
        "override_stream_error_on_invalid_http_message",
        "send_fully_qualified_url",
        "use_balsa_parser",
        "allow_custom_methods",
        "ignore_http_11_upgrade",
    ],
    said: &[said(
        "allow_chunked_length",
        When::True,
        Code::PassesNoFilter,
        "a message with both a length and chunks can be read in two ways: a second one may hide in it",
        "take it out",
    )],
};

/// `envoy.config.core.v3.Http2ProtocolOptions`.
pub(super) const HTTP2: Message = Message {
    name: "http2_protocol_options",
    known: &[
        "hpack_table_size",
        "max_concurrent_streams",
        "initial_stream_window_size",
        "initial_connection_window_size",
        // Of no effect without an upgrade configuration, which is judged.
        "allow_connect",
        "max_outbound_frames",
        "max_outbound_control_frames",
        "max_consecutive_inbound_frames_with_empty_payload",
        "max_inbound_priority_frames_per_stream",
        "max_inbound_window_update_frames_per_data_frame_sent",
        "stream_error_on_invalid_http_messaging",
        "override_stream_error_on_invalid_http_message",
        "custom_settings_parameters",
        "connection_keepalive",
        "use_oghttp2_codec",
        "max_metadata_size",
        "enable_huffman_encoding",
        "max_header_field_size_kb",
        "disallow_obs_text",
        "stream_reset_burst",
        "stream_reset_rate",
    ],
    said: &[METADATA],
};

/// `envoy.config.core.v3.Http3ProtocolOptions`.
pub(super) const HTTP3: Message = Message {
    name: "http3_protocol_options",
    known: &[
        "quic_protocol_options",
        "override_stream_error_on_invalid_http_message",
        "allow_extended_connect",
        "disable_qpack",
        "disable_connection_flow_control_for_streams",
        "disallow_obs_text",
    ],
    said: &[METADATA],
};

const SPECIFIERS: Said = said(
    "route_specifiers",
    When::Written,
    Code::UnknownField,
    "extensions choose the routes, and are not looked at",
    "take it out, and write the routes",
);

/// `envoy.config.route.v3.RouteConfiguration`.
pub(super) const TABLE: Message = Message {
    name: "RouteConfiguration",
    known: &[
        "name",
        "virtual_hosts",
        "vhds",
        "internal_only_headers",
        // The router writes them, so they go through the plugin.
        "response_headers_to_add",
        "response_headers_to_remove",
        "request_headers_to_add",
        "request_headers_to_remove",
        "most_specific_header_mutations_wins",
        "validate_clusters",
        "max_direct_response_body_size_bytes",
        "cluster_specifier_plugins",
        // What a mirror answers is dropped.
        "request_mirror_policies",
        "ignore_port_in_host_matching",
        "vhost_header",
        // The plugin refuses path parameters.
        "ignore_path_parameters_in_path_matching",
        "typed_per_filter_config",
        "metadata",
    ],
    said: &[SPECIFIERS],
};

/// `envoy.config.route.v3.VirtualHost`.
pub(super) const HOST: Message = Message {
    name: "VirtualHost",
    known: &[
        "name",
        "domains",
        "routes",
        "matcher",
        "require_tls",
        "virtual_clusters",
        "rate_limits",
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
        "cors",
        "typed_per_filter_config",
        "include_request_attempt_count",
        "include_attempt_count_in_response",
        "retry_policy",
        "retry_policy_typed_config",
        "hedge_policy",
        "include_is_timeout_retry_header",
        "per_request_buffer_limit_bytes",
        "request_body_buffer_limit",
        "request_mirror_policies",
        "metadata",
    ],
    said: &[SPECIFIERS],
};

/// `envoy.config.route.v3.Route`.
pub(super) const ROUTE: Message = Message {
    name: "Route",
    known: &[
        "name",
        "match",
        "route",
        "redirect",
        "direct_response",
        "non_forwarding_action",
        "metadata",
        "decorator",
        "typed_per_filter_config",
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
        "tracing",
        "per_request_buffer_limit_bytes",
        "stat_prefix",
        "request_body_buffer_limit",
    ],
    said: &[
        SPECIFIERS,
        said(
            "filter_action",
            When::Written,
            Code::UnknownField,
            "an extension decides what becomes of the request",
            "write a `route`",
        ),
    ],
};

/// `envoy.config.route.v3.RouteAction`.
pub(super) const ACTION: Message = Message {
    name: "RouteAction",
    known: &[
        // Judged.
        "cluster",
        "cluster_header",
        "weighted_clusters",
        "cluster_specifier_plugin",
        "inline_cluster_specifier_plugin",
        "prefix_rewrite",
        "regex_rewrite",
        "path_rewrite_policy",
        "path_rewrite",
        "idle_timeout",
        "upgrade_configs",
        "internal_redirect_policy",
        "internal_redirect_action",
        "max_internal_redirects",
        // The policy's `hosts` are about what a client asks for.
        "host_rewrite_literal",
        "auto_host_rewrite",
        "host_rewrite_path_regex",
        "host_rewrite",
        "append_x_forwarded_host",
        "cluster_not_found_response_code",
        "metadata_match",
        "timeout",
        "flush_timeout",
        "early_data_policy",
        "retry_policy",
        "retry_policy_typed_config",
        "request_mirror_policies",
        "priority",
        "rate_limits",
        "include_vh_rate_limits",
        "hash_policy",
        "cors",
        "max_grpc_timeout",
        "grpc_timeout_offset",
        "hedge_policy",
        "max_stream_duration",
    ],
    said: &[said(
        "host_rewrite_header",
        When::Written,
        Code::RequestChanged,
        "a header of the client's names the host that the upstream is asked for, and the policy's `hosts` do not see it",
        "write `host_rewrite_literal`",
    )],
};

/// `envoy.config.route.v3.WeightedCluster.ClusterWeight`.
pub(super) const WEIGHT: Message = Message {
    name: "ClusterWeight",
    known: &[
        "name",
        "cluster_header",
        "weight",
        "metadata_match",
        "request_headers_to_add",
        "request_headers_to_remove",
        "response_headers_to_add",
        "response_headers_to_remove",
        "typed_per_filter_config",
        "host_rewrite_literal",
    ],
    said: &[],
};

/// `envoy.extensions.filters.http.router.v3.Router`.
pub(super) const ROUTER: Message = Message {
    name: "the router",
    known: &[
        "dynamic_stats",
        "start_child_span",
        "upstream_log",
        "upstream_log_options",
        "suppress_envoy_headers",
        "strict_check_headers",
        "respect_expected_rq_timeout",
        "suppress_grpc_request_failure_code_stats",
        "upstream_http_filters",
        "reject_connect_request_early_data",
    ],
    said: &[],
};

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtProvider`.
pub(super) const PROVIDER: Message = Message {
    name: "a token's provider",
    known: &[
        "issuer",
        "audiences",
        "subjects",
        "require_expiration",
        "max_lifetime",
        "remote_jwks",
        "local_jwks",
        "forward",
        "from_headers",
        "from_params",
        "from_cookies",
        "forward_payload_header",
        "pad_forward_payload_header",
        "payload_in_metadata",
        "normalize_payload_in_metadata",
        "header_in_metadata",
        "failed_status_in_metadata",
        "clock_skew_seconds",
        "jwt_cache_config",
        "claim_to_headers",
        "clear_route_cache",
    ],
    said: &[],
};

/// `envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication`.
pub(super) const TOKENS: Message = Message {
    name: "JwtAuthentication",
    known: &[
        "providers",
        "rules",
        "filter_state_rules",
        "bypass_cors_preflight",
        "requirement_map",
        "strip_failure_response",
        "stat_prefix",
    ],
    said: &[],
};

/// `envoy.config.listener.v3.Listener`.
pub(super) const LISTENER: Message = Message {
    name: "Listener",
    known: &[
        "name",
        "address",
        "additional_addresses",
        "stat_prefix",
        "stats_matcher",
        "filter_chains",
        "filter_chain_matcher",
        "use_original_dst",
        "default_filter_chain",
        "per_connection_buffer_limit_bytes",
        "per_connection_buffer_high_watermark_timeout",
        "metadata",
        "deprecated_v1",
        "drain_type",
        "listener_filters",
        "listener_filters_timeout",
        "continue_on_listener_filters_timeout",
        "transparent",
        "freebind",
        "socket_options",
        "tcp_fast_open_queue_length",
        "traffic_direction",
        "udp_listener_config",
        "connection_balance_config",
        "reuse_port",
        "enable_reuse_port",
        "access_log",
        "tcp_backlog_size",
        "max_connections_to_accept_per_socket_event",
        "bind_to_port",
        "internal_listener",
        "enable_mptcp",
        "ignore_global_conn_limit",
        "bypass_overload_manager",
        "tcp_keepalive",
    ],
    said: &[
        said(
            "fcds_config",
            When::Written,
            Code::Elsewhere,
            "more filter chains come from a discovery service, and are not looked at",
            "give its response too: another `--envoy FILE`",
        ),
        said(
            "api_listener",
            When::Written,
            Code::NotedField,
            "requests come from within the process",
            "see to it that it has the plugin and the gate too",
        ),
    ],
};
