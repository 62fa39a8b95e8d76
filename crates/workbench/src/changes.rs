//! What changes between two sets of policies, for whom, and in which direction.
//!
//! What is no level but shows more, or may (a row condition that is gone, a query parameter), counts as a gain: the gate is for a
//! reviewer's eye, and what cannot be ordered is the reviewer's to judge. Levels are in [`levels`].

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::rc::Rc;

mod budgets;
mod levels;
mod routes;
mod spots;

use fieldgate::model::{Condition, Defaults, Errors, HeaderNames, Identity, PolicySet, Unmatched, When};
use serde_json::{Value, json};

use crate::loaded::Loaded;
use crate::suite::forms::detector;

/// Who gains by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Somebody sees more, or may.
    Gain,
    /// Somebody sees less.
    Loss,
    /// Neither.
    Other,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who gains.
    pub direction: Direction,
    /// A scope, a scope under a client, or everybody.
    pub who: String,
    /// The route's name; empty for what is not of one route.
    pub route: String,
    /// A path, or a setting.
    pub what: String,
    /// What there was.
    pub from: String,
    /// What there is.
    pub to: String,
    /// What decides it.
    pub because: Option<String>,
    /// Where the new state is written.
    pub at: Option<String>,
}

/// The changes as one JSON document, by direction.
#[must_use]
pub fn document(changes: &[Change]) -> Value {
    let list = |direction| -> Vec<Value> {
        changes
            .iter()
            .filter(|change| change.direction == direction)
            .map(|change| {
                json!({
                    "who": change.who,
                    "route": change.route,
                    "what": change.what,
                    "from": change.from,
                    "to": change.to,
                    "because": change.because,
                    "at": change.at,
                })
            })
            .collect()
    };
    json!({"gains": list(Direction::Gain), "losses": list(Direction::Loss), "other": list(Direction::Other)})
}

/// All changes: gains first, then by who, route and place.
#[must_use]
pub fn between(old: &[Loaded], new: &[Loaded]) -> Vec<Change> {
    let mut changes = Vec::new();
    let names: BTreeSet<&str> = old.iter().chain(new).map(|one| one.policy.name.as_str()).collect();
    for name in names {
        let of = |side: &'_ [Loaded]| side.iter().position(|one| one.policy.name == name);
        match (of(old).and_then(|index| old.get(index)), of(new).and_then(|index| new.get(index))) {
            (Some(old), Some(new)) => compare(&old.policy, new, &mut changes),
            (None, Some(new)) => compare(&nothing(&new.policy), new, &mut changes),
            (Some(old), None) => changes.push(Change {
                direction: Direction::Loss,
                who: "everybody".to_owned(),
                route: String::new(),
                what: format!("policy {}", old.policy.name),
                from: "present".to_owned(),
                to: "gone".to_owned(),
                because: None,
                at: None,
            }),
            (None, None) => {}
        }
    }
    sorted(changes)
}

/// The changes between two policies, whatever they are called: as [`between`] has them.
#[must_use]
pub fn of_two(old: &PolicySet, new: &Loaded) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(old, new, &mut changes);
    sorted(changes)
}

fn compare(old: &PolicySet, new: &Loaded, changes: &mut Vec<Change>) {
    let pairs = routes::pairs(old, &new.policy);
    settings(old, &new.policy, changes);
    routes::compare(old, &new.policy, &pairs, changes);
    levels::compare(old, new, &pairs, changes);
    budgets::compare(old, &new.policy, &pairs, changes);
}

/// What a policy that is new is compared with: one that lets nothing through.
fn nothing(policy: &PolicySet) -> PolicySet {
    let errors = Errors { show: Vec::new(), ..policy.defaults.errors.clone() };
    let defaults = Defaults { unmatched_route: Unmatched::Reject, errors, headers: HeaderNames::default() };
    PolicySet { routes: Vec::new(), defaults, ..policy.clone() }
}

fn sorted(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by(|a, b| {
        (a.direction, &a.who, &a.route, &a.what, &a.from, &a.to).cmp(&(
            b.direction,
            &b.who,
            &b.route,
            &b.what,
            &b.from,
            &b.to,
        ))
    });
    changes.dedup();
    changes
}

/// A change of a setting that is for everybody.
pub(super) fn setting(
    route: &str,
    what: &str,
    direction: Direction,
    from: impl Into<String>,
    to: impl Into<String>,
) -> Change {
    Change {
        direction,
        who: "everybody".to_owned(),
        route: route.to_owned(),
        what: what.to_owned(),
        from: from.into(),
        to: to.into(),
        because: None,
        at: None,
    }
}

/// What is in one list and not in the other, each item as a change.
fn listed(route: &str, what: &str, old: &[String], new: &[String], changes: &mut Vec<Change>) {
    for item in new.iter().filter(|item| !old.contains(item)) {
        changes.push(setting(route, &format!("{what} {item}"), Direction::Gain, "no", "yes"));
    }
    for item in old.iter().filter(|item| !new.contains(item)) {
        changes.push(setting(route, &format!("{what} {item}"), Direction::Loss, "yes", "no"));
    }
}

