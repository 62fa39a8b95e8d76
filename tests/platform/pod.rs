//! In the place of a node: the first container of a Deployment as a process, with its volumes, its environment and its arguments,
//! and a root of its own, since containers have different things at one path.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::cluster::Cluster;
use super::tools;

/// Makes the root in a mount namespace of its own, so that nobody who tidies up finds the machine's directories below it, and
/// becomes the program.
const BECOME: &str = r#"set -e
root=$1 program=$2
shift 2
for name in bin dev etc lib lib64 proc sbin sys usr; do
  if [ -L "/$name" ]; then cp -P "/$name" "$root/"
  elif [ -d "/$name" ]; then mkdir "$root/$name"; mount --rbind "/$name" "$root/$name"
  fi
done
mount -t tmpfs tmpfs "$root/dev/shm"
touch "$root/program"
mount --bind "$program" "$root/program"
exec chroot "$root" /program "$@"
"#;

/// Where a container that may ask the Kubernetes API finds how.
const ACCESS: &str = "access.json";

/// A running container.
pub(super) struct Pod {
    process: Child,
}

impl Pod {
    /// Starts it with the program that its image has.
    pub(super) fn start(cluster: &Cluster, deployment: &Value, program: &Path, home: &Path) -> Result<Self, String> {
        let name = text(deployment, "/metadata/name");
        let pod = &deployment["spec"]["template"]["spec"];
        let root = root(home, &name)?;
        volumes(cluster, deployment, &root)?;
        let environment = environment(cluster, deployment)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", BECOME, "sh"]).arg(&root).arg(program);
        for argument in pod["containers"][0]["args"].as_array().into_iter().flatten() {
            command.arg(expanded(argument.as_str().unwrap_or_default(), &environment));
        }
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default()).envs(environment);
        if pod["automountServiceAccountToken"] != false {
            fs::copy(cluster.access(), root.join(ACCESS)).map_err(|error| error.to_string())?;
            command.env("KUBECONFIG", format!("/{ACCESS}"));
        }
        let process = tools::spawn(&mut command, &log(home, &name))?;
        Ok(Self { process })
    }

    /// Ends it: another one may then listen where it did.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        self.process.kill().and_then(|()| self.process.wait()).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // It may have been stopped before.
        let _ = self.stop();
    }
}

fn log(home: &Path, deployment: &str) -> PathBuf {
    home.join(format!("{deployment}.log"))
}

/// What a Deployment's containers have printed so far.
pub(super) fn printed(home: &Path, deployment: &str) -> String {
    fs::read_to_string(log(home, deployment)).unwrap_or_default()
}

/// A root that no container has had.
fn root(home: &Path, name: &str) -> Result<PathBuf, String> {
    let root = (0..).map(|nth| home.join(format!("{name}-{nth}"))).find(|root| !root.exists()).ok_or("no name")?;
    fs::create_dir_all(root.join("tmp")).map_err(|error| format!("{}: {error}", root.display()))?;
    Ok(root)
}

/// The environment of a Deployment's first container.
pub(super) fn environment(cluster: &Cluster, deployment: &Value) -> Result<BTreeMap<String, String>, String> {
    let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let named = |variable: &Value| Ok((text(variable, "/name"), value(cluster, deployment, variable)?));
    variables.as_array().into_iter().flatten().map(named).collect()
}

fn value(cluster: &Cluster, deployment: &Value, variable: &Value) -> Result<String, String> {
    let namespace = text(deployment, "/metadata/namespace");
    if let Some(key) = variable.pointer("/valueFrom/secretKeyRef") {
        let secret = cluster.get("secret", &namespace, &text(key, "/name"))?;
        let value = decoded(&secret["data"][text(key, "/key")])?;
        return String::from_utf8(value).map_err(|error| error.to_string());
    }
    if variable.get("valueFrom").is_none() {
        return Ok(text(variable, "/value"));
    }
    match text(variable, "/valueFrom/fieldRef/fieldPath").as_str() {
        "metadata.namespace" => Ok(namespace),
        "metadata.name" => Ok(format!("{}-0", text(deployment, "/metadata/name"))),
        // The zone of the node, which is not there.
        "metadata.annotations['topology.kubernetes.io/zone']" => Ok(String::new()),
        _ => Err(format!("no value for {variable}")),
    }
}

/// An argument with the variables that it names.
fn expanded(argument: &str, environment: &BTreeMap<String, String>) -> String {
    let named = |text: String, (name, value): (&String, &String)| text.replace(&format!("$({name})"), value);
    environment.iter().fold(argument.to_owned(), named)
}

/// Puts a container's volumes below its root.
fn volumes(cluster: &Cluster, deployment: &Value, root: &Path) -> Result<(), String> {
    let pod = &deployment["spec"]["template"]["spec"];
    for mount in pod["containers"][0]["volumeMounts"].as_array().into_iter().flatten() {
        let directory = root.join(text(mount, "/mountPath").trim_start_matches('/'));
        let told = |error: std::io::Error| format!("{}: {error}", directory.display());
        fs::create_dir_all(&directory).map_err(told)?;
        let volume = pod["volumes"].as_array().into_iter().flatten().find(|volume| volume["name"] == mount["name"]);
        let volume = volume.ok_or_else(|| format!("no volume for {mount}"))?;
        for (name, content) in files(cluster, &text(deployment, "/metadata/namespace"), volume)? {
            fs::write(directory.join(name), content).map_err(told)?;
        }
    }
    Ok(())
}

/// The files of a volume.
fn files(cluster: &Cluster, namespace: &str, volume: &Value) -> Result<Vec<(String, Vec<u8>)>, String> {
    let members = |kind, name: String| -> Result<Map<String, Value>, String> {
        let found = cluster.get(kind, namespace, &name)?;
        found["data"].as_object().cloned().ok_or_else(|| format!("{kind} {name} is empty"))
    };
    if let Some(secret) = volume.get("secret") {
        let members = members("secret", text(secret, "/secretName"))?;
        return members.iter().map(|(name, value)| Ok((name.clone(), decoded(value)?))).collect();
    }
    if let Some(map) = volume.get("configMap") {
        let members = members("configmap", text(map, "/name"))?;
        return Ok(members.iter().map(|(name, value)| (name.clone(), text(value, "").into_bytes())).collect());
    }
    if volume.get("emptyDir").is_some() { Ok(Vec::new()) } else { Err(format!("no node for {volume}")) }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn decoded(value: &Value) -> Result<Vec<u8>, String> {
    STANDARD.decode(text(value, "")).map_err(|fault| fault.to_string())
}
