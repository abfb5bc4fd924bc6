//! The registration proof: the committed weight cells are packed integers in range, and zero elsewhere.
//!
//! Claims, for weight columns `first .. first + count` of a model, over the same domain, bases and commitments
//! as the model circuit: on the weight row of every input of layer l, column k holds
//! `sum_lane 2^(s_l lane) w` over exactly the lanes that the layer has there, each
//! `w = sum_d 2^(b d) digit_d - 2^weight_bits` with digits in `[0, 2^b)`; on every other usable row it
//! holds zero.
//!
//! | gate | equation |
//! |---|---|
//! | packed | `V = sum_k beta^k sum_lane F_{k,lane} (sum_d 2^(b d) digit - 2^w)` |
//! | range | `h (alpha + digit) = block` |
//! | logUp sum | `(sum - sum_prev - Σh)(alpha + table) + m = 0`, zero at both ends |
//! | mask (KZG) | `mask mask_prev = 0` |
//!
//! V is the beta-combination of the committed columns by the same link as in the model circuit. The fixed column
//! `F_{k,lane}` is `2^(s_l lane)` on the weight rows of the layers that have the lane, and zero
//! elsewhere: unused lanes and rows are zero because nothing but these terms makes V. Digits lie on the
//! `rows_per_slot` rows that end at a weight row; every slot leaves them free.

use std::collections::BTreeMap;
use std::sync::Arc;

use ff::{BatchInvert, Field};
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner};
use halo2_proofs::plonk::{
    Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
    SecondPhase,
};
use halo2curves::bn256::Fr;
use rand_core::RngCore;

use super::fixed::pow2;
use super::layout::{Layout, WeightCell};
use super::model::{put, Assignment};
use super::params::Scheme;
use super::program::FOREST_COLUMNS;

/// One digit of one lane of one column.
#[derive(Clone, Copy, Debug)]
struct Digit {
    column: usize,
    lane: usize,
    digit: u32,
}

/// What the registration circuit of a range of weight columns depends on.
#[derive(Clone, Debug)]
pub(crate) struct RegistrationShape {
    pub(crate) k: u32,
    pub(crate) usable: usize,
    masked: bool,
    mask_cells: usize,
    rho: usize,
    /// Rotations of the model circuit's limb columns: both circuits have the same blinding rows.
    rotations: usize,
    digit_bits: u32,
    digits: u32,
    /// Columns covered.
    pub(crate) first: usize,
    pub(crate) count: usize,
    cells: Vec<Digit>,
    limb_columns: usize,
    /// Weight rows, ascending.
    rows: Vec<usize>,
    pub(crate) fixed: Vec<Vec<(usize, Fr)>>,
    /// Fixed column of each (column, lane).
    pattern: BTreeMap<(usize, usize), usize>,
}

const ON: usize = 0;
const ENDS: usize = 1;
const TABLE: usize = 2;
const BLOCK: usize = 3;

