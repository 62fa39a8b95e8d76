//! The breach of 2022/23 under a policy: how much a harvester gets, with the real core and a simulated clock.
//!
//! A harvester asks for one customer after another, as fast as it likes, and waits for the next window when it is refused. Each
//! page that is released goes through the real exchange: admission, rewriting, settlement. What nothing is released for is
//! arithmetic: a refused request moves the clock to the end of its window, and where no budget binds the harvester one page is
//! played and multiplied.
//!
//! Answers take no time, so what comes out is the most that such a harvester can get.
//!
//! | file | what |
//! |---|---|
//! | [`upstream`](Upstream) | what the API answers: a page of so many records, each with a customer of its own |
//! | `play` | one client, from the first request to the last second |

mod play;
mod upstream;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fieldgate::caller::Caller;
use fieldgate::exchange::{Request, Response, respond};
use fieldgate::model::moment::Moment;
use fieldgate::model::{Budget, Count, Level, PolicySet, Route, RouteBody, RouteId, SubjectPlace};
use fieldgate::policy;
use fieldgate::program::Program;
use fieldgate::transform::PseudonymKey;
use serde_json::Value;

pub use upstream::Upstream;

use crate::fault::Fault;
use play::Player;

/// What is asked for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayCase {
    /// Customers of the API.
    pub accounts: u64,
    /// Seconds that the harvest lasts.
    pub seconds: u64,
    /// When it begins.
    pub from: Moment,
}

/// What a harvester does when a budget is in its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It ends with the first refusal.
    Gone,
    /// It takes all that it gets, and waits for the next window once it is refused.
    Window,
    /// It knows the budgets: it waits for the next window before a step would lower what it sees.
    View,
}

impl Patience {
    /// How it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Window => "window",
            Self::View => "view",
        }
    }
}

/// Who harvests, by which route.
#[derive(Debug, Clone)]
pub struct Harvester {
    /// The route's name.
    pub route: String,
    /// The first client's id; the others are told apart by a number, and have its entry in the policy.
    pub client: String,
    /// The scopes of its token.
    pub scopes: Vec<String>,
    /// Further claims of it.
    pub claims: Value,
}

/// One row of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepRow {
    /// Clients that share the work.
    pub clients: u32,
    /// Records of a page; on a route that answers with one, 1.
    pub page: u64,
    /// What they do when a budget is in the way.
    pub patience: Patience,
}

/// What left at one moment, or in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Distinct customers.
    pub customers: u64,
    /// Distinct customers by the ceiling under which they were shown: hide, blank, pseudonym, mask, show.
    pub by_ceiling: [u64; 5],
    /// Values that left as they came.
    pub shown: u64,
    /// Values that left masked, as a pseudonym or blank.
    pub lowered: u64,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.customers = self.customers.saturating_add(other.customers);
        self.shown = self.shown.saturating_add(other.shown);
        self.lowered = self.lowered.saturating_add(other.lowered);
        for (own, more) in self.by_ceiling.iter_mut().zip(other.by_ceiling) {
            *own = own.saturating_add(more);
        }
    }

    /// So many times the same.
    fn times(&self, count: u64) -> Self {
        Self {
            customers: self.customers.saturating_mul(count),
            by_ceiling: self.by_ceiling.map(|number| number.saturating_mul(count)),
            shown: self.shown.saturating_mul(count),
            lowered: self.lowered.saturating_mul(count),
        }
    }

    /// Customers that were shown without a step of a budget in force.
    #[must_use]
    pub fn at_full_view(&self) -> u64 {
        self.under(Level::Show)
    }

    /// Customers that were shown under a ceiling.
    #[must_use]
    pub fn under(&self, ceiling: Level) -> u64 {
        self.by_ceiling.get(place(ceiling)).copied().unwrap_or(0)
    }
}

/// The place of a ceiling in [`Tally::by_ceiling`].
fn place(ceiling: Level) -> usize {
    match ceiling {
        Level::Hide => 0,
        Level::Blank => 1,
        Level::Pseudonym => 2,
        Level::Mask => 3,
        Level::Show => 4,
    }
}

/// What came of one setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Harvest {
    /// In all.
    pub total: Tally,
    /// By seconds since the harvest began.
    pub course: BTreeMap<u64, Tally>,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that budgets refused.
    pub refused: u64,
    /// Whether one page was played and multiplied, since no budget binds the harvester.
    pub multiplied: bool,
}

