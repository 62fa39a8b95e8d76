//! `fieldgate studio`: the page in which a policy is written, and what callers get is seen while it is.
//!
//! The page is made by `make studio`, with npm and a compiler for the browser, which not everybody who builds the command has. So
//! a release holds it (the feature `studio`), and a build of the repository takes the one that lies in its `target/`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fieldgate::document::{Node, disk, yaml};
use fieldgate::policy::{self, Disk, Files};
use fieldgate_workbench::suite;
use serde_json::{Map, Value, json};

use super::exit::{Exit, Failure};
use super::load;
use super::terminal::Terminal;

/// Write the studio: one offline page with an editor in which you see what each caller gets while you type
///
/// `fieldgate studio policies/telco.yaml --open`. The page is whole in itself, asks no network, and sends nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policy to begin with: a file, or a directory with one [default: the example of the project]
    #[arg(value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// Where to write the page; `-` for standard output
    #[arg(long, short, value_name = "FILE", default_value = "studio.html")]
    output: PathBuf,
    /// Open it in the browser
    #[arg(long)]
    open: bool,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let page = page()?;
    let text = match &arguments.policy {
        None => page.into_owned(),
        Some(policy) => with(&page, &given(policy)?)?,
    };
    if arguments.output == Path::new("-") {
        if arguments.open {
            return Err(Failure::new("`--open` opens a file, and the page goes to standard output")
                .help("name a file with `--output`"));
        }
        terminal.print(&text)?;
        return Ok(Exit::Fine);
    }
    fs::write(&arguments.output, text).map_err(|error| Failure::io("write", &arguments.output, &error))?;
    terminal.say(&format!("{}: open it in a browser; it needs no network\n", arguments.output.display()));
    if arguments.open {
        open(&arguments.output)?;
    }
    Ok(Exit::Fine)
}

/// The page as it was built.
#[cfg(feature = "studio")]
fn page() -> Result<Cow<'static, str>, Failure> {
    Ok(Cow::Borrowed(include_str!("../../../target/page/studio.html")))
}

/// The page as it was built: beside this program's own directory, in `target/`.
#[cfg(not(feature = "studio"))]
fn page() -> Result<Cow<'static, str>, Failure> {
    let program =
        std::env::current_exe().map_err(|error| Failure::new(format!("cannot find this program: {error}")))?;
    let place = program.ancestors().nth(2).map(|target| target.join("page/studio.html"));
    place.and_then(|place| fs::read_to_string(place).ok()).map(Cow::Owned).ok_or_else(|| {
        Failure::new("this build of the command has no studio in it")
            .help("in the repository, `make studio` makes it (with npm); the command of a release has it")
    })
}

/// What stands around the data that the page begins with.
const DATA: (&str, &str) = ("<script type=\"application/json\" id=\"given\">", "</script>");

/// The page with other data to begin with.
fn with(page: &str, data: &Value) -> Result<String, Failure> {
    let parts = page.split_once(DATA.0).and_then(|(before, rest)| Some((before, rest.split_once(DATA.1)?.1)));
    let (before, after) =
        parts.ok_or_else(|| Failure::new("the studio in this build is not whole").help("`make studio`"))?;
    // `<` would let a policy's text end the script element; JSON has another spelling for it (RFC 8259 §7).
    let data = data.to_string().replace('<', "\\u003c");
    Ok([before, DATA.0, &data, DATA.1, after].concat())
}

/// The disk, and what was read of it.
#[derive(Default)]
struct Kept(RefCell<BTreeMap<String, String>>);

impl Kept {
    fn keep(&self, path: &str, bytes: Vec<u8>) -> Vec<u8> {
        self.0.borrow_mut().insert(path.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        bytes
    }
}

impl Files for Kept {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        Disk.read(path).map(|bytes| self.keep(path, bytes))
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        Disk.read_named(directory, path).map(|bytes| self.keep(path, bytes))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        Disk.list(directory)
    }
}

/// What the page begins with: the policy's files, whether they check or not, and the suites beside it. Names are those below the
/// policy's own directory: a link that is shared tells nothing of this machine.
fn given(path: &Path) -> Result<Value, Failure> {
    let found = load::find(&[path.to_path_buf()])?;
    let root = match found.roots.as_slice() {
        [one] => one,
        [] => found.others.iter().chain(&found.broken).next().ok_or_else(|| load::missing(path))?,
        several => {
            return Err(Failure::new(format!(
                "{} holds {} policies, and the studio is for one",
                path.display(),
                several.len()
            ))
            .help(format!("name one: {}", several.join(", "))));
        }
    };
    let read = Kept::default();
    // What is wrong with it is for the page to say.
    drop(policy::load(&read, root));
    let files = read.0.into_inner();
    if files.is_empty() {
        return Err(Failure::new(format!("cannot read {root}")));
    }
    let folder = Path::new(root).parent().unwrap_or_else(|| Path::new(""));
    let below = |name: &str| Path::new(name).strip_prefix(folder).map_or_else(|_| name.to_owned(), load::slashes);
    let files: Map<String, Value> = files.into_iter().map(|(name, text)| (below(&name), text.into())).collect();
    Ok(json!({"files": files, "root": below(root), "suites": suites(folder, Path::new(root))}))
}

/// The suites of the policy's directory that are of it, each with the bodies that it names.
fn suites(folder: &Path, root: &Path) -> Vec<Value> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(here).into_iter().flatten().flatten();
    let names: BTreeSet<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let is_of_it =
        |named: &Path| fs::canonicalize(named).ok().is_some_and(|named| fs::canonicalize(root).ok() == Some(named));
    let of = |name: &String| {
        let path = folder.join(name);
        let suite = suite::load(&path).ok().filter(|suite| is_of_it(&suite.policy))?;
        let text = suite.sources.get(suite.policy_span.file)?.text.to_string();
        let bodies: Map<String, Value> = bodies(&text)
            .into_iter()
            .filter_map(|body| {
                let bytes = disk::read_below(&[here], &folder.join(&body), MOST_BODY).ok()?;
                Some((body, String::from_utf8(bytes).ok()?.into()))
            })
            .collect();
        Some(json!({"name": name, "text": text, "bodies": bodies}))
    };
    names.iter().filter(|name| load::is_suite(name)).filter_map(of).collect()
}

/// Largest body of a suite that goes into the page, in bytes.
const MOST_BODY: usize = 1 << 20;

/// The files that a suite's rows name as bodies.
fn bodies(text: &str) -> BTreeSet<String> {
    fn of(node: &Node, found: &mut BTreeSet<String>) {
        found.extend(node.get("response").and_then(|response| response.get("body")?.text().map(str::to_owned)));
        for step in node.get("sequence").and_then(Node::elements).into_iter().flatten() {
            of(step, found);
        }
    }
    let mut found = BTreeSet::new();
    if let Some(root) = yaml::read(text, 0, &mut Vec::new()) {
        root.get("tests").and_then(Node::elements).into_iter().flatten().for_each(|row| of(row, &mut found));
    }
    found
}

/// Opens a file with what the system opens pages with.
fn open(file: &Path) -> Result<(), Failure> {
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let started =
        Command::new(program).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    started.map(drop).map_err(|error| {
        Failure::new(format!("cannot start {program}: {error}")).help(format!("open {} in a browser", file.display()))
    })
}
