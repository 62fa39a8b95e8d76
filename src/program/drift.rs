//! [`Drift`]: members that an upstream sends and no shape names, each told once in the decision record.
//!
//! A member's name is the upstream's, and may be personal data: an object can be a map whose names are telephone numbers or
//! surnames. So a policy has to ask for it (`drift: true`), and a name is told only if all of this holds; else its place is
//! told with `*` for the name, or nothing is.
//!
//! | a name is told | or else |
//! |---|---|
//! | if it is spelled like a name of a schema: see [`is_plain`] | `*` |
//! | if no detector of the policy, and no built-in one, finds anything in it | `*` |
//! | once it came in responses about three groups of people of one kind that have nobody in common | nothing yet |
//! | on a route whose responses say whom they are about: by subjects, else by the parameters of the path | `*` |
//! | if its object is no map: not more than [`MOST_STRAY`] other names came there that this response has not | `*` |
//!
//! Names are looked at in few responses. Each time that a look finds nothing new, twice as many pass before the next, so that
//! in the long run one in [`LONGEST_PAUSE`] pays for it, and once the worker has told all that it may none does. What is kept
//! lives as long as the policy does, in each worker by itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use rustc_hash::{FxHashSet, FxHasher};

use super::automaton::Automaton;
use super::ids::{NamespaceId, StateId};
use crate::budget::Subject;
use crate::model::field_path::{FieldPath, Segment};
use crate::model::pattern::Effort;
use crate::model::{BuiltIn, Detector, PolicySet, RouteId, TemplateSegment};
use crate::transform::{Searched, detect};

/// Longest name that is told, in bytes.
const LONGEST_NAME: usize = 40;

/// Most digits of a name that is told: `line2`, `iso639`. An account or telephone number has more.
const MOST_DIGITS: usize = 3;

/// Longest path that is told, in bytes: a line of the record must stay one that log pipelines take.
const LONGEST_PATH: usize = 256;

/// Groups of people, with nobody in two of them, that a name must have come with.
const GROUPS: usize = 3;

/// Most groups that are kept of one name: they can be of several kinds.
const MOST_GROUPS: usize = 8;

/// Most people of one response of whom is asked whether they were in another. A response about more is no witness.
pub(crate) const MOST_PEOPLE: usize = 128;

/// Most names of one object that wait to be told and that one response has not. With more it is a map.
const MOST_STRAY: usize = 32;

/// Most names that wait to be told.
const MOST_WAITING: usize = 512;

/// Most that one worker tells of one policy.
const MOST_TOLD: usize = 256;

/// Most that one record tells. What is over is told by a later one.
const MOST_IN_RECORD: usize = 16;

/// Most names that are looked at in one response.
const MOST_LOOKS: u32 = 4096;

/// Most different members that one response is taken to have.
const MOST_SEEN: usize = 256;

/// Most different members that its objects of one place are taken to have: a map must not keep out all others.
const MOST_HERE: usize = 64;

/// Responses of a route of which one is looked at when nothing new has come for long.
const LONGEST_PAUSE: u32 = 64;

/// What JSON calls a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Null, Self::Boolean, Self::Number, Self::String, Self::Array, Self::Object];

    /// Its word in records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// The type of a value that begins with `byte`.
    fn of(byte: u8) -> Option<Self> {
        match byte {
            b'n' => Some(Self::Null),
            b't' | b'f' => Some(Self::Boolean),
            b'-' | b'0'..=b'9' => Some(Self::Number),
            b'"' => Some(Self::String),
            b'[' => Some(Self::Array),
            b'{' => Some(Self::Object),
            _ => None,
        }
    }
}

/// A member that no shape names, as a record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undeclared {
    /// The shape that it is a member of; without one `path` begins at the root of the route's body.
    pub shape: Option<Rc<str>>,
    /// Its path in the shape: the policy's own words, then the name, or `[*]` where that is not told.
    pub path: String,
    /// What came.
    pub kind: JsonType,
}

/// The members of one response that the policy does not know.
#[derive(Debug)]
pub struct Sightings {
    automaton: Rc<Automaton>,
    left: Cell<u32>,
    seen: RefCell<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Of container, name and type.
    hashes: FxHashSet<u64>,
    list: Vec<Sighting>,
}

