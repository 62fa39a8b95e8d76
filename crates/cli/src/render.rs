//! `fieldgate render`: a policy that checks as ready configuration, fail-closed only.

mod envoy;
mod gateway;
mod istio;

use std::fs;
use std::path::{Path, PathBuf};

use fieldgate::model::{HeadMode, Identity};
use fieldgate::policy::{self, PolicySet};

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::terminal::Terminal;

/// Write a policy as configuration that is ready to load
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policy: a file, or a directory with one
    #[arg(default_value = "policies", value_name = "POLICY")]
    policy: PathBuf,
    /// What to write
    #[arg(long, value_enum)]
    to: Target,
    /// Where the plugin is: a path on the machine that runs Envoy; for Istio and Envoy Gateway also an image
    /// (`oci://REGISTRY/fieldgate:VERSION`, or `…@sha256:DIGEST`) or an HTTP URL
    #[arg(long, visible_alias = "image", value_name = "PLACE", default_value = "/etc/fieldgate/fieldgate.wasm")]
    wasm: String,
    /// The SHA-256 of the file at an HTTP URL, or of an image's manifest: nothing else is taken
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Name of the resources, kept for good: with Envoy Gateway it is also the filter's name (in Envoy alone that is `fieldgate`)
    #[arg(long, value_name = "NAME", default_value = "fieldgate")]
    name: String,
    /// Namespace of the resources: that of the Gateway, or of Istio's gateway proxy [default: `default`, `istio-system`]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// What the resources hang on: the Gateway's name, or the value of the label `istio` of Istio's gateway proxy
    /// [default: `eg`, `ingressgateway`]
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// The class whose Gateways share one proxy (`mergeGateways` of its EnvoyProxy): patches are for it then (Envoy Gateway)
    #[arg(long, value_name = "NAME")]
    gateway_class: Option<String>,
    /// The Gateway's listeners, each by its name (Envoy Gateway)
    #[arg(long = "listener", value_name = "NAME", default_value = "http")]
    listeners: Vec<String>,
    /// The Secret that holds the key of pseudonyms, under the name of its environment variable
    #[arg(long, value_name = "NAME", default_value = "fieldgate-key")]
    key_secret: String,
    /// Write files into this directory instead of standard output; for `--to ecds` an absolute path is the one that Envoy watches
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// The HTTP filter, for a listener in a bootstrap or from a control plane, and the access log and labels beside it
    Envoy,
    /// The HTTP filter and its configuration as a file of its own, which Envoy reloads when it changes
    Ecds,
    /// EnvoyFilters for a gateway: the plugin by its image, the policy as a resource of its own, the gate
    Istio,
    /// An EnvoyExtensionPolicy, and the patches that hold the head and close the gate
    EnvoyGateway,
    /// The policy as one JSON document, includes resolved: the plugin's configuration
    Json,
}

/// A file to write.
struct Rendered {
    name: &'static str,
    text: String,
}

/// Where in a cluster the resources go.
struct Place<'a> {
    name: &'a str,
    namespace: &'a str,
    /// The Gateway, or the label of Istio's gateway proxy.
    gateway: &'a str,
    /// The class whose Gateways share one proxy.
    class: Option<&'a str>,
    listeners: &'a [String],
    key_secret: &'a str,
    code: Code,
}

/// Where the plugin's code comes from.
enum Code {
    /// A path on the machine that runs Envoy.
    File(String),
    /// An image in a registry, and its manifest's digest in hexadecimal.
    Image { reference: String, digest: Option<String> },
    /// A file by HTTP, and its digest.
    Url { url: String, digest: Option<String> },
}

/// What the templates are filled with.
struct Filling<'a> {
    /// The policy's JSON document.
    json: String,
    /// The document without space: a resource may not be any size.
    compact: String,
    /// Where the plugin is.
    wasm: &'a str,
    /// The policy's name.
    policy: &'a str,
    /// The policy's digest.
    digest: &'a str,
    head: HeadMode,
    /// The environment variable that holds the policy's key.
    key: &'a str,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    if !matches!(arguments.to, Target::Istio | Target::EnvoyGateway)
        && let Some(option) = of_clusters(arguments)
    {
        return Err(Failure::new(format!("`{option}` is for resources in a cluster, and none are written"))
            .help("leave it out, or write `--to envoy-gateway` or `--to istio`"));
    }
    let loaded = load::valid(std::slice::from_ref(&arguments.policy), terminal)?;
    let one = match loaded.as_slice() {
        [one] => one,
        all => {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            return Err(Failure::new(format!(
                "{} holds {} policies, and a filter runs one",
                arguments.policy.display(),
                all.len()
            ))
            .help(format!("name one: {}", names.join(", "))));
        }
    };
    let files = files(one, arguments)?;
    if matches!(arguments.to, Target::Istio | Target::EnvoyGateway) {
        warn_of_size(&files, terminal);
    }
    if arguments.to == Target::EnvoyGateway {
        warn_of_null(&policy::to_json(&one.doc), terminal);
    }
    match &arguments.out {
        Some(directory) => write(directory, &files, terminal)?,
        None => terminal.print(&together(&files))?,
    }
    Ok(Exit::Fine)
}

