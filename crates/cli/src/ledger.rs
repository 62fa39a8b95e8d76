//! `fieldgate ledger`: whose data left, by the decision records of access logs.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fieldgate::diagnostic::plain;
use fieldgate::model::moment::Moment;
use fieldgate::policy;
use fieldgate_workbench::ledger::{Alert, Client, Ledger, Question, Tags};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::logs::{self, LogFaults};
use super::preview::spelled;
use super::report::{csv_cell, number_of, pretty};
use super::terminal::{Ink, Terminal};

mod unknown;

use unknown::Unknown;

/// Say whose data left, by the decision records of access logs: for whom a notification is due
///
/// `fieldgate ledger access.log* --client crm-app --from 2026-11-28 --to 2026-11-29 --subjects ids.txt`. Logs may be plain, gzip or
/// zstd; `-` is standard input. It exits with 1 if a line cannot be read, or has several records, or if a record comes twice.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("question").required(true).args(["client", "subject", "top"])))]
pub(crate) struct Arguments {
    /// Access logs; `-` for standard input
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Whose data this client got, and which classes and levels: an id, or a tag of 32 digits
    #[arg(long, short, value_name = "CLIENT")]
    client: Option<String>,
    /// Who got data about this person, when, and which classes: an id as the upstream spells it
    #[arg(long, value_name = "ID")]
    subject: Option<String>,
    /// Which clients got data about most people
    #[arg(long)]
    top: bool,
    /// From this moment on
    #[arg(long, value_name = "DATE", value_parser = from)]
    from: Option<Moment>,
    /// Before this moment
    #[arg(long, value_name = "DATE", value_parser = before)]
    to: Option<Moment>,
    /// With --client: a file of ids, one a line, which turns tags into ids
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "top"])]
    subjects: Option<PathBuf>,
    /// The policy, to say what its classes are: a file, or a directory with one
    #[arg(long, short, value_name = "PATH")]
    policy: Option<PathBuf>,
    /// Only this kind of subject, as `subject` names it in the policy
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// The environment variable that holds the key of the plugin
    #[arg(long, value_name = "NAME", default_value = "FIELDGATE_KEY")]
    key_variable: String,
    /// How to write it
    #[arg(long, value_enum, default_value_t = LedgerFormat::Human)]
    format: LedgerFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LedgerFormat {
    /// For people
    Human,
    /// One line a row, and one for each thing that is not known
    Csv,
    /// One JSON document
    Json,
}

/// A moment from which on is asked: as a policy writes it, or as a log does, to a fraction of a second and with or without `Z`.
fn from(text: &str) -> Result<Moment, String> {
    moment(text).map(|(moment, _)| moment)
}

/// A moment before which is asked: what is within its second is before it, if its fraction says so.
fn before(text: &str) -> Result<Moment, String> {
    moment(text).map(|(Moment(second), within)| Moment(second.saturating_add(u64::from(within))))
}

