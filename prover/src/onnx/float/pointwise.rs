//! Functions of one element, with public parameters.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pointwise {
    /// `max(x, 0)`
    Relu,
    /// `x` if `x >= 0`, else `alpha x`
    LeakyRelu { alpha: f64 },
    /// `min(max(x, lo), hi)`
    Clip { lo: Option<f64>, hi: Option<f64> },
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `tanh(x)`
    Tanh,
    /// `offset - x`, offset 0 or 1.
    From { offset: i64 },
}

impl Pointwise {
    pub(crate) fn eval(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::LeakyRelu { alpha } => {
                if x >= 0.0 {
                    x
                } else {
                    alpha * x
                }
            }
            Self::Clip { lo, hi } => {
                let x = lo.map_or(x, |lo| x.max(lo));
                hi.map_or(x, |hi| x.min(hi))
            }
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::From { offset } => offset as f64 - x,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::From { .. } => "Negate",
        }
    }
}
