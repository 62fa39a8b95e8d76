//! Budgets and canaries: limits on what a caller can collect over time (rules 34 to 37).

use std::rc::Rc;

use super::{ClaimPath, ClientId, Entry, Governed, Level, PolicySet, Route, RouteBody, RouteId};
use crate::diagnostic::Span;
use crate::model::field_path::{FieldPath, Segment};

/// Index of a budget in [`PolicySet::budgets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BudgetId(pub u16);

/// A limit on what each caller gets within a window (rule 34).
#[derive(Debug, Clone)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// What keys of callers are made of; each key has a count of its own. Never empty, the client first.
    pub by: Vec<BudgetKey>,
    /// Whom it binds.
    pub clients: BudgetClients,
    /// Areas whose routes it binds, sorted, without repeats.
    pub areas: Vec<String>,
    /// What it counts.
    pub count: Count,
    /// Its window.
    pub per: Per,
    /// How much of it may leave in one window, from 1 to [`Budget::MOST`].
    pub max: u64,
    /// What happens as it fills up, by rising share and never rising effect.
    pub steps: Vec<BudgetStep>,
    /// Where it is counted.
    pub store: Store,
    /// What happens when the store fails; [`OnError::Reject`] where the store is local, which counts or refuses.
    pub on_error: OnError,
    /// Where it is declared.
    pub span: Span,
}

impl Budget {
    /// Largest `max`: the log of a budget holds eight bytes for each subject, and shares are computed without overflow.
    pub const MOST: u64 = 1_000_000_000;

    /// Whether it binds the callers of a client entry. A caller without one is bound by budgets for all clients only.
    #[must_use]
    pub fn binds(&self, client: Option<ClientId>) -> bool {
        match &self.clients {
            BudgetClients::All => true,
            BudgetClients::Named(named) => client.is_some_and(|client| named.contains(&client)),
        }
    }
}

/// One part of the key that a budget counts by (rule 34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetKey {
    /// The caller's client id; empty for a caller without one.
    Client,
    /// A claim of the caller's token.
    Claim(ClaimPath),
}

/// Whom a budget binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BudgetClients {
    /// Everybody: clients with an entry of their own too, and callers without a client id.
    All,
    /// The callers of these client entries, sorted, never empty.
    Named(Vec<ClientId>),
}

/// What a budget counts (rule 34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// Subjects of a namespace, each once in a window.
    Distinct(Rc<str>),
    /// Records, each time.
    Records,
    /// The class `cost` of each scalar that is released.
    Cost,
}

/// A budget's window: so many seconds, aligned to the Unix epoch (rule 34).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Per {
    /// From 1 to 366 days.
    pub seconds: u64,
}

impl Per {
    /// Windows that the rate limit service knows: 1s, 1m, 1h, 1d, 7d, 30d and 365d (rule 36).
    pub const UNITS: [Self; 7] = [
        Self { seconds: 1 },
        Self { seconds: 60 },
        Self { seconds: 3600 },
        Self { seconds: 86_400 },
        Self { seconds: 7 * 86_400 },
        Self { seconds: 30 * 86_400 },
        Self { seconds: 365 * 86_400 },
    ];
}

impl std::fmt::Display for Per {
    /// As a policy spells it, in the largest unit that fits: `1h`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
        let fits = units.into_iter().find(|(unit, _)| self.seconds.is_multiple_of(*unit));
        let (unit, letter) = fits.unwrap_or((1, 's'));
        write!(f, "{}{letter}", self.seconds.checked_div(unit).unwrap_or(self.seconds))
    }
}

/// What happens above a share of a budget (rule 35).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetStep {
    /// The share of `max`, from 1 to 100.
    pub percent: u8,
    /// What happens above it.
    pub then: StepEffect,
}

impl BudgetStep {
    /// Whether `taken` of `max` is over its share: up to its share a step leaves everything as it is, so that `100%: reject`
    /// lets exactly `max` out (rule 35).
    #[must_use]
    pub fn is_exceeded(self, taken: u64, max: u64) -> bool {
        let share = u128::from(taken).saturating_mul(100);
        share > u128::from(max).saturating_mul(u128::from(self.percent))
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepEffect {
    /// The request is refused with 429.
    Reject,
    /// No field is shown above this level.
    Ceiling(Level),
}

/// Where a budget is counted (rule 36).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In one Envoy process, over all its workers.
    Local,
    /// In Envoy's rate limit service, for all proxies together.
    Rls(Rls),
}

/// How the rate limit service is asked (rule 36).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rls {
    /// Envoy's cluster of the service.
    pub cluster: String,
    /// The domain of the descriptors.
    pub domain: String,
    /// How long an answer is awaited, in milliseconds.
    pub timeout_ms: u64,
    /// The least that is asked for at once, at most the budget's `max`; by default 1 % of it.
    pub lease: Option<u64>,
}

