//! Budgets around an exchange: what is reserved before the upstream is asked, and settled when all has ended (rules 34 to 37).

use std::rc::Rc;

use super::{End, Exchange, GovernedRequest, Headers, Phase, RequestDirective, head};
use crate::budget::{
    Against, Ask, Books, BudgetRule, Granter, Need, Released, Reservation, ServiceAnswer, Settled, Shared, Subject,
    Verdict,
};
use crate::caller::Caller;
use crate::model::moment::Moment;
use crate::model::{Count, Level, OnError, Rls, RouteId};
use crate::program::{Budgets, Collector, Demand, InPath, NamespaceId, Program};
use crate::refusal::{Problem, Refusal};
use crate::report::BudgetState;

/// How often the rate limit service is asked for one budget of a request. What it granted for a window that has ended meanwhile is lost.
const MOST_ASKS: u8 = 3;

/// A request that is to be admitted by its budgets.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) route: RouteId,
    pub(super) caller: Caller,
    /// The request's path and query.
    pub(super) target: String,
    /// Whether it reads (GET, HEAD).
    pub(super) reads: bool,
    /// How it goes on once it is admitted.
    pub(super) onward: Option<RequestDirective>,
    /// The request body's length, where it says one.
    pub(super) declared: Option<u64>,
    demands: Vec<Demand>,
    /// The ask that is out, and for which of the demands.
    asked: Option<(u16, Ask)>,
    asks: u8,
}

/// What one exchange holds of budgets.
#[derive(Debug, Default)]
pub(super) struct Spending {
    held: Vec<Reservation>,
    /// Whom the path names.
    pub(super) path: InPath,
    pub(super) collector: Option<Rc<Collector>>,
    client: Option<Rc<str>>,
    /// Whether something of a record may have left.
    pub(super) released: bool,
    /// Whether all passes, whatever is decided: the route only reports.
    pub(super) passes: bool,
    /// Whether something left that does not say of whom it is.
    pub(super) unnamed: bool,
    pub(super) account: Account,
    /// Whose data left, each subject once, in order; known once it is settled.
    pub(super) left: Vec<(NamespaceId, Subject)>,
    /// The seeded subjects among them.
    pub(super) hits: Vec<Subject>,
    /// What its budgets stand at, in the policy's order.
    pub(super) states: Vec<BudgetState>,
    /// What the headers that leave cost.
    pub(super) cost_of_head: u64,
    /// What a request of a route that only reports would have asked of budgets.
    reported: Vec<Demand>,
    /// What the gauge of open reservations has of it: the number of each budget, and how much.
    pub(super) told: Vec<(u16, u64)>,
}

/// What budgets did in an exchange: numbers and indexes, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// How many budgets were asked.
    pub asked: u16,
    /// The budget that refused.
    pub refused: Option<u16>,
    /// The ceiling that was reached.
    pub ceiling: Level,
    /// The budget whose step that is; `None` where a canary was met, or there is no ceiling.
    pub lowered: Option<u16>,
    /// How often a store or the rate limit service failed.
    pub failures: u16,
    /// How many canaries left.
    pub canaries: u16,
    /// Distinct subjects that left, and records without one; of the kinds that a budget or canary names.
    pub subjects: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self { asked: 0, refused: None, ceiling: Level::Show, lowered: None, failures: 0, canaries: 0, subjects: 0 }
    }
}

/// A question to the rate limit service. The request waits for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who is asked: a `GrpcService`, which names Envoy's cluster.
    pub target: String,
    /// How long the answer is waited for, in milliseconds.
    pub timeout: u32,
    /// The message, a `RateLimitRequest`.
    pub message: Vec<u8>,
}

impl Spending {
    fn stands_at(&mut self, budget: u16, used: u64, reserved: u64) {
        self.states.push(BudgetState { budget, used, reserved });
    }
}

impl Waiting {
    pub(super) fn new(
        budgets: &Budgets,
        program: &Program,
        route: RouteId,
        caller: Caller,
        target: &str,
        headers: &Headers,
        (reads, named): (bool, InPath),
    ) -> Self {
        let demands = budgets.demands(program.policy(), route, &caller, target, named);
        let declared = head::single(headers, "content-length").ok().flatten().and_then(|text| text.parse().ok());
        Self { route, caller, target: target.to_owned(), reads, onward: None, declared, demands, asked: None, asks: 0 }
    }

