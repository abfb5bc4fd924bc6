//! Updates on the integer grid.
//!
//! 1. Claim: [`Grid::quantize`] rounds toward zero, so no norm grows; [`Grid::sensitivity`] bounds how far one
//!    record moves the rounded sum.
//! 2. A coordinate v becomes `trunc(v 2^log_scale)`, an integer of `bits` bits, sign included.
//! 3. Why `+ sqrt(d)`: let a, b be a sum without and with the record. Where they differ in sign, both shrink
//!    toward zero and so does their distance; else it grows by less than 1. Hence `|a' - b'|_i <= |a - b|_i + 1`.
//! 4. Source: SOUNDNESS condition 24.

use serde::{Deserialize, Serialize};

use super::{setting, TrainingError};

/// A grid of multiples of `2^-log_scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    log_scale: u32,
    bits: u32,
}

impl Grid {
    /// # Errors
    /// [`TrainingError::Setting`] unless `log_scale <= 30` and `bits` is in `2..=40`.
    pub fn new(log_scale: u32, bits: u32) -> Result<Self, TrainingError> {
        setting(
            log_scale <= 30,
            "the grid's log scale",
            f64::from(log_scale),
            "at most 30",
        )?;
        setting(
            (2..=40).contains(&bits),
            "the grid's width",
            f64::from(bits),
            "in 2..=40",
        )?;
        Ok(Self { log_scale, bits })
    }

    /// Grid units in 1.
    pub fn units(&self) -> f64 {
        f64::from(1u32 << self.log_scale)
    }

    /// Bits of a coordinate, sign included.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Each coordinate in grid units, rounded toward zero.
    ///
    /// # Errors
    /// [`TrainingError::OffGrid`] for one that is not finite or does not fit.
    pub fn quantize(&self, values: &[f32]) -> Result<Vec<i64>, TrainingError> {
        let most = 2f64.powi(self.bits as i32 - 1);
        let rounded = values.iter().enumerate().map(|(coordinate, &value)| {
            let scaled = (f64::from(value) * self.units()).trunc();
            match scaled.abs() < most {
                true => Ok(scaled as i64),
                false => Err(TrainingError::OffGrid {
                    coordinate,
                    value,
                    bits: self.bits,
                }),
            }
        });
        rounded.collect()
    }

    /// The values of grid units over a public divisor.
    pub fn mean(&self, sum: &[i64], divisor: f64) -> Vec<f32> {
        let factor = 1.0 / (self.units() * divisor);
        sum.iter().map(|&x| (x as f64 * factor) as f32).collect()
    }

    /// L2 sensitivity, in grid units, of the rounded sum of one party's vectors of norm at most `clip_norm`: to one
    /// record among several, or (`whole`) to the party's single vector.
    pub fn sensitivity(&self, clip_norm: f64, coordinates: usize, whole: bool) -> f64 {
        let rounding = if whole {
            0.0
        } else {
            (coordinates as f64).sqrt()
        };
        clip_norm * self.units() + rounding
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    #[test]
    fn rounding_never_lengthens_and_respects_the_sensitivity() {
        let grid = Grid::new(4, 20).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let unit = |rng: &mut ChaCha20Rng| (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
        for _ in 0..200 {
            let a: Vec<f32> = (0..50).map(|_| 0.2 * unit(&mut rng)).collect();
            let record: Vec<f32> = (0..50).map(|_| 0.3 * unit(&mut rng)).collect();
            let b: Vec<f32> = a.iter().zip(&record).map(|(a, r)| a + r).collect();
            let (qa, qb) = (grid.quantize(&a).unwrap(), grid.quantize(&b).unwrap());
            assert!(
                norm(&mut qa.iter().map(|&x| x as f64))
                    <= 16.0 * norm(&mut a.iter().map(|&x| f64::from(x)))
            );
            let clip = norm(&mut record.iter().map(|&x| f64::from(x)));
            let moved = norm(&mut qa.iter().zip(&qb).map(|(a, b)| (a - b) as f64));
            assert!(moved <= grid.sensitivity(clip + 1e-6, 50, false));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let grid = Grid::new(8, 10).unwrap();
        assert_eq!(
            grid.quantize(&[1.0, -1.999, 0.003, -0.003]).unwrap(),
            [256, -511, 0, 0]
        );
        for bad in [2.0, -2.0, f32::NAN, f32::INFINITY, f32::MAX] {
            let error = grid.quantize(&[0.0, bad]).unwrap_err();
            assert!(matches!(
                error,
                TrainingError::OffGrid {
                    coordinate: 1,
                    bits: 10,
                    ..
                }
            ));
        }
        assert_eq!(grid.mean(&[512, -256], 2.0), [1.0, -0.5]);
        assert!(
            Grid::new(31, 10).is_err() && Grid::new(1, 1).is_err() && Grid::new(1, 41).is_err()
        );
    }
}
