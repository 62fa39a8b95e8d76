//! What `fieldgate diff` says of two policies against what callers get from each: wherever some caller gets more of some place of
//! some document from the new one, a gain must be told. Seeded random policies, each with a change or two made at random. What
//! bodies of random policies do not have, such as routes and headers, is in rows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use fieldgate_testkit::cases;
use fieldgate_testkit::shown::{Places, places};
use fieldgate_testkit::tree;

use std::collections::{BTreeMap, BTreeSet};

use cases::{Choices, Made, choices_of};
use fieldgate::caller::Caller;
use fieldgate::model::{Level, Link, PolicySet, RouteId};
use fieldgate::program::{Program, ScalarRule};
use fieldgate::transform::PseudonymKey;
use fieldgate_workbench::changes::{self, Direction};
use fieldgate_workbench::loaded::Loaded;
use serde_json::{Map, Value, json};
use tree::Tree;

/// The ceiling of canaries.
const WATCHED: Level = Level::Mask;

/// A policy with canaries, under whose ceiling a caller may be (rule 37).
fn watched(text: &str) -> Option<Loaded> {
    let mut policy: Value = serde_json::from_str(text).unwrap();
    policy["canaries"] = json!({"n": ["c1_6f0d3b9a41c27e58"], "ceiling": "mask"});
    policy["routes"]["w"] = json!({"match": "GET /w", "area": "o", "body": {"$.id": {"class": "k", "subject": "n"}}});
    load(&policy.to_string())
}

fn load(text: &str) -> Option<Loaded> {
    let files = BTreeMap::from([("p.json".to_owned(), text.to_owned())]);
    Loaded::read(&files, "p.json", None).ok()
}

/// What callers get from a policy.
struct Given {
    program: Program,
    route: RouteId,
}

impl Given {
    fn of(policy: &PolicySet) -> Option<Self> {
        let key = PseudonymKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let index = policy.routes.iter().position(|route| route.name == "r")?;
        let program = Program::new(policy.clone(), Some(key)).unwrap();
        Some(Self { program, route: RouteId(u16::try_from(index).unwrap()) })
    }

    /// What a scalar at each place of a document becomes, and whether a container does come out.
    fn places(&self, asked: &Asked, document: &Value) -> Option<Places> {
        let caller = Caller::new(self.program.policy(), asked.client, asked.scopes.clone(), asked.claims.clone());
        let view = self.program.view_under(self.route, &caller, asked.ceiling).ok()?;
        Some(places(&view, document))
    }
}

/// Who asks, under what ceiling of a budget's step.
#[derive(Debug)]
struct Asked {
    client: &'static str,
    scopes: Vec<String>,
    claims: Value,
    ceiling: Level,
}

/// Whether a scalar that becomes `is` tells more, or may, than one that becomes `was`.
fn more(was: &ScalarRule, is: &ScalarRule) -> bool {
    match (was, is) {
        (ScalarRule::Mask { form: was, .. }, ScalarRule::Mask { form: is, .. }) => was != is && !is.is_within(*was),
        (ScalarRule::Pseudonym { form: was, .. }, ScalarRule::Pseudonym { form: is, .. }) => {
            was.link == Link::Client && is.link == Link::All
        }
        (ScalarRule::Detect { .. }, ScalarRule::Show) => true,
        (ScalarRule::Detect { detectors: was, .. }, ScalarRule::Detect { detectors: is, .. }) => {
            was.iter().any(|detector| !is.contains(detector))
        }
        _ => level(is) > level(was),
    }
}

fn level(rule: &ScalarRule) -> Level {
    match rule {
        ScalarRule::Hide | ScalarRule::Subject { .. } => Level::Hide,
        ScalarRule::Blank(_) => Level::Blank,
        ScalarRule::Pseudonym { .. } => Level::Pseudonym,
        ScalarRule::Mask { .. } => Level::Mask,
        ScalarRule::Detect { .. } | ScalarRule::Show => Level::Show,
    }
}

