//! [`Reporter`]: what a worker of a host tells of its exchanges, in metrics and in its log.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Exchange, Mode, Report};
use crate::model::PolicySet;
use crate::refusal::{Lines, Refusal};
use crate::report::{Board, Meters, Record, Reserved};

/// How loud a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loudness {
    /// It tells what happened.
    Info,
    /// Somebody should look.
    Warn,
    /// Nothing is served.
    Error,
}

/// What one worker remembers of what it has told of its exchanges; `I` is what its host knows a series by.
#[derive(Debug)]
pub struct Reporter<I> {
    /// The series that it has raised.
    pub board: Board<I>,
    log: RefusalLog,
}

impl<I> Default for Reporter<I> {
    fn default() -> Self {
        Self { board: Board::default(), log: RefusalLog::default() }
    }
}

impl<I: Clone> Reporter<I> {
    /// Tells what is reserved for an exchange, once its request does not wait any more.
    pub fn admitted(&mut self, exchange: &mut Exchange, meters: &mut impl Meters<Id = I>) {
        exchange.spending.told = exchange.reservations();
        self.board.reserved(meters, exchange.program.policy(), &exchange.spending.told, Reserved::Made);
    }

    /// Counts an exchange that is over, of which this is the record.
    pub fn ended(&mut self, exchange: &Exchange, record: &Record<'_>, meters: &mut impl Meters<Id = I>) {
        let policy = exchange.program.policy();
        self.board.reserved(meters, policy, &exchange.spending.told, Reserved::Ended);
        self.board.record(meters, policy, record);
        if exchange.report().mode != Mode::Enforced {
            let (scopes, fields) = exchange.fields();
            self.board.reported(meters, policy, record, (&scopes, &fields));
        }
    }

    /// The lines for the log on an exchange that is over, if such are heard: none unless it was refused, or would have been.
    pub fn lines(
        &mut self,
        exchange: &Exchange,
        record: &Record<'_>,
        time: Option<SystemTime>,
        is_heard: impl FnOnce(Loudness) -> bool,
    ) -> (Loudness, Vec<String>) {
        let Some(refusal) = record.refusal else { return (Loudness::Info, Vec::new()) };
        let loudness = loudness(refusal);
        if !is_heard(loudness) {
            return (loudness, Vec::new());
        }
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        (loudness, self.log.lines(exchange.program.policy(), &exchange.report(), refusal, since.as_secs()))
    }
}

/// A refusal that is not the caller's is to be warned of.
fn loudness(refusal: Refusal) -> Loudness {
    if refusal.status() >= 500 { Loudness::Warn } else { Loudness::Info }
}

/// The lines of the log on refusals, each kind with a room of its own: what callers are refused for must not keep out what
/// the upstream is.
#[derive(Debug, Default)]
struct RefusalLog {
    by_caller: Lines,
    by_upstream: Lines,
}

