//! The gates of a circuit as one polynomial, ready to be evaluated on every row of a coset.
//!
//! The sum `sum_i y^(m-1-i) gate_i` is rewritten, with all challenges known, as
//! `sum_f F_f (sum_t c_t prod_j factor_tj)`: terms with the same fixed column share one multiplication by it, and
//! equal terms of different gates become one. Rows are evaluated in blocks that fit the first-level cache.

use std::collections::HashMap;

use clearproof_shared::artifact::key::{Node, VerifyingKey};
use ff::Field;
use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::export::scalar_from_ark;

/// Rows that are evaluated at once.
const BLOCK: usize = 64;

/// A column in the order fixed, advice, instance.
type Column = usize;

/// A product's factor, or a term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Factor {
    /// A column, rotated by some rows.
    Cell(Column, i32),
    /// A sum with more than one term.
    Sum(Linear),
}

/// `constant + sum_t c_t prod_j factor_tj`, terms in the order in which they were first met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Linear {
    constant: Fr,
    terms: Vec<(Fr, Vec<Factor>)>,
}

impl Linear {
    fn constant(constant: Fr) -> Linear {
        Linear {
            constant,
            terms: vec![],
        }
    }

    fn scale(mut self, by: Fr) -> Linear {
        self.constant *= by;
        self.terms.iter_mut().for_each(|t| t.0 *= by);
        self
    }

    fn add(&mut self, other: Linear) {
        self.constant += other.constant;
        for (c, factors) in other.terms {
            match self.terms.iter_mut().find(|t| t.1 == factors) {
                Some(term) => term.0 += c,
                None => self.terms.push((c, factors)),
            }
        }
        self.terms.retain(|t| t.0 != Fr::ZERO);
    }

    fn product(self, other: Linear) -> Linear {
        if self.terms.is_empty() {
            return other.scale(self.constant);
        }
        if other.terms.is_empty() {
            return self.scale(other.constant);
        }
        let (c, mut factors) = self.into_factors();
        let (d, more) = other.into_factors();
        factors.extend(more);
        Linear {
            constant: Fr::ZERO,
            terms: vec![(c * d, factors)],
        }
    }

    /// The same as one product.
    fn into_factors(mut self) -> (Fr, Vec<Factor>) {
        if self.constant == Fr::ZERO && self.terms.len() == 1 {
            return self.terms.pop().expect("one term");
        }
        (Fr::ONE, vec![Factor::Sum(self)])
    }
}

/// The combined gates.
#[derive(Debug)]
pub(crate) struct Combined {
    /// Terms by the fixed column that they all hold; `None` for the others.
    groups: Vec<(Option<(Column, i32)>, Linear)>,
}

impl Combined {
    /// Combines the gates of a key by powers of y.
    pub(crate) fn new(key: &VerifyingKey, challenges: &[Fr], y: Fr) -> Combined {
        // 1. Every node as a linear form.
        let fixed = key.fixed_commitments.len();
        let advice = key.advice_phases.len();
        let cell = |column: usize, rotation: i32| Linear {
            constant: Fr::ZERO,
            terms: vec![(Fr::ONE, vec![Factor::Cell(column, rotation)])],
        };
        let constants: Vec<Fr> = key.constants.iter().map(scalar_from_ark).collect();
        let mut forms: Vec<Linear> = Vec::with_capacity(key.nodes.len());
        for node in &key.nodes {
            let form = |i: u32| forms[i as usize].clone();
            let next = match *node {
                Node::Constant(i) => Linear::constant(constants[i as usize]),
                Node::Challenge(i) => Linear::constant(challenges[i as usize]),
                Node::Fixed(i) => {
                    let q = &key.fixed_queries[i as usize];
                    cell(q.column as usize, q.rotation)
                }
                Node::Advice(i) => {
                    let q = &key.advice_queries[i as usize];
                    cell(fixed + q.column as usize, q.rotation)
                }
                Node::Instance(i) => {
                    let q = &key.instance_queries[i as usize];
                    cell(fixed + advice + q.column as usize, q.rotation)
                }
                Node::Negated(a) => form(a).scale(-Fr::ONE),
                Node::Scaled(a, c) => form(a).scale(constants[c as usize]),
                Node::Sum(a, b) => {
                    let mut sum = form(a);
                    sum.add(form(b));
                    sum
                }
                Node::Product(a, b) => form(a).product(form(b)),
            };
            forms.push(next);
        }
        // 2. Terms by their first fixed factor.
        let mut combined = Combined { groups: vec![] };
        let mut index: HashMap<Option<(Column, i32)>, usize> = HashMap::new();
        let mut weights = vec![Fr::ONE; key.gates.len()];
        for i in (1..weights.len()).rev() {
            weights[i - 1] = weights[i] * y;
        }
        for (gate, weight) in key.gates.iter().zip(weights) {
            let form = forms[*gate as usize].clone().scale(weight);
            let constant = Linear::constant(form.constant);
            let split = form.terms.into_iter().map(|(c, mut factors)| {
                let at = factors
                    .iter()
                    .position(|f| matches!(f, Factor::Cell(column, _) if *column < fixed));
                let taken = at.map(|at| match factors.remove(at) {
                    Factor::Cell(column, rotation) => (column, rotation),
                    Factor::Sum(_) => unreachable!("a cell was found"),
                });
                let rest = match (factors.pop(), factors.is_empty()) {
                    (None, _) => Linear::constant(c),
                    // A single sum spreads over the group.
                    (Some(Factor::Sum(sum)), true) => sum.scale(c),
                    (Some(last), _) => {
                        factors.push(last);
                        Linear {
                            constant: Fr::ZERO,
                            terms: vec![(c, factors)],
                        }
                    }
                };
                (taken, rest)
            });
            for (taken, rest) in split.chain([(None, constant)]) {
                let at = *index.entry(taken).or_insert_with(|| {
                    combined.groups.push((taken, Linear::default()));
                    combined.groups.len() - 1
                });
                combined.groups[at].1.add(rest);
            }
        }
        combined
    }

