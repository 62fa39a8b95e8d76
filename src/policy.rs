//! The policy language.

pub mod field_path;
pub mod model;

pub use model::PolicySet;
