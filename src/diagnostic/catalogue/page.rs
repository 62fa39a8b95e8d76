//! [`Page`]: what a code means.

use crate::diagnostic::Code;

/// What a page's examples are fragments of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// A policy: sections of it.
    Policy,
    /// What surrounds a policy: a message or a resource, or fields of an `HttpConnectionManager` where a comment says so.
    Deployment,
}

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// A few words.
    pub title: &'static str,
    /// What was found.
    pub what: &'static str,
    /// Why it is an error, or worth a look.
    pub why: &'static str,
    /// What its examples are.
    pub example: Example,
    /// A fragment that yields the code.
    pub wrong: &'static str,
    /// The fragment mended, so that it does not yield the code.
    pub right: &'static str,
}

impl Page {
    /// A page whose examples are fragments of a policy.
    pub(super) const fn of_policy(
        code: Code,
        title: &'static str,
        what: &'static str,
        why: &'static str,
        wrong: &'static str,
        right: &'static str,
    ) -> Self {
        Self { code, title, what, why, example: Example::Policy, wrong, right }
    }

    /// A page whose examples are of what surrounds a policy.
    pub(super) const fn of_deployment(
        code: Code,
        title: &'static str,
        what: &'static str,
        why: &'static str,
        wrong: &'static str,
        right: &'static str,
    ) -> Self {
        Self { example: Example::Deployment, ..Self::of_policy(code, title, what, why, wrong, right) }
    }
}
