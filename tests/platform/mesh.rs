//! A real Istio: istiod against a real Kubernetes API, and the agent with a plain Envoy, started as the gateway's Deployment says.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Mutex;

use fieldgate_testkit::envoy::Scratch;
use fieldgate_testkit::resources;
use fieldgate_testkit::token::Issuer;
use serde_json::{Value, json};

use super::cluster::{self, Cluster};
use super::guide::Guided;
use super::plane::{Ground, Plane};
use super::pod;
use super::registry::{self, Registry};
use super::rendered::{KEY, Rendered};
use super::{site, told, tools};

/// The programs of a row with Istio, beside those of its Kubernetes API.
pub(super) const NEEDS: &[&str] = &["pilot-discovery", "pilot-agent", "envoy_bootstrap.json"];

/// Where the resources go, and the Deployment of the gateway's proxy.
const NAMESPACE: &str = "istio-system";
const DEPLOYMENT: &str = "istio-ingressgateway";

/// The agent's metrics, with those of its Envoy.
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 15020);

/// istiod is asked here whether it is ready.
const READY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A running Istio.
pub(super) struct Mesh {
    agent: Child,
    istiod: Child,
    cluster: Cluster,
    registry: Registry,
    scratch: Scratch,
    token: String,
    /// What is applied, by the name of its file.
    applied: Mutex<BTreeMap<String, String>>,
}

impl Ground for Mesh {
    fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    fn token(&self) -> &str {
        &self.token
    }

    fn log(&self) -> String {
        let text = |name| fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default();
        text("istiod.log") + &text("agent.log")
    }
}

impl Guided for Mesh {
    const HEADING: &'static str = "\n### Istio, from nothing to a filtered answer\n";

    fn before() -> Result<Self, String> {
        Self::without_plugin()
    }

    fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn after(&mut self, line: &str) -> Result<(), String> {
        if line.contains(" patch deployment ") { self.restart() } else { Ok(()) }
    }

    fn look(&self) -> Result<(), String> {
        told::record(Self::ISSUER, || self.log())?;
        told::metrics(&self.metrics()?)
    }
}

impl Plane for Mesh {
    const FILES: &'static [&'static str] = &["01-edge.yaml", "02-fieldgate.yaml"];
    const ISSUER: &'static str = "payload";
    // An AuthorizationPolicy turns it away.
    const NO_TOKEN: u16 = 403;

    fn start(with_gate: bool) -> Result<Self, String> {
        let mut mesh = Self::without_plugin()?;
        mesh.render(&mesh.rendered())?;
        mesh.cluster.run(&[
            "create",
            "secret",
            "generic",
            "fieldgate-key",
            "--namespace",
            NAMESPACE,
            &format!("--from-literal=FIELDGATE_KEY={KEY}"),
        ])?;
        let patch = mesh.scratch.path().join("rendered/gateway.patch.yaml");
        let mut command = mesh.cluster.kubectl();
        command.args(["patch", "deployment", DEPLOYMENT, "--namespace", NAMESPACE, "--patch-file"]).arg(patch);
        tools::run(&mut command)?;
        mesh.restart()?;
        if with_gate {
            mesh.apply_gate()?;
        }
        Ok(mesh)
    }

    fn rendered(&self) -> Rendered {
        Rendered::of("istio", self.registry.image())
    }

    fn missing(&self) -> Rendered {
        Rendered::of("istio", self.registry.missing())
    }

    fn other(&self) -> Rendered {
        Rendered::of("istio", self.registry.other())
    }

    fn put(&self, name: &str, text: &str) -> Result<(), String> {
        self.cluster.apply(text)?;
        let before = self.applied.lock().unwrap().insert(name.to_owned(), text.to_owned());
        let kept = resources::documents(text);
        let gone = before.map(|text| resources::documents(&text)).unwrap_or_default();
        gone.iter().filter(|one| !kept.iter().any(|other| is_same(one, other))).try_for_each(|one| self.remove(one))
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        let text = self.applied.lock().unwrap().remove(name).ok_or_else(|| format!("{name} is not applied"))?;
        resources::documents(&text).iter().try_for_each(|one| self.remove(one))
    }

    fn apply_route(&self) -> Result<(), String> {
        self.put("route.yaml", &tools::own("istio/route.yaml")?)
    }

    fn metrics(&self) -> Result<String, String> {
        site::found_at(METRICS, "/stats/prometheus")
    }

    /// The policy is a resource of its own, by the plugin's name.
    fn is_rejection(metric: &str, name: &str) -> bool {
        metric.starts_with(&format!("envoy_extension_config_discovery_http_filter_{name}_config_fail"))
    }
}

impl Mesh {
    /// Starts it as a team has it before fieldgate comes.
    pub(super) fn without_plugin() -> Result<Self, String> {
        let envoy = std::env::var("ENVOY_PATH").map_err(|_| "ENVOY_PATH names no program".to_owned())?;
        let scratch = tools::scratch()?;
        let home = scratch.path().to_owned();
        of_its_own(&home)?;
        let cluster = Cluster::start(&home)?;
        site::start_api(site::API);
        let registry = Registry::start(&scratch, registry::NAMED)?;
        cluster.define(&[cluster::definitions("istio.yaml")])?;
        let issuer = Issuer::new();
        let token = issuer.token(&json!({"azp": "care-app", "scope": "care.read", "sub": "agent"}));
        let filled = |text: &str| {
            text.replace("${DIR}", &home.to_string_lossy())
                .replace("${ENVOY}", &envoy)
                .replace("${JWKS}", &issuer.jwks())
        };
        cluster.apply(&filled(&tools::own("istio/gateway.yaml")?))?;
        fs::write(home.join("mesh.yaml"), filled(&tools::own("istio/mesh.yaml")?))
            .map_err(|error| error.to_string())?;
        fs::write(home.join("networks.yaml"), "networks: {}\n").map_err(|error| error.to_string())?;
        let istiod = control_plane(&cluster, &home)?;
        if !site::within(site::PATIENCE, || site::ask_at(READY, "/ready", None).0 == 200) {
            return Err(fs::read_to_string(home.join("istiod.log")).unwrap_or_default());
        }
        let agent = proxy(&cluster, &home)?;
        let mesh = Self { agent, istiod, cluster, registry, scratch, token, applied: Mutex::default() };
        mesh.serves()?;
        Ok(mesh)
    }

