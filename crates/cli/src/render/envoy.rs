//! The templates for Envoy. Every line that is not Envoy's default says why, in the file that is written: who installs it reads it there.

use super::{Filling, HeadMode};
use fieldgate_workbench::deployment::labels;

/// A JSON or YAML double-quoted string.
pub(super) fn quoted(text: &str) -> String {
    printable(&serde_json::Value::from(text).to_string())
}

/// JSON text in which every character is one that YAML 1.2 §5.1 can print, so that it can stand in a block: the others
/// are only ever inside strings, where JSON has an escape for them.
pub(super) fn printable(json: &str) -> String {
    json.chars().fold(String::new(), |mut text, c| {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => text.push(c),
        }
        text
    })
}

/// A text with each line but the empty ones that many spaces to the right.
pub(super) fn indented(text: &str, spaces: usize) -> String {
    let pad = " ".repeat(spaces);
    text.lines().fold(String::new(), |mut out, line| {
        if !line.is_empty() {
            out.push_str(&pad);
            out.push_str(line);
        }
        out.push('\n');
        out
    })
}

/// `envoy.extensions.wasm.v3.PluginConfig`, the same whatever carries it.
pub(super) fn plugin(filling: &Filling<'_>) -> String {
    let head = match filling.head {
        HeadMode::Held => {
            "\
# Lets the filter hold status and headers until the body is decided (`head: held` in the policy): a refusal is then a
# clean answer.
# A body without a length is awaited only where it is known to come in HTTP/2, and Envoy does not tell the filter: a cluster
# with `http2_protocol_options` says `metadata: {filter_metadata: {fieldgate: {protocol: HTTP/2}}}` as well.
allow_on_headers_stop_iteration: true
"
        }
        HeadMode::Released => {
            "\
# The policy says `head: released`: status and headers go at once, and a refusal after them is a reset.
"
        }
    };
    format!(
        "\
name: fieldgate
root_id: fieldgate
# If the filter's virtual machine dies, requests get 503 until a new one stands. FAIL_OPEN would pass responses unfiltered.
failure_policy: FAIL_RELOAD
{head}vm_config:
  # Shared data is one map for each process and vm_id: a name of its own keeps others out.
  vm_id: fieldgate
  runtime: envoy.wasm.runtime.v8
  code:
    local:
      filename: {}
  # The key of pseudonyms, by name: its value stays out of files and out of /config_dump.
  environment_variables:
    host_env_keys: [{}]
configuration:
  \"@type\": type.googleapis.com/google.protobuf.StringValue
  value: |-
{}",
        quoted(filling.wasm),
        filling.key,
        indented(&printable(&filling.json), 4),
    )
}

pub(super) fn heading(filling: &Filling<'_>) -> String {
    format!(
        "# The policy {} as it was when this was written; written by `fieldgate render`.\n# Its digest, as the plugin's log and records have it: {}\n",
        quoted(filling.policy),
        filling.digest
    )
}

const ORDER: &str = "\
# Its place among http_filters: behind what authenticates (jwt_authn), before everything that can produce or store a
# response (cache, transcoder, router): what stands before it can answer unfiltered.
# On the HTTP connection manager: `proxy_100_continue: false`, no `upgrade_configs`, no path normalisation, and the access log of
# fieldgate.telemetry.yaml.
";

/// The format of an access log with the decision record, in the double quotes of YAML.
pub(super) const LOG_FORMAT: &str = r#""%START_TIME% %REQ(X-REQUEST-ID):64% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %FILTER_STATE(wasm.fieldgate_record:PLAIN)%\n""#;

/// Why the access log is as it is.
pub(super) const LOG_COMMENT: &str = "\
# The decision record of each response (docs/operations.md). As text: in a JSON format it would be escaped again. Never with a
# length (`:PLAIN):N`), which would cut it. A `-` in its place: the filter did not see the end.
# It stands last, and what a caller sends has a length before it: in 64 bytes nobody can write a record.
";

/// An access log of Envoy's with the decision record, one element of `access_log`.
pub(super) fn access_log() -> String {
    format!(
        "\
{LOG_COMMENT}- name: envoy.access_loggers.file
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: /dev/stdout
    log_format: {{text_format_source: {{inline_string: {LOG_FORMAT}}}}}
"
    )
}

/// What makes a label of its part of a metric's name, one element of `stats_tags`.
pub(super) fn tag(label: &str) -> String {
    format!(r"{{tag_name: {label}, regex: '({label}=\.=(.*?);\.;)'}}")
}

/// What belongs beside the filter, on the connection manager and in the bootstrap.
pub(super) fn telemetry() -> String {
    let tags: String = labels().into_iter().map(|label| format!("    - {}\n", tag(label))).collect();
    format!(
        "\
# On the HTTP connection manager that has the filter.
access_log:
{}# In the bootstrap: the labels of the filter's metrics, for Prometheus and others. A name like
# fieldgate_responses_total.route=.=get-account;.; is taken apart by these (docs/operations.md).
stats_config:
  stats_tags:
{tags}",
        indented(&access_log(), 2),
    )
}

/// The gate, one element of `http_filters`.
const GATE: &str = "\
# The gate, right before the router: nothing reaches the upstream that the filter has not seen, also while it is off, late
# or rejected. Its counter (http.STAT_PREFIX.rbac.fieldgate_gate.denied) is the alarm that the filter is missing. No route may have settings of its own for it.
- name: fieldgate.gate
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
    rules_stat_prefix: fieldgate_gate.
    rules:
      action: ALLOW
      policies:
        seen:
          permissions: [{any: true}]
          principals: [{filter_state: {key: wasm.fieldgate, string_match: {exact: seen}}}]
";

/// Two elements of `http_filters`: the plugin and the gate.
pub(super) fn filter(filling: &Filling<'_>) -> String {
    format!(
        "\
{}{ORDER}- name: envoy.filters.http.wasm
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config:
{}{GATE}",
        heading(filling),
        indented(&plugin(filling), 6),
    )
}

/// Where the plugin's configuration is looked for, unless the files are written where Envoy has them.
pub(super) const HOME: &str = "/etc/fieldgate";

/// The plugin, whose configuration is found in a file of the folder `home`, and the gate.
pub(super) fn discovered_filter(home: &str) -> String {
    let file = quoted(&format!("{home}/fieldgate.ecds.yaml"));
    let home = quoted(home);
    format!(
        "\
{ORDER}# Envoy asks for a node: start it with --service-node and --service-cluster, or name them under `node` in the bootstrap.
- name: fieldgate
  config_discovery:
    config_source:
      # Envoy reads the file again when another is renamed into its place. It must exist when Envoy starts.
      path_config_source:
        path: {file}
        watched_directory: {{path: {home}}}
      resource_api_version: V3
    # No default_config: without its policy the listener does not serve. A policy that does not load is rejected, and the
    # one before it goes on; where there is none before it, every request gets 500.
    type_urls: [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm]
{GATE}"
    )
}

/// The file that [`discovered_filter`] finds.
pub(super) fn resource(filling: &Filling<'_>) -> String {
    format!(
        "\
{}resources:
  - \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
    name: fieldgate
    typed_config:
      \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
      config:
{}",
        heading(filling),
        indented(&plugin(filling), 8),
    )
}

/// The gate without the comment and the dash of a list, for a patch that inserts it.
pub(super) fn gate() -> String {
    let (_, element) = GATE.split_once("- ").unwrap_or(("", GATE));
    element.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}
