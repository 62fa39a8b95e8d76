//! stub
/// key
#[derive(Debug)]
pub struct PseudonymKey;
