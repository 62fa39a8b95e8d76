//! `fieldgate completions SHELL`.

use clap::CommandFactory;

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// Write a completion script for a shell
///
/// For example: `fieldgate completions bash > ~/.local/share/bash-completion/completions/fieldgate`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let mut command = super::Cli::command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "fieldgate", &mut script);
    terminal.print_bytes(&script)?;
    Ok(Exit::Fine)
}
