//! The questions, and what a log answers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::parts::{Alert, Exposure, Question, Release, Summary, Top};
use super::record::{Client, Line, Record};
use super::tags::Tags;

/// A class, a level, and how many values.
type Values = BTreeMap<(String, String), u64>;

/// What is kept of one question.
#[derive(Debug)]
pub struct Ledger {
    question: Rc<Question>,
    from: Option<String>,
    to: Option<String>,
    tags: Option<Tags>,
    kind: Option<String>,
    summary: Summary,
    keys: BTreeMap<String, u64>,
    alerts: BTreeMap<Client, Alert>,
    policies: BTreeMap<(String, String), u64>,
    kinds: Vec<String>,
    subjects: HashMap<(u16, u128), Exposure>,
    /// Classes and levels that came together, each set once.
    sets: Vec<BTreeSet<(String, String)>>,
    numbers: HashMap<BTreeSet<(String, String)>, u32>,
    unions: HashMap<(u32, u32), u32>,
    values: Values,
    releases: Vec<Release>,
    clients: HashMap<Client, (Top, HashSet<(u16, u128)>)>,
    /// Tags that the client may have in the log.
    of_client: Vec<u128>,
    wanted: HashMap<String, u128>,
}

/// A subject with the id that it has in the operator's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSubject<'l> {
    /// The kind of subject.
    pub kind: &'l str,
    /// Its tag.
    pub tag: u128,
    /// Its id, if the list has it.
    pub id: Option<String>,
    /// What the log says.
    pub exposure: &'l Exposure,
    /// Classes and levels of the responses that it was in.
    pub what: &'l BTreeSet<(String, String)>,
}

impl Ledger {
    /// An empty one. `from` and `to` are seconds as [`Record::second`] writes them; `to` is not included. Subjects of other kinds
    /// than `kind` are left out.
    #[must_use]
    pub fn new(
        question: Question,
        (from, to): (Option<String>, Option<String>),
        tags: Option<Tags>,
        kind: Option<String>,
    ) -> Self {
        let of_client = match &question {
            Question::Client(id) => hexadecimal(id).into_iter().chain(tags.map(|tags| tags.of_client(id))).collect(),
            Question::Subject(_) | Question::Top => Vec::new(),
        };
        Self {
            question: Rc::new(question),
            from,
            to,
            tags,
            kind,
            summary: Summary::default(),
            keys: BTreeMap::new(),
            alerts: BTreeMap::new(),
            policies: BTreeMap::new(),
            kinds: Vec::new(),
            subjects: HashMap::new(),
            sets: Vec::new(),
            numbers: HashMap::new(),
            unions: HashMap::new(),
            values: Values::new(),
            releases: Vec::new(),
            clients: HashMap::new(),
            of_client,
            wanted: HashMap::new(),
        }
    }

    /// Takes a line into account.
    pub fn take(&mut self, line: Line) {
        if line == Line::Empty {
            return;
        }
        self.summary.lines = self.summary.lines.saturating_add(1);
        match line {
            Line::Record(record) => self.record(*record),
            Line::Unwritten(second) => {
                // What began before the time may have gone on into it.
                if second.is_none_or(|second| self.is_before_the_end(&second)) {
                    self.summary.unwritten = self.summary.unwritten.saturating_add(1);
                }
            }
            Line::Broken(_) => self.summary.broken = self.summary.broken.saturating_add(1),
            Line::Gated | Line::Empty => {}
        }
    }

    fn in_time(&self, second: &str) -> bool {
        self.from.as_deref().is_none_or(|from| second >= from) && self.is_before_the_end(second)
    }

    fn is_before_the_end(&self, second: &str) -> bool {
        self.to.as_deref().is_none_or(|to| second < to)
    }

    fn record(&mut self, record: Record) {
        let second = record.second();
        if second.is_empty() {
            self.summary.timeless = self.summary.timeless.saturating_add(1);
        } else {
            let (first, last) = (&mut self.summary.first, &mut self.summary.last);
            if first.as_deref().is_none_or(|first| second < first) {
                *first = Some(second.to_owned());
            }
            if last.as_deref().is_none_or(|last| second > last) {
                *last = Some(second.to_owned());
            }
            if !self.in_time(second) {
                return;
            }
        }
        if let Some(key) = &record.key {
            self.of_key(key);
        }
        self.summary.contested = self.summary.contested.saturating_add(u64::from(record.contested));
        match Rc::clone(&self.question).as_ref() {
            Question::Client(id) => self.of_client(id, &record),
            Question::Subject(id) => self.about(id, &record),
            Question::Top => self.for_top(&record),
        }
    }