fn settings(old: &PolicySet, new: &PolicySet, changes: &mut Vec<Change>) {
    let unmatched = |policy: &PolicySet| match policy.defaults.unmatched_route {
        Unmatched::Reject => "reject",
        Unmatched::Pass => "pass",
    };
    if old.defaults.unmatched_route != new.defaults.unmatched_route {
        let direction = if new.defaults.unmatched_route == Unmatched::Pass { Direction::Gain } else { Direction::Loss };
        changes.push(setting("", "unmatched_route", direction, unmatched(old), unmatched(new)));
    }
    let shown = |policy: &PolicySet| policy.defaults.errors.show.iter().map(ToString::to_string).collect::<Vec<_>>();
    listed("", "errors.show", &shown(old), &shown(new), changes);
    let searched = |policy: &PolicySet| -> Vec<String> { policy.defaults.errors.detect.iter().map(detector).collect() };
    let (before, after) = (searched(old), searched(new));
    for name in before.iter().filter(|name| !after.contains(name)) {
        changes.push(setting("", &format!("errors.detect {name}"), Direction::Gain, "taken out", "passes"));
    }
    for name in after.iter().filter(|name| !before.contains(name)) {
        changes.push(setting("", &format!("errors.detect {name}"), Direction::Loss, "passes", "taken out"));
    }
    headers("", (&old.defaults.headers, old), (&new.defaults.headers, new), changes);
    if old.identity != new.identity {
        changes.push(setting("", "identity", Direction::Gain, identity(&old.identity), identity(&new.identity)));
    }
    hosts(&old.hosts, &new.hosts, changes);
    for class in &new.classes {
        let Some(before) = old.classes.iter().find(|before| before.name == class.name) else { continue };
        if before.blank != class.blank {
            let text = |blank: &Option<Rc<str>>| blank.as_deref().unwrap_or("null").to_owned();
            let what = format!("blank of class {}", class.name);
            changes.push(setting("", &what, Direction::Other, text(&before.blank), text(&class.blank)));
        }
    }
    if old.head != new.head {
        changes.push(setting("", "head", Direction::Other, debug(&old.head), debug(&new.head)));
    }
    if old.drift != new.drift {
        // Nobody who asks sees the decision record: names of members get into the log, or no more do.
        changes.push(setting("", "drift", Direction::Other, debug(&old.drift), debug(&new.drift)));
    }
    for scope in old.scopes.iter().filter(|scope| !new.scopes.iter().any(|other| other.name == scope.name)) {
        changes.push(setting("", &format!("scope {}", scope.name), Direction::Loss, "present", "gone"));
    }
    for scope in &new.scopes {
        if let Some(before) = old.scopes.iter().find(|before| before.name == scope.name)
            && before.when != scope.when
        {
            changes.push(setting(
                "",
                &format!("when of {}", scope.name),
                Direction::Gain,
                when(&before.when),
                when(&scope.when),
            ));
        }
    }
}

/// Authorities that are answered: where a policy names some, all others get 403 (rules 4 and 5).
fn hosts(old: &[String], new: &[String], changes: &mut Vec<Change>) {
    match (old, new) {
        ([], []) => {}
        ([], new) => changes.push(setting("", "hosts", Direction::Loss, "any", new.join(", "))),
        (old, []) => changes.push(setting("", "hosts", Direction::Gain, old.join(", "), "any")),
        (old, new) => listed("", "hosts", old, new, changes),
    }
}

/// What each of two policies says of headers, on a route or on all of them.
fn headers(
    route: &str,
    (old, old_policy): (&HeaderNames, &PolicySet),
    (new, new_policy): (&HeaderNames, &PolicySet),
    changes: &mut Vec<Change>,
) {
    let classified = |names: &HeaderNames, policy: &PolicySet| -> Vec<String> {
        names
            .classify
            .iter()
            .map(|(name, classes)| {
                let classes: Vec<&str> = classes
                    .iter()
                    .filter_map(|id| policy.classes.get(usize::from(id.0)))
                    .map(|class| class.name.as_str())
                    .collect();
                format!("{name} ({})", classes.join("+"))
            })
            .collect()
    };
    listed(route, "headers.keep", &old.keep, &new.keep, changes);
    listed(route, "headers.classify", &classified(old, old_policy), &classified(new, new_policy), changes);
    // The caller's own: nothing is given away, but the answer changes.
    for name in old.echo.iter().filter(|name| !new.echo.contains(name)) {
        changes.push(setting(route, &format!("headers.echo {name}"), Direction::Other, "yes", "no"));
    }
    for name in new.echo.iter().filter(|name| !old.echo.contains(name)) {
        changes.push(setting(route, &format!("headers.echo {name}"), Direction::Other, "no", "yes"));
    }
}

/// Who has a scope, as the policy would say it.
fn when(when: &When) -> String {
    let condition = |condition: &Condition| match condition {
        Condition::AllOf(names) => format!("all_of: [{}]", names.join(", ")),
        Condition::AnyOf(names) => format!("any_of: [{}]", names.join(", ")),
        Condition::Claim(path, values) => format!("claim {}: [{}]", path.0.join("."), values.join(", ")),
    };
    match when {
        When::Named => "its own name".to_owned(),
        When::Always => "always".to_owned(),
        When::All(conditions) => conditions.iter().map(condition).collect::<Vec<_>>().join(" and "),
    }
}

fn identity(identity: &Identity) -> String {
    match identity {
        Identity::JwtAuthn { payloads, client, scopes } => {
            let payload = payloads.join(" or ");
            format!("jwt_authn {payload} client {} scopes {}", client.0.join("."), scopes.0.join("."))
        }
        Identity::Mtls => "mtls".to_owned(),
        Identity::TrustedHeader { client, scopes } => {
            format!("trusted_header {client} {}", scopes.as_deref().unwrap_or_default()).trim_end().to_owned()
        }
    }
}

pub(super) fn debug(value: &impl Debug) -> String {
    format!("{value:?}").to_lowercase()
}
