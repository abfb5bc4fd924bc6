//! Reductions and normalisations of the groups along one axis.

use super::AxisView;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    L1,
    L2,
    SumSquare,
    LogSumExp,
}

/// What a group is divided by; a group whose norm is zero stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Norm {
    /// The greatest element (not magnitude), as onnxruntime reads the specification.
    Max,
    /// Sum of the magnitudes.
    L1,
    /// Square root of the sum of squares.
    L2,
}

impl Reduction {
    pub(crate) fn eval(self, axis: &AxisView, x: &[f64]) -> Vec<f64> {
        axis.groups()
            .map(|group| {
                let values = || group.iter().map(|&i| x[i]);
                match self {
                    Self::Sum => values().sum(),
                    Self::Mean => values().sum::<f64>() / axis.len as f64,
                    Self::Max => values().fold(f64::NEG_INFINITY, f64::max),
                    Self::Min => values().fold(f64::INFINITY, f64::min),
                    Self::L1 => values().map(f64::abs).sum(),
                    Self::L2 => values().map(|v| v * v).sum::<f64>().sqrt(),
                    Self::SumSquare => values().map(|v| v * v).sum(),
                    Self::LogSumExp => {
                        let max = values().fold(f64::NEG_INFINITY, f64::max);
                        max + values().map(|v| (v - max).exp()).sum::<f64>().ln()
                    }
                }
            })
            .collect()
    }

    /// Whether it makes whole numbers of whole numbers.
    pub(crate) fn keeps_whole(self) -> bool {
        matches!(
            self,
            Self::Sum | Self::Max | Self::Min | Self::L1 | Self::SumSquare
        )
    }

    /// Whether the result is one of the elements.
    pub(crate) fn picks(self) -> bool {
        matches!(self, Self::Max | Self::Min)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sum => "ReduceSum",
            Self::Mean => "ReduceMean",
            Self::Max => "ReduceMax",
            Self::Min => "ReduceMin",
            Self::L1 => "ReduceL1",
            Self::L2 => "ReduceL2",
            Self::SumSquare => "ReduceSumSquare",
            Self::LogSumExp => "ReduceLogSumExp",
        }
    }
}

pub(crate) fn normalize(norm: Norm, axis: &AxisView, x: &[f64]) -> Vec<f64> {
    let reduction = match norm {
        Norm::Max => Reduction::Max,
        Norm::L1 => Reduction::L1,
        Norm::L2 => Reduction::L2,
    };
    let mut y = x.to_vec();
    for (group, norm) in axis.groups().zip(reduction.eval(axis, x)) {
        if norm != 0.0 {
            for i in group {
                y[i] /= norm;
            }
        }
    }
    y
}

pub(crate) fn standardize(axis: &AxisView, epsilon: f64, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for group in axis.groups() {
        let n = group.len() as f64;
        let mean = group.iter().map(|&i| x[i]).sum::<f64>() / n;
        let variance = group.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / n;
        for i in group {
            y[i] = (x[i] - mean) / (variance + epsilon).sqrt();
        }
    }
    y
}
