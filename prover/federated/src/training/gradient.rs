//! Sums of clipped per-example gradients.
//!
//! 1. Claim: [`clipped_sum`] is `sum_i c_i g_i`, `c_i = min(1, C / |g_i|)`, where `g_i` is the gradient of
//!    example i's loss over all parameters: one record changes it by at most C in L2 norm.
//! 2. Two passes: gradients of all layers' outputs and from them the norms; then the scaled sums. Backward is
//!    linear in the loss's gradient, so a scaled example scales all its layers.
//! 3. A gradient that is not finite is an error, never a sum.
//! 4. Source: Abadi et al. 2016; Lee and Kifer 2021 for one backward pass with ghost norms.

use rayon::prelude::*;

use super::architecture::Layer;
use super::model::{loss_of, Model, CHUNK};
use super::{dense, pool, setting, Examples, TrainingError};

/// The sum over a sample.
#[derive(Clone, PartialEq)]
pub struct ClippedSum {
    /// `sum_i c_i g_i`, as long as the parameters.
    pub sum: Vec<f32>,
    /// Sum of the losses, nats.
    pub loss: f64,
    /// Examples in the sample.
    pub examples: usize,
    /// Those whose gradient was clipped.
    pub clipped: usize,
}

impl std::fmt::Debug for ClippedSum {
    /// Without what depends on private records.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClippedSum({} coordinates)", self.sum.len())
    }
}

/// Sum over the examples `sample` of gradients clipped to L2 norm `clip_norm`; infinite for no clipping.
///
/// # Errors
/// [`TrainingError::Setting`] unless the norm is positive; [`TrainingError::Width`], [`TrainingError::Label`];
/// [`TrainingError::NotFinite`].
pub fn clipped_sum(
    model: &Model,
    examples: &Examples,
    sample: &[usize],
    clip_norm: f64,
) -> Result<ClippedSum, TrainingError> {
    setting(clip_norm > 0.0, "clip norm", clip_norm, "positive")?;
    model.check(examples)?;
    if let Some(&index) = sample.iter().find(|&&i| i >= examples.len()) {
        setting(
            false,
            "index of an example",
            index as f64,
            "that of an example",
        )?;
    }
    let empty = || ClippedSum {
        sum: vec![0.0; model.parameters().len()],
        loss: 0.0,
        examples: 0,
        clipped: 0,
    };
    // Sums of equal parts in a fixed order, so that a seed gives the same model on any number of cores.
    let parts: Vec<Result<ClippedSum, TrainingError>> = sample
        .par_chunks(PART)
        .map(|part| {
            let mut total = empty();
            for chunk in part.chunks(CHUNK) {
                add_chunk(model, examples, chunk, clip_norm, &mut total)?;
            }
            Ok(total)
        })
        .collect();
    let mut total = empty();
    for part in parts {
        let part = part?;
        total
            .sum
            .iter_mut()
            .zip(&part.sum)
            .for_each(|(a, b)| *a += b);
        total.loss += part.loss;
        total.examples += part.examples;
        total.clipped += part.clipped;
    }
    Ok(total)
}

