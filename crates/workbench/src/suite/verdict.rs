//! What the policy says about one place for one caller, and which of its lines decides: a direct reading of rules 8, 9 and
//! 12 to 18, one sentence after the other, with no automaton and nothing shared with the compiled program.
//!
//! `explain`, `matrix`, `diff` and coverage are made from it, and it is what the compiled program is compared with.

use serde_json::Value;

use super::place::{Place, PlaceStep};
use fieldgate::diagnostic::Span;
use fieldgate::model::field_path::{FieldPath, Segment};
use fieldgate::model::{
    BudgetId, ClassId, ClientId, Condition, Entry, Governed, Level, PolicySet, Route, RowRule, Scope, ScopeId, When,
};

/// Who asks, in the policy's terms.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The client id, if the caller has one.
    pub client: Option<&'a str>,
    /// The scopes of its token.
    pub scopes: &'a [String],
    /// The claims that `when` may ask for.
    pub claims: &'a Value,
}

/// The client entry that the caller falls under (rule 9).
#[must_use]
pub fn client_entry(policy: &PolicySet, client: Option<&str>) -> Option<ClientId> {
    client
        .filter(|name| *name != "*")
        .and_then(|name| policy.clients.iter().position(|entry| entry.name == name))
        .and_then(|index| u16::try_from(index).ok())
        .map(ClientId)
        .or(policy.any_client)
}

/// The scope entries that act for the caller on the route (rules 8, 9).
#[must_use]
pub fn active(policy: &PolicySet, route: &Route, asker: Asker<'_>) -> Vec<ScopeId> {
    let mut active = acting(policy, route, client_entry(policy, asker.client));
    active.retain(|id| policy.scopes.get(usize::from(id.0)).is_some_and(|scope| awake(scope, asker)));
    active
}

/// The scopes that can act on the route for callers under that client entry.
#[must_use]
pub fn acting(policy: &PolicySet, route: &Route, client: Option<ClientId>) -> Vec<ScopeId> {
    let allowed = client.and_then(|id| policy.clients.get(usize::from(id.0))).and_then(|entry| entry.scopes.as_ref());
    policy
        .scopes
        .iter()
        .enumerate()
        .filter(|(_, scope)| scope.areas.contains(&route.area))
        .filter(|(_, scope)| allowed.is_none_or(|names| names.contains(&scope.name)))
        .filter_map(|(index, _)| u16::try_from(index).ok().map(ScopeId))
        .collect()
}

fn awake(scope: &Scope, asker: Asker<'_>) -> bool {
    let has = |name: &String| asker.scopes.contains(name);
    match &scope.when {
        When::Always => true,
        When::Named => has(&scope.name),
        When::All(conditions) => conditions.iter().all(|condition| match condition {
            Condition::AllOf(names) => names.iter().all(has),
            Condition::AnyOf(names) => names.iter().any(has),
            Condition::Claim(path, wanted) => {
                let claim = path.0.iter().try_fold(asker.claims, |value, name| value.get(name));
                let listed = |value: &Value| value.as_str().is_some_and(|text| wanted.iter().any(|name| name == text));
                match claim {
                    Some(Value::Array(values)) => values.iter().any(listed),
                    Some(value) => listed(value),
                    None => false,
                }
            }
        }),
    }
}

/// What one scope says about a place (rule 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeSays {
    /// Which scope.
    pub scope: ScopeId,
    /// The level that it gives.
    pub level: Level,
    /// Why.
    pub because: Because,
}

/// Why a scope gives the level that it gives (rule 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// Rows leave the element out.
    Rows(Span),
    /// Its `fields` name the place.
    Named,
    /// Its grants, in class order: what each class of the place gets, and where that is written.
    Grants(Vec<(ClassId, Level, Option<Span>)>),
}

/// Whose ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The client entry's.
    Client(ClientId),
    /// The route's.
    Route,
    /// That of a budget's step, above this share in percent (rule 35).
    Budget(BudgetId, u8),
}

