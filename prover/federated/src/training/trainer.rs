//! One party's side of a training: its updates, and the steps that all parties take alike.
//!
//! 1. Claim: parties that start from one model and step along the same sums have the same model, bit by bit, so its
//!    digest needs no agreement of its own.
//! 2. A step: the sum over the public number of records expected, given to the rule.
//! 3. Assumed: parties run the same program; another machine's arithmetic shows as another digest.
//! 4. Source: DESIGN section 9; Abadi et al. 2016.

use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::optimizer::{Optimizer, Rule};
use super::quantize::Grid;
use super::{onnx, sampling, update, Examples, Model, TrainingError};

/// What the parties agree on of their steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// q: probability with which a record is in a round.
    pub sampling_rate: f64,
    /// C: bound of an example's gradient.
    pub clip_norm: f64,
    /// What the mean gradient is given to.
    pub rule: Rule,
    /// The grid has 2^log_scale units in 1.
    pub log_scale: u32,
    /// N: records of all parties together, public; sums are divided by q N.
    pub records: usize,
}

/// A model in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    model: Model,
    optimizer: Optimizer,
    grid: Grid,
    steps: Steps,
}

impl Trainer {
    /// Starts from a model; coordinates are of so many bits.
    ///
    /// # Errors
    /// [`TrainingError::Setting`].
    pub fn new(model: Model, steps: Steps, coordinate_bits: u32) -> Result<Self, TrainingError> {
        Ok(Self {
            optimizer: Optimizer::new(steps.rule, model.parameters().len())?,
            grid: Grid::new(steps.log_scale, coordinate_bits)?,
            model,
            steps,
        })
    }

    /// Goes on with the state of an optimizer.
    ///
    /// # Errors
    /// As [`Optimizer::restore`].
    pub fn restore(&mut self, optimizer: Optimizer) -> Result<(), TrainingError> {
        // A step of another rule or length would go on wrongly.
        self.optimizer.restore(optimizer)
    }

    /// The model as it is.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The optimizer as it is.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// The sum of clipped gradients of a secret Poisson sample, on the grid; and the mean loss, for the party's own eyes.
    ///
    /// # Errors
    /// [`TrainingError`] for examples of another width, or an update that the grid does not hold.
    pub fn local_update<R: RngCore + CryptoRng>(
        &self,
        examples: &Examples,
        rng: &mut R,
    ) -> Result<(Vec<i64>, f64), TrainingError> {
        let (rate, clip) = (self.steps.sampling_rate, self.steps.clip_norm);
        let local = update::record_level(&self.model, examples, rate, clip, rng)?;
        Ok((self.grid.quantize(&local.vector)?, local.loss))
    }

    /// Steps along the mean gradient.
    ///
    /// # Errors
    /// [`TrainingError::Parameters`] for a sum of another length.
    pub fn step(&mut self, sum: &[i64]) -> Result<(), TrainingError> {
        let expected = sampling::expected_size(self.steps.records, self.steps.sampling_rate);
        let mean = self.grid.mean(sum, expected);
        self.optimizer.step(self.model.parameters_mut(), &mean)
    }

    /// Digest of the model that a sum leads to.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    pub fn after(&self, sum: &[i64]) -> Result<[u8; 32], TrainingError> {
        let mut next = self.clone();
        next.step(sum)?;
        Ok(digest(&next.model))
    }
}

/// SHA-256 of the model's ONNX file.
pub fn digest(model: &Model) -> [u8; 32] {
    Sha256::digest(onnx::write(model)).into()
}
