//! What one party computes in a round, before noise.
//!
//! 1. Claim: [`record_level`] is a Poisson sample's sum of clipped gradients (DP-SGD; sensitivity C to one
//!    record, amplified by the secret sample); [`client_level`] is the change that local training makes,
//!    clipped as a whole (sensitivity C to all the party's data, no amplification).
//! 2. Both are in the model's units, gradients and changes pointing uphill: an optimizer subtracts them.
//! 3. Assumed: nothing of the data leaves but through the noised sum; losses are for the party's own eyes.
//! 4. Source: Abadi et al. 2016; McMahan et al., "Learning differentially private recurrent language models",
//!    ICLR 2018, for the second.

use rand_core::{CryptoRng, RngCore};

use super::gradient::clipped_sum;
use super::optimizer::{Optimizer, Rule};
use super::{dense, sampling, Examples, Model, TrainingError};

/// One party's contribution to a round.
#[derive(Clone, PartialEq)]
pub struct LocalUpdate {
    /// As long as the model's parameters.
    pub vector: Vec<f32>,
    /// Mean loss over the examples seen, nats; zero if there were none. Private.
    pub loss: f64,
}

impl std::fmt::Debug for LocalUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalUpdate({} coordinates)", self.vector.len())
    }
}

/// Sum of clipped gradients of a secret Poisson sample.
///
/// # Errors
/// As [`clipped_sum`] and [`sampling::poisson`].
pub fn record_level<R: RngCore + CryptoRng>(
    model: &Model,
    examples: &Examples,
    sampling_rate: f64,
    clip_norm: f64,
    rng: &mut R,
) -> Result<LocalUpdate, TrainingError> {
    let sample = sampling::poisson(examples.len(), sampling_rate, rng)?;
    let sum = clipped_sum(model, examples, &sample, clip_norm)?;
    Ok(LocalUpdate {
        vector: sum.sum,
        loss: sum.loss / sum.examples.max(1) as f64,
    })
}

/// How a party trains on its own between two rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalTraining {
    /// Passes over the data.
    pub epochs: u32,
    /// Examples a step.
    pub batch: usize,
    /// The rule of these steps.
    pub rule: Rule,
}

/// Parameters before less parameters after local training, clipped to `clip_norm`.
///
/// # Errors
/// As [`clipped_sum`] and [`Optimizer::new`]; [`TrainingError::NotFinite`] if training diverges.
pub fn client_level<R: RngCore + CryptoRng>(
    model: &Model,
    examples: &Examples,
    training: LocalTraining,
    clip_norm: f64,
    rng: &mut R,
) -> Result<LocalUpdate, TrainingError> {
    super::setting(clip_norm > 0.0, "clip norm", clip_norm, "positive")?;
    let mut local = model.clone();
    let mut optimizer = Optimizer::new(training.rule, model.parameters().len())?;
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let (mut loss, mut seen) = (0.0, 0usize);
    for _ in 0..training.epochs {
        // Fisher and Yates; the bias of a 64-bit remainder does not matter here.
        for last in (1..order.len()).rev() {
            order.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
        }
        for batch in order.chunks(training.batch.max(1)) {
            let sum = clipped_sum(&local, examples, batch, f64::INFINITY)?;
            let mean: Vec<f32> = sum.sum.iter().map(|g| g / batch.len() as f32).collect();
            optimizer.step(local.parameters_mut(), &mean)?;
            (loss, seen) = (loss + sum.loss, seen + batch.len());
        }
    }
    let changes = model.parameters().iter().zip(local.parameters());
    let mut vector: Vec<f32> = changes.map(|(before, after)| before - after).collect();
    let norm = dense::square(&vector).sqrt();
    if !norm.is_finite() {
        return Err(TrainingError::NotFinite {
            what: "parameter after training",
            example: 0,
        });
    }
    if norm > clip_norm * MARGIN {
        let factor = (clip_norm * MARGIN / norm) as f32;
        vector.iter_mut().for_each(|v| *v *= factor);
    }
    Ok(LocalUpdate {
        vector,
        loss: loss / seen.max(1) as f64,
    })
}

/// Room for the rounding of 32-bit products.
const MARGIN: f64 = 1.0 - 1.0 / 4096.0;

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::architecture::{Architecture, Loss};
    use super::*;

    /// Two clouds that a line separates.
    fn clouds(rng: &mut ChaCha20Rng, count: usize) -> Examples {
        let unit = |rng: &mut ChaCha20Rng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let (mut features, mut labels) = (vec![], vec![]);
        for index in 0..count {
            let label = index as u32 % 2;
            let side = if label == 1 { 1.0 } else { -1.0 };
            features.extend([unit(rng) + side, unit(rng) - side]);
            labels.push(label);
        }
        Examples::new(features, labels, 2).unwrap()
    }

    #[test]
    fn both_kinds_of_update_learn() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let examples = clouds(&mut rng, 400);
        let architecture = Architecture::mlp(2, &[6], 2, Loss::CrossEntropy).unwrap();
        let start = Model::initialized(architecture, &mut rng);
        let rule = Rule::Sgd {
            learning_rate: 0.5,
            momentum: 0.5,
        };
        // Record level.
        let mut model = start.clone();
        let mut optimizer = Optimizer::new(rule, model.parameters().len()).unwrap();
        for _ in 0..60 {
            let update = record_level(&model, &examples, 0.3, 1.0, &mut rng).unwrap();
            let size = sampling::expected_size(examples.len(), 0.3) as f32;
            let mean: Vec<f32> = update.vector.iter().map(|v| v / size).collect();
            optimizer.step(model.parameters_mut(), &mean).unwrap();
        }
        assert!(model.evaluate(&examples).unwrap().accuracy > 0.95);
        // Client level.
        let mut model = start;
        let training = LocalTraining {
            epochs: 1,
            batch: 20,
            rule,
        };
        for _ in 0..10 {
            let update = client_level(&model, &examples, training, 0.5, &mut rng).unwrap();
            assert!(dense::square(&update.vector).sqrt() <= 0.5);
            for (w, v) in model.parameters_mut().iter_mut().zip(&update.vector) {
                *w -= v;
            }
        }
        assert!(model.evaluate(&examples).unwrap().accuracy > 0.95);
    }

    #[test]
    fn diverging_training_is_an_error() {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let examples = clouds(&mut rng, 100);
        let architecture = Architecture::mlp(2, &[6, 6], 2, Loss::CrossEntropy).unwrap();
        let model = Model::initialized(architecture, &mut rng);
        let rule = Rule::Sgd {
            learning_rate: 1e30,
            momentum: 0.9,
        };
        let training = LocalTraining {
            epochs: 3,
            batch: 10,
            rule,
        };
        let error = client_level(&model, &examples, training, 1.0, &mut rng).unwrap_err();
        assert!(matches!(error, TrainingError::NotFinite { .. }), "{error}");
    }
}
