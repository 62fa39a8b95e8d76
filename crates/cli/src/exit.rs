//! How a run ends, as a type: the numbers are part of the interface.

use std::process::ExitCode;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: nothing to report.
    Fine,
    /// 1: `check` found errors, or a previewed response was refused.
    Findings,
    /// 2: the command line was wrong, or something could not be read or written.
    Usage,
    /// 3: a test failed, or nothing was tested.
    Tests,
    /// 4: somebody gains, under `diff --fail-on-gain`.
    Gain,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::from(0),
            Exit::Findings => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Tests => Self::from(3),
            Exit::Gain => Self::from(4),
        }
    }
}

/// Why a verb could not do its work: what, and what to do about it. The run ends with 2.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What could not be done, and to what.
    pub(crate) message: String,
    /// A way out.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// This failure with advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A file that could not be read or written.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(format!("cannot {doing} {}: {error}", path.display()))
    }
}
