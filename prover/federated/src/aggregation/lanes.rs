//! Coordinates packed in scalars: `e = sum_l 2^(s l) x_l` for signed x_l, s bits a lane.
//!
//! Claim: for coordinates in `[-2^(b-1), 2^(b-1))` and at most 2^(s-b) summands, [`Lanes::unpack`] of the sum of
//! packed vectors is the sum of the vectors: every lane of the sum lies in `[-2^(s-1), 2^(s-1))`, the digits of
//! this form are unique, and lanes * s <= 252 keeps the integer below r/2 (SOUNDNESS 26).

use clearproof_shared::training::manifest::Manifest;
use ff::PrimeField;
use halo2curves::bn256::Fr;
use thiserror::Error;

/// How coordinates lie in scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    coordinates: usize,
    coordinate_bits: u32,
    lane_bits: u32,
    lanes: usize,
}

/// Why a vector cannot be packed or unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LanesError {
    /// Another number of coordinates.
    #[error("an update has {expected} coordinates, this one has {got}")]
    Length {
        /// As the manifest says.
        expected: usize,
        /// As given.
        got: usize,
    },
    /// A coordinate is too large.
    #[error("coordinate {index} is {value}, outside the manifest's {bits} bits; clip or scale the update")]
    Range {
        /// Its position.
        index: usize,
        /// Its value.
        value: i64,
        /// Width that the manifest gives.
        bits: u32,
    },
    /// The scalar is not a sum of packed coordinates.
    #[error("element {0} of the sum holds more than its lanes")]
    Overflow(usize),
}

impl Lanes {
    /// The lanes of a manifest.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            coordinates: manifest.coordinates as usize,
            coordinate_bits: manifest.coordinate_bits,
            lane_bits: manifest.lane_bits(),
            lanes: manifest.lanes(),
        }
    }

    /// Whether a coordinate fits its width.
    fn fits(&self, value: i64) -> bool {
        let half = 1i64 << (self.coordinate_bits - 1);
        (-half..half).contains(&value)
    }

    /// Packs a vector.
    ///
    /// # Errors
    /// [`LanesError::Length`], [`LanesError::Range`].
    pub fn pack(&self, values: &[i64]) -> Result<Vec<Fr>, LanesError> {
        if values.len() != self.coordinates {
            return Err(LanesError::Length {
                expected: self.coordinates,
                got: values.len(),
            });
        }
        if let Some(index) = values.iter().position(|v| !self.fits(*v)) {
            return Err(LanesError::Range {
                index,
                value: values[index],
                bits: self.coordinate_bits,
            });
        }
        Ok(values
            .chunks(self.lanes)
            .map(|c| self.pack_one(c))
            .collect())
    }

    fn pack_one(&self, lanes: &[i64]) -> Fr {
        // Two's complement over 256 bits, highest lane first.
        let mut limbs = [0u64; 4];
        for value in lanes.iter().rev() {
            shift_left(&mut limbs, self.lane_bits);
            add_signed(&mut limbs, *value);
        }
        let negative = limbs[3] >> 63 == 1;
        if negative {
            negate(&mut limbs);
            return -Fr::from_raw(limbs);
        }
        Fr::from_raw(limbs)
    }

    /// The coordinates of a sum of packed vectors.
    ///
    /// # Errors
    /// [`LanesError::Overflow`] for a scalar that is no such sum, [`LanesError::Length`].
    pub fn unpack(&self, elements: &[Fr]) -> Result<Vec<i64>, LanesError> {
        if elements.len() != self.coordinates.div_ceil(self.lanes) {
            return Err(LanesError::Length {
                expected: self.coordinates.div_ceil(self.lanes),
                got: elements.len(),
            });
        }
        let half = 1i64 << (self.lane_bits - 1);
        let mask = (1u64 << self.lane_bits) - 1;
        let mut out = Vec::with_capacity(elements.len() * self.lanes);
        for (index, element) in elements.iter().enumerate() {
            let mut limbs = centred(element);
            for _ in 0..self.lanes {
                let digit = (limbs[0] & mask) as i64;
                let digit = if digit >= half {
                    digit - 2 * half
                } else {
                    digit
                };
                out.push(digit);
                add_signed(&mut limbs, -digit);
                shift_right(&mut limbs, self.lane_bits);
            }
            let padding = out[self.coordinates.min(out.len())..]
                .iter()
                .any(|x| *x != 0);
            if limbs != [0; 4] || padding {
                return Err(LanesError::Overflow(index));
            }
        }
        out.truncate(self.coordinates);
        Ok(out)
    }
}

