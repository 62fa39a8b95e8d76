//! The policy language: from what an author writes to a [`PolicySet`] that is valid by construction.
//!
//! YAML files, one JSON document or a protobuf `Struct` → [`PolicyDoc`], untrusted and with places → [`check`] →
//! [`PolicySet`]. Every reader and `check` report everything they find at once, as [`Diagnostics`].
//!
//! No YAML parser and no lints are in the plugin: it reads the one-document JSON form that [`to_json`] writes, or a
//! `Struct`, and whoever wrote that has run `fieldgate check`.

mod check;
mod digest;
#[cfg(not(target_os = "wasi"))]
mod file_kind;
#[cfg(not(target_os = "wasi"))]
mod lint;
pub mod similar;

pub use check::{check, check_at};
pub use digest::digest;
#[cfg(not(target_os = "wasi"))]
pub use file_kind::{FileKind, IGNORE, not_a_policy, same_name, unread};

#[cfg(not(target_os = "wasi"))]
pub use crate::document::{Disk, Files, load};
pub use crate::document::{PolicyDoc, json_document, to_json};
pub use crate::model::PolicySet;

#[cfg(test)]
pub(crate) mod tests;

/// A path of a route; `None` where `check` would say what is wrong with it (rules 3 and 4).
#[cfg(not(target_os = "wasi"))]
pub fn path_template(path: &str) -> Option<model::Template> {
    check::path_template(path)
}

use crate::diagnostic::Diagnostics;
use crate::document::struct_document;
#[cfg(not(target_os = "wasi"))]
use crate::model;

/// Reads and checks the policy whose root file is at `root`, with what it includes (rule 1).
///
/// # Errors
/// All diagnostics, if at least one is an error.
#[cfg(not(target_os = "wasi"))]
pub fn from_yaml(root: &std::path::Path) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    load(&Disk, &root.to_string_lossy()).and_then(|doc| check(&doc))
}

/// Reads and checks a policy in its one-document JSON form, as the plugin gets it in a `StringValue`.
///
/// # Errors
/// All diagnostics, if at least one is an error.
///
/// # Examples
///
/// Everything that is wrong is found at once:
///
/// ```
/// use fieldgate::diagnostic::Code;
/// use fieldgate::policy;
///
/// let found = policy::from_json(br#"{"language": 1, "polcy": "accounts"}"#).map(|_| ()).unwrap_err();
/// let codes: Vec<Code> = found.items().iter().map(|item| item.code).collect();
/// assert!(codes.contains(&Code::UnknownKey) && codes.contains(&Code::MissingKey));
/// ```
pub fn from_json(text: &[u8]) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    json_document("policy.json", text).and_then(|doc| check(&doc))
}

/// Reads and checks a policy from the bytes of a protobuf `google.protobuf.Struct`.
///
/// # Errors
/// All diagnostics, if at least one is an error.
pub fn from_struct(bytes: &[u8]) -> Result<(PolicySet, Diagnostics), Diagnostics> {
    struct_document("policy", bytes).and_then(|doc| check(&doc))
}
