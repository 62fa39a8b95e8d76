//! A registry of a row's own network, with the plugin's image in it.

use std::process::{Child, Command, Stdio};

use fieldgate_testkit::envoy::{Scratch, Tools};

use super::{site, tools};

const ADDRESS: &str = "127.0.0.1:5055";
const VERSION: &str = "0.0.0-test";

/// A running registry. The end of the namespace takes it along.
pub(super) struct Registry {
    _server: Child,
    /// The image's place, without a scheme.
    pub(super) place: String,
    /// What Envoy Gateway asks for: that of the manifest for its own platform.
    pub(super) digest: String,
}

impl Registry {
    /// Makes the plugin's image, and serves it.
    pub(super) fn start(scratch: &Scratch) -> Result<Self, String> {
        let layout = scratch.path().join("image").to_string_lossy().into_owned();
        let wasm = Tools::find()?.wasm;
        let root = fieldgate_testkit::root();
        let path = format!("{}:{}", std::env::var("PATH").unwrap_or_default(), root.join(".tools/bin").display());
        let with_tools = |program: &str| {
            let mut command = Command::new(program);
            command.env("PATH", &path);
            command
        };
        tools::run(with_tools("bash").arg(root.join("scripts/image.sh")).arg(&wasm).args([VERSION, &layout]))?;
        let server = with_tools("sh")
            .args(["-c", &format!("exec crane registry serve --address {ADDRESS}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let place = format!("{ADDRESS}/fieldgate:{VERSION}");
        let from =
            format!("oras copy --no-tty --recursive --from-oci-layout {layout}:{VERSION} --to-plain-http {place}");
        let mut last = String::new();
        let is_there = site::within(site::PATIENCE, || {
            let pushed = tools::run(with_tools("sh").args(["-c", &from]));
            last = pushed.as_ref().err().cloned().unwrap_or_default();
            pushed.is_ok()
        });
        if !is_there {
            return Err(last);
        }
        let asked = format!("crane digest --insecure --platform linux/amd64 {place}");
        let digest = tools::run(with_tools("sh").args(["-c", &asked]))?.trim().to_owned();
        println!("{place} {digest}");
        Ok(Self { _server: server, place, digest })
    }

    /// The image by its digest, as `--image` has it.
    pub(super) fn image(&self) -> String {
        format!("oci://{}@{}", self.place, self.digest)
    }

    /// That place with the digest of something else.
    pub(super) fn other(&self) -> String {
        format!("oci://{}@sha256:{}", self.place, "0".repeat(64))
    }
}
