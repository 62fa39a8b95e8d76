//! [`Budgets`]: a policy's budgets made ready to be kept: what each request asks of which (rules 34 to 37).

use std::rc::Rc;

use serde_json::Value;

use super::collect::NamespaceId;
use super::fit::fit;
use super::router;
use crate::budget::{Books, Granter, KeyTag, Ladder, Need, Period, Rule, Service, SubjectKey, Unit};
use crate::caller::Caller;
use crate::policy::PolicySet;
use crate::policy::model::{
    Budget, BudgetKey, ClaimPath, Count, Entry, Governed, MaxRecords, OnError, RouteId, Store, SubjectPlace,
    innermost_array,
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
}

impl Subjects {
    pub(super) fn new(policy: &PolicySet, key: Option<&PseudonymKey>) -> Self {
        Self { key: key.map(SubjectKey::derive), namespaces: namespaces(policy).into() }
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

    /// The number of a kind of subject.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<NamespaceId> {
        let index = self.namespaces.iter().position(|known| &**known == name)?;
        u8::try_from(index).ok().map(NamespaceId)
    }
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
        let mut rules: Vec<Rule> = policy.budgets.iter().map(|budget| rule(policy, budget)).collect();
        let canaries = policy.canaries.as_ref().and_then(|_| u16::try_from(rules.len()).ok());
        if canaries.is_some() {
            rules.push(Rule {
                prefix: format!("fieldgate/1/{}/canaries", policy.name),
                per: DAY,
                max: 1,
                ladder: Ladder::default(),
                unit: Unit::Records,
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

    /// What a request asks of each budget that binds it, in the policy's order.
    #[must_use]
    pub fn demands(&self, policy: &PolicySet, route: RouteId, caller: &Caller, target: &str) -> Vec<Demand> {
        let Some(governed) = super::view::governed(policy, route) else { return Vec::new() };
        let bound = policy.budgets_on(route).filter(|(_, budget)| budget.binds(caller.entry));
        bound
            .map(|(id, budget)| Demand {
                budget: id.0,
                tag: self.tag(budget, caller),
                need: self.need(policy, route, governed, budget, target),
                on_error: budget.on_error,
            })
            .collect()
    }

    fn tag(&self, budget: &Budget, caller: &Caller) -> KeyTag {
        let parts: Vec<String> = budget
            .by
            .iter()
            .map(|key| match key {
                BudgetKey::Client => caller.client.to_string(),
                BudgetKey::Claim(path) => claim_text(&caller.claims, path),
            })
            .collect();
        self.key.key_tag(&budget.name, parts.iter().map(String::as_str))
    }

    /// Rule 34a.
    fn need(&self, policy: &PolicySet, route: RouteId, governed: &Governed, budget: &Budget, target: &str) -> Need {
        let namespace = match &budget.count {
            Count::Distinct(namespace) => Some(&**namespace),
            Count::Records => None,
            Count::Cost => return Need::Count(0),
        };
        match (governed.subjects_of(namespace), namespace) {
            (SubjectPlace::Path(_), Some(namespace)) => match path_subject(policy, route, target) {
                Some(text) => Need::Subject(self.key.subject(namespace, &text)),
                None => Need::Count(1),
            },
            (SubjectPlace::Array(_), _) => {
                let most = governed.max_records.as_ref().map_or(u64::MAX, |records| page(records, target));
                Need::Count(most.saturating_mul(governed.in_one_record(&budget.count)))
            }
            _ => Need::Count(governed.most(&budget.count)),
        }
    }

    /// The records that one response may release, of a route whose subjects are in its body: `None` where nothing there says
    /// whose data it is.
    #[must_use]
    pub fn most_records(&self, governed: &Governed, target: &str) -> Option<u64> {
        let mut entries = governed.subject_entries(None).peekable();
        entries.peek()?;
        // Of one kind the records are in one place; another kind's may be in another.
        let in_array = |entry: &Entry| innermost_array(&entry.path).is_some();
        let (arrays, roots): (Vec<&Entry>, Vec<&Entry>) = entries.partition(|entry| in_array(entry));
        let listed = match &governed.max_records {
            _ if arrays.is_empty() => 0,
            Some(records) => page(records, target),
            None => u64::MAX,
        };
        Some(listed.saturating_add(u64::from(!roots.is_empty())))
    }
}

/// The records that a request may get: `max_records`, or what it asks for itself where that is less (rule 34a).
#[must_use]
pub fn page(records: &MaxRecords, target: &str) -> u64 {
    let asked = records.query.as_ref().and_then(|name| router::query_value(target, name)?.parse::<u64>().ok());
    asked.map_or(records.max, |asked| asked.clamp(1, records.max))
}

/// The text of the path parameter that names the subject, percent-decoded.
#[must_use]
pub fn path_subject(policy: &PolicySet, route: RouteId, target: &str) -> Option<String> {
    let route = policy.routes.get(usize::from(route.0))?;
    let subject = super::view::governed_body(&route.body)?.subject.as_ref()?;
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let values = fit(&route.template, path)?;
    let before = route.template.segments.iter().take(subject.segment);
    router::decode_path(values.get(before.filter(|segment| segment.parameter().is_some()).count())?)
}

/// A claim's text: a string as it is, anything else as JSON text, an absent claim as nothing.
fn claim_text(claims: &Value, path: &ClaimPath) -> String {
    match path.0.iter().try_fold(claims, |value, name| value.as_object()?.get(name)) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The kinds of subjects that fields name, and those that paths name, in order. More than a byte can number are left out,
/// which `check` refuses.
fn namespaces(policy: &PolicySet) -> Vec<Rc<str>> {
    let governed = policy.routes.iter().filter_map(|route| super::view::governed_body(&route.body));
    let mut names: Vec<Rc<str>> = governed
        .flat_map(|governed| {
            let fields = governed.entries.iter().filter_map(|entry| entry.subject.clone());
            fields.chain(governed.subject.as_ref().map(|subject| Rc::clone(&subject.namespace)))
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn rule(policy: &PolicySet, budget: &Budget) -> Rule {
    let (unit, counted) = match &budget.count {
        Count::Distinct(namespace) => (Unit::Subjects, format!("distinct.{namespace}")),
        Count::Records => (Unit::Records, "records".to_owned()),
        Count::Cost => (Unit::Cost, "cost".to_owned()),
    };
    let granter = match (&budget.store, Period::of_seconds(budget.per.seconds)) {
        (Store::Rls(rls), Some(period)) => Granter::Service(Service {
            cluster: rls.cluster.clone(),
            domain: rls.domain.clone(),
            timeout: u32::try_from(rls.timeout_ms).unwrap_or(u32::MAX),
            lease: rls.least(budget.max),
            period,
        }),
        (Store::Rls(_) | Store::Local, _) => Granter::Process,
    };
    Rule {
        prefix: format!("fieldgate/1/{}/{}/{}/{counted}", policy.name, budget.name, budget.per),
        per: budget.per.seconds,
        max: budget.max,
        ladder: Ladder(budget.steps.clone()),
        unit,
        granter,
    }
}
