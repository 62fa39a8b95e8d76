//! Lints: what a valid policy says that its author may not have meant. Not in the plugin.

use super::document::PolicyDoc;
use super::model::PolicySet;
use crate::diagnostic::Diagnostic;

/// Adds warnings and notes about a policy that can be made.
pub(super) fn lint(_policy: &PolicySet, _doc: &PolicyDoc, _found: &mut Vec<Diagnostic>) {}
