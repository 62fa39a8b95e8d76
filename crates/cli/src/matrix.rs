//! `fieldgate matrix`: who sees what.

mod html;
mod parts;

use std::path::PathBuf;

use fieldgate::diagnostic::{Sources, plain};
use fieldgate::model::{ClientId, Level};
use fieldgate::policy::PolicySet;
use fieldgate_workbench::suite::verdict::word;
use serde_json::{Value, json};

use super::cells::{self, FieldCells, RouteCells};
use super::exit::{Exit, Failure};
use super::load;
use super::markdown::{code, escaped, list};
use super::report::{csv_cell, pretty};
use super::terminal::{Ink, Terminal};

/// Show who sees what: every scope's level for every field
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Policies: files or directories
    #[arg(default_value = "policies")]
    paths: Vec<PathBuf>,
    /// Only these routes
    #[arg(long = "route", short, value_name = "ROUTE", add = super::completions::routes())]
    routes: Vec<String>,
    /// Only these scopes
    #[arg(long = "scope", short, value_name = "SCOPE", add = super::completions::scopes())]
    scopes: Vec<String>,
    /// Only fields of these classes
    #[arg(long = "class", value_name = "CLASS", add = super::completions::classes())]
    classes: Vec<String>,
    /// For callers with this client id: its ceiling, its scopes and its denied places
    #[arg(long, short, value_name = "CLIENT", add = super::completions::clients())]
    client: Option<String>,
    /// As it is when so much of each budget is used: 85%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    used: Option<u8>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = MatrixFormat::Term)]
    format: MatrixFormat,
}

/// A share of a budget, from 0 to 100: `85%` or `85`.
pub(crate) fn percent(text: &str) -> Result<u8, String> {
    let share = text.strip_suffix('%').unwrap_or(text).parse::<u8>().ok();
    share.filter(|share| *share <= 100).ok_or_else(|| "write a share from 0% to 100%: 85%".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MatrixFormat {
    /// For a terminal
    Term,
    /// Markdown tables
    Md,
    /// One self-contained page with filters, in which every cell explains itself
    Html,
    /// One line a field, one column a scope
    Csv,
    /// One JSON document
    Json,
}

/// What is to be drawn of one policy.
struct Drawn<'p> {
    file: &'p str,
    policy: &'p PolicySet,
    sources: &'p Sources,
    client: Option<ClientId>,
    /// How much of each budget is used, in percent.
    used: Option<u8>,
    /// Indexes of the scopes shown.
    scopes: Vec<usize>,
    /// The classes shown; none is all.
    classes: &'p [String],
    routes: Vec<RouteCells<'p>>,
    /// What is forwarded untouched.
    untouched: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let loaded = load::valid(&arguments.paths, terminal)?;
    for (given, known, what) in [
        (
            &arguments.routes,
            loaded.iter().flat_map(|one| one.policy.routes.iter().map(|route| route.name.as_str())).collect::<Vec<_>>(),
            "route",
        ),
        (
            &arguments.scopes,
            loaded.iter().flat_map(|one| one.policy.scopes.iter().map(|scope| scope.name.as_str())).collect(),
            "scope",
        ),
        (
            &arguments.classes,
            loaded.iter().flat_map(|one| one.policy.classes.iter().map(|class| class.name.as_str())).collect(),
            "class",
        ),
    ] {
        for name in given {
            load::known(what, name, &known)?;
        }
    }
    if let Some(client) = &arguments.client {
        let policies: Vec<&PolicySet> = loaded.iter().map(|one| &one.policy).collect();
        if let Some(note) = load::client_note(&policies, client) {
            terminal.say(&note);
        }
    }
    let drawn = || loaded.iter().map(|one| draw(one, arguments)).collect::<Vec<_>>();
    let text = match arguments.format {
        MatrixFormat::Term => drawn().iter().map(|one| term(one, terminal)).collect::<Vec<_>>().join("\n") + LEGEND,
        MatrixFormat::Md => drawn().iter().map(markdown).collect::<String>(),
        MatrixFormat::Csv => csv(&drawn()),
        MatrixFormat::Html => html::page(&loaded, arguments),
        MatrixFormat::Json => pretty(&json_document(&drawn())),
    };
    terminal.print(&text)?;
    Ok(Exit::Fine)
}

fn draw<'p>(one: &'p load::Loaded, arguments: &'p Arguments) -> Drawn<'p> {
    let policy = &one.policy;
    let client = fieldgate_workbench::suite::verdict::client_entry(policy, arguments.client.as_deref());
    Drawn {
        file: &one.name,
        policy,
        sources: &one.sources,
        client,
        used: arguments.used,
        scopes: arguments.scopes_of(policy),
        classes: &arguments.classes,
        routes: arguments.cells_of(policy, client),
        untouched: cells::untouched(policy, |name| wanted(&arguments.routes, name)),
    }
}

/// Whether a name is among those asked for; none asked for is all.
fn wanted(list: &[String], name: &str) -> bool {
    list.is_empty() || list.iter().any(|one| one == name)
}

impl Arguments {
    /// Indexes of the scopes asked for.
    fn scopes_of(&self, policy: &PolicySet) -> Vec<usize> {
        let all = policy.scopes.iter().enumerate();
        all.filter(|(_, scope)| wanted(&self.scopes, &scope.name)).map(|(index, _)| index).collect()
    }

    /// The routes asked for, with the fields of the classes asked for.
    fn cells_of<'p>(&self, policy: &'p PolicySet, client: Option<ClientId>) -> Vec<RouteCells<'p>> {
        self.cells_at(policy, client, self.used)
    }

    /// The routes and fields of [`Self::cells_of`], when so many percent of each budget are used.
    fn cells_at<'p>(&self, policy: &'p PolicySet, client: Option<ClientId>, used: Option<u8>) -> Vec<RouteCells<'p>> {
        let mut routes = cells::at_share(policy, client, used);
        routes.retain(|cells| wanted(&self.routes, &cells.route.name));
        for cells in &mut routes {
            cells.fields.retain(|field| {
                self.classes.is_empty() || field.classes.iter().any(|class| self.classes.contains(class))
            });
        }
        routes.retain(|cells| !cells.fields.is_empty());
        routes
    }
}