    /// Counts a record by the key that made its tags: which of the keys is another is known once all are.
    fn of_key(&mut self, key: &str) {
        let records = self.keys.entry(key.to_owned()).or_default();
        *records = records.saturating_add(1);
        let all = self.keys.values().copied().fold(0, u64::saturating_add);
        let ours = match self.tags {
            Some(tags) => self.keys.get(&tags.key()).copied(),
            None => self.keys.values().copied().max(),
        };
        self.summary.other_key = all.saturating_sub(ours.unwrap_or(0));
    }

    /// Counts the seeded subjects of a record of which something left.
    fn alert(&mut self, record: &Record) {
        if record.canaries > 0 {
            let alert = self.alerts.entry(record.client.clone()).or_default();
            alert.canaries = alert.canaries.saturating_add(record.canaries);
            alert.responses = alert.responses.saturating_add(1);
        }
    }

    /// Counts a record that does not say who asked: it may have been the client in question.
    fn of_anybody(&mut self, record: &Record) {
        if !record.has_left() {
            return;
        }
        let sum = &mut self.summary;
        let count = if record.passed() { &mut sum.passed } else { &mut sum.callers };
        *count = count.saturating_add(1);
        self.alert(record);
    }

    /// Counts what every answer says of the records that it is about. Whether something left.
    fn counts(&mut self, record: &Record) -> bool {
        let sum = &mut self.summary;
        sum.records = sum.records.saturating_add(1);
        if !record.has_left() {
            return false;
        }
        sum.left = sum.left.saturating_add(1);
        let policy = (record.text("policy").to_owned(), record.text("digest").to_owned());
        let by_policy = self.policies.entry(policy).or_default();
        *by_policy = by_policy.saturating_add(1);
        sum.passed = sum.passed.saturating_add(u64::from(record.passed()));
        sum.reported = sum.reported.saturating_add(u64::from(record.only_reported()));
        sum.unknown = sum.unknown.saturating_add(record.unknown());
        self.alert(record);
        true
    }

    fn of_client(&mut self, id: &str, record: &Record) {
        match &record.client {
            Client::Named(name) if name == id => {}
            Client::Tagged(tag) if self.of_client.contains(tag) => {}
            Client::Tagged(_) if self.of_client.is_empty() => {
                self.summary.unnamed = self.summary.unnamed.saturating_add(1);
                return;
            }
            Client::Unknown => return self.of_anybody(record),
            Client::Named(_) | Client::Tagged(_) => return,
        }
        if !self.counts(record) {
            return;
        }
        let mut set = BTreeSet::new();
        for (class, level, count) in record.left() {
            let what = (class.to_owned(), level.to_owned());
            let sum = self.values.entry(what.clone()).or_default();
            *sum = sum.saturating_add(count);
            set.insert(what);
        }
        let set = self.set(set);
        for (kind, tags) in &record.subjects {
            let Some(kind) = self.kind(kind) else { continue };
            for tag in tags {
                let known = self.subjects.get(&(kind, *tag)).map(|known| known.what);
                let what = known.map_or(set, |known| self.union(known, set));
                let second = record.second();
                let exposure = self.subjects.entry((kind, *tag)).or_insert_with(|| Exposure {
                    first: second.to_owned(),
                    last: second.to_owned(),
                    responses: 0,
                    what,
                });
                exposure.what = what;
                exposure.responses = exposure.responses.saturating_add(1);
                if *second < *exposure.first {
                    second.clone_into(&mut exposure.first);
                }
                if *second > *exposure.last {
                    second.clone_into(&mut exposure.last);
                }
            }
        }
    }

    /// The number of a kind of subject; `None` for one that was not asked for.
    fn kind(&mut self, name: &str) -> Option<u16> {
        if self.kind.as_deref().is_some_and(|kind| kind != name) {
            return None;
        }
        let found = self.kinds.iter().position(|known| known == name);
        let at = found.unwrap_or_else(|| {
            self.kinds.push(name.to_owned());
            self.kinds.len().saturating_sub(1)
        });
        u16::try_from(at).ok()
    }

    fn set(&mut self, set: BTreeSet<(String, String)>) -> u32 {
        let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        self.sets.push(set.clone());
        self.numbers.insert(set, next);
        next
    }

    fn union(&mut self, one: u32, other: u32) -> u32 {
        if one == other {
            return one;
        }
        if let Some(number) = self.unions.get(&(one, other)) {
            return *number;
        }
        let of =
            |number: u32| usize::try_from(number).ok().and_then(|at| self.sets.get(at)).cloned().unwrap_or_default();
        let number = self.set(of(one).union(&of(other)).cloned().collect());
        self.unions.insert((one, other), number);
        number
    }

