//! Training of small networks on one party's data, with per-example clipping.
//!
//! 1. Claim: [`gradient::clipped_sum`] is `sum_i g_i min(1, C / |g_i|)` over a sample, g_i the gradient of one
//!    example's loss at the model's parameters; its L2 sensitivity to one record is C.
//! 2. Layout: a model's parameters are one vector, layer by layer, weights (row-major) before biases; a batch
//!    is row-major, one example a row; images are channels, height, width.
//! 3. Assumed: sums of 32-bit floats are taken as exact (docs/privacy.md has the bound).
//! 4. Source: Abadi et al., "Deep learning with differential privacy", CCS 2016, algorithm 1.

pub mod architecture;
mod conv;
mod dense;
pub mod gradient;
pub mod model;
pub mod onnx;
pub mod optimizer;
mod pool;
pub mod quantize;
pub mod sampling;
pub mod trainer;
pub mod update;

pub use architecture::{Architecture, Layer, Loss, Shape};
pub use model::Model;

use thiserror::Error;

/// Labelled examples of one party.
#[derive(Clone, PartialEq)]
pub struct Examples {
    features: Vec<f32>,
    labels: Vec<u32>,
    width: usize,
}

impl std::fmt::Debug for Examples {
    /// Only their number: the data is private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Examples({} of width {})", self.labels.len(), self.width)
    }
}

impl Examples {
    /// `features`: `[labels.len(), width]`, row-major.
    ///
    /// # Errors
    /// [`TrainingError::Examples`] unless the features fill that shape; [`TrainingError::NotFinite`].
    pub fn new(features: Vec<f32>, labels: Vec<u32>, width: usize) -> Result<Self, TrainingError> {
        if width == 0 || labels.len().checked_mul(width) != Some(features.len()) {
            return Err(TrainingError::Examples {
                features: features.len(),
                labels: labels.len(),
                width,
            });
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            return Err(TrainingError::NotFinite {
                what: "feature",
                example: at / width,
            });
        }
        Ok(Self {
            features,
            labels,
            width,
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features of an example.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Features of example `index`.
    pub fn features(&self, index: usize) -> &[f32] {
        &self.features[index * self.width..][..self.width]
    }

    /// Label of example `index`.
    pub fn label(&self, index: usize) -> u32 {
        self.labels[index]
    }
}

/// Why a model cannot be built, read or trained.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Features, labels and width do not fit.
    #[error("{features} features are not {labels} examples of {width} each")]
    Examples {
        /// Numbers given.
        features: usize,
        /// Labels given.
        labels: usize,
        /// Numbers an example.
        width: usize,
    },
    /// The data is not for this model.
    #[error("the examples have {got} features where the model takes {expected}")]
    Width {
        /// The model's.
        expected: usize,
        /// The data's.
        got: usize,
    },
    /// A label without a class.
    #[error("example {example} has label {label}; the model knows {classes} classes, from 0")]
    Label {
        /// Which example.
        example: usize,
        /// Its label.
        label: u32,
        /// How many there are.
        classes: usize,
    },
    /// NaN or infinite.
    #[error("a {what} of example {example} is not a finite number; clean the data or lower the learning rate")]
    NotFinite {
        /// What is not.
        what: &'static str,
        /// Of which example.
        example: usize,
    },
    /// A vector of another length.
    #[error("{got} numbers where the model has {expected} parameters")]
    Parameters {
        /// The model's.
        expected: usize,
        /// Those given.
        got: usize,
    },
    /// A layer that does not fit what comes before it.
    #[error("layer {layer} {reason}")]
    Layer {
        /// Which one, from 0.
        layer: usize,
        /// What is wrong.
        reason: String,
    },
    /// A setting outside its domain.
    #[error("{name} is {value}, which is not {expected}")]
    Setting {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A coordinate too large for the grid.
    #[error("coordinate {coordinate} of the update is {value}, outside the grid's {bits} bits; clip lower or use a coarser grid")]
    OffGrid {
        /// Which one.
        coordinate: usize,
        /// Its value.
        value: f32,
        /// Width of the grid, sign included.
        bits: u32,
    },
    /// An ONNX file that is no such model.
    #[error("the ONNX model cannot be trained: {0}")]
    Onnx(String),
}

pub(crate) fn setting(
    holds: bool,
    name: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<(), TrainingError> {
    match holds {
        true => Ok(()),
        false => Err(TrainingError::Setting {
            name,
            value,
            expected,
        }),
    }
}
