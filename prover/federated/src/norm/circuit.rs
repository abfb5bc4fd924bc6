//! The circuit of the norm proof.
//!
//! Claims, for the columns w_0 .. w_{2c-1} of a contribution (c of the clipped update, then c of the noise): on each
//! element row `w_k = sum_l 2^(s l) x_{k,l}` with x in `[-2^(W-1), 2^(W-1))`, W = limb bits * limbs; zero on all other
//! usable rows; lanes beyond the last coordinate are zero; and `sum x^2 <= C^2` over the update, likewise with its
//! own bound over the noise, as integers: d 2^(2W) < 2^90 < r.
//!
//! | gate | equation |
//! |---|---|
//! | packed | `V = sum_k beta^k sum_l 2^(s l) x_{k,l}` on element rows, else `V = 0` |
//! | square | `acc = acc_prev + sum x^2`, acc = 0 on row 0 |
//! | bound | `C^2 - acc_prev = sum_i 2^(b i) limb_i` on the row after the elements |
//! | padding | `x = 0` in lanes without a coordinate |
//! | range | `h (alpha + limb) = block` |
//! | lookup sum | `(sum - sum_prev - Σh)(alpha + table) + m = 0`, zero at both ends |
//!
//! `x = sum_i 2^(b i) limb_i - 2^(W-1)`, every limb is in the table `[0, 2^b)`; no partial limbs (SOUNDNESS 11). V is
//! tied to the commitments by the link; row 0 and the rows behind the bound hold nothing. Squares are of cells of
//! phase 0, so they are fixed before beta. Source: logUp, Haböck, eprint 2022/1530; SOUNDNESS 21.

use std::sync::Arc;

use clearproof_prover::prove::linked::Assignment;
use ff::{BatchInvert, Field, PrimeField};
use halo2_proofs::circuit::{Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
    SecondPhase,
};
use halo2curves::bn256::Fr;

/// What the circuit depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) k: u32,
    /// Columns of the update, and as many of the noise.
    pub(super) columns: usize,
    pub(super) lanes: usize,
    pub(super) lane_bits: u32,
    /// Element rows: 1 ..= rows.
    pub(super) rows: usize,
    /// Rows of the last column.
    pub(super) last_rows: usize,
    /// Lanes in use on the last row of the last column.
    pub(super) last_lanes: usize,
    pub(super) limb_bits: u32,
    pub(super) limbs: usize,
    /// Squared bounds of update and noise.
    pub(super) squares: [u128; 2],
}

const ON: usize = 0;
const ENDS: usize = 1;
const TABLE: usize = 2;
const BLOCK: usize = 3;
const ROWS: usize = 4;
const BOUND: usize = 5;
const PADDING: usize = 6;
/// Rows of the last column beyond its elements.
const BEYOND: usize = 7;

impl Shape {
    /// Rows below the blinding ones: no column has more than three queries.
    fn usable(&self) -> usize {
        (1 << self.k) - 6
    }

    pub(super) fn width(&self) -> u32 {
        self.limb_bits * self.limbs as u32
    }

    fn limb_columns(&self) -> usize {
        2 * self.columns * self.lanes * self.limbs
    }

    /// Limb column of the part's (0 update, 1 noise) column, lane and digit.
    fn limb(&self, column: usize, lane: usize, digit: usize) -> usize {
        (column * self.lanes + lane) * self.limbs + digit
    }

    /// Limbs of a bound's slack, the first of its part.
    fn slack_limbs(&self, part: usize) -> usize {
        let bits = 128 - self.squares[part].leading_zeros();
        bits.div_ceil(self.limb_bits).max(1) as usize
    }

    /// Whether the slack's limbs fit the part's columns, and the table the rows.
    pub(super) fn fits(&self) -> bool {
        let part = self.columns * self.lanes * self.limbs;
        let slack = (0..2).all(|p| self.slack_limbs(p) <= part);
        slack && self.limb_bits > 0 && (1 << self.limb_bits) < self.usable() - 1
    }

