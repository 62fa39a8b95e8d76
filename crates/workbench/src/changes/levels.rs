//! Changes of level, cell by cell: for every scope alone, and under every client entry.
//!
//! At an unchanged level a form that shows more, or may (a longer mask, a detector that is gone or looks for something else), is a gain too.

use std::collections::BTreeSet;

use crate::suite::forms;
use crate::suite::verdict::{Verdict, client_entry, word};
use fieldgate::model::{Entry, Level, Link, Mask};
use fieldgate::policy::PolicySet;

use super::{Change, Direction, key};
use crate::cells::{self, FieldCells, RouteCells};
use crate::loaded::Loaded;

/// The changes of level, and of form at an unchanged level.
pub(super) fn compare(old: &PolicySet, new: &Loaded, changes: &mut Vec<Change>) {
    let base = cell_changes(old, new, None);
    let clients: BTreeSet<&str> = old
        .clients
        .iter()
        .chain(&new.policy.clients)
        .map(|client| client.name.as_str())
        .filter(|name| *name != "*")
        .collect();
    for client in clients {
        // What changes for everybody changes for the client too: only what is otherwise is said.
        let own = cell_changes(old, new, Some(client));
        changes.extend(
            own.into_iter()
                .filter(|change| !base.contains(change))
                .map(|change| Change { who: format!("{} (client {client})", change.who), ..change }),
        );
    }
    changes.extend(together(base, new.policy.scopes.len()));
}

/// A change that all scopes share is one change.
fn together(changes: Vec<Change>, scopes: usize) -> Vec<Change> {
    let mut kept: Vec<Change> = Vec::new();
    for change in &changes {
        let alike = |other: &Change| {
            (other.direction, &other.route, &other.what, &other.from, &other.to)
                == (change.direction, &change.route, &change.what, &change.from, &change.to)
        };
        let same = changes.iter().filter(|other| alike(other)).count();
        if scopes > 1 && same == scopes {
            let who = format!("all {scopes} scopes");
            if !kept.iter().any(|other| other.who == who && alike(other)) {
                kept.push(Change { who, ..change.clone() });
            }
        } else {
            kept.push(change.clone());
        }
    }
    kept
}

fn cell_changes(old: &PolicySet, new: &Loaded, client: Option<&str>) -> Vec<Change> {
    let before = cells::of(old, client_entry(old, client));
    let after = cells::of(&new.policy, client_entry(&new.policy, client));
    let mut changes = Vec::new();
    for route in &after {
        let was = before.iter().find(|other| key(other.route) == key(route.route));
        for field in &route.fields {
            let was_field = was.and_then(|route| route.fields.iter().find(|other| other.path == field.path));
            for (index, scope) in new.policy.scopes.iter().enumerate() {
                let was_scope = old.scopes.iter().position(|other| other.name == scope.name);
                let was_verdict = was_field.zip(was_scope).and_then(|(field, index)| verdict(field, index));
                let change = CellChange {
                    scope: &scope.name,
                    route: &route.route.name,
                    was: was_verdict,
                    is: verdict(field, index),
                    existed: was_field.is_some(),
                };
                let entries = was.zip(was_field).and_then(|(route, field)| route.governed.entries.get(field.entry));
                changes.extend(change.change(new, route, field, entries));
            }
        }
    }
    for route in &before {
        let is = after.iter().find(|other| key(other.route) == key(route.route));
        let Some(is) = is else { continue };
        for field in route.fields.iter().filter(|field| !is.fields.iter().any(|other| other.path == field.path)) {
            for (index, scope) in old.scopes.iter().enumerate() {
                if let Some(was) = verdict(field, index).filter(|was| was.level > Level::Hide) {
                    changes.push(Change {
                        direction: Direction::Loss,
                        who: scope.name.clone(),
                        route: is.route.name.clone(),
                        what: field.path.clone(),
                        from: word(was.level).to_owned(),
                        to: "gone".to_owned(),
                        because: None,
                        at: None,
                    });
                }
            }
        }
    }
    changes
}

fn verdict(field: &FieldCells, scope: usize) -> Option<&Verdict> {
    field.verdicts.get(scope).and_then(Option::as_ref)
}

