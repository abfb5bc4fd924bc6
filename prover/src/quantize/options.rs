//! How a model is quantised.

use crate::onnx::Graph;

/// Options of [`super::quantize`].
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizeOptions {
    /// Fractional bits S of inputs and weights, 6 to 16.
    pub scale_bits: u32,
    /// Further fractional bits, and doublings of the segments of tabled functions, of models that feed rounded values
    /// back, normalise by them or put them in order (recurrences, layer normalisation, nearest neighbours): there
    /// errors grow from step to step, or change which element is chosen. At most as many as make 16, and fewer where
    /// a wide sum or quotient leaves no room for them.
    pub deep_bits: u32,
    /// What a proof releases.
    pub reveal: super::skeleton::Reveal,
    /// A single score at or above it is a positive decision.
    pub threshold: f64,
    /// Declares the width of weights instead of deriving it from the greatest.
    pub weight_bits: Option<u32>,
    /// Declares the width of biases instead of deriving it from the greatest.
    pub bias_bits: Option<u32>,
    /// Activations that may be wider are clamped to `+-2^(S + 19)` before they are used.
    pub activation_bits: u32,
    /// log2 of the number of segments of a tabled function.
    pub log_segments: u32,
}

impl QuantizeOptions {
    /// Further fractional bits that a graph gets if there is room for them.
    pub(crate) fn deep_bits_of(&self, graph: &Graph) -> u32 {
        match graph.is_deep() {
            true => self.deep_bits.min(16u32.saturating_sub(self.scale_bits)),
            false => 0,
        }
    }

    /// These options with `more` fractional bits.
    pub(crate) fn deepened(&self, more: u32) -> Self {
        Self {
            scale_bits: self.scale_bits + more,
            log_segments: (self.log_segments + more.min(2)).min(12),
            ..self.clone()
        }
    }
}

impl Default for QuantizeOptions {
    fn default() -> Self {
        Self {
            scale_bits: 12,
            deep_bits: 3,
            reveal: super::skeleton::Reveal::Outputs,
            threshold: 0.5,
            weight_bits: None,
            bias_bits: None,
            activation_bits: 40,
            log_segments: 8,
        }
    }
}
