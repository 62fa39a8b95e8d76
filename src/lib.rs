//! Fieldgate: a filter for API responses that shows each caller only the fields it needs.

pub mod caller;
pub mod diagnostic;
pub mod exchange;
pub mod json;
pub mod policy;
pub mod program;
pub mod protobuf;
pub mod refusal;
pub mod rewrite;
pub mod transform;