/// A second, and whether the moment is within it.
fn moment(text: &str) -> Result<(Moment, bool), String> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let (second, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let of_a_log = || Moment::parse(&format!("{second}Z")).filter(|_| is_fraction);
    Moment::parse(text)
        .map(|moment| (moment, false))
        .or_else(|| Some((of_a_log()?, fraction.bytes().any(|digit| digit != b'0'))))
        .ok_or_else(|| {
            "write it as 2027-02-01, 2027-02-01T00:00:00Z or, as a log does, 2027-02-01T00:00:00.000Z, in UTC"
                .to_owned()
        })
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from >= to
    {
        let (from, to) = (spelled(from), spelled(to));
        return Err(Failure::new(format!("no moment is from {from} on and before {to}"))
            .help("`--from` is the first moment that is asked for, `--to` the one after the last"));
    }
    let policy = match &arguments.policy {
        Some(path) => Some(load::only(path, "the classes of one are told", terminal)?),
        None => None,
    };
    let tags = if arguments.top { None } else { load::key_in(&arguments.key_variable)?.as_ref().map(Tags::new) };
    let needs = |option: &str| {
        Failure::new(format!(
            "`{option}` needs the key that the plugin has, and {} does not hold one",
            arguments.key_variable
        ))
        .help("tags are made with it: export the key of that time, and no other")
    };
    let question = match (&arguments.client, &arguments.subject) {
        (Some(client), _) => Question::Client(client.clone()),
        (None, Some(_)) if tags.is_none() => return Err(needs("--subject")),
        (None, Some(id)) => Question::Subject(id.clone()),
        (None, None) => Question::Top,
    };
    if arguments.subjects.is_some() && tags.is_none() {
        return Err(needs("--subjects"));
    }
    let second = |moment: &Moment| spelled(*moment).trim_end_matches('Z').to_owned();
    let time = (arguments.from.as_ref().map(second), arguments.to.as_ref().map(second));
    let mut ledger = Ledger::new(question, time, tags, arguments.namespace.clone());
    let faults = logs::each_line(&arguments.logs, terminal, |line, _| ledger.take(line))?;
    let ids = match &arguments.subjects {
        Some(file) => resolved(file, &ledger)?,
        None => HashMap::new(),
    };
    let answer = Answer { arguments, ledger: &ledger, ids, faults: &faults, key: tags.map(|tags| tags.key()), policy };
    terminal.print(&match arguments.format {
        LedgerFormat::Human => answer.human(terminal),
        LedgerFormat::Csv => answer.csv(),
        LedgerFormat::Json => pretty(&answer.json()),
    })?;
    Ok(faults.exit())
}

/// The ids of a list that the client got, by their tags: the list is hashed as it is read, and only those are kept.
fn resolved(file: &Path, ledger: &Ledger) -> Result<HashMap<u128, String>, Failure> {
    let failed = |error: std::io::Error| Failure::io("read", file, &error);
    let mut list = BufReader::new(File::open(file).map_err(failed)?);
    let mut ids = HashMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if list.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(ids);
        }
        // What is not UTF-8 is no JSON string, and so nobody's id.
        let Ok(text) = std::str::from_utf8(&line) else { continue };
        let id = text.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
        for kind in ledger.kinds() {
            if let Some(tag) = ledger.is_exposed(kind, id) {
                ids.insert(tag, id.to_owned());
            }
        }
    }
}

struct Answer<'a> {
    arguments: &'a Arguments,
    ledger: &'a Ledger,
    ids: HashMap<u128, String>,
    /// What was wrong with the logs.
    faults: &'a LogFaults,
    /// What tells the key at hand from others.
    key: Option<String>,
    policy: Option<Loaded>,
}

/// Classes and levels in one text: `contact mask, identity show`.
fn what(all: &BTreeSet<(String, String)>) -> String {
    let each: Vec<String> = all.iter().map(|(class, level)| format!("{class} {level}")).collect();
    each.join(", ")
}

