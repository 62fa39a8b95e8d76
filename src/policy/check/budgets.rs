//! Budgets and canaries as written (rules 34 to 37). What they ask of routes is in [`super::counting`].

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::similar::nearest;
use super::read::{Keys, Reader, choice};
use super::scopes::{ClientDraft, client_id};
use super::settings;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::{Member, Node, Tree};
use crate::model::{
    Budget, BudgetClients, BudgetKey, BudgetStep, Canaries, Class, ClientId, Count, Identity, Level, OnError, Per, Rls,
    StepEffect, Store,
};

/// Most budgets of a policy: each is looked at on every request of its areas.
const MOST_BUDGETS: usize = 64;

/// Most canaries of a policy: each released subject is looked up among them.
const MOST_CANARIES: usize = 4096;

/// Most claims of one budget's key.
const MOST_CLAIMS: usize = 4;

/// Longest window, in seconds: 366 days.
const LONGEST: u64 = 366 * 86_400;

/// Longest wait for the rate limit service, in milliseconds: the request waits so long.
const LONGEST_WAIT: u64 = 10_000;

/// How long the rate limit service is waited for unless a budget says otherwise, in milliseconds.
const WAIT: u64 = 200;

/// What budgets name.
pub(super) struct KnownNames<'a, 'd> {
    pub(super) identity: Option<&'a Identity>,
    pub(super) classes: &'a [Class],
    pub(super) clients: &'a [ClientDraft<'d>],
    /// Areas of governed routes; `None` while a route's own area cannot be read, so that nothing is said of names.
    pub(super) areas: Option<BTreeMap<&'d str, Span>>,
    /// Namespaces of subjects, in shapes and on routes.
    pub(super) namespaces: BTreeMap<Rc<str>, Span>,
}

impl KnownNames<'_, '_> {
    /// A namespace of subjects that a shape or a route has.
    fn namespace(&self, reader: &mut Reader, text: &str, span: Span, what: &str) {
        if !self.namespaces.contains_key(text) {
            let message = format!("{what} a kind of subject that no field and no route has: `{text}`");
            let known = self.namespaces.iter().map(|(name, span)| (&**name, *span));
            let none = "give the field that identifies the subject `subject: NAME`, or the route `subject: {NAME: \"{parameter}\"}`";
            reader.unknown(Code::UnknownName, span, message, text, known, none);
        }
    }
}

/// `budgets`, in name order. Those that cannot be made are left out: the policy is refused then.
pub(super) fn budgets(reader: &mut Reader, known: &KnownNames<'_, '_>, node: Option<&Node>) -> Vec<Budget> {
    let Some(node) = node else { return Vec::new() };
    let members = reader.map(node, "`budgets`");
    if members.len() > MOST_BUDGETS {
        let message = format!("{} budgets: at most {MOST_BUDGETS} are possible", members.len());
        reader.push(Diagnostic::at(Code::TooMuch, node.span, message).help("keep the narrowest of each area"));
        return Vec::new();
    }
    let mut budgets: Vec<Budget> = members.iter().filter_map(|member| budget(reader, known, member)).collect();
    budgets.sort_by(|a, b| a.name.cmp(&b.name));
    budgets
}

fn budget(reader: &mut Reader, known: &KnownNames<'_, '_>, member: &Member) -> Option<Budget> {
    let what = format!("budget `{}`", member.key);
    let place = member.key_span;
    let named = reader.name(&member.key, place, "budget");
    let allowed = ["by", "clients", "areas", "count", "per", "max", "steps", "store", "rls", "on_error"];
    let keys = reader.keys(&member.node, &what, &allowed);
    member.node.members()?;
    let by = keys.get("by").map_or(Some(vec![BudgetKey::Client]), |node| by(reader, known, node));
    let clients = keys.get("clients").map_or(Some(BudgetClients::All), |node| clients(reader, known, node, &what));
    let areas = areas(reader, known, keys.get("areas"), &what);
    let help = "say what is counted: `count: {distinct: customer}`, `{records: true}` or `{cost: true}`";
    let count = reader.required(&keys, "count", &what, place, help).and_then(|node| count(reader, known, node));
    let help = "say for how long it counts: `per: 1h`";
    let per = reader.required(&keys, "per", &what, place, help).and_then(|node| {
        let seconds = duration(reader, node, "`per`", &LONG_UNITS, 1..=LONGEST, "1h")?;
        Some((Per { seconds }, node.span))
    });
    let help = "say how much may leave in that time: `max: 200`";
    let max = reader
        .required(&keys, "max", &what, place, help)
        .and_then(|node| reader.whole(node, "`max`", 1..=Budget::MOST));
    let steps = match keys.get("steps") {
        Some(node) => steps(reader, node, &what),
        None => vec![BudgetStep { percent: 100, then: StepEffect::Reject }],
    };
    let (store, on_error) = store(reader, &keys, &what, per, max);
    Some(Budget {
        name: named.then(|| member.key.to_string())?,
        by: by?,
        clients: clients?,
        areas,
        count: count?,
        per: per?.0,
        max: max?,
        steps,
        store: store?,
        on_error,
        span: place,
    })
}

