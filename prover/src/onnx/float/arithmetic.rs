//! Sum, difference and product of two activations of equal length, elementwise.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
}

impl Arithmetic {
    pub(crate) fn eval(self, l: &[f64], r: &[f64]) -> Vec<f64> {
        l.iter()
            .zip(r)
            .map(|(l, r)| match self {
                Self::Add => l + r,
                Self::Sub => l - r,
                Self::Mul => l * r,
            })
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
        }
    }
}
