//! The reference bootstrap is sound, and each of its lines that security leans on is noticed when it is broken: a table of
//! textual changes of `envoy/envoy.yaml`, one at a time, each with the code that it must yield.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop where it stands")]

use std::fmt::Write as _;
use std::path::Path;

use fieldgate::diagnostic::{Code, Diagnostics, Severity};
use fieldgate::policy::{self, PolicySet};
use fieldgate_workbench::deployment::{self, File, Reviewed};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn bootstrap() -> String {
    std::fs::read_to_string(root().join("envoy/envoy.yaml")).expect("the reference bootstrap")
}

/// The policy that the bootstrap is run with here: callers from tokens, pseudonyms, the head held.
fn policy() -> PolicySet {
    policy::from_yaml(&root().join("policies/telco.yaml")).expect("the reference policy checks").0
}

fn look(text: &str, policy: Option<&PolicySet>) -> Diagnostics {
    let reviewed = policy.map(|policy| Reviewed { name: "telco.yaml", policy, digest: "0".repeat(64) });
    deployment::check(
        &[File { name: "envoy.yaml", bytes: text.as_bytes(), is_found: false }],
        &reviewed.into_iter().collect::<Vec<_>>(),
    )
}

/// The filter of a kind, with what its configuration starts with.
const PLUGIN: &str = "                  - name: envoy.filters.http.wasm\n";
const JWT: &str = "                  - name: envoy.filters.http.jwt_authn\n";
const ROUTER: &str = "                  - name: envoy.filters.http.router\n";
/// The comment that is before the gate.
const GATE: &str = "                  # The gate:";
const OFF: &str = "typed_per_filter_config: {envoy.filters.http.wasm: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}";