impl Answer<'_> {
    /// The question in one line.
    fn title(&self) -> String {
        let about = match (&self.arguments.client, &self.arguments.subject) {
            (Some(client), _) => format!("Whose data {} got", plain(client)),
            (None, Some(_)) => "Who got data about this person".to_owned(),
            (None, None) => "Clients by people whose data they got".to_owned(),
        };
        let from = self.arguments.from.map(|from| format!(", from {}", spelled(from))).unwrap_or_default();
        let to = self.arguments.to.map(|to| format!(", before {}", spelled(to))).unwrap_or_default();
        format!("{about}{from}{to}")
    }

    fn covers(&self) -> String {
        let sum = self.ledger.summary();
        match (&sum.first, &sum.last) {
            (Some(first), Some(last)) => format!("the logs have records from {first}Z to {last}Z"),
            _ => "the logs have no record with a time".to_owned(),
        }
    }

    /// What the answer rests on: each a name, and what is said of it.
    fn grounds(&self) -> Vec<(&'static str, String)> {
        let logs: Vec<String> = self.arguments.logs.iter().map(|path| plain(&load::slashes(path))).collect();
        let mut grounds = vec![("logs", logs.join(", "))];
        for ((name, digest), count) in self.ledger.policies() {
            let short = digest.get(..12).unwrap_or(digest);
            let count = number_of(usize::try_from(*count).unwrap_or(usize::MAX), "response", "responses");
            grounds.push(("policy", format!("{} {} let {count} leave", plain(name), plain(short))));
        }
        let keys: Vec<String> = self.ledger.keys().keys().map(|key| plain(key)).collect();
        if !keys.is_empty() {
            let at_hand = match &self.key {
                Some(key) if self.ledger.keys().contains_key(key) => {
                    format!("{} holds {key}", self.arguments.key_variable)
                }
                Some(key) => format!("{} holds {key}, which made none of them", self.arguments.key_variable),
                None => "none is at hand".to_owned(),
            };
            grounds.push(("key", format!("{} made the tags; {at_hand}", keys.join(", "))));
        }
        if let Some(policy) = &self.policy {
            let named: BTreeSet<&str> = self.ledger.values().keys().map(|(class, _)| class.as_str()).collect();
            let releases = self.ledger.releases().iter().flat_map(|release| &release.what);
            let named: BTreeSet<&str> = named.into_iter().chain(releases.map(|(class, _)| class.as_str())).collect();
            let digest = policy::digest(&policy.doc);
            if !self.ledger.policies().keys().any(|(_, decided)| *decided == digest) {
                let short = digest.get(..12).unwrap_or(&digest);
                grounds.push(("classes", format!("of {} {short}, which is not the policy that decided", policy.name)));
            }
            let known = policy.policy.classes.iter().filter(|class| named.contains(class.name.as_str()));
            grounds.extend(known.map(|class| ("class", format!("{}: {}", class.name, plain(&class.about)))));
        }
        grounds
    }

    /// Who got seeded subjects: the client, if the record names one, how many, in how many responses, and all of it in words.
    fn alerts(&self) -> Vec<(Option<String>, Alert, String)> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let all = self.ledger.alerts().iter().map(|(client, alert)| {
            let name = match client {
                Client::Unknown => None,
                Client::Named(_) | Client::Tagged(_) => Some(client.to_string()),
            };
            let text = format!(
                "{} got {} in {}: no honest caller meets one (rule 37)",
                name.as_deref().unwrap_or("a caller whom no record names"),
                number_of(count(alert.canaries), "seeded subject (canary)", "seeded subjects (canaries)"),
                number_of(count(alert.responses), "response", "responses"),
            );
            (name, *alert, text)
        });
        all.collect()
    }

    /// The rows of the answer, with the names of their columns.
    fn table(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let ledger = self.ledger;
        if self.arguments.client.is_some() {
            let rows = ledger.subjects(&self.ids).into_iter().map(|named| {
                vec![
                    named.kind.to_owned(),
                    named.id.unwrap_or_default(),
                    format!("{:032x}", named.tag),
                    named.exposure.first.clone(),
                    named.exposure.last.clone(),
                    named.exposure.responses.to_string(),
                    what(named.what),
                ]
            });
            return (vec!["kind", "id", "tag", "first", "last", "responses", "classes and levels"], rows.collect());
        }
        if self.arguments.subject.is_some() {
            let rows = ledger.releases().iter().map(|release| {
                vec![
                    release.time.clone(),
                    release.client.to_string(),
                    release.request.clone(),
                    release.route.clone(),
                    release.outcome.clone(),
                    what(&release.what),
                    release.others.to_string(),
                ]
            });
            return (
                vec!["time", "client", "request", "route", "outcome", "classes and levels", "others in it"],
                rows.collect(),
            );
        }
        let rows = ledger.top().into_iter().map(|(client, top)| {
            vec![client.to_string(), top.subjects.to_string(), top.responses.to_string(), top.unknown.to_string()]
        });
        (vec!["client", "subjects", "responses", "records without a tag"], rows.collect())
    }

    fn human(&self, terminal: Terminal) -> String {
        let sum = self.ledger.summary();
        let mut text = format!("{}\n", terminal.paint(Ink::Strong, &self.title()));
        let responses = number_of(usize::try_from(sum.records).unwrap_or(usize::MAX), "response", "responses");
        text.push_str(&format!("{responses}, of {} of which something left; {}\n", sum.left, self.covers()));
        for (name, ground) in self.grounds() {
            text.push_str(&format!("{name:8} {ground}\n"));
        }
        for (_, _, alert) in self.alerts() {
            text.push_str(&format!("{}    {}\n", terminal.paint(Ink::Bad, "alert"), plain(&alert)));
        }
        if self.arguments.client.is_some() {
            text.push_str(&format!("\n{}\n", number_of(self.ledger.distinct(), "person", "people")));
            for ((class, level), count) in self.ledger.values() {
                text.push_str(&format!("  {class} {level}: {count}\n"));
            }
        }
        let (head, rows) = self.table();
        if rows.is_empty() {
            text.push_str(self.no_row());
        } else {
            text.push('\n');
            let plainly = |row: Vec<String>| row.iter().map(|cell| plain(cell)).collect::<Vec<String>>();
            let all: Vec<Vec<String>> = std::iter::once(head.iter().map(|name| (*name).to_owned()).collect())
                .chain(rows.into_iter().map(plainly))
                .collect();
            let widths: Vec<usize> = (0..head.len())
                .map(|at| all.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
                .collect();
            for (index, row) in all.iter().enumerate() {
                let cells: Vec<String> =
                    row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                let line = cells.join("  ");
                text.push_str(&if index == 0 {
                    terminal.paint(Ink::Dim, line.trim_end())
                } else {
                    line.trim_end().to_owned()
                });
                text.push('\n');
            }
        }
        text.push_str("\nWhat this does not know\n");
        for Unknown { count, text: means, .. } in self.unknown() {
            text.push_str(&format!("  {count:>5}  {means}\n"));
        }
        text.push_str("         what left before and after the time that the logs cover\n");
        text.push_str(
            "         which value was whose: in a response about several people each has the classes of all of it\n",
        );
        text
    }

    fn csv(&self) -> String {
        let (head, rows) = self.table();
        let mut text = format!("row,{},count,note\n", head.join(",").replace(' ', "_"));
        let word = if self.arguments.client.is_some() {
            "subject"
        } else if self.arguments.subject.is_some() {
            "response"
        } else {
            "client"
        };
        for row in rows {
            let cells: Vec<String> = row.iter().map(|cell| csv_cell(cell)).collect();
            text.push_str(&format!("{word},{},,\n", cells.join(",")));
        }
        let empty = ",".repeat(head.len());
        text.push_str(&format!("about{empty},,{}\n", csv_cell(&format!("{}; {}", self.title(), self.covers()))));
        for (name, ground) in self.grounds() {
            text.push_str(&format!("about{empty},,{}\n", csv_cell(&format!("{name}: {ground}"))));
        }
        for (_, alert, means) in self.alerts() {
            text.push_str(&format!("alert{empty},{},{}\n", alert.canaries, csv_cell(&means)));
        }
        for Unknown { name, count, text: means } in self.unknown() {
            text.push_str(&format!("unknown{empty},{count},{}\n", csv_cell(&format!("{name}: {means}"))));
        }
        text.push_str(&format!("unknown{empty},,what left before and after the time that the logs cover\n"));
        text.push_str(&format!("unknown{empty},,which value was whose: in a response about several people each has the classes of all of it\n"));
        text
    }

    fn json(&self) -> Value {
        let sum = self.ledger.summary();
        let (head, rows) = self.table();
        let rows = rows.into_iter().map(|row| {
            let members = head.iter().map(|name| name.replace(' ', "_")).zip(row.into_iter().map(Value::String));
            Value::Object(members.filter(|(_, value)| value != "").collect())
        });
        let values = self
            .ledger
            .values()
            .iter()
            .map(|((class, level), count)| json!({"class": class, "level": level, "values": count}));
        json!({
            "about": self.title(),
            "grounds": self.grounds().into_iter().map(|(name, text)| json!({"what": name, "is": text})).collect::<Vec<_>>(),
            "records_from": sum.first,
            "records_to": sum.last,
            "responses": sum.records,
            "responses_left": sum.left,
            "alerts": self.alerts().into_iter().map(|(client, alert, means)| json!({
                "client": client, "canaries": alert.canaries, "responses": alert.responses, "means": means,
            })).collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "values": values.collect::<Vec<_>>(),
            "unknown": self.unknown().into_iter().map(|unknown| json!({
                "what": unknown.name, "count": unknown.count, "means": unknown.text,
            })).collect::<Vec<_>>(),
        })
    }
}
