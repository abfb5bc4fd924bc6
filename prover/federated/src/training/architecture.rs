//! What a model computes, without its parameters.
//!
//! 1. Claim: an [`Architecture`] is a chain of layers, each fitting the one before it.
//! 2. Shapes: `Shape { channels, height, width }` of one example; a vector of n numbers is n channels of 1 by 1.
//! 3. Assumed: nothing; [`Architecture::new`] checks.
//! 4. Source: ONNX operators Gemm, Conv, MaxPool, Relu, Flatten.

use super::TrainingError;

/// Extents of one example between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// A vector.
    pub fn vector(length: usize) -> Self {
        Self {
            channels: length,
            height: 1,
            width: 1,
        }
    }

    /// Numbers in it.
    pub fn size(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// `y = W x + b`, W: `[outputs, inputs]`. Flattens what comes in.
    Dense {
        /// Rows of W.
        outputs: usize,
    },
    /// Cross-correlation with a square kernel, stride 1; W: `[channels, inputs, kernel, kernel]`.
    Conv {
        /// Output channels.
        channels: usize,
        /// Extent of the kernel.
        kernel: usize,
        /// Zeros added on each side.
        padding: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// Largest of each window, windows side by side.
    MaxPool {
        /// Extent of the window.
        window: usize,
    },
}

/// What is minimised, and what labels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross-entropy over the outputs; a label is the index of a class.
    CrossEntropy,
    /// Logistic loss of a single output; labels are 0 and 1.
    Logistic,
}

/// A chain of layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    layers: Vec<Layer>,
    /// Shapes before each layer, and after the last.
    shapes: Vec<Shape>,
    loss: Loss,
}

impl Architecture {
    /// Checks that the layers fit.
    ///
    /// # Errors
    /// [`TrainingError::Layer`] for one that does not fit, or a model of more than 2^26 parameters or numbers
    /// between layers.
    pub fn new(input: Shape, layers: Vec<Layer>, loss: Loss) -> Result<Self, TrainingError> {
        let mut shapes = vec![input];
        let mut shape = input;
        let wrong = |layer, reason: &str| TrainingError::Layer {
            layer,
            reason: reason.into(),
        };
        if bounded(&[input.channels, input.height, input.width]).is_none() {
            return Err(wrong(0, "has an input that is empty or too large"));
        }
        let mut parameters = 0usize;
        for (index, layer) in layers.iter().enumerate() {
            let next = match *layer {
                Layer::Dense { outputs } => Some(Shape::vector(outputs)),
                Layer::Conv {
                    channels,
                    kernel,
                    padding,
                } => {
                    let extent = |x: usize| (x + 2 * padding.min(kernel)).checked_sub(kernel - 1);
                    let fits = kernel > 0 && padding < kernel;
                    fits.then(|| {
                        Some(Shape {
                            channels,
                            height: extent(shape.height)?,
                            width: extent(shape.width)?,
                        })
                    })
                    .flatten()
                }
                Layer::Relu => Some(shape),
                Layer::MaxPool { window } => (window > 0).then(|| Shape {
                    height: shape.height / window,
                    width: shape.width / window,
                    ..shape
                }),
            };
            let next = next.filter(|s| bounded(&[s.channels, s.height, s.width]).is_some());
            let next = next.ok_or_else(|| wrong(index, "does not fit what comes before it"))?;
            let count = match *layer {
                Layer::Conv { kernel, .. } => {
                    bounded(&[next.channels, shape.channels, kernel, kernel])
                }
                Layer::Dense { outputs } => bounded(&[outputs, shape.size()]),
                _ => Some(0),
            };
            let learned = |count| parameters + count + if count > 0 { next.channels } else { 0 };
            let total = count.map(learned);
            parameters = total
                .filter(|&total| total <= LARGEST)
                .ok_or_else(|| wrong(index, "has too many parameters"))?;
            shapes.push(next);
            shape = next;
        }
        if parameters == 0 {
            return Err(wrong(0, "is missing"));
        }
        if loss == Loss::Logistic && shape.size() != 1 {
            return Err(wrong(
                layers.len() - 1,
                "must have one output for the logistic loss",
            ));
        }
        Ok(Self {
            layers,
            shapes,
            loss,
        })
    }

