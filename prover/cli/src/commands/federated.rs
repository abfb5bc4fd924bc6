//! `clearproof federated`: several firms train one model.

mod simulate;
mod verify;

use std::path::Path;
use std::time::Duration;

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::certificate::{roster_json, terms};
use clearproof_federated::norm::NormKey;
use clearproof_federated::privacy::distributed::Cohort;
use clearproof_federated::privacy::{Adjacency, PrivacyError, PrivacyTarget};
use clearproof_federated::transport::certificates::Validity;
use clearproof_federated::transport::coordinate::{coordinate, Ended};
use clearproof_federated::transport::participate::participate;
use clearproof_federated::transport::provision::{provision, Folder};
use clearproof_federated::transport::TransportError;
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::certificate::Certificate;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::terms::Terms;
use rand_core::{OsRng, RngCore};
use serde_json::json;
use tokio::net::TcpListener;

use super::print;
use crate::args::{Coordinate, Federated, PartyArguments, Provision};
use crate::failure::{status, Failure};
use crate::files;

/// Carries out `federated`.
pub(super) fn federated(command: &Federated) -> Result<u8, anyhow::Error> {
    match command {
        Federated::Provision(arguments) => write_folders(arguments),
        Federated::Coordinate(arguments) => relay(arguments),
        Federated::Party(arguments) => take_part(arguments),
        Federated::Simulate(arguments) => simulate::simulate_rounds(arguments),
        Federated::Verify(arguments) => return verify::verify(arguments),
    }
    .map(|()| status::OK)
}

/// Years that the certificates are good for, by the system's clock.
fn validity() -> Validity {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400);
    let year = 1970 + (days * 400 / 146_097) as i32;
    Validity {
        from: year,
        until: year + 2,
    }
}

/// `federated provision`.
fn write_folders(arguments: &Provision) -> Result<(), anyhow::Error> {
    let parties = arguments.parties.len() as u16;
    let holders = arguments.holders.unwrap_or(parties);
    let mut session = [0; 32];
    OsRng.fill_bytes(&mut session);
    let template = Manifest {
        session,
        round: arguments.round,
        attempt: 0,
        model: [0; 32],
        parties: vec![],
        holders: (0..holders).collect(),
        threshold: holders.saturating_sub(1) / 2,
        colluders: arguments.colluders,
        minimum_honest: 2,
        coordinates: arguments.coordinates,
        coordinate_bits: arguments.bits,
        log_rows: arguments.log_rows,
        clip_norm: arguments.clip_norm,
        noise_norm: arguments.noise_norm,
        norm_circuit: None,
        terms: vec![],
    };
    let template = match privacy(arguments, parties)? {
        None => template,
        Some(terms) => Manifest {
            // The noise is calibrated for so many: with fewer there is no sum.
            minimum_honest: parties
                .saturating_sub(arguments.dropouts)
                .saturating_sub(arguments.colluders)
                .max(2),
            terms: terms.encode(),
            ..template
        },
    };
    // The keys of stand-ins decide nothing of the sizes: what is refused is refused before anything is written.
    let stand_ins = arguments
        .parties
        .iter()
        .map(|name| Identity::generate(name, &mut OsRng));
    let entries = stand_ins.map(|identity| identity.entry()).collect();
    let trial = Manifest {
        parties: entries,
        ..template.clone()
    };
    trial.check().map_err(|e| Failure::usage(e.to_string()))?;
    let norm_circuit = match arguments.without_norm_proofs {
        true => None,
        false => {
            let bases = ColumnBases::transparent(arguments.log_rows);
            let key = NormKey::new(&trial, &bases).map_err(|e| Failure::usage(e.to_string()))?;
            Some(key.circuit_id())
        }
    };
    let complete = |identities: &[Identity]| Manifest {
        parties: identities.iter().map(Identity::entry).collect(),
        norm_circuit,
        ..template
    };
    let (out, names) = (&arguments.out, &arguments.parties);
    let folders =
        provision(out, names, validity(), complete, &mut OsRng).map_err(|e| refused(&e))?;
    let manifest = Folder::open(&folders[0]).map_err(|e| refused(&e))?.manifest;
    let roster = roster_json(&manifest.parties);
    files::write(&out.join(ROSTER), roster.as_bytes(), files::Secrecy::Public)?;
    let mut text = String::from("Give each folder to its firm alone; it holds secret keys.\n");
    for (folder, name) in folders
        .iter()
        .zip(names.iter().map(String::as_str).chain(["coordinator"]))
    {
        text += &format!("  {}  {name}\n", folder.display());
    }
    text += &format!(
        "  {}  for auditors: names and public keys\n",
        out.join(ROSTER).display()
    );
    Ok(print(&text)?)
}

