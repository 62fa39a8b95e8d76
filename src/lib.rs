//! Fieldgate: a filter for API responses that shows each caller only the fields it needs.

pub mod diagnostic;
pub mod policy;
pub mod refusal;
