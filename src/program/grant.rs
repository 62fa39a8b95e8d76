//! Levels: what a set of scopes and ceilings gives for a set of entries (rules 13, 15 to 18). Pure, on indexes.

use std::rc::Rc;

use serde_json::Value;

use super::ids::{NamespaceId, distinct};
use crate::model::{Ceiling, ClassId, ClientId, Detector, Entry, Level, Mask, PolicySet, Pseudonym, ScopeId};

/// JSON text of the replacement that always exists (rule 18).
const NULL: &str = "null";

/// Whose levels are asked for on one route: the ceilings that bind the caller there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grants<'a> {
    policy: &'a PolicySet,
    client: Option<&'a Ceiling>,
    route: &'a Ceiling,
    /// That of the budgets' steps.
    step: Level,
}

/// What a scalar becomes, forms settled (rules 18 to 24, 27).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScalarRule {
    /// Removed.
    Hide,
    /// Its bytes unchanged.
    Show,
    /// Its bytes unchanged but for what the detectors find.
    Detect {
        /// Sorted, without repeats.
        detectors: Rc<[Detector]>,
        /// For strings too long to be searched (rule 27).
        blank: Rc<str>,
    },
    /// Masked; a misfit becomes `blank`.
    Mask {
        /// The form.
        form: Mask,
        /// JSON text for a misfit.
        blank: Rc<str>,
    },
    /// Pseudonymised; a misfit becomes `blank`.
    Pseudonym {
        /// The form.
        form: Pseudonym,
        /// JSON text for a misfit.
        blank: Rc<str>,
    },
    /// Replaced by this JSON text.
    Blank(Rc<str>),
    /// It names subjects (rule 34), and becomes what the rule within says, which is none of these.
    Subject {
        /// The kinds of subject.
        namespaces: Rc<[NamespaceId]>,
        /// What it becomes.
        then: Rc<ScalarRule>,
    },
}

impl ScalarRule {
    /// What a scalar becomes, whether or not it names a subject.
    #[must_use]
    #[inline(always)]
    pub fn fate(&self) -> &Self {
        match self {
            Self::Subject { then, .. } => then,
            rule => rule,
        }
    }
}

/// What a classified response header becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderRule {
    /// Kept as it is.
    Keep,
    /// Its value is replaced. A header has no form at mask or pseudonym, so these levels end here too (rule 18).
    Replace(String),
    /// Removed.
    Drop,
}

impl<'a> Grants<'a> {
    pub(super) fn new(policy: &'a PolicySet, client: Option<ClientId>, route: &'a Ceiling, step: Level) -> Self {
        let client = client.and_then(|id| policy.clients.get(usize::from(id.0))).map(|client| &client.ceiling);
        Self { policy, client, route, step }
    }

    /// The level of a scalar that `entries` match, for these active scopes. No entry, no class, no scope: hide (rule 14).
    pub(super) fn level(&self, entries: &[&Entry], scopes: &[ScopeId]) -> Level {
        let classes = || entries.iter().flat_map(|entry| entry.classes.iter().copied());
        // Scopes add to each other: the highest of what they give (rule 16).
        let granted = scopes.iter().map(|scope| self.by_scope(entries, *scope)).max();
        self.under_ceilings(granted.unwrap_or(Level::Hide), classes())
    }

    /// What a response header with these classes becomes (rule 31).
    pub(super) fn header_rule(&self, classes: &[ClassId], scopes: &[ScopeId]) -> HeaderRule {
        match self.header_level(classes, scopes) {
            Level::Hide => HeaderRule::Drop,
            Level::Show => HeaderRule::Keep,
            Level::Mask | Level::Pseudonym | Level::Blank => {
                HeaderRule::Replace(header_text(self.class_blank(classes.iter().copied())))
            }
        }
    }

    fn header_level(&self, classes: &[ClassId], scopes: &[ScopeId]) -> Level {
        let granted = scopes.iter().map(|scope| self.by_classes(classes.iter().copied(), *scope)).max();
        self.under_ceilings(granted.unwrap_or(Level::Hide), classes.iter().copied())
    }

