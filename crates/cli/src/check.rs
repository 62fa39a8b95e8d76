//! `fieldgate check`: every diagnostic of every policy, and of what surrounds it, in one run.

mod description;
mod surroundings;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fieldgate::diagnostic::{Diagnostics, Severity, fix};
use fieldgate::model::{PolicySet, Route, RouteBody};
use fieldgate::policy::{self, Disk, Files as _, PolicyDoc};
use fieldgate_workbench::deployment::Reviewed;

use self::description::Description;
use self::surroundings::Surroundings;
use super::change;
use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::report::{self, ReportFormat, number, number_of};
use super::terminal::{Ink, Terminal};
use super::watch;

/// Load, check and lint policies, and say everything there is to say
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Policies: files or directories, or `-` for one on standard input [default: policies]
    paths: Vec<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    format: ReportFormat,
    /// End with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// Compare with an API description: what it has and no shape names, and the reverse; several are one API
    #[arg(long, value_name = "FILE")]
    openapi: Vec<PathBuf>,
    /// The path in front of all paths of the description, if it is not the one that its servers name
    #[arg(long, value_name = "PATH", requires = "openapi")]
    prefix: Option<String>,
    /// Look for what lets responses past the plugin: in Envoy's bootstrap, discovery responses and config dumps, or in
    /// resources of Istio and Envoy Gateway, each a file or the YAML and JSON files of a directory; several are one deployment
    #[arg(long, value_name = "PATH")]
    envoy: Vec<PathBuf>,
    /// Write what a help says to write, where it leaves no choice, after showing the difference
    #[arg(long, conflicts_with = "watch")]
    fix: bool,
    /// With --fix: write without asking
    #[arg(long, requires = "fix")]
    yes: bool,
    /// Check again whenever a file changes
    #[arg(long)]
    watch: bool,
}

/// What stands for standard input.
const INPUT: &str = "-";

/// Files on the disk, and a policy on standard input, which includes what is below the current directory.
#[derive(Debug, Default)]
struct Given {
    input: Option<Vec<u8>>,
    /// What was read of pipes, as `<(…)` of a shell: they give what they hold once.
    pipes: RefCell<HashMap<String, Vec<u8>>>,
}

impl Given {
    fn read_input() -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let most = u64::try_from(MOST_INPUT).unwrap_or(u64::MAX);
        io::stdin()
            .lock()
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
        Ok(Self { input: Some(bytes), pipes: RefCell::default() })
    }
}

/// Most bytes of standard input.
const MOST_INPUT: usize = 64 << 20;

impl policy::Files for Given {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match &self.input {
            Some(bytes) if path == INPUT => return Ok(bytes.clone()),
            _ => {}
        }
        if is_regular(path) {
            return Disk.read(path);
        }
        if let Some(bytes) = self.pipes.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = Disk.read(path)?;
        self.pipes.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn read_named(&self, directory: &str, path: &str) -> io::Result<Vec<u8>> {
        Disk.read_named(directory, path)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        Disk.list(directory)
    }
}

/// Whether it is a file that can be read again, and written.
fn is_regular(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file())
}

/// Where policies are, unless a path says otherwise.
const POLICIES: &str = "policies";

