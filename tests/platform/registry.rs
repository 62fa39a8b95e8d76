//! A registry of a row's own network, with the plugin's image in it.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fieldgate_testkit::envoy::{Scratch, Tools};

use super::{site, tools};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is behind the version in that of an image that is not there.
const LATER: &str = "-later";

/// A registry's name, as images have it, and where it listens.
type Name = (&'static str, &'static str);

/// A registry by its address.
pub(super) const LOOPBACK: Name = ("127.0.0.1:5055", "127.0.0.1:5055");

/// A registry by a name, which a row's own table of hosts must have.
pub(super) const NAMED: Name = ("registry.example:5000", "127.0.0.1:5000");

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
    pub(super) fn start(scratch: &Scratch, (name, address): Name) -> Result<Self, String> {
        tools::up()?;
        let layout = scratch.path().join("image").to_string_lossy().into_owned();
        let wasm = Tools::find()?.wasm;
        tools::run(
            with_tools("bash")
                .arg(fieldgate_testkit::root().join("scripts/image.sh"))
                .arg(&wasm)
                .args([VERSION, &layout]),
        )?;
        let server = with_tools("sh")
            .args(["-c", &format!("exec crane registry serve --address {address}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let place = format!("{name}/fieldgate:{VERSION}");
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

    /// Lets it be asked by HTTPS, too, as Envoy Gateway asks every registry of a name; its certificate is in `registry.crt`.
    pub(super) fn over_tls(&self, home: &Path, envoy: &Path) -> Result<(), String> {
        let path = |name: &str| home.join(name).to_string_lossy().into_owned();
        let (key, certificate) = (path("registry.key"), path("registry.crt"));
        let mut made = Command::new("openssl");
        made.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ]);
        made.args(["-subj", "/CN=registry.example", "-addext", "subjectAltName=DNS:registry.example"]);
        tools::run(made.args(["-keyout", &key, "-out", &certificate]))?;
        let text = tools::own("envoy-gateway/registry.yaml")?.replace("${DIR}", &home.to_string_lossy());
        fs::write(path("registry.yaml"), text).map_err(|error| error.to_string())?;
        let mut front = Command::new(envoy);
        front.args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
            "-c",
            &path("registry.yaml"),
        ]);
        // The end of the namespace takes it along.
        tools::spawn(&mut front, &home.join("registry.log"))?;
        if site::within(site::PATIENCE, || TcpStream::connect((Ipv4Addr::LOCALHOST, 443)).is_ok()) {
            Ok(())
        } else {
            Err(fs::read_to_string(home.join("registry.log")).unwrap_or_default())
        }
    }

    /// The image by its digest, as `--image` has it.
    pub(super) fn image(&self) -> String {
        format!("oci://{}@{}", self.place, self.digest)
    }

    /// A version that is not there.
    pub(super) fn missing(&self) -> String {
        format!("oci://{}{LATER}", self.place)
    }

    /// Puts that version there.
    pub(super) fn supply(&self) -> Result<(), String> {
        let tag = format!("crane tag --insecure {} {VERSION}{LATER}", self.place);
        tools::run(with_tools("sh").args(["-c", &tag])).map(drop)
    }

    /// That place with the digest of something else.
    pub(super) fn other(&self) -> String {
        format!("oci://{}@sha256:{}", self.place, "0".repeat(64))
    }
}

/// A program that finds what makes and reads images.
fn with_tools(program: &str) -> Command {
    let tools = fieldgate_testkit::root().join(".tools/bin");
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:{}", std::env::var("PATH").unwrap_or_default(), tools.display()));
    command
}