/// One member: the state of its object, its name if that is plain, and its type.
#[derive(Debug)]
struct Sighting {
    within: StateId,
    name: Option<Box<str>>,
    kind: JsonType,
}

impl Sightings {
    /// Whether more names are looked at.
    pub fn goes_on(&self) -> bool {
        self.left.get() > 0
    }

    /// A member of an object of that state has a name, as it is spelled, that the policy does not know. `first` is the first
    /// byte of its value.
    pub fn note(&self, within: StateId, name: &[u8], first: u8) {
        self.left.set(self.left.get().saturating_sub(1));
        let (Some(kind), Ok(mut seen)) = (JsonType::of(first), self.seen.try_borrow_mut()) else { return };
        // No byte of another name is kept.
        let name = is_plain(name).then_some(name);
        let mut hasher = FxHasher::default();
        (within, name, kind).hash(&mut hasher);
        let here = seen.list.iter().filter(|sighting| sighting.within == within).count();
        if seen.list.len() < MOST_SEEN && here < MOST_HERE && seen.hashes.insert(hasher.finish()) {
            let name = name.and_then(|name| std::str::from_utf8(name).ok()).map(Box::from);
            seen.list.push(Sighting { within, name, kind });
        }
    }
}

/// Whether a name, as it is spelled, is one that schemas have: 1 to 40 letters, digits, hyphens and low lines of ASCII, of
/// which the first is none of digits and hyphens but may be `@` or `$`, and with no more than three digits.
///
/// | told | not told |
/// |---|---|
/// | `nickname`, `line2`, `@type`, `x-origin` | `ana@example.com`, `+447700900123`, `ACC-0042`, `Ana Silva`, `Łucja`, an empty name |
fn is_plain(name: &[u8]) -> bool {
    let [first, rest @ ..] = name else { return false };
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    name.len() <= LONGEST_NAME
        && (letter(first) || matches!(first, b'@' | b'$'))
        && rest.iter().all(|byte| letter(byte) || byte.is_ascii_digit() || *byte == b'-')
        && name.iter().filter(|byte| byte.is_ascii_digit()).count() <= MOST_DIGITS
}

/// What one worker has told, and what waits to be.
#[derive(Debug, Default)]
pub struct Drift {
    /// Whether the policy asks for it.
    on: bool,
    /// The built-in detectors, and the policy's own.
    detectors: Vec<Detector>,
    pauses: RefCell<Vec<Pause>>,
    known: RefCell<Learnt>,
}

/// How often a route is looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    /// Responses that still pass.
    left: u32,
    /// As many will pass after the next look.
    next: u32,
}

#[derive(Debug, Default)]
struct Learnt {
    objects: BTreeMap<ObjectPlace, Object>,
    waiting: usize,
    told: usize,
}

/// Where an object is: the shape that it is a part of, and its path there.
type ObjectPlace = (Option<Rc<str>>, String);

#[derive(Debug, Default)]
struct Object {
    /// Whether its names are data.
    map: bool,
    /// The types that came under names that are not told.
    nameless: Vec<JsonType>,
    names: BTreeMap<(Box<str>, JsonType), Heard>,
}

/// What is known of a name.
#[derive(Debug)]
enum Heard {
    /// It was told.
    Done,
    /// It came with these groups of people, who have nobody in common.
    From(Vec<Rc<[Person]>>),
}

/// Somebody whom a response is about. Those of different kinds may be one and the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    kind: PersonKind,
    tag: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum PersonKind {
    Subject(NamespaceId),
    InPath(RouteId),
}

impl Person {
    /// A subject of a kind.
    #[must_use]
    pub fn subject(kind: NamespaceId, subject: Subject) -> Self {
        Self { kind: PersonKind::Subject(kind), tag: subject.short() }
    }

