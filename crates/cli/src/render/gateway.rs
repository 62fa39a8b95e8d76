//! The templates for Envoy Gateway. It has two fields of the plugin's in no resource, and routes that come before their
//! filters: patches of its own do the one, the gate closes the other.

use super::envoy::{LOG_COMMENT, LOG_FORMAT, gate, heading, indented, quoted, tag};
use super::{Code, Filling, HeadMode, Place, Rendered};
use fieldgate_workbench::deployment::labels;

/// The resources, in the order in which they are applied.
pub(super) fn files(filling: &Filling<'_>, place: &Place<'_>) -> Vec<Rendered> {
    vec![
        Rendered { name: "00-gate.yaml", text: gate_patch(place) },
        Rendered { name: "01-proxy.yaml", text: proxy(filling, place) },
        Rendered { name: "02-edge.yaml", text: edge(place) },
        Rendered { name: "03-head.yaml", text: head(filling, place) },
        Rendered { name: "04-fieldgate.yaml", text: plugin(filling, place) },
    ]
}

/// The beginning of a resource that hangs on the Gateway.
fn patch_policy(place: &Place<'_>, name: &str, patches: &str) -> String {
    // Gateways that share a proxy share its patches.
    let (kind, target) = place.class.map_or(("Gateway", place.gateway), |class| ("GatewayClass", class));
    format!(
        "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {{name: {}-{name}, namespace: {}}}
spec:
  targetRef: {{group: gateway.networking.k8s.io, kind: {kind}, name: {target}}}
  type: JSONPatch
  jsonPatches:
{}",
        place.name,
        place.namespace,
        indented(patches, 4),
    )
}

/// One patch for each of the Gateway's listeners; `operation` is the lines of a map.
fn for_each_listener(place: &Place<'_>, kind: &str, operation: &str) -> String {
    let patch = |listener: &String| {
        format!(
            "- type: type.googleapis.com/envoy.config.{kind}\n  name: {}/{}/{listener}\n  operation:\n{}",
            place.namespace,
            place.gateway,
            indented(operation, 4),
        )
    };
    place.listeners.iter().map(patch).collect()
}

const LISTENER: &str = "listener.v3.Listener";

/// What only the plugin's own filter has, whatever Envoy Gateway calls it.
const OF_PLUGIN: &str = "..http_filters[?(@.name=~'^envoy[.]filters[.]http[.]wasm/')].typed_config.config";

fn gate_patch(place: &Place<'_>) -> String {
    let operation = format!(
        "\
op: add
# At an element, \"add\" puts the value before it.
jsonPath: \"..http_filters[?(@.name=='envoy.filters.http.router')]\"
value:
{}",
        indented(&gate(), 2),
    );
    format!(
        "\
# The gate, a resource of its own: apply it first, keep its name, and delete it last. Envoy Gateway takes a route into service at
# once, and its filters when they are ready: until then, and where a filter is rejected, renamed or deleted, this answers 403.
# Its counter (http.STAT_PREFIX.rbac.fieldgate_gate.denied) is the alarm that the plugin is missing.
# Apply no route until the gateway answers 403: a route may be in service sooner than this is.
#
# Envoy Gateway takes patches with `extensionApis: {{enableEnvoyPatchPolicy: true}}` in its own configuration; without it their status
# is empty until there is a route, and then says so. A listener's name is NAMESPACE/GATEWAY/LISTENER. Where Gateways share a proxy
# (`mergeGateways`), patches are taken for their class alone: render these with `--gateway-class`. A patch that finds nothing only
# says so in its status: look at it (`kubectl get envoypatchpolicy -o yaml`).
{}",
        patch_policy(place, "gate", &for_each_listener(place, LISTENER, &operation)),
    )
}

fn proxy(filling: &Filling<'_>, place: &Place<'_>) -> String {
    let tags: String = labels()
        .into_iter()
        .map(|label| format!("      - {{op: add, path: /stats_config/stats_tags/-, value: {}}}\n", tag(label)))
        .collect();
    format!(
        "\
# What belongs into the EnvoyProxy that the Gateway, or its class, names under `parametersRef`; one that is there already
# takes these lines over.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  telemetry:
    accessLog:
      settings:
{log}        - type: Route
          format: {{type: Text, text: {LOG_FORMAT}}}
          sinks: [{{type: File, file: {{path: /dev/stdout}}}}]
  # The labels of the plugin's metrics, for Prometheus and others. Envoy reads them when it starts.
  bootstrap:
    type: JSONPatch
    jsonPatches:
{tags}  provider:
    type: Kubernetes
    kubernetes:
      envoyDeployment:
        container:
          env:
            # The key of pseudonyms and subjects, 32 random bytes or more in base64:
            #   kubectl -n NAMESPACE_OF_THE_PROXY create secret generic {secret} --from-literal={key}=\"$(openssl rand -base64 32)\"
            # A pod's environment changes with a restart only: to change keys, add a second variable, restart, and then name it in
            # the policy (`key`).
            - name: {key}
              valueFrom: {{secretKeyRef: {{name: {secret}, key: {key}}}}}
",
        name = place.name,
        namespace = place.namespace,
        secret = place.key_secret,
        key = filling.key,
        log = indented(LOG_COMMENT, 8),
    )
}