impl Harvest {
    fn merge(&mut self, other: Self) {
        self.total.add(&other.total);
        for (second, tally) in &other.course {
            self.course.entry(*second).or_default().add(tally);
        }
        self.answered = self.answered.saturating_add(other.answered);
        self.refused = self.refused.saturating_add(other.refused);
        self.multiplied |= other.multiplied;
    }

    fn leaves(&mut self, second: u64, tally: &Tally) {
        self.total.add(tally);
        self.course.entry(second).or_default().add(tally);
    }
}

/// The key of a replay. What comes of it does not depend on the key, and nothing of it is anybody's.
const KEY: &str = "ZmllbGRnYXRlIHJlcGxheTogbm90aGluZyByZWFsIGlzIGtleWVk";

/// A policy that is replayed.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Its one JSON document. Each thread reads it again: a [`PolicySet`] is one thread's.
    json: String,
}

impl Replayed {
    /// A policy by its JSON document ([`fieldgate::policy::to_json`]).
    #[must_use]
    pub fn new(json: String) -> Self {
        Self { json }
    }

    fn program(&self) -> Result<Rc<Program>, Fault> {
        let (mut policy, _) = policy::from_json(self.json.as_bytes())
            .map_err(|_| Fault::new("the policy does not check", "`fieldgate check` says why"))?;
        // A replay is about what is enforced: in the year of the breach every route that ever reported would report.
        for route in &mut policy.routes {
            route.report_until = None;
        }
        let key = PseudonymKey::from_base64(KEY).map_err(|fault| Fault::new(fault.to_string(), "report it"))?;
        Program::new(policy, Some(key)).map(Rc::new).map_err(|missing| Fault::new(missing.to_string(), "set it"))
    }
}

/// The route that a harvester would take: the first list whose records say whose they are, else one whose body or path does.
/// GET only.
#[must_use]
pub fn best_route(policy: &PolicySet) -> Option<&Route> {
    let rank = |route: &Route| {
        let RouteBody::Governed(governed) = &route.body else { return None };
        if route.method != "GET" {
            return None;
        }
        match governed.subjects_of(counted(policy).as_deref()) {
            SubjectPlace::Array(_) if governed.max_records.is_some() => Some(0),
            SubjectPlace::Array(_) => Some(1),
            SubjectPlace::Root => Some(2),
            SubjectPlace::Path(_) => Some(3),
            SubjectPlace::Nowhere => None,
        }
    };
    let ranked = policy.routes.iter().filter_map(|route| Some((rank(route)?, route)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, route)| route)
}

/// The kind of subject whose harvest is counted: that of the first budget that counts one, else the first that is named.
#[must_use]
pub fn counted(policy: &PolicySet) -> Option<String> {
    let budgets = policy.budgets.iter().find_map(|budget| match &budget.count {
        Count::Distinct(namespace) => Some(namespace.to_string()),
        Count::Records | Count::Cost => None,
    });
    let named = || {
        policy.routes.iter().find_map(|route| match &route.body {
            RouteBody::Governed(governed) => {
                let path = governed.subject.as_ref().map(|subject| subject.namespace.to_string());
                path.or_else(|| {
                    governed.subject_entries(None).find_map(|entry| entry.subject.as_deref().map(str::to_owned))
                })
            }
            RouteBody::Pass(_) => None,
        })
    };
    budgets.or_else(named)
}

/// The scope by which most values of a route's answer are shown.
///
/// # Errors
/// When no scope shows anything.
pub fn best_scope(replayed: &Replayed, upstream: &Upstream, harvester: &Harvester) -> Result<String, Fault> {
    let program = replayed.program()?;
    let names: Vec<String> = program.policy().scopes.iter().map(|scope| scope.name.clone()).collect();
    let seen = |name: &String| {
        let caller = Caller::new(program.policy(), &harvester.client, vec![name.clone()], harvester.claims.clone());
        let page = upstream.page(0, 1);
        let request = Request {
            method: "GET".to_owned(),
            target: page.target,
            headers: upstream.headers(),
            caller,
            now: Some(Moment(0)),
        };
        let answer = respond(&program, request, &Response { status: 200, headers: json_type(), body: page.body });
        (answer.report.refusal.is_none() && answer.status == 200).then(|| answer.report.counts.left())
    };
    let mut best: Option<(String, (u64, u64))> = None;
    for name in names {
        if let Some(seen) = seen(&name)
            && best.as_ref().is_none_or(|(_, most)| seen > *most)
        {
            best = Some((name, seen));
        }
    }
    best.filter(|(_, seen)| *seen > (0, 0)).map(|(name, _)| name).ok_or_else(|| {
        Fault::new(
            format!("no scope alone shows anything on `{}`", upstream.route()),
            "name scopes with --scope, and claims with --claims",
        )
    })
}

