//! A real Envoy Gateway without Kubernetes: its `Custom` provider reads resources from a directory, and runs Envoy itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::rendered::{self, KEY, Rendered};
use super::{site, tools};
use fieldgate_testkit::envoy::Scratch;
use fieldgate_testkit::token::Issuer;
use serde_json::json;

/// A running Envoy Gateway.
pub(super) struct Gateway {
    process: Child,
    scratch: Scratch,
    pub(super) token: String,
}

impl Gateway {
    /// Starts it with a Gateway that has no route yet, and the gate if there is to be one.
    pub(super) fn start(with_gate: bool) -> Result<Self, String> {
        let program = tools::path("envoy-gateway");
        let envoy = std::env::var("ENVOY_PATH").map_err(|_| "ENVOY_PATH names no program".to_owned())?;
        tools::up()?;
        let scratch = Scratch::new().map_err(|error| error.to_string())?;
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
        let own = fieldgate_testkit::root().join("tests/platform/envoy-gateway");
        let text = |name: &str| fs::read_to_string(own.join(name)).map_err(|error| format!("{name}: {error}"));
        fs::write(home.join("standalone.yaml"), filled(&text("standalone.yaml")?)?)
            .map_err(|error| error.to_string())?;
        fs::write(home.join("resources/gateway.yaml"), filled(&text("gateway.yaml")?)?)
            .map_err(|error| error.to_string())?;
        Rendered::from("http://127.0.0.1:5056/fieldgate.wasm").write(&scratch)?;
        fs::write(home.join("resources/01-proxy.yaml"), on_this_host(&scratch, &version)?)
            .map_err(|error| error.to_string())?;
        let log = fs::File::create(home.join("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let process = Command::new(&program)
            .args(["server", "--config-path"])
            .arg(home.join("standalone.yaml"))
            .env("HOME", home.join("home"))
            .env("FIELDGATE_KEY", KEY)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let gateway = Self { process, scratch, token };
        if with_gate {
            // Before anything else, as the file says.
            gateway.apply("00-gate.yaml")?;
        }
        // No route yet: Envoy answers itself, or the gate does.
        if site::within(site::PATIENCE, || matches!(site::ask("/", None).0, 403 | 404)) {
            Ok(gateway)
        } else {
            Err(gateway.told("Envoy Gateway does not serve"))
        }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Renders the plugin's resources; nothing is applied.
    pub(super) fn render(&self, rendered: &Rendered) -> Result<(), String> {
        rendered.write(&self.scratch)
    }

    /// What Envoy Gateway and its Envoy have printed.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.directory("log")).unwrap_or_default()
    }

    /// What Envoy's admin interface answers.
    pub(super) fn admin(&self, path: &str) -> Result<String, String> {
        let run = self.directory("run");
        let entries = fs::read_dir(&run).map_err(|error| format!("{}: {error}", run.display()))?;
        let address = entries
            .flatten()
            .find_map(|entry| fs::read_to_string(entry.path().join("admin-address.txt")).ok())
            .ok_or_else(|| format!("no address of Envoy's admin interface below {}", run.display()))?;
        let address = address.trim().parse().map_err(|error| format!("{address}: {error}"))?;
        site::found_at(address, path)
    }

    /// Applies a rendered file, by its name.
    pub(super) fn apply(&self, name: &str) -> Result<(), String> {
        self.put(name, &rendered::text(&self.scratch, name)?)
    }

    /// Applies what stands between plugin and clients, and the plugin.
    pub(super) fn apply_plugin(&self) -> Result<(), String> {
        ["02-edge.yaml", "03-head.yaml", "04-fieldgate.yaml"].into_iter().try_for_each(|name| self.apply(name))
    }

    /// Applies a rendered file with something changed in it.
    pub(super) fn apply_changed(&self, name: &str, from: &str, to: &str) -> Result<(), String> {
        self.put(name, &rendered::changed(&self.scratch, name, from, to)?)
    }

    /// Applies the route and who may use it.
    pub(super) fn apply_route(&self) -> Result<(), String> {
        let own = fieldgate_testkit::root().join("tests/platform/envoy-gateway/route.yaml");
        self.put("route.yaml", &fs::read_to_string(own).map_err(|error| error.to_string())?)
    }

    /// Lets Envoy look for the plugin where nobody answers, as behind a network policy: Envoy Gateway has it, Envoy has not.
    pub(super) fn cut_off(&self) -> Result<(), String> {
        let text = fs::read_to_string(self.directory("resources/gateway.yaml")).map_err(|error| error.to_string())?;
        let cut = text.replace("value: 127.0.0.1", "value: 192.0.2.1");
        if cut == text { Err("nothing to cut off".to_owned()) } else { self.put("gateway.yaml", &cut) }
    }

    fn put(&self, name: &str, text: &str) -> Result<(), String> {
        let (fresh, path) = (self.directory("new"), self.directory("resources").join(name));
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &path)).map_err(|error| format!("{name}: {error}"))
    }

    pub(super) fn delete(&self, name: &str) -> Result<(), String> {
        fs::remove_file(self.directory("resources").join(name)).map_err(|error| format!("{name}: {error}"))
    }

    /// Waits for a filtered answer.
    pub(super) fn filters(&self) -> Result<(), String> {
        site::filters(&self.token).map_err(|fault| self.told(&fault))
    }

    /// A fault, with the end of Envoy Gateway's log.
    pub(super) fn told(&self, fault: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> =
            log.lines().filter(|line| !line.contains("\tdebug\t") && !line.starts_with("{\":authority\"")).collect();
        let from = lines.len().saturating_sub(30);
        format!("{fault}\n{}", lines[from..].join("\n"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The namespace's end takes Envoy with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
