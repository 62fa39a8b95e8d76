//! Changes of routes: which requests are taken, what they may ask, and what comes back besides fields.

use fieldgate::model::moment::Day;
use fieldgate::model::{
    Count, Governed, OtherContent, PolicySet, QueryRule, Route, RouteBody, RouteId, RowRule, Template, TemplateSegment,
};
use fieldgate::program::Program;

use crate::suite::run::test_key;

use super::{Change, Direction, debug, headers, listed, setting};

/// Two routes, of which the second now takes requests that the first took.
pub(super) struct RoutePair<'a> {
    /// None where no route took them.
    pub(super) old: Option<&'a Route>,
    pub(super) new: &'a Route,
    /// What a reader knows it by.
    pub(super) name: String,
}

impl RoutePair<'_> {
    /// Whether a budget counts what the fields of one of the two cost (rule 34).
    pub(super) fn counts_cost(&self, policy: &PolicySet, is_new: bool) -> bool {
        let area = if is_new { Some(self.new.area.as_str()) } else { self.old.map(|route| route.area.as_str()) };
        let mut counting = policy.budgets.iter().filter(|budget| budget.count == Count::Cost);
        counting.any(|budget| budget.areas.iter().any(|of| Some(of.as_str()) == area))
    }
}

/// What makes two routes the same: what they match, parameter names erased (rule 4).
fn key(route: &Route) -> String {
    format!("{} {}", route.method, route.template.erased())
}

fn counterpart<'p>(policy: &'p PolicySet, route: &Route) -> Option<&'p Route> {
    let wanted = key(route);
    policy.routes.iter().find(|other| key(other) == wanted)
}

/// Every route with the one that took its requests. Where a route is gone, those that now take what it took; and where one is
/// new, those that took what it takes.
pub(super) fn pairs<'a>(old: &'a PolicySet, new: &'a PolicySet) -> Vec<RoutePair<'a>> {
    let mut pairs = Vec::new();
    let mut unknown = Vec::new();
    for route in &new.routes {
        match counterpart(old, route) {
            Some(same) => pairs.push(RoutePair { old: Some(same), new: route, name: route.name.clone() }),
            None => unknown.push(route),
        }
    }
    let gone: Vec<&Route> = old.routes.iter().filter(|route| counterpart(new, route).is_none()).collect();
    let anew = |route: &'a Route| RoutePair { old: None, new: route, name: route.name.clone() };
    let Some(routers) = Routers::new(old, new).filter(|_| !gone.is_empty() || !unknown.is_empty()) else {
        pairs.extend(unknown.into_iter().map(anew));
        return pairs;
    };
    for (from, to) in old.routes.iter().flat_map(|from| new.routes.iter().map(move |to| (from, to))) {
        // Those that are in both are compared with themselves.
        let other = counterpart(old, to).is_none() || counterpart(new, from).is_none();
        if other && routers.leads(from, to) {
            pairs.push(RoutePair { old: Some(from), new: to, name: format!("{} -> {}", from.name, to.name) });
        }
    }
    // What no route took is compared with nothing.
    let taken = |route: &&Route| matches!(routers.took(route), Led::Route(_));
    pairs.extend(unknown.into_iter().filter(|route| !taken(route)).map(anew));
    pairs
}

/// The routers of both policies.
struct Routers<'a> {
    old: &'a PolicySet,
    new: &'a PolicySet,
    before: Program,
    after: Program,
}

/// Where a request goes.
enum Led {
    Route(RouteId),
    Untouched,
    Nowhere,
}

impl<'a> Routers<'a> {
    fn new(old: &'a PolicySet, new: &'a PolicySet) -> Option<Self> {
        // Only routes are looked for: nothing is made with the key.
        let key = test_key().ok();
        let program = |policy: &PolicySet| Program::new(policy.clone(), key.clone()).ok();
        Some(Self { old, new, before: program(old)?, after: program(new)? })
    }

