//! What surrounds the policies that are checked: the files of a deployment.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fieldgate::diagnostic::{Diagnostics, Severity};
use fieldgate_workbench::deployment::{self, Inventory, Reviewed};

use crate::exit::Failure;
use crate::load;
use crate::report::{self, number};
use crate::terminal::{Ink, Terminal};

/// The files of a deployment.
pub(super) struct Surroundings {
    /// What was named: files and directories.
    named: Vec<String>,
    parts: Vec<Part>,
}

/// One of them.
struct Part {
    name: String,
    bytes: Vec<u8>,
    /// Whether it was found in a directory.
    is_found: bool,
}

impl Surroundings {
    /// Reads files, and the YAML and JSON files of directories.
    ///
    /// # Errors
    /// When one cannot be read, or a directory has none.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut parts: Vec<Part> = Vec::new();
        for path in paths {
            if path.is_dir() {
                parts.extend(below(path)?);
            } else {
                let bytes = std::fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
                parts.push(Part { name: load::slashes(path), bytes, is_found: false });
            }
        }
        // A file may be named, and be in a directory that is: then it is one that is named.
        let named: HashSet<String> = parts.iter().filter(|part| !part.is_found).map(|part| part.name.clone()).collect();
        let mut seen = HashSet::new();
        parts.retain(|part| !(part.is_found && named.contains(&part.name)) && seen.insert(part.name.clone()));
        Ok(Self { named: paths.iter().map(|path| load::slashes(path)).collect(), parts })
    }

    /// What they let past the plugin, and what there is of them.
    pub(super) fn check(&self, reviewed: &[Reviewed<'_>]) -> (Diagnostics, Inventory) {
        let files: Vec<deployment::File<'_>> = self
            .parts
            .iter()
            .map(|part| deployment::File { name: &part.name, bytes: &part.bytes, is_found: part.is_found })
            .collect();
        deployment::judged(&files, reviewed)
    }

    /// A line about them: how much was looked at, and what came of it.
    pub(super) fn summary(&self, found: &Diagnostics, inventory: Inventory, terminal: Terminal) -> String {
        let files = match self.parts.len() {
            1 => None,
            several => Some(number(several, "file")),
        };
        let parts = [(inventory.listeners, "listener"), (inventory.routes, "route"), (inventory.resources, "resource")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, thing)| number(count, thing));
        let parts: Vec<String> = files.into_iter().chain(parts).collect();
        let is_open = found.count(Severity::Error) > 0 || found.count(Severity::Warning) > 0;
        let verdict = if is_open {
            report::counted(std::slice::from_ref(found), terminal)
        } else if inventory.has_plugin {
            let notes = found.count(Severity::Note);
            let besides = if notes > 0 { format!("; {}", number(notes, "note")) } else { String::new() };
            terminal.paint(Ink::Good, "nothing found that lets a response past the plugin") + &besides
        } else {
            "the plugin is in none of it".to_owned()
        };
        let counted = if parts.is_empty() { String::new() } else { format!("{}: ", parts.join(", ")) };
        format!("{}: {counted}{verdict}", self.named.join(", "))
    }
}

/// The YAML and JSON files below a directory.
fn below(directory: &Path) -> Result<Vec<Part>, Failure> {
    let mut files = Vec::new();
    load::walk(directory, &mut files)?;
    files.retain(|file| load::may_be_configuration(&load::slashes(file)));
    if files.is_empty() {
        return Err(Failure::new(format!("no YAML or JSON file in {}", directory.display()))
            .help("name the file that Envoy reads, or the directory with the resources"));
    }
    let part = |file: PathBuf| {
        let bytes = load::read_found(directory, &file)?;
        Ok(Part { name: load::slashes(&file), bytes, is_found: true })
    };
    files.into_iter().map(part).collect()
}
