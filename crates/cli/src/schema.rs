//! `fieldgate schema`: the policy language, and the format of suites, for editors.

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// Write the JSON Schema of the policy language, for editors
///
/// For the YAML language server, a policy's first line names it: `# yaml-language-server: $schema=./fieldgate.v1.schema.json`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write the schema of test suites (`*.test.yaml`) instead
    #[arg(long)]
    suite: bool,
}

/// The schemas that are shipped beside the reference policies. They help while typing; what holds is what `check` and `test` say.
const POLICY: &str = include_str!("../../../policies/fieldgate.v1.schema.json");
const SUITE: &str = include_str!("../../../policies/fieldgate-suite.v1.schema.json");

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    terminal.print(if arguments.suite { SUITE } else { POLICY })?;
    Ok(Exit::Fine)
}
