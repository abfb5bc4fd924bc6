//! The `clearproof` command.
//!
//! Reads the command line, runs one command, and turns what went wrong into one sentence on standard
//! error and an exit status.

mod args;
mod example;
mod failure;
mod files;
mod metadata;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::Parser;

use args::Arguments;
use failure::{status, Failure};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let Arguments { command } = arguments;
    let _ = command;
    ExitCode::from(status::OK)
}

/// Help and version go to standard output; anything else is one sentence.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        print!("{error}");
        return ExitCode::from(status::OK);
    }
    let text = error.to_string();
    let cause = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    let failure = Failure::usage(format!("{cause}; see clearproof --help"));
    eprintln!("clearproof: {failure}");
    ExitCode::from(failure.status)
}