impl RefusalLog {
    /// What the log is to say of a refusal at that time, in seconds since the epoch; nothing where it has no room. Words of
    /// the policy and of the product, nothing of an exchange.
    fn lines(&mut self, policy: &PolicySet, report: &Report, refusal: Refusal, seconds: u64) -> Vec<String> {
        let room = match loudness(refusal) {
            Loudness::Info => &mut self.by_caller,
            Loudness::Warn | Loudness::Error => &mut self.by_upstream,
        };
        let Some(left_out) = room.line(seconds) else { return Vec::new() };
        let mut lines = Vec::new();
        if left_out > 0 {
            lines.push(format!("{left_out} refusals are not in the log, which has {} a minute", Lines::MOST));
        }
        let verb = if report.mode == Mode::Enforced { "refused" } else { "only reporting: would refuse" };
        let route = report.route.and_then(|route| policy.routes.get(usize::from(route.0)));
        let route = route.map_or("-", |route| route.name.as_str());
        lines.push(format!("{verb} with {}: {refusal}, route {route}", refusal.status()));
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::budget::MemoryStore;
    use crate::caller::Caller;
    use crate::exchange::{End, Headers, RequestDirective};
    use crate::model::moment::Moment;
    use crate::program::Program;
    use crate::report::METRICS;
    use crate::transform::PseudonymKey;

    #[derive(Default)]
    struct Sums(HashMap<String, i64>);

    impl Meters for Sums {
        type Id = String;

        fn define(&mut self, metric: usize, labels: Vec<String>) -> Option<String> {
            Some(format!("{} {}", METRICS[metric].name, labels.join(" ")))
        }

        fn change(&mut self, id: &String, by: i64) {
            let sum = self.0.entry(id.clone()).or_default();
            *sum = sum.saturating_add(by);
        }
    }

    fn program(settings: &str) -> Rc<Program> {
        let text = format!(
            r#"{{"language": 1, "policy": "p",
            "identity": {{"source": "jwt_authn", "payload": "p", "client": "azp", "scopes": "scope"}},
            "classes": {{"c": {{}}}},
            "shapes": {{"s": {{"$.id": {{"class": "c", "subject": "customer"}}}}}},
            "routes": {{"r": {{"match": "GET /r", "area": "a", "body": {{"$": {{"shape": "s"}}}}{settings}}}}},
            "scopes": {{"s": {{"areas": ["a"], "grant": {{"c": "show"}}}}}},
            "budgets": {{"hour": {{"areas": ["a"], "count": {{"distinct": "customer"}}, "per": "1h", "max": 200}}}}}}"#
        );
        let (policy, _) = crate::policy::from_json(text.as_bytes()).unwrap_or_else(|found| panic!("{found}"));
        let key = PseudonymKey::from_base64("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=").unwrap();
        Rc::new(Program::new(policy, Some(key)).unwrap())
    }

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    const NOW: u64 = 1_000_000_000;

    #[test]
    fn what_is_told_of_an_exchange_follows_from_how_it_ended() {
        let reports = r#", "report_until": "2030-01-01""#;
        let rows = [
            ("a response that is released", "", "s", "application/json", None),
            ("a caller without a scope", "", "", "", Some((Loudness::Info, "refused with 403"))),
            ("a response that is no JSON", "", "s", "text/html", Some((Loudness::Warn, "refused with 502"))),
            (
                "the same where the route only reports",
                reports,
                "s",
                "text/html",
                Some((Loudness::Warn, "only reporting: would refuse with 502")),
            ),
        ];
        for (claim, settings, scopes, kind, expected) in rows {
            let program = program(settings);
            let (mut store, mut sums) = (MemoryStore::default(), Sums::default());
            let mut reporter = Reporter::default();
            let mut exchange = Exchange::new(Rc::clone(&program));
            let scopes = scopes.split_terminator(' ').map(str::to_owned).collect();
            let caller = Caller::new(program.policy(), "app", scopes, serde_json::Value::Null);
            let request = headers(&[(":method", "GET"), (":path", "/r"), (":authority", "api.example")]);
            let now = Some(Moment(NOW));
            let directive = exchange.begin((&request, End::Last), caller, now, &mut store, |_| false);
            reporter.admitted(&mut exchange, &mut sums);
            let is_reserved = !exchange.reservations().is_empty();
            assert_eq!(sums.0.get("fieldgate_budget_reserved hour").copied(), is_reserved.then_some(1), "{claim}");
            if matches!(directive, RequestDirective::Forward { .. }) {
                let head = headers(&[(":status", "200"), ("content-type", kind), ("content-length", "10")]);
                let _ = exchange.on_response_head(&head, End::More);
                let _ = exchange.on_response_body(br#"{"id":"1"}"#, 10, End::Last);
                exchange.taken();
            }
            exchange.settle(now, &mut store);
            let record = exchange.record(None);
            reporter.ended(&exchange, &record, &mut sums);
            assert_eq!(sums.0.get("fieldgate_budget_reserved hour").copied(), is_reserved.then_some(0), "{claim}");
            assert_eq!(sums.0.keys().any(|name| name.starts_with("fieldgate_refusals_total r ")), expected.is_some());
            let time = Some(UNIX_EPOCH + Duration::from_secs(NOW));
            let (_, unheard) = reporter.lines(&exchange, &record, time, |_| false);
            assert!(unheard.is_empty(), "{claim}: {unheard:?}");
            let (loudness, lines) = reporter.lines(&exchange, &record, time, |_| true);
            match expected {
                None => assert!(lines.is_empty(), "{claim}: {lines:?}"),
                Some((wanted, start)) => {
                    assert_eq!(loudness, wanted, "{claim}");
                    assert!(lines.len() == 1 && lines[0].starts_with(start), "{claim}: {lines:?}");
                }
            }
        }
    }

    #[test]
    fn what_callers_are_refused_for_keeps_out_nothing_of_the_upstream() {
        let (program, mut log) = (program(""), RefusalLog::default());
        let mut lines = |refusal| log.lines(program.policy(), &Report::default(), refusal, NOW).len();
        let written: usize = (0..100).map(|_| lines(Refusal::NoRoute)).sum();
        assert_eq!((written, lines(Refusal::NoRoute), lines(Refusal::Status)), (60, 0, 1));
    }
}
