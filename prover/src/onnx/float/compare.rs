//! Comparisons, 1 for true and 0 for false: of two activations, or of an activation with public thresholds.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

/// `x_i rel thresholds_(i mod period)`.
#[derive(Clone, Debug)]
pub(crate) struct Threshold {
    pub(crate) relation: Relation,
    pub(crate) thresholds: Vec<f64>,
}

impl Relation {
    pub(crate) fn holds(self, l: f64, r: f64) -> bool {
        match self {
            Self::Less => l < r,
            Self::LessOrEqual => l <= r,
            Self::Greater => l > r,
            Self::GreaterOrEqual => l >= r,
            Self::Equal => l == r,
        }
    }

    /// The relation that holds of (r, l) where this one holds of (l, r).
    pub(crate) fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal => Self::Equal,
        }
    }

    pub(crate) fn eval(self, l: &[f64], r: &[f64]) -> Vec<f64> {
        let pairs = l.iter().zip(r);
        pairs
            .map(|(&l, &r)| f64::from(u8::from(self.holds(l, r))))
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::Equal => "Equal",
        }
    }
}

impl Threshold {
    pub(crate) fn at(&self, i: usize) -> f64 {
        self.thresholds[i % self.thresholds.len()]
    }

    pub(crate) fn eval(&self, x: &[f64]) -> Vec<f64> {
        let holds = |(i, &x)| f64::from(u8::from(self.relation.holds(x, self.at(i))));
        x.iter().enumerate().map(holds).collect()
    }
}
