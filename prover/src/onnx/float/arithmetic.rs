//! Two activations of equal length, elementwise. Operands of the logical ones are 0 or 1.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    /// `l / r`
    Div,
    /// `l / r` of whole numbers, towards zero.
    DivWhole,
    /// Bits of whole numbers, in two's complement.
    BitAnd,
    BitOr,
    BitXor,
    /// `l - r floor(l / r)`: the remainder with the divisor's sign.
    Mod,
    /// `l - r trunc(l / r)`: the remainder with the dividend's sign.
    Fmod,
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
                Self::DivWhole => (l / r).trunc(),
                Self::BitAnd => (l as i64 & r as i64) as f64,
                Self::BitOr => (l as i64 | r as i64) as f64,
                Self::BitXor => (l as i64 ^ r as i64) as f64,
                Self::Mod => {
                    let rest = l % r;
                    if rest != 0.0 && (rest < 0.0) != (r < 0.0) {
                        rest + r
                    } else {
                        rest
                    }
                }
                Self::Fmod => l % r,
                Self::Max => l.max(r),
                Self::Min => l.min(r),
                Self::Or => l + r - l * r,
                Self::Xor => l + r - 2.0 * l * r,
            })
            .collect()
    }

    /// Whether it makes whole numbers of whole numbers.
    pub(crate) fn keeps_whole(self) -> bool {
        self != Self::Div
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div | Self::DivWhole => "Div",
            Self::BitAnd => "BitwiseAnd",
            Self::BitOr => "BitwiseOr",
            Self::BitXor => "BitwiseXor",
            Self::Mod | Self::Fmod => "Mod",
            Self::Max => "Max",
            Self::Min => "Min",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
        }
    }
}
