//! Functions of one element, with public parameters.

use super::erf;

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
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `1 - x`, x a bit
    Not,
    /// -1, 0 or 1
    Sign,
    /// Greatest whole number at or below x.
    Floor,
    /// Least whole number at or above x.
    Ceil,
    /// Nearest whole number, the even one of two.
    Round,
    /// The whole part, towards zero.
    Trunc,
    /// `x^2`
    Square,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / x`
    Reciprocal,
    /// The error function.
    Erf,
    /// `x (1 + erf(x / sqrt 2)) / 2`, or its approximation by tanh
    Gelu { tanh: bool },
    /// `gamma x` if `x > 0`, else `gamma alpha (e^x - 1)`: Elu (gamma 1) and Selu
    Elu { alpha: f64, gamma: f64 },
    /// `max(0, min(1, alpha x + beta))`
    HardSigmoid { alpha: f64, beta: f64 },
    /// `x max(0, min(1, x / 6 + 1 / 2))`
    HardSwish,
    /// `log(1 + e^x)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x tanh(log(1 + e^x))`
    Mish,
    /// `offset - x`, offset 0 or 1.
    From { offset: i64 },
    /// `factor x + offset`, both public.
    Public { factor: f64, offset: f64 },
    /// Sine, of radians.
    Sin,
    /// Arcus tangent.
    Atan,
    /// Area hyperbolic sine.
    Asinh,
    /// Area hyperbolic cosine, of 1 or more.
    Acosh,
    /// `e^x` below 0, and 1 above.
    Decay,
    /// Keys' cubic convolution kernel of parameter -0.75, at a distance; 0 from 2 on.
    Cubic,
    /// `acos(x) / sqrt(1 - x)`, x from 0 to 1: what is left of the arcus cosine without its singularity.
    AcosRatio,
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
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Not => 1.0 - x,
            Self::Sign => f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Trunc => x.trunc(),
            Self::Square => x * x,
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Erf => erf(x),
            Self::Gelu { tanh: false } => {
                0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
            }
            Self::Gelu { tanh: true } => {
                let root = (2.0 / std::f64::consts::PI).sqrt();
                0.5 * x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh())
            }
            Self::Elu { alpha, gamma } => {
                if x > 0.0 {
                    gamma * x
                } else {
                    gamma * alpha * x.exp_m1()
                }
            }
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Mish => x * softplus(x).tanh(),
            Self::From { offset } => offset as f64 - x,
            Self::Public { factor, offset } => factor * x + offset,
            Self::Sin => x.sin(),
            Self::Atan => x.atan(),
            Self::Asinh => x.asinh(),
            Self::Acosh => x.acosh(),
            Self::Decay => x.min(0.0).exp(),
            Self::Cubic => cubic(-0.75, x.abs()),
            // acos(x) = sqrt(2 (1 - x)) (1 + (1 - x) / 12 + ...)
            Self::AcosRatio if x > 1.0 - 1e-9 => std::f64::consts::SQRT_2,
            Self::AcosRatio => x.acos() / (1.0 - x).sqrt(),
        }
    }

    /// Whether it makes whole numbers of whole numbers.
    pub(crate) fn keeps_whole(self) -> bool {
        let whole = |v: f64| v.fract() == 0.0;
        match self {
            Self::Relu
            | Self::Neg
            | Self::Abs
            | Self::Not
            | Self::Sign
            | Self::Floor
            | Self::Ceil
            | Self::Round
            | Self::Trunc
            | Self::Square
            | Self::From { .. } => true,
            Self::Clip { lo, hi } => lo.is_none_or(whole) && hi.is_none_or(whole),
            Self::Public { factor, offset } => whole(factor) && whole(offset),
            _ => false,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relu => "Relu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::Neg => "Neg",
            Self::Abs => "Abs",
            Self::Not => "Not",
            Self::Sign => "Sign",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Trunc => "Cast",
            Self::Square => "Pow",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Reciprocal => "Reciprocal",
            Self::Erf => "Erf",
            Self::Gelu { .. } => "Gelu",
            Self::Elu { .. } => "Elu",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::HardSwish => "HardSwish",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Mish => "Mish",
            Self::From { .. } => "Negate",
            Self::Public { .. } => "Scale",
            Self::Sin => "Sin",
            Self::Atan => "Atan",
            Self::Asinh => "Asinh",
            Self::Acosh => "Acosh",
            Self::AcosRatio => "Acos",
            Self::Cubic => "Cubic",
            Self::Decay => "Exp",
        }
    }
}

/// Keys' convolution kernel at a distance, its parameter a. Source: Keys, "Cubic convolution interpolation for digital
/// image processing", 1981.
pub(crate) fn cubic(a: f64, t: f64) -> f64 {
    if t <= 1.0 {
        ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        a * (((t - 5.0) * t + 8.0) * t - 4.0)
    } else {
        0.0
    }
}

/// `log(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
