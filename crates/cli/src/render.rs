//! `fieldgate render`: a policy that checks as ready configuration, fail-closed only.

mod envoy;

use std::fs;
use std::path::{Path, PathBuf};

use fieldgate::policy::{self, model::HeadMode};

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
    /// Where the plugin is: a path on the machine that runs Envoy, or a URL for Istio and Envoy Gateway
    #[arg(long, value_name = "PATH", default_value = "/etc/fieldgate/fieldgate.wasm")]
    wasm: String,
    /// Write files into this directory instead of standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// The HTTP filter, for a listener in a bootstrap or from a control plane
    Envoy,
    /// The HTTP filter and its configuration as a file of its own, which Envoy reloads when it changes
    Ecds,
    /// An EnvoyFilter, or a WasmPlugin for `head: released`
    Istio,
    /// An EnvoyExtensionPolicy; for `head: released`
    EnvoyGateway,
    /// The policy as one JSON document, includes resolved: the plugin's configuration
    Json,
}

/// A file to write.
struct Rendered {
    name: &'static str,
    text: String,
}

/// What the templates are filled with.
struct Filling<'a> {
    /// The policy's JSON document.
    json: String,
    /// Where the plugin is.
    wasm: &'a str,
    /// The policy's name.
    policy: &'a str,
    head: HeadMode,
    /// The environment variable that holds the policy's key.
    key: &'a str,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
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
    match &arguments.out {
        Some(directory) => write(directory, &files, terminal)?,
        None => terminal.print(&together(&files))?,
    }
    Ok(Exit::Fine)
}

fn files(one: &Loaded, arguments: &Arguments) -> Result<Vec<Rendered>, Failure> {
    if arguments.wasm.chars().any(char::is_control) {
        return Err(Failure::new("`--wasm` holds a control character"));
    }
    let json = policy::to_json(&one.doc);
    let key = one.policy.key_variable();
    let filling = Filling { json, wasm: &arguments.wasm, policy: &one.policy.name, head: one.policy.head, key: &key };
    Ok(match arguments.to {
        Target::Json => vec![Rendered { name: "policy.json", text: filling.json }],
        Target::Envoy => vec![Rendered { name: "fieldgate.filter.yaml", text: envoy::filter(&filling) }],
        Target::Ecds => vec![
            Rendered { name: "fieldgate.filter.yaml", text: envoy::discovered_filter() },
            Rendered { name: "fieldgate.ecds.yaml", text: envoy::resource(&filling) },
        ],
        Target::Istio => vec![
            Rendered { name: "fieldgate-gate.yaml", text: envoy::istio_gate() },
            match filling.head {
                HeadMode::Held => Rendered { name: "envoyfilter.yaml", text: envoy::istio_filter(&filling) },
                HeadMode::Released => Rendered { name: "wasmplugin.yaml", text: envoy::istio_plugin(&filling) },
            },
        ],
        Target::EnvoyGateway => match filling.head {
            HeadMode::Released => {
                let source = envoy::source(filling.wasm).ok_or_else(|| {
                    Failure::new(format!(
                        "Envoy Gateway fetches the plugin from a registry or by HTTP, and `{}` is neither",
                        filling.wasm
                    ))
                    .help("write `--wasm oci://REGISTRY/fieldgate:VERSION`, or `--wasm https://HOST/fieldgate.wasm`")
                })?;
                vec![
                    Rendered { name: "fieldgate-gate.yaml", text: envoy::gateway_gate() },
                    Rendered { name: "envoyextensionpolicy.yaml", text: envoy::gateway(&filling, &source) },
                ]
            }
            HeadMode::Held => {
                return Err(Failure::new("this policy holds the response head (`head: held`, the default), and Envoy Gateway cannot let it")
                    .help("write `head: released` in the policy: a refusal after the head is then a reset; or configure Envoy itself (--to envoy)"));
            }
        },
    })
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
