//! The `fieldgate` command: write, check, test and review field policies with the core that the plugin runs.

#[cfg(not(target_arch = "wasm32"))]
mod cli;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    cli::run()
}

/// The command is for people; a cargo build for the plugin's target builds every target of the package.
#[cfg(target_arch = "wasm32")]
fn main() {}