/// `by`: `client`, or a list that starts with it.
fn by(reader: &mut Reader, known: &KnownNames<'_, '_>, node: &Node) -> Option<Vec<BudgetKey>> {
    const HELP: &str = "write `client`, or `[client, {claim: sub}]` to count each user of a client by itself";
    let is_client = |reader: &mut Reader, node: &Node, what: &str| {
        if let Some(text) = node.text().filter(|text| nearest(text, ["client"]).is_none()) {
            // Which of the two was meant only the author knows: a claim, most likely.
            let message = format!("{what} cannot be `{text}`");
            reader.push(Diagnostic::at(Code::BadValue, node.span, message).help(HELP));
            return None;
        }
        reader.word(node, what, &[("client", ())])
    };
    if node.text().is_some() {
        return is_client(reader, node, "`by`").map(|()| vec![BudgetKey::Client]);
    }
    if node.members().is_some() {
        reader.push(Diagnostic::at(Code::WrongKind, node.span, "`by` is a map, not a list").help(HELP));
        return None;
    }
    let elements = reader.list(node, "`by`");
    let mut by = Vec::new();
    for element in elements {
        if element.members().is_none() {
            is_client(reader, element, "an element of `by`")?;
            by.push((BudgetKey::Client, element.span));
            continue;
        }
        let keys = reader.keys(element, "an element of `by`", &["claim"]);
        let claim = reader.required(&keys, "claim", "an element of `by`", element.span, HELP)?;
        let path = settings::claim(reader, claim, "claim")?;
        if known.identity.is_some_and(|identity| !matches!(identity, Identity::JwtAuthn { .. })) {
            reader.push(
                Diagnostic::at(Code::Incompatible, element.span, "`by` can name a claim only with `source: jwt_authn`")
                    .help("write `by: client`, or take `by` out"),
            );
            return None;
        }
        by.push((BudgetKey::Claim(path), element.span));
    }
    let keys: Vec<BudgetKey> = by.iter().map(|(key, _)| key.clone()).collect();
    let twice = by.iter().enumerate().find(|(index, (key, _))| keys.iter().take(*index).any(|known| known == key));
    let fault = if keys.first() != Some(&BudgetKey::Client) {
        Some((node.span, "`by` does not start with `client`: a user of two clients has two counts".to_owned()))
    } else if let Some((_, (_, span))) = twice {
        Some((*span, "`by` names one thing twice".to_owned()))
    } else if keys.len() > MOST_CLAIMS.saturating_add(1) {
        Some((node.span, format!("`by` names more than {MOST_CLAIMS} claims")))
    } else {
        None
    };
    match fault {
        Some(_) if elements.is_empty() && node.elements().is_none() => None,
        Some((span, message)) => {
            reader.push(Diagnostic::at(Code::BadValue, span, message).help(HELP));
            None
        }
        None => Some(keys),
    }
}

