//! Forms that hide little: masks that leave most of a value, and links that undo a pseudonym (rules 20, 22 and 23).

use std::collections::{BTreeMap, BTreeSet};

use super::Lint;
use super::levels::level;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::field_path::{FieldPath, Segment};
use crate::model::{Entry, Governed, Level, Mask, Route, RouteBody, innermost_array};

/// Most characters that a mask may leave: of an IBAN, a telephone number or an id, more are enough to know it by.
const MOST_LEFT: u32 = 12;

/// Members that hold links. Those below `_links` and `Links` do too, whatever their names are.
const LINKS: [&str; 9] = ["self", "next", "prev", "previous", "first", "last", "href", "link", "url"];

/// Members whose hundredths are far apart: coordinates.
const COORDINATES: [&str; 8] = ["coordinates", "geo", "lat", "latitude", "lng", "location", "lon", "longitude"];

impl Lint<'_> {
    pub(super) fn leaks(&mut self) {
        self.loose_masks();
        self.links_beside_pseudonyms();
    }

    fn loose_masks(&mut self) {
        let mut found: BTreeMap<Span, Diagnostic> = BTreeMap::new();
        for entry in self.policy.routes.iter().filter_map(governed).flat_map(|governed| governed.entries.iter()) {
            let Some(mask) = entry.mask else { continue };
            // No wildcard: a new form may leave most of a value, too.
            let (why, help) = match mask {
                Mask::First(_) | Mask::Last(_) | Mask::Ends { .. } => {
                    let left = mask.ends().map_or(0, |(first, last)| first.saturating_add(last));
                    if left <= MOST_LEFT {
                        continue;
                    }
                    (
                        format!("leaves {left} characters, most of what it is to hide"),
                        format!("leave {MOST_LEFT} or fewer; four tell most records apart"),
                    )
                }
                Mask::Round(step) if step.is_a_hundredth_at_most() && !names(&entry.path, &COORDINATES) => (
                    "changes no amount of two decimals".to_owned(),
                    "round to more: `mask: {round: 100}`; or let the class be shown".to_owned(),
                ),
                Mask::Round(_) | Mask::Email | Mask::Year | Mask::Month | Mask::Initials => continue,
            };
            let field = entry.names.last().map_or(&entry.path, |(_, path)| path);
            let message = format!("the mask `{mask}` of `{field}` {why}");
            let diagnostic = Diagnostic::at(Code::MaskShowsMost, entry.span, message).help(help);
            found.entry(entry.span).or_insert(diagnostic);
        }
        self.found.extend(found.into_values());
    }

    /// Links that a scope gets as they are, and the record's id only as a pseudonym.
    fn links_beside_pseudonyms(&mut self) {
        let mut told: BTreeSet<Span> = BTreeSet::new();
        let mut found = Vec::new();
        for route in &self.policy.routes {
            let Some(governed) = governed(route) else { continue };
            for (id, scope) in self.scopes_on(route) {
                let at = |entry: &Entry| level(entry, id, scope).map(|(level, _)| level);
                let hidden: Vec<&Entry> = governed
                    .entries
                    .iter()
                    .filter(|entry| entry.pseudonym.is_some() && at(entry) == Some(Level::Pseudonym))
                    .collect();
                let shown =
                    governed.entries.iter().filter(|entry| at(entry) == Some(Level::Show) && entry.detect.is_empty());
                for link in shown.filter(|entry| is_link(&entry.path)) {
                    let Some(hidden) = hidden.iter().find(|entry| beside(route, &link.path, &entry.path)) else {
                        continue;
                    };
                    if told.insert(link.span) {
                        let message = format!(
                            "`{}` gets the link `{}` as it is, and `{}` as a pseudonym: a link mostly has the id in it",
                            scope.name, link.path, hidden.path
                        );
                        found.push(
                            Diagnostic::at(Code::LinkBesidePseudonym, link.span, message)
                                .label(hidden.span, "the pseudonym")
                                .help("leave the link out, or give it the class of the id and a `blank`"),
                        );
                    }
                }
            }
        }
        self.found.extend(found);
    }
}

fn governed(route: &Route) -> Option<&Governed> {
    match &route.body {
        RouteBody::Governed(governed) => Some(governed),
        RouteBody::Pass(_) => None,
    }
}

fn members(path: &FieldPath) -> impl DoubleEndedIterator<Item = &str> {
    path.segments.iter().filter_map(|segment| match segment {
        Segment::Member(name) => Some(&**name),
        Segment::Any | Segment::Filtered(_) => None,
    })
}

/// Whether a member on the way is called so, in either case.
fn names(path: &FieldPath, words: &[&str]) -> bool {
    members(path).any(|name| words.contains(&name.to_lowercase().as_str()))
}

fn is_link(path: &FieldPath) -> bool {
    let last = members(path).next_back().map(str::to_lowercase);
    last.is_some_and(|last| LINKS.contains(&last.as_str())) || names(path, &["_links", "links"])
}

/// Whether a link speaks of what the other place identifies: both are of one record, or the link is of the whole body and the
/// route's path names one record.
fn beside(route: &Route, link: &FieldPath, id: &FieldPath) -> bool {
    let (of_link, of_id) = (innermost_array(link), innermost_array(id));
    of_link == of_id
        || (of_link.is_none() && route.template.segments.iter().any(|segment| segment.parameter().is_some()))
}
