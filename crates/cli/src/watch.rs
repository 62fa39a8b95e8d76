//! `--watch`: does the work again whenever a file below what is named changes.
//!
//! Files are looked at a few times a second. A crate that has the system tell would bring a licence that `deny.toml` does not
//! have, and sees nothing on shared folders of containers, where policies are often written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// How long after a look the next one follows: soon enough for whoever saves a file, and no load.
const PAUSE: Duration = Duration::from_millis(300);

/// Most files that are looked at.
const MOST: usize = 20_000;

/// When each file was changed, and how long it is.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Does the work once, and again after each change, until somebody ends it.
///
/// # Errors
/// What the first run says. Later ones are shown, and the next change is waited for.
pub(crate) fn over(
    paths: &[PathBuf],
    terminal: Terminal,
    work: impl Fn() -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let mut seen = look(paths);
    work()?;
    loop {
        terminal.say("Waiting for a change; Ctrl-C ends.\n");
        let now = loop {
            std::thread::sleep(PAUSE);
            let now = look(paths);
            if now != seen {
                break now;
            }
        };
        let changed = now.iter().find(|(path, how)| seen.get(*path) != Some(how)).map(|(path, _)| path);
        let gone = seen.keys().find(|path| !now.contains_key(*path));
        if let Some(path) = changed.or(gone) {
            terminal.say(&format!("\n{} changed.\n", super::load::slashes(path)));
        }
        seen = now;
        if let Err(failure) = work() {
            terminal.fail(&failure);
        }
    }
}

fn look(paths: &[PathBuf]) -> Seen {
    let mut seen = Seen::new();
    // What is named is looked at, whatever its name and however many files are beside it.
    for path in paths {
        see(path, &mut seen);
    }
    for path in paths {
        // What a policy includes, and what a suite names, is usually beside it.
        let beside = path
            .parent()
            .filter(|_| path.is_file())
            .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        add(beside.unwrap_or(path), &mut seen);
    }
    seen
}

/// Looks at one file, or at what a link leads to.
fn see(path: &Path, seen: &mut Seen) {
    if let Ok(about) = fs::metadata(path)
        && about.is_file()
    {
        seen.insert(path.to_owned(), (about.modified().ok(), about.len()));
    }
}

fn add(folder: &Path, seen: &mut Seen) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || entry.file_name() == "target" || seen.len() >= MOST {
            continue;
        }
        if kind.is_dir() {
            add(&path, seen);
        } else {
            see(&path, seen);
        }
    }
}
