//! Logic on the bits of whole numbers, exact: bit i of x is `floor(x / 2^i) - 2 floor(x / 2^(i+1))`, which holds for two's
//! complement too; the sign is `-floor(x / 2^w)` for a width w that the declared range stays below.

use super::super::error::QuantizeError;
use super::super::skeleton::ScalarId;
use super::{Fixed, Formula, Lowering};

impl Lowering<'_> {
    /// `formula` on each pair of bits, put together again.
    pub(super) fn bitwise(
        &mut self,
        l: &Fixed,
        r: &Fixed,
        formula: Formula,
    ) -> Result<Fixed, QuantizeError> {
        if (l.scale, r.scale) != (0, 0) {
            return Err(self.refuse("logic on the bits of numbers with fractions"));
        }
        let all = l.scalars.iter().chain(&r.scalars);
        let width = all.map(|&id| self.interval(id).bits()).max().unwrap_or(0) + 1;
        let (l, r) = (self.bits(&l.scalars, width)?, self.bits(&r.scalars, width)?);
        let mut terms = Vec::with_capacity(l.len());
        for (i, (l, r)) in l.iter().zip(&r).enumerate() {
            let bit = self.local(l, r, formula)?;
            let bit = self.clamp_where_needed(&bit, 0, 1)?;
            let weight = Formula {
                left: if i == width as usize {
                    -(1 << i)
                } else {
                    1 << i
                },
                ..Formula::ZERO
            };
            terms.push(self.local(&bit, &bit, weight)?);
        }
        Ok(Fixed {
            scalars: self.total(terms)?,
            scale: 0,
        })
    }

    /// Bits 0 to `width` - 1, and the sign.
    fn bits(&mut self, x: &[ScalarId], width: u32) -> Result<Vec<Vec<ScalarId>>, QuantizeError> {
        let mut floors = vec![x.to_vec()];
        for i in 1..=width {
            let floor = Formula {
                left: 1,
                constant: -(1 << (i - 1)),
                shift: i,
                ..Formula::ZERO
            };
            floors.push(self.local(x, x, floor)?);
        }
        let mut bits = Vec::with_capacity(floors.len());
        for pair in floors.windows(2) {
            let rest = Formula {
                left: 1,
                right: -2,
                ..Formula::ZERO
            };
            let bit = self.local(&pair[0], &pair[1], rest)?;
            // Intervals do not see that this is a bit.
            bits.push(self.clamp_where_needed(&bit, 0, 1)?);
        }
        let sign = Formula {
            left: -1,
            ..Formula::ZERO
        };
        let last = &floors[width as usize];
        bits.push(self.local(last, last, sign)?);
        Ok(bits)
    }
}
