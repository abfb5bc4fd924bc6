//! What a certificate shows of privacy: enough noise, the loss that follows, the promise kept.

use super::numbers::decimal;
use super::rounds::ReadRound;
use super::{count, names, sentence, Draft, Found, PrivacyFacts, TrainingReport};
use crate::training::certificate::{Body, Spent};
use crate::training::manifest::Manifest;
use crate::training::renyi::{self, Mechanism};
use crate::training::terms::{Slack, Terms};

/// All rounds as releases, aborted attempts included.
pub(super) fn check(
    draft: &mut Draft<'_>,
    body: &Body,
    rounds: &[ReadRound],
    aborted: &[Manifest],
    report: &mut TrainingReport,
) {
    let manifests: Vec<&Manifest> = rounds.iter().map(|r| &r.manifest).chain(aborted).collect();
    if manifests.iter().all(|m| m.terms.is_empty()) && body.spent.is_none() {
        report.not_checked.push(NO_PRIVACY.into());
        return;
    }
    let inputs = count(manifests.len(), "release");
    let terms = read(&manifests);
    draft.step(names::NOISE, inputs.clone(), || {
        let terms = terms.as_ref().map_err(Clone::clone)?;
        noise(rounds, &manifests, terms)
    });
    let (Ok(terms), Some(spent)) = (terms, &body.spent) else {
        let missing = || Err("The certificate does not state the privacy that it spent.".into());
        draft.step(names::EPSILON, inputs, missing);
        return;
    };
    let last = terms[rounds.len() - 1];
    draft.step(names::EPSILON, inputs.clone(), || {
        if rounds[0].manifest.round != 0 {
            return Err("Rounds before the certificate's first one spent privacy too.".into());
        }
        epsilon(&manifests, &terms, spent)
    });
    draft.step(names::PROMISE, inputs, || promise(&last, spent));
    report.not_checked.push(ACCOUNTANT.into());
    report.privacy = Some(PrivacyFacts {
        adjacency: last.adjacency.name(),
        rounds: spent.rounds,
        epsilon: spent.epsilon,
        renyi_epsilon: spent.renyi_epsilon,
        promised_epsilon: last.epsilon,
        delta: spent.delta,
        slack_epsilon: spent.slack_epsilon,
        slack_delta: spent.slack_delta,
        noise_multiplier: last.noise_multiplier,
        sampling_rate: last.sampling_rate,
        sensitivity: last.sensitivity,
        share_sigma: last.share_sigma(),
    });
}

/// The terms of all manifests, of one promise.
fn read(manifests: &[&Manifest]) -> Result<Vec<Terms>, String> {
    let mut all: Vec<Terms> = vec![];
    for manifest in manifests {
        let terms = Terms::of(manifest).map_err(|e| sentence("Privacy terms are refused", &e))?;
        let terms = terms.ok_or("A round adds no noise, so that nothing is promised.")?;
        let promise = |t: &Terms| (t.epsilon, t.delta, t.adjacency);
        if all
            .first()
            .is_some_and(|first| promise(first) != promise(&terms))
        {
            return Err("The rounds promise different privacy.".into());
        }
        all.push(terms);
    }
    Ok(all)
}

/// SOUNDNESS condition 24, and that enough parties were in each sum.
fn noise(rounds: &[ReadRound], manifests: &[&Manifest], terms: &[Terms]) -> Found {
    for (manifest, terms) in manifests.iter().zip(terms) {
        terms.check(manifest).map_err(|error| {
            let what = ["Round ", &manifest.round.to_string()].concat();
            sentence(&what, &error)
        })?;
    }
    for (round, terms) in rounds.iter().zip(terms) {
        if round.survivors() + usize::from(terms.dropouts) < round.manifest.parties.len() {
            return Err(
                "More parties dropped out of a sum than the noise is calibrated for.".into(),
            );
        }
    }
    let least = |of: fn(&Terms) -> f64| decimal(terms.iter().map(of).fold(f64::INFINITY, f64::min));
    Ok([
        "Each party's noise has a standard deviation of at least ",
        &least(Terms::share_sigma),
        " grid units, that of all who count at least ",
        &least(Terms::total_sigma),
        ".",
    ]
    .concat())
}

/// What the releases cost by Rényi divergences, and what discreteness adds.
pub fn account(manifests: &[&Manifest], terms: &[Terms]) -> (f64, Slack) {
    let mut mechanisms: Vec<(Mechanism, u32)> = vec![];
    let mut slack = Slack::default();
    for (manifest, terms) in manifests.iter().zip(terms) {
        let new = terms.mechanism();
        match mechanisms.iter_mut().find(|(known, _)| *known == new) {
            Some((_, steps)) => *steps = steps.saturating_add(1),
            None => mechanisms.push((new, 1)),
        }
        let more = terms.slack(manifest);
        slack.epsilon += more.epsilon;
        slack.delta += more.delta;
    }
    let delta = terms.first().map_or(0.0, |t| t.delta) - slack.delta;
    let epsilon = match delta > 0.0 {
        true => renyi::epsilon(&mechanisms, delta) + slack.epsilon,
        false => f64::INFINITY,
    };
    (epsilon, slack)
}

fn epsilon(manifests: &[&Manifest], terms: &[Terms], spent: &Spent) -> Found {
    let (renyi, slack) = account(manifests, terms);
    let equal = |stated: f64, found: f64| (stated - found).abs() <= ROUNDING * found.abs();
    if spent.rounds as usize != manifests.len() || spent.delta != terms[0].delta {
        return Err("It is stated for other rounds, or at another delta than promised.".into());
    }
    if !equal(spent.slack_epsilon, slack.epsilon) || !equal(spent.slack_delta, slack.delta) {
        return Err("The slack of the discrete noise is stated otherwise than it follows.".into());
    }
    if !equal(spent.renyi_epsilon, renyi) {
        return Err([
            "Rényi accounting gives epsilon ",
            &decimal(renyi),
            ", the certificate states ",
            &decimal(spent.renyi_epsilon),
            ".",
        ]
        .concat());
    }
    if !(spent.epsilon > 0.0 && spent.epsilon <= spent.renyi_epsilon * (1.0 + ROUNDING)) {
        return Err("The stated epsilon is above the Rényi bound, or not positive.".into());
    }
    Ok([
        "Rényi accounting gives epsilon ",
        &decimal(renyi),
        " at delta ",
        &decimal(spent.delta),
        "; ",
        &decimal(spent.epsilon),
        " is stated by privacy loss distributions; of these, discreteness takes ",
        &decimal(slack.epsilon),
        " and ",
        &decimal(slack.delta),
        ".",
    ]
    .concat())
}

fn promise(terms: &Terms, spent: &Spent) -> Found {
    let text = [
        "epsilon ",
        &decimal(spent.epsilon),
        " of ",
        &decimal(terms.epsilon),
        " at delta ",
        &decimal(terms.delta),
        ", ",
        terms.adjacency.name(),
        ".",
    ]
    .concat();
    match spent.epsilon <= terms.epsilon {
        true => Ok(["Spent: ", &text].concat()),
        false => Err(["More is spent than was promised: ", &text].concat()),
    }
}

const NO_PRIVACY: &str = "Differential privacy: none is promised.";
/// What [`TrainingReport::not_checked`] says of the second accountant.
pub const ACCOUNTANT: &str = "The smaller epsilon, by privacy loss distributions: the command recomputes it; the Rényi bound is checked here.";
/// Floating-point functions differ in the last places from machine to machine.
const ROUNDING: f64 = 1e-9;
