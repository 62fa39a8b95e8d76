//! The `fieldgate` command: write, check, test and review field policies with the core that the plugin runs.
//!
//! One file a verb, and nothing of the library but its public interface.
//!
//! A verb takes its arguments and a [`terminal::Terminal`] and gives an [`exit::Exit`], or a [`exit::Failure`] where the
//! command line or a file made its work impossible. What is asked for goes to standard output, what is said about it to standard
//! error: `preview … > body.json` is exactly the bytes.

mod canary;
mod change;
mod check;
mod code;
mod completions;
mod diff;
mod exit;
mod explain;
mod init;
mod learn;
mod ledger;
mod load;
mod logs;
mod lsp;
mod man;
mod markdown;
mod matrix;
mod preview;
mod render;
mod replay;
mod report;
mod rule;
mod schema;
mod studio;
mod terminal;
mod test;
mod watch;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{Exit, Failure};
use fieldgate_workbench::cells;
use terminal::{Color, Terminal};

/// Show each caller only the fields it needs: check, test and review the policies of the fieldgate plugin for Envoy.
#[derive(Debug, Parser)]
#[command(name = "fieldgate", version, propagate_version = false, after_help = EXITS)]
struct Cli {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    verb: Verb,
}

const EXITS: &str = "\
Exit codes: 0 fine, 1 findings or refused, 2 usage or input/output, 3 tests failed or nothing was tested, 4 somebody gains.
Everything works offline.";

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Arguments),
    Test(test::Arguments),
    Preview(preview::Arguments),
    Explain(explain::Arguments),
    Matrix(matrix::Arguments),
    Diff(diff::Arguments),
    Init(init::Arguments),
    Render(render::Arguments),
    Canary(canary::Arguments),
    Studio(studio::Arguments),
    Replay(replay::Arguments),
    Learn(learn::Arguments),
    Ledger(ledger::Arguments),
    Why(why::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Lsp(lsp::Arguments),
}

fn main() -> ExitCode {
    completions::answer();
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.color);
    terminal::working();
    match carry_out(&cli.verb, terminal) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal.fail(&failure);
            Exit::Usage.into()
        }
    }
}

fn carry_out(verb: &Verb, terminal: Terminal) -> Result<Exit, Failure> {
    match verb {
        Verb::Check(arguments) => check::run(arguments, terminal),
        Verb::Test(arguments) => test::run(arguments, terminal),
        Verb::Preview(arguments) => preview::run(arguments, terminal),
        Verb::Explain(arguments) => explain::run(arguments, terminal),
        Verb::Matrix(arguments) => matrix::run(arguments, terminal),
        Verb::Diff(arguments) => diff::run(arguments, terminal),
        Verb::Init(arguments) => init::run(arguments, terminal),
        Verb::Render(arguments) => render::run(arguments, terminal),
        Verb::Canary(arguments) => canary::run(arguments, terminal),
        Verb::Studio(arguments) => studio::run(arguments, terminal),
        Verb::Replay(arguments) => replay::run(arguments, terminal),
        Verb::Learn(arguments) => learn::run(arguments, terminal),
        Verb::Ledger(arguments) => ledger::run(arguments, terminal),
        Verb::Why(arguments) => why::run(arguments, terminal),
        Verb::Schema(arguments) => schema::run(arguments, terminal),
        Verb::Completions(arguments) => completions::run(arguments, terminal),
        Verb::Man(arguments) => man::run(arguments, terminal),
        Verb::Lsp(arguments) => lsp::run(arguments),
    }
}

#[cfg(test)]
mod tests;
