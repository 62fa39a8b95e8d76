//! Every scope's level for every field of every route: what `matrix` draws and `diff` compares.

use crate::suite::budgets;
use crate::suite::forms::Forms;
use crate::suite::verdict::{self, Verdict, word};
use fieldgate::diagnostic::plain;
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{
    BudgetStep, ClassId, ClientId, Governed, Identity, Level, OtherContent, Over, QueryRule, Route, RouteBody, ScopeId,
    StepEffect, Unmatched, When,
};
use fieldgate::policy::PolicySet;
use serde_json::{Map, Value};

/// One route's fields.
pub struct RouteCells<'p> {
    /// The route.
    pub route: &'p Route,
    /// What it knows of its bodies.
    pub governed: &'p Governed,
    /// Its fields, in the order of the policy.
    pub fields: Vec<FieldCells>,
    /// Its response headers that follow classes.
    pub headers: Vec<HeaderCells>,
}

/// One response header of one route that follows classes (rule 31).
pub struct HeaderCells {
    /// Its name.
    pub name: String,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// By scope, in scope order: show, blank or hide; `None` where the scope does not act on the route.
    pub levels: Vec<Option<Level>>,
}

/// One field of one route.
pub struct FieldCells {
    /// Its path, as text.
    pub path: String,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// Index of its entry among the route's.
    pub entry: usize,
    /// How it looks at each level.
    pub forms: Forms,
    /// By scope, in scope order; `None` where the scope does not act on the route.
    pub verdicts: Vec<Option<Verdict>>,
}

/// `GET /accounts/{accountId}`.
pub fn match_text(route: &Route) -> String {
    format!("{} {}", route.method, route.template)
}

/// What of a policy is shown: all, unless it says which.
#[derive(Debug, Clone, Copy, Default)]
pub struct Narrowed<'a> {
    /// The scopes, by their indexes.
    pub scopes: Option<&'a [usize]>,
    /// Names of classes: what follows any of them.
    pub classes: &'a [String],
}

impl Narrowed<'_> {
    fn has_scope(self, index: usize) -> bool {
        self.scopes.is_none_or(|scopes| scopes.contains(&index))
    }

    fn has_class<T: AsRef<str>>(self, classes: &[T]) -> bool {
        self.classes.is_empty() || classes.iter().any(|class| self.classes.iter().any(|one| one == class.as_ref()))
    }
}

/// What a reader of a route's cells has to know besides: what a caller may ask, which rows come and how many, who gets which header,
/// what else passes, that nothing is withheld yet, and what budgets do.
pub fn notes(
    policy: &PolicySet,
    cells: &RouteCells<'_>,
    (client, used): (Option<ClientId>, Option<u8>),
    shown: Narrowed<'_>,
) -> Vec<String> {
    let steps = budgets::binding(policy, cells.route, client).map(|(_, budget)| {
        format!("budget {}: {}; {}", budget.name, budgets::allowance(budget), budgets::steps_text(budget))
    });
    let now = used.and_then(|used| {
        let (id, step) = budgets::effect_at(policy, cells.route, client, used)?;
        let effect = budgets::effect_text(step.then);
        Some(format!("at {used}% used: {effect}, by budget {}", policy.budget(id)?.name))
    });
    let rows = cells.governed.rows.iter().filter(|rule| rule.scope.is_none_or(|id| shown.has_scope(usize::from(id.0))));
    let rows = rows.map(|rule| {
        let scope = rule.scope.and_then(|id| policy.scopes.get(usize::from(id.0)));
        let whom = scope.map_or("everybody", |scope| scope.name.as_str());
        format!("rows for {whom}: {}[?{}]", rule.array, rule.filter.as_str())
    });
    let headers = headers(policy, cells.route, cells.governed, client, used);
    let headers = headers.iter().filter(|header| shown.has_class(&header.classes));
    let headers = headers.map(|header| header_text(policy, header, shown)).collect::<Vec<_>>();
    let reports = cells
        .route
        .report_until
        .map(|day| format!("only reports until {day}: before, every caller gets its responses unchanged"));
    let bounds = bounds(cells.route, cells.governed);
    reports.into_iter().chain(rows).chain(headers).chain(bounds).chain(steps).chain(now).collect()
}

