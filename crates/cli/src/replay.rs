//! `fieldgate replay`: how much a harvester gets under a policy.

mod html;

use std::fs;
use std::path::PathBuf;

use fieldgate::caller::Caller;
use fieldgate::diagnostic::plain;
use fieldgate::model::moment::Moment;
use fieldgate::model::{Budget, PolicySet, Route, RouteBody, RouteId, ScopeId};
use fieldgate::policy;
use fieldgate_workbench::fault::Fault;
use fieldgate_workbench::replay::{
    Harvest, Harvester, Patience, ReplayCase, Replayed, SweepRow, Upstream, at_most, best_route, best_scope, counted,
    sweep,
};
use fieldgate_workbench::suite::budgets;
use fieldgate_workbench::suite::verdict::client_entry;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::load::{self, Loaded};
use super::report::{number, pretty};
use super::terminal::{Ink, Progress, Terminal};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Play the breach of 2022/23 under a policy: how many customers a harvester gets, and how much of each
///
/// 37 million accounts, 41 days, a harvester as fast as it likes: `fieldgate replay -p policies/telco.yaml`. It exits with 1 if a
/// row is above `--max-share`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The policy: a file, or a directory with one
    #[arg(long, short, value_name = "PATH", default_value = "policies")]
    policy: PathBuf,
    /// The route that is harvested [default: a list whose records say whose they are, else a route that answers with one]
    #[arg(long, short, value_name = "ROUTE", add = super::completions::routes())]
    route: Option<String>,
    /// A scope of the harvester's token; may be repeated [default: the one that shows most on the route]
    #[arg(long = "scope", short, value_name = "SCOPE", add = super::completions::scopes())]
    scopes: Vec<String>,
    /// The client id of the harvester: the other clients of a row have its entry in the policy
    #[arg(long, short, value_name = "CLIENT", default_value = "harvester")]
    client: String,
    /// Further claims of its token, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// An answer of the upstream that every answer looks like [default: a value at each place of the policy without a filter]
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Customers of the API
    #[arg(long, value_name = "NUMBER", default_value_t = 37_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    accounts: u64,
    /// Days that the harvest lasts
    #[arg(long, value_name = "NUMBER", default_value_t = 41, value_parser = clap::value_parser!(u64).range(1..=3660))]
    days: u64,
    /// When it begins
    #[arg(long, value_name = "DATE", default_value = "2022-11-24T23:17:43Z", value_parser = super::preview::moment)]
    from: Moment,
    /// How many clients share the work, a row for each number
    #[arg(long, value_name = "NUMBER,…", value_delimiter = ',', default_value = "1,10", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: Vec<u32>,
    /// Records of a page, a row for each number [default: the most that the route allows, and 10]
    #[arg(long = "page", value_name = "NUMBER,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    pages: Vec<u64>,
    /// What they do when a budget is in the way, a row for each
    #[arg(long, value_enum, value_name = "WHICH,…", value_delimiter = ',', default_value = "gone,window,view")]
    patience: Vec<Waits>,
    /// Exit with 1 if a row has more than this share of the accounts: 0.1%
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    max_share: Option<f64>,
    /// How to write the table
    #[arg(long, value_enum, default_value_t = ReplayFormat::Human)]
    format: ReplayFormat,
    /// Also write one self-contained page; its plots are of the row with the fewest clients that take all they get
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Waits {
    /// It ends with the first refusal
    Gone,
    /// It takes all that it gets, and waits for the next window
    Window,
    /// It knows the budgets, and waits before a step would lower what it sees
    View,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReplayFormat {
    /// For people
    Human,
    /// One line a row
    Csv,
    /// One JSON document
    Json,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.strip_suffix('%').unwrap_or(text).trim().parse::<f64>().ok();
    share.filter(|share| (0.0..=100.0).contains(share)).ok_or_else(|| "write a share from 0% to 100%: 0.1%".to_owned())
}

/// One row: what was asked, what came, and the most that arithmetic allows.
struct Row {
    setting: SweepRow,
    harvest: Harvest,
    at_most: Option<u64>,
}

/// All that is drawn.
struct Replay<'a> {
    one: &'a Loaded,
    route: &'a Route,
    harvester: Harvester,
    case: ReplayCase,
    budgets: Vec<&'a Budget>,
    /// Values of all accounts without a policy.
    values: u64,
    rows: Vec<Row>,
    max_share: Option<f64>,
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault.message).help(fault.help)
    }
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let one = load::only(&arguments.policy, "a replay is about one policy", terminal)?;
    let (route, harvester, upstream, replayed) = prepared(arguments, &one)?;
    let case =
        ReplayCase { accounts: arguments.accounts, seconds: arguments.days.saturating_mul(DAY), from: arguments.from };
    let settings = settings(arguments, &upstream);
    let mut progress = Progress::new(terminal, "% of the harvests", 100);
    let harvests = sweep(&replayed, &upstream, &harvester, case, &settings, |share| progress.at(share.into()))?;
    drop(progress);
    let entry = client_entry(&one.policy, Some(&harvester.client));
    let caller = Caller::new(&one.policy, &harvester.client, harvester.scopes.clone(), harvester.claims.clone());
    let id = (0u16..).map(RouteId).zip(&one.policy.routes).find(|(_, of)| of.name == route.name).map(|(id, _)| id);
    let places = upstream.places();
    let most = |clients: u32| id.and_then(|id| at_most(&one.policy, id, &caller, case, (clients, places)));
    let rows = settings.iter().zip(harvests);
    let replay = Replay {
        one: &one,
        route,
        case,
        budgets: budgets::binding(&one.policy, route, entry).map(|(_, budget)| budget).collect(),
        values: upstream.values(case.accounts),
        rows: rows
            .map(|(setting, harvest)| Row { setting: *setting, harvest, at_most: most(setting.clients) })
            .collect(),
        harvester,
        max_share: arguments.max_share,
    };
    if let Some(file) = &arguments.html {
        fs::write(file, html::page(&replay)).map_err(|error| Failure::io("write", file, &error))?;
    }
    terminal.print(&match arguments.format {
        ReplayFormat::Human => replay.human(terminal),
        ReplayFormat::Csv => replay.csv(),
        ReplayFormat::Json => pretty(&replay.json()),
    })?;
    let above = replay.above();
    if let (Some(most), false) = (replay.max_share, above.is_empty()) {
        terminal.say(&format!(
            "{}: {} of {} rows above {most} %: a harvester gets {} % of the accounts\n",
            terminal.paint_said(Ink::Bad, "too much"),
            above.len(),
            replay.rows.len(),
            three(above.iter().map(|row| replay.share(row.harvest.total.customers)).fold(0.0, f64::max)),
        ));
        return Ok(Exit::Findings);
    }
    Ok(Exit::Fine)
}

