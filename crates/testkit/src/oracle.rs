//! What a policy means, read off the rules as slowly and plainly as possible: the yardstick for the compiled program and
//! for the rewriter, with which it shares the policy's model and the forms, and nothing else.
//!
//! Every path is a JSONPath query that jsonpath-rust runs on the whole document; a place is the set of queries that find
//! it. There is no trie, no state and no streaming here.
//!
//! Where a rule leaves room, the reading that this file takes is marked *Reading*.

mod whose;

pub use whose::Whose;

use std::collections::{BTreeSet, HashMap, HashSet};

use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::model::pattern::Effort;
use fieldgate::model::{
    Ceiling, ClassId, ClientId, Condition, Detector, Entry, Governed, Level, Mask, Over, PolicySet, Pseudonym, Route,
    RouteBody, RouteId, RowRule, ScopeId, When,
};
use fieldgate::transform::{self, PseudonymKey, Searched};
use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::{Map, Value};

use super::tree::{Fault, Tree};

/// Longest string that is searched, masked or pseudonymised, as a token with its quotes.
///
/// *Reading* of rule 27: "a string over 64 KiB" is measured as it came, escapes and quotes included, and the other forms
/// have the same bound.
pub const LONGEST_SCALAR: usize = 64 << 10;

/// Who asks: what rules 7 to 9 have made of a request.
#[derive(Debug, Clone)]
pub struct Asker {
    pub client_text: String,
    pub entry: Option<ClientId>,
    /// Active scopes, in any order.
    pub scopes: Vec<ScopeId>,
    /// The most that the steps of budgets, and a canary that was met, leave of anything (rules 17, 35, 37).
    pub ceiling: Level,
}

/// What becomes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// It is refused, for one of these reasons; a malformed body may be refused for anything that was met before its fault.
    Refused(BTreeSet<&'static str>),
    /// These bytes come out, with no white space between tokens.
    Passes {
        body: Vec<u8>,
        /// Whether it may also be refused for a duplicate name: there is one, though the policy does not know it at its place, or
        /// its place does not come out (rule 30).
        or_duplicate: bool,
    },
}

/// What a scalar becomes at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Hide,
    Blank(String),
    Pseudonym(Pseudonym, String),
    Mask(Mask, String),
    Detect(Vec<Detector>, String),
    Show,
}

impl Fate {
    pub fn level(&self) -> Level {
        match self {
            Self::Hide => Level::Hide,
            Self::Blank(_) => Level::Blank,
            Self::Pseudonym(..) => Level::Pseudonym,
            Self::Mask(..) => Level::Mask,
            Self::Detect(..) | Self::Show => Level::Show,
        }
    }
}

/// What the policy says of one node of a document.
#[derive(Debug, Clone)]
pub struct Place {
    /// How it is reached from the root.
    pub steps: Vec<Step>,
    /// What a scalar there becomes.
    pub scalar: Fate,
    /// Whether a container there comes out.
    pub container: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Element(usize),
    Member(String),
}

/// Rules 8 and 9: the scope entries that are active on a route.
pub fn active_scopes(
    policy: &PolicySet,
    route: &Route,
    entry: Option<ClientId>,
    scopes: &[String],
    claims: &Value,
) -> Vec<ScopeId> {
    let listed =
        |value: &Value, wanted: &[String]| value.as_str().is_some_and(|text| wanted.iter().any(|one| one == text));
    let mut active = Vec::new();
    for (index, scope) in policy.scopes.iter().enumerate() {
        let named = match &scope.when {
            When::Named => scopes.contains(&scope.name),
            When::Always => true,
            When::All(conditions) => conditions.iter().all(|condition| match condition {
                Condition::AllOf(names) => names.iter().all(|name| scopes.contains(name)),
                Condition::AnyOf(names) => names.iter().any(|name| scopes.contains(name)),
                Condition::Claim(path, values) => {
                    let mut claim = Some(claims);
                    for name in &path.0 {
                        claim = claim.and_then(|value| value.as_object()).and_then(|object| object.get(name));
                    }
                    match claim {
                        Some(Value::Array(array)) => array.iter().any(|one| listed(one, values)),
                        Some(one) => listed(one, values),
                        None => false,
                    }
                }
            }),
        };
        let allowed = match entry {
            Some(ClientId(id)) => {
                policy.clients[usize::from(id)].scopes.as_ref().is_none_or(|allowed| allowed.contains(&scope.name))
            }
            None => true,
        };
        if named && allowed && scope.areas.contains(&route.area) {
            active.push(ScopeId(u16::try_from(index).unwrap()));
        }
    }
    active
}

