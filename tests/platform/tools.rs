//! The programs that `scripts/platform.sh` got.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use fieldgate_testkit::envoy::Scratch;

/// Where a program, or what came with one, is.
pub(super) fn path(name: &str) -> PathBuf {
    fieldgate_testkit::root().join(".tools/platform/current").join(name)
}

/// The first of the programs that is not there.
pub(super) fn missing(names: &[&'static str]) -> Option<&'static str> {
    names.iter().find(|name| !path(name).exists()).copied()
}

/// Runs a program to its end; what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(printed)
    } else {
        Err(format!("{command:?}\n{printed}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Starts a program that prints into a file.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Child, String> {
    let told = |error| format!("{}: {error}", command.get_program().to_string_lossy());
    let file = File::options().create(true).append(true).open(log).map_err(told)?;
    let errors = file.try_clone().map_err(told)?;
    command.stdout(file).stderr(errors).spawn().map_err(|error| format!("{command:?}: {error}"))
}

/// A directory that goes with its owner.
pub(super) fn scratch() -> Result<Scratch, String> {
    Scratch::new().map_err(|error| error.to_string())
}

/// A file beside the rows.
pub(super) fn own(name: &str) -> Result<String, String> {
    let path = fieldgate_testkit::root().join("tests/platform").join(name);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Gives a row, whose mounts are its own, names that are this host.
pub(super) fn hosts(home: &Path, names: &str) -> Result<(), String> {
    let hosts = home.join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost {names}\n")).map_err(|error| error.to_string())?;
    run(Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts")).map(drop)
}

/// The network of a new namespace is down.
pub(super) fn up() -> Result<(), String> {
    run(Command::new("ip").args(["link", "set", "lo", "up"])).map(drop)
}
