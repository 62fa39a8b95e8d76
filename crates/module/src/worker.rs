//! [`Worker`]: a policy as one of Envoy's worker threads has it. A [`Program`] belongs to one thread, as it does in a plugin's
//! virtual machine, so each thread makes its own of the configuration that the main thread has tried.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use fieldgate::exchange::Reporter;
use fieldgate::model::{Identity, PolicySet, Store};
use fieldgate::program::Program;

use crate::metrics::SeriesId;

/// A configuration that Envoy has, for all threads.
pub(crate) struct Config {
    configuration: Box<[u8]>,
    /// Where the key of pseudonyms is looked for: Envoy's environment.
    variable: fn(&str) -> Option<String>,
    #[cfg_attr(test, expect(dead_code, reason = "Envoy alone has numbers"))]
    /// Envoy's number of each metric, in the order of the core's.
    pub(crate) metrics: Vec<Option<usize>>,
}

/// What one thread makes of it.
pub(crate) struct Worker {
    pub(crate) program: Rc<Program>,
    pub(crate) reporter: RefCell<Reporter<SeriesId>>,
    /// Where the claims of each payload are in the filter state.
    pub(crate) claims: Vec<String>,
}

thread_local! {
    /// What this thread has made, as long as Envoy has the configuration.
    static WORKERS: RefCell<Vec<(Weak<Config>, Rc<Worker>)>> = const { RefCell::new(Vec::new()) };
}

impl Config {
    /// A configuration, and its program for whoever tries it.
    ///
    /// # Errors
    /// Lines for the log: why it is not taken.
    pub(crate) fn new(
        configuration: &[u8],
        variable: fn(&str) -> Option<String>,
    ) -> Result<(Self, Program), Vec<String>> {
        let config = Self { configuration: configuration.into(), variable, metrics: Vec::new() };
        let program = config.program()?;
        Ok((config, program))
    }

    fn program(&self) -> Result<Program, Vec<String>> {
        let program = Program::configured(&self.configuration, self.variable)?;
        match unsupported(program.policy()) {
            Some(line) => Err(vec![line]),
            None => Ok(program),
        }
    }

    /// What this thread makes of the configuration; `None` if it is none after all, and then every stream is refused.
    pub(crate) fn worker(self: &Arc<Self>) -> Option<Rc<Worker>> {
        WORKERS.with_borrow_mut(|workers| {
            let known = workers.iter().find(|(config, _)| config.as_ptr() == Arc::as_ptr(self));
            if let Some((_, worker)) = known {
                return Some(Rc::clone(worker));
            }
            workers.retain(|(config, _)| config.strong_count() > 0);
            let program = Rc::new(self.program().ok()?);
            let claims = match &program.policy().identity {
                Identity::JwtAuthn { payloads, .. } => payloads.iter().map(|name| format!("{CLAIMS}{name}")).collect(),
                Identity::Mtls | Identity::TrustedHeader { .. } => Vec::new(),
            };
            let worker = Rc::new(Worker { program, reporter: RefCell::default(), claims });
            workers.push((Arc::downgrade(self), Rc::clone(&worker)));
            Some(worker)
        })
    }
}

/// What stands before the name of a payload in the filter state. Envoy hands a module no metadata but texts, numbers and lists
/// of them, and claims are none: the filter `set_filter_state`, behind jwt_authn, writes them there as JSON
/// (docs/operations.md).
pub(crate) const CLAIMS: &str = "fieldgate.claims.";

/// What of the policy language this host cannot do, and what to do instead.
fn unsupported(policy: &PolicySet) -> Option<String> {
    let rls = policy.budgets.iter().find(|budget| matches!(budget.store, Store::Rls(_)))?;
    Some(format!(
        "budgets.{}.store: the module does not ask a rate limit service; say `local`, or run the plugin (fieldgate.wasm)",
        rls.name
    ))
}
