//! Canonical bytes of a skeleton, and the check of one that came from outside.
//!
//! Claims: `from_bytes(to_bytes(s)) = s` for every skeleton that passes [`Skeleton::check`]; bytes that are
//! accepted are exactly those that `to_bytes` writes (compact JSON, fields in declared order); no bytes
//! make it panic. The check covers what circuit and interpreter rely on: operands exist before their
//! users, lengths agree, widths and counts are within the caps, and every range can be stated
//! ([`super::ranges`]).

use super::lower::{MAX_OPS, MAX_SCALARS};
use super::ranges::{intervals, RangeError};
use super::skeleton::{
    ForestNode, FunctionTable, InputEncoding, InputSpec, IntegerModel, Missing, Op, OutputKind,
    Replacement, Reveal, Skeleton,
};

/// Greatest size of an encoded skeleton.
pub const MAX_SKELETON_BYTES: usize = 256 << 20;

/// Greatest number of operands of all operations together.
const MAX_OPERANDS: usize = 1 << 26;

/// Greatest number of pairs (tap, operand) that the layers with shared weights look at in all.
const MAX_PAIRS: usize = 1 << 30;

/// Greatest number of nodes of a forest's table.
pub(crate) const MAX_FOREST_NODES: u32 = 1 << 20;

/// Why a skeleton or its weights are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkeletonError {
    /// Over the size cap.
    #[error("the skeleton holds {bytes} bytes and the limit is {MAX_SKELETON_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the JSON of a skeleton.
    #[error("the skeleton is unreadable: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Readable, but not written as `to_bytes` writes it.
    #[error("the skeleton's bytes are not canonical")]
    NotCanonical,
    /// A part contradicts the rules.
    #[error("the skeleton is invalid: {what}")]
    Invalid {
        /// Which part, and why.
        what: String,
    },
    /// Ranges cannot be stated.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Private weights that do not belong to the skeleton.
    #[error("the weights do not fit the skeleton: {what}")]
    Weights {
        /// What is wrong.
        what: String,
    },
}

fn invalid(what: impl Into<String>) -> SkeletonError {
    SkeletonError::Invalid { what: what.into() }
}

fn require(condition: bool, what: impl FnOnce() -> String) -> Result<(), SkeletonError> {
    if condition {
        Ok(())
    } else {
        Err(invalid(what()))
    }
}