/// One route of one policy, its queries parsed.
pub struct Oracle<'a> {
    policy: &'a PolicySet,
    governed: &'a Governed,
    queries: Queries,
    entries: Vec<(&'a Entry, Found)>,
    denies: Vec<(ClientId, Found)>,
    /// Row conditions: for whom, the array, and the children that the filter selects.
    rows: Vec<(Option<ScopeId>, Found, usize)>,
    records: Option<Found>,
    subjects: Vec<whose::SubjectQuery>,
}

/// Parsed queries, each once.
#[derive(Default)]
struct Queries {
    numbers: HashMap<String, usize>,
    parsed: Vec<JpQuery>,
}

/// A path, and the numbers of its queries.
struct Found {
    path: FieldPath,
    /// For its first 0, 1, 2 … segments, without the `..*`.
    starts: Vec<usize>,
    /// For the whole path.
    whole: usize,
}

impl Queries {
    fn number(&mut self, text: String) -> usize {
        if let Some(known) = self.numbers.get(&text) {
            return *known;
        }
        self.parsed.push(parse_json_path(&text).unwrap_or_else(|fault| panic!("`{text}`: {fault}")));
        self.numbers.insert(text, self.parsed.len() - 1);
        self.parsed.len() - 1
    }

    fn find(&mut self, path: &FieldPath) -> Found {
        let starts =
            (0..=path.segments.len()).map(|length| self.number(query(&path.segments[..length], false))).collect();
        Found { path: path.clone(), starts, whole: self.number(query(&path.segments, path.open)) }
    }
}

impl<'a> Oracle<'a> {
    pub fn new(policy: &'a PolicySet, route: RouteId) -> Self {
        let RouteBody::Governed(governed) = &policy.routes[usize::from(route.0)].body else {
            panic!("a route that is passed has no meaning to read")
        };
        let mut queries = Queries::default();
        Self {
            policy,
            governed,
            entries: governed.entries.iter().map(|entry| (entry, queries.find(&entry.path))).collect(),
            denies: governed.denies.iter().map(|(client, path)| (*client, queries.find(path))).collect(),
            rows: governed
                .rows
                .iter()
                .map(|row| (row.scope, queries.find(&row.array), queries.number(kept(row))))
                .collect(),
            records: governed.max_records.as_ref().map(|records| queries.find(&records.at)),
            subjects: whose::SubjectQuery::all(governed, &mut queries),
            queries,
        }
    }

    /// What becomes of a body of one text for a caller.
    pub fn read(&self, asker: &Asker, key: Option<&PseudonymKey>, body: &[u8]) -> Meaning {
        self.read_texts(asker, key, &[body], (b"", b""))
    }

    /// What becomes of a body of several texts, each between these bytes in what comes out (rule 30).
    pub fn read_texts(
        &self,
        asker: &Asker,
        key: Option<&PseudonymKey>,
        texts: &[&[u8]],
        (before, after): (&[u8], &[u8]),
    ) -> Meaning {
        let mut trees = Vec::new();
        for text in texts {
            match Tree::parse(text, usize::from(self.policy.limits.depth)) {
                Ok(tree) => trees.push(tree),
                Err(fault) => return Meaning::Refused(BTreeSet::from([fault.reason()])),
            }
        }
        let mut out = Vec::new();
        let mut refusals = BTreeSet::new();
        let mut or_duplicate = false;
        // Rule 28: records are counted over the whole response.
        let mut records = 0;
        for tree in &trees {
            out.extend_from_slice(before);
            let value = tree.value();
            let sets = self.sets(&value);
            let mut walk = Walk { oracle: self, asker, key, sets: &sets, records, refusals: BTreeSet::new() };
            let denied = walk.denied(&value);
            if !walk.node(tree, &value, &asker.scopes, denied, &mut out) {
                // Rule 25: a root that would be removed is refused.
                walk.refusals.insert("root_hidden");
            }
            out.extend_from_slice(after);
            records = walk.records;
            refusals.append(&mut walk.refusals);
            or_duplicate |= tree.has_duplicates();
        }
        if refusals.is_empty() {
            return Meaning::Passes { body: out, or_duplicate };
        }
        refusals.extend(or_duplicate.then_some("json_duplicate_name"));
        Meaning::Refused(refusals)
    }

