//! [`Budgets`]: a policy's budgets made ready to be kept: what each request asks of which (rules 34 to 37).

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::Value;

use super::fit::fit;
use super::ids::{NamespaceId, distinct};
use super::target;
use crate::budget::{
    Books, BudgetRule, BudgetUnit, Granter, KeyTag, Ladder, Need, Period, Service, Subject, SubjectHasher, SubjectKey,
};
use crate::caller::Caller;
use crate::model::{
    Budget, BudgetKey, ClaimPath, Count, Governed, MaxRecords, OnError, PathSubject, PolicySet, Route, RouteId, Store,
    SubjectPlace, innermost_array, without_filters,
};
use crate::transform::PseudonymKey;

/// Seconds of a day, for which a canary's hit holds (rule 37).
const DAY: u64 = 86_400;

/// A policy's budgets and canaries.
#[derive(Debug)]
pub struct Budgets {
    books: Books,
    key: SubjectKey,
    /// The book of canary hits, after those of the budgets.
    canaries: Option<u16>,
}

/// Whose data a policy's records are: the kinds of subject, and the key of their tags where there is one.
#[derive(Debug, Clone)]
pub struct Subjects {
    key: Option<SubjectKey>,
    namespaces: Rc<[Rc<str>]>,
    /// Of each kind, by number; none without a key.
    hashers: Rc<[SubjectHasher]>,
    /// Of each route, by number: where its records stand, of each kind, by number.
    places: Rc<[Vec<Places>]>,
}

/// Where the records of one kind stand in a route's body.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    root: bool,
    /// In the array of `max_records`.
    listed: bool,
    /// In another array.
    elsewhere: bool,
}

impl Places {
    fn of(governed: &Governed, kind: &str) -> Self {
        let listed = governed.max_records.as_ref().map(|records| without_filters(&records.at));
        let mut places = Self::default();
        for entry in governed.subject_entries(Some(kind)) {
            match innermost_array(&entry.path) {
                None => places.root = true,
                Some(array) if listed.as_ref() == Some(&array) => places.listed = true,
                Some(_) => places.elsewhere = true,
            }
        }
        places
    }

    /// The records that may leave, where so many of `max_records` may.
    fn most(self, page: u64) -> u64 {
        let listed = if self.listed { page } else { 0 };
        if self.elsewhere { u64::MAX } else { listed.saturating_add(u64::from(self.root)) }
    }
}

impl Subjects {
    pub(super) fn new(policy: &PolicySet, key: Option<&PseudonymKey>) -> Self {
        let namespaces = namespaces(policy);
        let places = policy.routes.iter().map(|route| match route.body.governed() {
            Some(governed) => namespaces.iter().map(|kind| Places::of(governed, kind)).collect(),
            None => Vec::new(),
        });
        let key = key.map(SubjectKey::derive);
        let hashers = hashers(key, &namespaces);
        Self { key, hashers, places: places.collect(), namespaces: namespaces.into() }
    }

    /// Of these kinds, and no route.
    #[cfg(test)]
    pub(super) fn of(key: Option<SubjectKey>, kinds: &[&str]) -> Self {
        let namespaces: Vec<Rc<str>> = kinds.iter().map(|kind| Rc::from(*kind)).collect();
        Self { key, hashers: hashers(key, &namespaces), places: Rc::default(), namespaces: namespaces.into() }
    }

    /// The records of each kind, by number, that a response of a route may release, where so many of `max_records` may: those,
    /// and one at the root. Of records in another array nothing bounds the number.
    #[must_use]
    pub fn most_records(&self, route: RouteId, page: u64) -> Vec<u64> {
        let places = self.places.get(usize::from(route.0)).map_or(&[][..], Vec::as_slice);
        places.iter().map(|places| places.most(page)).collect()
    }

    /// The key of subjects.
    #[must_use]
    pub fn key(&self) -> Option<SubjectKey> {
        self.key
    }