    /// Where requests of a new route went, as many of them as can be.
    fn took(&self, route: &Route) -> Led {
        let path = common(&route.template, &route.template);
        path.map_or(Led::Nowhere, |path| led(&self.before, &route.method, &path))
    }

    /// Whether a request that one route took is now taken by another.
    fn leads(&self, from: &Route, to: &Route) -> bool {
        let Some(path) = common(&from.template, &to.template).filter(|_| from.method == to.method) else {
            return false;
        };
        let is = |led: Led, policy: &PolicySet, route: &Route| match led {
            Led::Route(id) => policy.routes.get(usize::from(id.0)).is_some_and(|found| found.name == route.name),
            Led::Untouched | Led::Nowhere => false,
        };
        is(led(&self.before, &from.method, &path), self.old, from)
            && is(led(&self.after, &to.method, &path), self.new, to)
    }
}

fn led(program: &Program, method: &str, path: &str) -> Led {
    let authority = program.policy().hosts.first().map_or("localhost", String::as_str);
    match program.find(authority, method, path) {
        Ok(Some(id)) => Led::Route(id),
        Ok(None) => Led::Untouched,
        Err(_) => Led::Nowhere,
    }
}

/// What stands for any value of a parameter: no literal of a policy is it, so only routes that take all values take this one.
const ANY: &str = "any-value-0c7e41";

/// How many segments stand for the rest of a path: more than a template has parameters there.
const REST: usize = 16;