/// `clients`: `["*"]`, or names of client entries.
fn clients(reader: &mut Reader, known: &KnownNames<'_, '_>, node: &Node, what: &str) -> Option<BudgetClients> {
    let names = reader.texts(node, "`clients`");
    if names.is_empty() {
        if node.elements().is_some_and(<[Node]>::is_empty) {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, format!("{what} binds no client"))
                    .help("write `clients: [\"*\"]` for all of them, or take the budget out"),
            );
        }
        return None;
    }
    if let Some((_, span)) = names.iter().find(|(name, _)| *name == "*") {
        if names.len() > 1 {
            reader.push(
                Diagnostic::at(
                    Code::Incompatible,
                    *span,
                    format!("`clients` of {what} names `*` beside others: `*` means every client, those too"),
                )
                .help("keep `\"*\"` alone, or the names"),
            );
            return None;
        }
        return Some(BudgetClients::All);
    }
    let mut ids: Vec<ClientId> = Vec::new();
    let mut whole = true;
    for (name, span) in names {
        match known.clients.iter().position(|client| client.name == name).and_then(client_id) {
            Some(id) => ids.push(id),
            None => {
                let message = format!("{what} binds a client that has no entry: `{name}`");
                let entries = known.clients.iter().map(|client| (client.name, client.span));
                let entries = entries.filter(|(name, _)| *name != "*");
                let none = "give it an entry under `clients`, or write `clients: [\"*\"]`";
                reader.unknown(Code::UnknownName, span, message, name, entries, none);
                whole = false;
            }
        }
    }
    ids.sort_unstable();
    whole.then_some(BudgetClients::Named(ids))
}

/// `areas`; without it, all that routes have.
fn areas(reader: &mut Reader, known: &KnownNames<'_, '_>, node: Option<&Node>, what: &str) -> Vec<String> {
    let Some(node) = node else {
        return known.areas.iter().flat_map(BTreeMap::keys).map(|area| (*area).to_owned()).collect();
    };
    let names = reader.texts(node, "`areas`");
    if names.is_empty() && node.elements().is_some_and(<[Node]>::is_empty) {
        reader.push(
            Diagnostic::at(Code::BadValue, node.span, format!("{what} counts in no area"))
                .help("name the areas whose routes it counts, or take `areas` out: then it counts in all"),
        );
    }
    if let Some(areas) = &known.areas {
        for (area, span) in names.iter().filter(|(area, _)| !areas.contains_key(area)) {
            let message = format!("{what} counts in an area that no route has: `{area}`");
            let known = areas.iter().map(|(name, span)| (*name, *span));
            reader.unknown(Code::UnknownName, *span, message, area, known, "give a route that `area`");
        }
    }
    let names: BTreeSet<String> = names.into_iter().map(|(area, _)| area.to_owned()).collect();
    names.into_iter().collect()
}

/// `count`: one of three.
fn count(reader: &mut Reader, known: &KnownNames<'_, '_>, node: &Node) -> Option<Count> {
    const HELP: &str = "write `{distinct: customer}`, `{records: true}` or `{cost: true}`";
    if node.members().is_none() && node.value != Tree::Refused {
        reader.push(
            Diagnostic::at(Code::WrongKind, node.span, format!("`count` is {}, not a map", node.kind())).help(HELP),
        );
        return None;
    }
    let keys = reader.keys(node, "`count`", &["distinct", "records", "cost"]);
    let given: Vec<&str> = ["distinct", "records", "cost"].into_iter().filter(|key| keys.get(key).is_some()).collect();
    let [one] = given.as_slice() else {
        if given.is_empty() {
            reader.push(Diagnostic::at(Code::MissingKey, node.span, "`count` does not say what").help(HELP));
        } else {
            let message = format!("`count` names {}: a budget counts one thing", super::read::list(&given));
            reader.push(Diagnostic::at(Code::Incompatible, node.span, message).help("make a budget of each"));
        }
        return None;
    };
    let value = keys.get(one)?;
    if *one == "distinct" {
        let text = reader.text(value, "`distinct`")?;
        if !reader.name(text, value.span, "namespace") {
            return None;
        }
        known.namespace(reader, text, value.span, "`distinct` names");
        return Some(Count::Distinct(text.into()));
    }
    if value.value != Tree::Bool(true) {
        let message = format!("`{one}` can only be `true`");
        reader.push(
            Diagnostic::at(Code::BadValue, value.span, message)
                .help(format!("write `{one}: true`, or count something else")),
        );
        return None;
    }
    if *one == "records" {
        return Some(Count::Records);
    }
    if known.classes.iter().all(|class| class.cost.is_none()) {
        reader.push(
            Diagnostic::at(Code::MissingKey, value.span, "`count: {cost: true}` counts nothing: no class has a `cost`")
                .help("give the classes that count one: `contact: {about: \"Address\", cost: 4}`"),
        );
    }
    Some(Count::Cost)
}