    /// The kinds of subjects, by number.
    #[must_use]
    pub fn namespaces(&self) -> &Rc<[Rc<str>]> {
        &self.namespaces
    }

    pub(super) fn hashers(&self) -> &Rc<[SubjectHasher]> {
        &self.hashers
    }

    /// Whom the path of a request for a route names (rule 34).
    #[must_use]
    pub fn in_path(&self, route: &Route, target: &str) -> InPath {
        let Some(named) = route.body.governed().and_then(|body| body.subject.as_ref()) else {
            return InPath::Nobody;
        };
        let Some(kind) = self.namespace(&named.namespace) else { return InPath::Nobody };
        match (self.hashers.get(usize::from(kind.0)), path_text(route, named, target)) {
            (Some(hasher), Some(text)) => InPath::Somebody(kind, hasher.subject(text.as_bytes())),
            _ => InPath::Unknown(kind),
        }
    }

    /// The number of a kind of subject.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<NamespaceId> {
        let index = self.namespaces.iter().position(|known| &**known == name)?;
        u8::try_from(index).ok().map(NamespaceId)
    }
}

fn hashers(key: Option<SubjectKey>, namespaces: &[Rc<str>]) -> Rc<[SubjectHasher]> {
    key.into_iter().flat_map(|key| namespaces.iter().map(move |kind| key.of_kind(kind))).collect()
}

/// Whom a request's path names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InPath {
    /// The route's path names nobody.
    #[default]
    Nobody,
    /// This subject, of a kind.
    Somebody(NamespaceId, Subject),
    /// Somebody of this kind, who cannot be told: the parameter is not UTF-8, or there is no key.
    Unknown(NamespaceId),
}

/// What a request asks of one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The budget's number, in the policy and in the books.
    pub budget: u16,
    /// Who it is kept for.
    pub tag: KeyTag,
    /// What the response may release at most.
    pub need: Need,
    /// What happens when the rate limit service fails.
    pub on_error: OnError,
}

impl Budgets {
    /// The budgets of a policy; `None` if it has neither budgets nor canaries.
    pub(super) fn new(policy: &PolicySet, subjects: &Subjects) -> Option<Self> {
        let key = subjects.key?;
        if policy.budgets.is_empty() && policy.canaries.is_none() {
            return None;
        }
        let mut rules: Vec<BudgetRule> = policy.budgets.iter().map(|budget| rule(policy, budget)).collect();
        let canaries = policy.canaries.as_ref().and_then(|_| u16::try_from(rules.len()).ok());
        if canaries.is_some() {
            rules.push(BudgetRule {
                prefix: format!("fieldgate/2/{}/canaries", policy.name),
                per: DAY,
                max: 1,
                ladder: Ladder::default(),
                unit: BudgetUnit::Records,
                granter: Granter::Process,
            });
        }
        Some(Self { books: Books::new(rules), key, canaries })
    }

    /// The books.
    #[must_use]
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The book of canary hits, and who a client is in it, whatever claims budgets look at.
    #[must_use]
    pub fn canaries(&self, client: &str) -> Option<(u16, KeyTag)> {
        self.canaries.map(|book| (book, self.key.key_tag("canaries", [client])))
    }

    /// What a request asks of each budget that binds it, in the policy's order. `named` is whom its path names.
    #[must_use]
    pub fn demands(
        &self,
        policy: &PolicySet,
        route: RouteId,
        caller: &Caller,
        target: &str,
        named: InPath,
    ) -> Vec<Demand> {
        let Some(governed) = policy.governed(route) else { return Vec::new() };
        let bound = policy.budgets_on(route).filter(|(_, budget)| budget.binds(caller.entry));
        bound
            .map(|(id, budget)| Demand {
                budget: id.0,
                tag: self.tag(budget, caller),
                need: need(governed, budget, target, named),
                on_error: budget.on_error,
            })
            .collect()
    }

