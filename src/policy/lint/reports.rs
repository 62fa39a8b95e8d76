//! Routes that only report (rule 38).

use super::Lint;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::RouteBody;
use crate::model::moment::{Day, Moment};

/// Days ahead that a trial may last without a warning: a quarter.
const LONG: u32 = 90;

/// Days ahead after which nobody can mean a trial.
const YEAR: u32 = 366;

impl Lint<'_> {
    pub(super) fn reports(&mut self, now: Option<Moment>) {
        for route in &self.policy.routes {
            let (Some(until), RouteBody::Governed(_)) = (route.report_until, &route.body) else { continue };
            let name = route.name.as_str();
            let place = self.node(&["routes", name, "report_until"]).map_or(route.span, |node| node.span);
            let over = |ahead: u32, now: Moment| Day(until.0.saturating_sub(ahead)).start() > now;
            self.push(match now {
                Some(now) if over(YEAR, now) => Diagnostic::at(
                    Code::LongReport,
                    place,
                    format!(
                        "route `{name}` only reports until {until}, more than a year ahead: that is not a trial, and until then \
                         every response passes as it came"
                    ),
                )
                .help("choose a day within the next 90 days, and move it when it comes if the counts ask for it"),
                Some(now) if over(LONG, now) => Diagnostic::at(
                    Code::LongReport,
                    place,
                    format!("route `{name}` only reports until {until}, more than {LONG} days ahead"),
                )
                .help("choose a nearer day, and move it when it comes if the counts ask for it"),
                Some(now) if !over(0, now) => {
                    Diagnostic::at(Code::NoEffect, place, format!("route `{name}` is enforced: {until} has come"))
                        .help("take `report_until` out")
                }
                _ => Diagnostic::at(
                    Code::ReportOnly,
                    place,
                    format!("route `{name}` only reports until {until}: its responses pass unchanged"),
                ),
            });
        }
    }
}