/// The route, who harvests it, the API behind it, and the policy to be played.
fn prepared<'a>(arguments: &Arguments, one: &'a Loaded) -> Result<(&'a Route, Harvester, Upstream, Replayed), Failure> {
    let route = match &arguments.route {
        Some(name) => load::route(std::slice::from_ref(one), name)?.1,
        None => best_route(&one.policy).ok_or_else(|| {
            Failure::new("no route says whose data its answers are")
                .help("write `subject: customer` at the field that identifies a customer, or name a --route")
        })?,
    };
    let sample = arguments.body.as_ref().map(sample).transpose()?;
    let upstream = Upstream::new(&one.policy, route, sample)?;
    let replayed = Replayed::new(policy::to_json(&one.doc));
    let mut harvester = Harvester {
        route: route.name.clone(),
        client: arguments.client.clone(),
        scopes: arguments.scopes.clone(),
        claims: load::claims(arguments.claims.as_deref())?,
    };
    if harvester.scopes.is_empty() {
        harvester.scopes = vec![best_scope(&replayed, &upstream, &harvester)?];
    }
    let scopes: Vec<ScopeId> = (0u16..)
        .map(ScopeId)
        .zip(&one.policy.scopes)
        .filter(|(_, scope)| harvester.scopes.contains(&scope.name))
        .map(|(id, _)| id)
        .collect();
    if let RouteBody::Governed(governed) = &route.body
        && let Some(rule) = upstream.left_out(governed, &scopes)
    {
        let place = one.sources.location(rule.span);
        return Err(Failure::new(format!("{place}: these rows leave out every record that is replayed"))
            .help("give a body of which records stay, as `--body FILE`"));
    }
    Ok((route, harvester, upstream, replayed))
}

