//! The description of an API that policies are compared with.

use std::path::PathBuf;

use fieldgate::diagnostic::Diagnostics;
use fieldgate_workbench::openapi::{self, Api, WantedOperations, drift};

use crate::exit::Failure;
use crate::init;
use crate::load::{self, Loaded};

/// An API description, with the path that its servers have in front, and without.
pub(super) struct Description {
    name: String,
    readings: Vec<Api>,
}

impl Description {
    /// Reads one API's description, from one file or several.
    ///
    /// # Errors
    /// When it cannot be read as one.
    pub(super) fn read(paths: &[PathBuf], prefix: Option<&str>) -> Result<Self, Failure> {
        let names: Vec<String> = paths.iter().map(|path| load::slashes(path)).collect();
        let read = |prefix| {
            openapi::read_all(&init::Descriptions, &names, WantedOperations { prefix, ..WantedOperations::default() })
                .map_err(init::failure)
        };
        let mut readings = vec![read(prefix)?];
        if prefix.is_none() {
            // A gateway may strip what the servers have in front.
            readings.push(read(Some(""))?);
        }
        Ok(Self { name: names.join(", "), readings })
    }

    /// The policy's diagnostics, with those that the description adds.
    pub(super) fn compared(&self, one: Loaded) -> Diagnostics {
        let mut items = one.diagnostics.items().to_vec();
        // Of equals the last is taken, so the description's own prefix comes last.
        if let Some(api) = self.readings.iter().rev().max_by_key(|api| drift::matched(api, &one.policy)) {
            items.extend(drift::drift(api, &self.name, &one.policy, &one.doc));
        }
        Diagnostics::new(items, one.sources)
    }
}