/// An option that was given and says something of resources in a cluster.
fn of_clusters(arguments: &Arguments) -> Option<&'static str> {
    let given = [
        ("--name", arguments.name != "fieldgate"),
        ("--namespace", arguments.namespace.is_some()),
        ("--gateway", arguments.gateway.is_some()),
        ("--gateway-class", arguments.gateway_class.is_some()),
        ("--listener", arguments.listeners.iter().any(|name| name != "http")),
        ("--key-secret", arguments.key_secret != "fieldgate-key"),
    ];
    given.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
}

/// What kubectl's annotation of a client-side apply holds, and what etcd takes in one request by default, in bytes.
const ANNOTATION: usize = 256 << 10;
const OBJECT: usize = 1536 << 10;

fn warn_of_size(files: &[Rendered], terminal: Terminal) {
    for file in files {
        let size = file.text.len();
        if size > OBJECT {
            terminal.say(&format!("warning: {} has {size} bytes, and an API server takes about {OBJECT}\n", file.name));
        } else if size > ANNOTATION {
            terminal.say(&format!(
                "warning: {} has {size} bytes: `kubectl apply` takes it with `--server-side` only\n",
                file.name
            ));
        }
    }
}

/// In the resource the policy is a value, not a text, and there are those who leave out members that are null.
fn warn_of_null(json: &str, terminal: Terminal) {
    fn has_null(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Null => true,
            serde_json::Value::Array(elements) => elements.iter().any(has_null),
            serde_json::Value::Object(members) => members.values().any(has_null),
            _ => false,
        }
    }
    if serde_json::from_str(json).is_ok_and(|value| has_null(&value)) {
        terminal.say(
            "warning: the policy has `null` in it, as in `blank: null`. `kubectl apply` leaves that out without `--server-side`, and so \
             does Envoy Gateway of resources from files: the class's blank is then in its place, and the digest is another\n",
        );
    }
}

fn files(one: &Loaded, arguments: &Arguments) -> Result<Vec<Rendered>, Failure> {
    if arguments.wasm.chars().any(char::is_control) {
        return Err(Failure::new("`--wasm` holds a control character"));
    }
    let json = policy::to_json(&one.doc);
    let compact = envoy::printable(&compact(&json)?);
    let key = one.policy.key_variable();
    let (name, digest) = (&one.policy.name, &one.policy.digest);
    let filling =
        Filling { json, compact, wasm: &arguments.wasm, policy: name, digest, head: one.policy.head, key: &key };
    Ok(match arguments.to {
        Target::Json => vec![Rendered { name: "policy.json", text: filling.json }],
        Target::Envoy => vec![
            Rendered { name: "fieldgate.filter.yaml", text: envoy::filter(&filling) },
            Rendered { name: "fieldgate.telemetry.yaml", text: envoy::telemetry() },
        ],
        Target::Ecds => vec![
            Rendered { name: "fieldgate.filter.yaml", text: envoy::discovered_filter(&home(arguments)) },
            Rendered { name: "fieldgate.ecds.yaml", text: envoy::resource(&filling) },
            Rendered { name: "fieldgate.telemetry.yaml", text: envoy::telemetry() },
        ],
        Target::Istio if arguments.gateway_class.is_some() => {
            return Err(Failure::new("`--gateway-class` is for Envoy Gateway, and Istio has no patches for a class")
                .help("leave it out: `--gateway` names the proxies"));
        }
        Target::Istio => {
            let place = place(arguments, "istio-system", "ingressgateway")?;
            finds_callers(&one.policy)?;
            with_list(istio::files(&filling, &place))
        }
        Target::EnvoyGateway => {
            let place = place(arguments, "default", "eg")?;
            if let Code::File(path) = &place.code {
                return Err(Failure::new(format!(
                    "Envoy Gateway fetches the plugin from a registry or by HTTP, and `{path}` is neither"
                ))
                .help("write `--image oci://REGISTRY/fieldgate:VERSION`, or `--image https://HOST/fieldgate.wasm`"));
            }
            with_list(gateway::files(&filling, &place))
        }
    })
}

/// The folder in which Envoy finds the policy: the one that is written to, if its path says where that is on every machine.
fn home(arguments: &Arguments) -> String {
    let written = arguments.out.as_deref().filter(|path| path.is_absolute());
    written.map_or_else(|| envoy::HOME.to_owned(), load::slashes)
}

/// JSON without space between its tokens, members in their order.
fn compact(json: &str) -> Result<String, Failure> {
    let parsed: serde_json::Value =
        serde_json::from_str(json).map_err(|error| Failure::new(format!("the policy as JSON: {error}")))?;
    Ok(parsed.to_string())
}

