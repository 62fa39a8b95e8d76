//! A policy that checks, with all that is to be said of it: as written, as checked, and what its spans point into.

use std::rc::Rc;

use fieldgate::diagnostic::{Diagnostics, Sources};
use fieldgate::model::moment::Moment;
use fieldgate::policy::{self, Files, PolicyDoc, PolicySet};

/// One policy that checks.
#[derive(Debug)]
pub struct Loaded {
    /// Its root file, as named.
    pub name: String,
    /// As written, includes merged.
    pub doc: PolicyDoc,
    /// As checked.
    pub policy: PolicySet,
    /// Warnings and notes.
    pub diagnostics: Diagnostics,
    /// What spans point into.
    pub sources: Rc<Sources>,
}

impl Loaded {
    /// Loads and checks the policy whose root file is `root`. `now` is for what is to be said of dates (rule 38).
    ///
    /// # Errors
    /// Its diagnostics, if one is an error.
    pub fn read(files: &dyn Files, root: &str, now: Option<Moment>) -> Result<Self, Diagnostics> {
        let doc = policy::load(files, root)?;
        let (policy, diagnostics) = policy::check_at(&doc, now)?;
        let sources = Rc::clone(doc.sources());
        Ok(Self { name: root.to_owned(), doc, policy, diagnostics, sources })
    }
}