fn add_chunk(
    model: &Model,
    examples: &Examples,
    chunk: &[usize],
    clip_norm: f64,
    total: &mut ClippedSum,
) -> Result<(), TrainingError> {
    let architecture = model.architecture();
    let layers = architecture.layers();
    // 1. Forward, and the loss's gradients.
    let batch = chunk
        .iter()
        .flat_map(|&i| examples.features(i))
        .copied()
        .collect();
    let values = model.activations(batch);
    let mut gradients: Vec<Vec<f32>> = vec![vec![]; layers.len() + 1];
    let outputs = values[layers.len()].chunks_exact(architecture.outputs());
    for (row, &index) in outputs.zip(chunk) {
        let (loss, gradient) = loss_of(architecture.loss(), row, examples.label(index), index)?;
        total.loss += loss;
        gradients[layers.len()].extend(gradient);
    }
    // 2. Backward; the input's gradient is not needed.
    let first = (0..layers.len()).find(|&i| architecture.weights(i).0 > 0);
    for index in (first.unwrap_or(0) + 1..layers.len()).rev() {
        let (x, g) = (&values[index], &gradients[index + 1]);
        let (weights, biases) = model.layer(index);
        let mut dx = vec![0.0; x.len()];
        match layers[index] {
            Layer::Dense { .. } => dense::backward(g, weights, biases.len(), &mut dx),
            Layer::Conv {
                kernel, padding, ..
            } => model
                .conv(index, kernel, padding)
                .backward(g, weights, &mut dx),
            Layer::Relu => {
                for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
                    *dx = if *x > 0.0 { *g } else { 0.0 };
                }
            }
            Layer::MaxPool { window } => {
                pool::backward(x, g, architecture.shape(index), window, &mut dx);
            }
        }
        gradients[index] = dx;
    }
    // 3. Norms over all layers; those of convolutions from gradients that are kept for the sums.
    let mut norms = vec![0f64; chunk.len()];
    let mut kept: Vec<Vec<f32>> = vec![vec![]; layers.len()];
    for (index, layer) in layers.iter().enumerate() {
        let (x, g) = (&values[index], &gradients[index + 1]);
        match *layer {
            Layer::Dense { .. } => dense::squared_norms(x, g, &mut norms),
            Layer::Conv {
                kernel, padding, ..
            } => {
                let each = model.conv(index, kernel, padding).gradients(x, g);
                for (norm, gradient) in norms
                    .iter_mut()
                    .zip(each.chunks_exact(each.len() / chunk.len()))
                {
                    *norm += dense::square(gradient);
                }
                kept[index] = each;
            }
            Layer::Relu | Layer::MaxPool { .. } => {}
        }
    }
    let mut factors = vec![1f32; chunk.len()];
    for ((norm, factor), &example) in norms.iter().zip(&mut factors).zip(chunk) {
        let norm = norm.sqrt();
        if !norm.is_finite() {
            return Err(TrainingError::NotFinite {
                what: "gradient",
                example,
            });
        }
        if norm > clip_norm * MARGIN {
            *factor = (clip_norm * MARGIN / norm) as f32;
            total.clipped += 1;
        }
    }
    // 4. Scaled sums.
    let mut rest = &mut total.sum[..];
    for (index, layer) in layers.iter().enumerate() {
        let (weights, biases) = architecture.weights(index);
        let (this, after) = rest.split_at_mut(weights + biases);
        rest = after;
        match layer {
            Layer::Dense { .. } => {
                let (dw, db) = this.split_at_mut(weights);
                dense::add_gradient(&values[index], &mut gradients[index + 1], &factors, dw, db);
            }
            Layer::Conv { .. } => {
                for (gradient, factor) in kept[index].chunks_exact(this.len()).zip(&factors) {
                    this.iter_mut()
                        .zip(gradient)
                        .for_each(|(sum, g)| *sum += factor * g);
                }
            }
            Layer::Relu | Layer::MaxPool { .. } => {}
        }
    }
    total.examples += chunk.len();
    Ok(())
}

