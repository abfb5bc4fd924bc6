//! Operators along one axis: softmax, argmax and order.
//!
//! The operand is seen as [outer, len, inner]; the axis of `len` is reduced or normalised.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisView {
    pub(crate) outer: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl AxisView {
    /// `shape` seen along `axis`.
    pub(crate) fn of(shape: &[usize], axis: usize) -> Self {
        Self {
            outer: shape[..axis].iter().product(),
            len: shape[axis],
            inner: shape[axis + 1..].iter().product(),
        }
    }

    /// For each group in row-major order of [outer, inner], the positions of its elements.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        (0..self.outer).flat_map(move |o| {
            (0..self.inner).map(move |i| {
                (0..self.len)
                    .map(|k| (o * self.len + k) * self.inner + i)
                    .collect()
            })
        })
    }
}

pub(crate) fn softmax(axis: &AxisView, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for group in axis.groups() {
        let max = group
            .iter()
            .map(|&i| x[i])
            .fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = group.iter().map(|&i| (x[i] - max).exp()).sum();
        for &i in &group {
            y[i] = (x[i] - max).exp() / sum;
        }
    }
    y
}

pub(crate) fn argmax(axis: &AxisView, last: bool, x: &[f64]) -> Vec<f64> {
    axis.groups()
        .map(|group| {
            let mut best = 0;
            for (k, &i) in group.iter().enumerate() {
                let current = x[group[best]];
                if x[i] > current || (last && x[i] == current) {
                    best = k;
                }
            }
            best as f64
        })
        .collect()
}

pub(crate) fn order(axis: &AxisView, count: usize, largest: bool, x: &[f64]) -> Vec<f64> {
    let mut bits = Vec::with_capacity(axis.outer * axis.inner * count * axis.len);
    for group in axis.groups() {
        let mut ranks: Vec<usize> = (0..axis.len).collect();
        // A stable sort keeps the first of equals first.
        ranks.sort_by(|&i, &j| {
            let (a, b) = (x[group[i]], x[group[j]]);
            if largest {
                b.total_cmp(&a)
            } else {
                a.total_cmp(&b)
            }
        });
        for &chosen in ranks.iter().take(count) {
            bits.extend((0..axis.len).map(|j| f64::from(u8::from(j == chosen))));
        }
    }
    bits
}