/// The privacy terms that the manifest promises, if it does.
fn privacy(arguments: &Provision, parties: u16) -> Result<Option<Terms>, Failure> {
    let refused = |error: PrivacyError| Failure::usage(error.to_string());
    let Some(epsilon) = arguments.privacy.epsilon else {
        return Ok(None);
    };
    let record_clip = arguments.record_clip.unwrap_or(arguments.clip_norm as f64);
    let given = &arguments.privacy;
    let adjacency = Adjacency::AddRemoveRecord;
    let target = PrivacyTarget::new(epsilon, given.delta, adjacency).map_err(refused)?;
    let mechanism = given.mechanism(1).map_err(refused)?;
    let cohort = Cohort {
        parties: parties.into(),
        dropouts: arguments.dropouts.into(),
        colluders: arguments.colluders.into(),
    };
    let coordinates = arguments.coordinates as usize;
    let (terms, plan) =
        terms(cohort, mechanism, record_clip, 0, coordinates, target).map_err(refused)?;
    eprintln!(
        "clearproof: each party draws its noise from a discrete Gaussian of standard deviation {:.1} grid units",
        plan.share.sigma()
    );
    Ok(Some(terms))
}

/// `federated coordinate`.
fn relay(arguments: &Coordinate) -> Result<(), anyhow::Error> {
    let ended = runtime()?.block_on(async {
        let listener = TcpListener::bind(&arguments.listen).await.map_err(|e| {
            Failure::usage(format!(
                "cannot listen on {}: {e}; choose another --listen",
                arguments.listen
            ))
        })?;
        print(&format!("listening on {}\n", listener.local_addr()?))?;
        let step = Duration::from_secs(arguments.step_timeout_s);
        let log = Box::new(|line: &str| eprintln!("clearproof: {line}"));
        let result = coordinate(&arguments.folder, listener, step, log).await;
        Ok::<_, anyhow::Error>(result.map_err(|e| refused(&e))?)
    })?;
    let certificate = match ended {
        Ended::Summed(certificate) => *certificate,
        Ended::Failed(reason) => {
            let sentence = format!("the round ended without a sum: {reason}");
            return Err(Failure::usage(sentence).into());
        }
    };
    print("the round is over; the parties have the sum\n")?;
    write_certificate(certificate, arguments.certificate.as_deref())
}

/// Writes the round's training certificate where one was asked for.
fn write_certificate(
    certificate: Option<Certificate>,
    path: Option<&Path>,
) -> Result<(), anyhow::Error> {
    let Some(path) = path else { return Ok(()) };
    let certificate = certificate.ok_or_else(|| {
        Failure::usage("too little of the round was seen for a certificate; take a party's")
    })?;
    files::write(path, &certificate.encode(), files::Secrecy::Public)?;
    let signed = certificate.signatures.len();
    Ok(print(&format!(
        "training certificate of {signed} signatures written to {}\n",
        path.display()
    ))?)
}

/// `federated party`.
fn take_part(arguments: &PartyArguments) -> Result<(), anyhow::Error> {
    let update = read_update(&arguments.update)?;
    let timeout = Duration::from_secs(arguments.timeout_s);
    let party = runtime()?
        .block_on(participate(
            &arguments.folder,
            &arguments.connect,
            &update,
            arguments.budget.as_deref(),
            timeout,
            &mut OsRng,
        ))
        .map_err(|e| refused(&e))?;
    let aggregate = party
        .aggregate()
        .ok_or_else(|| anyhow::anyhow!("a finished party has a sum"))?;
    let survivors: Vec<u16> = aggregate
        .certificate
        .survivors
        .survivors
        .iter()
        .map(|s| s.party + 1)
        .collect();
    let blamed: Vec<_> = party
        .blamed()
        .iter()
        .map(|(party, deed)| json!({"party": party + 1, "deed": format!("{deed:?}")}))
        .collect();
    let result = json!({"parties": survivors, "blamed": blamed, "sum": aggregate.sum});
    files::write(
        &arguments.out,
        result.to_string().as_bytes(),
        files::Secrecy::Public,
    )?;
    let list: Vec<String> = survivors.iter().map(u16::to_string).collect();
    print(&format!(
        "sum of parties {} written to {}\n",
        list.join(", "),
        arguments.out.display()
    ))?;
    write_certificate(party.certificate(), arguments.certificate.as_deref())
}

fn read_update(path: &Path) -> Result<Update, anyhow::Error> {
    let value: serde_json::Value = serde_json::from_slice(&files::read(path, MAX_UPDATE)?)
        .map_err(|e| Failure::input(path, e))?;
    let list = |name: &str| -> Result<Vec<i64>, Failure> {
        let items = value[name].as_array();
        // NaN, infinity and fractions are no integers of the grid.
        let numbers = items.and_then(|items| items.iter().map(serde_json::Value::as_i64).collect());
        numbers
            .ok_or_else(|| Failure::input(path, format!("`{name}` is no list of 64-bit integers")))
    };
    Ok(Update {
        clipped: list("clipped")?,
        noise: list("noise")?,
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, anyhow::Error> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

fn refused(error: &TransportError) -> Failure {
    match error {
        TransportError::File { .. } => Failure::bad_input(error),
        _ => Failure::usage(error.to_string()),
    }
}

/// A list of 2^24 integers of 20 bits, twice, with room to spare.
const MAX_UPDATE: u64 = 1 << 29;
/// The parties' public keys, for auditors.
const ROSTER: &str = "roster.json";