struct CellChange<'a> {
    scope: &'a str,
    route: &'a str,
    was: Option<&'a Verdict>,
    is: Option<&'a Verdict>,
    existed: bool,
}

impl CellChange<'_> {
    fn change(
        &self,
        new: &Loaded,
        route: &RouteCells<'_>,
        field: &FieldCells,
        before: Option<&Entry>,
    ) -> Option<Change> {
        let level = |verdict: Option<&Verdict>| verdict.map_or(Level::Hide, |verdict| verdict.level);
        let (was, is) = (level(self.was), level(self.is));
        let entry = route.governed.entries.get(field.entry);
        let (direction, from, to) = match was.cmp(&is) {
            std::cmp::Ordering::Less => {
                let from = if self.existed { word(was) } else { "new" };
                (Direction::Gain, from.to_owned(), word(is).to_owned())
            }
            std::cmp::Ordering::Greater => (Direction::Loss, word(was).to_owned(), word(is).to_owned()),
            std::cmp::Ordering::Equal => form_change(is, before?, entry?)?,
        };
        Some(Change {
            direction,
            who: self.scope.to_owned(),
            route: self.route.to_owned(),
            what: field.path.clone(),
            from,
            to,
            because: self.is.filter(|_| direction == Direction::Gain).map(|verdict| because(new, route, verdict)),
            at: entry.filter(|_| !self.existed).map(|entry| new.sources.location(entry.span).to_string()),
        })
    }
}

/// The deciding reason of a gain.
fn because(new: &Loaded, route: &RouteCells<'_>, verdict: &Verdict) -> String {
    let all = crate::suite::reasons(&new.policy, route.governed, verdict, Some(new.doc.root()));
    let said: Vec<String> = all
        .iter()
        .filter(|reason| reason.decides)
        .map(|reason| match reason.topic.strip_prefix("class ") {
            Some(class) => format!("class {class}"),
            None => reason.text.clone(),
        })
        .collect();
    format!("({})", said.join(", "))
}

/// A change of form at an unchanged level.
fn form_change(level: Level, was: &Entry, is: &Entry) -> Option<(Direction, String, String)> {
    match level {
        Level::Mask if was.mask != is.mask => {
            let text = |mask: Option<Mask>| mask.map_or("mask".to_owned(), |mask| format!("mask {mask}"));
            let less = was.mask.zip(is.mask).is_some_and(|(was, is)| is.is_within(was));
            Some((if less { Direction::Loss } else { Direction::Gain }, text(was.mask), text(is.mask)))
        }
        Level::Pseudonym if was.pseudonym != is.pseudonym => {
            let text = |entry: &Entry| {
                let form = entry.pseudonym.as_ref();
                form.map_or("pseudonym".to_owned(), |form| format!("pseudonym {}", forms::pseudonym(form)))
            };
            let link = |entry: &Entry| entry.pseudonym.as_ref().map(|form| form.link);
            let direction = match (link(was), link(is)) {
                (Some(Link::All), Some(Link::Client)) => Direction::Loss,
                (Some(Link::Client), Some(Link::All)) => Direction::Gain,
                _ => Direction::Other,
            };
            Some((direction, text(was), text(is)))
        }
        Level::Show if detectors(was) != detectors(is) => {
            let now = detectors(is);
            let gone = detectors(was).iter().any(|detector| !now.contains(detector));
            let text = |entry: &Entry| format!("show, detect [{}]", detectors(entry).join(", "));
            Some((if gone { Direction::Gain } else { Direction::Loss }, text(was), text(is)))
        }
        Level::Blank if was.blank != is.blank => {
            // One that says nothing falls to its class, whose change is a line of its own.
            let text = |entry: &Entry| {
                entry.blank.as_ref().map_or_else(|| "blank of its class".to_owned(), |blank| format!("blank {blank}"))
            };
            Some((Direction::Other, text(was), text(is)))
        }
        _ => None,
    }
}

/// The detectors of an entry, a policy's own with what they find: under one name another pattern is another detector.
fn detectors(entry: &Entry) -> Vec<String> {
    entry.detect.iter().map(forms::detector).collect()
}
