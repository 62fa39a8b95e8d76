//! The templates for Istio. A WasmPlugin cannot let the filter hold the response head, so the plugin comes as an EnvoyFilter, and
//! its configuration as a resource that istiod hands on: a change of policy then drains nothing.

use super::envoy::{access_log, gate, heading, indented, quoted};
use super::{Code, Filling, HeadMode, Place, Rendered};
use fieldgate_workbench::deployment::labels;

/// The resources, in the order in which they are applied.
pub(super) fn files(filling: &Filling<'_>, place: &Place<'_>) -> Vec<Rendered> {
    vec![
        Rendered { name: "00-gate.yaml", text: gate_filter(place) },
        Rendered { name: "01-edge.yaml", text: edge(place) },
        Rendered { name: "02-fieldgate.yaml", text: plugin(filling, place) },
        Rendered { name: "gateway.patch.yaml", text: deployment(filling, place) },
    ]
}

fn envoy_filter(place: &Place<'_>, suffix: &str, rest: &str) -> String {
    format!(
        "\
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: {}{suffix}, namespace: {}}}
spec:
  workloadSelector: {{labels: {{istio: {}}}}}
{rest}",
        place.name, place.namespace, place.gateway,
    )
}

/// Inserts an element of `http_filters` before the router.
fn before_the_router(value: &str) -> String {
    format!(
        "\
- applyTo: HTTP_FILTER
  match: {{context: GATEWAY, listener: {{filterChain: {{filter: {{name: envoy.filters.network.http_connection_manager, subFilter: {{name: envoy.filters.http.router}}}}}}}}}}
  patch:
    operation: INSERT_BEFORE
    value:
{}",
        indented(value, 6),
    )
}

fn gate_filter(place: &Place<'_>) -> String {
    let patches = format!(
        "  # After the plugin's, so that it is right before the router.\n  priority: 10\n  configPatches:\n{}",
        indented(&before_the_router(&gate()), 4),
    );
    format!(
        "\
# The gate, a resource of its own: apply it first, keep its name, and delete it last. Without the plugin, or with one that is
# late or rejected, it answers 403. Its counter (http.STAT_PREFIX.rbac.fieldgate_gate.denied) is the alarm that the plugin is missing.
# Apply no route until the gateway answers 403: a route may be in service sooner than this is.
{}",
        envoy_filter(place, "-gate", &patches),
    )
}

fn edge(place: &Place<'_>) -> String {
    let patches = "  configPatches:
    - applyTo: NETWORK_FILTER
      match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
      patch:
        operation: MERGE
        value:
          name: envoy.filters.network.http_connection_manager
          typed_config:
            \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
            # What is matched is what is forwarded (rule 3). `meshConfig.pathNormalization: {normalization: NONE}` does the same.
            normalize_path: false
            # A request that waits, or a response that is held back and never resumed, ends here.
            stream_idle_timeout: 30s
            # Beside the log that the mesh may have.
            access_log:
";
    let patches = format!("{patches}{}", indented(&access_log(), 14));
    format!(
        "\
# Istio's defaults that the filter cannot live with. A merge cannot take away what stands there, so two stay: 1xx responses
# (`proxy_100_continue: true`), which pass no filter, and the upgrade to WebSocket. An API behind the gateway should send neither.
{}",
        envoy_filter(place, "-edge", &patches),
    )
}

/// What only a restart of the gateway's proxy brings: the labels, and the key.
fn deployment(filling: &Filling<'_>, place: &Place<'_>) -> String {
    format!(
        "\
# What belongs into the Deployment of the gateway's proxy, which reads it when it starts: no resource of Istio's has it.
#   kubectl -n {namespace} patch deployment DEPLOYMENT --patch-file gateway.patch.yaml
spec:
  template:
    metadata:
      annotations:
        # The labels of the plugin's metrics. `meshConfig.defaultConfig.extraStatTags` does the same for all proxies.
        sidecar.istio.io/extraStatTags: {labels}
        # Istio's proxies keep few of Envoy's own metrics. The alerts look for these: what the gate refuses, and policies that Envoy
        # rejects. What `proxyStatsMatcher.inclusionSuffixes` of the proxy's configuration names has to be added.
        sidecar.istio.io/statsInclusionSuffixes: {kept}
    spec:
      containers:
        - name: istio-proxy
          env:
            # The key of pseudonyms and subjects, 32 random bytes or more in base64:
            #   kubectl -n {namespace} create secret generic {secret} --from-literal={key}=\"$(openssl rand -base64 32)\"
            - name: {key}
              valueFrom: {{secretKeyRef: {{name: {secret}, key: {key}}}}}
",
        namespace = place.namespace,
        labels = labels().join(","),
        kept = ".fieldgate_gate.denied,.config_fail",
        secret = place.key_secret,
        key = filling.key,
    )
}

