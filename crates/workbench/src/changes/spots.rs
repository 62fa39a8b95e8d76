//! [`Spot`]: a set of places in the bodies of two routes that each policy decides as one.
//!
//! An entry's path names many places, and another entry or a `deny` may speak of some of them only: what either policy gives is
//! the same at each place only where none of the paths of both cuts any more. So levels are compared at the paths themselves and
//! wherever several of them meet, with and without each filter.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::rc::Rc;

use fieldgate::model::Governed;
use fieldgate::model::field_path::{FieldPath, Filter, Segment};

/// Spots of two routes that are compared: filters that select independently of each other meet in ever new ways.
const MOST: usize = 4096;

/// Places that a path names, or that several paths name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    steps: Vec<Ways>,
    /// Whether it is all that is below the steps, at any depth.
    below: bool,
}

/// One step to a place: a member of that name or any other child, which these filters select and no other does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Ways {
    name: Option<Rc<str>>,
    /// By text, without repeats.
    filters: Vec<Filter>,
}

impl Ways {
    fn of(segment: &Segment) -> Self {
        match segment {
            Segment::Member(name) => Self { name: Some(Rc::clone(name)), filters: Vec::new() },
            Segment::Any => Self { name: None, filters: Vec::new() },
            Segment::Filtered(filter) => Self { name: None, filters: vec![filter.clone()] },
        }
    }

    /// The step that is both.
    fn meet(&self, other: &Self) -> Option<Self> {
        let name = match (&self.name, &other.name) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        let mut filters = self.filters.clone();
        for filter in &other.filters {
            if filters.iter().any(|known| known.excludes(filter)) {
                return None;
            }
            if !filters.contains(filter) {
                filters.push(filter.clone());
            }
        }
        filters.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        Some(Self { name, filters })
    }

    /// Whether a path's segment takes every such step.
    fn is_of(&self, segment: &Segment) -> bool {
        match segment {
            Segment::Any => true,
            Segment::Member(name) => self.name.as_ref() == Some(name),
            Segment::Filtered(filter) => self.filters.contains(filter),
        }
    }
}

impl Spot {
    /// The places that a path names.
    pub(super) fn of(path: &FieldPath) -> Self {
        Self { steps: path.segments.iter().map(Ways::of).collect(), below: path.open }
    }

    /// What is both, if anything can be.
    fn meet(&self, other: &Self) -> Option<Self> {
        let (short, long) = if self.steps.len() <= other.steps.len() { (self, other) } else { (other, self) };
        let fits = if short.steps.len() == long.steps.len() { short.below == long.below } else { short.below };
        if !fits {
            return None;
        }
        let met = short.steps.iter().zip(&long.steps).map(|(one, other)| one.meet(other));
        let mut steps: Vec<Ways> = met.collect::<Option<_>>()?;
        steps.extend(long.steps.iter().skip(steps.len()).cloned());
        Some(Self { steps, below: long.below })
    }

    /// Whether every place of it is one of the other's.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.meet(other).as_ref() == Some(self)
    }

    /// Whether some place of it may be in a container that is at a place of the other's.
    pub(super) fn may_be_in(&self, container: &Self) -> bool {
        let deep = self.below || container.below || self.steps.len() > container.steps.len();
        deep && self.steps.iter().zip(&container.steps).all(|(one, other)| one.meet(other).is_some())
    }

    /// Whether a path names every place of it (rule 12).
    fn is_named(&self, path: &FieldPath) -> bool {
        let (ours, theirs) = (self.steps.len(), path.segments.len());
        let deep = match (path.open, self.below) {
            (true, true) => ours >= theirs,
            (true, false) => ours > theirs,
            (false, true) => false,
            (false, false) => ours == theirs,
        };
        deep && self.takes(path)
    }

    /// Whether a `deny` of a path hides every place of it (rules 13 and 17).
    pub(super) fn is_denied(&self, path: &FieldPath) -> bool {
        let (ours, theirs) = (self.steps.len(), path.segments.len());
        let deep = if path.open { ours > theirs || (self.below && ours == theirs) } else { ours >= theirs };
        deep && self.takes(path)
    }

    fn takes(&self, path: &FieldPath) -> bool {
        self.steps.iter().zip(&path.segments).all(|(step, segment)| step.is_of(segment))
    }

    /// The entries that name every place of it.
    pub(super) fn entries(&self, governed: &Governed) -> Vec<usize> {
        let entries = governed.entries.iter().enumerate();
        entries.filter(|(_, entry)| self.is_named(&entry.path)).map(|(index, _)| index).collect()
    }

    /// Where an entry names places below every container that is at a place of it, the spot of those places.
    pub(super) fn through(&self, path: &FieldPath) -> Option<Self> {
        let (ours, theirs) = (self.steps.len(), path.segments.len());
        let deep = match (path.open, self.below) {
            (true, _) => true,
            (false, true) => false,
            (false, false) => theirs > ours,
        };
        if !deep || !self.takes(path) || (self.below && ours < theirs) {
            return None;
        }
        let rest = path.segments.iter().skip(ours).map(Ways::of);
        let steps = self.steps.iter().cloned().chain(rest).collect();
        Some(Self { steps, below: path.open })
    }

    /// The containers on the way to it, the root first.
    fn containers(&self) -> impl Iterator<Item = Self> {
        let above = (0..self.steps.len())
            .map(|length| Self { steps: self.steps.iter().take(length).cloned().collect(), below: false });
        let here = self.below.then(|| Self { steps: self.steps.clone(), below: false });
        above.chain(here).chain(self.below.then(|| self.clone()))
    }
}