/// A unit of time, and how much of the smallest it is.
type SpanUnit = (&'static str, u64);

const LONG_UNITS: [SpanUnit; 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
const SHORT_UNITS: [SpanUnit; 2] = [("ms", 1), ("s", 1000)];

/// A whole number and a unit: `1h`. The number has no sign, point or leading zero.
fn duration(
    reader: &mut Reader,
    node: &Node,
    what: &str,
    units: &[SpanUnit],
    range: std::ops::RangeInclusive<u64>,
    example: &str,
) -> Option<u64> {
    let text = match &node.value {
        Tree::Number(text) | Tree::Text { text, .. } => text,
        Tree::Refused => return None,
        _ => {
            let message = format!("{what} is {}, not a time", node.kind());
            reader.push(Diagnostic::at(Code::WrongKind, node.span, message).help(format!("write `{example}`")));
            return None;
        }
    };
    let digits = text.len().saturating_sub(text.trim_start_matches(|c: char| c.is_ascii_digit()).len());
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let value = number.parse::<u64>().ok().filter(|_| !number.starts_with('0'));
    let value = value.zip(factor).and_then(|(value, factor)| value.checked_mul(factor));
    if value.is_some_and(|value| range.contains(&value)) {
        return value;
    }
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let smallest = names.first().copied().unwrap_or_default();
    let help = if value.is_some() || number.bytes().all(|byte| byte == b'0') && factor.is_some() {
        // The largest unit that the end is a whole number of.
        let most = units.iter().rev().find(|(_, factor)| range.end().checked_rem(*factor) == Some(0));
        let (unit, factor) = most.copied().unwrap_or((smallest, 1));
        let most = range.end().checked_div(factor).unwrap_or(0);
        format!("stay between {}{smallest} and {most}{unit}", range.start())
    } else {
        format!("write a whole number and {}: `{example}`", choice(&names))
    };
    reader.push(Diagnostic::at(Code::BadValue, node.span, format!("{what} cannot be `{text}`")).help(help));
    None
}

/// `steps`: shares to levels, or to `reject` (rule 35).
fn steps(reader: &mut Reader, node: &Node, what: &str) -> Vec<BudgetStep> {
    const HELP: &str = "write shares of `max` and what happens above them: `{80%: mask, 95%: pseudonym, 100%: reject}`";
    const EFFECTS: [(&str, StepEffect); 5] = [
        ("mask", StepEffect::Ceiling(Level::Mask)),
        ("pseudonym", StepEffect::Ceiling(Level::Pseudonym)),
        ("blank", StepEffect::Ceiling(Level::Blank)),
        ("hide", StepEffect::Ceiling(Level::Hide)),
        ("reject", StepEffect::Reject),
    ];
    let members = reader.map(node, "`steps`");
    if members.is_empty() {
        if node.members().is_some() {
            reader.push(
                Diagnostic::at(Code::BadValue, node.span, format!("`steps` of {what} has no step"))
                    .help("take it out: without `steps`, what goes over `max` is refused"),
            );
        }
        return Vec::new();
    }
    let mut steps: Vec<(BudgetStep, Span)> = Vec::new();
    for member in members {
        // A share without its sign is a number to YAML: in quotes it would be no share either.
        reader.found.retain(|found| found.code != Code::NotAString || found.span != Some(member.key_span));
        let digits = member.key.strip_suffix('%').filter(|digits| !digits.starts_with('0') && digits.len() <= 3);
        let percent = digits.and_then(|digits| digits.parse::<u8>().ok().filter(|_| !digits.starts_with('+')));
        let then = reader.word(&member.node, &format!("the step at `{}`", member.key), &EFFECTS);
        match percent {
            Some(percent @ 1..=100) => {
                if let Some(then) = then {
                    steps.push((BudgetStep { percent, then }, member.key_span));
                }
            }
            Some(_) => reader.push(
                Diagnostic::at(
                    Code::BudgetSteps,
                    member.key_span,
                    format!("the step at `{}` is never reached: more than 100 % is refused", member.key),
                )
                .help("write a share from `1%` to `100%`"),
            ),
            None => reader.push(
                Diagnostic::at(Code::BudgetSteps, member.key_span, format!("`{}` is not a share", member.key))
                    .help(HELP),
            ),
        }
    }
    steps.sort_by_key(|(step, _)| step.percent);
    steps_go_down(reader, &steps, what);
    steps.into_iter().map(|(step, _)| step).collect()
}

/// Each step takes more than the one before it (rule 35). `steps` are in the order of their shares.
fn steps_go_down(reader: &mut Reader, steps: &[(BudgetStep, Span)], what: &str) {
    for pair in steps.windows(2) {
        let [(low, first), (high, second)] = pair else { continue };
        if high.then >= low.then {
            let gives =
                if high.then == low.then { "changes nothing" } else { "gives back what the step before it took" };
            reader.push(
                Diagnostic::at(
                    Code::BudgetSteps,
                    *second,
                    format!("the step at `{}%` of {what} {gives}", high.percent),
                )
                .label(*first, "the step before it")
                .help("steps go down: mask, pseudonym, blank, hide, reject; take this one out"),
            );
        }
    }
}

/// `store`, `rls` and `on_error` (rule 36).
fn store(
    reader: &mut Reader,
    keys: &Keys<'_>,
    what: &str,
    per: Option<(Per, Span)>,
    max: Option<u64>,
) -> (Option<Store>, OnError) {
    #[derive(Clone, Copy)]
    enum StoreKind {
        Local,
        Rls,
    }
    const HELP: &str = "say where it is, as in `rls: {cluster: ratelimit, domain: fieldgate, timeout: 200ms}`";
    let kind = keys.get("store").map_or(Some(StoreKind::Local), |node| {
        reader.word(node, "`store`", &[("local", StoreKind::Local), ("rls", StoreKind::Rls)])
    });
    let words = [("reject", OnError::Reject), ("local", OnError::Local)];
    let on_error = keys.get("on_error").and_then(|node| reader.word(node, "`on_error`", &words));
    match kind {
        None => (None, OnError::Reject),
        Some(StoreKind::Local) => {
            for (key, why) in [("rls", "asks no service"), ("on_error", "cannot fail: it counts or refuses")] {
                let Some(member) = keys.member(key) else { continue };
                reader.push(
                    Diagnostic::at(
                        Code::BudgetStore,
                        member.key_span,
                        format!("{what} has `{key}`, but `store: local` {why}"),
                    )
                    .help(format!("take `{key}` out, or write `store: rls`")),
                );
            }
            (Some(Store::Local), OnError::Reject)
        }
        Some(StoreKind::Rls) => {
            if let Some((per, span)) = per.filter(|(per, _)| !Per::UNITS.contains(per)) {
                let units: Vec<String> = Per::UNITS.iter().map(Per::to_string).collect();
                let units: Vec<&str> = units.iter().map(String::as_str).collect();
                reader.push(
                    Diagnostic::at(
                        Code::BudgetStore,
                        span,
                        format!("{what} counts per {per}, which the rate limit service does not know"),
                    )
                    .help(format!("write {}; or `store: local`", choice(&units))),
                );
            }
            let span = keys.member("store").map_or(keys.span, |member| member.key_span);
            let rls = reader
                .required(keys, "rls", &format!("{what} with `store: rls`"), span, HELP)
                .and_then(|node| rls(reader, node, max));
            (rls.map(Store::Rls), on_error.unwrap_or(OnError::Reject))
        }
    }
}

fn rls(reader: &mut Reader, node: &Node, max: Option<u64>) -> Option<Rls> {
    let keys = reader.keys(node, "`rls`", &["cluster", "domain", "timeout", "lease"]);
    node.members()?;
    let mut text = |key: &str, help: &str| {
        let node = reader.required(&keys, key, "`rls`", node.span, help)?;
        let text = reader.text(node, &format!("`{key}`"))?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let message = format!("`{key}` cannot be `{text}`");
            reader.push(Diagnostic::at(Code::BadValue, node.span, message).help(help));
            return None;
        }
        Some(text.to_owned())
    };
    let cluster =
        text("cluster", "name the cluster of the rate limit service in Envoy's configuration: `cluster: ratelimit`");
    let domain = text("domain", "name the domain that the service's configuration has: `domain: fieldgate`");
    if let (Some(name), Some(node)) = (&cluster, keys.get("cluster"))
        && name.len() > Rls::LONGEST_CLUSTER
    {
        let message = format!("the name of the cluster has {} bytes, more than {}", name.len(), Rls::LONGEST_CLUSTER);
        let help = "give the rate limit service a cluster of its own in Envoy's configuration, with a shorter name";
        reader.push(Diagnostic::at(Code::BadValue, node.span, message).help(help));
        return None;
    }
    let timeout = keys
        .get("timeout")
        .map_or(Some(WAIT), |node| duration(reader, node, "`timeout`", &SHORT_UNITS, 1..=LONGEST_WAIT, "200ms"));
    let lease = match keys.get("lease") {
        Some(node) => Some(reader.whole(node, "`lease`", 1..=Budget::MOST)?),
        None => None,
    };
    if let (Some(lease), Some(max), Some(node)) = (lease, max, keys.get("lease"))
        && lease > max
    {
        reader.push(
            Diagnostic::at(Code::BudgetStore, node.span, format!("`lease` is {lease}, more than the budget's {max}"))
                .help("ask for a small part at once: 1 % of `max` is the default"),
        );
    }
    Some(Rls { cluster: cluster?, domain: domain?, timeout_ms: timeout?, lease })
}

/// `canaries`: tags of each namespace, and their ceiling (rule 37).
pub(super) fn canaries(reader: &mut Reader, known: &KnownNames<'_, '_>, member: Option<&Member>) -> Option<Canaries> {
    let member = member?;
    let members = reader.map(&member.node, "`canaries`");
    let mut tags: BTreeMap<(Rc<str>, u64), Span> = BTreeMap::new();
    for namespace in members.iter().filter(|member| &*member.key != "ceiling") {
        if !reader.name(&namespace.key, namespace.key_span, "namespace") {
            continue;
        }
        known.namespace(reader, &namespace.key, namespace.key_span, "`canaries` names");
        let no_tag = |reader: &mut Reader, text: &str, span: Span| {
            let message = format!("`{text}` is not the tag of a canary");
            reader.push(Diagnostic::at(Code::CanaryTag, span, message).help(format!(
                "`fieldgate canary ID --namespace {}` prints one: `c1_` and 16 digits of 0-9 and a-f",
                namespace.key
            )));
        };
        let elements = namespace.node.elements().unwrap_or_default();
        if let Some((number, span)) = elements.iter().find_map(|element| match &element.value {
            Tree::Number(number) => Some((number, element.span)),
            _ => None,
        }) {
            no_tag(reader, number, span);
            continue;
        }
        for (text, span) in reader.texts(&namespace.node, &format!("the canaries of `{}`", namespace.key)) {
            match Canaries::read(text) {
                Some(tag) => {
                    tags.insert((Rc::clone(&namespace.key), tag), span);
                }
                None => no_tag(reader, text, span),
            }
        }
    }
    if tags.len() > MOST_CANARIES {
        let message = format!("{} canaries: at most {MOST_CANARIES} are possible", tags.len());
        reader.push(Diagnostic::at(Code::TooMuch, member.key_span, message).help("keep some of each kind"));
    }
    let help = "say what a client that met one is shown at most: `ceiling: blank`";
    let ceiling = members.iter().find(|member| &*member.key == "ceiling");
    if ceiling.is_none() && member.node.members().is_some() {
        reader.push(Diagnostic::at(Code::MissingKey, member.key_span, "`canaries` has no `ceiling`").help(help));
    }
    let ceiling = reader.level(&ceiling?.node, "the ceiling of `canaries`")?;
    Some(Canaries { tags: tags.into_keys().collect(), ceiling })
}

/// `key`: which of several keys (rule 23).
pub(super) fn key(reader: &mut Reader, node: Option<&Node>) -> Option<Rc<str>> {
    let node = node?;
    let text = reader.text(node, "`key`")?;
    let ok = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if !(1..=8).contains(&text.len()) || !text.bytes().all(ok) {
        // The text is not repeated: it may be a key.
        reader.push(
            Diagnostic::at(Code::BadName, node.span, "`key` is not the name of a key")
                .help("write 1 to 8 of a-z and 0-9: `key: k2` takes the key of FIELDGATE_KEY_k2; the key itself is never written down"),
        );
        return None;
    }
    Some(text.into())
}
