//! The binary `collodion`: see [`collodion::cli`].

use std::process::ExitCode;

use clap::Parser;
use collodion::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