    fn about(&mut self, id: &str, record: &Record) {
        let Some(tags) = self.tags else { return };
        let mut found = false;
        let mut others = 0u64;
        for (kind, all) in &record.subjects {
            others = others.saturating_add(u64::try_from(all.len()).unwrap_or(u64::MAX));
            if self.kind.as_deref().is_some_and(|wanted| wanted != kind) {
                continue;
            }
            if !self.wanted.contains_key(kind) {
                self.wanted.insert(kind.clone(), tags.of(kind, id));
            }
            found |= self.wanted.get(kind).is_some_and(|tag| all.contains(tag));
        }
        if self.counts(record) && found {
            let owned = |(class, level, _): (&str, &str, u64)| (class.to_owned(), level.to_owned());
            self.releases.push(Release {
                time: record.time.clone(),
                client: record.client.clone(),
                request: record.text("request").to_owned(),
                route: record.text("route").to_owned(),
                outcome: record.text("outcome").to_owned(),
                what: record.left().map(owned).collect(),
                others: others.saturating_sub(1),
            });
        }
    }

    fn for_top(&mut self, record: &Record) {
        if !self.counts(record) {
            return;
        }
        let kinds: Vec<(Option<u16>, &Vec<u128>)> =
            record.subjects.iter().map(|(kind, tags)| (self.kind(kind), tags)).collect();
        let (top, seen) = self.clients.entry(record.client.clone()).or_default();
        top.responses = top.responses.saturating_add(1);
        top.unknown = top.unknown.saturating_add(record.unknown());
        for (kind, tags) in kinds {
            let Some(kind) = kind else { continue };
            seen.extend(tags.iter().map(|tag| (kind, *tag)));
        }
    }

    /// What is known of the whole, and what is not.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The tags of the keys that made the tags, and how many records each has.
    #[must_use]
    pub fn keys(&self) -> &BTreeMap<String, u64> {
        &self.keys
    }

    /// Who got seeded subjects. Where a client was asked for: that client, and callers whom no record names.
    #[must_use]
    pub fn alerts(&self) -> &BTreeMap<Client, Alert> {
        &self.alerts
    }

    /// The policies that let something leave, by name and digest, and how many of the responses each.
    #[must_use]
    pub fn policies(&self) -> &BTreeMap<(String, String), u64> {
        &self.policies
    }

    /// The kinds of subjects that came.
    #[must_use]
    pub fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// Values by class and level, of all responses together.
    #[must_use]
    pub fn values(&self) -> &BTreeMap<(String, String), u64> {
        &self.values
    }

    /// The responses that a person was in, in the log's order.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// Distinct subjects that a client got.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.subjects.len()
    }

    /// Clients by distinct subjects, most first.
    #[must_use]
    pub fn top(&self) -> Vec<(&Client, Top)> {
        let mut all: Vec<(&Client, Top)> = self
            .clients
            .iter()
            .map(|(client, (top, seen))| {
                (client, Top { subjects: u64::try_from(seen.len()).unwrap_or(u64::MAX), ..top.clone() })
            })
            .collect();
        all.sort_by(|(a, more), (b, less)| (less.subjects, less.responses, a).cmp(&(more.subjects, more.responses, b)));
        all
    }

    /// The id of a list, if it is one that the client got. `kind` must be one of [`Self::kinds`].
    #[must_use]
    pub fn is_exposed(&self, kind: &str, id: &str) -> Option<u128> {
        let at = u16::try_from(self.kinds.iter().position(|known| known == kind)?).ok()?;
        let tag = self.tags?.of(kind, id);
        self.subjects.contains_key(&(at, tag)).then_some(tag)
    }

    /// Every subject that the client got, by kind and tag; with the ids that are known.
    #[must_use]
    pub fn subjects(&self, ids: &HashMap<u128, String>) -> Vec<NamedSubject<'_>> {
        const NOTHING: &BTreeSet<(String, String)> = &BTreeSet::new();
        let mut all: Vec<NamedSubject<'_>> = self
            .subjects
            .iter()
            .map(|((kind, tag), exposure)| NamedSubject {
                kind: self.kinds.get(usize::from(*kind)).map_or("", String::as_str),
                tag: *tag,
                id: ids.get(tag).cloned(),
                exposure,
                what: usize::try_from(exposure.what).ok().and_then(|at| self.sets.get(at)).unwrap_or(NOTHING),
            })
            .collect();
        all.sort_by(|a, b| (a.kind, a.id.is_none(), &a.id, a.tag).cmp(&(b.kind, b.id.is_none(), &b.id, b.tag)));
        all
    }
}

/// A tag that is given as such.
fn hexadecimal(text: &str) -> Option<u128> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}
