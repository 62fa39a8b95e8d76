//! What of an exchange goes into its decision record.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Exchange, Headers, Phase, head};
use crate::budget::Subject;
use crate::caller::Caller;
use crate::model::{ClientId, Identity, PolicySet, RouteId, ScopeId};
use crate::program::{
    Census, Collector, InPath, MOST_PEOPLE, NamespaceId, Person, Program, Sightings, Undeclared, View,
};
use crate::report::{MOST_SUBJECTS, Outcome, Record, Requester, Ruling, Stamp, request_id};

/// What the record needs of an exchange, besides what is kept anyway. It holds nothing of a body.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The request's id, if it is plain.
    request: Option<String>,
    who: Option<Who>,
    census: Option<Rc<Census>>,
    sightings: Option<Rc<Sightings>>,
    /// Whom the request's path names, where no subject of the policy's says so.
    pub(super) somebody: Option<Person>,
    /// What the record tells of members that no shape names.
    drift: Vec<Undeclared>,
    /// The status that the caller gets.
    pub(super) status: Option<u16>,
    /// Whether the response's head had gone before the last event.
    pub(super) head_gone: bool,
    /// Whether a body of the upstream's is read.
    pub(super) has_body: bool,
}

/// Who asked, and what for.
#[derive(Debug)]
struct Who {
    client: Rc<str>,
    entry: Option<ClientId>,
    scopes: Rc<[ScopeId]>,
    payload: Option<usize>,
}

impl Noted {
    /// The request has come.
    pub(super) fn request(&mut self, headers: &Headers) {
        let id = head::single(headers, "x-request-id").ok().flatten();
        self.request = id.and_then(request_id).map(str::to_owned);
    }

    /// A governed request's caller is known.
    pub(super) fn caller(&mut self, program: &Program, route: RouteId, caller: &Caller) {
        self.who = Some(Who {
            client: Rc::clone(&caller.client),
            entry: caller.entry,
            scopes: program.active_scopes(route, caller),
            payload: caller.payload,
        });
    }
}

impl Exchange {
    /// The view of a response, counting and collecting for the record. No more records of each kind, by number, than `most`
    /// may leave.
    pub(super) fn noting(&mut self, view: View, route: RouteId, most: &[u64]) -> View {
        let program = Rc::clone(&self.program);
        let Some(governed) = program.policy().governed(route) else { return view };
        let mut view = view.recorded().watched(program.drift(), route);
        self.noted.census = view.census().cloned();
        self.noted.sightings = view.sightings().cloned();
        if governed.subject_entries(None).next().is_some() {
            let collector = Rc::new(Collector::new(program.subjects(), most));
            self.spending.collector = Some(Rc::clone(&collector));
            view = view.collected(collector);
        }
        view
    }

    /// Makes known what the response had that no shape names: what of it is new goes into the record.
    pub(super) fn tell_drift(&mut self) {
        let (Some(sightings), Some(route)) = (self.noted.sightings.take(), self.report.route) else { return };
        let subjects = self.program.subjects();
        let people: Vec<Person> = if subjects.key().is_some() && !subjects.namespaces().is_empty() {
            // A record that is nobody's may be anybody's.
            let left: &[_] = if self.nobodys() == 0 { &self.spending.left } else { &[] };
            // One over the most tells that there are more.
            let some = left.iter().take(MOST_PEOPLE.saturating_add(1));
            let people: BTreeSet<Person> = some.map(|(kind, subject)| Person::subject(*kind, *subject)).collect();
            people.into_iter().collect()
        } else {
            self.noted.somebody.into_iter().collect()
        };
        let people: Option<Rc<[Person]>> = (!people.is_empty()).then(|| people.into());
        self.noted.drift = self.program.drift().tell(route, &sightings, people.as_ref());
    }

