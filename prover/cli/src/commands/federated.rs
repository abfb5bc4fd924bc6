//! `clearproof federated`: several firms train one model.

mod simulate;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clearproof_federated::aggregation::identity::Identity;
use clearproof_federated::aggregation::party::Update;
use clearproof_federated::certificate::{roster_json, terms};
use clearproof_federated::constraints::Constraints;
use clearproof_federated::groth16::ceremony::phase_one::PhaseOne;
use clearproof_federated::groth16::ceremony::Ceremony;
use clearproof_federated::norm::NormKey;
use clearproof_federated::privacy::distributed::Cohort;
use clearproof_federated::privacy::{Adjacency, PrivacyError, PrivacyTarget};
use clearproof_federated::training::trainer::{digest, Trainer};
use clearproof_federated::training::{onnx, Examples, Model};
use clearproof_federated::transport::certificates::Validity;
use clearproof_federated::transport::coordinate::{coordinate, Ended};
use clearproof_federated::transport::participate::{participate, train, Progress, Trainee};
use clearproof_federated::transport::provision::{provision, Folder};
use clearproof_federated::transport::training::{
    provision_constraints, provision_training, Training,
};
use clearproof_federated::transport::TransportError;
use clearproof_prover::prove::columns::ColumnBases;
use clearproof_shared::training::certificate::Certificate;
use clearproof_shared::training::manifest::Manifest;
use clearproof_shared::training::terms::Terms;
use rand_core::{OsRng, RngCore};
use serde_json::json;
use tokio::net::TcpListener;