/// A policy's text with something in it that is otherwise.
fn changed(choices: &mut Choices<'_>, text: &str, other: &str) -> String {
    let mut policy: Value = serde_json::from_str(text).unwrap();
    let other: Value = serde_json::from_str(other).unwrap();
    for _ in 0..=choices.pick(2) {
        let parts = ["shapes", "shapes", "routes", "routes", "scopes", "clients"];
        let part = choices.of(&parts);
        if let Some(node) = policy.get_mut(part) {
            change(choices, node, other.get(part), part != "shapes");
        }
    }
    policy.to_string()
}

/// Takes something out below a node, puts in its place what another policy has there, or gives it another name.
fn change(choices: &mut Choices<'_>, node: &mut Value, other: Option<&Value>, above: bool) {
    let deeper = if above { 15 } else { 12 };
    match node {
        Value::Object(members) if !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = choices.of(&names);
            let theirs = other.and_then(|other| other.get(&name));
            if choices.now_and_then(deeper) && (members[&name].is_object() || members[&name].is_array()) {
                change(choices, members.get_mut(&name).unwrap(), theirs, false);
                return;
            }
            match (choices.pick(4), theirs) {
                (0, Some(theirs)) => {
                    members.insert(name, theirs.clone());
                }
                (1, _) => renamed(choices, members, &name),
                (2, _) => added(choices, members, other),
                _ => {
                    members.remove(&name);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            items.remove(choices.pick(items.len()));
        }
        _ => {}
    }
}

/// Another path for the same: a filter that is gone or another, or one step more general.
fn renamed(choices: &mut Choices<'_>, members: &mut Map<String, Value>, name: &str) {
    let Some(open) = name.find("[?") else {
        if let Some((before, _)) = name.rsplit_once('.').filter(|(before, _)| before.starts_with('$')) {
            let what = members.remove(name).unwrap();
            members.insert(format!("{before}[*]"), what);
        }
        return;
    };
    let close = open + name[open..].find(']').unwrap_or(0) + 1;
    let filter = choices.of(&["[*]", "[?@.a]", "[?@.b == 'x']", "[?!@.c]"]);
    let what = members.remove(name).unwrap();
    members.insert(format!("{}{filter}{}", &name[..open], &name[close..]), what);
}

/// One member more, as another policy has it.
fn added(choices: &mut Choices<'_>, members: &mut Map<String, Value>, other: Option<&Value>) {
    let Some(theirs) = other.and_then(Value::as_object).filter(|theirs| !theirs.is_empty()) else { return };
    let names: Vec<&String> = theirs.keys().collect();
    let name = choices.of(&names);
    members.entry(name.clone()).or_insert_with(|| theirs[name].clone());
}

fn asked(choices: &mut Choices<'_>) -> Asked {
    let scopes = cases::SCOPES.iter().filter(|_| choices.now_and_then(10)).map(|scope| String::from(*scope)).collect();
    let claims = choices.of(&[json!(null), json!({"acr": "2"}), json!({"acr": ["1", "2"]})]);
    // As a caller is asked for that has met a canary.
    let ceiling = choices.of(&[Level::Show, Level::Show, WATCHED]);
    Asked { client: choices.of(cases::CLIENTS), scopes, claims, ceiling }
}

fn document(choices: &mut Choices<'_>, of: &[&Made]) -> Value {
    let paths: Vec<cases::Path> = of.iter().flat_map(|made| made.paths.clone()).collect();
    let body = cases::body(choices, &paths);
    Tree::parse(body.as_bytes(), 64).unwrap_or_else(|fault| panic!("{fault:?}: {body}")).value()
}

/// Whoever gets more is told of, whatever was changed.
#[test]
fn who_gets_more_is_told_of() {
    let (mut pairs, mut gains, mut told) = (0_u64, 0_u64, 0_u64);
    let mut missed: BTreeSet<u64> = BTreeSet::new();
    let seeds = seeds();
    for seed in 0..seeds {
        let bytes = choices_of(seed + 90_000, 9000);
        let mut choices = Choices::new(&bytes);
        let (made, beside) = (cases::policy(&mut choices), cases::policy(&mut choices));
        let text = changed(&mut choices, &made.text, &beside.text);
        let (Some(one), Some(other)) = (watched(&made.text), watched(&text)) else { continue };
        let turned = choices.now_and_then(8);
        let (old, new) = if turned { (other, one) } else { (one, other) };
        let (Some(before), Some(after)) = (Given::of(&old.policy), Given::of(&new.policy)) else { continue };
        pairs += 1;
        let told_of = changes::of_two(&old.policy, &new).iter().any(|change| change.direction == Direction::Gain);
        told += u64::from(told_of);
        let found = (0..60).find_map(|_| {
            let (asked, document) = (asked(&mut choices), document(&mut choices, &[&made, &beside]));
            let (was, is) = (before.places(&asked, &document)?, after.places(&asked, &document)?);
            let gained = is.iter().find(|(at, (scalar, container))| {
                let (scalar_was, container_was) = &was[*at];
                more(scalar_was, scalar) || (*container && !container_was)
            })?;
            Some((asked, document.clone(), gained.0.clone(), was[gained.0].clone(), gained.1.clone()))
        });
        let Some((asked, document, at, was, is)) = found else { continue };
        gains += 1;
        if !told_of {
            let (first, second) = if turned { (&text, &made.text) } else { (&made.text, &text) };
            eprintln!(
                "seed {seed}: nobody is told that {at} was {was:?} and is {is:?}, {asked:?}\nold {first}\nnew {second}\n{document}\n"
            );
            missed.insert(seed);
        }
    }
    println!("{pairs} pairs, in {gains} of which somebody got more; {told} were told of");
    assert!(pairs > seeds / 5 && gains > seeds / 24, "{pairs} pairs, {gains} gains");
    assert!(missed.is_empty(), "not told of: seeds {missed:?}");
}

/// How many policies are drawn unless `FIELDGATE_CHANGES` says another number: of a quarter of them somebody gets more or less.
const SEEDS: u64 = 800;

fn seeds() -> u64 {
    std::env::var("FIELDGATE_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

/// A claim, sections of the old policy and of the new one, and all that is said of them.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const ONE: &str = "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}";

const ROWS: &[Row] = &[
    // Places.
    (
        "an entry that held a place down is gone",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open, $.ssn: secret}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open}}}",
        &["GAIN care | get | $.ssn | hide -> show"],
    ),
    (
        "the way back is a loss, and nothing else",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open, $.ssn: secret}}}",
        &["LOSS care | get | $.ssn | show -> hide"],
    ),
    (
        "an entry that another does as well is missed by nobody",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open, $.x: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*: open}}}",
        &[],
    ),
    (
        "two entries held down only where they met",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.*.ssn: secret, $.holder.*: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.holder.*: open}}}",
        &["GAIN care | get | $.holder.ssn | hide -> show"],
    ),
    (
        "a filter that selects something else lets go of what it selected",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {\"$.c[?@.name == 'score'].value\": secret, '$.c[*].value': open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {\"$.c[?@.name == 'scroe'].value\": secret, '$.c[*].value': open}}}",
        &[
            "GAIN care | get | $.c[?@.name == 'score'].value | hide -> show",
            "LOSS care | get | $.c[?@.name == 'scroe'].value | show -> hide",
        ],
    ),
    (
        "a filter is taken off a path",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {'$.c[?@.ok].value': open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {'$.c[*].value': open}}}",
        &["GAIN care | get | $.c[*].value | new -> show"],
    ),
    (
        "a deny within an open subtree is gone",
        "shapes: {one: {$.d..*: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}}}}\nclients: {'*': {deny: {one: [$.d.pin]}}}",
        "shapes: {one: {$.d..*: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}}}}\nclients: {'*': {}}",
        &["GAIN care | get | $.d.pin | hide -> show", "GAIN care | get | $.d.pin..* | hide -> show"],
    ),
    (
        "a field that a scope names goes before a class where paths meet",
        "shapes: {one: {$.*.ssn: secret, $.holder.*: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}}}}",
        "shapes: {one: {$.*.ssn: secret, $.holder.*: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}}}}\nscopes: {care: {areas: [a], grant: {open: show}, fields: {one: {$.holder.*: show}}}}",
        &["GAIN care | get | $.holder.ssn | hide -> show"],
    ),
    (
        "a container comes out where it was removed, though nothing in it does",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open, $.a.*: secret, $.a.b: secret}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open, $.a.*: secret, $.a.b: open}}}",
        &["GAIN care | get | $.a itself | hide -> comes out, with nothing in it"],
    ),
    // Forms.
    (
        "a mask is that of every entry that names the place",
        "shapes: {one: {$.ssn: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}, $.ssn: {class: open, mask: {last: 1}}}}}\nscopes: {care: {areas: [a], grant: {open: mask}}}",
        "shapes: {one: {$.ssn: open}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$: {shape: one}, $.ssn: {class: open, mask: {last: 9}}}}}\nscopes: {care: {areas: [a], grant: {open: mask}}}",
        &["GAIN care | get | $.ssn | mask last 1 -> mask last 9"],
    ),
    (
        "a mask that only a step of a budget reaches shows more",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.id: {class: open, subject: c}, $.iban: {class: open, mask: {last: 1}}}}}\nbudgets: {h: {areas: [a], count: {distinct: c}, per: 1h, max: 10, steps: {50%: mask}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.id: {class: open, subject: c}, $.iban: {class: open, mask: {last: 9}}}}}\nbudgets: {h: {areas: [a], count: {distinct: c}, per: 1h, max: 10, steps: {50%: mask}}}",
        &["GAIN care (where at most mask is left) | get | $.iban | mask last 1 -> mask last 9"],
    ),
    (
        "a detector of errors finds less under the name that it had",
        "detectors: {acc: {pattern: 'ACC-[0-9]+'}}\ndefaults: {errors: {show: [title], detect: [acc]}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        "detectors: {acc: {pattern: 'ACC-[0-9]{8}'}}\ndefaults: {errors: {show: [title], detect: [acc]}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        &[
            "GAIN everybody |  | errors.detect acc /ACC-[0-9]+/ | taken out -> passes",
            "LOSS everybody |  | errors.detect acc /ACC-[0-9]{8}/ | passes -> taken out",
        ],
    ),
    // Routes.
    (
        "requests of a route that is gone fall to one that passes",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, site: {match: 'GET /{page+}', pass: pages}, z: {match: GET /z, area: a, body: {$.x: open}}}",
        "routes: {site: {match: 'GET /{page+}', pass: pages}, z: {match: GET /z, area: a, body: {$.x: open}}}",
        &[
            "GAIN everybody | get -> site | the whole route | governed -> forwarded untouched",
            "OTHER everybody | get | the whole route | present -> taken by site",
        ],
    ),
    (
        "requests of a route that is gone fall to one that shows more",
        "routes: {me: {match: GET /accounts/me, area: a, body: {$.x: open, $.ssn: secret}}, get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open, $.ssn: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open, $.ssn: open}}}",
        &[
            "GAIN care | me -> get | $.ssn | hide -> show",
            "OTHER everybody | me | the whole route | present -> taken by get",
        ],
    ),
    (
        "requests of a route that is gone fall to one that shows as much",
        "routes: {me: {match: GET /accounts/me, area: a, body: {$.x: open}}, get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        &["OTHER everybody | me | the whole route | present -> taken by get"],
    ),
    (
        "a route that is gone has never had what a more specific one takes",
        "routes: {me: {match: GET /accounts/me, area: a, body: {$.x: open, $.ssn: open}}, get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        "routes: {me: {match: GET /accounts/me, area: a, body: {$.x: open, $.ssn: open}}}",
        &["LOSS everybody | get | the whole route | present -> no route"],
    ),
    (
        "a new route is open, whatever is visible of it",
        ONE,
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, write: {match: 'POST /accounts/{id}', area: a, query: any, headers: {keep: [x-secret]}, body: {$.x: secret}}}",
        &[
            "GAIN everybody | write | headers.keep x-secret | no -> yes",
            "GAIN everybody | write | query | [] -> any",
            "GAIN everybody | write | the whole route | no route -> governed",
        ],
    ),
    (
        "a new route takes requests of another, and shows as much",
        ONE,
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, me: {match: GET /accounts/me, area: a, body: {$.x: open}}}",
        &["OTHER everybody | me | the whole route | taken by get -> present"],
    ),
    (
        "a new route takes requests of another, and shows more",
        ONE,
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, me: {match: GET /accounts/me, area: a, query: [page], body: {$.x: open, $.y: open}}}",
        &[
            "GAIN care | get -> me | $.y | new -> show",
            "GAIN everybody | get -> me | query page | no -> yes",
            "OTHER everybody | me | the whole route | taken by get -> present",
        ],
    ),
    (
        "a new route takes more than requests of another",
        "routes: {get: {match: GET /accounts/me, area: a, body: {$.x: open}}}",
        "routes: {get: {match: GET /accounts/me, area: a, body: {$.x: open}}, one: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        &["GAIN care | one | $.x | new -> show", "GAIN everybody | one | the whole route | no route -> governed"],
    ),
    (
        "what a route took at any depth passes where no other takes it",
        "defaults: {unmatched_route: pass}\nroutes: {get: {match: 'GET /a/{id}', area: a, body: {$.x: open}}, all: {match: 'GET /a/{rest+}', area: a, body: {$.x: open}}}",
        "defaults: {unmatched_route: pass}\nroutes: {get: {match: 'GET /a/{id}', area: a, body: {$.x: open}}}",
        &["GAIN everybody | all | the whole route | present -> forwarded untouched (unmatched_route: pass)"],
    ),
    (
        "a route that passes may be asked more",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, ping: {match: GET /ping, pass: health}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}, ping: {match: GET /ping, pass: health, query: any}}",
        &["GAIN everybody | ping | query | [] -> any"],
    ),
    (
        "a route that passed is governed one day, and may be asked anything until then",
        "routes: {get: {match: 'GET /accounts/{id}', pass: all}, z: {match: GET /z, area: a, body: {$.x: open}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, query: any, report_until: 2099-01-01, body: {$.x: open}}, z: {match: GET /z, area: a, body: {$.x: open}}}",
        &[
            "GAIN everybody | get | query | [] -> any",
            "GAIN everybody | get | report_until | forwarded untouched -> on trial until 2099-01-01: unchanged for everybody",
            "LOSS everybody | get | the whole route | forwarded untouched -> governed",
        ],
    ),
    // Headers.
    (
        "a header follows a class that a scope is granted",
        "classes: {open: {}, phone: {}}\ndefaults: {headers: {classify: {x-msisdn: phone}}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}",
        "classes: {open: {}, phone: {}}\ndefaults: {headers: {classify: {x-msisdn: phone}}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}\nscopes: {care: {areas: [a], grant: {open: show, phone: show}}}",
        &["GAIN care | get | header x-msisdn | hide -> show"],
    ),
    (
        "a header follows a class that a route's ceiling held down",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, ceiling: {secret: blank}, headers: {classify: {x-msisdn: secret}}, body: {$.x: open}}}\nscopes: {care: {areas: [a], grant: {open: show, secret: show}}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, headers: {classify: {x-msisdn: secret}}, body: {$.x: open}}}\nscopes: {care: {areas: [a], grant: {open: show, secret: show}}}",
        &["GAIN care | get | header x-msisdn | blank -> show"],
    ),
    // Callers.
    (
        "a certificate's entry says nothing of scopes, and then names one",
        "identity: {source: mtls}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}\nclients: {'*': {scopes: [care]}, 'spiffe://x/acme': {}}",
        "identity: {source: mtls}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: open}}}\nclients: {'*': {scopes: [care]}, 'spiffe://x/acme': {scopes: [care]}}",
        &["GAIN care (client spiffe://x/acme) | get | $.x | hide -> show"],
    ),
    // Budgets.
    (
        "a route goes to an area that a budget does not count",
        "routes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.id: {class: open, subject: c}}}, list: {match: GET /a, area: a, body: {$.id: {class: open, subject: c}}}, z: {match: GET /z, area: b, body: {$.x: open}}}\nscopes: {care: {areas: [a, b], grant: {open: show}}}\nbudgets: {h: {areas: [a], count: {distinct: c}, per: 1h, max: 10}}",
        "routes: {get: {match: 'GET /accounts/{id}', area: b, body: {$.id: {class: open, subject: c}}}, list: {match: GET /a, area: a, body: {$.id: {class: open, subject: c}}}, z: {match: GET /z, area: b, body: {$.x: open}}}\nscopes: {care: {areas: [a, b], grant: {open: show}}}\nbudgets: {h: {areas: [a], count: {distinct: c}, per: 1h, max: 10}}",
        &["GAIN everybody | get | budget h | counted -> not counted"],
    ),
    (
        "a field is of another class, which costs less",
        "classes: {open: {}, money: {cost: 10}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: money, $.y: money}}}\nscopes: {care: {areas: [a], grant: {open: show, money: show}}}\nbudgets: {h: {areas: [a], count: {cost: true}, per: 1h, max: 10}}",
        "classes: {open: {}, money: {cost: 10}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: money, $.y: open}}}\nscopes: {care: {areas: [a], grant: {open: show, money: show}}}\nbudgets: {h: {areas: [a], count: {cost: true}, per: 1h, max: 10}}",
        &["GAIN everybody | get | cost of $.y | 10 -> 0"],
    ),
    (
        "a class has another name, and costs less",
        "classes: {money: {cost: 10}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: money}}}\nscopes: {care: {areas: [a], grant: {money: show}}}\nbudgets: {h: {areas: [a], count: {cost: true}, per: 1h, max: 10}}",
        "classes: {gold: {cost: 1}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: gold}}}\nscopes: {care: {areas: [a], grant: {gold: show}}}\nbudgets: {h: {areas: [a], count: {cost: true}, per: 1h, max: 10}}",
        &["GAIN everybody | get | cost of $.x | 10 -> 1"],
    ),
];