    /// Cells of the fixed columns that are not zero.
    pub(super) fn fixed(&self) -> Vec<Vec<(usize, Fr)>> {
        let ones = |rows: std::ops::Range<usize>| rows.map(|r| (r, Fr::ONE)).collect::<Vec<_>>();
        let usable = self.usable();
        let last = self.last_rows;
        let padded = self.last_lanes < self.lanes;
        vec![
            ones(1..usable),
            vec![(0, Fr::ONE), (usable - 1, Fr::ONE)],
            (1..1usize << self.limb_bits)
                .map(|v| (v, Fr::from(v as u64)))
                .collect(),
            ones(1..self.rows + 2),
            ones(1..self.rows + 1),
            vec![(self.rows + 1, Fr::ONE)],
            if padded {
                vec![(last, Fr::ONE)]
            } else {
                vec![]
            },
            ones(last + 1..self.rows + 1),
        ]
    }
}

/// The columns.
#[derive(Clone, Debug)]
pub(super) struct Config {
    limbs: Vec<Column<Advice>>,
    squares: [Column<Advice>; 2],
    multiplicity: Column<Advice>,
    v: Column<Advice>,
    sum: Column<Advice>,
    h: Vec<Column<Advice>>,
    fixed: Vec<Column<Fixed>>,
    beta: Challenge,
    alpha: Challenge,
}

/// Limbs, sums and multiplicities.
#[derive(Clone)]
pub(super) struct Witness {
    /// Limb columns, rows 0 ..= rows + 1.
    pub(super) limbs: Vec<Vec<u32>>,
    /// Running sums of squares, rows 0 ..= rows.
    pub(super) squares: [Vec<u128>; 2],
    pub(super) multiplicity: Vec<u64>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.limbs.iter_mut().for_each(Zeroize::zeroize);
        self.squares.iter_mut().for_each(Zeroize::zeroize);
        self.multiplicity.zeroize();
    }
}

impl Witness {
    /// Splits coordinates (update, noise) into limbs; none when one is out of range or a norm above its bound.
    pub(super) fn new(shape: &Shape, parts: [&[i64]; 2]) -> Option<Self> {
        let offset = 1i64 << (shape.width() - 1);
        let mask = (1u64 << shape.limb_bits) - 1;
        let mut witness = Witness {
            limbs: vec![vec![0; shape.rows + 2]; shape.limb_columns()],
            squares: [vec![0; shape.rows + 1], vec![0; shape.rows + 1]],
            multiplicity: vec![0; shape.usable()],
        };
        for (part, values) in parts.into_iter().enumerate() {
            for column in 0..shape.columns {
                for row in 1..=shape.rows {
                    let element = column * shape.rows + row - 1;
                    for lane in 0..shape.lanes {
                        let value = values
                            .get(element * shape.lanes + lane)
                            .copied()
                            .unwrap_or(0);
                        let shifted = value
                            .checked_add(offset)
                            .filter(|v| (0..2 * offset).contains(v))?;
                        witness.squares[part][row] += u128::from(value.unsigned_abs()).pow(2);
                        for digit in 0..shape.limbs {
                            let limb = shape.limb(part * shape.columns + column, lane, digit);
                            witness.limbs[limb][row] =
                                (shifted as u64 >> (digit as u32 * shape.limb_bits) & mask) as u32;
                        }
                    }
                }
            }
            let squares = &mut witness.squares[part];
            for row in 1..=shape.rows {
                squares[row] += squares[row - 1];
            }
            let slack = shape.squares[part].checked_sub(squares[shape.rows])?;
            let first = shape.limb(part * shape.columns, 0, 0);
            for i in 0..shape.slack_limbs(part) {
                witness.limbs[first + i][shape.rows + 1] =
                    (slack >> (i as u32 * shape.limb_bits)) as u32 & mask as u32;
            }
        }
        witness.count(shape);
        Some(witness)
    }

