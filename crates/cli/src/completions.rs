//! `fieldgate completions SHELL`, and what a shell asks at each tab: verbs, options, and the names of the policy at hand.
//!
//! The script asks this command, so it fits whatever version is installed. `clap_complete` calls that engine unstable: its interface
//! in Rust may change, which the lock file keeps from happening unseen. Its scripts know verbs and options without it, but no name.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use fieldgate::diagnostic::{catalogue, rules};
use fieldgate::document::Node;
use fieldgate::policy::{self, Disk, PolicyDoc};

use super::exit::{Exit, Failure};
use super::load;
use super::terminal::Terminal;

/// Write a completion script for a shell
///
/// For example: `fieldgate completions bash > ~/.local/share/bash-completion/completions/fieldgate`. It completes verbs, options, files,
/// and the names of the policy at hand: routes, scopes, classes, clients; for `explain` codes and rules too.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// The environment variable by which a shell asks.
const ASKED: &str = "FIELDGATE_COMPLETE";

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let name = arguments.shell.name();
    let mut script = Vec::new();
    Shells::builtins()
        .completer(name)
        .map_or(Ok(()), |shell| shell.write_registration(ASKED, "fieldgate", "fieldgate", "fieldgate", &mut script))
        .map_err(|error| Failure::new(format!("cannot write the script: {error}")))?;
    terminal.print_bytes(&script)?;
    Ok(Exit::Fine)
}

/// Answers a shell that asks what may come next, and ends then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(super::Cli::command).var(ASKED).complete();
}

/// The routes of the policy at hand.
pub(crate) fn routes() -> ArgValueCompleter {
    named("routes")
}

/// Its scopes.
pub(crate) fn scopes() -> ArgValueCompleter {
    named("scopes")
}

/// Its classes.
pub(crate) fn classes() -> ArgValueCompleter {
    named("classes")
}

/// Its clients.
pub(crate) fn clients() -> ArgValueCompleter {
    named("clients")
}

/// What `explain` explains: routes, codes, rules.
pub(crate) fn explained() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let routes = names("routes").into_iter();
        let codes = catalogue::pages().into_iter().map(|page| (page.code.to_string(), page.title.to_owned()));
        let rules = rules::all().map(|rule| (format!("rule {}", rule.name), rule.title.to_owned()));
        offered(routes.chain(codes).chain(rules), typed)
    })
}

/// The field paths of the shapes.
pub(crate) fn paths() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let mut all: Vec<(String, String)> = Vec::new();
        for doc in &documents() {
            for shape in members(doc.root().get("shapes")) {
                all.extend(members(Some(&shape.node)).map(|place| (place.key.to_string(), shape.key.to_string())));
            }
        }
        offered(all.into_iter(), typed)
    })
}

fn named(section: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| offered(names(section).into_iter(), typed))
}

fn offered(names: impl Iterator<Item = (String, String)>, typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = names.filter(|(name, _)| name.starts_with(&*typed) && name != "*");
    fitting
        .map(|(name, about)| CompletionCandidate::new(name).help((!about.is_empty()).then(|| about.into())))
        .collect()
}

fn members(node: Option<&Node>) -> impl Iterator<Item = &fieldgate::document::Member> {
    node.and_then(Node::members).unwrap_or_default().iter()
}

/// The names of a section of the policies at hand, with a word on each.
fn names(section: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for doc in &documents() {
        for one in members(doc.root().get(section)) {
            let about = ["about", "match"].iter().find_map(|key| one.node.get(key)?.text());
            names.push((one.key.to_string(), about.unwrap_or_default().to_owned()));
        }
    }
    names
}

/// The policies that the words before the cursor name, else those of `policies/`. What cannot be read has no names.
fn documents() -> Vec<PolicyDoc> {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(2).collect();
    let is_policy = |path: &PathBuf| path.is_dir() || (path.is_file() && load::may_be_policy(&path.to_string_lossy()));
    let mut given: Vec<PathBuf> = words.iter().map(PathBuf::from).filter(is_policy).collect();
    if given.is_empty() {
        given.extend(Some(Path::new("policies")).filter(|path| path.is_dir()).map(Path::to_path_buf));
    }
    let found = load::find(&given).unwrap_or_default();
    found.roots.iter().filter_map(|root| policy::load(&Disk, root).ok()).collect()
}