/// What is changed, into what, and what is then said.
const CHANGES: &[(&str, &str, Code)] = &[
    // The listener and the connection manager.
    ("bytes: 32768\n      filter_chains", "bytes: 16384\n      filter_chains", Code::SmallBuffer),
    ("bytes: 32768\n      filter_chains", "bytes: 0x2000\n      filter_chains", Code::SmallBuffer),
    ("normalize_path: false", "normalize_path: true", Code::PathAltered),
    ("merge_slashes: false", "merge_slashes: true", Code::PathAltered),
    ("action: KEEP_UNCHANGED", "action: UNESCAPE_AND_FORWARD", Code::PathAltered),
    ("action: KEEP_UNCHANGED", "action: UNESCAPE_AND_REDIRECT", Code::PathAltered),
    ("action: KEEP_UNCHANGED", "action: 4", Code::PathAltered),
    ("proxy_100_continue: false", "proxy_100_continue: true", Code::PassesNoFilter),
    ("proxy_100_continue: false", "proxy_100_continue: yes", Code::PassesNoFilter),
    ("proxy_100_continue: false", "upgrade_configs: [{upgrade_type: websocket}]", Code::PassesNoFilter),
    ("stream_idle_timeout: 30s", "stream_idle_timeout: 0s", Code::NoIdleTimeout),
    ("                stream_idle_timeout: 30s\n", "", Code::DefaultIdleTimeout),
    ("initial_stream_window_size: 65536", "initial_stream_window_size: 16384", Code::SmallBuffer),
    // The filters and their order.
    (
        PLUGIN,
        "                  - name: envoy.filters.http.wasm\n                    disabled: true\n",
        Code::PluginDisabled,
    ),
    (
        PLUGIN,
        "                  - name: envoy.filters.http.wasm\n                    is_optional: true\n",
        Code::PluginDisabled,
    ),
    (
        JWT,
        "                  - name: envoy.filters.http.cache\n                  - name: envoy.filters.http.jwt_authn\n",
        Code::FilterOrder,
    ),
    (
        PLUGIN,
        "                  - name: envoy.filters.http.grpc_json_transcoder\n                  - name: envoy.filters.http.wasm\n",
        Code::FilterOrder,
    ),
    (
        PLUGIN,
        "                  - name: envoy.filters.http.lua\n                  - name: envoy.filters.http.wasm\n",
        Code::FilterBefore,
    ),
    (
        PLUGIN,
        "                  - name: envoy.filters.http.decompressor\n                  - name: envoy.filters.http.wasm\n",
        Code::FilterBefore,
    ),
    (
        ROUTER,
        "                  - name: fieldgate\n                    config_discovery: {config_source: {ads: {}}}\n                  - name: envoy.filters.http.router\n",
        Code::FilterBefore,
    ),
    // Identity.
    ("payload_in_metadata: verified_jwt", "payload_in_metadata: claims", Code::LooseIdentity),
    ("                          payload_in_metadata: verified_jwt\n", "", Code::LooseIdentity),
    ("require_expiration: true", "require_expiration: false", Code::LooseIdentity),
    ("                          require_expiration: true\n", "", Code::LooseIdentity),
    ("requires: {provider_name: issuer}", "requires: {allow_missing: {}}", Code::NoTokenNeeded),
    ("requires: {provider_name: issuer}", "requires: {allow_missing_or_failed: {}}", Code::NoTokenNeeded),
    ("requires: {provider_name: issuer}", "requires: {extract_only_without_validation: {}}", Code::UnverifiedIdentity),
    ("                          requires: {provider_name: issuer}\n", "", Code::NoTokenNeeded),
    // The plugin.
    ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_OPEN", Code::FailOpen),
    ("failure_policy: FAIL_RELOAD", "failure_policy: fail_open", Code::FailOpen),
    ("failure_policy: FAIL_RELOAD", "failure_policy: 3", Code::FailOpen),
    ("failure_policy: FAIL_RELOAD", "fail_open: true", Code::FailOpen),
    ("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED", Code::FailClosed),
    ("                        failure_policy: FAIL_RELOAD\n", "", Code::FailClosed),
    ("iteration: true", "iteration: false", Code::HeadNotHeld),
    ("                        allow_on_headers_stop_iteration: true\n", "", Code::HeadNotHeld),
    ("host_env_keys: [FIELDGATE_KEY]", "key_values: {FIELDGATE_KEY: c2VjcmV0}", Code::PseudonymKey),
    ("host_env_keys: [FIELDGATE_KEY]", "host_env_keys: []", Code::PseudonymKey),
    (
        "                            ${FIELDGATE_POLICY}",
        "                            {\"language\": 1, \"policy\": \"p\"}",
        Code::MissingKey,
    ),
    // The routes and what leads around the plugin.
    (
        "match: {prefix: /}\n                          route:",
        "match: {prefix: /, filter_state: [{key: wasm.fieldgate, string_match: {exact: seen}}]}\n                          route:",
        Code::MarkInRoute,
    ),
    ("{exact: seen}", "{exact: governed}", Code::NoGate),
    ("action: ALLOW", "action: DENY", Code::NoGate),
    ("action: ALLOW", "action: LOG", Code::NoGate),
    ("permissions: [{any: true}]", "permissions: [{url_path: {path: {prefix: /a}}}]", Code::NoGate),
    ("principals: [{filter", "principals: [{any: true}, {filter", Code::NoGate),
    (
        "                      rules:\n                        action",
        "                      shadow_rules:\n                        action",
        Code::NoGate,
    ),
    (
        "                  - name: fieldgate.gate\n",
        "                  - name: fieldgate.gate\n                    disabled: true\n",
        Code::NoGate,
    ),
    (
        ROUTER,
        "                  - name: envoy.filters.http.buffer\n                  - name: envoy.filters.http.router\n",
        Code::NoGate,
    ),
    (
        "route: {cluster: api}",
        "route: {cluster: api}\n                          typed_per_filter_config: {fieldgate.gate: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}}",
        Code::NoGate,
    ),
    ("route: {cluster: api}", "route: {cluster: api, prefix_rewrite: /v1/}", Code::PathAltered),
    (
        "route: {cluster: api}",
        "route: {cluster: api, regex_rewrite: {pattern: {regex: ^/v1}, substitution: /}}",
        Code::PathAltered,
    ),
    ("route: {cluster: api}", "route: {cluster: api, internal_redirect_policy: {}}", Code::PathAltered),
    ("route: {cluster: api}", "route: {cluster: api, idle_timeout: 0s}", Code::NoIdleTimeout),
    (
        "route: {cluster: api}",
        "route: {cluster: api, upgrade_configs: [{upgrade_type: CONNECT}]}",
        Code::PassesNoFilter,
    ),
];

#[test]
fn the_reference_bootstrap_lets_nothing_past() {
    for policy in [None, Some(&policy())] {
        assert_eq!(look(&bootstrap(), policy).to_string(), "");
    }
}

