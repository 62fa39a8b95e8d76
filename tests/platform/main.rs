//! Gateways as their own projects make them: what `fieldgate render` writes, in a real Envoy Gateway and a real Istio with a real
//! Envoy, and before istioctl, egctl and a Kubernetes API.
//!
//! Gateways take routes into service before the filters that guard them, or without, so the rows ask all the while that resources
//! come, change and go: no answer may hold what the policy withholds. Rows that say *without the gate* show that there is something
//! to close. Each runs in namespaces of its own for network, processes and mounts, since gateways listen on fixed ports.
//!
//! `make platform` gets what they need, and sets `FIELDGATE_PLATFORM`; without it they are ignored. With it rows are ignored whose
//! programs are not there, and say which.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test's own fault should stop the test"
)]

mod cluster;
mod gateway;
mod gateway_rows;
mod guide;
mod installed;
mod mesh;
mod mesh_rows;
mod plane;
mod pod;
mod registry;
mod rendered;
mod rows;
mod site;
mod strict;
mod told;
mod tools;

use std::process::{Command, ExitCode};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

/// A claim, and what shows it.
type Row = (&'static str, fn() -> Result<(), String>);

/// The rows, and the programs that they need.
const ALL: [(&[Row], &[&[&str]]); 6] = [
    (gateway_rows::ALL, &[&["envoy-gateway"]]),
    (gateway_rows::ON_KUBERNETES, &[cluster::NEEDS, installed::NEEDS]),
    (mesh_rows::ALL, &[cluster::NEEDS, mesh::NEEDS]),
    (strict::API, &[cluster::NEEDS, strict::API_NEEDS]),
    (strict::EGCTL, &[&["egctl"]]),
    (strict::ISTIOCTL, &[&["istioctl"]]),
];

/// Set for the process that runs one row, in its namespaces.
const ROW: &str = "FIELDGATE_PLATFORM_ROW";

fn main() -> ExitCode {
    if let Ok(claim) = std::env::var(ROW) {
        let Some((_, row)) = ALL.iter().flat_map(|(rows, _)| *rows).find(|(own, _)| *own == claim) else {
            eprintln!("no row `{claim}`");
            return ExitCode::FAILURE;
        };
        return match row() {
            Ok(()) => ExitCode::SUCCESS,
            Err(fault) => {
                eprintln!("{fault}");
                ExitCode::FAILURE
            }
        };
    }
    let is_on = std::env::var_os("FIELDGATE_PLATFORM").is_some();
    let no_namespaces = (is_on && !can_be_alone()).then_some("namespaces");
    let trials = ALL.iter().flat_map(|(rows, needs)| {
        let missing = is_on.then(|| no_namespaces.or_else(|| tools::missing(&needs.concat()))).flatten();
        rows.iter().map(move |(claim, _)| {
            let trial = Trial::test(*claim, move || alone(claim).map_err(Failed::from));
            let trial = trial.with_ignored_flag(!is_on || missing.is_some());
            match missing {
                Some(missing) => trial.with_kind(format!("skipped: no {missing}")),
                None => trial,
            }
        })
    });
    let mut arguments = Arguments::from_args();
    // Two at once: most are a control plane and an Envoy.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// What gives a command namespaces of its own; who is not root has them in a user namespace.
fn unshare() -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let mut command = Command::new("unshare");
    command.args([if is_root { "-nmpf" } else { "-Urnmpf" }, "--kill-child", "--mount-proc"]);
    command
}

/// Whether this machine lets a row have namespaces of its own.
fn can_be_alone() -> bool {
    unshare().args(["ip", "link", "set", "lo", "up"]).output().is_ok_and(|output| output.status.success())
}

/// Runs a row in namespaces of its own.
fn alone(claim: &str) -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let start = Instant::now();
    let run = unshare().arg(own).env(ROW, claim).output().map_err(|error| format!("unshare: {error}"))?;
    print!("{}", String::from_utf8_lossy(&run.stdout));
    println!("{} s: {claim}", start.elapsed().as_secs());
    if run.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&run.stderr).into_owned()) }
}