/// What decided a place's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// No entry names the place (rule 14).
    Unclassified,
    /// No scope is active on the route (rule 9).
    NoScope,
    /// The scope that gives most, at this index of [`Verdict::scopes`] (rule 16).
    Scope(usize),
    /// The ceiling at this index of [`Verdict::ceilings`] (rule 17).
    Ceiling(usize),
    /// `deny` of this client entry (rule 17).
    Denied(ClientId),
    /// The place has no form for that level (rule 18).
    NoForm(Level),
}

/// What the policy says about one place for one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The level that comes out.
    pub level: Level,
    /// What decided it.
    pub decider: Decider,
    /// Indexes of the route's entries that name the place.
    pub entries: Vec<usize>,
    /// The place's classes, sorted.
    pub classes: Vec<ClassId>,
    /// What each active scope says, in scope order.
    pub scopes: Vec<ScopeSays>,
    /// The ceilings that stand below show.
    pub ceilings: Vec<(Whose, ClassId, Level)>,
}

impl Verdict {
    /// The verdict under the ceiling of a budget's step (rules 17, 18 and 35): it can only lower.
    #[must_use]
    pub fn under(mut self, governed: &Governed, budget: BudgetId, percent: u8, ceiling: Level) -> Self {
        // Before forms were looked at: of a field without a mask, pseudonym may have come of mask.
        let granted = match self.decider {
            Decider::NoForm(level) => level,
            _ => self.level,
        };
        let index = self.ceilings.len();
        self.ceilings.extend(self.classes.iter().map(|class| (Whose::Budget(budget, percent), *class, ceiling)));
        if ceiling >= granted {
            return self;
        }
        let entries: Vec<&Entry> = self.entries.iter().filter_map(|index| governed.entries.get(*index)).collect();
        let formed = with_form(&entries, ceiling);
        self.decider = if formed < ceiling { Decider::NoForm(ceiling) } else { Decider::Ceiling(index) };
        self.level = formed;
        self
    }
}

/// A place's circumstances that are not read from its entries.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The caller's client entry.
    pub client: Option<ClientId>,
    /// The scopes that act.
    pub scopes: &'a [ScopeId],
    /// Whether the client's `deny` names the place or one above it.
    pub denied: bool,
    /// The row conditions that leave the place's element out.
    pub left_out: &'a [&'a RowRule],
}

/// Decides one place from the entries that name it, by their indexes (rules 13 to 18).
#[must_use]
pub fn decide(policy: &PolicySet, governed: &Governed, named: Vec<usize>, about: Circumstances<'_>) -> Verdict {
    let entries: Vec<&Entry> = named.iter().filter_map(|index| governed.entries.get(*index)).collect();
    let entries = entries.as_slice();
    let mut classes: Vec<ClassId> = entries.iter().flat_map(|entry| entry.classes.iter().copied()).collect();
    classes.sort_unstable();
    classes.dedup();
    let scopes: Vec<ScopeSays> = about.scopes.iter().map(|id| says(policy, *id, entries, &classes, about)).collect();
    let ceilings = ceilings(policy, governed, &classes, about.client);
    let mut verdict =
        Verdict { level: Level::Hide, decider: Decider::Unclassified, entries: named, classes, scopes, ceilings };
    if entries.is_empty() {
        return verdict;
    }
    // Of equals the first decides: scope order is name order, so the answer does not depend on the caller's.
    let most = verdict.scopes.iter().map(|says| says.level).max();
    let Some((index, granted)) =
        most.and_then(|most| verdict.scopes.iter().position(|says| says.level == most).map(|index| (index, most)))
    else {
        verdict.decider = Decider::NoScope;
        return verdict;
    };
    verdict.level = granted;
    verdict.decider = Decider::Scope(index);
    if granted == Level::Hide {
        return verdict;
    }
    if let (true, Some(client)) = (about.denied, about.client) {
        verdict.level = Level::Hide;
        verdict.decider = Decider::Denied(client);
        return verdict;
    }
    let lowest = verdict.ceilings.iter().enumerate().min_by_key(|(_, (_, _, level))| *level);
    if let Some((index, (_, _, level))) = lowest
        && *level < granted
    {
        verdict.level = *level;
        verdict.decider = Decider::Ceiling(index);
    }
    let formed = with_form(entries, verdict.level);
    if formed < verdict.level {
        verdict.decider = Decider::NoForm(verdict.level);
        verdict.level = formed;
    }
    verdict
}