    /// The values on all rows, of columns given by their values there.
    pub(crate) fn evaluate(&self, columns: &[&[Fr]]) -> Vec<Fr> {
        let n = columns.first().map_or(0, |c| c.len());
        let mut out = vec![Fr::ZERO; n];
        out.par_chunks_mut(BLOCK)
            .enumerate()
            .for_each(|(block, out)| {
                let rows = Rows {
                    columns,
                    start: block * BLOCK,
                    len: out.len(),
                };
                let mut pool = vec![];
                for (factor, linear) in &self.groups {
                    let Some((column, rotation)) = factor else {
                        rows.add_linear(linear, out, &mut pool);
                        continue;
                    };
                    let mut sum = rows.buffer(&mut pool);
                    rows.add_linear(linear, &mut sum, &mut pool);
                    rows.for_each(*column, *rotation, &mut sum, |s, x| *s *= x);
                    out.iter_mut().zip(&sum).for_each(|(o, s)| *o += s);
                    pool.push(sum);
                }
            });
        out
    }
}

/// A block of rows.
struct Rows<'a> {
    columns: &'a [&'a [Fr]],
    start: usize,
    len: usize,
}

impl Rows<'_> {
    /// A buffer of zeros, from the pool if there is one.
    fn buffer(&self, pool: &mut Vec<Vec<Fr>>) -> Vec<Fr> {
        let mut buffer = pool.pop().unwrap_or_default();
        buffer.clear();
        buffer.resize(self.len, Fr::ZERO);
        buffer
    }

    /// Calls `f(out_i, cell_i)` for the rotated cells of a column.
    fn for_each(
        &self,
        column: Column,
        rotation: i32,
        out: &mut [Fr],
        mut f: impl FnMut(&mut Fr, &Fr),
    ) {
        let cells = self.columns[column];
        let n = cells.len();
        let start = (self.start as i64 + i64::from(rotation)).rem_euclid(n as i64) as usize;
        let first = (n - start).min(out.len());
        let (head, tail) = out.split_at_mut(first);
        for (o, x) in head.iter_mut().zip(&cells[start..]) {
            f(o, x);
        }
        for (o, x) in tail.iter_mut().zip(cells) {
            f(o, x);
        }
    }

    fn add_linear(&self, linear: &Linear, out: &mut [Fr], pool: &mut Vec<Vec<Fr>>) {
        if linear.constant != Fr::ZERO {
            out.iter_mut().for_each(|o| *o += linear.constant);
        }
        for (c, factors) in &linear.terms {
            if let [Factor::Cell(column, rotation)] = factors[..] {
                match *c {
                    c if c == Fr::ONE => self.for_each(column, rotation, out, |o, x| *o += x),
                    c if c == -Fr::ONE => self.for_each(column, rotation, out, |o, x| *o -= x),
                    c => self.for_each(column, rotation, out, |o, x| *o += c * x),
                }
                continue;
            }
            let mut product = self.buffer(pool);
            for (i, factor) in factors.iter().enumerate() {
                match factor {
                    Factor::Cell(column, rotation) if i == 0 => {
                        self.for_each(*column, *rotation, &mut product, |p, x| *p = *x)
                    }
                    Factor::Cell(column, rotation) => {
                        self.for_each(*column, *rotation, &mut product, |p, x| *p *= x)
                    }
                    Factor::Sum(sum) if i == 0 => self.add_linear(sum, &mut product, pool),
                    Factor::Sum(sum) => {
                        let mut value = self.buffer(pool);
                        self.add_linear(sum, &mut value, pool);
                        product.iter_mut().zip(&value).for_each(|(p, v)| *p *= v);
                        pool.push(value);
                    }
                }
            }
            match *c {
                c if c == Fr::ONE => out.iter_mut().zip(&product).for_each(|(o, p)| *o += p),
                c if c == -Fr::ONE => out.iter_mut().zip(&product).for_each(|(o, p)| *o -= p),
                c => out.iter_mut().zip(&product).for_each(|(o, p)| *o += c * p),
            }
            pool.push(product);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bases::Bases;
    use super::super::keys::{empty_model, portable_model_key, shape, verifying_key};
    use super::*;
    use crate::circuit::tests::{everything, params};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// The gates node by node, as the key lists them.
    fn naive(key: &VerifyingKey, challenges: &[Fr], y: Fr, columns: &[Vec<Fr>], row: usize) -> Fr {
        let (fixed, advice) = (key.fixed_commitments.len(), key.advice_phases.len());
        let cell = |first: usize, q: &clearproof_shared::artifact::key::Query| {
            let column = &columns[first + q.column as usize];
            let at = (row as i64 + i64::from(q.rotation)).rem_euclid(column.len() as i64);
            column[at as usize]
        };
        let constant = |i: u32| scalar_from_ark(&key.constants[i as usize]);
        let mut values: Vec<Fr> = vec![];
        for node in &key.nodes {
            let value = |i: u32| values[i as usize];
            let next = match *node {
                Node::Constant(i) => constant(i),
                Node::Challenge(i) => challenges[i as usize],
                Node::Fixed(i) => cell(0, &key.fixed_queries[i as usize]),
                Node::Advice(i) => cell(fixed, &key.advice_queries[i as usize]),
                Node::Instance(i) => cell(fixed + advice, &key.instance_queries[i as usize]),
                Node::Negated(a) => -value(a),
                Node::Scaled(a, c) => value(a) * constant(c),
                Node::Sum(a, b) => value(a) + value(b),
                Node::Product(a, b) => value(a) * value(b),
            };
            values.push(next);
        }
        key.gates
            .iter()
            .fold(Fr::ZERO, |sum, gate| sum * y + values[*gate as usize])
    }

    #[test]
    fn equals_the_gates_node_by_node() {
        let mut rng = ChaCha20Rng::from_seed([11; 32]);
        for (batch, rho) in [(1, 1), (1, 3), (2, 1)] {
            let (params, layout) = params(&everything().skeleton, batch, 6, rho);
            let bases = Bases::of_known_tau(params.k, Fr::from(7));
            let shape = shape(layout);
            let vk = verifying_key(&bases, &empty_model(&shape)).unwrap();
            let key = portable_model_key(&bases, &shape, &vk).unwrap();
            let count = key.fixed_commitments.len() + key.advice_phases.len() + 1;
            let mut random =
                |n: usize| -> Vec<Fr> { (0..n).map(|_| Fr::random(&mut rng)).collect() };
            let columns: Vec<Vec<Fr>> = (0..count).map(|_| random(1 << params.k)).collect();
            let (challenges, y) = (random(key.challenge_phases.len()), random(1)[0]);
            let slices: Vec<&[Fr]> = columns.iter().map(|c| &c[..]).collect();
            let all = Combined::new(&key, &challenges, y).evaluate(&slices);
            for (row, value) in all.iter().enumerate() {
                let expected = naive(&key, &challenges, y, &columns, row);
                assert_eq!(*value, expected, "batch {batch}, rho {rho}, row {row}");
            }
        }
    }
}
