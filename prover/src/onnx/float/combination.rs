//! Public linear combinations: `y_j = sum_k c_jk x_(i_jk)`, a sparse matrix that is architecture.
//!
//! Resizing, average pooling, cumulative sums, windows of a normalisation: the coefficients follow from attributes and
//! shapes alone.

/// A sparse matrix, row by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Combination {
    /// Where each row ends in `terms`.
    ends: Vec<usize>,
    /// (position in the operand, coefficient)
    terms: Vec<(u32, f64)>,
}

impl Combination {
    /// Adds a row; coefficients of one position are added up, those that are zero left out.
    pub(crate) fn row(&mut self, terms: impl IntoIterator<Item = (usize, f64)>) {
        let first = self.terms.len();
        for (position, coefficient) in terms {
            let position = position as u32;
            match self.terms[first..].iter_mut().find(|(p, _)| *p == position) {
                Some((_, c)) => *c += coefficient,
                None => self.terms.push((position, coefficient)),
            }
        }
        let mut kept = self.terms.split_off(first);
        kept.retain(|(_, c)| *c != 0.0);
        self.terms.extend(kept);
        self.ends.push(self.terms.len());
    }

    /// The rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[(u32, f64)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(a, &b)| &self.terms[a..b])
    }

    /// Number of terms of all rows.
    pub(crate) fn weight(&self) -> usize {
        self.terms.len() + self.ends.len()
    }

    /// Whether whole numbers stay whole numbers.
    pub(crate) fn is_whole(&self) -> bool {
        self.terms.iter().all(|(_, c)| c.fract() == 0.0)
    }

    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let value = |terms: &[(u32, f64)]| terms.iter().map(|&(i, c)| c * x[i as usize]).sum();
        self.rows().map(value).collect()
    }
}