    /// The decision record, once the exchange is settled. `now` is when that was.
    #[must_use]
    pub fn record(&self, now: Option<Stamp>) -> Record<'_> {
        if let Phase::Reporting(aside) = &self.phase {
            let decided = aside.record(now);
            let status = self.noted.status;
            // What the aside still holds has gone: all passes, once the upstream has answered.
            let outcome = match decided.outcome {
                Outcome::Unanswered if status.is_some() => Outcome::Cut,
                outcome => outcome,
            };
            return Record { ruling: Some(Ruling::Reported), status, outcome, ..decided };
        }
        let policy = self.program.policy();
        let subjects = self.program.subjects();
        let outcome = self.outcome();
        let mut record = Record::new(Some(policy), outcome);
        record.time = now;
        record.key = subjects.key().map(|key| key.tag());
        record.request = self.noted.request.as_deref();
        record.ruling = match outcome {
            Outcome::Unseen => None,
            Outcome::Passed => Some(Ruling::Passed),
            _ => Some(Ruling::Enforced),
        };
        record.refusal = self.report.refusal;
        // A head that is kept back to the end has not gone: the host answers with one of its own.
        record.status = self.noted.status.filter(|_| outcome != Outcome::Unanswered);
        record.route = self.report.route;
        if let Some(who) = &self.noted.who {
            record.client = self.client(policy, who);
            record.scopes = &who.scopes;
        }
        if matches!(record.ruling, Some(Ruling::Enforced)) {
            record.issuer = issuer(policy, self.noted.who.as_ref().and_then(|who| who.payload));
        }
        record.budgets = &self.spending.states;
        record.step = self.spending.account.ceiling;
        record.failures = self.spending.account.failures;
        if !self.has_released() {
            return record;
        }
        if let Some(census) = &self.noted.census {
            record.classes = census.classes();
            record.undeclared = census.undeclared();
        }
        record.drift = &self.noted.drift;
        record.mismatches = self.report.counts.shape_mismatch;
        record.records = self.left();
        record.subjects = self.spending.left.get(..MOST_SUBJECTS).unwrap_or(&self.spending.left);
        record.namespaces = subjects.namespaces();
        let over = self.spending.left.len().saturating_sub(MOST_SUBJECTS);
        record.unknown = self.nobodys().saturating_add(u64::try_from(over).unwrap_or(u64::MAX));
        record.canaries = &self.spending.hits;
        record
    }

    fn client(&self, policy: &PolicySet, who: &Who) -> Requester {
        if who.client.is_empty() {
            return Requester::Unknown;
        }
        let entry = who.entry.filter(|entry| Some(*entry) != policy.any_client);
        if let Some(named) = entry {
            return Requester::Named(named);
        }
        match self.program.subjects().key() {
            Some(key) => Requester::Tagged(key.subject("client", &who.client)),
            None => Requester::Unknown,
        }
    }

    fn outcome(&self) -> Outcome {
        match &self.phase {
            Phase::Idle => Outcome::Unseen,
            Phase::Passed => Outcome::Passed,
            Phase::Answered => Outcome::Refused,
            Phase::Refused | Phase::Closed if self.has_released() => Outcome::Cut,
            Phase::Refused | Phase::Closed => Outcome::Refused,
            Phase::Emptying if self.noted.has_body => Outcome::Released,
            Phase::Emptying => Outcome::Emptied,
            Phase::Opaque => Outcome::Released,
            Phase::Streaming(_) | Phase::Sniffing(_) => Outcome::Cut,
            Phase::Reserving(_) | Phase::Asking(_) | Phase::AwaitingHead(_) | Phase::Holding(_) => Outcome::Unanswered,
            // A report is asked on the side.
            Phase::Reporting(_) => Outcome::Passed,
        }
    }

    /// Whether something of a record may have left.
    pub(super) fn has_released(&self) -> bool {
        // What the host still holds back has not left.
        let waits = matches!(self.phase, Phase::Holding(_) | Phase::AwaitingHead(_) | Phase::Asking(_));
        self.spending.released && (self.spending.passes || !waits)
    }

    /// How many records left, as far as anything counts them.
    fn left(&self) -> u64 {
        match (self.report.counts.records, &self.spending.collector) {
            (0, Some(collector)) => collector.records().max(u64::from(self.spending.path != InPath::Nobody)),
            (0, None) => u64::from(self.spending.path != InPath::Nobody),
            (counted, _) => counted,
        }
    }

    /// How many records left that are nobody's.
    fn nobodys(&self) -> u64 {
        let in_body = match (&self.spending.collector, self.spending.path) {
            (Some(collector), InPath::Nobody) => {
                collector.nameless().saturating_add(u64::from(collector.records() == 0 && self.spending.unnamed))
            }
            (Some(collector), _) => collector.nameless(),
            (None, InPath::Nobody) => self.report.counts.records.max(1),
            (None, _) => 0,
        };
        // Whom the path names has left, and nothing says who it is.
        if matches!(self.spending.path, InPath::Unknown(_)) { in_body.max(1) } else { in_body }
    }

    /// The subjects that left, each once, in order: they are handed over.
    pub(super) fn all_subjects(&self) -> Vec<(NamespaceId, Subject)> {
        let mut all = self.spending.collector.as_ref().map(|collector| collector.take_subjects()).unwrap_or_default();
        if let InPath::Somebody(kind, subject) = self.spending.path
            && let Err(at) = all.binary_search(&(kind, subject))
        {
            all.insert(at, (kind, subject));
        }
        all
    }
}

/// The payload that the caller's claims come from: where the policy names one, that one.
fn issuer(policy: &PolicySet, payload: Option<usize>) -> Option<&str> {
    let Identity::JwtAuthn { payloads, .. } = &policy.identity else { return None };
    match (payloads.as_slice(), payload) {
        ([only], _) => Some(only),
        (several, Some(at)) => several.get(at).map(String::as_str),
        (_, None) => None,
    }
}