/// Rule 15.
fn says(
    policy: &PolicySet,
    id: ScopeId,
    entries: &[&Entry],
    classes: &[ClassId],
    about: Circumstances<'_>,
) -> ScopeSays {
    let out = about.left_out.iter().find(|rule| rule.scope.is_none_or(|scope| scope == id));
    if let Some(rule) = out {
        return ScopeSays { scope: id, level: Level::Hide, because: Because::Rows(rule.span) };
    }
    let named = entries
        .iter()
        .flat_map(|entry| &entry.overrides)
        .filter(|(scope, _)| *scope == id)
        .map(|(_, level)| *level)
        .min();
    if let Some(level) = named {
        return ScopeSays { scope: id, level, because: Because::Named };
    }
    let scope = policy.scopes.get(usize::from(id.0));
    let grants: Vec<(ClassId, Level, Option<Span>)> = classes
        .iter()
        .map(|class| {
            let index = usize::from(class.0);
            let level = scope.and_then(|scope| scope.grant.get(index)).copied().unwrap_or(Level::Hide);
            (*class, level, scope.and_then(|scope| scope.grant_spans.get(index)).copied().flatten())
        })
        .collect();
    let level = grants.iter().map(|(_, level, _)| *level).min().unwrap_or(Level::Hide);
    ScopeSays { scope: id, level, because: Because::Grants(grants) }
}

/// Rule 17, without `deny`.
fn ceilings(
    policy: &PolicySet,
    governed: &Governed,
    classes: &[ClassId],
    client: Option<ClientId>,
) -> Vec<(Whose, ClassId, Level)> {
    let entry = client.and_then(|id| policy.clients.get(usize::from(id.0)).map(|entry| (id, entry)));
    let of_client = entry
        .into_iter()
        .flat_map(|(id, entry)| classes.iter().map(move |class| (Whose::Client(id), *class, entry.ceiling.of(*class))));
    let of_route = classes.iter().map(|class| (Whose::Route, *class, governed.ceiling.of(*class)));
    of_client.chain(of_route).filter(|(_, _, level)| *level < Level::Show).collect()
}

/// Rule 18: the highest level, no higher than `level`, for which the entries agree on a form (rule 13).
fn with_form(entries: &[&Entry], level: Level) -> Level {
    let masks = agreed(entries.iter().filter_map(|entry| entry.mask.as_ref())).is_some();
    let pseudonyms = agreed(entries.iter().filter_map(|entry| entry.pseudonym.as_ref())).is_some();
    match level {
        Level::Mask if masks => Level::Mask,
        Level::Mask | Level::Pseudonym if pseudonyms => Level::Pseudonym,
        Level::Mask | Level::Pseudonym => Level::Blank,
        other => other,
    }
}

/// The one form that all agree on (rule 13).
pub(super) fn agreed<T: PartialEq>(mut forms: impl Iterator<Item = T>) -> Option<T> {
    let first = forms.next()?;
    forms.all(|form| form == first).then_some(first)
}

/// One scalar of a body, and what the policy says about it.
#[derive(Debug, Clone)]
pub struct Judged<'v> {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub value: &'v Value,
    /// What the policy says.
    pub verdict: Verdict,
}

/// Every scalar of an upstream's body, judged. The cost is scalars × entries: for tests, not for traffic.
#[must_use]
pub fn judge<'v>(
    policy: &PolicySet,
    route: &Route,
    governed: &Governed,
    asker: Asker<'_>,
    body: &'v Value,
) -> Vec<Judged<'v>> {
    let client = client_entry(policy, asker.client);
    let scopes = active(policy, route, asker);
    super::place::scalars(body)
        .into_iter()
        .map(|(place, value)| {
            let trail = trail(body, &place);
            let entries: Vec<usize> = governed
                .entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| names(&entry.path, &trail))
                .map(|(index, _)| index)
                .collect();
            let denied = governed.denies.iter().any(|(whom, path)| Some(*whom) == client && reaches(path, &trail));
            let left_out: Vec<&RowRule> = governed.rows.iter().filter(|rule| leaves_out(rule, &trail)).collect();
            let about = Circumstances { client, scopes: &scopes, denied, left_out: &left_out };
            let verdict = decide(policy, governed, entries, about);
            Judged { place, value, verdict }
        })
        .collect()
}