    /// Whether the request's body may wait for the rate limit service (rule 36).
    fn may_wait(&self, budgets: &Budgets, end: End) -> bool {
        let rule = |demand: &Demand| budgets.books().rules().get(usize::from(demand.budget));
        let asks = |demand: &Demand| rule(demand).is_some_and(|rule| matches!(rule.granter, Granter::Service(_)));
        end == End::Last
            || self.declared.is_some_and(|length| length <= Rls::MOST_WAITING)
            || !self.demands.iter().any(asks)
    }
}

/// How far an admission has come.
enum Progress {
    Admitted,
    Refused(Refusal),
    Ask(Question),
}

impl Exchange {
    /// The request's head has come: [`Self::on_request`], and all that its budgets ask before it goes on. `end` says whether the
    /// request has no body. `ask` asks the rate limit service, and says whether an answer is to come: only then the outcome is
    /// [`RequestDirective::Ask`], and the request waits for [`Self::resume`].
    pub fn begin(
        &mut self,
        (headers, end): (&Headers, End),
        caller: Caller,
        now: Option<Moment>,
        store: &mut dyn Shared,
        ask: impl FnMut(&Question) -> bool,
    ) -> RequestDirective {
        let directive = match self.on_request(headers, caller, now) {
            RequestDirective::Reserve => self.reserve(end, now, store),
            decided => decided,
        };
        self.ask_on(directive, now, store, ask)
    }

    /// The rate limit service has answered: [`Self::on_answer`], and all that the other budgets ask, as in [`Self::begin`].
    pub fn resume(
        &mut self,
        message: Option<&[u8]>,
        now: Option<Moment>,
        store: &mut dyn Shared,
        ask: impl FnMut(&Question) -> bool,
    ) -> RequestDirective {
        let directive = self.on_answer(message, now, store);
        self.ask_on(directive, now, store, ask)
    }

    /// A service that is to be asked may be one that the host does not know, and the next budget's another.
    fn ask_on(
        &mut self,
        mut directive: RequestDirective,
        now: Option<Moment>,
        store: &mut dyn Shared,
        mut ask: impl FnMut(&Question) -> bool,
    ) -> RequestDirective {
        while let RequestDirective::Ask(question) = &directive
            && !ask(question)
        {
            directive = self.on_answer(None, now, store);
        }
        directive
    }

