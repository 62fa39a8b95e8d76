//! The templates. Every line that is not Envoy's default says why, in the file that is written: who installs it reads it there.

use super::{Filling, HeadMode};

/// A JSON or YAML double-quoted string.
fn quoted(text: &str) -> String {
    printable(&serde_json::Value::from(text).to_string())
}

/// JSON text in which every character is one that YAML 1.2 §5.1 can print, so that it can stand in a block: the others
/// are only ever inside strings, where JSON has an escape for them.
fn printable(json: &str) -> String {
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
fn indented(text: &str, spaces: usize) -> String {
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
fn plugin(filling: &Filling<'_>) -> String {
    let head = match filling.head {
        HeadMode::Held => {
            "\
# Lets the filter hold status and headers until the body is decided (`head: held` in the policy): a refusal is then a
# clean answer. Envoy 1.35 or later.
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

fn heading(filling: &Filling<'_>) -> String {
    format!("# The policy {} as it was when this was written; written by `fieldgate render`.\n", quoted(filling.policy))
}

const ORDER: &str = "\
# Its place among http_filters: behind what authenticates (jwt_authn), before everything that can produce or store a
# response (cache, transcoder, router): what stands before it can answer unfiltered.
# On the HTTP connection manager: `proxy_100_continue: false`, no `upgrade_configs`, no path normalisation.
";

/// The gate, one element of `http_filters`.
pub(super) const GATE: &str = "\
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

/// The plugin, whose configuration is found in a file, and the gate.
pub(super) fn discovered_filter() -> String {
    format!(
        "\
{ORDER}# Envoy asks for a node: start it with --service-node and --service-cluster, or name them under `node` in the bootstrap.
- name: fieldgate
  config_discovery:
    config_source:
      # Envoy reads the file again when another is renamed into its place. It must exist when Envoy starts.
      path_config_source:
        path: /etc/fieldgate/fieldgate.ecds.yaml
        watched_directory: {{path: /etc/fieldgate}}
      resource_api_version: V3
    # No default_config: without its policy the listener does not serve. A policy that does not load is rejected, and the
    # one before it goes on.
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

/// The gate as an EnvoyFilter of its own, which outlives the plugin's.
pub(super) fn istio_gate() -> String {
    format!(
        "\
# The gate, a resource of its own and applied first: deleting the plugin then closes the way instead of opening it.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: fieldgate-gate
  namespace: istio-system
spec:
  workloadSelector:
    labels: {{istio: ingressgateway}}
  # After the plugin's, so that it is right before the router.
  priority: 10
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: GATEWAY
        listener:
          filterChain:
            filter:
              name: envoy.filters.network.http_connection_manager
              subFilter: {{name: envoy.filters.http.router}}
      patch:
        operation: INSERT_BEFORE
        value:
{}",
        indented(&element(), 10),
    )
}

/// The gate as an EnvoyPatchPolicy of its own, which outlives the plugin's resource.
pub(super) fn gateway_gate() -> String {
    format!(
        "\
# The gate, a resource of its own and applied first: routes can be live before their filters, or without them.
# Envoy Gateway needs `extensionApis: {{enableEnvoyPatchPolicy: true}}`. The listener's name is NAMESPACE/GATEWAY/LISTENER.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata:
  name: fieldgate-gate
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: eg
  type: JSONPatch
  jsonPatches:
    - type: type.googleapis.com/envoy.config.listener.v3.Listener
      name: default/eg/http
      operation:
        op: add
        # At an element, \"add\" puts the value before it.
        jsonPath: \"..http_filters[?(@.name=='envoy.filters.http.router')]\"
        value:
{}",
        indented(&element(), 10),
    )
}

/// The gate without the comment and the dash of a list.
fn element() -> String {
    let (_, element) = GATE.split_once("- ").unwrap_or(("", GATE));
    element.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}

/// A name that Kubernetes takes (RFC 1123 label).
fn label(name: &str) -> String {
    let plain: String =
        name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let short: String = plain.trim_matches('-').chars().take(50).collect();
    format!("fieldgate-{}", if short.is_empty() { "policy" } else { short.trim_end_matches('-') })
}

/// An EnvoyFilter: the way in Istio to set `allow_on_headers_stop_iteration`.
pub(super) fn istio_filter(filling: &Filling<'_>) -> String {
    format!(
        "\
{}# A WasmPlugin cannot let the filter hold the response head, so this is an EnvoyFilter.
# The proxy's environment must have {} (for a gateway: env of its deployment, from a Secret), and the plugin's
# file must be mounted into it. `identity.payload` in the policy names the metadata key that istiod gives jwt_authn's payload.
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata:
  name: {}
  namespace: istio-system
spec:
  workloadSelector:
    labels: {{istio: ingressgateway}}
  configPatches:
    - applyTo: HTTP_FILTER
      match:
        context: GATEWAY
        listener:
          filterChain:
            filter:
              name: envoy.filters.network.http_connection_manager
              subFilter: {{name: envoy.filters.http.router}}
      patch:
        operation: INSERT_BEFORE
        value:
          name: envoy.filters.http.wasm
          typed_config:
            \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
            config:
{}",
        heading(filling),
        filling.key,
        label(filling.policy),
        indented(&plugin(filling), 14),
    )
}

/// Where the plugin is, as a URL: a path on the proxy's machine is a `file:` URL.
fn url(wasm: &str) -> String {
    if wasm.contains("://") { wasm.to_owned() } else { format!("file://{wasm}") }
}

/// A WasmPlugin.
pub(super) fn istio_plugin(filling: &Filling<'_>) -> String {
    format!(
        "\
{}apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: {}
  namespace: istio-system
spec:
  selector:
    matchLabels: {{istio: ingressgateway}}
  url: {}
  # Behind Istio's authentication, before its authorisation.
  phase: AUTHZ
  # If the filter fails, requests get 503. FAIL_OPEN would pass responses unfiltered.
  failStrategy: FAIL_CLOSE
  vmConfig:
    env:
      # From the proxy's environment: the key of pseudonyms is in no manifest.
      - name: {}
        valueFrom: HOST
  # The policy as it is: {}
  pluginConfig:
{}",
        heading(filling),
        label(filling.policy),
        quoted(&url(filling.wasm)),
        filling.key,
        "`head: released`, since a WasmPlugin cannot let the filter hold the response head.",
        indented(&printable(&filling.json), 4),
    )
}

/// Where Envoy Gateway fetches the plugin: from a registry, or by HTTP. `None` for anything else.
pub(super) fn source(wasm: &str) -> Option<String> {
    if let Some(image) = wasm.strip_prefix("oci://") {
        return Some(format!("type: Image\nimage:\n  url: {}\n", quoted(image)));
    }
    let is_http = wasm.starts_with("https://") || wasm.starts_with("http://");
    is_http.then(|| {
        format!(
            "type: HTTP\nhttp:\n  # With `sha256` of the file, Envoy Gateway takes no other.\n  url: {}\n",
            quoted(wasm)
        )
    })
}

/// An EnvoyExtensionPolicy; `source` is where it is fetched.
pub(super) fn gateway(filling: &Filling<'_>, source: &str) -> String {
    format!(
        "\
{}# The proxy's environment must have {} (EnvoyProxy, provider.kubernetes.envoyDeployment.container.env).
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata:
  name: {}
spec:
  targetRefs:
    - group: gateway.networking.k8s.io
      kind: Gateway
      name: eg
  wasm:
    - name: fieldgate
      rootID: fieldgate
      code:
{}      # If the filter fails, requests get an error. `true` would pass responses unfiltered.
      failOpen: false
      env:
        # The key of pseudonyms, by name: its value is in no manifest.
        hostKeys: [{}]
      config:
{}",
        heading(filling),
        filling.key,
        label(filling.policy),
        indented(source, 8),
        filling.key,
        indented(&printable(&filling.json), 8),
    )
}
