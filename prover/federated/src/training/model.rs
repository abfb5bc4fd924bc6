//! A model: an architecture with its parameters.

use rand_core::{CryptoRng, RngCore};
use rayon::prelude::*;

use super::architecture::{Architecture, Layer, Loss};
use super::conv::Conv;
use super::{dense, pool, Examples, TrainingError};

/// An architecture with its parameters.
#[derive(Clone, PartialEq)]
pub struct Model {
    architecture: Architecture,
    parameters: Vec<f32>,
}

impl std::fmt::Debug for Model {
    /// Without the parameters, which may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("architecture", &self.architecture)
            .finish_non_exhaustive()
    }
}

/// How well a model does on examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean loss, nats.
    pub loss: f64,
    /// Share of examples whose label is the most likely class.
    pub accuracy: f64,
}

impl Model {
    /// With these parameters, layer by layer, weights before biases.
    ///
    /// # Errors
    /// [`TrainingError::Parameters`]; [`TrainingError::Setting`] for a parameter that is not finite.
    pub fn new(architecture: Architecture, parameters: Vec<f32>) -> Result<Self, TrainingError> {
        if parameters.len() != architecture.parameters() {
            return Err(TrainingError::Parameters {
                expected: architecture.parameters(),
                got: parameters.len(),
            });
        }
        if let Some(&bad) = parameters.iter().find(|p| !p.is_finite()) {
            super::setting(false, "a parameter", f64::from(bad), "a finite number")?;
        }
        Ok(Self {
            architecture,
            parameters,
        })
    }