const LEGEND: &str =
    "S show  M mask  P pseudonym  B blank  . hidden  (a scope without a column does not act on the route)\n";

fn level_at(field: &FieldCells, scope: usize) -> Option<Level> {
    field.verdicts.get(scope).and_then(Option::as_ref).map(|verdict| verdict.level)
}

fn letter(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Show) => "S",
        Some(Level::Mask) => "M",
        Some(Level::Pseudonym) => "P",
        Some(Level::Blank) => "B",
        Some(Level::Hide) => ".",
        None => "",
    }
}

fn ink(level: Option<Level>) -> Ink {
    match level {
        Some(Level::Show) => Ink::Strong,
        Some(Level::Mask) => Ink::Doubtful,
        Some(Level::Pseudonym) => Ink::Name,
        _ => Ink::Dim,
    }
}

fn term(drawn: &Drawn<'_>, terminal: Terminal) -> String {
    let names = cells::short_scopes(drawn.policy);
    let columns: Vec<(usize, &str)> =
        drawn.scopes.iter().filter_map(|index| names.get(*index).map(|name| (*index, name.as_str()))).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let fields = || drawn.routes.iter().flat_map(|route| &route.fields);
    let paths = width(&mut fields().map(|field| field.path.chars().count()));
    let classes = width(&mut fields().map(|field| field.classes.join("+").chars().count()));
    let mut text = String::new();
    for cells in &drawn.routes {
        let head = plain(&format!("{}  {}", cells.route.name, cells::match_text(cells.route)));
        text.push_str(&format!("{}  {}\n", terminal.paint(Ink::Strong, &head), terminal.paint(Ink::Dim, drawn.file)));
        let acts = |index: usize| cells.fields.iter().any(|field| level_at(field, index).is_some());
        let columns: Vec<(usize, &str)> = columns.iter().filter(|(index, _)| acts(*index)).copied().collect();
        let blank = paths.saturating_add(classes).saturating_add(2);
        let levels =
            columns.iter().fold(0_usize, |sum, (_, name)| sum.saturating_add(name.chars().count()).saturating_add(2));
        if blank.saturating_add(levels) > terminal.width() {
            text.push_str(&narrow(cells, &columns, terminal));
        } else {
            let header: String = columns.iter().map(|(_, name)| format!("  {}", plain(name))).collect();
            text.push_str(&format!("{:blank$}{}\n", "", terminal.paint(Ink::Dim, &header)));
            for field in &cells.fields {
                text.push_str(&wide(field, &columns, (paths, classes), terminal));
            }
        }
        for note in drawn.notes(cells) {
            text.push_str(&format!(
                "{}
",
                terminal.paint(Ink::Dim, &format!("  {}", plain(&note)))
            ));
        }
        text.push('\n');
    }
    for line in &drawn.untouched {
        text.push_str(&format!("{}\n", plain(line)));
    }
    text
}

