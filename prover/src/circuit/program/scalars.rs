//! What the lowering needs to know of the skeleton's scalars: who makes them, who reads them.

use crate::quantize::skeleton::{ScalarId, Skeleton};

/// What the lowering needs to know of the scalars.
pub(super) struct ScalarTable {
    /// For each input scalar its input spec.
    pub(super) inputs: Vec<usize>,
    /// First scalar made by each operation.
    pub(super) first: Vec<ScalarId>,
    /// Whether a released scalar depends on the operation.
    pub(super) live: Vec<bool>,
    /// How many times live operations (and the release) read each scalar.
    pub(super) uses: Vec<u32>,
}

impl ScalarTable {
    pub(super) fn new(skeleton: &Skeleton) -> Self {
        let inputs: Vec<usize> = skeleton
            .inputs
            .iter()
            .enumerate()
            .flat_map(|(i, spec)| {
                std::iter::repeat_n(i, spec.shape.iter().map(|d| *d as usize).product())
            })
            .collect();
        let mut next = inputs.len() as ScalarId;
        let mut first = vec![];
        let mut producer = vec![usize::MAX; inputs.len()];
        for (index, op) in skeleton.ops.iter().enumerate() {
            first.push(next);
            let made = op.made() as ScalarId;
            next += made;
            producer.extend(std::iter::repeat_n(index, op.made()));
        }
        let mut live = vec![false; skeleton.ops.len()];
        let mut uses = vec![0; next as usize];
        for &s in &skeleton.released {
            uses[s as usize] += 1;
            if producer[s as usize] != usize::MAX {
                live[producer[s as usize]] = true;
            }
        }
        for index in (0..skeleton.ops.len()).rev() {
            if !live[index] {
                continue;
            }
            for &s in skeleton.ops[index].operands().flatten() {
                uses[s as usize] += 1;
                if producer[s as usize] != usize::MAX {
                    live[producer[s as usize]] = true;
                }
            }
        }
        ScalarTable {
            inputs,
            first,
            live,
            uses,
        }
    }
}
