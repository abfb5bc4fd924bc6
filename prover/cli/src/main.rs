//! The `clearproof` command.
//!
//! Reads the command line, runs one command, and turns what went wrong into one sentence on standard
//! error and an exit status.

mod args;
mod commands;
mod example;
mod failure;
mod files;
mod metadata;
mod picture;
mod progress;
mod rows;
mod table;
mod usage;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::Parser;

use args::Arguments;
use failure::{status, Failure};

fn main() -> ExitCode {
    let result = match Arguments::try_parse() {
        Ok(arguments) => commands::dispatch(&arguments.command),
        Err(error) => usage(&error),
    };
    ExitCode::from(result.unwrap_or_else(|error| tell(&error)))
}

/// Help and version go to standard output; anything else is a failure.
fn usage(error: &clap::Error) -> Result<u8, anyhow::Error> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        print!("{error}");
        return Ok(status::OK);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err(Failure::usage("no command is given; see clearproof --help").into());
    }
    let text = error.to_string();
    let cause = text
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    Err(Failure::usage(format!("{cause}; see clearproof --help")).into())
}

/// One sentence on standard error; the result is the exit status.
fn tell(error: &anyhow::Error) -> u8 {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        eprintln!("clearproof: {failure}");
        return failure.status;
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!(
        "clearproof: internal error, please report it: {}",
        causes.join(": ")
    );
    status::INTERNAL
}