/// A path that fits both templates, as general as one can be: what takes it is what takes most of the paths that fit both.
fn common(one: &Template, other: &Template) -> Option<String> {
    if one.trailing_slash != other.trailing_slash {
        return None;
    }
    let mut path = String::new();
    let (mut ours, mut theirs) = (one.segments.iter(), other.segments.iter());
    loop {
        let rest = |of: &TemplateSegment| matches!(of, TemplateSegment::Rest(_));
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (Some(one), Some(other)) if rest(one) || rest(other) => {
                // What takes the rest takes whatever the other has left.
                let left = if rest(one) { theirs.as_slice() } else { ours.as_slice() };
                let first = if rest(one) { other } else { one };
                path.push('/');
                path.push_str(&segment(first, first)?);
                for one in left {
                    path.push('/');
                    path.push_str(&segment(one, one)?);
                }
                break;
            }
            (Some(one), Some(other)) => {
                path.push('/');
                path.push_str(&segment(one, other)?);
            }
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
    path.push_str(if one.trailing_slash { "/" } else { "" });
    Some(path)
}

/// A segment that fits both.
fn segment(one: &TemplateSegment, other: &TemplateSegment) -> Option<String> {
    use TemplateSegment::{Literal, Parameter, Part, Rest};
    match (one, other) {
        (Literal(one), Literal(other)) => (one == other).then(|| one.clone()),
        (Literal(text), Part { before, after, .. }) | (Part { before, after, .. }, Literal(text)) => {
            fieldgate::model::between(text, before, after).map(|_| text.clone())
        }
        (Literal(text), Parameter(_) | Rest(_)) | (Parameter(_) | Rest(_), Literal(text)) => Some(text.clone()),
        (Part { before, after, .. }, Part { before: start, after: end, .. }) => {
            let longer =
                |one: &'_ String, other: &'_ String| if one.len() > other.len() { one.clone() } else { other.clone() };
            let (start, end) = (longer(before, start), longer(after, end));
            let fits = start.starts_with(before.as_str()) && end.ends_with(after.as_str());
            fits.then(|| format!("{start}{ANY}{end}"))
        }
        (Part { before, after, .. }, Parameter(_) | Rest(_)) | (Parameter(_) | Rest(_), Part { before, after, .. }) => {
            Some(format!("{before}{ANY}{after}"))
        }
        (Rest(_), Rest(_)) => Some([ANY; REST].join("/")),
        (Parameter(_) | Rest(_), Parameter(_) | Rest(_)) => Some(ANY.to_owned()),
    }
}

/// The changes of routes, fields and budgets apart.
pub(super) fn compare(old: &PolicySet, new: &PolicySet, pairs: &[RoutePair<'_>], changes: &mut Vec<Change>) {
    for pair in pairs {
        whole(pair, changes);
        if let RouteBody::Governed(is) = &pair.new.body {
            match pair.old.map(|route| &route.body) {
                Some(RouteBody::Governed(was)) => governed(&pair.name, was, is, old, new, changes),
                Some(RouteBody::Pass(_)) => {}
                None => opened(&pair.name, is, new, changes),
            }
        }
        let none = QueryRule::Only(Vec::new());
        query(&pair.name, pair.old.map_or(&none, |route| &route.query), &pair.new.query, changes);
        trial(pair, changes);
    }
    gone(old, new, changes);
}

/// What becomes of a route's requests as a whole.
fn whole(pair: &RoutePair<'_>, changes: &mut Vec<Change>) {
    const UNTOUCHED: &str = "forwarded untouched";
    let name = pair.name.as_str();
    let from = match pair.old.map(|route| &route.body) {
        Some(RouteBody::Governed(_)) => "governed",
        Some(RouteBody::Pass(_)) => UNTOUCHED,
        None => "no route",
    };
    match &pair.new.body {
        RouteBody::Pass(why) if from != UNTOUCHED => {
            let change = setting(name, "the whole route", Direction::Gain, from, UNTOUCHED);
            changes.push(Change { because: Some(why.clone()), ..change });
        }
        RouteBody::Governed(_) if from == UNTOUCHED => {
            changes.push(setting(name, "the whole route", Direction::Loss, from, "governed"));
        }
        // Its requests get through, whatever is visible.
        RouteBody::Governed(_) if pair.old.is_none() => {
            changes.push(setting(name, "the whole route", Direction::Gain, from, "governed"));
        }
        RouteBody::Governed(_) | RouteBody::Pass(_) => {}
    }
}

/// Until the day everybody gets everything, and may ask for everything, also on a route that is new.
fn trial(pair: &RoutePair<'_>, changes: &mut Vec<Change>) {
    let was = pair.old.and_then(|route| route.report_until);
    let is = pair.new.report_until;
    // A route that passes has no day, and gives no less for that.
    if was == is || pair.new.body.governed().is_none() {
        return;
    }
    let text = |day: Option<Day>, none: &str| {
        day.map_or_else(|| none.to_owned(), |day| format!("on trial until {day}: unchanged for everybody"))
    };
    let before = match pair.old.map(|route| &route.body) {
        Some(RouteBody::Governed(_)) => "enforced",
        Some(RouteBody::Pass(_)) => "forwarded untouched",
        None => "no route",
    };
    let direction = if is > was { Direction::Gain } else { Direction::Loss };
    changes.push(setting(&pair.name, "report_until", direction, text(was, before), text(is, "enforced")));
}

/// Routes that are gone, and what becomes of their requests; and new ones whose requests another route took.
fn gone(old: &PolicySet, new: &PolicySet, changes: &mut Vec<Change>) {
    let missing = |of: &PolicySet, route: &&Route| counterpart(of, route).is_none();
    let gone: Vec<&Route> = old.routes.iter().filter(|route| missing(new, route)).collect();
    let unknown: Vec<&Route> = new.routes.iter().filter(|route| missing(old, route)).collect();
    let Some(routers) = Routers::new(old, new).filter(|_| !gone.is_empty() || !unknown.is_empty()) else { return };
    // What comes of another route has lines of its own.
    let taken = |policy: &PolicySet, id: RouteId| {
        format!("taken by {}", policy.routes.get(usize::from(id.0)).map_or("", |route| route.name.as_str()))
    };
    for route in gone {
        let whole = common(&route.template, &route.template);
        let to = whole.map_or(Led::Nowhere, |path| led(&routers.after, &route.method, &path));
        let (direction, to) = match to {
            Led::Untouched => (Direction::Gain, "forwarded untouched (unmatched_route: pass)".to_owned()),
            Led::Nowhere => (Direction::Loss, "no route".to_owned()),
            Led::Route(id) => (Direction::Other, taken(new, id)),
        };
        changes.push(setting(&route.name, "the whole route", direction, "present", to));
    }
    for route in unknown {
        if let Led::Route(id) = routers.took(route) {
            changes.push(setting(&route.name, "the whole route", Direction::Other, taken(old, id), "present"));
        }
    }
}

fn query(route: &str, old: &QueryRule, new: &QueryRule, changes: &mut Vec<Change>) {
    match (old, new) {
        (QueryRule::Only(old), QueryRule::Only(new)) => listed(route, "query", old, new, changes),
        (QueryRule::Any, QueryRule::Only(new)) => {
            changes.push(setting(route, "query", Direction::Loss, "any", format!("[{}]", new.join(", "))));
        }
        (QueryRule::Only(old), QueryRule::Any) => {
            changes.push(setting(route, "query", Direction::Gain, format!("[{}]", old.join(", ")), "any"));
        }
        (QueryRule::Any, QueryRule::Any) => {}
    }
}

/// The media types of bodies that pass as they are.
fn passed(governed: &Governed) -> Vec<String> {
    match &governed.other_content {
        OtherContent::Reject => Vec::new(),
        OtherContent::Pass(ranges) => ranges.iter().map(ToString::to_string).collect(),
    }
}

/// What a new route gives besides fields.
fn opened(route: &str, is: &Governed, new: &PolicySet, changes: &mut Vec<Change>) {
    listed(route, "other_content", &[], &passed(is), changes);
    headers(route, (&Default::default(), new), (&is.headers, new), changes);
}

fn governed(route: &str, was: &Governed, is: &Governed, old: &PolicySet, new: &PolicySet, changes: &mut Vec<Change>) {
    listed(route, "other_content", &passed(was), &passed(is), changes);
    for (kind, from, to) in [(&was.content_types, "yes", "no"), (&is.content_types, "no", "yes")]
        .into_iter()
        .flat_map(|(types, from, to)| types.iter().map(move |kind| (kind, from, to)))
        .filter(|(kind, ..)| !(was.content_types.contains(kind) && is.content_types.contains(kind)))
    {
        changes.push(setting(route, &format!("content_types {kind}"), Direction::Other, from, to));
    }
    headers(route, (&was.headers, old), (&is.headers, new), changes);
    let rows = |rules: &[RowRule], policy: &PolicySet| -> Vec<String> {
        let whom = |rule: &RowRule| {
            let scope = rule.scope.and_then(|id| policy.scopes.get(usize::from(id.0)));
            scope.map_or("everybody", |scope| scope.name.as_str()).to_owned()
        };
        rules.iter().map(|rule| format!("for {}: {}[?{}]", whom(rule), rule.array, rule.filter.as_str())).collect()
    };
    let (before, after) = (rows(&was.rows, old), rows(&is.rows, new));
    // A condition only takes away: one that is gone gives.
    for gone in before.iter().filter(|rule| !after.contains(rule)) {
        changes.push(setting(route, &format!("rows {gone}"), Direction::Gain, "present", "gone"));
    }
    for added in after.iter().filter(|rule| !before.contains(rule)) {
        changes.push(setting(route, &format!("rows {added}"), Direction::Loss, "none", "present"));
    }
    let records = |governed: &Governed| {
        governed.max_records.as_ref().map(|limit| (limit.max, limit.at.to_string(), debug(&limit.over)))
    };
    let (before, after) = (records(was), records(is));
    if before != after {
        let text = |limit: &Option<(u64, String, String)>| {
            limit.as_ref().map_or("none".to_owned(), |(max, at, over)| format!("{max} at {at} ({over})"))
        };
        let fewer = match (&before, &after) {
            (None, Some(_)) => true,
            (Some((was, at, _)), Some((is, other, _))) => is < was && at == other,
            _ => false,
        };
        let direction = if fewer { Direction::Loss } else { Direction::Gain };
        changes.push(setting(route, "max_records", direction, text(&before), text(&after)));
    }
}