    /// A multilayer perceptron with ReLU between its layers.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn mlp(
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        loss: Loss,
    ) -> Result<Self, TrainingError> {
        let mut layers = vec![];
        for &outputs in hidden {
            layers.extend([Layer::Dense { outputs }, Layer::Relu]);
        }
        layers.push(Layer::Dense { outputs });
        Self::new(Shape::vector(inputs), layers, loss)
    }

    /// The layers, from the input.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Shape of an example.
    pub fn input(&self) -> Shape {
        self.shapes[0]
    }

    /// Shape before layer `index`, or after the last one.
    pub(super) fn shape(&self, index: usize) -> Shape {
        self.shapes[index]
    }

    /// Numbers that come out.
    pub fn outputs(&self) -> usize {
        self.shapes[self.layers.len()].size()
    }

    /// Classes that a label may name.
    pub fn classes(&self) -> usize {
        match self.loss {
            Loss::CrossEntropy => self.outputs(),
            Loss::Logistic => 2,
        }
    }

    /// Weights and biases of layer `index`.
    pub(super) fn weights(&self, index: usize) -> (usize, usize) {
        let (before, after) = (self.shapes[index], self.shapes[index + 1]);
        match self.layers[index] {
            Layer::Dense { outputs } => (outputs * before.size(), outputs),
            Layer::Conv {
                channels, kernel, ..
            } => (channels * before.channels * kernel * kernel, after.channels),
            Layer::Relu | Layer::MaxPool { .. } => (0, 0),
        }
    }

    /// Numbers to learn.
    pub fn parameters(&self) -> usize {
        let layers = 0..self.layers.len();
        layers
            .map(|index| self.weights(index))
            .map(|(w, b)| w + b)
            .sum()
    }
}

/// The product, unless a factor is zero or it is above [`LARGEST`].
fn bounded(factors: &[usize]) -> Option<usize> {
    let product = factors.iter().try_fold(1usize, |p, &f| p.checked_mul(f));
    product.filter(|p| (1..=LARGEST).contains(p))
}

const LARGEST: usize = 1 << 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_parameters() {
        let image = Shape {
            channels: 1,
            height: 28,
            width: 28,
        };
        let layers = vec![
            Layer::Conv {
                channels: 4,
                kernel: 5,
                padding: 0,
            },
            Layer::Relu,
            Layer::MaxPool { window: 2 },
            Layer::Dense { outputs: 10 },
        ];
        let cnn = Architecture::new(image, layers, Loss::CrossEntropy).unwrap();
        assert_eq!(cnn.parameters(), 4 * 25 + 4 + 4 * 144 * 10 + 10);
        let mlp = Architecture::mlp(20, &[16, 8], 1, Loss::Logistic).unwrap();
        assert_eq!(mlp.parameters(), 20 * 16 + 16 + 16 * 8 + 8 + 8 + 1);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let image = Shape {
            channels: 1,
            height: 4,
            width: 4,
        };
        let bad: Vec<Vec<Layer>> = vec![
            vec![],
            vec![Layer::Relu],
            vec![Layer::Dense { outputs: 0 }],
            vec![Layer::Dense {
                outputs: usize::MAX,
            }],
            vec![Layer::Conv {
                channels: 1,
                kernel: 5,
                padding: 0,
            }],
            vec![Layer::Conv {
                channels: 1,
                kernel: 0,
                padding: 0,
            }],
            vec![Layer::Conv {
                channels: 1,
                kernel: 3,
                padding: usize::MAX,
            }],
            vec![Layer::Conv {
                channels: usize::MAX,
                kernel: 3,
                padding: 0,
            }],
            vec![Layer::MaxPool { window: 5 }, Layer::Dense { outputs: 1 }],
            vec![Layer::MaxPool { window: 0 }, Layer::Dense { outputs: 1 }],
        ];
        for layers in bad {
            let error = Architecture::new(image, layers.clone(), Loss::CrossEntropy).unwrap_err();
            assert!(matches!(error, TrainingError::Layer { .. }), "{layers:?}");
        }
        assert!(Architecture::mlp(3, &[], 2, Loss::Logistic).is_err());
        assert!(Architecture::mlp(0, &[], 2, Loss::CrossEntropy).is_err());
    }
}
