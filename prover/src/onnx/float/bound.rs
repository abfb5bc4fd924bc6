//! `x_position rel threshold`, 1 or 0: one element of a model input against a public constant, whatever the input's
//! encoding. Of NaN nothing holds.

use super::compare::Relation;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) position: usize,
    pub(crate) relation: Relation,
    pub(crate) threshold: f64,
}

impl Bound {
    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let holds = self.relation.holds(x[self.position], self.threshold);
        vec![f64::from(u8::from(holds))]
    }
}
