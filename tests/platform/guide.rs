//! The guide of `docs/gateways.md`: its commands, in a real Istio, print what the page shows. `UPDATE_GOLDENS=1` writes the page.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Row;
use super::mesh::Mesh;
use super::plane::Plane as _;
use super::site;

pub(super) const ALL: &[Row] = &[("Istio: the guide of docs/gateways.md shows what its commands print", guide)];

/// The heading below which the guide stands, up to the next one.
const HEADING: &str = "\n### Istio, from nothing to a filtered answer\n";

/// How long an answer may take to become the one on the page: what is applied gets to the proxy a moment later.
const SETTLES: Duration = Duration::from_secs(60);

fn guide() -> Result<(), String> {
    let path = fieldgate_testkit::root().join("docs/gateways.md");
    let page = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let (before, rest) = page.split_once(HEADING).ok_or("the guide is gone")?;
    let end = rest.find("\n## ").ok_or("nothing comes after the guide")?;
    let (text, after) = rest.split_at(end);
    let mut mesh = Mesh::without_plugin()?;
    mesh.apply_route()?;
    let policy = text.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).ok_or("no policy")?.0;
    fs::write(mesh.scratch().path().join("accounts.yaml"), policy).map_err(|error| error.to_string())?;
    let shown = followed(&mut mesh, text)?;
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        return fs::write(&path, format!("{before}{HEADING}{shown}{after}")).map_err(|error| error.to_string());
    }
    if shown == text { Ok(()) } else { Err(mesh.told(&format!("run with UPDATE_GOLDENS=1: now it shows\n{shown}"))) }
}

/// The guide with what its commands print now.
fn followed(mesh: &mut Mesh, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut seen = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(&format!("{line}\n"));
        if line != "```console" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let starts: Vec<usize> = (0..block.len()).filter(|at| block[*at].starts_with("$ ")).collect();
        for (nth, start) in starts.iter().enumerate() {
            let end = starts.get(nth + 1).copied().unwrap_or(block.len());
            let expected: String = block[start + 1..end].iter().map(|line| format!("{line}\n")).collect();
            out.push_str(&format!("{}\n{}", block[*start], printed(mesh, &block[*start][2..], &expected)?));
            seen += 1;
        }
        out.push_str("```\n");
    }
    if seen >= 8 { Ok(out) } else { Err("the guide has lost its commands".to_owned()) }
}

/// What a command prints, in the end.
fn printed(mesh: &mut Mesh, line: &str, expected: &str) -> Result<String, String> {
    let mut last = run(mesh, line)?;
    if line.starts_with("curl ") {
        site::within(SETTLES, || {
            last = run(mesh, line).unwrap_or_default();
            last == expected
        });
    }
    // What a node does when a Deployment changes.
    if line.contains(" patch deployment ") {
        mesh.restart()?;
    }
    Ok(last)
}

/// Runs a line of the guide, as somebody with the command, kubectl and a token.
fn run(mesh: &Mesh, line: &str) -> Result<String, String> {
    let own = Path::new(env!("CARGO_BIN_EXE_fieldgate")).parent().ok_or("no directory")?;
    let tools = fieldgate_testkit::root().join(".tools/platform/current");
    let path = format!("{}:{}:{}", own.display(), tools.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    mesh.cluster.reaches(&mut command);
    command.args(["-c", &format!("{line} 2>&1")]).current_dir(mesh.scratch().path()).env("PATH", path);
    command.env("GATEWAY", site::GATEWAY.to_string()).env("TOKEN", mesh.token());
    let output = command.output().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
