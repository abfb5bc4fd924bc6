//! Polynomials over the 2^k-th roots of unity and two cosets of them.
//!
//! A constraint of degree 3 over columns of degree below n has a quotient of degree below 2n; it is found from
//! its values on the cosets `g H` and `g w H`, w a primitive 2n-th root of unity, each transformed with n points.
//!
//! Source: Cooley and Tukey 1965; decimation in frequency one way, in time the other, so that values go from
//! rows to a coset without any reordering.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;

use super::bases::root_of_unity;

/// The cosets on which the quotient is evaluated.
pub(crate) const COSETS: usize = 2;

/// Tables of one domain.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) n: usize,
    pub(crate) omega: Fr,
    /// Powers of omega, stage after stage from the widest: n/2, n/4, .., 1 of them.
    forward: Vec<Fr>,
    /// The same of its inverse.
    backward: Vec<Fr>,
    n_inverse: Fr,
    /// For each coset, in bit-reversed order, `shift^i / n`.
    shifts: [Vec<Fr>; COSETS],
    /// `shift^-i` in natural order, of the first coset; of the second, the same times `w^-i`.
    unshifts: [Vec<Fr>; COSETS],
    /// `g^n`; the second coset has its negative.
    shift_n: Fr,
}

impl Domain {
    /// The tables of 2^k rows.
    pub(crate) fn new(k: u32) -> Domain {
        let n = 1usize << k;
        let omega = root_of_unity(k);
        let invert = |x: Fr| x.invert().expect("not zero");
        let n_inverse = invert(Fr::from(n as u64));
        let g = Fr::MULTIPLICATIVE_GENERATOR;
        let second = g * root_of_unity(k + 1);
        let shifts = [g, second].map(|shift| {
            let mut powers = powers(shift, n_inverse, n);
            reverse_bits(&mut powers);
            powers
        });
        let unshifts = [g, second].map(|shift| powers(invert(shift), n_inverse, n));
        Domain {
            n,
            omega,
            forward: stages(omega, n),
            backward: stages(invert(omega), n),
            n_inverse,
            shifts,
            unshifts,
            shift_n: g.pow([n as u64]),
        }
    }

    /// `x w^rotation`.
    pub(crate) fn rotate(&self, x: Fr, rotation: i32) -> Fr {
        let e = i64::from(rotation).rem_euclid(self.n as i64);
        x * self.omega.pow([e as u64])
    }

    /// From values on the rows to n times the coefficients, in bit-reversed order.
    pub(crate) fn interpolate(&self, values: &mut [Fr]) {
        decimate_in_frequency(values, &self.backward);
    }

    /// Coefficients in their order, of what [`Domain::interpolate`] gave.
    pub(crate) fn coefficients(&self, reversed: &[Fr]) -> Vec<Fr> {
        let mut out: Vec<Fr> = reversed.iter().map(|x| *x * self.n_inverse).collect();
        reverse_bits(&mut out);
        out
    }

    /// Values on a coset, of what [`Domain::interpolate`] gave, into `out`.
    pub(crate) fn to_coset(&self, reversed: &[Fr], coset: usize, out: &mut Vec<Fr>) {
        out.clear();
        out.extend(
            reversed
                .iter()
                .zip(&self.shifts[coset])
                .map(|(x, shift)| x * shift),
        );
        decimate_in_time(out, &self.forward);
    }

    /// The two pieces `h_0 + X^n h_1` of the quotient by `X^n - 1`, from the numerator's values on both cosets.
    ///
    /// On coset c the vanishing polynomial is the constant `s_c - 1` with `s_0 = g^n = -s_1`, and
    /// interpolation over the coset gives `h_0 + s_c h_1`.
    pub(crate) fn quotient(&self, numerators: [Vec<Fr>; COSETS]) -> [Vec<Fr>; 2] {
        let s = self.shift_n;
        let mut parts = numerators;
        for (c, values) in parts.iter_mut().enumerate() {
            let s_c = if c == 0 { s } else { -s };
            let inverse = (s_c - Fr::ONE).invert().expect("a coset holds no root");
            decimate_in_frequency(values, &self.backward);
            reverse_bits(values);
            for (x, unshift) in values.iter_mut().zip(&self.unshifts[c]) {
                *x *= *unshift * inverse;
            }
        }
        let half = Fr::from(2).invert().expect("two is not zero");
        let half_s = half * s.invert().expect("not zero");
        let [mut first, mut second] = parts;
        for (a, b) in first.iter_mut().zip(&mut second) {
            (*a, *b) = ((*a + *b) * half, (*a - *b) * half_s);
        }
        [first, second]
    }
}

/// `first, first x, ..`: n of them.
fn powers(x: Fr, first: Fr, n: usize) -> Vec<Fr> {
    std::iter::successors(Some(first), |p| Some(*p * x))
        .take(n)
        .collect()
}

fn stages(omega: Fr, n: usize) -> Vec<Fr> {
    let mut out = Vec::with_capacity(n);
    let widest = powers(omega, Fr::ONE, n / 2);
    let mut step = 1;
    while step < n {
        out.extend(widest.iter().step_by(step));
        step *= 2;
    }
    out
}