/// The policies that are named; none if only a deployment is, and there is no directory with policies here.
fn policies(arguments: &Arguments) -> Result<load::Found, Failure> {
    let (input, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        arguments.paths.iter().cloned().partition(|path| path == Path::new(INPUT));
    if !arguments.paths.is_empty() {
        let mut found = if paths.is_empty() { load::Found::default() } else { load::find(&paths)? };
        if !input.is_empty() {
            found.roots.push(INPUT.to_owned());
        }
        return Ok(found);
    }
    if !arguments.envoy.is_empty() && !Path::new(POLICIES).exists() {
        return Ok(load::Found::default());
    }
    load::find(&[PathBuf::from(POLICIES)])
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let reads_input = arguments.paths.iter().any(|path| path == Path::new(INPUT));
    if arguments.watch && reads_input {
        return Err(Failure::new("`--watch` waits for files to change, and standard input is read once")
            .help("name a file in the place of `-`"));
    }
    let given = if reads_input { Given::read_input()? } else { Given::default() };
    if !arguments.watch {
        return once(arguments, &given, terminal, arguments.fix);
    }
    let mut paths = arguments.paths.clone();
    if paths.is_empty() {
        paths.push(PathBuf::from(POLICIES));
    }
    paths.extend(arguments.openapi.iter().chain(&arguments.envoy).cloned());
    watch::over(&paths, terminal, || once(arguments, &given, terminal, false))
}

/// What one round has read and found.
#[derive(Default)]
struct Checked {
    diagnostics: Vec<Diagnostics>,
    /// The files that were read, by name.
    read: Vec<String>,
    /// A line about each policy without errors, and about the deployment.
    fine: Vec<String>,
    /// The policies without errors: name, policy and digest.
    loaded: Vec<(String, PolicySet, String)>,
    /// Their files, names, and what they say, to tell where two of a directory have one name.
    named: Vec<(String, String, PolicyDoc)>,
}

impl Checked {
    /// Checks the policy of a file that no other includes.
    fn root(&mut self, given: &Given, root: &str, description: Option<&Description>) {
        if let Some(other) = given.read(root).ok().and_then(|bytes| policy::not_a_policy(root, &bytes)) {
            self.read.push(root.to_owned());
            self.diagnostics.push(other);
            return;
        }
        match load::one(given, root) {
            Ok(one) => {
                self.read.extend(one.sources.files().iter().map(|source| source.name.clone()));
                self.fine.push(counted(&one));
                self.loaded.push((one.name.clone(), one.policy.clone(), policy::digest(&one.doc)));
                self.named.push((one.name.clone(), one.policy.name.clone(), one.doc.clone()));
                self.diagnostics.push(match description {
                    Some(description) => description.compared(one),
                    None => one.diagnostics,
                });
            }
            Err(diagnostics) => {
                self.read.extend(diagnostics.sources().files().iter().map(|source| source.name.clone()));
                self.diagnostics.push(diagnostics);
            }
        }
    }

    /// Tells of policies that have the name of another one in the same folder: below a directory, `prod/` and `staging/` may have
    /// one each.
    fn alike(&mut self, directory: &[String]) {
        let of = |root: &String| self.named.iter().find(|(name, ..)| name == root);
        let named: Vec<_> = directory.iter().filter_map(of).collect();
        let folder = |path: &str| Path::new(path).parent().map(Path::to_owned);
        for (index, (path, name, doc)) in named.iter().enumerate() {
            let is_like =
                |(other, its_name, _): &&&(String, String, _)| its_name == name && folder(other) == folder(path);
            if let Some((other, ..)) = named.iter().take(index).find(is_like) {
                self.diagnostics.push(policy::same_name(doc, other));
            }
        }
    }

    /// Tells of the files beside policies that no policy has read.
    fn rest(&mut self, found: &load::Found) -> Result<(), Failure> {
        for name in found.others.iter().filter(|name| !self.read.contains(name)) {
            let bytes = std::fs::read(name).map_err(|error| Failure::io("read", Path::new(name), &error))?;
            self.diagnostics.push(policy::unread(name, &bytes));
        }
        for name in found.broken.iter().filter(|name| !self.read.contains(name)) {
            self.diagnostics.extend(load::one(&Disk, name).err());
        }
        Ok(())
    }
}

/// How much is in a policy.
fn counted(one: &Loaded) -> String {
    let policy = &one.policy;
    let fields = |route: &Route| match &route.body {
        RouteBody::Governed(governed) => governed.entries.len(),
        RouteBody::Pass(_) => 0,
    };
    format!(
        "{}: {}, {}, {}, {}",
        one.name,
        number(policy.routes.len(), "route"),
        number(policy.routes.iter().map(fields).sum(), "field"),
        number_of(policy.classes.len(), "class", "classes"),
        number(policy.scopes.len(), "scope"),
    )
}

fn once(arguments: &Arguments, given: &Given, terminal: Terminal, fix: bool) -> Result<Exit, Failure> {
    let found = policies(arguments)?;
    let surroundings = Surroundings::read(&arguments.envoy)?;
    let description = match arguments.openapi.as_slice() {
        [] => None,
        paths => Some(Description::read(paths, arguments.prefix.as_deref())?),
    };
    let mut checked = Checked::default();
    for root in &found.roots {
        checked.root(given, root, description.as_ref());
    }
    for directory in &found.beside {
        checked.alike(directory);
    }
    checked.rest(&found)?;
    if fix && written(&checked.diagnostics, arguments.yes, terminal)? {
        // What is left is said of the files as they are now.
        return once(arguments, given, terminal, false);
    }
    let Checked { diagnostics: mut all, mut fine, loaded, .. } = checked;
    if !arguments.envoy.is_empty() {
        let reviewed = loaded.iter().map(|(name, policy, digest)| Reviewed { name, policy, digest: digest.clone() });
        let (found, inventory) = surroundings.check(&reviewed.collect::<Vec<_>>());
        fine.push(surroundings.summary(&found, inventory, terminal));
        all.push(found);
    }
    let mut text = report::render(&all, arguments.format, terminal);
    if arguments.format == ReportFormat::Human {
        text.push_str(&summary(&all, &fine, terminal));
    }
    terminal.print(&text)?;
    let errors = report::count(&all, Severity::Error);
    let warnings = report::count(&all, Severity::Warning);
    Ok(if errors > 0 || (arguments.deny_warnings && warnings > 0) { Exit::Findings } else { Exit::Fine })
}

/// Shows what the fixes change, and writes them if that is wanted; whether it was.
fn written(all: &[Diagnostics], yes: bool, terminal: Terminal) -> Result<bool, Failure> {
    let found = all.iter().flat_map(|one| one.items().iter().map(|item| (item, &**one.sources())));
    let fixed: Vec<fix::Fixed> = fix::applied(found).into_iter().filter(|fixed| is_regular(&fixed.name)).collect();
    let count = fixed.iter().map(|fixed| fixed.count).fold(0, usize::saturating_add);
    if count == 0 {
        terminal.say("Nothing to write: no help here leaves no choice.\n");
        return Ok(false);
    }
    let shown: String =
        fixed.iter().map(|fixed| change::difference(&fixed.name, &fixed.before, &fixed.after, terminal)).collect();
    terminal.say(&shown);
    let fixes = number_of(count, "fix", "fixes");
    if !yes && !change::asked(terminal, &fixes) {
        terminal.say("Nothing was written.\n");
        return Ok(false);
    }
    for one in &fixed {
        std::fs::write(&one.name, &one.after).map_err(|error| Failure::io("write", Path::new(&one.name), &error))?;
    }
    terminal.say(&format!("{fixes} written.\n"));
    Ok(true)
}

fn summary(all: &[Diagnostics], fine: &[String], terminal: Terminal) -> String {
    let mut text = String::new();
    for line in fine {
        text.push_str(&format!("{line}\n"));
    }
    let counted = report::counted(all, terminal);
    if counted.is_empty() {
        text.push_str(&format!("{}\n", terminal.paint(Ink::Good, "Nothing to mend.")));
    } else {
        let worst = all.iter().flat_map(Diagnostics::items).min_by_key(|item| item.severity());
        let code = worst.map(|item| item.code.to_string()).unwrap_or_default();
        text.push_str(&format!("{counted}.  `fieldgate explain {code}` tells more.\n"));
    }
    text
}
