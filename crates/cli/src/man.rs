//! `fieldgate man`.

use clap::CommandFactory;

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// Write a manual page, of the command or of one verb
///
/// For example: `fieldgate man > ~/.local/share/man/man1/fieldgate.1`, `fieldgate man check | man -l -`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The verb; without one, the page of the whole command
    verb: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, terminal: Terminal) -> Result<Exit, Failure> {
    let mut command = super::Cli::command();
    command.build();
    let page = match &arguments.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => {
                let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                return Err(super::load::unknown_of("fieldgate", "verb", verb, &verbs));
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::new(format!("cannot write the page: {error}")))?;
    terminal.print_bytes(&text)?;
    Ok(Exit::Fine)
}
