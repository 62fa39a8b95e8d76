//! The guides of `docs/gateways.md`: their commands, in a real Istio and a real Envoy Gateway, print what the page shows.
//! `UPDATE_GOLDENS=1` writes the page.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::cluster::Cluster;
use super::plane::Ground;
use super::site::Watch;
use super::{site, tools};

/// How long an answer may take to become the one on the page: what is applied gets to the proxy a moment later.
const SETTLES: Duration = Duration::from_secs(60);

const PAGE: &str = "docs/gateways.md";

/// What a guide is followed on: a cluster with a gateway.
pub(super) trait Guided: Ground {
    /// The heading below which the guide stands, up to the next one of a section.
    const HEADING: &'static str;

    /// What is there before the guide begins.
    fn before() -> Result<Self, String>;

    fn cluster(&self) -> &Cluster;

    /// Does after a command what a node does.
    fn after(&mut self, line: &str) -> Result<(), String>;

    /// Looks, while the plugin filters, at what the page does not show.
    fn look(&self) -> Result<(), String>;
}

/// Follows a guide while callers ask all the time, and compares.
pub(super) fn shows<G: Guided>() -> Result<(), String> {
    let page = read()?;
    let [_, text, _] = parts::<G>(&page)?;
    let mut ground = G::before()?;
    write_files(&ground, text)?;
    let watch = Watch::two(ground.token());
    let shown = followed(&mut ground, text).map_err(|fault| ground.told(&fault))?;
    let seen = watch.end();
    println!("{seen:?}");
    seen.closed().map_err(|fault| ground.told(&fault))?;
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        // Another guide may have been written since.
        let page = read()?;
        let [before, _, after] = parts::<G>(&page)?;
        let page = format!("{before}{}{shown}{after}", G::HEADING);
        return fs::write(fieldgate_testkit::root().join(PAGE), page).map_err(|error| error.to_string());
    }
    if shown == text { Ok(()) } else { Err(ground.told(&format!("run with UPDATE_GOLDENS=1: now it shows\n{shown}"))) }
}

fn read() -> Result<String, String> {
    fs::read_to_string(fieldgate_testkit::root().join(PAGE)).map_err(|error| error.to_string())
}

/// What comes before a guide's heading, the guide, and what comes after it.
fn parts<G: Guided>(page: &str) -> Result<[&str; 3], String> {
    let (before, rest) = page.split_once(G::HEADING).ok_or("the guide is gone")?;
    let end = rest.find("\n## ").ok_or("nothing comes after the guide")?;
    let (text, after) = rest.split_at(end);
    Ok([before, text, after])
}

/// Writes the files that a guide shows: their first line is a comment with the name.
fn write_files(ground: &impl Ground, text: &str) -> Result<(), String> {
    for block in text.split("\n```yaml\n").skip(1) {
        let (content, _) = block.split_once("\n```").ok_or("a block without an end")?;
        let name = content.lines().next().and_then(|line| line.strip_prefix("# ")).ok_or("a file without a name")?;
        let path = ground.scratch().path().join(name);
        fs::write(&path, format!("{content}\n")).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// The guide with what its commands print now.
fn followed(ground: &mut impl Guided, text: &str) -> Result<String, String> {
    let mut out = String::new();
    let (mut seen, mut is_looked_at) = (0, false);
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
            let command = &block[*start][2..];
            if takes_plugin_away(command) {
                ground.look()?;
                is_looked_at = true;
            }
            out.push_str(&format!("{}\n{}", block[*start], printed(ground, command, &expected)?));
            seen += 1;
        }
        out.push_str("```\n");
    }
    if seen >= 8 && is_looked_at { Ok(out) } else { Err("the guide has lost its commands".to_owned()) }
}

fn takes_plugin_away(command: &str) -> bool {
    command.starts_with("kubectl delete ") && command.contains("-fieldgate.yaml")
}

/// What a command prints, in the end.
fn printed(ground: &mut impl Guided, line: &str, expected: &str) -> Result<String, String> {
    let mut last = run(ground, line)?;
    if line.starts_with("curl ") {
        site::within(SETTLES, || {
            last = run(ground, line).unwrap_or_default();
            last == expected
        });
    }
    ground.after(line)?;
    Ok(last)
}

/// Runs a line of a guide, as somebody with the command, kubectl and a token.
fn run(ground: &impl Guided, line: &str) -> Result<String, String> {
    let own = Path::new(env!("CARGO_BIN_EXE_fieldgate")).parent().ok_or("no directory")?;
    let kubectl = tools::path("");
    let path = format!("{}:{}:{}", own.display(), kubectl.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    ground.cluster().reaches(&mut command);
    command.args(["-c", &format!("{line} 2>&1")]).current_dir(ground.scratch().path()).env("PATH", path);
    command.env("GATEWAY", site::GATEWAY.to_string()).env("TOKEN", ground.token());
    let output = command.output().map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
