//! A replay as one self-contained page: no script, no network. What comes from a policy is only ever text there.

use fieldgate::diagnostic::plain;
use fieldgate::model::{Budget, Level, StepEffect};
use fieldgate::policy::digest;
use fieldgate_workbench::replay::{Patience, Tally};
use fieldgate_workbench::suite::budgets;
use fieldgate_workbench::suite::verdict::word;

use super::{DAY, HEAD, Replay, Row, as_float, grouped, three};

const PAGE: &str = include_str!("page.html");

/// Width and height of a plot, and what its axes take.
const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 36.0;

/// The page of a replay.
pub(super) fn page(replay: &Replay<'_>) -> String {
    PAGE.replacen("@BODY@", &body(replay), 1)
}

/// Text as it stands in HTML.
fn text(text: &str) -> String {
    let text = plain(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn body(replay: &Replay<'_>) -> String {
    let mut out = format!(
        "<h1>The harvest replayed</h1>\n<p><strong>{}</strong> accounts, {} from {}. Route <code>{}</code> of <strong>{}</strong> ({}), as {} with <code>{}</code>.</p>\n<p>Policy digest <code>{}</code></p>\n",
        grouped(replay.case.accounts),
        replay.in_days(),
        replay.begins(),
        text(&super::super::cells::match_text(replay.route)),
        text(&replay.policy().name),
        text(&replay.one.name),
        text(&replay.harvester.client),
        text(&replay.harvester.scopes.join(" ")),
        digest(&replay.one.doc),
    );
    for budget in &replay.budgets {
        out.push_str(&format!(
            "<p>Budget <strong>{}</strong>: {}; {}.</p>\n",
            text(&budget.name),
            text(&budgets::allowance(budget)),
            text(&budgets::steps_text(budget))
        ));
    }
    if replay.multiplied() {
        out.push_str("<p>No budget binds the harvester: one page was played, and counts for all.</p>\n");
    }
    out.push_str(&table(replay));
    // The row that the plots show: who takes all that it gets, with the fewest clients.
    let rank = |row: &&Row| (row.setting.patience != Patience::Window, row.setting.clients);
    let Some(row) = replay.rows.iter().min_by_key(rank) else { return out };
    out.push_str(&customers(replay, row));
    out.push_str(&values(replay, row));
    out.push_str(&first_day(replay, row));
    out
}

fn table(replay: &Replay<'_>) -> String {
    let head: String = HEAD.iter().map(|title| format!("<th scope=\"col\">{title}</th>")).collect();
    let mut out = format!(
        "<h2>Who got how much</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"Who got how much\" tabindex=\"0\"><table id=\"rows\"><thead><tr>{head}</tr></thead><tbody>\n"
    );
    for row in &replay.rows {
        let cells: String = replay.cells(row).iter().map(|cell| format!("<td>{cell}</td>")).collect();
        out.push_str(&format!("<tr>{cells}</tr>\n"));
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str("<p>Patience: <em>gone</em> ends with the first refusal; <em>window</em> takes all it gets and waits for the next window; <em>view</em> waits before a step would lower what it sees. <em>At most</em> is windows times max; <em>full view</em> are customers shown without a step in force.</p>\n");
    out
}

/// A plot with days along and a logarithm up.
struct Plot {
    seconds: f64,
    /// The power of ten at the top.
    decades: f64,
}

impl Plot {
    fn x(&self, second: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (second / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height - height * (value.max(1.0).log10() / self.decades).clamp(0.0, 1.0)
    }

    fn grid(&self, days: u64) -> String {
        let mut out = String::new();
        let mut decade = 0.0;
        while decade <= self.decades {
            let value = 10f64.powf(decade);
            let y = self.y(value);
            out.push_str(&format!(
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                short(value)
            ));
            decade += 1.0;
        }
        let every = days.div_ceil(8).max(1);
        for day in (0..=days).step_by(usize::try_from(every).unwrap_or(1)) {
            let x = self.x(as_float(day.saturating_mul(DAY)));
            out.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">day {day}</text>\n",
                HEIGHT - 12.0
            ));
        }
        out
    }

    /// A course that rises at moments, and its name at its end.
    fn course(&self, points: &[(u64, u64)], class: &str, name: &str, above: f64) -> String {
        let mut path = format!("M{:.1} {:.1}", self.x(0.0), self.y(1.0));
        let mut last = self.y(1.0);
        for (second, value) in points {
            let (x, y) = (self.x(as_float(*second)), self.y(as_float(*value)));
            path.push_str(&format!("L{x:.1} {last:.1}L{x:.1} {y:.1}"));
            last = y;
        }
        path.push_str(&format!("L{:.1} {last:.1}", self.x(self.seconds)));
        format!(
            "<path class=\"course {class}\" d=\"{path}\"/><text class=\"t-{class}\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>\n",
            WIDTH - RIGHT + 6.0,
            last + above
        )
    }

    /// What grows evenly from nothing.
    fn evenly(&self, total: u64, name: &str) -> String {
        let points = (1..=60u32).map(|part| {
            let share = f64::from(part) / 60.0;
            format!("L{:.1} {:.1}", self.x(self.seconds * share), self.y(as_float(total) * share))
        });
        let path: String = points.collect();
        format!(
            "<path class=\"course without\" d=\"M{:.1} {:.1}{path}\"/><text class=\"t-without\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>\n",
            self.x(0.0),
            self.y(1.0),
            WIDTH - RIGHT + 6.0,
            self.y(as_float(total)) + 4.0
        )
    }
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{:.0} G", value / 1e9),
        value if value >= 1e6 => format!("{:.0} M", value / 1e6),
        value if value >= 1e3 => format!("{:.0} k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// What has left up to each moment, of one kind.
fn summed(row: &Row, of: impl Fn(&Tally) -> u64) -> Vec<(u64, u64)> {
    let mut sum = 0u64;
    let course = row.harvest.course.iter();
    course
        .map(|(second, tally)| {
            sum = sum.saturating_add(of(tally));
            (*second, sum)
        })
        .collect()
}

fn svg(id: &str, title: &str, about: &str, inner: &str) -> String {
    format!(
        "<h2>{title}</h2>\n<div class=\"scroll\" role=\"region\" aria-label=\"{title}\" tabindex=\"0\"><svg id=\"{id}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-about\"><title id=\"{id}-title\">{title}</title><desc id=\"{id}-about\">{about}</desc>\n{inner}</svg></div>\n"
    )
}

/// A plot of the whole harvest, up to the power of ten that `top` fits under.
fn plot(replay: &Replay<'_>, top: u64) -> Plot {
    Plot { seconds: as_float(replay.case.seconds), decades: as_float(top).log10().ceil().max(1.0) }
}

/// Customers over time: without a policy, with it, and at full view.
fn customers(replay: &Replay<'_>, row: &Row) -> String {
    let accounts = replay.case.accounts;
    let who = format!(
        "{} client{}, patience {}",
        row.setting.clients,
        if row.setting.clients == 1 { "" } else { "s" },
        row.setting.patience.word()
    );
    let total = &row.harvest.total;
    let plot = plot(replay, accounts);
    let inner = [
        plot.grid(replay.days()),
        plot.evenly(accounts, &format!("no policy: {}", grouped(accounts))),
        plot.course(
            &summed(row, |tally| tally.customers),
            "with",
            &format!("customers: {}", grouped(total.customers)),
            -4.0,
        ),
        plot.course(
            &summed(row, Tally::at_full_view),
            "full",
            &format!("full view: {}", grouped(total.at_full_view())),
            12.0,
        ),
    ];
    let about = format!(
        "Without a policy the customers rise evenly to {}; under the policy to {} ({} %), {} of them at full view. {who}.",
        grouped(accounts),
        grouped(total.customers),
        three(replay.share(total.customers)),
        grouped(total.at_full_view())
    );
    svg("customers", &format!("Customers over time ({who})"), &about, &inner.concat())
}

/// Values over time: without a policy, as they came, and lowered.
fn values(replay: &Replay<'_>, row: &Row) -> String {
    let values = replay.values;
    let total = &row.harvest.total;
    let plot = plot(replay, values);
    let inner = [
        plot.grid(replay.days()),
        plot.evenly(values, &format!("no policy: {}", grouped(values))),
        plot.course(
            &summed(row, |tally| tally.shown),
            "full",
            &format!("as they came: {}", grouped(total.shown)),
            -4.0,
        ),
        plot.course(&summed(row, |tally| tally.lowered), "low", &format!("lowered: {}", grouped(total.lowered)), 12.0),
    ];
    let about = format!(
        "Without a policy {} values; under it {} as they came and {} masked, as a pseudonym or blank.",
        grouped(values),
        grouped(total.shown),
        grouped(total.lowered)
    );
    svg("fields", "Fields over time", &about, &inner.concat())
}

/// The first day close up: what each moment brought, by the step that was in force, and where the steps are.
fn first_day(replay: &Replay<'_>, row: &Row) -> String {
    let moments: Vec<(u64, &Tally)> = row
        .harvest
        .course
        .iter()
        .filter(|(second, _)| **second < DAY)
        .map(|(second, tally)| (*second, tally))
        .collect();
    if row.harvest.multiplied || moments.is_empty() {
        return String::new();
    }
    let clients = u64::from(row.setting.clients);
    let narrowest: Option<&Budget> = replay.budgets.iter().copied().min_by_key(|budget| budget.per.seconds);
    let most = moments.iter().map(|(_, tally)| tally.customers).max().unwrap_or(0);
    let top = narrowest.map_or(most, |budget| budget.max.saturating_mul(clients)).max(most).max(1);
    let plot = DayPlot { top };
    let mut inner = plot.axes() + &plot.bars(&moments);
    let mut told = Vec::new();
    for (at, (percent, then)) in narrowest.map(steps).unwrap_or_default().into_iter().enumerate() {
        let max = narrowest.map_or(0, |budget| budget.max);
        let value = max.saturating_mul(clients).saturating_mul(percent.into()) / 100;
        let effect = budgets::effect_text(then);
        inner.push_str(&plot.step(at, value, &format!("{percent} %: {}", text(&effect))));
        told.push(format!("above {percent} % {effect}"));
    }
    let name = narrowest.map(|budget| budget.name.as_str()).unwrap_or_default();
    let about = format!(
        "Bars are customers of each moment, by the step in force. Steps of {}: {}.",
        text(name),
        told.join(", ")
    );
    svg("first-day", &format!("The first day, and the steps of {}", text(name)), &about, &inner)
}

/// A budget's steps, and that it is full where none of them says so.
fn steps(budget: &Budget) -> Vec<(u8, StepEffect)> {
    let written = budget.steps.iter().map(|step| (step.percent, step.then));
    written.chain((!budgets::rejects(budget)).then_some((100, StepEffect::Reject))).collect()
}

/// A plot with the hours of one day along and customers up, to `top`.
struct DayPlot {
    top: u64,
}

impl DayPlot {
    fn x(&self, second: u64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * as_float(second) / as_float(DAY)
    }

    fn y(&self, value: u64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height - height * as_float(value) / as_float(self.top)
    }

    fn axes(&self) -> String {
        let mut out = String::new();
        for hour in (0..=24u64).step_by(3) {
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{hour}:00</text>\n",
                self.x(hour.saturating_mul(3600)),
                HEIGHT - 12.0
            ));
        }
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\"/><text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\n",
            self.y(0),
            WIDTH - RIGHT,
            LEFT - 8.0,
            self.y(self.top) + 4.0,
            grouped(self.top)
        ));
        out
    }

    /// What each moment brought, one level above the other.
    fn bars(&self, moments: &[(u64, &Tally)]) -> String {
        let width = ((WIDTH - LEFT - RIGHT) / 24.0 - 4.0).min(20.0);
        let mut out = String::new();
        for (second, tally) in moments {
            let mut under = 0u64;
            for level in [Level::Show, Level::Mask, Level::Pseudonym, Level::Blank, Level::Hide] {
                let count = tally.under(level);
                if count == 0 {
                    continue;
                }
                let upper = under.saturating_add(count);
                out.push_str(&format!(
                    "<rect class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{} customers, at most {}</title></rect>\n",
                    word(level),
                    self.x(*second),
                    self.y(upper),
                    self.y(under) - self.y(upper),
                    grouped(count),
                    word(level)
                ));
                under = upper;
            }
        }
        out
    }

    /// The line of the step with this index, and its name.
    fn step(&self, index: usize, value: u64, name: &str) -> String {
        // The names keep apart where the lines do not.
        let below = self.y(value).min(self.y(0)) + 4.0 + if index.is_multiple_of(2) { 6.0 } else { -4.0 };
        format!(
            "<line class=\"step\" x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\"/><text class=\"mark\" x=\"{2:.1}\" y=\"{below:.1}\">{name}</text>\n",
            self.y(value),
            WIDTH - RIGHT,
            WIDTH - RIGHT + 6.0,
        )
    }
}