fn sample(path: &PathBuf) -> Result<Value, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::io("read", path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Failure::new(format!("{} is not JSON: {place}", path.display()))
    })
}

fn settings(arguments: &Arguments, upstream: &Upstream) -> Vec<SweepRow> {
    let mut pages: Vec<u64> = match arguments.pages.as_slice() {
        [] if upstream.has_pages() => vec![upstream.most(), 10],
        [] => vec![upstream.most()],
        given => given.to_vec(),
    };
    pages.iter_mut().for_each(|page| {
        *page = if upstream.has_pages() { (*page).min(upstream.most()) } else { upstream.most() };
    });
    let mut settings = Vec::new();
    for clients in &arguments.clients {
        for page in &pages {
            for patience in &arguments.patience {
                let patience = match patience {
                    Waits::Gone => Patience::Gone,
                    Waits::Window => Patience::Window,
                    Waits::View => Patience::View,
                };
                let setting = SweepRow { clients: *clients, page: *page, patience };
                if !settings.contains(&setting) {
                    settings.push(setting);
                }
            }
        }
    }
    settings
}

/// A number with a comma before every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn three(share: f64) -> String {
    format!("{share:.3}")
}

#[allow(clippy::cast_precision_loss, reason = "shares are for the eye")]
fn as_float(number: u64) -> f64 {
    number as f64
}