impl Skeleton {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a skeleton holds strings and integers only")
    }

    /// Reads canonical bytes and checks the skeleton.
    ///
    /// # Errors
    /// Bytes that are too many, unreadable, not canonical, or of an invalid skeleton.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SkeletonError> {
        if bytes.len() > MAX_SKELETON_BYTES {
            return Err(SkeletonError::TooLarge { bytes: bytes.len() });
        }
        let skeleton: Self =
            serde_json::from_slice(bytes).map_err(|e| SkeletonError::Malformed {
                reason: e.to_string(),
            })?;
        if skeleton.to_bytes() != bytes {
            return Err(SkeletonError::NotCanonical);
        }
        skeleton.check()?;
        Ok(skeleton)
    }

    /// Whether every rule holds.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn check(&self) -> Result<(), SkeletonError> {
        require(self.version == 1, || format!("version {}", self.version))?;
        require((1..=31).contains(&self.weight_bits), || {
            "weight_bits".into()
        })?;
        require((1..=60).contains(&self.bias_bits), || "bias_bits".into())?;
        let has_weights = |op: &&Op| matches!(op, Op::Linear { .. } | Op::Convolution { .. });
        let layers = self.ops.iter().filter(has_weights).count();
        let known = self.layer_bias_bits.is_empty() || self.layer_bias_bits.len() == layers;
        let within = |b: &u32| (1..=self.bias_bits).contains(b);
        require(known && self.layer_bias_bits.iter().all(within), || {
            "layer_bias_bits".into()
        })?;
        require(self.ops.len() <= MAX_OPS, || "too many operations".into())?;
        self.check_inputs()?;
        for table in &self.functions {
            table.check()?;
        }
        let scalars = self.check_ops()?;
        self.check_outputs(scalars)?;
        intervals(self)?;
        Ok(())
    }

    fn check_inputs(&self) -> Result<(), SkeletonError> {
        require(!self.inputs.is_empty(), || "no inputs".into())?;
        let mut total = 0usize;
        for (i, input) in self.inputs.iter().enumerate() {
            let name = &input.name;
            require(!self.inputs[..i].iter().any(|o| o.name == *name), || {
                format!("input \"{name}\" named twice")
            })?;
            require(input.scale_bits <= 40, || {
                format!("scale of input \"{name}\"")
            })?;
            require((1..=40).contains(&input.range_bits), || {
                format!("range of input \"{name}\"")
            })?;
            let encoded = match input.encoding {
                InputEncoding::Fixed => true,
                InputEncoding::Float32 | InputEncoding::Float32OrMissing => {
                    (input.scale_bits, input.range_bits) == (0, 31)
                }
                InputEncoding::Affine { scale, zero_point } => {
                    let plain = input.exponents.is_empty() && input.replacements.is_empty();
                    let zero = i64::from(zero_point);
                    let limit = 1i64 << input.range_bits;
                    plain
                        && input.scale_bits == 0
                        && matches!(input.range_bits, 7 | 15)
                        && (-limit..limit).contains(&zero)
                        && positive(scale)
                }
            };
            require(encoded, || format!("encoding of input \"{name}\""))?;
            let len = count(&input.shape).filter(|&n| n > 0);
            let len = len.ok_or_else(|| invalid("an input's shape"))?;
            total = total.saturating_add(len);
            input.check(len)?;
        }
        require(total <= MAX_SCALARS, || "too many input scalars".into())
    }

    /// Number of scalars.
    fn check_ops(&self) -> Result<usize, SkeletonError> {
        let mut scalars = self.input_len();
        let mut operands = 0usize;
        let mut pairs = 0usize;
        // Size of each layer with weights, where it is a `Linear`.
        let mut dense: Vec<Option<(usize, u32)>> = Vec::new();
        for (i, op) in self.ops.iter().enumerate() {
            let at = |what: &str| format!("operation {i}: {what}");
            for list in op.operands() {
                operands += list.len();
                require(!list.is_empty(), || at("no operands"))?;
                require(list.iter().all(|&id| (id as usize) < scalars), || {
                    at("an operand that is not made yet")
                })?;
            }
            require(operands <= MAX_OPERANDS, || "too many operands".into())?;
            match op {
                Op::Linear {
                    inputs,
                    outputs,
                    shift,
                    ..
                } => {
                    require(*outputs > 0, || at("no outputs"))?;
                    require(*shift <= 40, || at("shift"))?;
                    dense.push(Some((inputs.len(), *outputs)));
                }
                Op::Again {
                    inputs,
                    outputs,
                    layer,
                    shift,
                    ..
                } => {
                    let same = dense.get(*layer as usize) == Some(&Some((inputs.len(), *outputs)));
                    require(same, || at("no such layer"))?;
                    require(*shift <= 40, || at("shift"))?;
                }
                Op::Convolution {
                    inputs,
                    outputs,
                    groups,
                    positions,
                    shift,
                    ..
                } => {
                    require(*outputs > 0 && *groups > 0, || at("no outputs"))?;
                    require(positions.check(), || at("positions"))?;
                    let channels = inputs.len() / positions.at.len();
                    let whole = channels * positions.at.len() == inputs.len()
                        && channels % *groups as usize == 0
                        && outputs % groups == 0;
                    require(whole, || at("groups"))?;
                    let made = (*outputs as usize).saturating_mul(positions.to.len());
                    require(made <= MAX_SCALARS, || at("too many results"))?;
                    operands += positions.taps.len() + positions.extent();
                    pairs = pairs.saturating_add(positions.pairs_seen());
                    require(pairs <= MAX_PAIRS, || {
                        "too many pairs of taps and operands".into()
                    })?;
                    require(*shift <= 40, || at("shift"))?;
                    dense.push(None);
                }
                Op::Forest {
                    trees,
                    depth,
                    nodes,
                    outputs,
                    leaf_bits,
                    ..
                } => {
                    require(*outputs > 0, || at("no outputs"))?;
                    require(*trees > 0 && trees <= nodes, || at("trees"))?;
                    require((1..=1 << 12).contains(depth), || at("depth"))?;
                    require(*nodes <= MAX_FOREST_NODES, || at("too many nodes"))?;
                    require((1..=40).contains(leaf_bits), || at("width of the leaves"))?;
                }
                Op::Diagonal { shift, .. } => require(*shift <= 40, || at("shift"))?,
                Op::Local {
                    left, right, shift, ..
                } => {
                    require(left.len() == right.len(), || {
                        at("operands of different length")
                    })?;
                    require(*shift <= 40, || at("shift"))?;
                }
                Op::Max { inputs, width } => {
                    let whole = *width > 0 && inputs.len() % *width as usize == 0;
                    require(whole, || at("windows"))?;
                }
                Op::Clamp { lo, hi, .. } => require(lo <= hi, || at("bounds that cross"))?,
                Op::Function { function, .. } => {
                    require((*function as usize) < self.functions.len(), || {
                        at("no such table")
                    })?;
                }
                Op::Divide {
                    numerators,
                    denominators,
                    scale_bits,
                } => {
                    let same = numerators.len() == denominators.len();
                    require(same, || at("operands of different length"))?;
                    require(*scale_bits <= 40, || at("scale"))?;
                }
            }
            scalars = scalars.saturating_add(op.made());
            require(scalars <= MAX_SCALARS, || "too many scalars".into())?;
        }
        Ok(scalars)
    }

    fn check_outputs(&self, scalars: usize) -> Result<(), SkeletonError> {
        require(!self.outputs.is_empty(), || "no outputs".into())?;
        let all = self
            .outputs
            .iter()
            .flat_map(|o| &o.scalars)
            .chain(&self.released);
        require(all.clone().all(|&id| (id as usize) < scalars), || {
            "an output that no operation makes".into()
        })?;
        require(all.count() <= MAX_OPERANDS, || "too many outputs".into())?;
        for output in &self.outputs {
            let name = &output.name;
            require(count(&output.shape) == Some(output.scalars.len()), || {
                format!("shape of output \"{name}\"")
            })?;
            match &output.kind {
                OutputKind::Fixed { scale_bits } => {
                    require(*scale_bits <= 60, || format!("scale of output \"{name}\""))?;
                }
                OutputKind::Affine { scales, zero_point } => {
                    let fits = scales.len() == 1 || scales.len() == output.scalars.len();
                    require(fits && scales.iter().all(|&s| positive(s)), || {
                        format!("scales of output \"{name}\"")
                    })?;
                    require(zero_point.abs() <= 1 << 32, || {
                        format!("zero point of output \"{name}\"")
                    })?;
                }
                OutputKind::Integer | OutputKind::Label { .. } => {}
            }
        }
        let outputs = || self.outputs.iter().flat_map(|o| &o.scalars);
        match self.reveal {
            Reveal::Decision => require(self.released.len() == 1, || {
                "a decision is one scalar".into()
            }),
            Reveal::Outputs => require(
                !self.released.is_empty()
                    && outputs().zip(&self.released).all(|(a, b)| a == b)
                    && self.released.len() <= outputs().count(),
                || "the released scalars are not the first of the outputs".into(),
            ),
        }
    }
}