    fn tag(&self, budget: &Budget, caller: &Caller) -> KeyTag {
        let parts = budget.by.iter().map(|key| match key {
            BudgetKey::Client => Cow::Borrowed(&*caller.client),
            BudgetKey::Claim(path) => claim_text(&caller.claims, path),
        });
        self.key.key_tag(&budget.name, parts)
    }
}

/// Rule 34a.
fn need(governed: &Governed, budget: &Budget, target: &str, named: InPath) -> Need {
    let namespace = match &budget.count {
        Count::Distinct(namespace) => Some(&**namespace),
        Count::Records => None,
        Count::Cost => return Need::Count(0),
    };
    match (governed.subjects_of(namespace), named) {
        (SubjectPlace::Path(_), InPath::Somebody(_, subject)) if namespace.is_some() => Need::Subject(subject),
        (SubjectPlace::Array(_), _) => {
            let most = governed.max_records.as_ref().map_or(u64::MAX, |records| page(records, target));
            Need::Count(most.saturating_mul(governed.in_one_record(&budget.count)))
        }
        _ => Need::Count(governed.most(&budget.count)),
    }
}

/// The records that a request may get: `max_records`, or what it asks for itself where that is less (rule 34a).
#[must_use]
pub fn page(records: &MaxRecords, target: &str) -> u64 {
    let asked = records.query.as_ref().and_then(|name| target::query_value(target, name)?.parse::<u64>().ok());
    asked.map_or(records.max, |asked| asked.clamp(1, records.max))
}

/// The text of the path parameter that names the subject, percent-decoded.
fn path_text(route: &Route, subject: &PathSubject, target: &str) -> Option<String> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let values = fit(&route.template, path)?;
    let before = route.template.segments.iter().take(subject.segment);
    target::decode_path(values.get(before.filter(|segment| segment.parameter().is_some()).count())?)
}

/// A claim's text: a string as it is, anything else as JSON text, an absent claim as nothing.
fn claim_text<'c>(claims: &'c Value, path: &ClaimPath) -> Cow<'c, str> {
    match path.0.iter().try_fold(claims, |value, name| value.as_object()?.get(name)) {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

/// The kinds of subjects that fields name, and those that paths name, in order. More than a byte can number are left out,
/// which `check` refuses.
fn namespaces(policy: &PolicySet) -> Vec<Rc<str>> {
    let governed = policy.routes.iter().filter_map(|route| route.body.governed());
    distinct(governed.flat_map(|governed| {
        let fields = governed.entries.iter().filter_map(|entry| entry.subject.clone());
        fields.chain(governed.subject.as_ref().map(|subject| Rc::clone(&subject.namespace)))
    }))
}

fn rule(policy: &PolicySet, budget: &Budget) -> BudgetRule {
    let (unit, counted) = match &budget.count {
        Count::Distinct(namespace) => (BudgetUnit::Subjects, format!("distinct.{namespace}")),
        Count::Records => (BudgetUnit::Records, "records".to_owned()),
        Count::Cost => (BudgetUnit::Cost, "cost".to_owned()),
    };
    let granter = match (&budget.store, Period::of_seconds(budget.per.seconds)) {
        (Store::Rls(rls), Some(period)) => Granter::Service(Service {
            target: Service::target(&rls.cluster),
            domain: rls.domain.clone(),
            timeout: u32::try_from(rls.timeout_ms).unwrap_or(u32::MAX),
            lease: rls.least(budget.max),
            period,
        }),
        (Store::Rls(_) | Store::Local, _) => Granter::Process,
    };
    BudgetRule {
        prefix: format!("fieldgate/2/{}/{}/{}/{counted}", policy.name, budget.name, budget.per),
        per: budget.per.seconds,
        max: budget.max,
        ladder: Ladder(budget.steps.clone()),
        unit,
        granter,
    }
}
