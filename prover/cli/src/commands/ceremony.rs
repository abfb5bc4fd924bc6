//! `clearproof ceremony`: the set-up of a Groth16 key by several contributors.

use std::path::Path;

use clearproof_federated::groth16::ceremony::phase_one::PhaseOne;
use clearproof_federated::groth16::ceremony::{Ceremony as Transcript, Report};
use clearproof_federated::groth16::{snarkjs, Statement};
use rand_core::OsRng;

use crate::args::{Ceremony, CeremonyPowers};
use crate::failure::Failure;
use crate::files::{self, Secrecy};

use super::print;

/// Starts, continues or checks a ceremony.
pub(super) fn ceremony(arguments: &Ceremony) -> Result<(), anyhow::Error> {
    match arguments {
        Ceremony::New {
            statement,
            powers,
            out,
        } => {
            let text = files::read(statement, MOST_STATEMENT_BYTES)?;
            let parsed: Statement =
                serde_json::from_slice(&text).map_err(|e| Failure::input(statement, e))?;
            let ceremony = Transcript::new(parsed, &phase_one(powers)?);
            let ceremony = ceremony.map_err(|e| Failure::input(statement, e))?;
            files::write(out, &ceremony.to_bytes(), Secrecy::Public)?;
        }
        Ceremony::Contribute {
            ceremony,
            name,
            beacon,
            log_iterations,
            out,
        } => {
            let mut transcript = read(ceremony)?;
            let result = match beacon {
                Some(value) => transcript.beacon(name, value.as_bytes(), *log_iterations),
                None => transcript.contribute(name, &mut OsRng),
            };
            result.map_err(|e| Failure::usage(e.to_string()))?;
            files::write(out, &transcript.to_bytes(), Secrecy::Public)?;
        }
        Ceremony::Verify {
            ceremony,
            powers,
            allow_insecure,
            key_out,
        } => {
            let transcript = read(ceremony)?;
            let powers = phase_one(powers)?;
            let report = transcript.verify(&powers);
            print(&to_text(&report.map_err(|e| Failure::input(ceremony, e))?))?;
            let key = transcript.keys(&powers, *allow_insecure);
            let key = key.map_err(|e| Failure::input(ceremony, e))?;
            if let Some(path) = key_out {
                let text = format!("{:#}\n", snarkjs::verification_key(key));
                files::write(path, text.as_bytes(), Secrecy::Public)?;
            }
        }
    }
    Ok(())
}

/// Reads a ceremony file.
pub(super) fn read(path: &Path) -> Result<Transcript, Failure> {
    let bytes = files::read(path, MOST_BYTES)?;
    Transcript::from_bytes(&bytes).map_err(|e| Failure::input(path, e))
}

/// The powers of tau that were named.
pub(super) fn phase_one(powers: &CeremonyPowers) -> Result<PhaseOne, Failure> {
    match &powers.ptau {
        None => Ok(PhaseOne::insecure()),
        Some(path) => Ok(read_powers(path)?.0),
    }
}

/// Powers of tau from a file, and its bytes.
pub(super) fn read_powers(path: &Path) -> Result<(PhaseOne, Vec<u8>), Failure> {
    let bytes = files::read(path, MOST_BYTES)?;
    let powers = PhaseOne::from_ptau(&bytes).map_err(|e| Failure::input(path, e))?;
    Ok((powers, bytes))
}

fn to_text(report: &Report) -> String {
    let mut text = String::new();
    for (number, (name, beacon)) in report.contributors.iter().enumerate() {
        let kind = if *beacon { " (beacon)" } else { "" };
        text += &format!("contribution {}  {name}{kind}\n", number + 1);
    }
    text += &format!("powers of tau   {}\n", report.phase_one);
    text += &format!("transcript      {}\n", report.transcript);
    text += &format!("verifying key   {}\n", report.key);
    let verdict = report
        .insecure
        .map_or("valid".to_owned(), |why| format!("insecure: {why}"));
    text + &format!("set-up          {verdict}\n")
}

const MOST_STATEMENT_BYTES: u64 = 1 << 20;
/// Powers for 2^22 constraints and their keys.
const MOST_BYTES: u64 = 4 << 30;
