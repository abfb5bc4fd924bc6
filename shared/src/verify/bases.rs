//! The key's Lagrange bases are what the key says they are.
//!
//! 1. Claim: each tail base j is `L_{u+j}` and each row base is `L_row` of the key's domain. A tail
//!    base that were, say, `L_0` would let every weight of row 0 change under the link.
//! 2. Equation, with powers of rho over all bases B_j at rows r_j. IPA:
//!    `sum_j rho^j B_j = sum_i (1/n sum_j rho^j omega^(-i r_j)) G_i`. KZG, by
//!    `(tau - omega^r) L_r(tau) = omega^r / n (tau^n - 1)`:
//!    `e(sum rho^j B_j, [tau]_2) = e(sum rho^j omega^r_j B_j + 1/n (sum rho^j omega^r_j)
//!    ([tau^n]_1 - [1]_1), [1]_2)`.
//! 3. Assumed: the reference string ([`super::srs`]).
//! 4. Source: the Lagrange basis of a multiplicative subgroup; rho by Fiat-Shamir from the circuit
//!    id, which covers all bases, and the generators.

use ark_ff::{AdditiveGroup, Field, One};

use super::claim::{pair, Equation};
use super::prepared::PreparedKey;
use super::statement::hash_parts;
use crate::artifact::key::Scheme;
use crate::bn254::Fr;
use crate::encoding::scalar_from_bytes_mod_order;

/// The equation that holds iff all bases of the key are right.
pub fn bases_equation(key: &PreparedKey) -> Equation {
    let vk = key.key();
    let seed = hash_parts(&[TAG, key.circuit_id(), key.generators().digest()]);
    let rho = scalar_from_bytes_mod_order(&seed);
    // 1. The rows of all bases: tail, then row bases; and the powers of rho.
    let usable = key.usable_rows();
    let tail_rows = usable..usable + vk.tail_bases.len();
    let base_rows: Vec<usize> = tail_rows
        .chain(vk.row_bases.iter().map(|(row, _)| *row as usize))
        .collect();
    let mut powers = Vec::with_capacity(base_rows.len());
    let mut power = Fr::one();
    for _ in &base_rows {
        powers.push(power);
        power *= rho;
    }
    let n_inverse = Fr::from(vk.rows() as u64).inverse();
    let n_inverse = n_inverse.expect("n is a power of two, r is odd");
    let split = vk.tail_bases.len();
    match vk.scheme() {
        Scheme::Ipa => {
            // 2. L_r = sum_i omega^(-i r) / n G_i: an inverse transform of the powers placed at
            //    their rows.
            let mut coefficients = vec![Fr::ZERO; vk.rows()];
            for (row, power) in base_rows.iter().zip(&powers) {
                coefficients[*row] -= *power * n_inverse;
            }
            let inverse_root = key.omega_power(-1);
            transform(&mut coefficients, inverse_root);
            Equation {
                tail: powers[..split].to_vec(),
                rows: powers[split..].to_vec(),
                generators: coefficients,
                ..Equation::default()
            }
        }
        Scheme::Kzg => {
            let shifted: Vec<Fr> = base_rows
                .iter()
                .zip(&powers)
                .map(|(row, power)| *power * key.omega_power(*row as i64))
                .collect();
            let constant = shifted.iter().sum::<Fr>() * n_inverse;
            let row_bases = vk.row_bases.iter().map(|base| &base.1);
            Equation {
                left: pair(&powers, vk.tail_bases.iter().chain(row_bases)).collect(),
                tail: shifted[..split].to_vec(),
                rows: shifted[split..].to_vec(),
                srs: [-constant, constant],
                ..Equation::default()
            }
        }
    }
}

/// In place `a_i <- sum_j a_j root^(i j)` for a root of order `a.len()`, a power of two.
fn transform(values: &mut [Fr], root: Fr) {
    let n = values.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = i.reverse_bits().unbounded_shr(usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    // Roots of all layers: layer of size 2h uses every (n / 2h)-th power.
    let mut powers = Vec::with_capacity(n / 2);
    let mut power = Fr::one();
    for _ in 0..n / 2 {
        powers.push(power);
        power *= root;
    }
    let mut half = 1;
    while half < n {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            let roots = powers.iter().step_by(n / (2 * half));
            for ((a, b), root) in low.iter_mut().zip(high).zip(roots) {
                let product = *b * root;
                *b = *a - product;
                *a += product;
            }
        }
        half *= 2;
    }
}

const TAG: &[u8] = b"clearproof bases v1";

#[cfg(test)]
mod tests {
    use super::super::prepared::root_of_unity;
    use super::*;

    #[test]
    fn transform_is_the_sum() {
        for k in 1..6u32 {
            let n = 1usize << k;
            let root = root_of_unity(k);
            let values: Vec<Fr> = (0..n).map(|i| Fr::from((i * i + 3) as u64)).collect();
            let mut transformed = values.clone();
            transform(&mut transformed, root);
            for (i, got) in transformed.iter().enumerate() {
                let at = root.pow([i as u64]);
                let expected = values.iter().rev().fold(Fr::ZERO, |sum, v| sum * at + v);
                assert_eq!(*got, expected);
            }
        }
    }
}
