//! A real Envoy Gateway without Kubernetes: its `Custom` provider reads resources from a directory, and runs Envoy itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::plane::{Ground, Plane};
use super::rendered::{self, KEY, Rendered};
use super::{site, tools};
use fieldgate_testkit::envoy::{Scratch, Tools};
use fieldgate_testkit::token::Issuer;
use serde_json::json;

/// The plugin as it was built, by HTTP.
const IMAGE: &str = "http://127.0.0.1:5056/fieldgate.wasm";

/// A running Envoy Gateway.
pub(super) struct Gateway {
    process: Child,
    scratch: Scratch,
    token: String,
    proxies: Proxies,
}

/// Whose Envoy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxies {
    /// Each Gateway has its own.
    Own,
    /// All Gateways of the class share one (`mergeGateways`).
    Shared,
}

impl Proxies {
    /// What is rendered for it.
    pub(super) fn rendered(self) -> Rendered {
        let mut rendered = Rendered::of("envoy-gateway", IMAGE);
        if self == Self::Shared {
            rendered.image.extend(["--gateway-class".to_owned(), "eg".to_owned()]);
        }
        rendered
    }

    /// The team's resources, or a rendered one, with what they need for it.
    fn set_up(self, text: &str) -> String {
        match self {
            Self::Own => text.to_owned(),
            Self::Shared => text
                .replace(
                    "  targetRef: {group: gateway.networking.k8s.io, kind: Gateway,",
                    "  targetRef: {group: gateway.networking.k8s.io, kind: GatewayClass,",
                )
                .replace("  provider: {type: Host,", "  mergeGateways: true\n  provider: {type: Host,"),
        }
    }
}

impl Ground for Gateway {
    fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    fn token(&self) -> &str {
        &self.token
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory("log")).unwrap_or_default()
    }
}

impl Plane for Gateway {
    const FILES: &'static [&'static str] = &["02-edge.yaml", "03-head.yaml", "04-fieldgate.yaml"];
    const ISSUER: &'static str = "verified_jwt";
    const NO_TOKEN: u16 = 401;

    fn start(with_gate: bool) -> Result<Self, String> {
        Self::start_with(Proxies::Own, with_gate)
    }

    fn rendered(&self) -> Rendered {
        self.proxies.rendered()
    }

    fn missing(&self) -> Rendered {
        Rendered { image: vec![IMAGE.replace("fieldgate.wasm", "missing.wasm")], ..self.rendered() }
    }

    fn other(&self) -> Rendered {
        Rendered { image: vec![IMAGE.to_owned(), "--sha256".to_owned(), "0".repeat(64)], ..self.rendered() }
    }

    fn put(&self, name: &str, text: &str) -> Result<(), String> {
        let (fresh, path) = (self.directory("new"), self.directory("resources").join(name));
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(|error| format!("{name}: {error}"))
    }

    fn delete(&self, name: &str) -> Result<(), String> {
        fs::remove_file(self.directory("resources").join(name)).map_err(|error| format!("{name}: {error}"))
    }

    fn apply_route(&self) -> Result<(), String> {
        self.put("route.yaml", &tools::own("envoy-gateway/route.yaml")?)
    }

    /// What Envoy's admin interface answers.
    fn metrics(&self) -> Result<String, String> {
        let run = self.directory("run");
        let entries = fs::read_dir(&run).map_err(|error| format!("{}: {error}", run.display()))?;
        let address = entries
            .flatten()
            .find_map(|entry| fs::read_to_string(entry.path().join("admin-address.txt")).ok())
            .ok_or_else(|| format!("no address of Envoy's admin interface below {}", run.display()))?;
        let address = address.trim().parse().map_err(|error| format!("{address}: {error}"))?;
        site::found_at(address, "/stats/prometheus")
    }

    /// The policy comes with the listener.
    fn is_rejection(metric: &str, _: &str) -> bool {
        metric.starts_with("envoy_listener_manager_lds_update_rejected")
    }
}