    /// What the policy says of every node of a document, those that are left out by rows excepted.
    pub fn places(&self, asker: &Asker, document: &Value) -> Vec<Place> {
        let sets = self.sets(document);
        let walk = Walk { oracle: self, asker, key: None, sets: &sets, records: 0, refusals: BTreeSet::new() };
        let mut found = Vec::new();
        walk.places(document, &asker.scopes, walk.denied(document), &mut Vec::new(), &mut found);
        found
    }

    /// Where each query finds something.
    fn sets(&self, document: &Value) -> Sets {
        let mut numbers = HashMap::new();
        number(document, &mut numbers);
        let mut found = vec![vec![false; self.queries.parsed.len()]; numbers.len()];
        for (number, query) in self.queries.parsed.iter().enumerate() {
            let nodes = js_path_process(query, document).unwrap_or_else(|fault| panic!("`{query:?}`: {fault}"));
            for node in nodes {
                found[numbers[&address(node.val)]][number] = true;
            }
        }
        Sets { numbers, found }
    }

    fn ceilings(&self, asker: &Asker) -> Vec<&'a Ceiling> {
        let client = asker.entry.map(|ClientId(id)| &self.policy.clients[usize::from(id)].ceiling);
        client.into_iter().chain([&self.governed.ceiling]).collect()
    }

    /// Rules 15 to 17 for a scalar that these entries match, deny apart.
    fn level(&self, entries: &[&Entry], asker: &Asker, scopes: &[ScopeId]) -> Level {
        let classes: BTreeSet<ClassId> = entries.iter().flat_map(|entry| entry.classes.clone()).collect();
        if classes.is_empty() {
            return Level::Hide;
        }
        let mut level = Level::Hide;
        for scope in scopes {
            let named = entries
                .iter()
                .flat_map(|entry| &entry.overrides)
                .filter(|(of, _)| of == scope)
                .map(|(_, level)| *level);
            let grant = &self.policy.scopes[usize::from(scope.0)].grant;
            let granted = classes.iter().map(|class| grant[usize::from(class.0)]).min().unwrap();
            level = level.max(named.min().unwrap_or(granted));
        }
        for ceiling in self.ceilings(asker) {
            for class in &classes {
                let named = ceiling.classes.iter().find(|(of, _)| of == class).map(|(_, level)| *level);
                level = level.min(named.or(ceiling.rest).unwrap_or(Level::Show));
            }
        }
        level.min(asker.ceiling)
    }

    /// Rules 13 and 18: the form that a scalar has at its level.
    fn fate(&self, entries: &[&Entry], level: Level) -> Fate {
        let mask = agreed(entries.iter().filter_map(|entry| entry.mask));
        let pseudonym = agreed(entries.iter().filter_map(|entry| entry.pseudonym.clone()));
        // *Reading* of rules 13 and 18: entries that disagree about `blank` have none, and then their classes are asked;
        // classes that declare none do not disagree with one that does.
        let classes: BTreeSet<ClassId> = entries.iter().flat_map(|entry| entry.classes.clone()).collect();
        let blank = agreed(entries.iter().filter_map(|entry| entry.blank.clone()))
            .or_else(|| {
                agreed(classes.iter().filter_map(|class| self.policy.classes[usize::from(class.0)].blank.clone()))
            })
            .map_or_else(|| String::from("null"), |blank| blank.to_string());
        // *Reading* of rule 27: a scalar that several entries match is searched for what any of them names.
        let mut detect: Vec<Detector> = entries.iter().flat_map(|entry| entry.detect.clone()).collect();
        detect.sort();
        detect.dedup();
        match (level, mask, pseudonym) {
            (Level::Hide, _, _) => Fate::Hide,
            (Level::Show, _, _) if detect.is_empty() => Fate::Show,
            (Level::Show, _, _) => Fate::Detect(detect, blank),
            (Level::Mask, Some(form), _) => Fate::Mask(form, blank),
            (Level::Mask | Level::Pseudonym, _, Some(form)) => Fate::Pseudonym(form, blank),
            (Level::Mask | Level::Pseudonym | Level::Blank, _, _) => Fate::Blank(blank),
        }
    }
}