    /// Whether the request waits for the rate limit service, and its body with it.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Asking(_))
    }

    /// Asks the budgets, after [`RequestDirective::Reserve`]. `end` says whether the request has no body.
    pub fn reserve(&mut self, end: End, now: Option<Moment>, store: &mut dyn Shared) -> RequestDirective {
        let Phase::Reserving(waiting) = std::mem::take(&mut self.phase) else {
            return self.refuse_request(Refusal::Internal, "");
        };
        let program = Rc::clone(&self.program);
        let Some(budgets) = program.budgets() else { return self.refuse_request(Refusal::Internal, "") };
        if !waiting.may_wait(budgets, end) {
            return self.refuse_request(Refusal::RequestTooLarge, &waiting.target);
        }
        self.go_on(*waiting, budgets, now, store)
    }

    /// Takes the rate limit service's answer, after [`RequestDirective::Ask`]: its message, or `None` if the call failed.
    pub fn on_answer(
        &mut self,
        message: Option<&[u8]>,
        now: Option<Moment>,
        store: &mut dyn Shared,
    ) -> RequestDirective {
        self.answered(now, store, |books, budget, ask, now, store| {
            let answer = match (books.rules().get(usize::from(budget)), message) {
                (Some(BudgetRule { granter: Granter::Service(service), max, .. }), Some(message)) => {
                    service.answer(*max, message)
                }
                _ => ServiceAnswer::Failure,
            };
            books.answered(budget, ask, answer, now, store)
        })
    }

    /// Goes on after an ask, whose answer `take` puts into the books: whether it was one that counts.
    fn answered(
        &mut self,
        now: Option<Moment>,
        store: &mut dyn Shared,
        take: impl FnOnce(&Books, u16, &Ask, u64, &mut dyn Shared) -> bool,
    ) -> RequestDirective {
        let Phase::Asking(mut waiting) = std::mem::take(&mut self.phase) else {
            return self.refuse_request(Refusal::Internal, "");
        };
        let program = Rc::clone(&self.program);
        let (Some(budgets), Some((budget, ask)), Some(moment)) = (program.budgets(), waiting.asked.take(), now) else {
            return self.refuse_request(Refusal::Internal, "");
        };
        if !take(budgets.books(), budget, &ask, moment.0, store) {
            self.fails();
            if !self.falls_back(&waiting, budget) {
                return self.refuse_request(Refusal::BudgetStore, &waiting.target);
            }
            waiting.asks = MOST_ASKS;
        }
        self.go_on(*waiting, budgets, now, store)
    }

    /// Whether a budget whose service fails is kept by this process alone (`on_error: local`).
    fn falls_back(&self, waiting: &Waiting, budget: u16) -> bool {
        waiting.demands.iter().any(|demand| demand.budget == budget && demand.on_error == OnError::Local)
    }

    fn go_on(
        &mut self,
        mut waiting: Waiting,
        budgets: &Budgets,
        now: Option<Moment>,
        store: &mut dyn Shared,
    ) -> RequestDirective {
        match self.admit(&mut waiting, budgets, now, store) {
            Progress::Ask(question) => {
                self.phase = Phase::Asking(Box::new(waiting));
                RequestDirective::Ask(question)
            }
            Progress::Refused(refusal) => self.refuse_request(refusal, &waiting.target),
            Progress::Admitted => {
                let target = std::mem::take(&mut waiting.target);
                match self.admitted(waiting, &target) {
                    Ok(directive) => directive,
                    Err(refusal) => self.refuse_request(refusal, &target),
                }
            }
        }
    }

    fn admit(
        &mut self,
        waiting: &mut Waiting,
        budgets: &Budgets,
        now: Option<Moment>,
        store: &mut dyn Shared,
    ) -> Progress {
        // Without a clock no window can be told.
        let Some(Moment(now)) = now else { return self.without_a_store() };
        let books = budgets.books();
        if let Some((book, tag)) = budgets.canaries(&waiting.caller.client) {
            match books.head(book, tag, now, store) {
                Some(head) if head.used > 0 => {
                    let ceiling = self.program.policy().canaries.as_ref().map_or(Level::Hide, |of| of.ceiling);
                    self.spending.account.ceiling = self.spending.account.ceiling.min(ceiling);
                }
                Some(_) => {}
                None => return self.without_a_store(),
            }
        }
        while let Some(demand) = waiting.demands.get(self.spending.held.len()).copied() {
            let exhausted = waiting.asks >= MOST_ASKS;
            let against = if exhausted && demand.on_error == OnError::Local { Against::Max } else { Against::Grant };
            match books.admit(demand.budget, demand.tag, demand.need, now, against, store) {
                Verdict::Admitted(held) => {
                    let account = &mut self.spending.account;
                    account.asked = account.asked.saturating_add(1);
                    if held.ceiling < account.ceiling {
                        account.lowered = Some(demand.budget);
                    }
                    account.ceiling = account.ceiling.min(held.ceiling);
                    self.spending.held.push(held);
                    waiting.asks = 0;
                }
                Verdict::Refused { retry_after } => {
                    self.spending.account.refused = Some(demand.budget);
                    if let Some(head) = books.head(demand.budget, demand.tag, now, store) {
                        self.spending.stands_at(demand.budget, head.used, head.reserved);
                    }
                    let retry_after = u32::try_from(retry_after).unwrap_or(u32::MAX);
                    return Progress::Refused(Refusal::Budget { budget: demand.budget, retry_after });
                }
                Verdict::Ask(_) if exhausted => return self.without_a_store(),
                Verdict::Ask(ask) => {
                    let Some(rule) = books.rules().get(usize::from(demand.budget)) else {
                        return Progress::Refused(Refusal::Internal);
                    };
                    let Granter::Service(service) = &rule.granter else { return Progress::Refused(Refusal::Internal) };
                    // Envoy ends on a call to nobody.
                    let Some(target) = service.target.clone() else { return Progress::Refused(Refusal::Internal) };
                    waiting.asked = Some((demand.budget, ask));
                    waiting.asks = waiting.asks.saturating_add(1);
                    return Progress::Ask(Question {
                        target,
                        timeout: service.timeout,
                        message: service.question(&rule.prefix, rule.max, &ask),
                    });
                }
                Verdict::Failed => return self.without_a_store(),
            }
        }
        Progress::Admitted
    }

    /// Nobody can say what is left: nothing is asked of the upstream.
    fn without_a_store(&mut self) -> Progress {
        self.fails();
        Progress::Refused(Refusal::BudgetStore)
    }

    /// The request is admitted: what it may see is decided now, for the whole response.
    fn admitted(&mut self, waiting: Waiting, target: &str) -> Result<RequestDirective, Refusal> {
        let Waiting { route, caller, reads, onward, demands, .. } = waiting;
        let program = Rc::clone(&self.program);
        let ceiling = self.spending.account.ceiling;
        let mut view = program.view_under(route, &caller, ceiling)?;
        let governed = program.policy().governed(route).ok_or(Refusal::Internal)?;
        let page = governed.max_records.as_ref().map(|records| crate::program::page(records, target));
        if let Some(page) = page {
            view = view.with_most_records(page);
        }
        if program.counts_cost(route, &caller) {
            view = view.tallied();
        }
        // Where no budget counts there is nothing reserved that could be exceeded.
        let most = match demands.as_slice() {
            [] => Vec::new(),
            _ => program.subjects().most_records(route, page.unwrap_or(u64::MAX)),
        };
        let view = self.noting(view, route, &most);
        self.spending.client = Some(Rc::clone(&caller.client));
        if view.shows_nothing() && reads {
            return Err(Refusal::NothingVisible);
        }
        let view = Rc::new(view);
        self.counted = Some(Rc::clone(&view));
        self.phase = Phase::AwaitingHead(Box::new(GovernedRequest { route, caller, ceiling, view }));
        onward.ok_or(Refusal::Internal)
    }

    /// [`Self::reserve`] with a rate limit service that has nobody else to serve, for the command line and for tests.
    pub(super) fn reserve_alone(&mut self, now: Option<Moment>, store: &mut dyn Shared) -> RequestDirective {
        let mut directive = self.reserve(End::Last, now, store);
        while let RequestDirective::Ask(_) = directive {
            directive = self.answered(now, store, Books::granted_alone);
        }
        directive
    }

    fn refuse_request(&mut self, refusal: Refusal, target: &str) -> RequestDirective {
        self.phase = Phase::Answered;
        self.report.refusal = Some(refusal);
        self.noted.status = Some(refusal.status());
        let problem = match refusal {
            Refusal::Budget { budget, retry_after } => {
                let budget = self.program.policy().budgets.get(usize::from(budget));
                Problem::of_budget(budget.map_or("", |budget| &budget.name), retry_after)
            }
            _ => Problem::new(refusal, target),
        };
        RequestDirective::Refuse(self.echoing(problem))
    }

    /// Something of a record may leave from now on.
    pub(super) fn releases(&mut self) {
        self.spending.released = true;
    }

    /// Something leaves that may say something of somebody, and not of whom: a header that follows a class, other content.
    pub(super) fn releases_unnamed(&mut self) {
        self.spending.released = true;
        self.spending.unnamed = true;
    }

    /// The response is refused before anything of it has left; where all passes, what has come has left.
    pub(super) fn releases_nothing(&mut self) {
        self.spending.released &= self.spending.passes;
    }

    /// A route that only reports reserves nothing, is not lowered and never refused by a budget (rule 38): what budgets would
    /// have been asked is kept until the response has ended.
    pub(super) fn counts_only(&mut self, waiting: Waiting) {
        self.spending.client = Some(waiting.caller.client);
        self.spending.reported = waiting.demands;
    }

    /// Reserves what a route that only reports has released, to be settled at once; whether it had been admitted. If a budget
    /// has no room for it, it would have been refused, which is told.
    fn admits_reported(&mut self, budgets: &Budgets, now: Option<Moment>, store: &mut dyn Shared) -> bool {
        let demands = std::mem::take(&mut self.spending.reported);
        let (Some(Moment(now)), None) = (now, self.report.refusal) else { return demands.is_empty() };
        for demand in demands {
            match budgets.books().admit(demand.budget, demand.tag, demand.need, now, Against::Max, store) {
                Verdict::Admitted(reservation) => self.spending.held.push(reservation),
                Verdict::Refused { retry_after } => {
                    let retry_after = u32::try_from(retry_after).unwrap_or(u32::MAX);
                    self.report.refusal = Some(Refusal::Budget { budget: demand.budget, retry_after });
                    return false;
                }
                Verdict::Ask(_) | Verdict::Failed => self.fails(),
            }
        }
        true
    }

    pub(super) fn fails(&mut self) {
        self.spending.account.failures = self.spending.account.failures.saturating_add(1);
    }

    /// Settles with the budgets what this exchange has released, once it has ended, however it ended; and what the record
    /// says of it.
    pub fn settle(&mut self, now: Option<Moment>, store: &mut dyn Shared) {
        let program = Rc::clone(&self.program);
        if let Phase::Reporting(aside) = &mut self.phase {
            return aside.settle(now, store);
        }
        let released = self.has_released();
        if released {
            self.spending.left = self.all_subjects();
            self.tell_drift();
        }
        let Some(budgets) = program.budgets() else { return };
        let admitted = !released || self.admits_reported(budgets, now, store);
        let held = std::mem::take(&mut self.spending.held);
        for reservation in &held {
            let settled = if released && admitted {
                self.settle_one(&program, budgets, reservation, now, store)
            } else {
                budgets.books().settle(reservation, Released::Count(0), store)
            };
            match settled {
                Settled::At { used, reserved } => self.spending.stands_at(reservation.budget(), used, reserved),
                Settled::Over => {}
                Settled::Failed => self.fails(),
            }
        }
        if released {
            self.canaries(&program, budgets, now, store);
        }
    }

    fn settle_one(
        &mut self,
        program: &Program,
        budgets: &Budgets,
        held: &Reservation,
        now: Option<Moment>,
        store: &mut dyn Shared,
    ) -> Settled {
        let Some(budget) = program.policy().budgets.get(usize::from(held.budget())) else { return Settled::Failed };
        let books = budgets.books();
        match &budget.count {
            Count::Cost => {
                let body = self.counted.as_ref().map_or(0, |view| view.cost());
                let cost = body.saturating_add(self.spending.cost_of_head);
                let charged = match now {
                    Some(Moment(now)) if cost > 0 => books.charged_at(held, now, store),
                    _ => Some(*held),
                };
                charged.map_or(Settled::Failed, |charged| books.settle(&charged, Released::Count(cost), store))
            }
            Count::Records => books.settle(held, Released::Count(self.records()), store),
            Count::Distinct(namespace) => {
                let (known, unknown) = self.subjects(program.subjects().namespace(namespace));
                let number = u64::try_from(known.len()).unwrap_or(u64::MAX).saturating_add(unknown);
                self.spending.account.subjects = self.spending.account.subjects.max(number);
                books.settle(held, Released::Subjects { known: &known, unknown }, store)
            }
        }
    }

    /// Records that left: at least the one that the path names, or that something of leaves.
    fn records(&self) -> u64 {
        self.spending.collector.as_ref().map_or(1, |collector| collector.records().max(1))
    }

    /// The subjects of a kind that left, each once, and how many records without one.
    fn subjects(&self, namespace: Option<NamespaceId>) -> (Vec<u64>, u64) {
        let of_kind = self.spending.left.iter().filter(|(of, _)| Some(*of) == namespace);
        let known: Vec<u64> = of_kind.map(|(_, subject)| subject.short()).collect();
        match self.spending.path {
            InPath::Somebody(of, _) if Some(of) == namespace => return (known, 0),
            InPath::Unknown(of) if Some(of) == namespace => return (known, 1),
            _ => {}
        }
        let (Some(collector), Some(kind)) = (&self.spending.collector, namespace) else { return (known, 1) };
        // Something of somebody has left, and no record says of whom.
        let nobody = u64::from(collector.records() == 0 && self.spending.unnamed);
        (known, collector.unknown(kind).saturating_add(nobody))
    }

    /// Counts canaries that left (rule 37).
    fn canaries(&mut self, program: &Program, budgets: &Budgets, now: Option<Moment>, store: &mut dyn Shared) {
        let (Some(canaries), Some(client)) = (&program.policy().canaries, self.spending.client.take()) else { return };
        let namespaces = program.subjects().namespaces();
        let name = |id: NamespaceId| namespaces.get(usize::from(id.0));
        let left = self.spending.left.iter();
        let hits = left.filter(|(id, subject)| name(*id).is_some_and(|name| canaries.has(name, subject.short())));
        self.spending.hits = hits.map(|(_, subject)| *subject).collect();
        let hits = u16::try_from(self.spending.hits.len()).unwrap_or(u16::MAX);
        self.spending.account.canaries = hits;
        let (Some((book, tag)), Some(Moment(now)), true) = (budgets.canaries(&client), now, hits > 0) else { return };
        let books = budgets.books();
        let counted = match books.admit(book, tag, Need::Count(0), now, Against::Grant, store) {
            Verdict::Admitted(held) => books.settle(&held, Released::Count(hits.into()), store) != Settled::Failed,
            Verdict::Refused { .. } | Verdict::Ask(_) | Verdict::Failed => false,
        };
        if !counted {
            self.fails();
        }
    }

    /// What is reserved for this exchange: the number of each budget, and how much.
    #[must_use]
    pub fn reservations(&self) -> Vec<(u16, u64)> {
        self.spending.held.iter().map(|held| (held.budget(), held.need())).collect()
    }

    /// What budgets did in this exchange; whole once it is settled.
    #[must_use]
    pub fn account(&self) -> Account {
        match &self.phase {
            Phase::Reporting(aside) => aside.spending.account,
            _ => self.spending.account,
        }
    }
}
