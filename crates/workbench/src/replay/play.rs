//! One client of a harvest: its clock, its budgets and what it has.

use std::collections::BTreeSet;
use std::rc::Rc;

use fieldgate::budget::{MemoryStore, Need};
use fieldgate::caller::Caller;
use fieldgate::exchange::{Answer, Request, Response, respond_with};
use fieldgate::model::moment::Moment;
use fieldgate::model::{Level, RouteId};
use fieldgate::program::Program;
use fieldgate::refusal::Refusal;

use super::{Harvest, Harvester, Patience, ReplayCase, SweepRow, Tally, Upstream, json_type, place};
use crate::fault::Fault;

/// One client.
pub(super) struct Player<'a> {
    program: &'a Rc<Program>,
    upstream: &'a Upstream,
    route: RouteId,
    caller: Caller,
    case: ReplayCase,
    setting: SweepRow,
    /// The customers that are this client's part: from, up to.
    part: (u64, u64),
}

impl<'a> Player<'a> {
    pub(super) fn new(
        program: &'a Rc<Program>,
        upstream: &'a Upstream,
        harvester: &Harvester,
        case: ReplayCase,
        setting: SweepRow,
        client: u32,
    ) -> Result<Self, Fault> {
        let policy = program.policy();
        let route = (0u16..).map(RouteId).zip(&policy.routes).find(|(_, route)| route.name == harvester.route);
        let (route, _) = route.ok_or_else(|| {
            Fault::new(format!("the policy has no route `{}`", harvester.route), "`fieldgate matrix` lists them")
        })?;
        let mut caller = Caller::new(policy, &harvester.client, harvester.scopes.clone(), harvester.claims.clone());
        if client > 0 {
            caller.client = format!("{}-{}", harvester.client, client.saturating_add(1)).into();
        }
        let border = |number: u32| {
            let part = u128::from(case.accounts).saturating_mul(number.into());
            u64::try_from(part.checked_div(setting.clients.into()).unwrap_or(0)).unwrap_or(u64::MAX)
        };
        let part = (border(client), border(client.saturating_add(1)));
        Ok(Self { program, upstream, route, caller, case, setting, part })
    }

    /// Plays all of it. `on_seconds` hears how many seconds of the case went by, all of them in the end.
    pub(super) fn play(self, mut on_seconds: impl FnMut(u64)) -> Result<Harvest, Fault> {
        let mut harvest = Harvest::default();
        let (mut next, end) = self.part;
        if !self.is_bound() {
            self.multiply(&mut harvest)?;
            on_seconds(self.case.seconds);
            return Ok(harvest);
        }
        let mut store = MemoryStore::default();
        let whole = self.whole_page();
        let (mut now, mut page) = (0u64, whole);
        let mut wait = |now: &mut u64, seconds: u64| {
            let before = (*now).min(self.case.seconds);
            *now = now.saturating_add(seconds.max(1));
            on_seconds((*now).min(self.case.seconds).saturating_sub(before));
        };
        while now < self.case.seconds && next < end {
            let left = end.saturating_sub(next);
            let records = page.min(left.div_ceil(self.upstream.places())).max(1);
            if self.setting.patience == Patience::View
                && let Some(seconds) = self.lowers(next, records, now, &mut store)
            {
                if page > 1 {
                    page /= 2;
                } else {
                    wait(&mut now, seconds);
                    page = whole;
                }
                continue;
            }
            let answer = self.ask(next, records, now, &mut store);
            if let Some(seconds) = self.wait_for(&answer, next, records, now, &mut store)? {
                harvest.refused = harvest.refused.saturating_add(1);
                if self.setting.patience == Patience::Gone {
                    break;
                }
                // While less than a page is left, a smaller page may still be had.
                if page > 1 && self.upstream.has_pages() {
                    page /= 2;
                } else {
                    wait(&mut now, seconds);
                    page = whole;
                }
                continue;
            }
            let released = self.released(&answer, records);
            if released == 0 {
                return Err(self.nothing());
            }
            harvest.answered = harvest.answered.saturating_add(1);
            harvest.leaves(now, &tally(&answer, released.min(left)));
            next = next.saturating_add(records.saturating_mul(self.upstream.places()));
        }
        on_seconds(self.case.seconds.saturating_sub(now));
        Ok(harvest)
    }

    /// Whether a budget counts what this client gets.
    fn is_bound(&self) -> bool {
        self.program.policy().budgets_on(self.route).any(|(_, budget)| budget.binds(self.caller.entry))
    }

    fn whole_page(&self) -> u64 {
        self.setting.page.clamp(1, self.upstream.most())
    }

    /// Without a budget all leaves at once: one page is played, and counts for all.
    fn multiply(&self, harvest: &mut Harvest) -> Result<(), Fault> {
        let records = self.whole_page();
        let answer = self.ask(self.part.0, records, 0, &mut MemoryStore::default());
        if answer.report.refusal.is_some() || answer.status != 200 {
            return Err(self.not_served(&answer));
        }
        let customers = self.released(&answer, records);
        let all = self.part.1.saturating_sub(self.part.0);
        let pages = all.checked_div(customers).ok_or_else(|| self.nothing())?;
        let mut sum = tally(&answer, customers).times(pages);
        let missing = all.saturating_sub(sum.customers);
        let mut rest = tally(&answer, customers);
        let part = |number: u64| number.saturating_mul(missing).checked_div(customers).unwrap_or(0);
        rest = Tally {
            customers: missing,
            by_ceiling: rest.by_ceiling.map(part),
            shown: part(rest.shown),
            lowered: part(rest.lowered),
        };
        sum.add(&rest);
        harvest.leaves(0, &sum);
        harvest.answered = pages.saturating_add(u64::from(missing > 0));
        harvest.multiplied = true;
        Ok(())
    }