/// The steps to a place, each with the child that it leads to.
type Trail<'a> = Vec<(&'a PlaceStep, &'a Value)>;

fn trail<'a>(body: &'a Value, place: &'a Place) -> Trail<'a> {
    let mut at = body;
    place
        .0
        .iter()
        .map_while(|step| {
            at = match step {
                PlaceStep::Member(name) => at.get(name)?,
                PlaceStep::Element(index) => at.get(index)?,
            };
            Some((step, at))
        })
        .collect()
}

fn steps_match(segments: &[Segment], trail: &[(&PlaceStep, &Value)]) -> bool {
    segments.iter().zip(trail).all(|(segment, (step, child))| match segment {
        Segment::Member(name) => matches!(step, PlaceStep::Member(other) if **name == **other),
        Segment::Any => true,
        Segment::Filtered(filter) => filter.selects(child),
    })
}

/// Whether an entry's path names the scalar at the end of the trail (rule 12).
fn names(path: &FieldPath, trail: &[(&PlaceStep, &Value)]) -> bool {
    let length = path.segments.len();
    (if path.open { trail.len() > length } else { trail.len() == length }) && steps_match(&path.segments, trail)
}

/// Whether a `deny` path names the end of the trail, or something above it.
fn reaches(path: &FieldPath, trail: &[(&PlaceStep, &Value)]) -> bool {
    let length = path.segments.len();
    (if path.open { trail.len() > length } else { trail.len() >= length }) && steps_match(&path.segments, trail)
}

/// Whether the rule leaves out an element that the trail leads through (rule 26).
fn leaves_out(rule: &RowRule, trail: &[(&PlaceStep, &Value)]) -> bool {
    let length = rule.array.segments.len();
    steps_match(&rule.array.segments, trail)
        && trail.get(length).is_some_and(|(_, element)| !rule.filter.selects(element))
}

/// Whether every place that `inner` names is hidden by a `deny` of `outer`.
#[must_use]
pub fn denies(outer: &FieldPath, inner: &FieldPath) -> bool {
    let (long, short) = (inner.segments.len(), outer.segments.len());
    let lengths = if outer.open { long > short || (inner.open && long == short) } else { long >= short };
    lengths && outer.takes_steps_of(inner)
}

/// What the policy says about every place that an entry's path names, as far as the policy alone decides: row conditions are
/// taken to keep the element.
#[must_use]
pub fn at_path(
    policy: &PolicySet,
    governed: &Governed,
    path: &FieldPath,
    client: Option<ClientId>,
    scopes: &[ScopeId],
) -> Verdict {
    at_entries(policy, governed, path, covering(governed, path), client, scopes)
}

/// The entries that name every place that a path names.
#[must_use]
pub fn covering(governed: &Governed, path: &FieldPath) -> Vec<usize> {
    let entries = governed.entries.iter().enumerate();
    entries.filter(|(_, entry)| entry.path.covers(path)).map(|(index, _)| index).collect()
}

/// The verdict of [`at_path`], where the entries that are [`covering`] the path are known.
#[must_use]
pub fn at_entries(
    policy: &PolicySet,
    governed: &Governed,
    path: &FieldPath,
    entries: Vec<usize>,
    client: Option<ClientId>,
    scopes: &[ScopeId],
) -> Verdict {
    let denied = governed.denies.iter().any(|(whom, deny)| Some(*whom) == client && denies(deny, path));
    decide(policy, governed, entries, Circumstances { client, scopes, denied, left_out: &[] })
}

/// The level's own word in the policy language.
#[must_use]
pub fn word(level: Level) -> &'static str {
    match level {
        Level::Show => "show",
        Level::Mask => "mask",
        Level::Pseudonym => "pseudonym",
        Level::Blank => "blank",
        Level::Hide => "hide",
    }
}
