//! The interpreter: the definition of what an integer model computes.
//!
//! Claims: for inputs in their declared ranges, `eval` gives every scalar of the skeleton, exactly as
//! skeleton.rs states the operations; the circuit's witness is these scalars. Accumulators are i128, or i64
//! where the operands' actual magnitudes rule out overflow.

use super::ranges::{quotient, round_shift};
use super::skeleton::{
    Activation, ForestNode, IntegerModel, LinearWeights, Op, OutputKind, OutputSpec, Positions,
    ScalarId,
};

/// One output of one row, as people read it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputValue {
    /// Name of the output.
    pub name: String,
    /// Shape of one row.
    pub shape: Vec<u32>,
    /// The values.
    pub values: Values,
}

/// Values of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Fixed point numbers, exact in f64 up to 53 bits, or float32 numbers, exact.
    Numbers(Vec<f64>),
    /// Integers; integer labels too.
    Integers(Vec<i64>),
    /// String labels.
    Labels(Vec<String>),
}

impl IntegerModel {
    /// All scalars of one row, the inputs first.
    ///
    /// # Panics
    /// If `input` does not have one integer per input scalar, or if the model does not pass
    /// [`IntegerModel::check`].
    pub fn eval(&self, input: &[i64]) -> Vec<i64> {
        assert_eq!(
            input.len(),
            self.skeleton.input_len(),
            "one integer per input scalar"
        );
        let mut x: Vec<i64> = input.to_vec();
        let (mut linear, mut diagonal) = (self.weights.linear.iter(), self.weights.diagonal.iter());
        let dense = |weights, inputs: &[ScalarId], x: &[i64], shift, activation| -> Vec<i64> {
            let operands: Vec<i64> = inputs.iter().map(|&id| x[id as usize]).collect();
            linear_layer(weights, &operands, self.skeleton.weight_bits)
                .map(|y| finish(y, shift, activation))
                .collect()
        };
        let mut forests = self.weights.forests.iter();
        for op in &self.skeleton.ops {
            let made: Vec<i64> = match op {
                Op::Linear {
                    inputs,
                    shift,
                    activation,
                    ..
                } => {
                    let weights = linear.next().expect("weights for each linear layer");
                    dense(weights, inputs, &x, *shift, *activation)
                }
                Op::Again {
                    inputs,
                    layer,
                    shift,
                    activation,
                    ..
                } => {
                    let weights = &self.weights.linear[*layer as usize];
                    dense(weights, inputs, &x, *shift, *activation)
                }
                Op::Convolution {
                    inputs,
                    groups,
                    positions,
                    shift,
                    activation,
                    ..
                } => {
                    let weights = linear.next().expect("weights for each convolution");
                    let x: Vec<i64> = inputs.iter().map(|&id| x[id as usize]).collect();
                    convolution(weights, &x, *groups as usize, positions)
                        .into_iter()
                        .map(|y| finish(y, *shift, *activation))
                        .collect()
                }
                Op::Forest {
                    inputs,
                    trees,
                    depth,
                    outputs,
                    ..
                } => {
                    let table = forests.next().expect("a table for each forest");
                    let x: Vec<i64> = inputs.iter().map(|&id| x[id as usize]).collect();
                    let mut scores = vec![0; *outputs as usize];
                    for root in 0..*trees as usize {
                        let last = walk(table, &x, root, *depth as usize).last();
                        let (node, bit) = last.expect("a walk visits one node or more");
                        let values = if bit {
                            &table[node].yes
                        } else {
                            &table[node].no
                        };
                        scores.iter_mut().zip(values).for_each(|(s, v)| *s += v);
                    }
                    scores
                }
                Op::Diagonal {
                    inputs,
                    shift,
                    activation,
                } => {
                    let LinearWeights { weights, biases } =
                        diagonal.next().expect("weights for each diagonal map");
                    inputs
                        .iter()
                        .zip(weights.iter().zip(biases))
                        .map(|(&id, (&w, &b))| {
                            let y = i128::from(w) * i128::from(x[id as usize]) + i128::from(b);
                            finish(y, *shift, *activation)
                        })
                        .collect()
                }
                Op::Local {
                    left,
                    right,
                    product,
                    left_factor,
                    right_factor,
                    constant,
                    shift,
                    activation,
                } => left
                    .iter()
                    .zip(right)
                    .map(|(&l, &r)| {
                        let (l, r) = (i128::from(x[l as usize]), i128::from(x[r as usize]));
                        let y = i128::from(*product) * (l * r)
                            + i128::from(*left_factor) * l
                            + i128::from(*right_factor) * r
                            + i128::from(*constant);
                        finish(y, *shift, *activation)
                    })
                    .collect(),
                Op::Clamp { inputs, lo, hi } => inputs
                    .iter()
                    .map(|&id| x[id as usize].max(*lo).min(*hi))
                    .collect(),
                Op::Max { inputs, width } => inputs
                    .chunks_exact(*width as usize)
                    .map(|window| {
                        let values = window.iter().map(|&id| x[id as usize]);
                        values.max().expect("a window is not empty")
                    })
                    .collect(),
                Op::Function { inputs, function } => {
                    let table = &self.skeleton.functions[*function as usize];
                    inputs
                        .iter()
                        .map(|&id| narrow(table.at(x[id as usize])))
                        .collect()
                }
                Op::Divide {
                    numerators,
                    denominators,
                    scale_bits,
                } => numerators
                    .iter()
                    .zip(denominators)
                    .map(|(&n, &d)| {
                        let (n, d) = (i128::from(x[n as usize]), i128::from(x[d as usize]));
                        narrow(quotient(n, d, *scale_bits).expect("ranges bound the quotient"))
                    })
                    .collect(),
            };
            x.extend(made);
        }
        x
    }