fn edge(place: &Place<'_>) -> String {
    let manager = "..filters[?(@.name=='envoy.filters.network.http_connection_manager')].typed_config";
    let normalize = format!("op: add\njsonPath: \"{manager}\"\npath: normalize_path\nvalue: false\n");
    let expiry = "\
op: add
jsonPath: \"..http_filters[?(@.name=='envoy.filters.http.jwt_authn')].typed_config.providers.*\"
path: require_expiration
value: true
";
    let upgrades = "op: remove\njsonPath: \"..routes[*].route.upgrade_configs\"\n";
    let patches = [
        "# What is matched is what is forwarded (rule 3).\n".to_owned(),
        for_each_listener(place, LISTENER, &normalize),
        "# A token without an end of life is none.\n".to_owned(),
        for_each_listener(place, LISTENER, expiry),
        "# The bytes of a WebSocket are not a response to filter. Each route has this upgrade, and an `http` listener has routes of its name.\n"
            .to_owned(),
        for_each_listener(place, "route.v3.RouteConfiguration", upgrades),
    ];
    format!(
        "\
# Envoy Gateway's defaults that the filter cannot live with: how paths are changed, streams that wait without end, upgrades.
# A ClientTrafficPolicy that the Gateway has already takes these lines over: only one is in force.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: {name}-edge, namespace: {namespace}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {gateway}}}]
  path: {{escapedSlashesAction: KeepUnchanged, disableMergeSlashes: true}}
  timeout: {{http: {{streamIdleTimeout: 30s, requestReceivedTimeout: 60s}}}}
---
{}",
        patch_policy(place, "edge", &patches.concat()),
        name = place.name,
        namespace = place.namespace,
        gateway = place.gateway,
    )
}

fn head(filling: &Filling<'_>, place: &Place<'_>) -> String {
    let set = |path: &str, value: &str| format!("op: add\njsonPath: \"{OF_PLUGIN}\"\npath: {path}\nvalue: {value}\n");
    let reload = for_each_listener(place, LISTENER, &set("failure_policy", "FAIL_RELOAD"));
    let (why, patches) = match filling.head {
        HeadMode::Held => (
            "\
# Lets the filter hold status and headers until the body is decided (`head: held` in the policy), and makes its virtual machine
# anew should it die. Both fields are in no resource of Envoy Gateway's. Apply this before the plugin: without it held responses
# wait until they time out.
",
            format!(
                "{}{reload}",
                for_each_listener(place, LISTENER, &set("allow_on_headers_stop_iteration", "true"))
            ),
        ),
        HeadMode::Released => (
            "\
# Makes the filter's virtual machine anew should it die: the field is in no resource of Envoy Gateway's.
",
            reload,
        ),
    };
    format!("{why}{}", patch_policy(place, "head", &patches))
}

fn plugin(filling: &Filling<'_>, place: &Place<'_>) -> String {
    let digest = |digest: &Option<String>, of: &str| match digest {
        Some(digest) => format!("  # The {of}'s digest: nothing else is taken.\n  sha256: {digest}\n"),
        None => format!("  # With `sha256`, the {of}'s digest, nothing else is taken.\n"),
    };
    let code = match &place.code {
        Code::Image { reference, digest: known } => {
            format!("type: Image\nimage:\n  url: {}\n{}", quoted(reference), digest(known, "manifest"))
        }
        // Refused before: Envoy Gateway fetches the plugin itself.
        Code::File(path) => format!("type: HTTP\nhttp:\n  url: {}\n", quoted(path)),
        Code::Url { url, digest: known } => {
            format!("type: HTTP\nhttp:\n  url: {}\n{}", quoted(url), digest(known, "file"))
        }
    };
    format!(
        "\
{}# On the Gateway, not on a route: a route that comes later is then never live without it. Its name is the filter's name, so it
# stays the same for good: a renamed one whose policy does not check leaves the routes with a filter that is not there.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: {}, namespace: {}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {}}}]
  wasm:
    - name: fieldgate
      rootID: fieldgate
      code:
{}      # If the filter fails, requests get an error. `true` would pass responses unfiltered.
      failOpen: false
      env:
        # The key of pseudonyms and subjects, by name: its value is in no manifest.
        hostKeys: [{}]
      # The policy, whose `identity.payload` is the name of the JWT provider in the SecurityPolicy.
      config: {}
",
        heading(filling),
        place.name,
        place.namespace,
        place.gateway,
        indented(&code, 8),
        filling.key,
        filling.compact,
    )
}
