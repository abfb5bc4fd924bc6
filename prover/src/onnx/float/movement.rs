//! Movement: element i of the result is element `indices[i]` of the operands laid end to end.
//!
//! Reshape, transpose, slice, concat, gather, broadcast: nothing is computed, so nothing is proved.

#[derive(Clone, Debug)]
pub(crate) struct Movement {
    pub(crate) indices: Vec<u32>,
}

impl Movement {
    pub(crate) fn eval(&self, inputs: &[&[f64]]) -> Vec<f64> {
        let all: Vec<f64> = inputs.iter().flat_map(|x| x.iter().copied()).collect();
        self.indices.iter().map(|&i| all[i as usize]).collect()
    }

    /// Whether the elements stay where they are, for one operand of this length.
    pub(crate) fn is_identity(&self, len: usize) -> bool {
        self.indices.len() == len
            && self
                .indices
                .iter()
                .enumerate()
                .all(|(i, &j)| i == j as usize)
    }
}