/// A field on one line; its forms on the next where they do not fit.
fn wide(field: &FieldCells, columns: &[(usize, &str)], (paths, classes): (usize, usize), terminal: Terminal) -> String {
    let mut line = format!("{:paths$}  {:classes$}", plain(&field.path), plain(&field.classes.join("+")));
    let mut width = paths.saturating_add(classes).saturating_add(2);
    for (index, name) in columns {
        let level = level_at(field, *index);
        let letter = letter(level);
        let names = name.chars().count();
        line.push_str("  ");
        line.push_str(&terminal.paint(ink(level), letter));
        line.push_str(&" ".repeat(names.saturating_sub(letter.len())));
        width = width.saturating_add(names).saturating_add(2);
    }
    let forms = plain(&field.forms.to_string());
    let fits = width.saturating_add(forms.chars().count()).saturating_add(2) <= terminal.width();
    let between = if fits { "  " } else { "\n    " };
    if !forms.is_empty() {
        line.truncate(if fits { line.len() } else { line.trim_end().len() });
        line.push_str(between);
        line.push_str(&terminal.paint(Ink::Dim, &forms));
    }
    line.truncate(line.trim_end().len());
    line + "\n"
}

/// The fields of a route where no table fits: each with its levels below it, by scope.
fn narrow(cells: &RouteCells<'_>, columns: &[(usize, &str)], terminal: Terminal) -> String {
    const INDENT: &str = "   ";
    let mut text = String::new();
    for field in &cells.fields {
        let classes = terminal.paint(Ink::Dim, &plain(&field.classes.join("+")));
        text.push_str(&format!("{}  {classes}\n", plain(&field.path)));
        let forms = field.forms.to_string();
        if !forms.is_empty() {
            text.push_str(&format!("{INDENT} {}\n", terminal.paint(Ink::Dim, &plain(&forms))));
        }
        let mut width = INDENT.len();
        text.push_str(INDENT);
        for (index, name) in columns {
            let level = level_at(field, *index);
            if level.is_none() {
                continue;
            }
            let name = plain(name);
            let next = name.chars().count().saturating_add(4);
            if width > INDENT.len() && width.saturating_add(next) > terminal.width() {
                text.push_str(&format!("\n{INDENT}"));
                width = INDENT.len();
            }
            let between = if width > INDENT.len() { "  " } else { " " };
            width = width.saturating_add(next);
            text.push_str(&format!("{between}{name} {}", terminal.paint(ink(level), letter(level))));
        }
        text.push('\n');
    }
    text
}