/// `envoy.extensions.filters.http.wasm.v3.Wasm`.
fn wasm(filling: &Filling<'_>, place: &Place<'_>) -> String {
    let head = match filling.head {
        HeadMode::Held => {
            "  # Lets the filter hold status and headers until the body is decided (`head: held` in the policy).
  allow_on_headers_stop_iteration: true
"
        }
        HeadMode::Released => {
            "  # The policy says `head: released`: status and headers go at once, and a refusal after them is a reset.
"
        }
    };
    let code = match &place.code {
        Code::File(path) => format!("# Mounted into the proxy.\nlocal: {{filename: {}}}\n", quoted(path)),
        Code::Image { reference, digest } => remote(&format!("oci://{reference}"), digest.as_deref()),
        Code::Url { url, digest } => remote(url, digest.as_deref()),
    };
    format!(
        "\
\"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
config:
  name: fieldgate
  root_id: fieldgate
  # If the filter's virtual machine dies, requests get 503 until a new one stands. FAIL_OPEN would pass responses unfiltered.
  failure_policy: FAIL_RELOAD
{head}  vm_config:
    # Shared data is one map for each process and vm_id: a name of its own keeps others out.
    vm_id: fieldgate
    runtime: envoy.wasm.runtime.v8
    code:
{}    # The key of pseudonyms and subjects, by name: its value is in no manifest. The gateway's deployment has it from a Secret:
    #   env: [{{name: {key}, valueFrom: {{secretKeyRef: {{name: {secret}, key: {key}}}}}}}]
    environment_variables: {{host_env_keys: [{key}]}}
  configuration:
    \"@type\": type.googleapis.com/google.protobuf.StringValue
    value: {}
",
        indented(&code, 6),
        quoted(&filling.compact),
        key = filling.key,
        secret = place.key_secret,
    )
}

/// The agent beside the proxy fetches the plugin, and puts a local file in its place.
fn remote(uri: &str, digest: Option<&str>) -> String {
    let digest = digest.map(|digest| format!("  # Nothing else is taken.\n  sha256: {digest}\n"));
    format!(
        "\
remote:
  http_uri:
    uri: {}
    # It must be there, and is not used: the agent fetches, not Envoy.
    cluster: unused
    timeout: 30s
{}",
        quoted(uri),
        digest.unwrap_or_default(),
    )
}

fn plugin(filling: &Filling<'_>, place: &Place<'_>) -> String {
    let filter = format!(
        "\
name: {}
config_discovery:
  # No timeout: the listener waits for the plugin, and never serves without it.
  config_source: {{ads: {{}}, initial_fetch_timeout: 0s, resource_api_version: V3}}
  # RBAC is what the agent sends in the plugin's place while it cannot be fetched: it denies everything.
  type_urls: [type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC]
",
        place.name,
    );
    let patches = format!(
        "  configPatches:
    - applyTo: EXTENSION_CONFIG
      match: {{context: GATEWAY}}
      patch:
        operation: ADD
        value:
          name: {}
          typed_config:
{}{}",
        place.name,
        indented(&wasm(filling, place), 12),
        indented(&before_the_router(&filter), 4),
    );
    format!(
        "\
{}# A WasmPlugin cannot let the filter hold the response head, so this is an EnvoyFilter. Istio always leaves a token's claims under
# the key `payload` (RequestAuthentication): the policy's `identity.payload`. An AuthorizationPolicy that asks for a request
# principal turns requests without a token away; without one they reach the plugin, as nobody.
{}",
        heading(filling),
        envoy_filter(place, "", &patches),
    )
}
