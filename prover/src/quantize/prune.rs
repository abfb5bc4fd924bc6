//! Operations that nothing released or output needs are removed, and scalars renumbered.

use std::collections::BTreeMap;

use super::skeleton::{IntegerModel, Op, ScalarId};

/// What stays.
pub(crate) struct Kept {
    pub(crate) ops: Vec<bool>,
    pub(crate) tables: Vec<bool>,
}

/// Removes dead operations, their weights, and unused function tables.
pub(crate) fn prune(model: &mut IntegerModel) -> Kept {
    let skeleton = &mut model.skeleton;
    let inputs = skeleton.input_len();
    let firsts = skeleton.firsts();
    let mut live = vec![false; skeleton.scalar_count()];
    let roots = skeleton
        .outputs
        .iter()
        .flat_map(|o| &o.scalars)
        .chain(&skeleton.released);
    for &id in roots {
        live[id as usize] = true;
    }
    let mut keep = vec![false; skeleton.ops.len()];
    // Layers that a kept operation uses again stay, whatever becomes of their own results.
    let mut again = vec![false; model.weights.linear.len()];
    let mut layer = model.weights.linear.len();
    for (i, op) in skeleton.ops.iter().enumerate().rev() {
        keep[i] = live[firsts[i]..firsts[i] + op.made()].contains(&true);
        match op {
            Op::Linear { .. } | Op::Convolution { .. } => {
                layer -= 1;
                keep[i] |= again[layer];
            }
            Op::Again { layer, .. } if keep[i] => again[*layer as usize] = true,
            _ => {}
        }
        if keep[i] {
            for list in op.operands() {
                for &id in list {
                    live[id as usize] = true;
                }
            }
        }
    }

    // New numbers: inputs stay, kept operations' scalars close ranks.
    let mut number: Vec<ScalarId> = (0..live.len() as ScalarId).collect();
    let mut next = inputs as ScalarId;
    let mut tables: BTreeMap<u32, u32> = BTreeMap::new();
    for (i, op) in skeleton.ops.iter().enumerate().filter(|(i, _)| keep[*i]) {
        for slot in &mut number[firsts[i]..firsts[i] + op.made()] {
            *slot = next;
            next += 1;
        }
        if let Op::Function { function, .. } = op {
            tables.insert(*function, 0);
        }
    }
    for (new, slot) in tables.values_mut().enumerate() {
        *slot = new as u32;
    }

    let (mut linear, mut diagonal, mut forests) = (Vec::new(), Vec::new(), Vec::new());
    let mut old_bits = std::mem::take(&mut skeleton.layer_bias_bits).into_iter();
    let mut old_linear = std::mem::take(&mut model.weights.linear).into_iter();
    let mut old_diagonal = std::mem::take(&mut model.weights.diagonal).into_iter();
    let mut old_forests = std::mem::take(&mut model.weights.forests).into_iter();
    // New number of each entry of the linear weights.
    let mut renamed: Vec<u32> = Vec::new();
    let ops = std::mem::take(&mut skeleton.ops);
    for (mut op, &keep) in ops.into_iter().zip(&keep) {
        let weights = match op {
            Op::Linear { .. } | Op::Convolution { .. } => {
                renamed.push(linear.len() as u32);
                skeleton
                    .layer_bias_bits
                    .extend(old_bits.next().filter(|_| keep));
                old_linear.next().map(|w| (&mut linear, w))
            }
            Op::Diagonal { .. } => old_diagonal.next().map(|w| (&mut diagonal, w)),
            _ => None,
        };
        if matches!(op, Op::Forest { .. }) {
            forests.extend(old_forests.next().filter(|_| keep));
        }
        if !keep {
            continue;
        }
        if let Some((list, w)) = weights {
            list.push(w);
        }
        for list in op.operands_mut() {
            for id in list {
                *id = number[*id as usize];
            }
        }
        match &mut op {
            Op::Function { function, .. } => *function = tables[function],
            Op::Again { layer, .. } => *layer = renamed[*layer as usize],
            _ => {}
        }
        skeleton.ops.push(op);
    }
    model.weights.linear = linear;
    model.weights.diagonal = diagonal;
    model.weights.forests = forests;
    let tables: Vec<bool> = (0..skeleton.functions.len() as u32)
        .map(|i| tables.contains_key(&i))
        .collect();
    let mut stays = tables.iter();
    skeleton.functions.retain(|_| stays.next() == Some(&true));
    let outputs = skeleton.outputs.iter_mut().flat_map(|o| &mut o.scalars);
    for id in outputs.chain(&mut skeleton.released) {
        *id = number[*id as usize];
    }
    Kept { ops: keep, tables }
}