/// Which queries find which nodes of one document.
struct Sets {
    /// A number for each node, by its address: every node has its own.
    numbers: HashMap<usize, usize>,
    /// By node, then by query.
    found: Vec<Vec<bool>>,
}

fn number(node: &Value, numbers: &mut HashMap<usize, usize>) {
    numbers.insert(address(node), numbers.len());
    match node {
        Value::Array(array) => array.iter().for_each(|element| number(element, numbers)),
        Value::Object(object) => object.values().for_each(|member| number(member, numbers)),
        _ => {}
    }
}

struct Walk<'o, 'a> {
    oracle: &'o Oracle<'a>,
    asker: &'o Asker,
    key: Option<&'o PseudonymKey>,
    sets: &'o Sets,
    records: u64,
    refusals: BTreeSet<&'static str>,
}

impl Walk<'_, '_> {
    fn is_at(&self, node: &Value, query: usize) -> bool {
        self.found(node)[query]
    }

    /// By query, whether it finds the node.
    fn found(&self, node: &Value) -> &[bool] {
        &self.sets.found[self.sets.numbers[&address(node)]]
    }

    fn entries(&self, node: &Value) -> Vec<&Entry> {
        let at = self.found(node);
        self.oracle.entries.iter().filter(|(_, found)| at[found.whole]).map(|(entry, _)| *entry).collect()
    }

    /// Whether a deny names this node (rule 17); what lies below is hidden with it.
    fn denied(&self, node: &Value) -> bool {
        self.denies().any(|found| self.is_at(node, found.whole))
    }

    fn denies(&self) -> impl Iterator<Item = &Found> {
        self.oracle.denies.iter().filter(|(client, _)| Some(*client) == self.asker.entry).map(|(_, found)| found)
    }

    fn scalar(&self, node: &Value, scopes: &[ScopeId], denied: bool) -> Fate {
        let entries = self.entries(node);
        let level = if denied { Level::Hide } else { self.oracle.level(&entries, self.asker, scopes) };
        self.oracle.fate(&entries, level)
    }

    /// Rule 25: whether some entry under this node is above hide, entries judged one by one.
    ///
    /// *Reading*: "under" is decided by the policy below the node (any name may come, any filter may select or not, but the
    /// same filter does the same for every path that has it) and by the document above it (filters on the way have selected
    /// or not). An entry that a deny covers wherever it may come to stand under the node does not count.
    fn container(&self, node: &Value, scopes: &[ScopeId], denied: bool) -> bool {
        if denied {
            return false;
        }
        let denies: Vec<_> = self.denies().flat_map(|deny| self.ways_below(deny, node)).collect();
        self.oracle.entries.iter().any(|(entry, found)| {
            self.ways_below(found, node).iter().any(|way| !denies.iter().any(|deny| covers(deny, way)))
                && self.oracle.level(&[entry], self.asker, scopes) > Level::Hide
        })
    }