    fn ask(&self, first: u64, records: u64, now: u64, store: &mut MemoryStore) -> Answer {
        let page = self.upstream.page(first, records);
        let request = Request {
            method: "GET".to_owned(),
            target: page.target,
            headers: self.upstream.headers(),
            caller: self.caller.clone(),
            now: Some(self.at(now)),
        };
        respond_with(self.program, request, &Response { status: 200, headers: json_type(), body: page.body }, store)
    }

    /// The seconds until a request that was refused may be answered; `None` of an answer.
    fn wait_for(
        &self,
        answer: &Answer,
        first: u64,
        records: u64,
        now: u64,
        store: &mut MemoryStore,
    ) -> Result<Option<u64>, Fault> {
        match answer.report.refusal {
            None if answer.status == 200 => Ok(None),
            Some(Refusal::Budget { retry_after, .. }) => Ok(Some(u64::from(retry_after))),
            // A step may leave nothing to see, which is refused without a word about when.
            Some(Refusal::NothingVisible) if answer.account.ceiling < Level::Show => {
                self.lowers(first, records, now, store).ok_or_else(|| self.not_served(answer)).map(Some)
            }
            _ => Err(self.not_served(answer)),
        }
    }

    fn at(&self, now: u64) -> Moment {
        Moment(self.case.from.0.saturating_add(now))
    }

    /// Seconds until it may be otherwise, where this request would be shown less than the first of a window.
    fn lowers(&self, first: u64, records: u64, now: u64, store: &mut MemoryStore) -> Option<u64> {
        let budgets = self.program.budgets()?;
        let Moment(now) = self.at(now);
        let target = self.upstream.page(first, if self.upstream.has_pages() { records } else { 0 }).target;
        let policy = self.program.policy();
        let route = policy.routes.get(usize::from(self.route.0))?;
        let named = self.program.subjects().in_path(route, &target);
        let demands = budgets.demands(policy, self.route, &self.caller, &target, named);
        let waits = demands.into_iter().filter_map(|demand| {
            let rule = budgets.books().rules().get(usize::from(demand.budget))?;
            let head = budgets.books().head(demand.budget, demand.tag, now, store);
            let need = match demand.need {
                Need::Count(count) => count,
                Need::Subject(_) => 1,
            };
            let taken = head.map_or(0, |head| head.used.saturating_add(head.reserved)).saturating_add(need);
            // Over a step's share is over its whole percent: the next one is rounded up to.
            let percent = u128::from(taken).saturating_mul(100).div_ceil(u128::from(rule.max.max(1)));
            let percent = u8::try_from(percent).unwrap_or(u8::MAX);
            let ends = || {
                let since = now.checked_rem(rule.per.max(1)).unwrap_or(0);
                rule.per.saturating_sub(since)
            };
            (rule.ladder.ceiling_at(percent) < Level::Show).then(ends)
        });
        waits.max()
    }

    /// How many customers an answer to a request for so many records is about.
    fn released(&self, answer: &Answer, records: u64) -> u64 {
        let asked = records.saturating_mul(self.upstream.places());
        let counted = match answer.account.subjects {
            // No budget counts subjects here: the records tell.
            0 if answer.report.counts.records > 0 => {
                answer.report.counts.records.saturating_mul(self.upstream.places())
            }
            0 if answer.report.counts.left() == (0, 0) => 0,
            0 => asked,
            subjects => subjects,
        };
        counted.min(asked)
    }

    fn not_served(&self, answer: &Answer) -> Fault {
        let why =
            answer.report.refusal.map_or_else(|| format!("status {}", answer.status), |refusal| refusal.to_string());
        let scopes: BTreeSet<&str> = self.caller.scopes.iter().map(String::as_str).collect();
        let scopes: Vec<&str> = scopes.into_iter().collect();
        Fault::new(
            format!("the harvester gets no answer on `{}`: {why}", self.upstream.route()),
            format!("it has the scopes {}; name others with --scope, or another --route", scopes.join(" ")),
        )
    }

    fn nothing(&self) -> Fault {
        Fault::new(
            format!("an answer on `{}` has left without a record in it", self.upstream.route()),
            "a row condition may leave the invented record out: give a real body with --body",
        )
    }
}

/// What an answer let out, about so many customers that had not been let out before.
fn tally(answer: &Answer, customers: u64) -> Tally {
    let (shown, lowered) = answer.report.counts.left();
    let mut by_ceiling = [0; 5];
    if let Some(number) = by_ceiling.get_mut(place(answer.account.ceiling)) {
        *number = customers;
    }
    Tally { customers, by_ceiling, shown, lowered }
}