use super::{ceremony, print};
use crate::args::{Coordinate, Federated, PartyArguments, PrivacyArguments, Provision};
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
    let plan = match (&arguments.model, &arguments.training) {
        (Some(model), Some(training)) => Some(read_plan(model, training)?),
        _ => None,
    };
    let constraints = arguments.constraints.as_deref();
    let constraints = constraints.map(|path| read_constraints(path, arguments));
    let constraints = constraints.transpose()?;
    let holders = arguments.holders.unwrap_or(parties);
    let mut session = [0; 32];
    OsRng.fill_bytes(&mut session);
    let template = Manifest {
        session,
        round: arguments.round,
        attempt: 0,
        model: plan.as_ref().map_or([0; 32], |(_, model)| digest(model)),
        parties: vec![],
        holders: (0..holders).collect(),
        threshold: holders.saturating_sub(1) / 2,
        colluders: arguments.colluders,
        minimum_honest: 2,
        coordinates: match &plan {
            Some((_, model)) => u32::try_from(model.parameters().len()).unwrap_or(u32::MAX),
            None => arguments.coordinates.unwrap_or_default(),
        },
        coordinate_bits: arguments.bits,
        log_rows: arguments.log_rows,
        clip_norm: match &plan {
            Some((training, _)) => largest(training),
            None => arguments.clip_norm.unwrap_or_default(),
        },
        noise_norm: arguments.noise_norm.unwrap_or_default(),
        norm_circuit: None,
        terms: vec![],
    };
    let training = plan.as_ref().map(|(training, _)| training);
    let template = match privacy(arguments, training, &template, parties)? {
        None => template,
        Some((terms, noise)) => Manifest {
            noise_norm: match training {
                // Seven beyond the mean: exceeded once in 10^10 draws.
                Some(_) => (noise * (f64::from(template.coordinates).sqrt() + 7.0)).ceil() as u64,
                None => template.noise_norm,
            },
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
    if let Some((training, model)) = &plan {
        provision_training(&folders, training, model).map_err(|e| refused(&e))?;
    }
    if let Some((ceremony, powers)) = &constraints {
        let provided = provision_constraints(&folders, ceremony, powers.as_deref());
        provided.map_err(|e| refused(&e))?;
    }
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

/// A verified ceremony of constraints, and the file of the powers of tau that it began with.
fn read_constraints(
    path: &Path,
    arguments: &Provision,
) -> Result<(Ceremony, Option<Vec<u8>>), Failure> {
    let (powers, bytes) = match &arguments.ptau {
        Some(path) => {
            let (powers, bytes) = ceremony::read_powers(path)?;
            (powers, Some(bytes))
        }
        None => (PhaseOne::insecure(), None),
    };
    let ceremony = ceremony::read(path)?;
    Constraints::new(&ceremony, &powers, arguments.insecure_dev_tau)
        .map_err(|e| Failure::input(path, e))?;
    Ok((ceremony, bytes))
}

/// A training's settings, and the model that it starts from.
fn read_plan(model: &Path, training: &Path) -> Result<(Training, Model), anyhow::Error> {
    let bytes = files::read(training, MAX_PLAN)?;
    let plan: Training = serde_json::from_slice(&bytes).map_err(|e| Failure::input(training, e))?;
    let first = onnx::read(&files::read(model, MAX_UPDATE)?);
    let first = first.map_err(|e| Failure::input(model, e))?;
    if plan.rounds == 0 || plan.steps.log_scale > MAX_LOG_SCALE {
        let cause = format!("`rounds` is at least 1 and `log_scale` at most {MAX_LOG_SCALE}");
        return Err(Failure::input(training, cause).into());
    }
    // What a party would refuse is refused here.
    Trainer::new(first.clone(), plan.steps, 2).map_err(|e| Failure::input(training, e))?;
    Ok((plan, first))
}

/// What a party's update is below, grid units.
fn largest(training: &Training) -> u64 {
    let clip = training.steps.clip_norm * f64::from(training.most_examples);
    (clip * f64::from(training.steps.log_scale).exp2()).ceil() as u64
}

/// The privacy terms that the manifest promises, if it does, and the standard deviation of a party's noise.
fn privacy(
    arguments: &Provision,
    training: Option<&Training>,
    template: &Manifest,
    parties: u16,
) -> Result<Option<(Terms, f64)>, Failure> {
    let refused = |error: PrivacyError| Failure::usage(error.to_string());
    let Some(epsilon) = arguments.privacy.epsilon else {
        return Ok(None);
    };
    let given = &arguments.privacy;
    let (record_clip, log_scale, releases, rate) = match training {
        Some(Training {
            steps,
            rounds,
            spare,
            ..
        }) => {
            let releases = rounds.saturating_add(*spare);
            (
                steps.clip_norm,
                steps.log_scale,
                releases,
                steps.sampling_rate,
            )
        }
        None => {
            let clip = arguments.record_clip.unwrap_or(template.clip_norm as f64);
            (clip, 0, 1, given.sampling_rate)
        }
    };
    let adjacency = Adjacency::AddRemoveRecord;
    let target = PrivacyTarget::new(epsilon, given.delta, adjacency).map_err(refused)?;
    let given = PrivacyArguments {
        sampling_rate: rate,
        ..given.clone()
    };
    let mechanism = given.mechanism(releases).map_err(refused)?;
    let cohort = Cohort {
        parties: parties.into(),
        dropouts: arguments.dropouts.into(),
        colluders: arguments.colluders.into(),
    };
    let coordinates = template.coordinates as usize;
    let agreed = terms(
        cohort,
        mechanism,
        record_clip,
        log_scale,
        coordinates,
        target,
    );
    let (terms, plan) = agreed.map_err(refused)?;
    eprintln!(
        "clearproof: each party draws its noise from a discrete Gaussian of standard deviation {:.1} grid units",
        plan.share.sigma()
    );
    Ok(Some((terms, plan.share.sigma())))
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
        Ended::Failed(reason, certificate) => {
            if certificate.is_some() {
                write_certificate(*certificate, arguments.certificate.as_deref())?;
            }
            let sentence = format!("the round ended without a sum: {reason}");
            return Err(Failure::usage(sentence).into());
        }
    };
    print("it is over; the parties have the sum\n")?;
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
    let update = match (&arguments.data, &arguments.update) {
        (Some(data), _) => return train_along(arguments, data),
        (None, Some(update)) => read_update(update)?,
        (None, None) => return Err(Failure::usage("give --update or --data").into()),
    };
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

/// `federated party --data`: all rounds of a training.
fn train_along(arguments: &PartyArguments, data: &Path) -> Result<(), anyhow::Error> {
    let examples = read_examples(data)?;
    let fields = arguments.fields.as_deref().map(read_fields).transpose()?;
    let trainee = Trainee {
        examples: &examples,
        fields: fields.as_ref(),
        budget: arguments.budget.as_deref(),
        timeout: Duration::from_secs(arguments.timeout_s),
    };
    let mut say = |progress: Progress| {
        let line = match progress {
            Progress::Summed(round, parties) => {
                let parties: Vec<String> = parties.iter().map(|p| (p + 1).to_string()).collect();
                format!(
                    "round {}: sum of parties {}\n",
                    round + 1,
                    parties.join(", ")
                )
            }
            Progress::Aborted(round, reason) => {
                format!("round {}: an attempt gave no sum: {reason}\n", round + 1)
            }
            _ => return,
        };
        // What cannot be said does not stop a training.
        let _ = print(&line);
    };
    let (folder, address) = (&arguments.folder, &arguments.connect);
    let mut rng = OsRng;
    let training = train(folder, address, trainee, &mut rng, &mut say);
    let trained = runtime()?.block_on(training).map_err(|e| refused(&e))?;
    if let Some(reason) = trained.ended {
        if trained.certificate.is_some() {
            write_certificate(trained.certificate, arguments.certificate.as_deref())?;
        }
        let sentence = format!("the training ended before all rounds: {reason}; provision it anew, with more spare attempts");
        return Err(Failure::usage(sentence).into());
    }
    let (model, certificate) = (trained.model, trained.certificate);
    let out = &arguments.out;
    files::write(out, &onnx::write(&model), files::Secrecy::Public)?;
    print(&format!("trained model written to {}\n", out.display()))?;
    write_certificate(certificate, arguments.certificate.as_deref())
}

/// A party's private fields.
fn read_fields(path: &Path) -> Result<BTreeMap<String, i64>, Failure> {
    serde_json::from_slice(&files::read(path, MAX_PLAN)?).map_err(|e| Failure::input(path, e))
}

/// A party's examples, row by row.
fn read_examples(path: &Path) -> Result<Examples, anyhow::Error> {
    let data: Data = serde_json::from_slice(&files::read(path, MAX_UPDATE)?)
        .map_err(|e| Failure::input(path, e))?;
    let width = data.features.first().map_or(0, Vec::len);
    if data.features.iter().any(|row| row.len() != width) {
        return Err(Failure::input(path, "the rows of `features` differ in length").into());
    }
    let examples = Examples::new(data.features.concat(), data.labels, width);
    Ok(examples.map_err(|e| Failure::input(path, e))?)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    features: Vec<Vec<f32>>,
    labels: Vec<u32>,
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
/// A training's settings.
const MAX_PLAN: u64 = 1 << 16;
/// Of the training's grid.
const MAX_LOG_SCALE: u32 = 30;
/// The parties' public keys, for auditors.
const ROSTER: &str = "roster.json";