/// A path; what no path says, a member that a filter has to select or several filters on one step, in brackets that are read as
/// such.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("$");
        let mut conditions = Vec::new();
        for step in &self.steps {
            let filters: Vec<&str> = step.filters.iter().map(Filter::as_str).collect();
            match &step.name {
                Some(name) => {
                    let one = FieldPath { segments: vec![Segment::Member(Rc::clone(name))], open: false };
                    text.push_str(one.to_string().trim_start_matches('$'));
                    conditions.extend(filters.iter().map(|filter| format!("[?{filter}] selects {text}")));
                }
                None if filters.is_empty() => text.push_str("[*]"),
                None if filters.len() == 1 => write!(text, "[?{}]", filters.concat())?,
                None => write!(text, "[?({})]", filters.join(") && ("))?,
            }
        }
        text.push_str(if self.below { "..*" } else { "" });
        f.write_str(&text)?;
        if conditions.is_empty() { Ok(()) } else { write!(f, " (where {})", conditions.join(" and ")) }
    }
}

/// The spots of two routes, and whether these are all.
pub(super) struct Spots {
    /// Where there are scalars: the paths of the first route and those of the second, then where they meet.
    pub(super) scalars: Vec<Spot>,
    /// Where there are containers.
    pub(super) containers: Vec<Spot>,
    /// Whether no other meet.
    pub(super) complete: bool,
}

impl Spots {
    /// Of the entries and denies of both.
    pub(super) fn of(routes: &[&Governed]) -> Self {
        let mut denied: Vec<Spot> = Vec::new();
        for (_, path) in routes.iter().flat_map(|route| &route.denies) {
            // A `deny` is of its place and of all below.
            let spot = Spot::of(path);
            denied.push(Spot { below: true, ..spot.clone() });
            denied.push(spot);
        }
        let named: Vec<Spot> =
            routes.iter().flat_map(|route| route.entries.iter()).map(|entry| Spot::of(&entry.path)).collect();
        let above: Vec<Spot> = named.iter().flat_map(Spot::containers).collect();
        let (scalars, all) = met(named, &denied);
        let (containers, too) = met(above, &denied);
        Self { scalars, containers, complete: all && too }
    }
}

/// The spots and wherever they meet each other or these further ones, each once; and whether that is all of them.
fn met(spots: Vec<Spot>, further: &[Spot]) -> (Vec<Spot>, bool) {
    let mut seen: HashSet<Spot> = HashSet::new();
    let mut found: Vec<Spot> = spots.into_iter().filter(|spot| seen.insert(spot.clone())).collect();
    let base: Vec<Spot> = found.iter().chain(further).cloned().collect();
    let mut next = 0;
    while let Some(spot) = found.get(next).cloned() {
        for met in base.iter().filter_map(|other| spot.meet(other)) {
            if !seen.contains(&met) {
                if found.len() >= MOST.max(base.len()) {
                    return (found, false);
                }
                seen.insert(met.clone());
                found.push(met);
            }
        }
        next = next.saturating_add(1);
    }
    (found, true)
}