impl RegistrationShape {
    /// The circuit of columns `first .. first + count` of a layout.
    pub(crate) fn new(layout: &Layout, first: usize, count: usize) -> RegistrationShape {
        let program = &layout.program;
        let params = &layout.params;
        let rho = layout.rho();
        let mut rows = vec![];
        let mut patterns: BTreeMap<(usize, usize), Vec<(usize, Fr)>> = BTreeMap::new();
        let main = layout.main_columns();
        let layers = if first < main.end {
            &program.layers[..]
        } else {
            &[]
        };
        for (l, layer) in layers.iter().enumerate() {
            let taps = layer.positions.taps.len();
            let heads: Vec<usize> = layout.channel_rows(layer).collect();
            for column in first..(first + count).min(layer.cells()) {
                let lanes = layer
                    .lanes
                    .min(layer.output_channels() - column * layer.lanes);
                for lane in 0..lanes {
                    let f = pow2(layer.lane_bits as u64 * lane as u64);
                    let output = column * layer.lanes + lane;
                    let channels = (0..heads.len()).filter(|c| layer.reads(output, *c));
                    let kernel = channels.flat_map(|c| heads[c]..heads[c] + taps);
                    let bias = layout.bias_rows[l].iter().copied();
                    let pattern = patterns.entry((column, lane)).or_default();
                    pattern.extend(kernel.chain(bias).map(|r| (r, f)));
                }
            }
            rows.extend(heads.iter().flat_map(|head| *head..head + taps));
            rows.extend(&layout.bias_rows[l]);
        }
        if let Some(forest) = &program.forest {
            for column in first..first + count {
                // Which of a node's cells, and on which rows.
                let (cell, nodes) = match column.checked_sub(main.end) {
                    Some(beside) => (beside % FOREST_COLUMNS, 1..1 + layout.nodes.block_rows),
                    None if column < FOREST_COLUMNS => (column, layout.nodes.rows()),
                    None => continue,
                };
                for lane in forest.lanes(cell) {
                    let f = pow2(u64::from(program.weight_bits) * lane as u64);
                    patterns
                        .entry((column, lane))
                        .or_default()
                        .extend(nodes.clone().map(|r| (r, f)));
                }
                rows.extend(nodes);
            }
        }
        rows.sort_unstable();
        rows.dedup();
        let mut cells = vec![];
        for &(column, lane) in patterns.keys() {
            cells.extend((0..params.weight_digits).map(|digit| Digit {
                column,
                lane,
                digit,
            }));
        }
        let usable = layout.usable;
        let table = (1usize..1 << params.weight_digit_bits)
            .map(|v| (v, Fr::from(v as u64)))
            .collect();
        let block = rows
            .iter()
            .flat_map(|r| r + 1 - rho..=*r)
            .map(|r| (r, Fr::ONE))
            .collect();
        let mut fixed: Vec<Vec<(usize, Fr)>> = vec![
            (1..usable).map(|r| (r, Fr::ONE)).collect(),
            vec![(0, Fr::ONE), (usable - 1, Fr::ONE)],
            table,
            block,
        ];
        let mut pattern = BTreeMap::new();
        for (key, mut content) in patterns {
            content.sort_unstable_by_key(|(r, _)| *r);
            let index = fixed[BLOCK..]
                .iter()
                .position(|c| *c == content)
                .map(|i| i + BLOCK)
                .unwrap_or_else(|| {
                    fixed.push(content);
                    fixed.len() - 1
                });
            pattern.insert(key, index);
        }
        RegistrationShape {
            k: params.k,
            usable,
            masked: params.scheme == Scheme::Kzg,
            mask_cells: layout.mask_cells(),
            rho,
            rotations: layout.rotations,
            digit_bits: params.weight_digit_bits,
            digits: params.weight_digits,
            first,
            count,
            limb_columns: cells.len().div_ceil(rho).max(1),
            cells,
            rows,
            fixed,
            pattern,
        }
    }

    /// Column of cell i and its distance above the weight row.
    fn place(&self, cell: usize) -> (usize, usize) {
        (
            cell % self.limb_columns,
            self.rho - 1 - cell / self.limb_columns,
        )
    }
}

/// The columns.
#[derive(Clone, Debug)]
pub(crate) struct RegistrationConfig {
    limbs: Vec<Column<Advice>>,
    multiplicity: Column<Advice>,
    mask: Option<Column<Advice>>,
    pub(crate) v: Column<Advice>,
    sum: Column<Advice>,
    h: Vec<Column<Advice>>,
    fixed: Vec<Column<Fixed>>,
    pub(crate) beta: Challenge,
    alpha: Challenge,
}

/// Digits of the private weights, ready to assign.
pub(crate) struct RegistrationWitness {
    limbs: Vec<Vec<u32>>,
    multiplicity: Vec<u64>,
    mask: Vec<Fr>,
    /// Packed columns of the range, for V.
    columns: Vec<Vec<(usize, Fr)>>,
}

