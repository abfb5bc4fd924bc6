//! Two activations of equal length, elementwise. Operands of the logical ones are 0 or 1.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    /// `l / r`
    Div,
    Max,
    Min,
    And,
    Or,
    Xor,
}

impl Arithmetic {
    pub(crate) fn eval(self, l: &[f64], r: &[f64]) -> Vec<f64> {
        l.iter()
            .zip(r)
            .map(|(&l, &r)| match self {
                Self::Add => l + r,
                Self::Sub => l - r,
                Self::Mul | Self::And => l * r,
                Self::Div => l / r,
                Self::Max => l.max(r),
                Self::Min => l.min(r),
                Self::Or => l + r - l * r,
                Self::Xor => l + r - 2.0 * l * r,
            })
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
        }
    }
}
