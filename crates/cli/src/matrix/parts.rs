//! Cells of which another entry shows a part: a level is that of the places that the field's own entries name.

use std::collections::BTreeMap;

use fieldgate::model::{BudgetStep, ClientId, Level, ScopeId, StepEffect};
use fieldgate::policy::PolicySet;
use fieldgate_workbench::suite::budgets;
use fieldgate_workbench::suite::parts::{Part, raised};
use fieldgate_workbench::suite::verdict::Verdict;

use super::Drawn;
use crate::cells::{self, FieldCells, Narrowed, RouteCells};

impl Drawn<'_> {
    /// What is to be known of a route's cells, and which of them another entry shows in part.
    pub(super) fn notes(&self, cells: &RouteCells<'_>) -> Vec<String> {
        let shown = Narrowed { scopes: Some(&self.scopes), classes: self.classes };
        let mut notes = cells::notes(self.policy, cells, (self.client, self.used), shown);
        for field in &cells.fields {
            let mut scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for index in &self.scopes {
                let Some(scope) = self.policy.scopes.get(*index) else { continue };
                for said in in_part(self.policy, cells, field, *index, (self.client, self.used)) {
                    scopes.entry(said).or_default().push(&scope.name);
                }
            }
            let said =
                scopes.into_iter().map(|(said, scopes)| format!("{} {said}, for {}", field.path, scopes.join(", ")));
            notes.extend(said);
        }
        notes
    }
}

/// What a cell says where another entry shows a part of it.
pub(super) fn in_part(
    policy: &PolicySet,
    cells: &RouteCells<'_>,
    field: &FieldCells,
    scope: usize,
    (client, used): (Option<ClientId>, Option<u8>),
) -> Vec<String> {
    let path = cells.governed.entries.get(field.entry).map(|entry| &entry.path);
    let (Some(path), Some(Some(_)), Ok(id)) = (path, field.verdicts.get(scope), u16::try_from(scope)) else {
        return Vec::new();
    };
    let step = used.and_then(|used| budgets::effect_at(policy, cells.route, client, used));
    let lowered = |verdict: Verdict| match step {
        Some((id, BudgetStep { percent, then: StepEffect::Ceiling(level) })) => {
            verdict.under(cells.governed, id, percent, level)
        }
        Some((id, BudgetStep { percent, then: StepEffect::Reject })) => {
            verdict.under(cells.governed, id, percent, Level::Hide)
        }
        None => verdict,
    };
    let parts = raised(policy, cells.governed, path, (client, &[ScopeId(id)]), lowered);
    parts.iter().map(Part::said).collect()
}
