//! The policies of a git revision, read from its objects: nothing is checked out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use fieldgate::policy::FileKind;

use crate::exit::Failure;
use crate::load::{self, Loaded};
use crate::terminal::Terminal;

/// Loads what `revision` has in the place of `path`.
pub(super) fn load(revision: &str, path: &Path, terminal: Terminal) -> Result<Vec<Loaded>, Failure> {
    if revision.is_empty() || revision.starts_with('-') || revision.contains(':') {
        return Err(Failure::new(format!("`git:{revision}` names no revision"))
            .help("write `git:main`, `git:HEAD~1` or `git:v1.2`"));
    }
    let start = existing(path);
    let top = git(&start, &["rev-parse", "--show-toplevel"], revision)?;
    let top = PathBuf::from(String::from_utf8_lossy(&top).trim_end());
    let top = fs::canonicalize(&top).map_err(|error| Failure::io("read", &top, &error))?;
    let place = absolute(path, &start)?;
    let relative = place
        .strip_prefix(&top)
        .map_err(|_| Failure::new(format!("{} is not in the git repository {}", path.display(), top.display())))?;
    let relative = if relative.as_os_str().is_empty() { String::new() } else { load::slashes(relative) };
    let files = files(&top, revision, &relative)?;
    let roots: Vec<String> = if files.contains_key(&relative) {
        vec![relative]
    } else {
        let below = |name: &&String| {
            relative.is_empty() || name.strip_prefix(&relative).is_some_and(|rest| rest.starts_with('/'))
        };
        files
            .iter()
            .filter(|(name, text)| {
                below(name) && load::may_be_policy(name) && FileKind::of(name, text.as_bytes()) == FileKind::Policy
            })
            .map(|(name, _)| name.clone())
            .collect()
    };
    if roots.is_empty() {
        return Err(Failure::new(format!("no policy in {} at {revision}", path.display())));
    }
    load::all_valid(&files, &roots, terminal)
}

/// The YAML files of the revision that the policies at `place` may be made of: a policy includes what lies beside or below it.
fn files(top: &Path, revision: &str, place: &str) -> Result<BTreeMap<String, String>, Failure> {
    let directory = if place.ends_with(".yaml") || place.ends_with(".yml") || place.ends_with(".json") {
        place.rsplit_once('/').map_or("", |(directory, _)| directory)
    } else {
        place
    };
    // The revision goes in as one argument and the path behind `--`: neither can be taken for an option.
    let commit = git(top, &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")], revision)?;
    let commit = String::from_utf8_lossy(&commit).trim_end().to_owned();
    let mut list = vec!["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit.as_str()];
    if !directory.is_empty() {
        list.extend(["--", directory]);
    }
    let names = git(top, &list, revision)?;
    let mut files = BTreeMap::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        if name.ends_with(".yaml") || name.ends_with(".yml") || name == place {
            let blob = git(top, &["cat-file", "blob", &format!("{commit}:{name}")], revision)?;
            files.insert(name, String::from_utf8_lossy(&blob).into_owned());
        }
    }
    Ok(files)
}

/// The nearest directory that exists: what is compared may be gone from the working tree.
fn existing(path: &Path) -> PathBuf {
    let here = || PathBuf::from(".");
    path.ancestors().find(|place| place.is_dir()).map_or_else(here, Path::to_path_buf)
}

fn absolute(path: &Path, start: &Path) -> Result<PathBuf, Failure> {
    let mut place = fs::canonicalize(start).map_err(|error| Failure::io("read", start, &error))?;
    let rest = if start == Path::new(".") { path } else { path.strip_prefix(start).unwrap_or(Path::new("")) };
    for part in rest.components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::ParentDir => {
                place.pop();
            }
            _ => {}
        }
    }
    Ok(place)
}

fn git(directory: &Path, arguments: &[&str], revision: &str) -> Result<Vec<u8>, Failure> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("cannot run git, which `git:{revision}` needs: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("").trim_start_matches("fatal: ").to_owned();
    Err(Failure::new(format!("git cannot give `{revision}`: {said}"))
        .help("in CI, fetch the revision first: actions/checkout with `fetch-depth: 0`"))
}