impl Replay<'_> {
    fn share(&self, customers: u64) -> f64 {
        as_float(customers) * 100.0 / as_float(self.case.accounts.max(1))
    }

    /// The rows that are above the share that is allowed.
    fn above(&self) -> Vec<&Row> {
        let most = self.max_share.unwrap_or(100.0);
        self.rows.iter().filter(|row| self.share(row.harvest.total.customers) > most).collect()
    }

    fn policy(&self) -> &PolicySet {
        &self.one.policy
    }

    fn begins(&self) -> String {
        super::preview::spelled(self.case.from)
    }

    fn days(&self) -> u64 {
        self.case.seconds / DAY
    }

    fn in_days(&self) -> String {
        number(usize::try_from(self.days()).unwrap_or(usize::MAX), "day")
    }

    fn multiplied(&self) -> bool {
        self.rows.iter().any(|row| row.harvest.multiplied)
    }

    fn human(&self, terminal: Terminal) -> String {
        let mut text = format!(
            "{}  {} of {} ({})\n{} accounts, {} from {}, as {} with {}\n",
            terminal.paint(Ink::Strong, &self.route.name),
            super::cells::match_text(self.route),
            self.policy().name,
            self.one.name,
            grouped(self.case.accounts),
            self.in_days(),
            self.begins(),
            plain(&self.harvester.client),
            plain(&self.harvester.scopes.join(" ")),
        );
        for budget in &self.budgets {
            text.push_str(&format!(
                "budget {}: {}, {}\n",
                budget.name,
                budgets::allowance(budget),
                budgets::steps_text(budget)
            ));
        }
        text.push('\n');
        text.push_str(&self.table(terminal));
        if self.multiplied() {
            text.push_str("No budget binds the harvester: one page was played, and counts for all.\n");
        }
        text
    }

    /// A row's cells, under [`HEAD`].
    fn cells(&self, row: &Row) -> [String; HEAD.len()] {
        let total = &row.harvest.total;
        [
            grouped(row.setting.clients.into()),
            grouped(row.setting.page),
            row.setting.patience.word().to_owned(),
            grouped(total.customers),
            format!("{} %", three(self.share(total.customers))),
            row.at_most.map_or_else(|| "all".to_owned(), grouped),
            grouped(total.at_full_view()),
            grouped(total.shown),
            grouped(total.lowered),
            grouped(row.harvest.answered),
            grouped(row.harvest.refused),
        ]
    }

    /// The cells of a last row: what leaves without a policy.
    fn without_a_policy(&self) -> [String; HEAD.len()] {
        let all = self.case.accounts;
        HEAD.map(|title| match title {
            "clients" => "no policy".to_owned(),
            "customers" | "full view" => grouped(all),
            "share" => "100.000 %".to_owned(),
            "values" => grouped(self.values),
            "lowered" => "0".to_owned(),
            _ => String::new(),
        })
    }

    fn table(&self, terminal: Terminal) -> String {
        let mut table = vec![HEAD.map(str::to_owned)];
        table.extend(self.rows.iter().map(|row| self.cells(row)));
        table.push(self.without_a_policy());
        let mut text = String::new();
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| {
                table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for (index, row) in table.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            let line = line.trim_end();
            text.push_str(&if index == 0 { terminal.paint(Ink::Dim, line) } else { line.to_owned() });
            text.push('\n');
        }
        text
    }

    fn csv(&self) -> String {
        let mut text = String::from(
            "clients,page,patience,customers,share_percent,at_most,at_full_view,values_shown,values_lowered,answered,refused\n",
        );
        for row in &self.rows {
            let total = &row.harvest.total;
            let cells = [
                row.setting.clients.to_string(),
                row.setting.page.to_string(),
                row.setting.patience.word().to_owned(),
                total.customers.to_string(),
                three(self.share(total.customers)),
                row.at_most.map(|most| most.to_string()).unwrap_or_default(),
                total.at_full_view().to_string(),
                total.shown.to_string(),
                total.lowered.to_string(),
                row.harvest.answered.to_string(),
                row.harvest.refused.to_string(),
            ];
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let total = &row.harvest.total;
            json!({
                "clients": row.setting.clients,
                "page": row.setting.page,
                "patience": row.setting.patience.word(),
                "customers": total.customers,
                "share_percent": self.share(total.customers),
                "at_most": row.at_most,
                "at_full_view": total.at_full_view(),
                "values_shown": total.shown,
                "values_lowered": total.lowered,
                "answered": row.harvest.answered,
                "refused": row.harvest.refused,
                "by_arithmetic": row.harvest.multiplied,
            })
        });
        json!({
            "policy": self.policy().name,
            "file": self.one.name,
            "digest": policy::digest(&self.one.doc),
            "route": self.route.name,
            "counts": counted(self.policy()),
            "client": self.harvester.client,
            "scopes": self.harvester.scopes,
            "accounts": self.case.accounts,
            "days": self.days(),
            "from": self.begins(),
            "budgets": self.budgets.iter().map(|budget| json!({
                "budget": budget.name,
                "allows": budgets::allowance(budget),
                "steps": budgets::steps_text(budget),
            })).collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "without_a_policy": {"customers": self.case.accounts, "values_shown": self.values},
            "max_share_percent": self.max_share,
            "within": self.max_share.map(|_| self.above().is_empty()),
        })
    }
}

const HEAD: [&str; 11] = [
    "clients",
    "page",
    "patience",
    "customers",
    "share",
    "at most",
    "full view",
    "values",
    "lowered",
    "answered",
    "refused",
];