/// The representative in (-r/2, r/2), as two's complement over 256 bits.
fn centred(x: &Fr) -> [u64; 4] {
    let (limbs, negated) = (raw(x), raw(&-x));
    let smaller = negated.iter().rev().lt(limbs.iter().rev());
    if smaller {
        let mut limbs = negated;
        negate(&mut limbs);
        return limbs;
    }
    limbs
}

fn raw(x: &Fr) -> [u64; 4] {
    let bytes = x.to_repr();
    std::array::from_fn(|i| {
        u64::from_le_bytes(bytes[8 * i..8 * i + 8].try_into().expect("eight bytes"))
    })
}

fn add_signed(limbs: &mut [u64; 4], value: i64) {
    let extension = (value >> 63) as u64;
    let mut carry = false;
    for (i, limb) in limbs.iter_mut().enumerate() {
        let addend = if i == 0 { value as u64 } else { extension };
        let (sum, first) = limb.overflowing_add(addend);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        *limb = sum;
        carry = first || second;
    }
}

fn negate(limbs: &mut [u64; 4]) {
    limbs.iter_mut().for_each(|limb| *limb = !*limb);
    add_signed(limbs, 1);
}

/// By less than 64.
fn shift_left(limbs: &mut [u64; 4], bits: u32) {
    for i in (1..4).rev() {
        limbs[i] = limbs[i] << bits | limbs[i - 1] >> (64 - bits);
    }
    limbs[0] <<= bits;
}

/// Arithmetic, by less than 64.
fn shift_right(limbs: &mut [u64; 4], bits: u32) {
    for i in 0..3 {
        limbs[i] = limbs[i] >> bits | limbs[i + 1] << (64 - bits);
    }
    limbs[3] = ((limbs[3] as i64) >> bits) as u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    fn lanes(coordinates: usize) -> Lanes {
        Lanes {
            coordinates,
            coordinate_bits: 20,
            lane_bits: 22,
            lanes: 11,
        }
    }

    #[test]
    fn sums_of_packed_vectors_are_packed_sums() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for length in [1, 10, 11, 12, 100] {
            let lanes = lanes(length);
            let mut draw = || -> Vec<i64> {
                let edge = |i: usize| [-(1 << 19), (1 << 19) - 1, 0, -1][i % 4];
                (0..length)
                    .map(|i| match rng.next_u32() % 2 {
                        0 => edge(i),
                        _ => i64::from(rng.next_u32() >> 12) - (1 << 19),
                    })
                    .collect()
            };
            let vectors: Vec<Vec<i64>> = (0..4).map(|_| draw()).collect();
            let mut sum = vec![0i64; length];
            let mut packed = vec![Fr::zero(); length.div_ceil(11)];
            for vector in &vectors {
                sum.iter_mut().zip(vector).for_each(|(s, v)| *s += v);
                let elements = lanes.pack(vector).expect("in range");
                assert_eq!(lanes.unpack(&elements).as_ref(), Ok(vector));
                packed.iter_mut().zip(elements).for_each(|(s, e)| *s += e);
            }
            assert_eq!(lanes.unpack(&packed), Ok(sum));
        }
    }

    #[test]
    fn the_extremes_of_all_parties_stay_in_their_lanes() {
        let lanes = lanes(22);
        for value in [-(1i64 << 19), (1 << 19) - 1] {
            let one = lanes.pack(&[value; 22]).expect("in range");
            let four: Vec<Fr> = one.iter().map(|x| x.double().double()).collect();
            assert_eq!(lanes.unpack(&four), Ok(vec![4 * value; 22]));
        }
    }

    #[test]
    fn what_is_no_sum_of_coordinates_is_refused() {
        let lanes = lanes(12);
        let refused = |values: Vec<i64>| lanes.pack(&values).expect_err("out of range");
        let mut values = vec![0; 12];
        values[7] = 1 << 19;
        assert!(matches!(
            refused(values.clone()),
            LanesError::Range { index: 7, .. }
        ));
        values[7] = i64::MIN;
        assert!(matches!(
            refused(values),
            LanesError::Range { index: 7, .. }
        ));
        assert_eq!(
            refused(vec![0; 11]),
            LanesError::Length {
                expected: 12,
                got: 11
            }
        );
        // A scalar beyond the lanes, and a value where the last element has no coordinate.
        let beyond = Fr::from_raw([0, 0, 0, 1 << 58]);
        assert_eq!(
            lanes.unpack(&[beyond, Fr::zero()]),
            Err(LanesError::Overflow(0))
        );
        let padding = Fr::from_raw([1 << 22, 0, 0, 0]);
        assert_eq!(
            lanes.unpack(&[Fr::zero(), padding]),
            Err(LanesError::Overflow(1))
        );
        assert_eq!(
            lanes.unpack(&[-beyond, Fr::zero()]),
            Err(LanesError::Overflow(0))
        );
    }
}