/// Who gets a header that follows classes, and how much of it.
fn header_text(policy: &PolicySet, header: &HeaderCells, shown: Narrowed<'_>) -> String {
    let who = |wanted: Level| -> Vec<&str> {
        let scopes = policy.scopes.iter().zip(&header.levels).enumerate().filter(|(index, _)| shown.has_scope(*index));
        scopes.filter(|(_, (_, level))| **level == Some(wanted)).map(|(_, (scope, _))| scope.name.as_str()).collect()
    };
    let given: Vec<String> = [Level::Show, Level::Blank]
        .into_iter()
        .map(|level| (level, who(level)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(level, names)| format!("{} to {}", word(level), names.join(", ")))
        .collect();
    let given = if given.is_empty() { "hidden".to_owned() } else { given.join("; ") };
    format!("header {} ({}): {given}", header.name, header.classes.join("+"))
}

/// What bounds a route's requests and responses besides levels and rows: what a caller may ask, how many records come, and what
/// passes that is no JSON.
pub fn bounds(route: &Route, governed: &Governed) -> impl Iterator<Item = String> {
    let asked = match &route.query {
        QueryRule::Any => Some("query: any parameter may be sent".to_owned()),
        QueryRule::Only(names) if names.is_empty() => None,
        QueryRule::Only(names) => Some(format!("query: {}", plain(&names.join(", ")))),
    };
    let most = governed.max_records.as_ref().map(|limit| {
        let over = match limit.over {
            Over::Truncate => "the rest is cut off",
            Over::Reject => "a response with more is refused",
        };
        format!("at most {} of {}: {over}", limit.max, limit.at)
    });
    let passed = match &governed.other_content {
        OtherContent::Reject => None,
        OtherContent::Pass(types) => {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            Some(format!("forwarded untouched, if the body is no JSON: {}", types.join(", ")))
        }
    };
    asked.into_iter().chain(most).chain(passed)
}

/// What no cell speaks of, because it is forwarded untouched: routes by name, and what matches no route.
pub fn untouched(policy: &PolicySet, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let routes = policy.routes.iter().filter(|route| wanted(&route.name)).filter_map(|route| match &route.body {
        RouteBody::Pass(why) => Some(format!("{}  {}  forwarded untouched: {why}", route.name, match_text(route))),
        RouteBody::Governed(_) => None,
    });
    let unmatched = matches!(policy.defaults.unmatched_route, Unmatched::Pass)
        .then(|| "requests that match no route are forwarded untouched".to_owned());
    routes.chain(unmatched).collect()
}

/// A field's forms by the word of their level.
pub fn forms_by_level(forms: &Forms) -> Map<String, Value> {
    let levels = [Level::Show, Level::Mask, Level::Pseudonym, Level::Blank];
    levels.into_iter().filter_map(|level| Some((word(level).to_owned(), forms.at(level)?.into()))).collect()
}

/// The names of a verdict's classes.
pub fn class_names(policy: &PolicySet, verdict: &Verdict) -> Vec<String> {
    verdict
        .classes
        .iter()
        .filter_map(|id| policy.classes.get(usize::from(id.0)))
        .map(|class| class.name.clone())
        .collect()
}

/// The scopes that can act on a route for callers under that client entry. Where the entry says what scopes its callers have, one
/// that says nothing gives them none (rule 7), and only what is always active acts.
#[must_use]
pub fn acting(policy: &PolicySet, route: &Route, client: Option<ClientId>) -> Vec<ScopeId> {
    let mut acting = verdict::acting(policy, route, client);
    let from_entry = match &policy.identity {
        Identity::Mtls | Identity::TrustedHeader { scopes: None, .. } => true,
        Identity::JwtAuthn { .. } | Identity::TrustedHeader { scopes: Some(_), .. } => false,
    };
    let entry = client.and_then(|id| policy.clients.get(usize::from(id.0)));
    if from_entry && entry.is_none_or(|entry| entry.scopes.is_none()) {
        let is_always = |id: &ScopeId| policy.scopes.get(usize::from(id.0)).is_some_and(|one| one.when == When::Always);
        acting.retain(is_always);
    }
    acting
}

/// The cells of every governed route, for callers under that client entry and one scope each.
pub fn of(policy: &PolicySet, client: Option<ClientId>) -> Vec<RouteCells<'_>> {
    at_share(policy, client, None)
}

/// The cells as they are when so many percent of each budget are used: nothing comes out where one refuses.
pub fn at_share(policy: &PolicySet, client: Option<ClientId>, used: Option<u8>) -> Vec<RouteCells<'_>> {
    policy
        .routes
        .iter()
        .filter_map(|route| match &route.body {
            RouteBody::Governed(governed) => Some(of_route(policy, route, governed, client, used)),
            RouteBody::Pass(_) => None,
        })
        .collect()
}