impl RegistrationWitness {
    /// Splits the cells of the covered columns (given from the first covered on) into digits.
    pub(crate) fn new(
        shape: &RegistrationShape,
        cells: &[Vec<WeightCell>],
        packed: &[Vec<(usize, Fr)>],
        rng: &mut impl RngCore,
    ) -> Self {
        let n = shape.usable;
        let mut w = RegistrationWitness {
            limbs: vec![vec![0; n]; shape.limb_columns],
            multiplicity: vec![0; n],
            mask: vec![Fr::ZERO; if shape.masked { n } else { 0 }],
            columns: packed.to_vec(),
        };
        // A lane that a layer lacks has no term; its digits may as well be zero.
        let offset = 1i64 << (shape.digits * shape.digit_bits - 1);
        let by_row: Vec<BTreeMap<usize, &WeightCell>> = cells
            .iter()
            .map(|c| c.iter().map(|cell| (cell.row, cell)).collect())
            .collect();
        for (i, cell) in shape.cells.iter().enumerate() {
            let (column, above) = shape.place(i);
            for &row in &shape.rows {
                if let Some(weights) = by_row[cell.column - shape.first].get(&row) {
                    if let Some(x) = weights.lanes.get(cell.lane) {
                        let shifted = (x + offset) as u64;
                        w.limbs[column][row - above] = (shifted >> (cell.digit * shape.digit_bits))
                            as u32
                            & ((1 << shape.digit_bits) - 1);
                    }
                }
            }
        }
        for (row, _) in &shape.fixed[BLOCK] {
            for limbs in &w.limbs {
                let x = limbs[*row] as usize;
                w.multiplicity[if x == 0 { 1 << shape.digit_bits } else { x }] += 1;
            }
        }
        for cell in w.mask.iter_mut().skip(1).step_by(2).take(shape.mask_cells) {
            *cell = Fr::random(&mut *rng);
        }
        w
    }
}

/// The circuit.
#[derive(Clone)]
pub(crate) struct RegistrationCircuit {
    pub(crate) shape: Option<Arc<RegistrationShape>>,
    pub(crate) witness: Option<Arc<RegistrationWitness>>,
}

impl Assignment for RegistrationCircuit {
    fn columns(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let (Some(shape), Some(w)) = (&self.shape, &self.witness) else {
            unreachable!("only a circuit with its witness is proven")
        };
        let field = |x: u64| match x {
            0 => Fr::ZERO,
            x => Fr::from(x),
        };
        if phase == 0 {
            let mut columns: Vec<Vec<Fr>> = w
                .limbs
                .iter()
                .map(|limbs| limbs.iter().map(|x| field((*x).into())).collect())
                .collect();
            columns.push(w.multiplicity.iter().map(|m| field(*m)).collect());
            if shape.masked {
                columns.push(w.mask.clone());
            }
            return columns;
        }
        let &[beta, alpha] = challenges else {
            unreachable!("phase 0 draws two challenges")
        };
        let mut v = vec![Fr::ZERO; shape.usable];
        let mut power = Fr::ONE;
        for column in &w.columns {
            for (row, x) in column {
                v[*row] += power * x;
            }
            power *= beta;
        }
        let entries = 1usize << shape.digit_bits;
        let mut inverse: Vec<Fr> = (0..entries).map(|v| alpha + Fr::from(v as u64)).collect();
        inverse.iter_mut().batch_invert();
        let mut h = vec![vec![Fr::ZERO; shape.usable]; w.limbs.len()];
        let mut sum = vec![Fr::ZERO; shape.usable];
        for (row, _) in &shape.fixed[BLOCK] {
            for (h, limbs) in h.iter_mut().zip(&w.limbs) {
                let x = inverse[limbs[*row] as usize];
                h[*row] = x;
                sum[*row] += x;
            }
        }
        let mut running = Fr::ZERO;
        for (row, cell) in sum.iter_mut().enumerate().skip(1) {
            running += *cell;
            if w.multiplicity[row] > 0 {
                running -=
                    Fr::from(w.multiplicity[row]) * inverse[if row < entries { row } else { 0 }];
            }
            *cell = running;
        }
        let mut columns = vec![v, sum];
        columns.extend(h);
        columns
    }
}

impl Circuit<Fr> for RegistrationCircuit {
    type Config = RegistrationConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Option<Arc<RegistrationShape>>;

    fn without_witnesses(&self) -> Self {
        RegistrationCircuit {
            witness: None,
            ..self.clone()
        }
    }