/// Whether these are the bits of a positive, finite float32.
fn positive(bits: u32) -> bool {
    let scale = f32::from_bits(bits);
    scale > 0.0 && scale.is_finite()
}

impl InputSpec {
    /// What is declared for each of its scalars.
    fn check(&self, len: usize) -> Result<(), SkeletonError> {
        let name = &self.name;
        let fits = |n: usize| n == 0 || n == len;
        require(fits(self.exponents.len()), || {
            format!("exponents of input \"{name}\"")
        })?;
        require(self.exponents.iter().all(|e| e.abs() <= 64), || {
            format!("an exponent of input \"{name}\"")
        })?;
        require(fits(self.replacements.len()), || {
            format!("replacements of input \"{name}\"")
        })?;
        let bound = 1i64 << self.range_bits;
        let inside = |r: &Replacement| {
            let finite = match r.missing {
                Missing::NotANumber => true,
                Missing::Bits(bits) => f64::from_bits(bits).is_finite(),
            };
            finite && (-bound..bound).contains(&r.integer)
        };
        require(self.replacements.iter().flatten().all(inside), || {
            format!("a replacement of input \"{name}\"")
        })
    }
}

impl FunctionTable {
    fn check(&self) -> Result<(), SkeletonError> {
        let what = |what: &str| format!("table \"{}\": {what}", self.name);
        let count = self.segments.len();
        require(count.is_power_of_two() && count <= 1 << 16, || {
            what("number of segments")
        })?;
        require(self.segment_bits <= 40 && self.shift <= 60, || {
            what("widths")
        })?;
        let (lo, hi) = self.domain();
        require(lo >= -(1 << 60) && hi <= 1 << 60, || what("domain"))?;
        require(self.image().is_some_and(|i| i.bits() <= 60), || {
            what("coefficients")
        })
    }
}

