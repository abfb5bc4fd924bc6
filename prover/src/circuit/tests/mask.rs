//! The mask of the KZG quotient, by computation in the field: `docs/soundness.md`, section 8.

use ff::{Field, PrimeField};
use halo2curves::bn256::Fr;

use super::*;
use crate::circuit::layout::Layout;
use crate::circuit::CircuitError;
use crate::plan::plan;

/// The domain of a layout with its Lagrange polynomials in coefficients.
struct Domain {
    n: usize,
    omega: Fr,
    lagrange: Vec<Vec<Fr>>,
}

impl Domain {
    fn new(k: u32) -> Domain {
        let n = 1usize << k;
        let omega = (k..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
        assert_eq!(omega.pow([n as u64]), Fr::ONE);
        let inverse = Fr::from(n as u64).invert().unwrap();
        // L_r = 1/n sum_i (X / w^r)^i
        let lagrange = (0..n)
            .map(|r| {
                let step = omega.pow([(n - r) as u64 % n as u64]);
                powers(step, n).map(|power| power * inverse).collect()
            })
            .collect();
        Domain { n, omega, lagrange }
    }

    fn interpolate(&self, cells: &[Fr]) -> Vec<Fr> {
        let mut sum = vec![Fr::ZERO; self.n];
        for (cell, polynomial) in cells.iter().zip(&self.lagrange) {
            for (s, l) in sum.iter_mut().zip(polynomial) {
                *s += *cell * l;
            }
        }
        sum
    }

    /// `p(X / w)`
    fn previous(&self, p: &[Fr]) -> Vec<Fr> {
        let step = self.omega.invert().unwrap();
        p.iter()
            .zip(powers(step, p.len()))
            .map(|(c, power)| power * c)
            .collect()
    }

    /// The upper piece of `p / (X^n - 1)`, the part of degree n and more, at `tau`; `p` vanishes on the domain.
    fn upper_piece(&self, p: &[Fr], tau: Fr) -> Fr {
        let n = self.n;
        let mut quotient = vec![Fr::ZERO; p.len() - n];
        for i in (0..quotient.len()).rev() {
            let above = quotient.get(i + n).copied().unwrap_or(Fr::ZERO);
            quotient[i] = p[i + n] + above;
        }
        for i in 0..n {
            assert_eq!(p[i] + quotient[i], Fr::ZERO, "no multiple of X^n - 1");
        }
        at(&quotient[n..], tau)
    }
}

fn powers(base: Fr, count: usize) -> impl Iterator<Item = Fr> {
    std::iter::successors(Some(Fr::ONE), move |power| Some(*power * base)).take(count)
}

fn at(p: &[Fr], x: Fr) -> Fr {
    p.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

fn product(p: &[Fr], q: &[Fr]) -> Vec<Fr> {
    let mut result = vec![Fr::ZERO; p.len() + q.len() - 1];
    for (i, a) in p.iter().enumerate() {
        for (j, b) in q.iter().enumerate() {
            result[i + j] += *a * b;
        }
    }
    result
}

fn sum(p: &[Fr], q: &[Fr]) -> Vec<Fr> {
    p.iter().zip(q).map(|(a, b)| *a + b).collect()
}

fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let mut rank = 0;
    for column in 0..columns {
        let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column] != Fr::ZERO) else {
            continue;
        };
        rows.swap(rank, pivot);
        let inverse = rows[rank][column].invert().unwrap();
        let lead = rows[rank].clone();
        for row in rows.iter_mut().skip(rank + 1) {
            let factor = row[column] * inverse;
            for (cell, l) in row.iter_mut().zip(&lead) {
                *cell -= factor * l;
            }
        }
        rank += 1;
    }
    rank
}

/// The layout of the smallest circuit that the planner makes.
fn smallest() -> Layout {
    let skeleton = decision_model(1).skeleton;
    let (mut params, _) = plan(&skeleton, Scheme::Kzg, 1).unwrap();
    let layout = Layout::new(&skeleton, &params).unwrap();
    assert_eq!(params.k, 6);
    // One less leaves no room for the mask beside the blinding rows, whatever the model.
    params.k = 5;
    params.limb_bits = 4;
    assert!(matches!(
        Layout::new(&skeleton, &params),
        Err(CircuitError::DoesNotFit { usable: 0, .. })
    ));
    layout
}

#[test]
fn the_mask_has_full_rank_at_the_smallest_k() {
    let layout = smallest();
    let domain = Domain::new(layout.params.k);
    let (n, u) = (domain.n, layout.usable);
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    let mut random = || Fr::random(&mut rng);
    let odd: Vec<usize> = (1..u).step_by(2).take(layout.mask_cells()).collect();
    assert_eq!(odd.len(), layout.mask_cells());
    assert!(odd.len() >= n - u + 6 && odd.iter().all(|row| *row < u - 1));

    let mut on = vec![Fr::ONE; n];
    on[0] = Fr::ZERO;
    on[u..].fill(Fr::ZERO);
    let on = domain.interpolate(&on);
    let (tau, x) = (random(), random());
    let previous = |point: Fr| point * domain.omega.invert().unwrap();
    // What `on m m_prev`, bilinear in the two, adds to the upper piece at tau.
    let upper = |m: &[Fr], other: &[Fr]| {
        let cross = sum(
            &product(m, &domain.previous(other)),
            &product(other, &domain.previous(m)),
        );
        domain.upper_piece(&product(&on, &cross), tau)
    };
    let mut tail_cells = vec![Fr::ZERO; n];
    tail_cells[u..].iter_mut().for_each(|cell| *cell = random());
    let tail = domain.interpolate(&tail_cells);

    // 1. The five functionals of the claim are independent on the odd cells.
    let functionals = |tail: &[Fr]| -> Vec<Vec<Fr>> {
        let of = |f: &dyn Fn(&[Fr]) -> Fr| odd.iter().map(|i| f(&domain.lagrange[*i])).collect();
        vec![
            of(&|l| at(l, tau)),
            of(&|l| at(l, x)),
            of(&|l| at(l, previous(x))),
            of(&|l| at(l, previous(tau))),
            of(&|l| upper(l, tail)),
        ]
    };
    assert_eq!(rank(functionals(&tail)), 5);
    // Without a tail the last one is nothing: rank 4, and the pieces would move along a line only.
    assert_eq!(rank(functionals(&vec![Fr::ZERO; n])), 4);

    // 2. (b): the part of the upper piece that is quadratic in o is a constant times o(tau) o(tau / w).
    let mut constants = vec![];
    for _ in 0..3 {
        let mut cells = vec![Fr::ZERO; n];
        odd.iter().for_each(|row| cells[*row] = random());
        let o = domain.interpolate(&cells);
        let square = product(&o, &domain.previous(&o));
        let quadratic = domain.upper_piece(&product(&on, &square), tau);
        let both = at(&o, tau) * at(&o, previous(tau));
        constants.push(quadratic * both.invert().unwrap());
    }
    assert!(constants.iter().all(|c| *c == constants[0]));
}
