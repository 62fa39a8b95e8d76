//! The programs that `scripts/platform.sh` got.

use std::path::PathBuf;
use std::process::Command;

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

/// The network of a new namespace is down.
pub(super) fn up() -> Result<(), String> {
    run(Command::new("ip").args(["link", "set", "lo", "up"])).map(drop)
}