    /// How often each limb occurs; zero is counted on the first row behind the table.
    pub(super) fn count(&mut self, shape: &Shape) {
        self.multiplicity.fill(0);
        for limb in self.limbs.iter().flat_map(|column| &column[1..]) {
            let row = if *limb == 0 {
                1 << shape.limb_bits
            } else {
                *limb as usize
            };
            self.multiplicity[row] += 1;
        }
    }
}

/// The circuit.
#[derive(Clone)]
pub(super) struct NormCircuit {
    pub(super) shape: Arc<Shape>,
    pub(super) witness: Option<Arc<Witness>>,
}

/// halo2 asks for a default, and takes it only where there are no parameters.
#[derive(Clone, Default)]
pub(super) struct Parameters(Option<Arc<Shape>>);

impl Assignment for NormCircuit {
    fn columns(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let (shape, Some(w)) = (&self.shape, &self.witness) else {
            unreachable!("only a circuit with its witness is proven")
        };
        if phase == 0 {
            let small = |values: &[u32]| values.iter().map(|x| Fr::from(u64::from(*x))).collect();
            let mut columns: Vec<Vec<Fr>> = w.limbs.iter().map(|l| small(l)).collect();
            columns.extend(
                w.squares
                    .iter()
                    .map(|s| s.iter().map(|x| Fr::from_u128(*x)).collect()),
            );
            columns.push(w.multiplicity.iter().map(|m| Fr::from(*m)).collect());
            return columns;
        }
        let &[beta, alpha] = challenges else {
            unreachable!("phase 0 draws two challenges")
        };
        // 1. V, from the limbs: sum_k beta^k sum_l 2^(s l) (sum_i 2^(b i) limb - 2^(W-1)).
        let mut v = vec![Fr::ZERO; shape.rows + 1];
        for (row, cell) in v.iter_mut().enumerate().skip(1) {
            for column in (0..2 * shape.columns).rev() {
                let mut packed = Fr::ZERO;
                for lane in (0..shape.lanes).rev() {
                    let digits = (0..shape.limbs).rev().fold(0u64, |sum, digit| {
                        let limb = w.limbs[shape.limb(column, lane, digit)][row];
                        (sum << shape.limb_bits) + u64::from(limb)
                    });
                    let x = Fr::from(digits) - pow2(shape.width() - 1);
                    packed = packed * pow2(shape.lane_bits) + x;
                }
                *cell = *cell * beta + packed;
            }
        }
        // 2. The lookup.
        let entries = 1usize << shape.limb_bits;
        let mut inverse: Vec<Fr> = (0..entries).map(|v| alpha + Fr::from(v as u64)).collect();
        inverse.iter_mut().batch_invert();
        let mut sum = vec![Fr::ZERO; shape.usable()];
        let h: Vec<Vec<Fr>> = w
            .limbs
            .iter()
            .map(|limbs| {
                let mut h = vec![Fr::ZERO; limbs.len()];
                for (row, limb) in limbs.iter().enumerate().skip(1) {
                    h[row] = inverse[*limb as usize];
                    sum[row] += h[row];
                }
                h
            })
            .collect();
        let mut running = Fr::ZERO;
        for (row, cell) in sum.iter_mut().enumerate().skip(1) {
            running += *cell;
            if w.multiplicity[row] > 0 {
                let value = if row < entries { row } else { 0 };
                running -= Fr::from(w.multiplicity[row]) * inverse[value];
            }
            *cell = running;
        }
        let mut columns = vec![v, sum];
        columns.extend(h);
        columns
    }
}

impl Circuit<Fr> for NormCircuit {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Parameters;

    fn without_witnesses(&self) -> Self {
        NormCircuit {
            witness: None,
            ..self.clone()
        }
    }