    /// Whom a request's path names: the first parameter of its route, if that has one.
    #[must_use]
    pub fn in_path(policy: &PolicySet, id: RouteId, target: &str) -> Option<Self> {
        let route = policy.routes.get(usize::from(id.0))?;
        let is_named = |segment: &TemplateSegment| !matches!(segment, TemplateSegment::Literal(_));
        let at = route.template.segments.iter().position(is_named)?;
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let mut hasher = FxHasher::default();
        path.split('/').nth(at.saturating_add(1))?.hash(&mut hasher);
        Some(Self { kind: PersonKind::InPath(id), tag: hasher.finish() })
    }
}

impl Drift {
    pub(super) fn new(policy: &PolicySet) -> Self {
        if !policy.drift {
            return Self::default();
        }
        let built_in = BuiltIn::ALL.map(Detector::BuiltIn);
        let own = policy.detectors.iter().map(|detector| Detector::Custom(Rc::clone(detector)));
        Self {
            on: true,
            detectors: built_in.into_iter().chain(own).collect(),
            pauses: RefCell::new(vec![Pause::default(); policy.routes.len()]),
            known: RefCell::default(),
        }
    }

    /// What the next response of a route is noted in; `None` if it is not looked at.
    pub(super) fn look(&self, route: RouteId, automaton: &Rc<Automaton>) -> Option<Rc<Sightings>> {
        if !self.on || self.known.try_borrow().ok()?.told >= MOST_TOLD {
            return None;
        }
        let mut pauses = self.pauses.try_borrow_mut().ok()?;
        let pause = pauses.get_mut(usize::from(route.0))?;
        if pause.left > 0 {
            pause.left = pause.left.saturating_sub(1);
            return None;
        }
        pause.left = pause.next;
        let (left, seen) = (Cell::new(MOST_LOOKS), RefCell::default());
        Some(Rc::new(Sightings { automaton: Rc::clone(automaton), left, seen }))
    }

    /// What the record of a response tells, of what was seen in it. `people` are those whom it is about, in order and without
    /// repeats; none where nothing says so.
    #[must_use]
    pub fn tell(&self, route: RouteId, sightings: &Sightings, people: Option<&Rc<[Person]>>) -> Vec<Undeclared> {
        let (Ok(seen), Ok(mut known)) = (sightings.seen.try_borrow(), self.known.try_borrow_mut()) else {
            return Vec::new();
        };
        let mut by_state: BTreeMap<StateId, Vec<&Sighting>> = BTreeMap::new();
        for sighting in &seen.list {
            by_state.entry(sighting.within).or_default().push(sighting);
        }
        // One shape may have come in several places.
        let mut by_place: BTreeMap<ObjectPlace, (FieldPath, Vec<&Sighting>)> = BTreeMap::new();
        for (within, mut here) in by_state {
            let Some((shape, path)) = sightings.automaton.owner(within) else { continue };
            let text = path.to_string();
            if text.len() <= LONGEST_PATH {
                by_place.entry((shape, text)).or_insert_with(|| (path, Vec::new())).1.append(&mut here);
            }
        }
        // One for the whole response, however many names it has.
        let (mut told, mut is_new, mut effort) = (Vec::new(), false, Effort::RESPONSE);
        for (place, (path, here)) in by_place {
            let shape = place.0.clone();
            let mut teller = Teller { drift: self, path: &path, shape: &shape, told: &mut told, effort };
            is_new |= teller.object(&mut known, place, &here, people);
            effort = teller.effort;
        }
        if let Ok(mut pauses) = self.pauses.try_borrow_mut()
            && let Some(pause) = pauses.get_mut(usize::from(route.0))
        {
            let longer = pause.next.saturating_mul(2).saturating_add(1).min(LONGEST_PAUSE.saturating_sub(1));
            *pause = if is_new { Pause::default() } else { Pause { next: longer, ..*pause } };
        }
        told
    }

    /// Whether some detector finds anything in a name, or there is no effort left to look.
    fn finds_in(&self, name: &str, effort: &mut Effort) -> bool {
        let token = format!("\"{name}\"");
        detect(&self.detectors, token.as_bytes(), effort, &mut Vec::new()) != Searched::Clean
    }
}

/// Tells what came in one object.
struct Teller<'a> {
    drift: &'a Drift,
    shape: &'a Option<Rc<str>>,
    path: &'a FieldPath,
    told: &'a mut Vec<Undeclared>,
    effort: Effort,
}

