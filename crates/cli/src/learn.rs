//! `fieldgate learn`: what upstreams send and no shape names, from access logs into the policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fieldgate::diagnostic::plain;
use fieldgate_workbench::changes::{self, Direction};
use fieldgate_workbench::learn::{Changes, Learnt, Lesson, Owner};
use fieldgate_workbench::ledger::Line;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::report::{Format, number, pretty};
use super::terminal::{Ink, Terminal};
use super::{change, logs};

/// Turn what the upstream sends and no shape names into entries of the policy, which nobody is granted
///
/// `fieldgate learn access.log* -p policies/telco.yaml`: decision records tell such members if the policy has `drift: true`. Each
/// becomes an entry of the class `unreviewed`. Records of other policies are left out. Logs may be plain, gzip or zstd; `-` is
/// standard input. It exits with 1 if a line cannot be read, and with 2, without writing, if callers would get more or less.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Access logs; `-` for standard input
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The policy: a file, or a directory with one
    #[arg(long, short, value_name = "PATH", default_value = "policies")]
    policy: PathBuf,
    /// Write the entries into the policy's files
    #[arg(long)]
    write: bool,
    /// How to write what was learnt
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let one = load::only(&arguments.policy, "entries go into one", terminal)?;
    let mut lesson = Lesson::of(&one.policy.name);
    let faults = logs::each_line(&arguments.logs, terminal, |line, _| {
        if let Line::Record(record) = line {
            lesson.take(&record);
        }
    })?;
    let changes = lesson.changes(&one.doc, &one.policy);
    terminal.print(&match arguments.format {
        Format::Human => human(&one, &lesson, &changes, terminal),
        Format::Json => pretty(&json(&lesson, &changes, terminal)),
    })?;
    stays_as_it_is(&one, &changes)?;
    if arguments.write {
        for file in &changes.files {
            let path = Path::new(&file.name);
            std::fs::write(path, &file.after).map_err(|error| Failure::io("write", path, &error))?;
        }
        let entries = changes.files.iter().map(|file| file.count).fold(0, usize::saturating_add);
        terminal.say(&format!("{} written.\n", number(entries, "line")));
    } else if !changes.files.is_empty() {
        terminal.say("Nothing was written: `--write` does.\n");
    }
    Ok(if lesson.broken() > 0 { Exit::Findings } else { faults.exit() })
}

/// Checks the policy as it will be: entries that do not load help nobody, and callers must get what they got.
fn stays_as_it_is(one: &Loaded, learnt: &Changes) -> Result<(), Failure> {
    const HELP: &str = "write the entries yourself: `--format json` lists them";
    if learnt.files.is_empty() {
        return Ok(());
    }
    let mut files: BTreeMap<String, String> = (0u16..)
        .map_while(|file| one.sources.get(file))
        .map(|source| (source.name.clone(), source.text.to_string()))
        .collect();
    files.extend(learnt.files.iter().map(|file| (file.name.clone(), file.after.clone())));
    let new = load::one(&files, &one.name).map_err(|found| {
        let first = found.to_string();
        let first = first.lines().find(|line| line.contains("error[")).unwrap_or_default().to_owned();
        Failure::new(format!("the policy would not load with what was learnt: {first}")).help(HELP)
    })?;
    let all = changes::of_two(&one.policy, &new);
    let Some(change) = all.iter().find(|change| change.direction != Direction::Other) else { return Ok(()) };
    let (verb, help) = match change.direction {
        Direction::Gain => ("gain", "grant `unreviewed` to nobody, and learn again"),
        Direction::Loss | Direction::Other => ("lose", HELP),
    };
    let said = format!(
        "with what was learnt {} would {verb} {} of {}: {} -> {}",
        change.who, change.what, change.route, change.from, change.to
    );
    Err(Failure::new(plain(&said)).help(help))
}

fn types(learnt: &Learnt) -> String {
    learnt.types.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn human(one: &Loaded, lesson: &Lesson, changes: &Changes, terminal: Terminal) -> String {
    let records = usize::try_from(lesson.records()).unwrap_or(usize::MAX);
    let mut text = format!(
        "{}\n",
        terminal.paint(
            Ink::Strong,
            &format!(
                "{} that no shape of {} names, by {}",
                number(changes.added.len(), "member"),
                one.policy.name,
                number(records, "record")
            )
        )
    );
    if lesson.others() > 0 {
        let others = usize::try_from(lesson.others()).unwrap_or(usize::MAX);
        text.push_str(&format!("{} of other policies left out.\n", number(others, "record")));
    }
    if !one.policy.drift {
        text.push_str("The policy has no `drift: true`: without it no record tells of any.\n");
    }
    let line =
        |learnt: &Learnt| format!("  {}  {}  {}", plain(&learnt.owner.to_string()), plain(&learnt.path), types(learnt));
    for learnt in &changes.added {
        text.push_str(&format!("{}\n", line(learnt)));
    }
    if !changes.nameless.is_empty() {
        text.push_str("\nMembers whose names may be somebody's, and are in no log: look at the API's description\n");
        for learnt in &changes.nameless {
            text.push_str(&format!("{}\n", line(learnt)));
        }
    }
    if !changes.left_out.is_empty() {
        text.push_str("\nLeft out\n");
        for (learnt, why) in &changes.left_out {
            text.push_str(&format!("{}: {why}\n", line(learnt)));
        }
    }
    if lesson.broken() > 0 {
        text.push_str(&format!("\n{} members of records cannot be read\n", lesson.broken()));
    }
    for file in &changes.files {
        text.push_str(&format!("\n{}", change::difference(&file.name, &file.before, &file.after, terminal)));
    }
    text
}

fn json(lesson: &Lesson, changes: &Changes, terminal: Terminal) -> Value {
    let member = |learnt: &Learnt| {
        let (kind, name) = match &learnt.owner {
            Owner::Shape(name) => ("shape", name),
            Owner::Body(name) => ("route", name),
        };
        json!({kind: name, "path": learnt.path, "types": learnt.types})
    };
    let all = |list: &[Learnt]| list.iter().map(member).collect::<Vec<Value>>();
    let left_out = changes.left_out.iter().map(|(learnt, why)| {
        let mut one = member(learnt);
        if let Some(members) = one.as_object_mut() {
            members.insert("why".to_owned(), json!(why));
        }
        one
    });
    let files = changes.files.iter().map(|file| {
        json!({"name": file.name, "lines": file.count,
            "difference": change::difference(&file.name, &file.before, &file.after, terminal)})
    });
    json!({
        "records": lesson.records(),
        "other_policies": lesson.others(),
        "members": all(&changes.added),
        "nameless": all(&changes.nameless),
        "left_out": left_out.collect::<Vec<Value>>(),
        "unreadable": lesson.broken(),
        "files": files.collect::<Vec<Value>>(),
    })
}
