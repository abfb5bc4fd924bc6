//! Intervals of integers, in arithmetic that refuses to outgrow [`MAX_BITS`].

use super::super::CircuitError;

/// An inclusive interval of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) lo: i128,
    pub(crate) hi: i128,
}

impl Interval {
    pub(super) fn magnitude(self) -> i128 {
        self.lo.abs().max(self.hi.abs())
    }
}

/// Bits needed to hold values 0..=max.
pub(super) fn bits_of(max: i128) -> u32 {
    128 - max.leading_zeros()
}

pub(super) fn checked(value: Option<i128>) -> Result<i128, CircuitError> {
    value
        .filter(|v| bits_of(v.abs()) <= MAX_BITS)
        .ok_or(CircuitError::TooWide { bits: MAX_BITS + 1 })
}

/// Interval of `product l r + left_factor l + right_factor r + constant`.
pub(super) fn local_interval(
    l: Interval,
    r: Interval,
    same: bool,
    product: i64,
    lf: i64,
    rf: i64,
    c: i64,
) -> Result<Interval, CircuitError> {
    let scale = |i: Interval, f: i64| -> Result<Interval, CircuitError> {
        let (a, b) = (
            checked(i.lo.checked_mul(f as i128))?,
            checked(i.hi.checked_mul(f as i128))?,
        );
        Ok(Interval {
            lo: a.min(b),
            hi: a.max(b),
        })
    };
    // Without a product nothing is as wide as one.
    let p = if product == 0 {
        Interval { lo: 0, hi: 0 }
    } else {
        let corners = [
            checked(l.lo.checked_mul(r.lo))?,
            checked(l.lo.checked_mul(r.hi))?,
            checked(l.hi.checked_mul(r.lo))?,
            checked(l.hi.checked_mul(r.hi))?,
        ];
        scale(
            Interval {
                lo: *corners.iter().min().expect("four corners"),
                hi: *corners.iter().max().expect("four corners"),
            },
            product,
        )?
    };
    let (a, b) = if same {
        (
            scale(l, checked_factor(lf, rf)?)?,
            Interval { lo: 0, hi: 0 },
        )
    } else {
        (scale(l, lf)?, scale(r, rf)?)
    };
    Ok(Interval {
        lo: checked(Some(p.lo + a.lo + b.lo + c as i128))?,
        hi: checked(Some(p.hi + a.hi + b.hi + c as i128))?,
    })
}

fn checked_factor(a: i64, b: i64) -> Result<i64, CircuitError> {
    a.checked_add(b).ok_or(CircuitError::TooWide { bits: 64 })
}

/// Accumulators must fit comfortably in i128.
pub(super) const MAX_BITS: u32 = 120;
