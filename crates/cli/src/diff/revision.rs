//! The policies of a git revision, read from its objects: nothing is checked out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::Failure;
use crate::load::{self, Found, Loaded};
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
    let mut found = Found::default();
    if files.contains_key(&relative) {
        found.roots.push(relative);
    } else {
        // What a directory on the disk is looked through for: nothing hidden, whatever may be a policy.
        let below = |name: &str| {
            let rest = if relative.is_empty() { Some(name) } else { name.strip_prefix(&format!("{relative}/")) };
            rest.is_some_and(|rest| !rest.split('/').any(|part| part.starts_with('.')))
        };
        for (name, text) in files.iter().filter(|(name, _)| below(name) && load::may_be_policy(name)) {
            found.add(name.clone(), text.as_bytes());
        }
    }
    if found.roots.is_empty() && found.broken.is_empty() {
        return Err(Failure::new(format!("no policy in {} at {revision}", path.display())));
    }
    load::all_valid(&files, &found, terminal)
}

/// The YAML and JSON files of the revision that the policies at `place` may be made of: a policy includes what lies beside or below it.
fn files(top: &Path, revision: &str, place: &str) -> Result<BTreeMap<String, String>, Failure> {
    let directory = if place.ends_with(".yaml") || place.ends_with(".yml") || place.ends_with(".json") {
        place.rsplit_once('/').map_or("", |(directory, _)| directory)
    } else {
        place
    };
    // The revision goes in as one argument and the path behind `--`: neither can be taken for an option.
    let commit = git(top, &["rev-parse", "--verify", "--end-of-options", &format!("{revision}^{{commit}}")], revision)?;
    let commit = String::from_utf8_lossy(&commit).trim_end().to_owned();
    let mut list = vec!["ls-tree", "-r", "-l", "-z", "--full-tree", commit.as_str()];
    if !directory.is_empty() {
        list.extend(["--", directory]);
    }
    let listed = git(top, &list, revision)?;
    let mut files = BTreeMap::new();
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // Mode, kind, object and size, a tab, and the name.
        let line = String::from_utf8_lossy(line);
        let Some((about, name)) = line.split_once('\t') else { continue };
        let size = about.split_whitespace().last().and_then(|size| size.parse().ok()).unwrap_or(0);
        if name == place || (load::may_be_configuration(name) && !load::is_data(name, size)) {
            let blob = git(top, &["cat-file", "blob", &format!("{commit}:{name}")], revision)?;
            files.insert(name.to_owned(), String::from_utf8_lossy(&blob).into_owned());
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