/// Examples whose sum is one task.
const PART: usize = 512;
/// Room for the rounding of 32-bit products: a clipped gradient stays below the norm.
const MARGIN: f64 = 1.0 - 1.0 / 4096.0;

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::super::architecture::{Architecture, Loss, Shape};
    use super::*;

    fn model_and_data(loss: Loss, seed: u64) -> (Model, Examples) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let input = Shape {
            channels: 2,
            height: 7,
            width: 6,
        };
        let outputs = if loss == Loss::Logistic { 1 } else { 3 };
        let layers = vec![
            Layer::Conv {
                channels: 3,
                kernel: 3,
                padding: 1,
            },
            Layer::Relu,
            Layer::MaxPool { window: 2 },
            Layer::Conv {
                channels: 4,
                kernel: 2,
                padding: 0,
            },
            Layer::Relu,
            Layer::Dense { outputs: 5 },
            Layer::Relu,
            Layer::Dense { outputs },
        ];
        let architecture = Architecture::new(input, layers, loss).unwrap();
        let model = Model::initialized(architecture, &mut rng);
        let count = 70;
        let unit = |rng: &mut ChaCha20Rng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let features = (0..count * input.size()).map(|_| unit(&mut rng)).collect();
        let classes = model.architecture().classes() as u32;
        let labels = (0..count).map(|i| i as u32 % classes).collect();
        (
            model,
            Examples::new(features, labels, input.size()).unwrap(),
        )
    }

    /// Central differences of the loss.
    #[test]
    fn gradients_are_those_of_the_loss() {
        for loss in [Loss::CrossEntropy, Loss::Logistic] {
            let (model, examples) = model_and_data(loss, 1);
            let sample: Vec<usize> = (0..examples.len()).collect();
            let sum = clipped_sum(&model, &examples, &sample, f64::INFINITY).unwrap();
            assert_eq!((sum.examples, sum.clipped), (70, 0));
            let at = |index: usize, change: f32| {
                let mut other = model.clone();
                other.parameters_mut()[index] += change;
                other.evaluate(&examples).unwrap().loss * 70.0
            };
            let scale = dense::square(&sum.sum).sqrt();
            for index in (0..model.parameters().len()).step_by(7) {
                let step = 1e-3;
                let numeric = (at(index, step) - at(index, -step)) / f64::from(2.0 * step);
                let error = (numeric - f64::from(sum.sum[index])).abs();
                assert!(
                    error < 0.02 * scale,
                    "{loss:?} {index}: {numeric} {}",
                    sum.sum[index]
                );
            }
        }
    }

    #[test]
    fn each_example_is_clipped_over_all_layers_together() {
        let (model, examples) = model_and_data(Loss::CrossEntropy, 2);
        let mut expected = vec![0f64; model.parameters().len()];
        let clip = 0.4;
        let mut clipped = 0;
        for index in 0..examples.len() {
            let one = clipped_sum(&model, &examples, &[index], f64::INFINITY).unwrap();
            let norm = dense::square(&one.sum).sqrt();
            let alone = clipped_sum(&model, &examples, &[index], clip).unwrap();
            let limited = dense::square(&alone.sum).sqrt();
            assert!(limited <= clip && (norm < clip || limited > 0.99 * clip));
            clipped += alone.clipped;
            expected
                .iter_mut()
                .zip(&alone.sum)
                .for_each(|(a, b)| *a += f64::from(*b));
        }
        let sample: Vec<usize> = (0..examples.len()).collect();
        let all = clipped_sum(&model, &examples, &sample, clip).unwrap();
        assert_eq!(all.clipped, clipped);
        assert!(clipped > 0 && clipped <= 70);
        for (got, expected) in all.sum.iter().zip(&expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn what_is_not_finite_is_refused() {
        let (mut model, examples) = model_and_data(Loss::CrossEntropy, 3);
        for bad in [f32::NAN, f32::INFINITY, 1e38] {
            let before = model.parameters()[0];
            model.parameters_mut()[0] = bad;
            let last = model.parameters().len() - 1;
            let bias = model.parameters()[last];
            model.parameters_mut()[last] = bad;
            let result = clipped_sum(&model, &examples, &[0, 1], 1.0);
            model.parameters_mut()[0] = before;
            model.parameters_mut()[last] = bias;
            match result {
                Err(TrainingError::NotFinite { .. }) => {}
                Ok(sum) => assert!(bad == 1e38 && dense::square(&sum.sum).sqrt() <= 2.0),
                Err(other) => panic!("{other}"),
            }
        }
        let width = examples.width();
        let features = [0.0, f32::NAN].repeat(width / 2);
        assert!(matches!(
            Examples::new(features, vec![0], width),
            Err(TrainingError::NotFinite { .. })
        ));
        assert!(clipped_sum(&model, &examples, &[0], f64::NAN).is_err());
        assert!(clipped_sum(&model, &examples, &[70], 1.0).is_err());
        let wrong = Examples::new(vec![0.0; width], vec![3], width).unwrap();
        assert!(matches!(
            clipped_sum(&model, &wrong, &[0], 1.0),
            Err(TrainingError::Label { .. })
        ));
        let narrow = Examples::new(vec![0.0; 4], vec![1, 1], 2).unwrap();
        assert!(matches!(
            clipped_sum(&model, &narrow, &[0], 1.0),
            Err(TrainingError::Width { .. })
        ));
    }
}
