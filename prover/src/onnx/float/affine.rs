//! Elementwise affine map by constants: `y_i = scale_(i mod p) x_i + offset_(i mod p)`.
//!
//! The period p divides the operand's length; a missing scale is 1, a missing offset 0 (by structure:
//! the model has no such constant, whatever its value).

#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) period: usize,
    pub(crate) scale: Option<Vec<f64>>,
    pub(crate) offset: Option<Vec<f64>>,
}

impl Affine {
    pub(crate) fn scale_at(&self, i: usize) -> f64 {
        self.scale.as_ref().map_or(1.0, |s| s[i % self.period])
    }

    pub(crate) fn offset_at(&self, i: usize) -> f64 {
        self.offset.as_ref().map_or(0.0, |o| o[i % self.period])
    }

    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        x.iter()
            .enumerate()
            .map(|(i, x)| self.scale_at(i) * x + self.offset_at(i))
            .collect()
    }
}