    /// What is left of a path below a node, in each way that its start leads to the node; never empty.
    fn ways_below<'f>(&self, found: &'f Found, node: &Value) -> Vec<Vec<&'f Segment>> {
        let Found { path, starts, whole } = found;
        let at = self.found(node);
        let mut ways = Vec::new();
        for (length, start) in starts.iter().enumerate().take(path.segments.len()) {
            if at[*start] {
                let mut way: Vec<&Segment> = path.segments[length..].iter().collect();
                // The nearest place that `..*` finds: if that is hidden, so is all below.
                way.extend(path.open.then_some(&Segment::Any));
                ways.push(way);
            }
        }
        if path.open && (at[starts[path.segments.len()]] || at[*whole]) {
            ways.push(vec![&Segment::Any]);
        }
        ways
    }

    /// The scopes whose row conditions keep a child (rules 15 and 26).
    ///
    /// *Reading* of rule 26: "a filter on an object selects among its members" is said of row conditions too.
    fn kept_scopes(&self, parent: &Value, child: &Value, scopes: &[ScopeId]) -> Vec<ScopeId> {
        let mut scopes = scopes.to_vec();
        for (whose, array, kept) in &self.oracle.rows {
            if self.is_at(parent, array.whole) && !self.is_at(child, *kept) {
                scopes.retain(|scope| whose.is_some_and(|of| of != *scope));
            }
        }
        scopes
    }

    /// Appends what comes out of a node; answers whether anything does.
    fn node(&mut self, tree: &Tree<'_>, node: &Value, scopes: &[ScopeId], denied: bool, out: &mut Vec<u8>) -> bool {
        let container = self.container(node, scopes, denied);
        match tree {
            Tree::Scalar(token) => {
                let fate = self.scalar(node, scopes, denied);
                self.write(fate, container, token, out)
            }
            Tree::Array(elements) => {
                let Value::Array(values) = node else { panic!("the same document twice") };
                let children = elements.iter().zip(values).map(|(tree, value)| (None, tree, value));
                self.children(node, children.collect(), (b'[', b']'), scopes, denied, container, out)
            }
            Tree::Object(members) => {
                let Value::Object(values) = node else { panic!("the same document twice") };
                self.judge_duplicates(members.iter().map(|member| member.name.as_str()), node, container);
                let children = members
                    .iter()
                    .zip(values.values())
                    .map(|(member, value)| (Some(member.token), &member.tree, value));
                self.children(node, children.collect(), (b'{', b'}'), scopes, denied, container, out)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one place's circumstances, each by itself")]
    fn children(
        &mut self,
        node: &Value,
        children: Vec<(Option<&[u8]>, &Tree<'_>, &Value)>,
        (open, close): (u8, u8),
        scopes: &[ScopeId],
        denied: bool,
        container: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        out.push(open);
        let mut first = true;
        for (name, tree, child) in children {
            let scopes = self.kept_scopes(node, child, scopes);
            if scopes.is_empty() || !self.is_within_records(child) {
                continue;
            }
            let before = out.len();
            if !first {
                out.push(b',');
            }
            if let Some(name) = name {
                out.extend_from_slice(name);
                out.push(b':');
            }
            let child_denied = denied || self.denied(child);
            // Children of what does not come out are looked at for what they count and for their own faults only.
            if self.node(tree, child, &scopes, child_denied, out) {
                first = false;
            } else {
                out.truncate(before);
            }
        }
        out.push(close);
        if !container {
            out.truncate(start);
        }
        container
    }

    /// Rule 28: counts a record; `false` for one that is over. What rows leave out is not asked about.
    fn is_within_records(&mut self, node: &Value) -> bool {
        let (Some(records), Some(found)) = (&self.oracle.governed.max_records, &self.oracle.records) else {
            return true;
        };
        if !self.is_at(node, found.whole) {
            return true;
        }
        self.records += 1;
        if self.records <= records.max {
            return true;
        }
        if records.over == Over::Reject {
            self.refusals.insert("too_many_records");
        }
        false
    }

    /// Rule 30: a name twice in one object refuses the body, if the policy knows it there. *Reading*: what lies below a
    /// container that does not come out, or in an element that rows leave out, vanishes with it, so there it may be refused or
    /// not; and so may a name that is only reached through `*`, `..*` or a filter, which comes out each time if it is not.
    fn judge_duplicates<'n>(&mut self, names: impl Iterator<Item = &'n str>, node: &Value, container: bool) {
        let mut seen = HashSet::new();
        for name in names {
            if !seen.insert(name) && container && self.is_known(name, node) {
                self.refusals.insert("json_duplicate_name");
            }
        }
    }

    fn is_known(&self, name: &str, node: &Value) -> bool {
        let Oracle { entries, denies, rows, records, .. } = self.oracle;
        let paths = entries.iter().map(|(_, found)| found);
        let paths = paths.chain(denies.iter().map(|(_, found)| found));
        let paths = paths.chain(rows.iter().map(|(_, found, _)| found));
        paths.chain(records).any(|found| {
            found
                .path
                .segments
                .iter()
                .zip(&found.starts)
                .any(|(segment, start)| *segment == Segment::Member(name.into()) && self.is_at(node, *start))
        })
    }

    /// Rules 18 to 27 on one scalar.
    fn write(&self, fate: Fate, container: bool, token: &[u8], out: &mut Vec<u8>) -> bool {
        let long = token.len() > LONGEST_SCALAR;
        let (fits, blank) = match (fate, token) {
            // Rules 19, 24 and 25.
            (Fate::Hide, b"null") => {
                out.extend_from_slice(if container { token } else { b"" });
                return container;
            }
            (Fate::Hide, _) => return false,
            (Fate::Blank(blank), _) => (false, blank),
            (_, b"null") | (Fate::Show, _) => {
                out.extend_from_slice(token);
                return true;
            }
            (Fate::Detect(detectors, blank), _) => {
                let long = long && token.starts_with(b"\"");
                let searched = |out| transform::detect(&detectors, token, &mut { Effort::RESPONSE }, out);
                (!long && matches!(searched(out), Searched::Clean | Searched::Replaced), blank)
            }
            (Fate::Mask(form, blank), _) => (!long && transform::mask(form, token, out), blank),
            (Fate::Pseudonym(form, blank), _) => {
                let key = self.key.expect("a policy with pseudonyms has a key");
                (!long && transform::pseudonym(key, &form, &self.asker.client_text, token, out), blank)
            }
        };
        if !fits {
            out.extend_from_slice(blank.as_bytes());
        }
        true
    }

    fn places(&self, node: &Value, scopes: &[ScopeId], denied: bool, steps: &mut Vec<Step>, found: &mut Vec<Place>) {
        found.push(Place {
            steps: steps.clone(),
            scalar: self.scalar(node, scopes, denied),
            container: self.container(node, scopes, denied),
        });
        let children: Vec<(Step, &Value)> = match node {
            Value::Array(array) => {
                array.iter().enumerate().map(|(index, child)| (Step::Element(index), child)).collect()
            }
            Value::Object(object) => object.iter().map(|(name, child)| (Step::Member(name.clone()), child)).collect(),
            _ => Vec::new(),
        };
        for (step, child) in children {
            let scopes = self.kept_scopes(node, child, scopes);
            steps.push(step);
            self.places(child, &scopes, denied || self.denied(child), steps, found);
            steps.pop();
        }
    }
}

/// Whether whatever stands at `way` is at or below what `deny` names.
fn covers(deny: &[&Segment], way: &[&Segment]) -> bool {
    deny.len() <= way.len()
        && deny.iter().zip(way).all(|(deny, way)| match deny {
            Segment::Any => true,
            Segment::Member(_) | Segment::Filtered(_) => deny == way,
        })
}

impl Fault {
    /// The word that a refusal for it has.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Syntax => "json",
            Self::Depth => "json_depth",
        }
    }
}