impl Rls {
    /// Largest request body that waits for the service's answer, in bytes: it goes on arriving meanwhile, and has to fit into
    /// any buffer that the host may have (rule 36).
    pub const MOST_WAITING: u64 = 16 << 10;

    /// The longest name of its cluster, in bytes: the call names it in a message that has to be text in UTF-8, which lengths of
    /// 128 and more are not.
    pub const LONGEST_CLUSTER: usize = 125;

    /// The least that is asked for at once, of a budget of `max`.
    #[must_use]
    pub fn least(&self, max: u64) -> u64 {
        self.lease.unwrap_or_else(|| max.div_ceil(100)).max(1)
    }
}

/// What happens when a budget's store fails (rule 36).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The request is refused.
    Reject,
    /// The process counts for itself, as with [`Store::Local`].
    Local,
}

/// Subjects that no honest caller meets (rule 37).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canaries {
    /// Namespace and tag of each, sorted, without repeats.
    pub tags: Vec<(Rc<str>, u64)>,
    /// The most that a client is shown for the rest of the day (UTC) in which it met one.
    pub ceiling: Level,
}

impl Canaries {
    /// How a tag is spelt: `c1_` and 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn spell(tag: u64) -> String {
        format!("c1_{tag:016x}")
    }

    /// Reads a tag's one spelling.
    #[must_use]
    pub fn read(text: &str) -> Option<u64> {
        let digits = text.strip_prefix("c1_")?;
        let ok = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 16 || !digits.bytes().all(ok) {
            return None;
        }
        u64::from_str_radix(digits, 16).ok()
    }

    /// Whether a subject's tag is one of a seeded subject.
    #[must_use]
    pub fn has(&self, namespace: &str, tag: u64) -> bool {
        self.tags.binary_search_by(|(ns, known)| (&**ns, *known).cmp(&(namespace, tag))).is_ok()
    }
}

/// Whose data a route's responses are about, as its path names them (rule 34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSubject {
    /// The kind of subject.
    pub namespace: Rc<str>,
    /// The path parameter's name, without braces.
    pub parameter: Rc<str>,
    /// Index of its segment in [`super::Template::segments`], and in the request's path.
    pub segment: usize,
}

/// Where the subjects of a namespace are in the responses of a route (rule 34).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectPlace {
    /// The path names the one subject: index of its segment.
    Path(usize),
    /// In the body, and no array holds them.
    Root,
    /// In the elements of this array, the innermost one; the last segment is `*`, as in `max_records.at`.
    Array(FieldPath),
    /// Nothing says whose data it is. `check` refuses such a route where a budget counts subjects.
    Nowhere,
}

impl PolicySet {
    /// Whether it uses what needs the key: pseudonyms, budgets or canaries (rule 23).
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.uses_pseudonyms() || !self.budgets.is_empty() || self.canaries.is_some()
    }

    /// The environment variable that holds the key: `FIELDGATE_KEY`, or `FIELDGATE_KEY_NAME` for `key: NAME` (rule 23).
    #[must_use]
    pub fn key_variable(&self) -> String {
        match &self.key {
            Some(name) => format!("FIELDGATE_KEY_{name}"),
            None => "FIELDGATE_KEY".to_owned(),
        }
    }

    /// What a route knows of its bodies, if it is governed.
    #[must_use]
    pub fn governed(&self, route: RouteId) -> Option<&Governed> {
        match &self.routes.get(usize::from(route.0))?.body {
            RouteBody::Governed(governed) => Some(governed),
            RouteBody::Pass(_) => None,
        }
    }

    /// Whether a budget counts cost.
    #[must_use]
    pub fn counts_cost(&self) -> bool {
        self.budgets.iter().any(|budget| budget.count == Count::Cost)
    }

    /// The variables that may hold the key: [`Self::key_variable`], and its spelling in capitals, which many environments
    /// want. The first that is there counts.
    #[must_use]
    pub fn key_variables(&self) -> Vec<String> {
        let exact = self.key_variable();
        let capitals = exact.to_ascii_uppercase();
        if capitals == exact { vec![exact] } else { vec![exact, capitals] }
    }

    /// A budget.
    #[must_use]
    pub fn budget(&self, id: BudgetId) -> Option<&Budget> {
        self.budgets.get(usize::from(id.0))
    }

    /// The budgets that count what leaves by a route, whoever asks; see [`Budget::binds`] for whom.
    pub fn budgets_on(&self, route: RouteId) -> impl Iterator<Item = (BudgetId, &Budget)> {
        let area = self.routes.get(usize::from(route.0)).and_then(Route::governed_area);
        (0u16..)
            .map(BudgetId)
            .zip(&self.budgets)
            .filter(move |(_, budget)| area.is_some_and(|area| budget.areas.iter().any(|bound| bound == area)))
    }
}