fn json_type() -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(b"content-type".to_vec(), b"application/json".to_vec())]
}

/// The most customers that a policy's budgets let clients of an entry have, by arithmetic: windows that the case touches, times
/// what each lets out; `None` where no budget that binds them counts customers. A record may tell of several: `places`
/// ([`Upstream::places`]).
#[must_use]
pub fn at_most(
    policy: &PolicySet,
    route: RouteId,
    caller: &Caller,
    case: ReplayCase,
    (clients, places): (u32, u64),
) -> Option<u64> {
    let subjects = counted(policy);
    let each_of = |budget: &Budget| match &budget.count {
        Count::Distinct(namespace) => (Some(&**namespace) == subjects.as_deref()).then_some(1),
        Count::Records => Some(places),
        Count::Cost => None,
    };
    let each = policy
        .budgets_on(route)
        .map(|(_, budget)| budget)
        .filter(|budget| budget.binds(caller.entry))
        .filter_map(|budget| {
            Some(windows(case, budget.per.seconds).saturating_mul(budget.max).saturating_mul(each_of(budget)?))
        })
        .min()?;
    Some(each.saturating_mul(clients.into()).min(case.accounts))
}

/// How many windows of so many seconds a case touches.
#[must_use]
pub fn windows(case: ReplayCase, per: u64) -> u64 {
    let per = per.max(1);
    let last = case.from.0.saturating_add(case.seconds.max(1)).saturating_sub(1);
    let of = |second: u64| second.checked_div(per).unwrap_or(0);
    of(last).saturating_sub(of(case.from.0)).saturating_add(1)
}

/// Plays every setting, on as many threads as there are cores. `on_progress` hears, some times a second, how much of a hundred
/// is done.
///
/// # Errors
/// When the harvester gets nothing at all for another reason than a budget.
pub fn sweep(
    replayed: &Replayed,
    upstream: &Upstream,
    harvester: &Harvester,
    case: ReplayCase,
    settings: &[SweepRow],
    mut on_progress: impl FnMut(u8),
) -> Result<Vec<Harvest>, Fault> {
    let work: Vec<(usize, u32)> = settings
        .iter()
        .enumerate()
        .flat_map(|(row, setting)| (0..setting.clients).map(move |client| (row, client)))
        .collect();
    let rows: Mutex<Vec<Harvest>> = Mutex::new(vec![Harvest::default(); settings.len()]);
    let fault: Mutex<Option<Fault>> = Mutex::new(None);
    let (next, clients_done, seconds_done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let one = || -> Result<(), Fault> {
        while let Some((row, client)) = work.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let Some(setting) = settings.get(row).copied() else { continue };
            // Each client has a store of its own, and what a program has read of one holds for no other.
            let program = replayed.program()?;
            let player = Player::new(&program, upstream, harvester, case, setting, client)?;
            let harvest = player.play(|seconds| {
                seconds_done.fetch_add(seconds, Ordering::Relaxed);
            })?;
            if let Some(sum) = rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_mut(row) {
                sum.merge(harvest);
            }
            clients_done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(work.len().max(1));
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    if let Err(found) = one() {
                        next.store(work.len(), Ordering::Relaxed);
                        *fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(found);
                    }
                })
            })
            .collect();
        let all = u64::try_from(work.len()).unwrap_or(u64::MAX).saturating_mul(case.seconds).max(1);
        while handles.iter().any(|handle| !handle.is_finished()) {
            let share = seconds_done.load(Ordering::Relaxed).saturating_mul(100).checked_div(all).unwrap_or(0);
            on_progress(u8::try_from(share.min(100)).unwrap_or(100));
            thread::sleep(Duration::from_millis(20));
        }
    });
    if clients_done.load(Ordering::Relaxed) < work.len() {
        let found = fault.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        return Err(found.unwrap_or_else(|| Fault::new("a thread ended early", "report it")));
    }
    Ok(rows.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}