    /// The released integers, from all scalars.
    pub fn released_of(&self, scalars: &[i64]) -> Vec<i64> {
        pick(&self.skeleton.released, scalars)
    }

    /// The outputs as people read them, from all scalars.
    pub fn outputs_of(&self, scalars: &[i64]) -> Vec<OutputValue> {
        self.skeleton
            .outputs
            .iter()
            .map(|spec| spec.value(&pick(&spec.scalars, scalars)))
            .collect()
    }
}

impl OutputSpec {
    /// This output's integers as people read them.
    pub fn value(&self, integers: &[i64]) -> OutputValue {
        let values = match &self.kind {
            OutputKind::Fixed { scale_bits } => {
                let unit = 2f64.powi(-(*scale_bits as i32));
                Values::Numbers(integers.iter().map(|&i| i as f64 * unit).collect())
            }
            OutputKind::Integer => Values::Integers(integers.to_vec()),
            OutputKind::Affine { scales, zero_point } => {
                let number = |(i, &q): (usize, &i64)| {
                    let scale = f32::from_bits(scales[i % scales.len()]);
                    f64::from((q - zero_point) as f32 * scale)
                };
                Values::Numbers(integers.iter().enumerate().map(number).collect())
            }
            OutputKind::Label { labels, integer } => {
                let text: Vec<&str> = integers
                    .iter()
                    .map(|&i| {
                        let label = usize::try_from(i).ok().and_then(|i| labels.get(i));
                        label.map_or("", String::as_str)
                    })
                    .collect();
                let numbers: Option<Vec<i64>> = text
                    .iter()
                    .map(|t| if *integer { t.parse().ok() } else { None })
                    .collect();
                match numbers {
                    Some(numbers) => Values::Integers(numbers),
                    None => Values::Labels(text.into_iter().map(str::to_owned).collect()),
                }
            }
        };
        OutputValue {
            name: self.name.clone(),
            shape: self.shape.clone(),
            values,
        }
    }
}

/// The nodes that one walk visits, each with whether its comparison holds.
pub(crate) fn walk<'a>(
    table: &'a [ForestNode],
    x: &'a [i64],
    root: usize,
    depth: usize,
) -> impl Iterator<Item = (usize, bool)> + 'a {
    let mut at = root;
    (0..depth).map(move |level| {
        let node = &table[at];
        let visited = (at, x[node.feature as usize] <= node.threshold);
        if level + 1 < depth {
            at = (node.yes[0] + i64::from(!visited.1)) as usize;
        }
        visited
    })
}

fn pick(ids: &[ScalarId], scalars: &[i64]) -> Vec<i64> {
    ids.iter().map(|&id| scalars[id as usize]).collect()
}

/// The accumulators of a dense layer.
fn linear_layer<'a>(
    LinearWeights { weights, biases }: &'a LinearWeights,
    x: &'a [i64],
    weight_bits: u32,
) -> Box<dyn Iterator<Item = i128> + 'a> {
    let rows = weights.chunks_exact(x.len().max(1)).zip(biases);
    let sum: i128 = x.iter().map(|&x| i128::from(x).abs()).sum();
    if sum < 1 << 62u32.saturating_sub(weight_bits) {
        // |w| <= 2^weight_bits, so no partial sum leaves i64.
        Box::new(rows.map(move |(row, &b)| {
            let y: i64 = row.iter().zip(x).map(|(&w, &x)| i64::from(w) * x).sum();
            i128::from(y) + i128::from(b)
        }))
    } else {
        Box::new(rows.map(move |(row, &b)| {
            let wide = row
                .iter()
                .zip(x)
                .map(|(&w, &x)| i128::from(w) * i128::from(x));
            wide.sum::<i128>() + i128::from(b)
        }))
    }
}

/// The accumulators of a layer with shared weights, `[outputs, positions.to]`; x: [channels, positions.at].
pub(crate) fn convolution(
    LinearWeights { weights, biases }: &LinearWeights,
    x: &[i64],
    groups: usize,
    positions: &Positions,
) -> Vec<i128> {
    let (width, taps) = (positions.at.len(), positions.taps.len());
    let channels = x.len() / width / groups;
    let pairs = positions.pairs();
    let outputs = biases.len() / groups;
    let mut ys = Vec::with_capacity(biases.len() * pairs.len());
    for (o, (kernel, bias)) in weights
        .chunks_exact(channels * taps)
        .zip(biases)
        .enumerate()
    {
        let first = o / outputs * channels;
        for pairs in &pairs {
            let mut y = i128::from(*bias);
            for (c, kernel) in kernel.chunks_exact(taps).enumerate() {
                let x = &x[(first + c) * width..][..width];
                for &(t, q) in pairs {
                    y += i128::from(kernel[t]) * i128::from(x[q]);
                }
            }
            ys.push(y);
        }
    }
    ys
}

fn finish(y: i128, shift: u32, activation: Activation) -> i64 {
    let q = narrow(round_shift(y, shift).expect("ranges bound the accumulator"));
    match activation {
        Activation::None => q,
        Activation::Relu => q.max(0),
        Activation::Sign => i64::from(q >= 0),
    }
}

fn narrow(y: i128) -> i64 {
    i64::try_from(y).expect("ranges bound every scalar below 2^61")
}