fn of_route<'p>(
    policy: &'p PolicySet,
    route: &'p Route,
    governed: &'p Governed,
    client: Option<ClientId>,
    used: Option<u8>,
) -> RouteCells<'p> {
    let acting = acting(policy, route, client);
    let step = used.and_then(|used| budgets::effect_at(policy, route, client, used));
    let under = |verdict: Verdict| match step {
        Some((id, BudgetStep { percent, then })) => {
            let ceiling = match then {
                StepEffect::Ceiling(level) => level,
                StepEffect::Reject => Level::Hide,
            };
            verdict.under(governed, id, percent, ceiling)
        }
        None => verdict,
    };
    let mut fields: Vec<FieldCells> = Vec::new();
    let mut seen: Vec<&FieldPath> = Vec::new();
    for (entry, declared) in governed.entries.iter().enumerate() {
        // Two mounts may lead to one place: it is one field, with the classes of both.
        if seen.contains(&&declared.path) {
            continue;
        }
        seen.push(&declared.path);
        let named = verdict::covering(governed, &declared.path);
        let at =
            |scopes: &[ScopeId]| verdict::at_entries(policy, governed, &declared.path, named.clone(), client, scopes);
        let verdicts: Vec<Option<Verdict>> = (0..policy.scopes.len())
            .map(|index| {
                let id = u16::try_from(index).ok().map(ScopeId).filter(|id| acting.contains(id))?;
                Some(under(at(&[id])))
            })
            .collect();
        let classes = class_names(policy, &at(&[]));
        let forms = Forms::of(policy, governed, &named);
        fields.push(FieldCells { path: declared.path.to_string(), classes, entry, forms, verdicts });
    }
    RouteCells { route, governed, fields, headers: headers(policy, route, governed, client, used) }
}

/// The response headers of a route that follow classes, those of `defaults` among them, when so many percent of each budget are
/// used (rule 31).
#[must_use]
pub fn headers(
    policy: &PolicySet,
    route: &Route,
    governed: &Governed,
    client: Option<ClientId>,
    used: Option<u8>,
) -> Vec<HeaderCells> {
    let acting = acting(policy, route, client);
    let step = used.and_then(|used| budgets::effect_at(policy, route, client, used)).map(|(_, step)| match step.then {
        StepEffect::Ceiling(level) => level,
        StepEffect::Reject => Level::Hide,
    });
    let classified = policy.defaults.headers.classify.iter().chain(&governed.headers.classify);
    classified
        .map(|(name, classes)| {
            let of_scope = |index: usize| {
                let id = u16::try_from(index).ok().map(ScopeId).filter(|id| acting.contains(id))?;
                Some(header_level(policy, governed, client, classes, id).min(step.unwrap_or(Level::Show)))
            };
            let known = classes.iter().filter_map(|id| policy.classes.get(usize::from(id.0)));
            HeaderCells {
                name: name.clone(),
                classes: known.map(|class| class.name.clone()).collect(),
                levels: (0..policy.scopes.len()).map(|index| of_scope(index).map(header_form)).collect(),
            }
        })
        .collect()
}

/// What a scope gives of a header with these classes, under the ceilings of the client and the route (rules 15 and 17).
fn header_level(
    policy: &PolicySet,
    governed: &Governed,
    client: Option<ClientId>,
    classes: &[ClassId],
    scope: ScopeId,
) -> Level {
    let grant = policy.scopes.get(usize::from(scope.0)).map(|scope| scope.grant.as_slice());
    let client = client.and_then(|id| policy.clients.get(usize::from(id.0))).map(|entry| &entry.ceiling);
    let of_class = |class: &ClassId| {
        let granted = grant.and_then(|grant| grant.get(usize::from(class.0))).copied().unwrap_or(Level::Hide);
        granted.min(governed.ceiling.of(*class)).min(client.map_or(Level::Show, |ceiling| ceiling.of(*class)))
    };
    classes.iter().map(of_class).min().unwrap_or(Level::Hide)
}

/// A header has no form at mask or pseudonym (rule 18).
fn header_form(level: Level) -> Level {
    match level {
        Level::Mask | Level::Pseudonym => Level::Blank,
        other => other,
    }
}

/// Scope names, shortened to their first word where that tells them apart: `care` for `care.read`.
pub fn short_scopes(policy: &PolicySet) -> Vec<String> {
    let first = |name: &str| name.split(['.', ':', '/']).next().unwrap_or(name).to_owned();
    let short: Vec<String> = policy.scopes.iter().map(|scope| first(&scope.name)).collect();
    let distinct = short
        .iter()
        .enumerate()
        .all(|(index, name)| !name.is_empty() && !short.iter().take(index).any(|other| other == name));
    if distinct { short } else { policy.scopes.iter().map(|scope| scope.name.clone()).collect() }
}