impl Teller<'_> {
    /// Whether any of it is new, told or not.
    fn object(
        &mut self,
        known: &mut Learnt,
        place: ObjectPlace,
        seen: &[&Sighting],
        people: Option<&Rc<[Person]>>,
    ) -> bool {
        let Learnt { objects, waiting, told } = known;
        let object = objects.entry(place).or_default();
        let mut is_new = false;
        for sighting in seen {
            if told.saturating_add(1) > MOST_TOLD {
                return is_new;
            }
            is_new |= match &sighting.name {
                Some(name) if !object.map && people.is_some() => {
                    match self.name(object, (name, sighting.kind), people, waiting) {
                        News::Nothing => false,
                        News::Unfit => self.nameless(object, sighting.kind, told),
                        News::More => true,
                        News::Told => {
                            *told = told.saturating_add(1);
                            true
                        }
                    }
                }
                _ => self.nameless(object, sighting.kind, told),
            };
        }
        let here = |name: &str| seen.iter().any(|sighting| sighting.name.as_deref() == Some(name));
        let stray = object.names.iter().filter(|((name, _), heard)| matches!(heard, Heard::From(_)) && !here(name));
        if !object.map && stray.count() > MOST_STRAY {
            object.map = true;
            let waited = object.names.values().filter(|heard| matches!(heard, Heard::From(_))).count();
            *waiting = waiting.saturating_sub(waited);
            object.names.clear();
            is_new = true;
        }
        is_new
    }

    /// A member whose name is not told.
    fn nameless(&mut self, object: &mut Object, kind: JsonType, told: &mut usize) -> bool {
        if object.nameless.contains(&kind) {
            return false;
        }
        if self.push(&Segment::Any, kind) {
            object.nameless.push(kind);
            *told = told.saturating_add(1);
        }
        true
    }

    /// A member whose name is plain, in a response about `people`.
    fn name(
        &mut self,
        object: &mut Object,
        (name, kind): (&str, JsonType),
        people: Option<&Rc<[Person]>>,
        waiting: &mut usize,
    ) -> News {
        let key = (Box::from(name), kind);
        let Some(people) = people.filter(|people| (1..=MOST_PEOPLE).contains(&people.len())) else {
            return News::Nothing;
        };
        if !object.names.contains_key(&key) {
            if *waiting >= MOST_WAITING {
                return News::Nothing;
            }
            if self.drift.finds_in(name, &mut self.effort) {
                return News::Unfit;
            }
            *waiting = waiting.saturating_add(1);
        }
        let heard = object.names.entry(key).or_insert_with(|| Heard::From(Vec::new()));
        let Heard::From(groups) = heard else { return News::Nothing };
        if groups.len() >= MOST_GROUPS || groups.iter().any(|group| have_somebody_in_common(group, people)) {
            return News::Nothing;
        }
        groups.push(Rc::clone(people));
        // Of one kind of people, as one of another kind may be the same person.
        let of_kind =
            |kind: PersonKind| groups.iter().filter(|group| group.iter().any(|person| person.kind == kind)).count();
        if people.iter().all(|person| of_kind(person.kind) < GROUPS) {
            return News::More;
        }
        if !self.push(&Segment::Member(name.into()), kind) {
            groups.pop();
            return News::More;
        }
        *heard = Heard::Done;
        *waiting = waiting.saturating_sub(1);
        News::Told
    }

    /// Tells one; whether the record has room for it.
    fn push(&mut self, last: &Segment, kind: JsonType) -> bool {
        if self.told.len() >= MOST_IN_RECORD {
            return false;
        }
        let last = FieldPath { segments: vec![last.clone()], open: false };
        self.told.push(Undeclared { shape: self.shape.clone(), path: self.path.join(&last).to_string(), kind });
        true
    }
}

/// What came of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Nothing,
    /// It is new, or came with people whom it had not come with.
    More,
    /// It is none to be told.
    Unfit,
    Told,
}

/// Whether two lists in order have an element in common.
fn have_somebody_in_common(one: &[Person], other: &[Person]) -> bool {
    one.iter().any(|person| other.binary_search(person).is_ok())
}

#[cfg(test)]
mod tests;