fn markdown(drawn: &Drawn<'_>) -> String {
    let mut text = String::new();
    for cells in &drawn.routes {
        text.push_str(&format!(
            "### {} `{}`\n\n| field | class | forms |",
            escaped(&cells.route.name),
            code(&cells::match_text(cells.route))
        ));
        for index in &drawn.scopes {
            let name = drawn.policy.scopes.get(*index).map_or("", |scope| scope.name.as_str());
            text.push_str(&format!(" {} |", escaped(name)));
        }
        text.push_str("\n|---|---|---|");
        text.push_str(&"---|".repeat(drawn.scopes.len()));
        text.push('\n');
        for field in &cells.fields {
            let classes = escaped(&field.classes.join(" + "));
            text.push_str(&format!("| `{}` | {classes} | {} |", code(&field.path), escaped(&field.forms.to_string())));
            for index in &drawn.scopes {
                let level = level_at(field, *index);
                let said = match level {
                    Some(Level::Show) => "**show**",
                    Some(Level::Hide) => "·",
                    Some(level) => word(level),
                    None => "",
                };
                text.push_str(&format!(" {said} |"));
            }
            text.push('\n');
        }
        let notes = drawn.notes(cells);
        text.push_str(if notes.is_empty() { "" } else { "\n" });
        text.push_str(&list(&notes));
        text.push('\n');
    }
    text.push_str(&list(&drawn.untouched));
    text
}

/// RFC 4180. A level's word for each scope, empty where the scope does not act on the route.
fn csv(drawn: &[Drawn<'_>]) -> String {
    let quote = csv_cell;
    let mut scopes: Vec<&str> = Vec::new();
    for one in drawn {
        for index in &one.scopes {
            if let Some(scope) = one.policy.scopes.get(*index)
                && !scopes.contains(&scope.name.as_str())
            {
                scopes.push(&scope.name);
            }
        }
    }
    let mut text = String::from("policy,route,match,field,classes,forms");
    for scope in &scopes {
        text.push_str(&format!(",{}", quote(scope)));
    }
    text.push_str("\r\n");
    for one in drawn {
        for cells in &one.routes {
            for field in &cells.fields {
                let fixed = [
                    &one.policy.name,
                    &cells.route.name,
                    &cells::match_text(cells.route),
                    &field.path,
                    &field.classes.join("+"),
                    &field.forms.to_string(),
                ];
                text.push_str(&fixed.map(|part| quote(part)).join(","));
                for scope in &scopes {
                    let level = one
                        .policy
                        .scopes
                        .iter()
                        .position(|known| known.name == *scope)
                        .and_then(|index| level_at(field, index));
                    text.push(',');
                    text.push_str(level.map_or("", word));
                }
                text.push_str("\r\n");
            }
        }
    }
    text
}

fn json_document(drawn: &[Drawn<'_>]) -> Value {
    let mut policies = Vec::new();
    for one in drawn {
        let mut routes = Vec::new();
        for cells in &one.routes {
            let fields: Vec<Value> = cells
                .fields
                .iter()
                .map(|field| {
                    let levels: serde_json::Map<String, Value> = one
                        .scopes
                        .iter()
                        .filter_map(|index| {
                            let scope = one.policy.scopes.get(*index)?;
                            Some((scope.name.clone(), level_at(field, *index).map(word).into()))
                        })
                        .collect();
                    let declared = cells
                        .governed
                        .entries
                        .get(field.entry)
                        .map(|entry| one.sources.location(entry.span).to_string());
                    let forms = cells::forms_by_level(&field.forms);
                    json!({"field": field.path, "classes": field.classes, "forms": forms, "declared": declared, "levels": levels})
                })
                .collect();
            let notes = one.notes(cells);
            let matched = cells::match_text(cells.route);
            routes.push(json!({"route": cells.route.name, "match": matched, "notes": notes, "fields": fields}));
        }
        let client =
            one.client.and_then(|id| one.policy.clients.get(usize::from(id.0))).map(|client| client.name.as_str());
        let mut policy = json!({"policy": one.policy.name, "client": client, "routes": routes});
        if let (Some(used), Some(members)) = (one.used, policy.as_object_mut()) {
            members.insert("used".to_owned(), used.into());
        }
        policies.push(policy);
    }
    json!({ "policies": policies })
}
