//! Fieldgate: a filter for API responses that shows each caller only the fields it needs.

pub mod caller;
pub mod diagnostic;
pub mod policy;
pub mod program;
pub mod refusal;
pub mod transform;
