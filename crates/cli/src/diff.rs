//! `fieldgate diff`: what each scope gains and loses between two policies.

mod revision;

use std::path::PathBuf;

use fieldgate::diagnostic::plain;
use fieldgate_workbench::changes::{self, Change, Direction};

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::markdown::{code, escaped};
use super::report::{number, pretty};
use super::terminal::{Ink, Terminal};

/// Compare two policies: what each scope gains and loses
///
/// OLD and NEW are files, directories, or `git:REV` for what a git revision has in the place of the other.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policies as they were
    #[arg(value_name = "OLD")]
    old: String,
    /// The policies as they are to be
    #[arg(value_name = "NEW")]
    new: String,
    /// End with 4 if somebody gains
    #[arg(long)]
    fail_on_gain: bool,
    /// How to write it
    #[arg(long, value_enum, default_value_t = DiffFormat::Human)]
    format: DiffFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DiffFormat {
    /// For a terminal
    Human,
    /// Markdown, for a pull request
    Md,
    /// One JSON document
    Json,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let old = side(&arguments.old, &arguments.new, terminal)?;
    let new = side(&arguments.new, &arguments.old, terminal)?;
    for side in [&old, &new] {
        distinct(side)?;
    }
    let changes = changes::between(&old, &new);
    let count = |direction| changes.iter().filter(|change| change.direction == direction).count();
    let (gains, losses) = (count(Direction::Gain), count(Direction::Loss));
    terminal.print(&match arguments.format {
        DiffFormat::Human => human(&changes.iter().map(on_one_line).collect::<Vec<_>>(), terminal),
        DiffFormat::Md => markdown(&changes),
        DiffFormat::Json => pretty(&changes::document(&changes)),
    })?;
    if arguments.fail_on_gain && gains > 0 {
        terminal.say(&format!("{} and {}: ends with 4 (--fail-on-gain)\n", number(gains, "gain"), lost(losses)));
        return Ok(Exit::Gain);
    }
    Ok(Exit::Fine)
}

fn lost(count: usize) -> String {
    if count == 1 { "1 loss".to_owned() } else { format!("{count} losses") }
}

/// Refuses two policies of one name: which of them is the other side's cannot be told.
fn distinct(side: &[Loaded]) -> Result<(), Failure> {
    for (index, one) in side.iter().enumerate() {
        if let Some(other) = side.iter().take(index).find(|other| other.policy.name == one.policy.name) {
            let name = plain(&one.policy.name);
            return Err(Failure::new(format!("`{}` and `{}` are both called `{name}`", other.name, one.name))
                .help("policies are compared by name: give each its own, or compare the files one by one"));
        }
    }
    Ok(())
}

/// A change with a policy's words on one line, and with nothing in them that steers a terminal.
fn on_one_line(change: &Change) -> Change {
    Change {
        direction: change.direction,
        who: plain(&change.who),
        route: plain(&change.route),
        what: plain(&change.what),
        from: plain(&change.from),
        to: plain(&change.to),
        because: change.because.as_deref().map(plain),
        at: change.at.as_deref().map(plain),
    }
}

/// The policies of one side.
fn side(given: &str, other: &str, terminal: Terminal) -> Result<Vec<Loaded>, Failure> {
    let Some(revision) = given.strip_prefix("git:") else {
        return load::valid(&[PathBuf::from(given)], terminal);
    };
    if other.starts_with("git:") {
        return revision::load(revision, &PathBuf::from("policies"), terminal);
    }
    // `git:main .` compares a repository's policies: where the directory itself holds none, its `policies/` does.
    let mut place = PathBuf::from(other);
    if place.is_dir()
        && !load::find(std::slice::from_ref(&place)).is_ok_and(|found| !found.roots.is_empty())
        && place.join("policies").is_dir()
    {
        place.push("policies");
    }
    revision::load(revision, &place, terminal)
}

fn human(changes: &[Change], terminal: Terminal) -> String {
    if changes.is_empty() {
        return "No difference in what anybody sees.\n".to_owned();
    }
    let width =
        |part: fn(&Change) -> &str| changes.iter().map(|change| part(change).chars().count()).max().unwrap_or(0);
    let (who, route, what) = (width(|change| &change.who), width(|change| &change.route), width(|change| &change.what));
    let mut text = String::new();
    for (direction, title, ink) in [
        (Direction::Gain, "GAINS", Ink::Bad),
        (Direction::Loss, "LOSSES", Ink::Good),
        (Direction::Other, "OTHER CHANGES", Ink::Doubtful),
    ] {
        let of: Vec<&Change> = changes.iter().filter(|change| change.direction == direction).collect();
        if of.is_empty() {
            continue;
        }
        text.push_str(&terminal.paint(ink, &format!("{title} ({})", of.len())));
        text.push('\n');
        let mut last: Option<(&str, &str)> = None;
        for change in of {
            // A name is said once: what follows belongs to it until another is said.
            let same_who = last.is_some_and(|(name, _)| name == change.who);
            let same_route = same_who && last.is_some_and(|(_, name)| name == change.route);
            let shown_who = if same_who { "" } else { change.who.as_str() };
            let shown_route = if same_route { "" } else { change.route.as_str() };
            let mut line = format!(
                "  {shown_who:who$}  {shown_route:route$}  {:what$}  {} -> {}",
                change.what, change.from, change.to
            );
            if let Some(because) = &change.because {
                line.push_str(&format!("   {}", terminal.paint(Ink::Dim, because)));
            }
            if let Some(at) = &change.at {
                line.push_str(&format!("   {}", terminal.paint(Ink::Dim, at)));
            }
            text.push_str(line.trim_end());
            text.push('\n');
            last = Some((&change.who, &change.route));
        }
    }
    text
}

fn markdown(changes: &[Change]) -> String {
    let count = |direction| changes.iter().filter(|change| change.direction == direction).count();
    let (gains, losses) = (count(Direction::Gain), count(Direction::Loss));
    let mut text = format!("### Who sees what: {}, {}\n\n", number(gains, "gain"), lost(losses));
    if changes.is_empty() {
        text.push_str("No difference in what anybody sees.\n");
        return text;
    }
    for (direction, title) in
        [(Direction::Gain, "Gains"), (Direction::Loss, "Losses"), (Direction::Other, "Other changes")]
    {
        if count(direction) == 0 {
            continue;
        }
        text.push_str(&format!(
            "**{title}**\n\n| who | route | what | before | after | why |\n|---|---|---|---|---|---|\n"
        ));
        for change in changes.iter().filter(|change| change.direction == direction) {
            let why: Vec<&str> = change.because.iter().chain(&change.at).map(String::as_str).collect();
            text.push_str(&format!(
                "| {} | {} | `{}` | {} | **{}** | {} |\n",
                escaped(&change.who),
                escaped(&change.route),
                code(&change.what),
                escaped(&change.from),
                escaped(&change.to),
                escaped(&why.join(", ")),
            ));
        }
        text.push('\n');
    }
    text
}