impl Route {
    /// The area of a governed route.
    #[must_use]
    pub fn governed_area(&self) -> Option<&str> {
        match &self.body {
            RouteBody::Governed(_) => Some(&self.area),
            RouteBody::Pass(_) => None,
        }
    }
}

impl Governed {
    /// Where the subjects of a namespace are; with `None`, those of any (for budgets that count records).
    ///
    /// In a policy that checks, the subjects of a namespace that a budget counts on the route are in one place only.
    #[must_use]
    pub fn subjects_of(&self, namespace: Option<&str>) -> SubjectPlace {
        let is = |of: &str| namespace.is_none_or(|namespace| namespace == of);
        let subject = self.subject.as_ref().filter(|subject| is(&subject.namespace));
        let by_path = subject.map(|subject| SubjectPlace::Path(subject.segment));
        if let (Some(by_path), Some(_)) = (&by_path, namespace) {
            return by_path.clone();
        }
        // Where all records count, those that the body lists do, whomever the path names.
        let mut entries = self.subject_entries(namespace).peekable();
        let in_body = if entries.peek().is_some() { SubjectPlace::Root } else { SubjectPlace::Nowhere };
        let array = entries.find_map(|entry| innermost_array(&entry.path)).map(SubjectPlace::Array);
        array.or(by_path).unwrap_or(in_body)
    }

    /// The most subjects, or records, that one response releases for a budget (rules 34a, 34b): what its request reserves,
    /// unless it asks for a smaller page. 0 for a budget that counts cost, which is charged afterwards.
    #[must_use]
    pub fn most(&self, count: &Count) -> u64 {
        let namespace = match count {
            Count::Distinct(namespace) => Some(&**namespace),
            Count::Records => None,
            Count::Cost => return 0,
        };
        match self.subjects_of(namespace) {
            SubjectPlace::Path(_) => 1,
            SubjectPlace::Root => self.in_one_record(count),
            SubjectPlace::Array(_) => {
                let records = self.max_records.as_ref().map_or(u64::MAX, |records| records.max);
                records.saturating_mul(self.in_one_record(count))
            }
            SubjectPlace::Nowhere => u64::MAX,
        }
    }

    /// How many subjects of a budget one record can name: most name one, a transfer between two customers two. A request
    /// needs so many for each of its records.
    #[must_use]
    pub fn in_one_record(&self, count: &Count) -> u64 {
        let Count::Distinct(namespace) = count else { return 1 };
        if self.subject.as_ref().is_some_and(|subject| subject.namespace == *namespace) {
            return 1;
        }
        let mut places: Vec<FieldPath> = Vec::new();
        for entry in self.subject_entries(Some(namespace)) {
            let place = without_filters(&entry.path);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        u64::try_from(places.len()).unwrap_or(u64::MAX)
    }

    /// The entries that name subjects of a namespace; with `None`, of any.
    pub fn subject_entries<'g, 'n>(
        &'g self,
        namespace: Option<&'n str>,
    ) -> impl Iterator<Item = &'g Entry> + use<'g, 'n> {
        self.entries.iter().filter(move |entry| {
            entry.subject.as_deref().is_some_and(|of| namespace.is_none_or(|namespace| namespace == of))
        })
    }
}

/// The path of the elements of the innermost array (or the members of an object reached by `*`) that holds a place, with
/// `*` for each filter; `None` where no array holds it.
#[must_use]
pub fn innermost_array(path: &FieldPath) -> Option<FieldPath> {
    let last = path.segments.iter().rposition(|segment| !matches!(segment, Segment::Member(_)))?;
    let mut array = without_filters(path);
    array.segments.truncate(last.saturating_add(1));
    array.open = false;
    Some(array)
}

/// A path with `*` in the place of each filter: filters choose among what the path reaches.
#[must_use]
pub fn without_filters(path: &FieldPath) -> FieldPath {
    FieldPath { segments: path.segments.iter().map(Segment::without_filter).collect(), open: path.open }
}