/// The place in the cluster that the arguments name.
fn place<'a>(arguments: &'a Arguments, namespace: &'a str, gateway: &'a str) -> Result<Place<'a>, Failure> {
    let namespace = arguments.namespace.as_deref().unwrap_or(namespace);
    let gateway = arguments.gateway.as_deref().unwrap_or(gateway);
    let named = [
        ("--name", arguments.name.as_str()),
        ("--namespace", namespace),
        ("--gateway", gateway),
        ("--key-secret", &arguments.key_secret),
    ];
    let class = arguments.gateway_class.as_deref();
    let listeners = arguments.listeners.iter().map(|listener| ("--listener", listener.as_str()));
    let class_named = class.map(|class| ("--gateway-class", class));
    match named.into_iter().chain(listeners).chain(class_named).find(|(_, name)| !is_label(name)) {
        Some((option, name)) => Err(Failure::new(format!("`{option} {name}` is not a name that Kubernetes takes"))
            .help("a name is up to 50 of a-z, 0-9 and `-`, with a letter or digit at both ends (RFC 1123)")),
        None => Ok(Place {
            name: &arguments.name,
            namespace,
            gateway,
            class,
            listeners: &arguments.listeners,
            key_secret: &arguments.key_secret,
            code: code(arguments)?,
        }),
    }
}

/// Whether Kubernetes takes it as a name, and a suffix after it (RFC 1123 label).
fn is_label(name: &str) -> bool {
    let is_inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=50).contains(&name.len()) && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-')
}

fn code(arguments: &Arguments) -> Result<Code, Failure> {
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    let given = arguments.sha256.clone();
    let (code, digest) = if let Some(image) = arguments.wasm.strip_prefix("oci://") {
        // Both Envoy Gateway and Istio take a digest apart from the image's name.
        let (reference, own) = match image.split_once("@sha256:") {
            Some((reference, digest)) => (reference, Some(digest.to_owned())),
            None => (image, None),
        };
        if own.is_some() && given.is_some() {
            return Err(Failure::new("the image names a digest, and so does `--sha256`").help("leave one of them out"));
        }
        let digest = own.or(given);
        (Code::Image { reference: reference.to_owned(), digest: digest.clone() }, digest)
    } else if arguments.wasm.starts_with("https://") || arguments.wasm.starts_with("http://") {
        (Code::Url { url: arguments.wasm.clone(), digest: given.clone() }, given)
    } else if arguments.wasm.contains("://") {
        return Err(Failure::new(format!("`{}` is not a place that a plugin is fetched from", arguments.wasm))
            .help("write a path, `oci://REGISTRY/fieldgate:VERSION` or `https://HOST/fieldgate.wasm`"));
    } else {
        (Code::File(arguments.wasm.clone()), None)
    };
    match digest {
        Some(digest) if !is_digest(&digest) => Err(Failure::new(format!("`{digest}` is not a SHA-256"))
            .help("a SHA-256 is 64 of 0-9 and a-f: that of a file by `sha256sum`, that of an image by `crane digest --platform linux/amd64`")),
        _ => Ok(code),
    }
}

/// Istio leaves a token's claims under one key, whatever the policy says.
fn finds_callers(policy: &PolicySet) -> Result<(), Failure> {
    match &policy.identity {
        Identity::JwtAuthn { payloads, .. } if !payloads.iter().any(|one| one == ISTIO_PAYLOAD) => Err(Failure::new(format!(
            "the policy looks for a token's claims under `{}`, and Istio leaves them under `{ISTIO_PAYLOAD}`: it would find no caller",
            payloads.join("`, `"),
        ))
        .help(format!("write `payload: {ISTIO_PAYLOAD}` under `identity`, or a list with it"))),
        _ => Ok(()),
    }
}

/// The key of dynamic metadata under which istiod has jwt_authn leave claims.
const ISTIO_PAYLOAD: &str = "payload";

/// The resources, and the list that `kubectl apply -k` reads.
fn with_list(mut files: Vec<Rendered>) -> Vec<Rendered> {
    // A patch of something that is there already is no resource.
    let resources = files.iter().filter(|file| !file.name.ends_with(".patch.yaml"));
    let names: String = resources.map(|file| format!("  - {}\n", file.name)).collect();
    let text = format!(
        "\
# `kubectl apply --server-side -f DIRECTORY/NN-NAME.yaml` in this order; `kubectl apply --server-side -k DIRECTORY` is for later changes,
# when the gate stands already.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
{names}"
    );
    files.push(Rendered { name: "kustomization.yaml", text });
    files
}

/// Several files on standard output: as YAML documents, each with its name.
fn together(files: &[Rendered]) -> String {
    match files {
        [only] => only.text.clone(),
        all => all.iter().map(|file| format!("---\n# {}\n{}", file.name, file.text)).collect(),
    }
}

fn write(directory: &Path, files: &[Rendered], terminal: Terminal) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::io("make", directory, &error))?;
    for file in files {
        let path = directory.join(file.name);
        // Envoy watches for a rename, and must never read half a file.
        let beside = directory.join(format!(".{}.new", file.name));
        fs::write(&beside, &file.text).map_err(|error| Failure::io("write", &beside, &error))?;
        fs::rename(&beside, &path).map_err(|error| Failure::io("write", &path, &error))?;
        terminal.say(&format!("wrote {}\n", path.display()));
    }
    Ok(())
}