    /// Rule 15: the scope's own levels for matching entries, the lowest of them; else the lowest over all classes.
    fn by_scope(&self, entries: &[&Entry], scope: ScopeId) -> Level {
        entries
            .iter()
            .flat_map(|entry| entry.overrides.iter())
            .filter(|(of, _)| *of == scope)
            .map(|(_, level)| *level)
            .min()
            .unwrap_or_else(|| self.by_classes(entries.iter().flat_map(|entry| entry.classes.iter().copied()), scope))
    }

    fn by_classes(&self, classes: impl Iterator<Item = ClassId>, scope: ScopeId) -> Level {
        let grant = self.policy.scopes.get(usize::from(scope.0)).map(|scope| scope.grant.as_slice());
        let of = |class: ClassId| grant.and_then(|grant| grant.get(usize::from(class.0)).copied());
        // A class that the scope does not grant is at hide, so a value of two classes needs both.
        classes.map(|class| of(class).unwrap_or(Level::Hide)).min().unwrap_or(Level::Hide)
    }

    /// Rule 17: nothing raises a level afterwards.
    fn under_ceilings(&self, level: Level, classes: impl Iterator<Item = ClassId>) -> Level {
        classes
            .map(|class| {
                let client = self.client.map_or(Level::Show, |ceiling| ceiling.of(class));
                client.min(self.route.of(class))
            })
            // A minimum, never an assignment: no ceiling can raise what another has lowered.
            .fold(level.min(self.step), Level::min)
    }

    /// What a scalar that `entries` match becomes (rules 13, 15 to 18, 27).
    pub(super) fn rule(&self, entries: &[&Entry], scopes: &[ScopeId]) -> ScalarRule {
        self.rule_at(self.level(entries, scopes), entries)
    }

    /// What a scalar that `entries` match becomes at their level (rules 13, 18, 27).
    pub(super) fn rule_at(&self, level: Level, entries: &[&Entry]) -> ScalarRule {
        let blank = || self.blank(entries);
        match level {
            Level::Hide => return ScalarRule::Hide,
            Level::Show => {
                let detectors = distinct(entries.iter().flat_map(|entry| entry.detect.clone()));
                return if detectors.is_empty() {
                    ScalarRule::Show
                } else {
                    ScalarRule::Detect { detectors: detectors.into(), blank: blank() }
                };
            }
            Level::Mask | Level::Pseudonym | Level::Blank => {}
        }
        if level == Level::Mask
            && let Some(form) = agreed(entries.iter().filter_map(|entry| entry.mask))
        {
            return ScalarRule::Mask { form, blank: blank() };
        }
        if level >= Level::Pseudonym
            && let Some(form) = agreed(entries.iter().filter_map(|entry| entry.pseudonym.as_ref()))
        {
            return ScalarRule::Pseudonym { form: form.clone(), blank: blank() };
        }
        ScalarRule::Blank(blank())
    }

    /// The field's replacement, else the classes', else `null` (rule 18).
    fn blank(&self, entries: &[&Entry]) -> Rc<str> {
        let classes = || entries.iter().flat_map(|entry| entry.classes.iter().copied());
        agreed(entries.iter().filter_map(|entry| entry.blank.as_ref()))
            .or_else(|| self.class_blank(classes()))
            .map_or_else(|| NULL.into(), Rc::clone)
    }

    /// The replacement that all classes which have one agree on.
    fn class_blank(&self, classes: impl Iterator<Item = ClassId>) -> Option<&'a Rc<str>> {
        let policy = self.policy;
        agreed(classes.filter_map(move |class| policy.classes.get(usize::from(class.0))?.blank.as_ref()))
    }
}

/// The one value that all agree on; none if there is none, or if two differ (rule 13).
fn agreed<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// A class's replacement as a header value: a string's text, another scalar's JSON text, nothing for `null`.
fn header_text(blank: Option<&Rc<str>>) -> String {
    match blank.and_then(|blank| serde_json::from_str(blank).ok()) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) => text,
        Some(Value::String(_)) => String::new(),
        Some(other) => other.to_string(),
    }
}
