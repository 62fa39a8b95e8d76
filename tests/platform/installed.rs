//! A real Envoy Gateway as it is installed on Kubernetes: its own Deployment, and the one that it writes for a Gateway's Envoy,
//! with a real Kubernetes API and each Deployment's container as a process.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use fieldgate_testkit::envoy::Scratch;
use fieldgate_testkit::token::Issuer;
use serde_json::{Value, json};

use super::cluster::{self, Cluster};
use super::guide::Guided;
use super::plane::Ground;
use super::pod::{self, Pod};
use super::registry::{self, Registry};
use super::{site, told, tools};

/// The programs of a row with it, beside those of its Kubernetes API.
pub(super) const NEEDS: &[&str] = &["envoy-gateway", "gateway-api.yaml"];

const NAMESPACE: &str = "envoy-gateway-system";
const DEPLOYMENT: &str = "envoy-gateway";

/// The label of what Envoy Gateway writes for the Gateway.
const OWNED: &str = "gateway.envoyproxy.io/owning-gateway-name=eg";

/// Where the API is, beside the gateway: an endpoint of Kubernetes' must not be loopback.
const API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), 3000);

/// Envoy Gateway is asked here whether it is ready, and its Envoy for metrics.
const READY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 19001);

/// Names that are this host: the registry, and the Service of Envoy Gateway, as Envoy looks for it.
const NAMES: &str = "registry.example envoy-gateway.envoy-gateway-system.svc.cluster.local \
                     envoy-gateway.envoy-gateway-system.svc.cluster.local.";

/// An installed Envoy Gateway, and an Envoy that serves the Gateway on [`site::GATEWAY`].
pub(super) struct Installed {
    proxy: Pod,
    control_plane: Pod,
    cluster: Cluster,
    scratch: Scratch,
    envoy: PathBuf,
    /// The Deployment that the proxy was started from.
    deployment: Value,
    token: String,
}

impl Ground for Installed {
    fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    fn token(&self) -> &str {
        &self.token
    }

    fn log(&self) -> String {
        let names = [DEPLOYMENT, self.deployment["metadata"]["name"].as_str().unwrap_or_default()];
        names.map(|name| pod::printed(self.scratch.path(), name)).concat()
    }
}

impl Guided for Installed {
    const HEADING: &'static str = "\n### Envoy Gateway, from nothing to a filtered answer\n";

    fn before() -> Result<Self, String> {
        let envoy = PathBuf::from(std::env::var("ENVOY_PATH").map_err(|_| "ENVOY_PATH names no program")?);
        let scratch = tools::scratch()?;
        let home = scratch.path();
        tools::hosts(home, NAMES)?;
        let cluster = Cluster::start(home)?;
        tools::run(Command::new("ip").args(["address", "add", &format!("{}/32", API.ip()), "dev", "lo"]))?;
        site::start_api(API);
        Registry::start(&scratch, registry::NAMED)?.over_tls(home, &envoy)?;
        cluster.define(&definitions()?)?;
        let issuer = Issuer::new();
        let token = issuer.token(&json!({"azp": "care-app", "scope": "care.read", "sub": "agent"}));
        let text = tools::own("envoy-gateway/cluster.yaml")?;
        cluster.apply(&text.replace("${JWKS}", &issuer.jwks()).replace("${API}", &API.ip().to_string()))?;
        certificates(&cluster, home)?;
        let control_plane = control_plane(&cluster, home)?;
        let deployment = written(&cluster, &Value::Null).map_err(|fault| fault + &pod::printed(home, DEPLOYMENT))?;
        endpoints(&cluster, &deployment)?;
        let proxy = Pod::start(&cluster, &deployment, &envoy, home)?;
        let installed = Self { proxy, control_plane, cluster, scratch, envoy, deployment, token };
        installed.serves()?;
        Ok(installed)
    }

    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn after(&mut self, line: &str) -> Result<(), String> {
        if line.contains(" rollout restart deployment envoy-gateway") {
            self.control_plane.stop()?;
            self.control_plane = control_plane(&self.cluster, self.scratch.path())?;
        }
        if line.contains(" patch gateway ") {
            self.deployment = written(&self.cluster, &self.deployment)?;
            self.proxy.stop()?;
            self.proxy = Pod::start(&self.cluster, &self.deployment, &self.envoy, self.scratch.path())?;
            self.serves()?;
        }
        Ok(())
    }