impl IntegerModel {
    /// Whether skeleton and weights are valid and belong together.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), SkeletonError> {
        self.skeleton.check()?;
        let bad = |what: &str| Err(SkeletonError::Weights { what: what.into() });
        let (mut linear, mut diagonal) = (self.weights.linear.iter(), self.weights.diagonal.iter());
        let mut forests = self.weights.forests.iter();
        let mut entry = 0;
        for op in &self.skeleton.ops {
            let (layer, weights, biases) = match op {
                Op::Forest { .. } => {
                    let Some(table) = forests.next() else {
                        return bad("a forest without its table");
                    };
                    if let Err(what) = check_forest(op, table) {
                        return bad(what);
                    }
                    continue;
                }
                Op::Linear {
                    inputs, outputs, ..
                } => {
                    let outputs = *outputs as usize;
                    (linear.next(), inputs.len().checked_mul(outputs), outputs)
                }
                Op::Convolution {
                    inputs,
                    outputs,
                    groups,
                    positions,
                    ..
                } => {
                    let kernel =
                        inputs.len() / positions.at.len() / *groups as usize * positions.taps.len();
                    let outputs = *outputs as usize;
                    (linear.next(), kernel.checked_mul(outputs), outputs)
                }
                Op::Diagonal { inputs, .. } => (diagonal.next(), Some(inputs.len()), inputs.len()),
                _ => continue,
            };
            let Some(layer) = layer else {
                return bad("a layer without weights");
            };
            if Some(layer.weights.len()) != weights || layer.biases.len() != biases {
                return bad("a layer of another size");
            }
            let w = 1i64 << self.skeleton.weight_bits;
            let b = match op {
                Op::Diagonal { .. } => self.skeleton.bias_bits,
                _ => {
                    entry += 1;
                    self.skeleton.bias_bits_of(entry - 1)
                }
            };
            let b = 1i64 << b;
            if !layer
                .weights
                .iter()
                .all(|&v| (-w..w).contains(&i64::from(v)))
                || !layer.biases.iter().all(|v| (-b..b).contains(v))
            {
                return bad("a weight wider than declared");
            }
        }
        if linear.next().is_some() || diagonal.next().is_some() || forests.next().is_some() {
            return bad("weights without a layer");
        }
        Ok(())
    }
}

/// Whether every walk through a forest's table stays inside it and every integer in its range.
fn check_forest(op: &Op, table: &[ForestNode]) -> Result<(), &'static str> {
    let &Op::Forest {
        ref inputs,
        trees,
        depth,
        nodes,
        outputs,
        leaf_bits,
    } = op
    else {
        return Err("a table without a forest");
    };
    if table.len() != nodes as usize {
        return Err("a forest of another size");
    }
    let range = -(1i64 << leaf_bits)..1i64 << leaf_bits;
    for node in table {
        if node.yes.len() != outputs as usize || node.no.len() != outputs as usize {
            return Err("a node of another size");
        }
        if node.feature as usize >= inputs.len() {
            return Err("a node that compares no feature");
        }
        if !(ForestNode::NEVER..1 << 31).contains(&node.threshold) {
            return Err("a threshold that is no image");
        }
        if !node.yes.iter().chain(&node.no).all(|v| range.contains(v)) {
            return Err("a leaf wider than declared");
        }
    }
    let mut reached: Vec<bool> = (0..table.len()).map(|i| i < trees as usize).collect();
    for _ in 1..depth {
        let mut next = vec![false; table.len()];
        for (node, _) in table.iter().zip(&reached).filter(|(_, reached)| **reached) {
            let bits = if node.threshold == ForestNode::NEVER {
                &[0][..]
            } else {
                &[0, 1]
            };
            for bit in bits {
                let child = usize::try_from(node.yes[0] + 1 - bit).ok();
                match child.and_then(|child| next.get_mut(child)) {
                    Some(child) => *child = true,
                    None => return Err("a node whose child is missing"),
                }
            }
        }
        reached = next;
    }
    Ok(())
}

fn count(shape: &[u32]) -> Option<usize> {
    let n = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d as usize))?;
    (n <= MAX_SCALARS).then_some(n)
}
