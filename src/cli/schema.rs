//! `fieldgate schema`: the policy language for editors.

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// Write the JSON Schema of the policy language, for editors
///
/// For the YAML language server, a policy's first line names it: `# yaml-language-server: $schema=./fieldgate.v1.schema.json`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// The schema that is shipped beside the reference policies. It helps while typing; what holds is what `check` says.
const SCHEMA: &str = include_str!("../../policies/fieldgate.v1.schema.json");

pub(crate) fn run(_: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    terminal.print(SCHEMA)?;
    Ok(Exit::Fine)
}