    fn params(&self) -> Parameters {
        Parameters(Some(Arc::clone(&self.shape)))
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Config {
        unreachable!("the circuit is always configured with its parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, parameters: Parameters) -> Config {
        let shape = parameters.0.expect("the circuit carries its shape");
        let limbs: Vec<_> = (0..shape.limb_columns())
            .map(|_| cs.advice_column())
            .collect();
        let squares = [cs.advice_column(), cs.advice_column()];
        let multiplicity = cs.advice_column();
        let beta = cs.challenge_usable_after(FirstPhase);
        let alpha = cs.challenge_usable_after(FirstPhase);
        let v = cs.advice_column_in(SecondPhase);
        let sum = cs.advice_column_in(SecondPhase);
        let h: Vec<_> = limbs
            .iter()
            .map(|_| cs.advice_column_in(SecondPhase))
            .collect();
        let fixed: Vec<_> = shape.fixed().iter().map(|_| cs.fixed_column()).collect();
        let config = Config {
            limbs,
            squares,
            multiplicity,
            v,
            sum,
            h,
            fixed,
            beta,
            alpha,
        };
        let constant = |x: Fr| Expression::Constant(x);
        let f = |i: usize| config.fixed[i].cur::<Fr>();
        let weighted = |first: usize, count: usize| {
            (0..count).rev().fold(constant(Fr::ZERO), |sum, i| {
                sum * pow2(shape.limb_bits) + config.limbs[first + i].cur::<Fr>()
            })
        };
        let x = |column: usize, lane: usize| {
            weighted(shape.limb(column, lane, 0), shape.limbs) + constant(-pow2(shape.width() - 1))
        };

        let mut packed = constant(Fr::ZERO);
        for column in (0..2 * shape.columns).rev() {
            let cell = (0..shape.lanes)
                .rev()
                .fold(constant(Fr::ZERO), |sum, lane| {
                    sum * pow2(shape.lane_bits) + x(column, lane)
                });
            packed = packed * beta.expr() + cell;
        }
        let v = config.v.cur::<Fr>();
        cs.create_gate("packed", |_| {
            vec![
                (
                    "V = sum beta^k sum 2^(s l) x",
                    f(ON) * v.clone() - f(ROWS) * packed,
                ),
                ("V = 0 on row 0", f(ENDS) * (constant(Fr::ONE) - f(ON)) * v),
            ]
        });
        for part in 0..2 {
            let columns = part * shape.columns..(part + 1) * shape.columns;
            let mut squares = constant(Fr::ZERO);
            for column in columns.clone() {
                for lane in 0..shape.lanes {
                    squares = squares + x(column, lane) * x(column, lane);
                }
            }
            let acc = config.squares[part].cur::<Fr>();
            let before = config.squares[part].prev::<Fr>();
            let first = shape.limb(columns.start, 0, 0);
            let slack = weighted(first, shape.slack_limbs(part));
            let bound = constant(Fr::from_u128(shape.squares[part]));
            cs.create_gate("norm", |_| {
                vec![
                    (
                        "acc = acc_prev + sum x^2",
                        f(ROWS) * (acc.clone() - before.clone() - squares),
                    ),
                    (
                        "acc = 0 on row 0",
                        f(ENDS) * (constant(Fr::ONE) - f(ON)) * acc,
                    ),
                    (
                        "C^2 - acc = slack >= 0",
                        f(BOUND) * (bound - before - slack),
                    ),
                ]
            });
            let last = columns.end - 1;
            let mut padding = vec![];
            for lane in 0..shape.lanes {
                if lane >= shape.last_lanes {
                    padding.push((
                        "x = 0 in lanes without a coordinate",
                        f(PADDING) * x(last, lane),
                    ));
                }
                padding.push((
                    "x = 0 on rows without an element",
                    f(BEYOND) * x(last, lane),
                ));
            }
            cs.create_gate("padding", |_| padding);
        }
        let mut helpers = constant(Fr::ZERO);
        for (limb, h) in config.limbs.iter().zip(&config.h) {
            let (limb, h) = (limb.cur::<Fr>(), h.cur::<Fr>());
            cs.create_gate("range", |_| {
                let helper = f(ON) * h.clone() * (alpha.expr() + limb) - f(BLOCK);
                vec![("h (alpha + limb) = block", helper)]
            });
            helpers = helpers + h;
        }
        let (sum, before) = (config.sum.cur::<Fr>(), config.sum.prev::<Fr>());
        let m = config.multiplicity.cur::<Fr>();
        cs.create_gate("lookup sum", |_| {
            let step = (sum.clone() - before - helpers) * (alpha.expr() + f(TABLE)) + m;
            vec![
                (
                    "(sum - sum_prev - helpers)(alpha + table) + m = 0",
                    f(ON) * step,
                ),
                ("sum = 0 at the ends", f(ENDS) * sum),
            ]
        });
        config
    }

    fn synthesize(&self, c: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "limbs",
            |mut region| {
                for (column, content) in c.fixed.iter().zip(self.shape.fixed()) {
                    for (row, value) in content {
                        region.assign_fixed(*column, row, value);
                    }
                }
                if self.witness.is_some() {
                    let order = c.limbs.iter().chain(&c.squares).chain([&c.multiplicity]);
                    for (column, values) in order.zip(self.columns(0, &[])) {
                        put(&mut region, *column, &values);
                    }
                }
                Ok(())
            },
        )?;
        layouter.next_phase();
        let draw = |challenge| {
            let mut value = None;
            let _ = layouter.get_challenge(challenge).map(|v| value = Some(v));
            value
        };
        let (Some(beta), Some(alpha), true) = (draw(c.beta), draw(c.alpha), self.witness.is_some())
        else {
            return Ok(());
        };
        let columns = self.columns(1, &[beta, alpha]);
        layouter.assign_region(
            || "sums",
            |mut region| {
                for (column, values) in [&c.v, &c.sum].into_iter().chain(&c.h).zip(&columns) {
                    put(&mut region, *column, values);
                }
                Ok(())
            },
        )
    }
}

/// Assigns the cells of a column that are not zero.
fn put(region: &mut Region<'_, Fr>, column: Column<Advice>, values: &[Fr]) {
    for (row, value) in values.iter().enumerate() {
        if *value != Fr::ZERO {
            region.assign_advice(column, row, Value::known(*value));
        }
    }
}

fn pow2(bits: u32) -> Fr {
    Fr::from(2).pow([u64::from(bits)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use halo2_proofs::dev::MockProver;

    fn shape(coordinates: usize) -> Shape {
        let (lanes, rows) = (3, 8);
        let elements = coordinates.div_ceil(lanes);
        let columns = elements.div_ceil(rows);
        Shape {
            k: 6,
            columns,
            lanes,
            lane_bits: 10,
            rows: elements.min(rows),
            last_rows: elements - (columns - 1) * rows,
            last_lanes: coordinates - (elements - 1) * lanes,
            limb_bits: 4,
            limbs: 2,
            squares: [20_000, 900],
        }
    }

    fn verify(shape: &Shape, witness: Witness) -> Result<(), String> {
        let circuit = NormCircuit {
            shape: Arc::new(shape.clone()),
            witness: Some(Arc::new(witness)),
        };
        MockProver::run(shape.k, &circuit, vec![])
            .expect("it fits")
            .verify()
            .map_err(|failures| failures.iter().map(|f| f.to_string()).collect())
    }

    fn vectors(coordinates: usize) -> [Vec<i64>; 2] {
        let update = (0..coordinates as i64).map(|i| i * 7 % 50 - 25).collect();
        let noise = (0..coordinates as i64).map(|i| i % 5 - 2).collect();
        [update, noise]
    }

    #[test]
    fn vectors_within_their_bounds_are_accepted() {
        for coordinates in [1, 3, 23, 24, 25, 47] {
            let shape = shape(coordinates);
            let [update, noise] = vectors(coordinates);
            let witness = Witness::new(&shape, [&update, &noise]).expect("within the bounds");
            assert_eq!(verify(&shape, witness), Ok(()), "{coordinates}");
        }
        // Exactly at the bounds, and at the edges of the range.
        let mut shape = shape(5);
        shape.squares = [128 * 128 + 127 * 127, 0];
        let witness = Witness::new(&shape, [&[-128, 127, 0, 0, 0], &[0; 5]]).expect("at the bound");
        assert_eq!(verify(&shape, witness), Ok(()));
    }

    #[test]
    fn what_is_out_of_range_or_above_a_bound_has_no_witness() {
        let shape = shape(5);
        assert!(Witness::new(&shape, [&[128, 0, 0, 0, 0], &[0; 5]]).is_none());
        assert!(Witness::new(&shape, [&[-129, 0, 0, 0, 0], &[0; 5]]).is_none());
        assert!(Witness::new(&shape, [&[127, 127, 0, 0, 0], &[0; 5]]).is_none());
        assert!(Witness::new(&shape, [&[0; 5], &[31, 0, 0, 0, 0]]).is_none());
        assert!(Witness::new(&shape, [&[i64::MAX; 5], &[0; 5]]).is_none());
    }

    #[test]
    fn each_changed_cell_fails_its_gate() {
        let shape = shape(23);
        let [update, noise] = vectors(23);
        let honest = Witness::new(&shape, [&update, &noise]).expect("within the bounds");
        let refused = |gate: &str, change: &dyn Fn(&mut Witness)| {
            let mut witness = honest.clone();
            change(&mut witness);
            let failures = verify(&shape, witness).expect_err("must be refused");
            assert!(failures.contains(gate), "{gate}: {failures}");
        };
        // A coordinate that the sum of squares does not know of.
        refused("acc = acc_prev", &|w| {
            w.limbs[0][3] ^= 1;
            w.count(&shape);
        });
        refused("acc = 0 on row 0", &|w| {
            w.squares[1].iter_mut().for_each(|s| *s += 5)
        });
        refused("C^2 - acc", &|w| {
            w.limbs[0][shape.rows + 1] ^= 1;
            w.count(&shape);
        });
        refused("sum = 0 at the ends", &|w| w.multiplicity[3] += 1);
        // 23 coordinates: the last lane of the last row is padding, in limb columns 4 and 5.
        refused("lanes without a coordinate", &|w| {
            let (row, squares) = (shape.rows, &mut w.squares[0]);
            w.limbs[4][row] = 1;
            squares[row] += 1;
            w.count(&shape);
        });
    }

    #[test]
    fn a_row_without_an_element_is_zero() {
        let shape = shape(25);
        assert_eq!((shape.columns, shape.last_rows), (2, 1));
        let [update, noise] = vectors(25);
        let mut witness = Witness::new(&shape, [&update, &noise]).expect("within the bounds");
        let limb = shape.limb(1, 0, 0);
        witness.limbs[limb][4] = 1;
        witness.squares[0][4..].iter_mut().for_each(|s| *s += 1);
        witness.count(&shape);
        let failures = verify(&shape, witness).expect_err("must be refused");
        assert!(failures.contains("rows without an element"), "{failures}");
    }

    #[test]
    fn a_norm_above_its_bound_has_no_slack() {
        // One more than the bound: the slack would be -1, which no limbs express.
        let mut wide = shape(5);
        wide.squares = [101, 0];
        let witness = Witness::new(&wide, [&[10, 1, 0, 0, 0], &[0; 5]]).expect("at the bound");
        let mut tight = wide.clone();
        tight.squares = [100, 0];
        let failures = verify(&tight, witness).expect_err("must be refused");
        assert!(failures.contains("C^2 - acc"), "{failures}");
    }
}
