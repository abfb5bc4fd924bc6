//! Counting a skeleton's scalars and walking its operands.

use super::skeleton::{Op, ScalarId, Skeleton};

impl Op {
    /// Number of scalars made.
    pub fn made(&self) -> usize {
        match self {
            Self::Linear { outputs, .. }
            | Self::Again { outputs, .. }
            | Self::Forest { outputs, .. } => *outputs as usize,
            Self::Convolution {
                outputs, positions, ..
            } => *outputs as usize * positions.to.len(),
            Self::Diagonal { inputs, .. }
            | Self::Clamp { inputs, .. }
            | Self::Function { inputs, .. } => inputs.len(),
            Self::Local { left, .. } => left.len(),
            Self::Max { inputs, width } => inputs.len() / *width as usize,
            Self::Divide { numerators, .. } => numerators.len(),
        }
    }

    /// The lists of operands.
    pub fn operands(&self) -> impl Iterator<Item = &Vec<ScalarId>> {
        let (first, second) = match self {
            Self::Linear { inputs, .. }
            | Self::Convolution { inputs, .. }
            | Self::Again { inputs, .. }
            | Self::Forest { inputs, .. }
            | Self::Diagonal { inputs, .. }
            | Self::Clamp { inputs, .. }
            | Self::Max { inputs, .. }
            | Self::Function { inputs, .. } => (inputs, None),
            Self::Local { left, right, .. } => (left, Some(right)),
            Self::Divide {
                numerators,
                denominators,
                ..
            } => (numerators, Some(denominators)),
        };
        std::iter::once(first).chain(second)
    }

    pub(crate) fn operands_mut(&mut self) -> impl Iterator<Item = &mut Vec<ScalarId>> {
        let (first, second) = match self {
            Self::Linear { inputs, .. }
            | Self::Convolution { inputs, .. }
            | Self::Again { inputs, .. }
            | Self::Forest { inputs, .. }
            | Self::Diagonal { inputs, .. }
            | Self::Clamp { inputs, .. }
            | Self::Max { inputs, .. }
            | Self::Function { inputs, .. } => (inputs, None),
            Self::Local { left, right, .. } => (left, Some(right)),
            Self::Divide {
                numerators,
                denominators,
                ..
            } => (numerators, Some(denominators)),
        };
        std::iter::once(first).chain(second)
    }
}

impl Skeleton {
    /// Number of input scalars of one row.
    pub fn input_len(&self) -> usize {
        self.inputs
            .iter()
            .map(|i| i.shape.iter().map(|&d| d as usize).product::<usize>())
            .sum()
    }

    /// Number of scalars of one row, inputs included.
    pub fn scalar_count(&self) -> usize {
        self.input_len() + self.ops.iter().map(Op::made).sum::<usize>()
    }

    /// The first scalar that each operation makes.
    pub fn firsts(&self) -> Vec<usize> {
        let mut next = self.input_len();
        self.ops
            .iter()
            .map(|op| {
                next += op.made();
                next - op.made()
            })
            .collect()
    }
}