/// What all that are declared agree on (rule 13).
fn agreed<T: PartialEq>(mut declared: impl Iterator<Item = T>) -> Option<T> {
    let first = declared.next()?;
    declared.all(|other| other == first).then_some(first)
}

fn address(node: &Value) -> usize {
    std::ptr::from_ref(node) as usize
}

/// The query for the first segments of a path, as an author could have written it.
fn query(segments: &[Segment], open: bool) -> String {
    let mut text = String::from("$");
    for segment in segments {
        match segment {
            Segment::Member(name) => {
                assert!(
                    !name.contains(['\'', '\\']) && !name.contains(char::is_control),
                    "a name that needs no escapes"
                );
                text.push_str(&format!("['{name}']"));
            }
            Segment::Any => text.push_str("[*]"),
            Segment::Filtered(filter) => text.push_str(&format!("[?{}]", filter.as_str())),
        }
    }
    if open {
        text.push_str("..*");
    }
    text
}

/// The query for the elements that a row condition keeps.
fn kept(row: &RowRule) -> String {
    format!("{}[?{}]", query(&row.array.segments, row.array.open), row.filter.as_str())
}

impl Tree<'_> {
    /// Whether some object has a name twice.
    fn has_duplicates(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::Array(elements) => elements.iter().any(Tree::has_duplicates),
            Self::Object(members) => {
                let names: HashSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
                names.len() < members.len() || members.iter().any(|member| member.tree.has_duplicates())
            }
        }
    }

    /// The document as jsonpath-rust takes it. A name that comes again in one object gets a name of its own there, which no
    /// policy knows: what is not refused for it is judged like any other unknown member.
    pub fn value(&self) -> Value {
        match self {
            // Beyond a double's range only its ends can be compared (RFC 7493 §2.2).
            Self::Scalar(token) => serde_json::from_slice(token)
                .unwrap_or_else(|_| Value::from(if token.starts_with(b"-") { f64::MIN } else { f64::MAX })),
            Self::Array(elements) => Value::Array(elements.iter().map(Tree::value).collect()),
            Self::Object(members) => {
                let mut map = Map::new();
                for member in members {
                    let mut name = member.name.clone();
                    while map.contains_key(&name) {
                        name.push_str("\u{1}again");
                    }
                    map.insert(name, member.tree.value());
                }
                Value::Object(map)
            }
        }
    }
}