impl Gateway {
    /// Starts it as [`Plane::start`] does.
    pub(super) fn start_with(proxies: Proxies, with_gate: bool) -> Result<Self, String> {
        let program = tools::path("envoy-gateway");
        let envoy = std::env::var("ENVOY_PATH").map_err(|_| "ENVOY_PATH names no program".to_owned())?;
        tools::up()?;
        site::start_api(site::API);
        serve_plugin()?;
        let scratch = tools::scratch()?;
        let home = scratch.path().to_owned();
        let version = version(&envoy)?;
        let binary = home.join(format!("data/envoy-versions/{version}/bin"));
        for directory in ["resources", "rendered", "home", "config", "state", "run"] {
            fs::create_dir_all(home.join(directory)).map_err(|error| error.to_string())?;
        }
        fs::create_dir_all(&binary).map_err(|error| error.to_string())?;
        symlink(&envoy, binary.join("envoy")).map_err(|error| error.to_string())?;
        let issuer = Issuer::new();
        let token = issuer.token(&json!({"azp": "care-app", "scope": "care.read", "sub": "agent"}));
        let mut certificates = Command::new(&program);
        certificates.args(["certgen", "--local", "--config-home"]).arg(home.join("config"));
        tools::run(certificates.env("HOME", home.join("home")))?;
        let filled = |text: &str| -> Result<String, String> {
            let certificate = |name: &str| {
                let path = home.join("config/certs/envoy").join(name);
                fs::read(&path)
                    .map(|bytes| STANDARD.encode(bytes))
                    .map_err(|error| format!("{}: {error}", path.display()))
            };
            Ok(text
                .replace("${DIR}", &home.to_string_lossy())
                .replace("${ENVOY_VERSION}", &version)
                .replace("${JWKS}", &issuer.jwks().replace('\'', "''"))
                .replace("${CA}", &certificate("ca.crt")?)
                .replace("${CERTIFICATE}", &certificate("tls.crt")?)
                .replace("${KEY}", &certificate("tls.key")?))
        };
        for (name, file) in [("standalone.yaml", "standalone.yaml"), ("gateway.yaml", "resources/gateway.yaml")] {
            let text = filled(&tools::own(&format!("envoy-gateway/{name}"))?)?;
            fs::write(home.join(file), proxies.set_up(&text)).map_err(|error| error.to_string())?;
        }
        proxies.rendered().write(&scratch)?;
        let proxy = proxies.set_up(&on_this_host(&scratch, &version)?);
        fs::write(home.join("resources/01-proxy.yaml"), proxy).map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command.args(["server", "--config-path"]).arg(home.join("standalone.yaml"));
        command.env("HOME", home.join("home")).env("FIELDGATE_KEY", KEY);
        let process = tools::spawn(&mut command, &home.join("log"))?;
        let gateway = Self { process, scratch, token, proxies };
        // No route yet: Envoy answers itself.
        if !site::within(site::PATIENCE, || site::ask("/", None).0 == 404) {
            return Err(gateway.told("Envoy Gateway does not serve"));
        }
        if with_gate {
            gateway.apply_gate()?;
        }
        Ok(gateway)
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Lets Envoy look for the plugin where nobody answers, as behind a network policy: Envoy Gateway has it, Envoy has not.
    pub(super) fn cut_off(&self) -> Result<(), String> {
        let text = fs::read_to_string(self.directory("resources/gateway.yaml")).map_err(|error| error.to_string())?;
        let cut = text.replace("value: 127.0.0.1", "value: 192.0.2.1");
        if cut == text { Err("nothing to cut off".to_owned()) } else { self.put("gateway.yaml", &cut) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The namespace's end takes Envoy with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the plugin, and nothing beside it.
fn serve_plugin() -> Result<(), String> {
    let wasm = fs::read(Tools::find()?.wasm).map_err(|error| error.to_string())?;
    site::serve(site::FILES, move |path| match path {
        "/fieldgate.wasm" => (200, "application/wasm", wasm.clone()),
        _ => (404, "text/plain", b"not here".to_vec()),
    });
    Ok(())
}

/// The rendered EnvoyProxy, for an Envoy without Kubernetes: what stands under `provider` is the cluster's.
fn on_this_host(scratch: &Scratch, version: &str) -> Result<String, String> {
    let text = rendered::text(scratch, "01-proxy.yaml")?;
    let (ours, _) = text.split_once("  provider:\n").ok_or("the EnvoyProxy has no `provider`")?;
    Ok(format!("{ours}  provider: {{type: Host, host: {{envoyVersion: \"{version}\"}}}}\n"))
}

fn version(envoy: &str) -> Result<String, String> {
    let path = Path::new(envoy).parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    path.ok_or_else(|| format!("{envoy} is in no directory that is named by its version"))
}
