//! A Kubernetes API in a row's own network: etcd, kube-apiserver and kubectl, and no node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::{Value, json};

use super::{site, tools};

/// The programs of a row with a Kubernetes API.
pub(super) const NEEDS: &[&str] = &["etcd", "kube-apiserver", "kubectl"];

/// The API of a row. Its server takes this token, and from loopback only.
const SERVER: &str = "https://127.0.0.1:6443";
const TOKEN: &str = "of-this-row-alone";

/// The resource definitions of both projects, one file or another or all of them.
pub(super) fn definitions(file: &str) -> PathBuf {
    // With nothing behind it a link would not be followed.
    fieldgate_testkit::root().join(".tools/crds/current/").join(file)
}

/// A running Kubernetes API.
pub(super) struct Cluster {
    etcd: Child,
    server: Child,
    home: PathBuf,
}

impl Cluster {
    /// Starts it below a directory.
    pub(super) fn start(home: &Path) -> Result<Self, String> {
        tools::up()?;
        let home = home.join("cluster");
        let told = |error: std::io::Error| error.to_string();
        fs::create_dir_all(&home).map_err(told)?;
        let path = |name: &str| home.join(name).to_string_lossy().into_owned();
        let key = path("accounts.key");
        // kube-apiserver takes the public half out of it; out of PKCS #8 it would not.
        tools::run(Command::new("openssl").args([
            "ecparam",
            "-name",
            "prime256v1",
            "-genkey",
            "-noout",
            "-out",
            &key,
        ]))?;
        fs::write(home.join("tokens.csv"), format!("{TOKEN},admin,admin,system:masters\n")).map_err(told)?;
        let access = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "row",
            "clusters": [{"name": "row", "cluster": {"server": SERVER, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "row", "user": {"token": TOKEN}}],
            "contexts": [{"name": "row", "context": {"cluster": "row", "user": "row"}}],
        });
        fs::write(home.join("access.json"), access.to_string()).map_err(told)?;
        let mut etcd = Command::new(tools::path("etcd"));
        etcd.args(["--data-dir", &path("etcd"), "--unsafe-no-fsync", "--listen-peer-urls", "http://127.0.0.1:2380"]);
        etcd.args([
            "--listen-client-urls",
            "http://127.0.0.1:2379",
            "--advertise-client-urls",
            "http://127.0.0.1:2379",
        ]);
        let etcd = tools::spawn(&mut etcd, &home.join("etcd.log"))?;
        let mut server = Command::new(tools::path("kube-apiserver"));
        server.args(["--etcd-servers=http://127.0.0.1:2379", "--bind-address=127.0.0.1", "--secure-port=6443"]);
        // No node and no Service is ever asked for; the address must not be loopback.
        server.args(["--advertise-address=10.0.0.1", "--endpoint-reconciler-type=none"]);
        server.args([
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
        ]);
        server
            .arg(format!("--service-account-key-file={key}"))
            .arg(format!("--service-account-signing-key-file={key}"));
        server.args(["--authorization-mode=AlwaysAllow", "--disable-admission-plugins=ServiceAccount"]);
        server.arg(format!("--cert-dir={}", path("serving"))).arg(format!("--token-auth-file={}", path("tokens.csv")));
        let server = tools::spawn(&mut server, &home.join("server.log"))?;
        let mut cluster = Self { etcd, server, home };
        let mut ended = None;
        let is_ready = |cluster: &Self| cluster.run(&["get", "--raw", "/readyz"]).is_ok_and(|said| said == "ok");
        let is_over = site::within(site::PATIENCE, || {
            ended = cluster.server.try_wait().ok().flatten();
            ended.is_some() || is_ready(&cluster)
        });
        if is_over && ended.is_none() {
            Ok(cluster)
        } else {
            let log = fs::read_to_string(cluster.home.join("server.log")).unwrap_or_default();
            Err(format!("no Kubernetes API:\n{log}"))
        }
    }

    /// Puts resource definitions there: files, or directories of them.
    pub(super) fn define(&self, files: &[PathBuf]) -> Result<(), String> {
        let mut apply = self.kubectl();
        apply.args(["apply", "--server-side"]);
        for file in files {
            apply.arg("-f").arg(file);
        }
        tools::run(&mut apply)?;
        self.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=240s"]).map(drop)
    }

    /// kubectl, for this API.
    pub(super) fn kubectl(&self) -> Command {
        let mut command = Command::new(tools::path("kubectl"));
        self.reaches(&mut command);
        command
    }

    /// Lets a program find this API.
    pub(super) fn reaches(&self, command: &mut Command) {
        command.env("KUBECONFIG", self.access()).env("HOME", &self.home);
    }

    /// The file that says where this API is.
    pub(super) fn access(&self) -> PathBuf {
        self.home.join("access.json")
    }

    /// Runs kubectl.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<String, String> {
        tools::run(self.kubectl().args(arguments))
    }

    /// A resource as it is there.
    pub(super) fn get(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let text = self.run(&["get", kind, name, "--namespace", namespace, "--output", "json"])?;
        serde_json::from_str(&text).map_err(|fault| format!("{kind} {name}: {fault}"))
    }

    /// Applies the text of a file, as its user would.
    pub(super) fn apply(&self, text: &str) -> Result<(), String> {
        let file = self.home.join("applied.yaml");
        fs::write(&file, text).map_err(|error| error.to_string())?;
        tools::run(self.kubectl().args(["apply", "--server-side", "-f"]).arg(file)).map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Asked to stop, the server waits for an etcd that is gone.
        for process in [&mut self.server, &mut self.etcd] {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