    fn params(&self) -> Self::Params {
        self.shape.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Self::Config {
        unreachable!("the circuit is always configured with its parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, shape: Self::Params) -> Self::Config {
        let shape = shape.expect("a registration circuit carries its shape");
        let limbs: Vec<_> = (0..shape.limb_columns)
            .map(|_| cs.advice_column())
            .collect();
        let multiplicity = cs.advice_column();
        let mask = shape.masked.then(|| cs.advice_column());
        let beta = cs.challenge_usable_after(FirstPhase);
        let alpha = cs.challenge_usable_after(FirstPhase);
        let v = cs.advice_column_in(SecondPhase);
        let sum = cs.advice_column_in(SecondPhase);
        let h: Vec<_> = limbs
            .iter()
            .map(|_| cs.advice_column_in(SecondPhase))
            .collect();
        let fixed: Vec<_> = shape.fixed.iter().map(|_| cs.fixed_column()).collect();
        let config = RegistrationConfig {
            limbs,
            multiplicity,
            mask,
            v,
            sum,
            h,
            fixed,
            beta,
            alpha,
        };
        let constant = |x: Fr| Expression::Constant(x);
        let f = |i: usize| config.fixed[i].cur::<Fr>();

        // V = sum_k beta^k sum_lane F (w), by Horner over the columns.
        let offset = pow2(u64::from(shape.digits * shape.digit_bits) - 1);
        let mut packed = constant(Fr::ZERO);
        for column in (shape.first..shape.first + shape.count).rev() {
            let mut sum = constant(Fr::ZERO);
            for (&(_, lane), &index) in shape.pattern.range((column, 0)..(column + 1, 0)) {
                let mut w = constant(-offset);
                for (i, cell) in shape
                    .cells
                    .iter()
                    .enumerate()
                    .filter(|(_, c)| c.column == column && c.lane == lane)
                {
                    let (limb, above) = shape.place(i);
                    w = w + config.limbs[limb].rot::<Fr>(-(above as i32))
                        * pow2(u64::from(cell.digit * shape.digit_bits));
                }
                sum = sum + f(index) * w;
            }
            packed = packed * beta.expr() + sum;
        }
        // As many rotations of one column as in the model circuit, so that the blinding rows agree.
        for above in 0..shape.rotations.min(shape.rho) {
            packed = packed + config.limbs[0].rot::<Fr>(-(above as i32)) * Fr::ZERO;
        }
        let top = f(ENDS) * (constant(Fr::ONE) - f(ON));
        cs.create_gate("packed", |_| {
            vec![
                (
                    "V = sum beta^k sum F (sum 2^(b d) digit - 2^w)",
                    f(ON) * config.v.cur::<Fr>() - packed,
                ),
                ("V = 0 on row 0", top * config.v.cur::<Fr>()),
            ]
        });
        let mut helpers = constant(Fr::ZERO);
        for (l, h) in config.limbs.iter().zip(&config.h) {
            let (l, h) = (l.cur::<Fr>(), h.cur::<Fr>());
            cs.create_gate("range", |_| {
                vec![(
                    "h (alpha + digit) = block",
                    f(ON) * h.clone() * (alpha.expr() + l) - f(BLOCK),
                )]
            });
            helpers = helpers + h;
        }
        let (sum, before, m) = (
            config.sum.cur::<Fr>(),
            config.sum.prev::<Fr>(),
            config.multiplicity.cur::<Fr>(),
        );
        cs.create_gate("lookup sum", |_| {
            vec![
                (
                    "(sum - sum_prev - helpers)(alpha + table) + m = 0",
                    f(ON) * ((sum.clone() - before - helpers) * (alpha.expr() + f(TABLE)) + m),
                ),
                ("sum = 0 at the ends", f(ENDS) * sum),
            ]
        });
        if let Some(mask) = &config.mask {
            cs.create_gate("mask", |_| {
                vec![(
                    "mask mask_prev = 0",
                    f(ON) * mask.cur::<Fr>() * mask.prev::<Fr>(),
                )]
            });
        }
        config
    }

    fn synthesize(
        &self,
        c: RegistrationConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        let shape = self
            .shape
            .as_ref()
            .expect("a registration circuit carries its shape");
        layouter.assign_region(
            || "digits",
            |mut region| {
                for (column, content) in c.fixed.iter().zip(&shape.fixed) {
                    for (row, value) in content {
                        region.assign_fixed(*column, *row, *value);
                    }
                }
                if self.witness.is_some() {
                    let order = c.limbs.iter().chain([&c.multiplicity]).chain(&c.mask);
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
                let order = [&c.v, &c.sum].into_iter().chain(&c.h);
                for (column, values) in order.zip(&columns) {
                    put(&mut region, *column, values);
                }
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{decision_model, params};
    use super::super::witness::PackedWeights;
    use super::*;
    use halo2_proofs::dev::MockProver;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn run(
        change: impl Fn(&RegistrationShape, &mut RegistrationWitness),
    ) -> Result<(), Vec<String>> {
        let model = decision_model(1);
        for rho in [1, 3] {
            let (params, layout) = params(&model.skeleton, 1, 6, rho);
            let (cells, packed) = (
                layout.weight_cells(&model.weights),
                PackedWeights::new(&layout, &model.weights).columns,
            );
            let shape = Arc::new(RegistrationShape::new(&layout, 0, layout.weight_columns));
            let mut witness = RegistrationWitness::new(
                &shape,
                &cells,
                &packed,
                &mut ChaCha20Rng::from_seed([5; 32]),
            );
            change(&shape, &mut witness);
            let circuit = RegistrationCircuit {
                shape: Some(shape),
                witness: Some(Arc::new(witness)),
            };
            MockProver::run(params.k, &circuit, vec![])
                .unwrap()
                .verify()
                .map_err(|e| e.iter().map(|f| f.to_string()).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// The cells of a table of trees: honest ones pass, a changed cell and a digit too many do not.
    #[test]
    fn trees_are_registered() {
        let model = super::super::tests::forest::model(2, 1);
        let (params, layout) = params(&model.skeleton, 1, 6, 1);
        let cells = layout.weight_cells(&model.weights);
        let packed = PackedWeights::new(&layout, &model.weights).columns;
        let shape = Arc::new(RegistrationShape::new(&layout, 0, layout.weight_columns));
        let verify = |edit: &dyn Fn(&mut RegistrationWitness)| {
            let mut rng = ChaCha20Rng::from_seed([5; 32]);
            let mut witness = RegistrationWitness::new(&shape, &cells, &packed, &mut rng);
            edit(&mut witness);
            let circuit = RegistrationCircuit {
                shape: Some(shape.clone()),
                witness: Some(Arc::new(witness)),
            };
            let prover = MockProver::run(params.k, &circuit, vec![]).unwrap();
            prover.verify().map_err(|e| e[0].to_string())
        };
        assert_eq!(verify(&|_| ()), Ok(()));
        for column in 0..4 {
            for at in [0, 5, 12] {
                let failure = verify(&|w| w.columns[column][at].1 += Fr::ONE).unwrap_err();
                assert!(failure.contains("V = sum"), "{failure}");
                // A lane that no cell of the column has.
                let failure = verify(&|w| w.columns[column][at].1 += pow2(230)).unwrap_err();
                assert!(failure.contains("V = sum"), "{failure}");
            }
        }
    }

    /// Nodes beside the first ones: each range of columns by itself, alone and together with others.
    #[test]
    fn blocks_of_nodes_are_registered() {
        let model = super::super::tests::forest::deep(3);
        let (params, layout) = params(&model.skeleton, 1, 5, 1);
        assert!(layout.nodes.blocks >= 2);
        let cells = layout.weight_cells(&model.weights);
        let packed = PackedWeights::new(&layout, &model.weights).columns;
        let verify = |first: usize, count: usize, edit: &dyn Fn(&mut RegistrationWitness)| {
            let shape = Arc::new(RegistrationShape::new(&layout, first, count));
            let range = first..first + count;
            let mut rng = ChaCha20Rng::from_seed([5; 32]);
            let mut witness =
                RegistrationWitness::new(&shape, &cells[range.clone()], &packed[range], &mut rng);
            edit(&mut witness);
            let circuit = RegistrationCircuit {
                shape: Some(shape),
                witness: Some(Arc::new(witness)),
            };
            let prover = MockProver::run(params.k, &circuit, vec![]).unwrap();
            prover.verify().map_err(|e| e[0].to_string())
        };
        for (first, count) in [(0, 4), (4, 4), (8, 4), (0, layout.weight_columns), (3, 6)] {
            assert_eq!(verify(first, count, &|_| ()), Ok(()), "{first}, {count}");
            for column in 0..count {
                // A digit more than the cell has, and a cell where no node lies.
                let more = |w: &mut RegistrationWitness| w.columns[column][1].1 += Fr::ONE;
                let failure = verify(first, count, &more).unwrap_err();
                assert!(failure.contains("V = sum"), "{failure}");
                let beyond = layout.usable - 1;
                let beside =
                    |w: &mut RegistrationWitness| w.columns[column].push((beyond, Fr::ONE));
                let failure = verify(first, count, &beside).unwrap_err();
                assert!(failure.contains("V = sum"), "{failure}");
            }
        }
    }

    /// Taps of a convolution in groups: those of a channel that an output does not read are zero.
    #[test]
    fn convolutions_are_registered() {
        let model = super::super::tests::shared::network(vec![80]);
        let (params, layout) = params(&model.skeleton, 1, 6, 1);
        let cells = layout.weight_cells(&model.weights);
        let packed = PackedWeights::new(&layout, &model.weights).columns;
        let shape = Arc::new(RegistrationShape::new(&layout, 0, layout.weight_columns));
        let depthwise = &layout.program.layers[1];
        assert_eq!((depthwise.groups, depthwise.output_channels()), (3, 3));
        let rows: Vec<usize> = layout.channel_rows(depthwise).collect();
        // One more in the lane of output `output`, on the tap `tap` of channel `channel`.
        let verify = |change: Option<(usize, usize, usize)>| {
            let mut rng = ChaCha20Rng::from_seed([5; 32]);
            let mut witness = RegistrationWitness::new(&shape, &cells, &packed, &mut rng);
            if let Some((output, channel, tap)) = change {
                let (cell, lane) = (output / depthwise.lanes, output % depthwise.lanes);
                let more = pow2(u64::from(depthwise.lane_bits) * lane as u64);
                let column = &mut witness.columns[cell];
                let at = column.iter_mut().find(|c| c.0 == rows[channel] + tap);
                at.unwrap().1 += more;
            }
            let circuit = RegistrationCircuit {
                shape: Some(shape.clone()),
                witness: Some(Arc::new(witness)),
            };
            let prover = MockProver::run(params.k, &circuit, vec![]).unwrap();
            prover.verify().map_err(|e| e[0].to_string())
        };
        assert_eq!(verify(None), Ok(()));
        for (output, channel, tap) in [(0, 1, 0), (2, 0, 4), (1, 1, 8)] {
            let failure = verify(Some((output, channel, tap))).unwrap_err();
            assert!(failure.contains("V = sum"), "{failure}");
        }
    }

    #[test]
    fn packed_weights_in_range_are_accepted() {
        run(|_, _| ()).unwrap();
    }

    #[test]
    fn a_weight_out_of_its_digits_or_its_place_is_refused() {
        let bad = |change: &dyn Fn(&RegistrationShape, &mut RegistrationWitness), gate: &str| {
            let failures = run(change).expect_err("must be refused");
            assert!(
                failures.iter().any(|f| f.contains(gate)),
                "{gate}: {failures:?}"
            );
        };
        // The committed weight is one more than the digits say.
        bad(
            &|s, w| {
                w.columns[0]
                    .iter_mut()
                    .find(|c| c.0 == s.rows[0])
                    .unwrap()
                    .1 += Fr::ONE
            },
            "V = sum",
        );
        // A non-zero cell on a row without weights.
        bad(
            &|s, w| w.columns[0].push((s.usable - 2, Fr::ONE)),
            "V = sum",
        );
        // A digit changed.
        bad(&|s, w| w.limbs[0][s.rows[0]] ^= 1, "V = sum");
        // A count off.
        bad(&|_, w| w.multiplicity[3] += 1, "sum = 0 at the ends");
    }
}