/// A policy with what its sections leave out.
fn policy(sections: &str) -> Loaded {
    let mut text = String::from("language: 1\npolicy: t\n");
    for (section, usual) in [
        ("identity", "{source: jwt_authn, payload: p, client: azp, scopes: scope}"),
        ("classes", "{open: {}, secret: {}}"),
        ("scopes", "{care: {areas: [a], grant: {open: show}}}"),
    ] {
        if !sections.lines().any(|line| line.starts_with(section)) {
            text.push_str(&format!("{section}: {usual}\n"));
        }
    }
    let text = text + sections + "\n";
    let files = BTreeMap::from([("p.yaml".to_owned(), text.clone())]);
    Loaded::read(&files, "p.yaml", None).unwrap_or_else(|fault| panic!("{fault}\n{text}"))
}

fn lines(changes: &[changes::Change]) -> Vec<String> {
    let line = |change: &changes::Change| {
        let direction = match change.direction {
            Direction::Gain => "GAIN",
            Direction::Loss => "LOSS",
            Direction::Other => "OTHER",
        };
        let changes::Change { who, route, what, from, to, .. } = change;
        format!("{direction} {who} | {route} | {what} | {from} -> {to}")
    };
    changes.iter().map(line).collect()
}

#[test]
fn each_change_is_said_as_what_it_is() {
    let mut wrong = String::new();
    for (claim, old, new, expected) in ROWS {
        let said = lines(&changes::of_two(&policy(old).policy, &policy(new)));
        if said != *expected {
            wrong.push_str(&format!("{claim}:\n  {}\nnot\n  {}\n", said.join("\n  "), expected.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_new_policy_is_compared_with_one_that_lets_nothing_through() {
    let new = policy(
        "defaults: {unmatched_route: pass, errors: {show: [title], detect: [email, phone, card, iban]}, headers: {keep: [x-secret]}}\nroutes: {get: {match: 'GET /accounts/{id}', area: a, body: {$.x: secret}}}",
    );
    let said = lines(&changes::between(&[], &[new]));
    let gains = [
        "GAIN everybody |  | errors.show $.title | no -> yes",
        "GAIN everybody |  | headers.keep x-secret | no -> yes",
        "GAIN everybody |  | unmatched_route | reject -> pass",
        "GAIN everybody | get | the whole route | no route -> governed",
    ];
    let found: Vec<&String> = said.iter().filter(|line| line.starts_with("GAIN")).collect();
    assert_eq!(found, gains, "{said:#?}");
}