    /// Puts the image that [`Plane::missing`] names into the registry.
    pub(super) fn supply(&self) -> Result<(), String> {
        self.registry.supply()
    }

    /// Starts the proxy anew, as its Deployment now says.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        // So that it takes its Envoy along.
        tools::run(Command::new("kill").args(["-TERM", &self.agent.id().to_string()]))?;
        self.agent.wait().map_err(|error| error.to_string())?;
        self.agent = proxy(&self.cluster, self.scratch.path())?;
        self.serves()
    }

    /// Waits until the proxy answers: that it knows no route, or that there is no token.
    fn serves(&self) -> Result<(), String> {
        if site::within(site::PATIENCE, || matches!(site::ask("/", None).0, 403 | 404)) {
            Ok(())
        } else {
            Err(self.told("Istio does not serve"))
        }
    }

    fn remove(&self, resource: &Value) -> Result<(), String> {
        let text = |place: &str| resource.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        self.cluster.run(&["delete", kind, name, "--namespace", namespace]).map(drop)
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        // The namespace's end takes Envoy with it.
        for process in [&mut self.agent, &mut self.istiod] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    ["/kind", "/metadata/namespace", "/metadata/name"].iter().all(|place| one.pointer(place) == other.pointer(place))
}

/// Gives the row, whose mounts are its own, what is elsewhere on every machine: the directory in which the agent keeps modules, and
/// the registry's name.
fn of_its_own(home: &Path) -> Result<(), String> {
    tools::hosts(home, "registry.example")?;
    tools::run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/var/lib"]))?;
    fs::create_dir_all("/var/lib/istio/data").map_err(|error| error.to_string())
}

fn control_plane(cluster: &Cluster, home: &Path) -> Result<Child, String> {
    let mut command = Command::new(tools::path("pilot-discovery"));
    command.args(["discovery", "--httpsAddr", "", "--secureGRPCAddr", "", "--grpcAddr", "127.0.0.1:15010"]);
    command
        .args(["--httpAddr", &READY.to_string(), "--monitoringAddr", "127.0.0.1:15014", "--kubeconfig"])
        .arg(cluster.access());
    command.arg("--meshConfig").arg(home.join("mesh.yaml")).arg("--networksConfig").arg(home.join("networks.yaml"));
    // Filters that Istio's own build of Envoy has alone, certificates that nobody asks for, and an API that is not there.
    for name in ["ALPN_FILTER", "METADATA_EXCHANGE", "GATEWAY_API"].map(|name| format!("PILOT_ENABLE_{name}")) {
        command.env(name, "false");
    }
    command
        .env("ENABLE_CA_SERVER", "false")
        .env("POD_NAMESPACE", NAMESPACE)
        .env("POD_NAME", "istiod-0")
        .env("HOME", home);
    tools::spawn(&mut command, &home.join("istiod.log"))
}

/// Starts the agent in the place of a node: as a pod of the gateway's Deployment, with its labels, annotations and environment.
fn proxy(cluster: &Cluster, home: &Path) -> Result<Child, String> {
    let told = |error: std::io::Error| error.to_string();
    let deployment = cluster.get("deployment", NAMESPACE, DEPLOYMENT)?;
    let template = &deployment["spec"]["template"];
    // The agent's paths are relative: this directory is the pod's root.
    let root = home.join("pod");
    fs::create_dir_all(root.join("etc/istio/pod")).map_err(told)?;
    let annotations = template["metadata"]["annotations"].as_object();
    let lines = annotations.into_iter().flatten().map(|(name, value)| format!("{name}={value}\n"));
    fs::write(root.join("etc/istio/pod/annotations"), lines.collect::<String>()).map_err(told)?;
    let mesh = fs::read_to_string(home.join("mesh.yaml")).map_err(told)?;
    let own = resources::documents(&mesh).first().map(|mesh| mesh["defaultConfig"].to_string());
    let mut command = Command::new(tools::path("pilot-agent"));
    command.args(["proxy", "router", "--domain", "istio-system.svc.cluster.local", "--proxyLogLevel=warning"]);
    command.arg("--meshConfig").arg(home.join("mesh.yaml")).current_dir(&root).env("HOME", home);
    command.env("PROXY_CONFIG", own.unwrap_or_default()).env("ISTIO_BOOTSTRAP", tools::path("envoy_bootstrap.json"));
    command.env("FILE_MOUNTED_CERTS", "true").env("WASM_INSECURE_REGISTRIES", registry::NAMED.0);
    command.env("POD_NAME", "gateway-0").env("POD_NAMESPACE", NAMESPACE).env("INSTANCE_IP", "127.0.0.1");
    command.env("SERVICE_ACCOUNT", "gateway").env("ISTIO_META_CLUSTER_ID", "Kubernetes");
    command.env("ISTIO_METAJSON_LABELS", template["metadata"]["labels"].to_string());
    command.envs(pod::environment(cluster, &deployment)?);
    tools::spawn(&mut command, &home.join("agent.log"))
}
