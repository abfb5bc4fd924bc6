//! Elementwise affine map by constants: `y_i = scale_e x_i + offset_e` with `e = (i / inner) mod period`.
//!
//! `period inner` divides the operand's length; a missing scale is 1, a missing offset 0 (by structure:
//! the model has no such constant, whatever its value). `inner` is above 1 where a constant serves a whole channel.

#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) period: usize,
    /// Neighbouring elements that share an entry.
    pub(crate) inner: usize,
    pub(crate) scale: Option<Vec<f64>>,
    pub(crate) offset: Option<Vec<f64>>,
}

impl Affine {
    /// Elements after which the entries repeat.
    pub(crate) fn block(&self) -> usize {
        self.period * self.inner
    }

    fn entry(&self, i: usize) -> usize {
        i / self.inner % self.period
    }

    pub(crate) fn scale_at(&self, i: usize) -> f64 {
        self.scale.as_ref().map_or(1.0, |s| s[self.entry(i)])
    }

    pub(crate) fn offset_at(&self, i: usize) -> f64 {
        self.offset.as_ref().map_or(0.0, |o| o[self.entry(i)])
    }

    /// Whether `run` neighbouring elements, from each multiple of `run` on, share their entry.
    pub(crate) fn is_constant_over(&self, run: usize) -> bool {
        self.period == 1 || self.inner.is_multiple_of(run)
    }

    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        x.iter()
            .enumerate()
            .map(|(i, x)| self.scale_at(i) * x + self.offset_at(i))
            .collect()
    }
}
