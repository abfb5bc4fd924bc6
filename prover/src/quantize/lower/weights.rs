//! Private constants as integers: how many fractional bits a layer's weights get, and their rounding.
//!
//! A layer's weights have f_w = S + d fractional bits. d is public and declared, the greatest of three:
//! - it grows with the number of operands, as the rounding errors of n weights add up like sqrt(n);
//! - it is 3 for layers whose errors reach an output undamped, no bounded function between (measured: a
//!   64-32-16-10 network with logits up to 24 has error 6.8e-3 at d = 0, 0.8e-3 at d = 3);
//! - where even the greatest weight of a layer would have fewer than S - 4 bits, it makes up for that. This
//!   is the one thing a skeleton tells about the weights, besides `weight_bits` and `bias_bits`.

use super::super::error::QuantizeError;
use super::Lowering;
use crate::onnx::Kind;

/// How far wide layers may make the scale drift above the model's.
const MAX_DRIFT: u32 = 8;

/// d of layers whose errors reach an output undamped.
const UNDAMPED: u32 = 3;

/// Largest d for small weights.
const MAX_EXTRA: u32 = 20;

impl Lowering<'_> {
    /// d for a layer over `fan_in` operands at scale `scale`.
    pub(super) fn extra_bits(&self, fan_in: usize, scale: u32, weights: &[f64]) -> u32 {
        let s = self.options.scale_bits;
        let log = usize::BITS - fan_in.saturating_sub(1).leading_zeros();
        let structural = log.div_ceil(2).saturating_sub(3).min(3);
        let greatest = weights.iter().fold(0f64, |m, w| m.max(w.abs()));
        let small = if greatest > 0.0 {
            let bits = -greatest.log2().floor() - 5.0;
            (bits.max(0.0) as u32).min(MAX_EXTRA)
        } else {
            0
        };
        let drift = (s + MAX_DRIFT).saturating_sub(scale);
        let undamped = if self.undamped[self.layer] {
            UNDAMPED
        } else {
            0
        };
        structural.min(drift).max(small).max(undamped)
    }

    /// Whether the node being lowered makes whole numbers, by whole weights of whole numbers.
    pub(super) fn makes_whole(&self) -> bool {
        let node = &self.graph.nodes[self.layer];
        self.graph.values[node.output].kind == Kind::Integer
    }

    /// Weights with `bits` fractional bits.
    pub(super) fn integer_weights(
        &self,
        weights: &[f64],
        bits: u32,
    ) -> Result<Vec<i32>, QuantizeError> {
        let unit = 2f64.powi(bits as i32);
        weights
            .iter()
            .map(|w| {
                let q = (w * unit).round();
                self.check_finite(q)?;
                if q.abs() >= 2f64.powi(31) {
                    return Err(self.too_great("weights", bits_of(q), 31));
                }
                Ok(q as i32)
            })
            .collect()
    }

    /// Biases with `bits` fractional bits.
    pub(super) fn integer_biases(
        &self,
        biases: &[f64],
        bits: u32,
    ) -> Result<Vec<i64>, QuantizeError> {
        let unit = 2f64.powi(bits as i32);
        biases
            .iter()
            .map(|b| {
                let q = (b * unit).round();
                self.check_finite(q)?;
                if q.abs() >= 2f64.powi(60) {
                    return Err(self.too_great("biases", bits_of(q), 60));
                }
                Ok(q as i64)
            })
            .collect()
    }

    fn check_finite(&self, q: f64) -> Result<(), QuantizeError> {
        if q.is_finite() {
            return Ok(());
        }
        Err(QuantizeError::NotFinite {
            layer: self.layer,
            operator: self.graph.nodes[self.layer].op.name(),
        })
    }

    fn too_great(&self, what: &'static str, needed: u32, allowed: u32) -> QuantizeError {
        QuantizeError::TooGreat {
            layer: self.layer,
            operator: self.graph.nodes[self.layer].op.name(),
            what,
            needed,
            allowed,
        }
    }
}

fn bits_of(q: f64) -> u32 {
    q.abs().log2().floor() as u32 + 1
}
