//! `nothing_else_above`: what comes out without an expectation of its own.

use serde_json::Value;

use super::super::Expectation;
use super::super::place::{Pattern, scalars};
use super::super::verdict::{Judged, word};
use super::{Finding, FindingKind, Row, same, short, void};
use fieldgate::diagnostic::Span;
use fieldgate::model::field_path::FieldPath;
use fieldgate::model::{Governed, Level, RouteBody};

impl Row<'_> {
    /// What comes out without an expectation of its own, and above the bound.
    ///
    /// Elements may have been removed, so a place in what came out is compared with every place of the upstream's body that it may
    /// have been. A scalar above the bound is found by its level there, and at show by its value too; a scalar that the
    /// policy hides everywhere is one too many whatever the bound.
    pub(super) fn closed(&self, bound: Level, span: Span, fields: &[Expectation]) -> Vec<Finding> {
        let expected = format!("nothing else above {}", word(bound));
        if self.sent_whole && self.sent.iter().all(|text| scalars(text).is_empty()) {
            let got = "the response has no value, so nothing of it can come out above a level".to_owned();
            return vec![void(span, "nothing_else_above", got)];
        }
        if !self.came_whole {
            return vec![self.unread(span, "the response", expected)];
        }
        let judged = self.judged();
        let mut findings: Vec<Finding> = Vec::new();
        for (place, value) in self.came.iter().flat_map(|text| scalars(text)) {
            if fields.iter().any(|field| field.pattern.covers(&place)) {
                continue;
            }
            let general = place.general();
            let level = self.level_of(&judged, &general, value);
            // `null` passes where a container would, and says no more than an empty one (rule 25).
            if level.is_none() && value.is_null() && self.is_container(&general) {
                continue;
            }
            let over = level.is_none_or(|level| level > bound);
            if over && !findings.iter().any(|finding| finding.subject == general) {
                let because = Pattern::parse(&general).map(|pattern| self.why(&pattern).because).unwrap_or_default();
                findings.push(Finding {
                    kind: FindingKind::Unmet,
                    span,
                    subject: general,
                    expected: expected.clone(),
                    got: match level {
                        Some(level) => format!("{} at {}", short(value), word(level)),
                        None => format!("{}, which the policy hides", short(value)),
                    },
                    because,
                    perhaps: None,
                    update: None,
                });
            }
        }
        findings
    }

    /// The highest level at which a value can have come out of a place; `None` where the policy hides all that it can have been.
    fn level_of(&self, judged: &[Judged<'_>], general: &str, value: &Value) -> Option<Level> {
        if !self.governed() || self.setting.route.is_none() {
            // An error's root members come out as they are (rule 29).
            return Some(Level::Show);
        }
        judged
            .iter()
            .filter(|one| one.place.general() == general)
            .filter(|one| one.verdict.level != Level::Show || self.searched(one) || same(one.value, value))
            .map(|one| one.verdict.level)
            .max()
            .filter(|level| *level != Level::Hide)
    }

    fn shapes(&self) -> Option<&Governed> {
        match self.setting.route.map(|route| &route.body) {
            Some(RouteBody::Governed(governed)) => Some(governed),
            _ => None,
        }
    }

    /// Whether an entry names something below the place.
    fn is_container(&self, general: &str) -> bool {
        let (Some(governed), Ok(place)) = (self.shapes(), FieldPath::parse(general)) else { return false };
        let deeper = |path: &FieldPath| path.open || path.segments.len() > place.segments.len();
        governed.entries.iter().any(|entry| deeper(&entry.path) && entry.path.reaches_into(&place))
    }

    /// Whether detectors may change the value at show (rule 27).
    fn searched(&self, one: &Judged<'_>) -> bool {
        let Some(governed) = self.shapes() else { return false };
        let mut entries = one.verdict.entries.iter().filter_map(|index| governed.entries.get(*index));
        entries.any(|entry| !entry.detect.is_empty())
    }
}