    /// With weights uniform in `+-sqrt(6 / inputs)` (He et al. 2015) and biases zero.
    pub fn initialized<R: RngCore + CryptoRng>(architecture: Architecture, rng: &mut R) -> Self {
        let mut parameters = Vec::with_capacity(architecture.parameters());
        for index in 0..architecture.layers().len() {
            let (weights, biases) = architecture.weights(index);
            let outputs = match architecture.layers()[index] {
                Layer::Dense { outputs } => outputs,
                Layer::Conv { channels, .. } => channels,
                Layer::Relu | Layer::MaxPool { .. } => continue,
            };
            let bound = (6.0 / (weights / outputs) as f32).sqrt();
            let unit = |rng: &mut R| (rng.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0;
            parameters.extend((0..weights).map(|_| bound * unit(rng)));
            parameters.extend(vec![0.0; biases]);
        }
        Self {
            architecture,
            parameters,
        }
    }

    /// What it computes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Layer by layer, weights before biases.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// To be changed by an optimizer.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Weights and biases of layer `index`.
    pub(super) fn layer(&self, index: usize) -> (&[f32], &[f32]) {
        let sizes = (0..index).map(|i| self.architecture.weights(i));
        let start: usize = sizes.map(|(w, b)| w + b).sum();
        let (weights, biases) = self.architecture.weights(index);
        self.parameters[start..start + weights + biases].split_at(weights)
    }

    pub(super) fn conv(&self, index: usize, kernel: usize, padding: usize) -> Conv {
        Conv {
            input: self.architecture.shape(index),
            output: self.architecture.shape(index + 1),
            kernel,
            padding,
        }
    }

    /// Values before each layer and after the last, for a batch.
    pub(super) fn activations(&self, batch: Vec<f32>) -> Vec<Vec<f32>> {
        let rows = batch.len() / self.architecture.input().size();
        let mut values = vec![batch];
        for (index, layer) in self.architecture.layers().iter().enumerate() {
            let (x, (weights, biases)) = (&values[index], self.layer(index));
            let shape = self.architecture.shape(index);
            let mut y = vec![0.0; rows * self.architecture.shape(index + 1).size()];
            match *layer {
                Layer::Dense { .. } => dense::forward(x, weights, biases, &mut y),
                Layer::Conv {
                    kernel, padding, ..
                } => self
                    .conv(index, kernel, padding)
                    .forward(x, weights, biases, &mut y),
                Layer::Relu => y.iter_mut().zip(x).for_each(|(y, x)| *y = x.max(0.0)),
                Layer::MaxPool { window } => pool::forward(x, shape, window, &mut y),
            }
            values.push(y);
        }
        values
    }

    /// Outputs for a batch `[rows, inputs]`, before softmax or the logistic function.
    ///
    /// # Errors
    /// [`TrainingError::Width`] unless the batch has whole rows.
    pub fn outputs(&self, batch: &[f32]) -> Result<Vec<f32>, TrainingError> {
        let width = self.architecture.input().size();
        if !batch.len().is_multiple_of(width) {
            return Err(TrainingError::Width {
                expected: width,
                got: batch.len() % width,
            });
        }
        let mut values = self.activations(batch.to_vec());
        Ok(values.pop().expect("an input at least"))
    }

    pub(super) fn check(&self, examples: &Examples) -> Result<(), TrainingError> {
        let expected = self.architecture.input().size();
        if examples.width() != expected {
            return Err(TrainingError::Width {
                expected,
                got: examples.width(),
            });
        }
        let classes = self.architecture.classes();
        let bad = (0..examples.len()).find(|&i| examples.label(i) as usize >= classes);
        match bad {
            None => Ok(()),
            Some(example) => Err(TrainingError::Label {
                example,
                label: examples.label(example),
                classes,
            }),
        }
    }

    /// Loss and accuracy; both zero without examples.
    ///
    /// # Errors
    /// [`TrainingError::Width`], [`TrainingError::Label`], [`TrainingError::NotFinite`].
    pub fn evaluate(&self, examples: &Examples) -> Result<Evaluation, TrainingError> {
        self.check(examples)?;
        let indices: Vec<usize> = (0..examples.len()).collect();
        let sums = indices.par_chunks(CHUNK).map(|chunk| {
            let batch = chunk
                .iter()
                .flat_map(|&i| examples.features(i))
                .copied()
                .collect();
            let values = self.activations(batch);
            let outputs = values.last().expect("an input at least");
            let rows = outputs.chunks_exact(self.architecture.outputs());
            rows.zip(chunk)
                .try_fold((0.0, 0usize), |(loss, right), (row, &i)| {
                    let label = examples.label(i);
                    let (this, _) = loss_of(self.architecture.loss(), row, label, i)?;
                    let best = match self.architecture.loss() {
                        Loss::Logistic => u32::from(row[0] > 0.0),
                        Loss::CrossEntropy => argmax(row),
                    };
                    Ok((loss + this, right + usize::from(best == label)))
                })
        });
        let add = |a: (f64, usize), b: (f64, usize)| Ok((a.0 + b.0, a.1 + b.1));
        let (loss, right) = sums.try_reduce(|| (0.0, 0), add)?;
        let count = examples.len().max(1) as f64;
        Ok(Evaluation {
            loss: loss / count,
            accuracy: right as f64 / count,
        })
    }
}

fn argmax(row: &[f32]) -> u32 {
    let best = (0..row.len()).reduce(|best, at| if row[at] > row[best] { at } else { best });
    best.map_or(0, |best| best as u32)
}

/// Loss of one example and its gradient in the outputs.
pub(super) fn loss_of(
    loss: Loss,
    outputs: &[f32],
    label: u32,
    example: usize,
) -> Result<(f64, Vec<f32>), TrainingError> {
    if outputs.iter().any(|x| !x.is_finite()) {
        return Err(TrainingError::NotFinite {
            what: "model output",
            example,
        });
    }
    Ok(match loss {
        Loss::Logistic => {
            // log(1 + e^-s), s the output towards the label
            let (x, sign) = (f64::from(outputs[0]), if label == 1 { 1.0 } else { -1.0 });
            let s = sign * x;
            let loss = (-s.abs()).exp().ln_1p() + (-s).max(0.0);
            (loss, vec![(-sign / (1.0 + s.exp())) as f32])
        }
        Loss::CrossEntropy => {
            let most = outputs.iter().copied().fold(f32::MIN, f32::max);
            let shifted = outputs.iter().map(|x| f64::from(x - most).exp());
            let exponentials: Vec<f64> = shifted.collect();
            let total: f64 = exponentials.iter().sum();
            let label = label as usize;
            let gradient = exponentials.iter().enumerate();
            let gradient =
                gradient.map(|(i, e)| (e / total - f64::from(u8::from(i == label))) as f32);
            (
                total.ln() - f64::from(outputs[label] - most),
                gradient.collect(),
            )
        }
    })
}

/// Examples that one thread takes at a time.
pub(super) const CHUNK: usize = 64;