    /// What the rendered EnvoyProxy brings.
    fn look(&self) -> Result<(), String> {
        told::record("verified_jwt", || self.log())?;
        told::metrics(&site::found_at(METRICS, "/stats/prometheus")?)
    }
}

impl Installed {
    /// Waits until the proxy answers: that it knows no route, or as the gate does.
    fn serves(&self) -> Result<(), String> {
        if site::within(site::PATIENCE, || matches!(site::ask("/", None).0, 403 | 404)) {
            Ok(())
        } else {
            Err(self.told("Envoy Gateway does not serve"))
        }
    }
}

/// The resource definitions of the Gateway API and of Envoy Gateway.
fn definitions() -> Result<Vec<PathBuf>, String> {
    let all = fs::read_dir(cluster::definitions("")).map_err(|error| error.to_string())?;
    let is_own = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gateway."));
    let own = all.flatten().map(|entry| entry.path()).filter(is_own);
    Ok(own.chain([tools::path("gateway-api.yaml")]).collect())
}

/// Makes the certificates of Envoy Gateway and of Envoy, as a Job of the chart does, and hands out the registry's.
fn certificates(cluster: &Cluster, home: &Path) -> Result<(), String> {
    let file = format!("--from-file={}", home.join("registry.crt").display());
    cluster.run(&["create", "configmap", "registry", "--namespace", NAMESPACE, &file])?;
    let mut command = Command::new(tools::path("envoy-gateway"));
    // No webhook of the chart's is there: it tells an Envoy its node's zone.
    command.args(["certgen", "--disable-topology-injector"]).env("ENVOY_GATEWAY_NAMESPACE", NAMESPACE);
    cluster.reaches(&mut command);
    tools::run(&mut command).map(drop)
}

/// Starts Envoy Gateway as its Deployment says.
fn control_plane(cluster: &Cluster, home: &Path) -> Result<Pod, String> {
    let deployment = cluster.get("deployment", NAMESPACE, DEPLOYMENT)?;
    let pod = Pod::start(cluster, &deployment, &tools::path("envoy-gateway"), home)?;
    if site::within(site::PATIENCE, || site::ask_at(READY, "/readyz", None).0 == 200) {
        Ok(pod)
    } else {
        Err(pod::printed(home, DEPLOYMENT))
    }
}

/// Writes the endpoints of the proxy's Service, as a controller of Kubernetes' does: Envoy waits at its start, 15 seconds at most, to be
/// told of them.
fn endpoints(cluster: &Cluster, deployment: &Value) -> Result<(), String> {
    let name = &deployment["metadata"]["name"];
    let mut service = Err(String::new());
    site::within(site::PATIENCE, || {
        service = cluster.get("service", NAMESPACE, name.as_str().unwrap_or_default());
        service.is_ok()
    });
    let service = service?;
    let port = |port: &Value| json!({"name": port["name"], "port": port["targetPort"], "protocol": port["protocol"]});
    let ports: Vec<Value> = service["spec"]["ports"].as_array().into_iter().flatten().map(port).collect();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "ports": ports,
        "endpoints": [{"addresses": [API.ip().to_string()], "conditions": {"ready": true}}],
    });
    cluster.apply(&slice.to_string())
}

/// Waits for a Deployment of the Gateway's Envoy with another pod than before.
fn written(cluster: &Cluster, before: &Value) -> Result<Value, String> {
    let mut found = Value::Null;
    let is_other = site::within(site::PATIENCE, || {
        let asked = ["get", "deployment", "--namespace", NAMESPACE, "--selector", OWNED, "--output", "json"];
        let all = cluster.run(&asked).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        found = all.map(|all| all["items"][0].clone()).unwrap_or_default();
        found.is_object() && found["spec"]["template"] != before["spec"]["template"]
    });
    if is_other { Ok(found) } else { Err("Envoy Gateway writes no Deployment".to_owned()) }
}