fn reverse_bits(values: &mut [Fr]) {
    let n = values.len();
    if n < 2 {
        return;
    }
    let shift = usize::BITS - n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits() >> shift;
        if i < j {
            values.swap(i, j);
        }
    }
}

/// Natural order in, bit-reversed order out.
fn decimate_in_frequency(values: &mut [Fr], twiddles: &[Fr]) {
    let mut half = values.len() / 2;
    let mut twiddles = twiddles;
    while half > 0 {
        let (stage, rest) = twiddles.split_at(half);
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), w) in low.iter_mut().zip(high).zip(stage) {
                let difference = *a - *b;
                *a += *b;
                *b = difference * w;
            }
        }
        twiddles = rest;
        half /= 2;
    }
}

/// Bit-reversed order in, natural order out.
fn decimate_in_time(values: &mut [Fr], twiddles: &[Fr]) {
    let n = values.len();
    let mut half = 1;
    // The stage of `half` ends 2 half - 1 twiddles before the end of the list.
    while half < n {
        let start = n - 2 * half;
        let stage = &twiddles[start..start + half];
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), w) in low.iter_mut().zip(high).zip(stage) {
                let t = *b * w;
                *b = *a - t;
                *a += t;
            }
        }
        half *= 2;
    }
}

/// The value of a polynomial; four independent sums, so that the multiplications overlap.
pub(crate) fn evaluate(coefficients: &[Fr], x: Fr) -> Fr {
    let x4 = x.square().square();
    let mut lanes = [Fr::ZERO; 4];
    let (chunks, rest) = coefficients.as_chunks::<4>();
    for (lane, c) in lanes.iter_mut().zip(rest) {
        *lane = *c;
    }
    for chunk in chunks.iter().rev() {
        for (lane, c) in lanes.iter_mut().zip(chunk) {
            *lane = *lane * x4 + c;
        }
    }
    lanes.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

/// The quotient of a polynomial by `X - point`, in place; the remainder is dropped, the degree falls by one and
/// the top coefficient becomes zero.
pub(crate) fn divide_by_root(coefficients: &mut [Fr], point: Fr) {
    let mut carry = Fr::ZERO;
    for c in coefficients.iter_mut().rev() {
        let next = *c + carry * point;
        *c = carry;
        carry = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn random(n: usize, seed: u8) -> Vec<Fr> {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        (0..n).map(|_| Fr::random(&mut rng)).collect()
    }

    #[test]
    fn coefficients_evaluate_to_the_values() {
        for k in [1, 2, 3, 6] {
            let domain = Domain::new(k);
            let values = random(domain.n, k as u8);
            let mut work = values.clone();
            domain.interpolate(&mut work);
            let coefficients = domain.coefficients(&work);
            for (row, value) in values.iter().enumerate() {
                let x = domain.rotate(Fr::ONE, row as i32);
                assert_eq!(evaluate(&coefficients, x), *value, "k = {k}, row {row}");
            }
            let w = root_of_unity(k + 1);
            for (coset, shift) in [(0, Fr::ONE), (1, w)] {
                let mut on_coset = vec![];
                domain.to_coset(&work, coset, &mut on_coset);
                for (row, value) in on_coset.iter().enumerate() {
                    let x = domain.rotate(Fr::MULTIPLICATIVE_GENERATOR * shift, row as i32);
                    assert_eq!(
                        evaluate(&coefficients, x),
                        *value,
                        "coset {coset} row {row}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_quotient_times_the_vanishing_polynomial_is_the_numerator() {
        let k = 4;
        let domain = Domain::new(k);
        let n = domain.n;
        let pieces = [random(n, 1), random(n, 2)];
        let x_n = |x: Fr| x.pow([n as u64]);
        let numerator = |x: Fr| {
            (evaluate(&pieces[0], x) + x_n(x) * evaluate(&pieces[1], x)) * (x_n(x) - Fr::ONE)
        };
        let w = root_of_unity(k + 1);
        let values = [Fr::ONE, w].map(|shift| {
            (0..n)
                .map(|i| numerator(domain.rotate(Fr::MULTIPLICATIVE_GENERATOR * shift, i as i32)))
                .collect()
        });
        assert_eq!(domain.quotient(values), pieces);
    }

    #[test]
    fn division_leaves_the_quotient() {
        let quotient = random(7, 3);
        let point = Fr::from(5);
        // (X - 5) q + 9
        let mut product = vec![Fr::ZERO; 8];
        for (i, q) in quotient.iter().enumerate() {
            product[i + 1] += q;
            product[i] -= point * q;
        }
        product[0] += Fr::from(9);
        divide_by_root(&mut product, point);
        assert_eq!(product[..7], quotient);
        assert_eq!(product[7], Fr::ZERO);
        for n in [1usize, 2, 3, 5, 9] {
            let c = random(n, 4);
            let naive = c.iter().rev().fold(Fr::ZERO, |s, c| s * point + c);
            assert_eq!(evaluate(&c, point), naive);
        }
    }
}