#[test]
fn each_line_that_security_leans_on_is_noticed_when_it_is_broken() {
    let (text, policy) = (bootstrap(), policy());
    let mut wrong = String::new();
    for (from, to, code) in CHANGES {
        assert_eq!(text.matches(from).count(), 1, "`{from}` is there once");
        let found = look(&text.replace(from, to), Some(&policy));
        // Nothing else is worth an error: what is said is about the change.
        let other = found.items().iter().find(|item| item.code != *code && item.severity() == Severity::Error);
        if !found.items().iter().any(|item| item.code == *code) || other.is_some() {
            writeln!(wrong, "`{from}` to `{to}` should be {code}: {found}").expect("a string takes all");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// From the line that starts a filter to the one that starts the next.
fn cut<'t>(text: &'t str, from: &str, to: &str) -> (&'t str, &'t str, &'t str) {
    let start = text.find(from).expect("the first filter");
    let end = text.find(to).expect("the next filter");
    (text.get(..start).expect("before"), text.get(start..end).expect("between"), text.get(end..).expect("behind"))
}

#[test]
fn the_plugin_is_missed_where_it_is_taken_out_or_moved_before_the_token() {
    let (text, policy) = (bootstrap(), policy());
    let (before, plugin, behind) = cut(&text, PLUGIN, GATE);
    let found = look(&format!("{before}{behind}"), Some(&policy));
    assert!(found.items().iter().any(|item| item.code == Code::PluginMissing), "{found}");
    let first = before.find(JWT).expect("jwt_authn");
    let (filters, token) = before.split_at(first);
    let found = look(&format!("{filters}{plugin}{token}{behind}"), Some(&policy));
    assert!(found.items().iter().any(|item| item.code == Code::FilterOrder), "{found}");
}

#[test]
fn the_plugin_is_missed_where_a_route_or_a_host_turns_it_off() {
    let (text, policy) = (bootstrap(), policy());
    for (from, indent) in
        [("                          route: {cluster: api}\n", 26), ("                      domains: [\"*\"]\n", 22)]
    {
        let changed = text.replace(from, &format!("{from}{}{OFF}\n", " ".repeat(indent)));
        let found = look(&changed, Some(&policy));
        assert_eq!(found.count(Severity::Error), 1, "{found}");
        assert!(found.items().iter().any(|item| item.code == Code::PluginDisabled), "{found}");
    }
}

#[test]
fn a_second_way_to_the_upstream_is_noticed() {
    let raw = "    - name: raw
      address: {socket_address: {address: 127.0.0.1, port_value: 0}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: raw, cluster: api}
  clusters:
";
    let found = look(&bootstrap().replace("  clusters:\n", raw), Some(&policy()));
    assert_eq!(found.items().iter().map(|item| item.code).collect::<Vec<_>>(), [Code::PluginMissing], "{found}");
}

/// Where a row of `tests/deployment/bootstraps.txt` adds to the reference bootstrap: before which line, and how far in.
const PLACES: &[(&str, &str, usize)] = &[
    ("before", PLUGIN_COMMENT, 18),
    ("after", GATE, 18),
    ("manager", "                http_filters:\n", 16),
    ("log", "                  - name: envoy.access_loggers.file\n", 18),
    ("listener", "      filter_chains:\n", 6),
    ("table", "                  virtual_hosts:\n", 18),
    ("host", "                      domains: [\"*\"]\n", 22),
    ("route", "                          route: {cluster: api}\n", 26),
    ("cluster", "      connect_timeout: 1s\n", 6),
    ("provider", "                          payload_in_metadata: verified_jwt\n", 26),
    ("config", "                        vm_config:\n", 24),
    ("machine", "                          vm_id: fieldgate\n", 26),
    ("bootstrap", "static_resources:\n", 0),
];

/// The comment that is before the plugin.
const PLUGIN_COMMENT: &str = "                  # Filters that stand after fieldgate";

/// The reference bootstrap with what a line of a row adds.
fn changed(text: &str, line: &str) -> String {
    let (place, what) = line.split_once(": ").expect("a place and what is added there");
    let what = what.replace("\\n", "\n");
    let once = |from: &str, to: &str| {
        assert_eq!(text.matches(from).count(), 1, "`{from}` is there once");
        text.replace(from, to)
    };
    match place {
        "replace" => {
            let (from, to) = what.split_once(" ==> ").expect("what is replaced, and by what");
            once(from, to)
        }
        "action" => once("cluster: api}\n  clusters:", &format!("{what}, cluster: api}}\n  clusters:")),
        _ => {
            let (_, anchor, indent) =
                PLACES.iter().find(|(name, ..)| *name == place).expect("a place of the bootstrap");
            let item = if matches!(place, "before" | "after" | "log") { "- " } else { "" };
            once(anchor, &format!("{}{item}{what}\n{anchor}", " ".repeat(*indent)))
        }
    }
}

#[test]
fn what_is_added_to_the_reference_bootstrap_is_judged_by_what_is_known_to_be_good() {
    let (text, policy) = (bootstrap(), policy());
    let rows = include_str!("deployment/bootstraps.txt");
    let (mut wrong, mut open, mut sound) = (String::new(), 0, 0);
    for row in rows.split("\n## ").skip(1) {
        let (claim, rest) = row.split_once('\n').expect("a claim with lines below it");
        let (lines, said) = rest.split_once("\n=> ").expect("what is said");
        // What an attack has found already does not count for what is found besides.
        let is_known = lines.starts_with("weakness: ");
        let lines = lines.lines().skip(usize::from(is_known));
        let changed = lines.fold(text.clone(), |text, line| changed(&text, line));
        let found = look(&changed, Some(&policy));
        let mut codes: Vec<String> =
            found.items().iter().map(|item| format!("{} {}", item.severity(), item.code)).collect();
        codes.sort();
        codes.dedup();
        let codes = if codes.is_empty() { "nothing".to_owned() } else { codes.join(", ") };
        if codes == "nothing" {
            sound += 1;
        } else if !is_known && found.items().iter().any(|item| item.severity() != Severity::Note) {
            open += 1;
        }
        if codes != said.trim() {
            writeln!(wrong, "{claim}: {codes} instead of {}\n{found}", said.trim()).expect("a string takes all");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    println!("{open} deployments that open something and that no attack has found, {sound} sound ones");
    assert!(open >= 100 && sound >= 60, "{open} deployments that open something, and {sound} sound ones");
}

#[test]
fn what_is_looked_at_is_counted_once() {
    let text = bootstrap();
    let counted =
        |text: &str| deployment::judged(&[File { name: "envoy.yaml", bytes: text.as_bytes(), is_found: false }], &[]).1;
    let alone = counted(&text);
    assert_eq!((alone.listeners, alone.resources, alone.has_plugin), (1, 0, true));
    assert!(alone.routes >= 1, "{alone:?}");
    // A dump shows the static listener twice: in the bootstrap, and as it serves.
    let within = |text: &str, depth: usize| text.replace('\n', &format!("\n{}", " ".repeat(depth)));
    let (_, listener) = text.split_once("  listeners:\n    - name: api\n").expect("a listener");
    let (listener, _) = listener.split_once("\n  clusters:").expect("clusters behind it");
    let dump = format!(
        "configs:\n- bootstrap:\n    {}\n- static_listeners:\n  - listener:\n      name: api\n{}\n",
        within(&text, 4),
        listener
    );
    assert_eq!(counted(&dump), alone, "{dump}");
    // And a second listener is a second one.
    let (_, clusters) = text.split_once("\n  clusters:").expect("clusters");
    let twice = text.replace(
        &format!("\n  clusters:{clusters}"),
        &format!("\n    - name: other\n{listener}\n  clusters:{clusters}"),
    );
    let both = counted(&twice);
    assert_eq!((both.listeners, both.routes), (2, 2 * alone.routes), "{twice}");
}

#[test]
fn files_of_any_shape_end_in_findings() {
    // Nested deeper than is read, aliases that come to more than is held, what is not UTF-8, what is cut off anywhere.
    let deep = "[".repeat(10_000);
    let laughs = (0..40).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!("{text}a{next}: &a{next} [*a{level}, *a{level}]\n", next = level + 1)
    });
    for bytes in [deep.as_bytes(), laughs.as_bytes(), b"\xff\xfe", b"", b"{", b"- &a [*a]", b"? [a]\n: b"] {
        let found = deployment::check(&[File { name: "envoy.yaml", bytes, is_found: false }], &[]);
        assert!(found.has_errors(), "{:?}", String::from_utf8_lossy(bytes).chars().take(20).collect::<String>());
    }
    let text = bootstrap();
    for end in (0..text.len()).step_by(97).filter(|end| text.is_char_boundary(*end)) {
        drop(look(text.get(..end).expect("a boundary"), None));
    }
}
