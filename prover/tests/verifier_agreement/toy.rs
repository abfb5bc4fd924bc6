//! The toy circuit and its registration circuit.

use ff::Field;
use halo2_proofs::circuit::{Layouter, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{
    Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
    Instance, SecondPhase,
};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::Fr;

pub(crate) const K: u32 = 5;
pub(crate) const ROWS: usize = 1 << K;
/// Four openings of one column make 7 blinding rows.
pub(crate) const TAIL: usize = 7;
pub(crate) const USABLE: usize = ROWS - TAIL;
pub(crate) const SLOTS: usize = 3;
pub(crate) const INPUTS: usize = 4;
pub(crate) const OUTPUTS: usize = 2;
/// `y_k` of slot t sits on row `FIRST_OUTPUT + t`.
pub(crate) const FIRST_OUTPUT: usize = 3;

/// `y_{t,k} = sum_i w_{k,i} x_{t,i}`, y_{t,0} released.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toy {
    pub(crate) weights: [[i64; INPUTS]; OUTPUTS],
    pub(crate) inputs: [[i64; INPUTS]; SLOTS],
}

impl Toy {
    pub(crate) fn output(&self, slot: usize, output: usize) -> i64 {
        let pairs = self.weights[output].iter().zip(&self.inputs[slot]);
        pairs.map(|(w, x)| w * x).sum()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ToyConfig {
    x: [Column<Advice>; SLOTS],
    y: [Column<Advice>; OUTPUTS],
    v: Column<Advice>,
    z: Column<Advice>,
    sum: Column<Advice>,
    q_usable: Column<Fixed>,
    q_input: Column<Fixed>,
    q_output: Column<Fixed>,
    released: Column<Instance>,
    beta: Challenge,
    delta: Challenge,
}

pub(crate) fn int(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 {
        -magnitude
    } else {
        magnitude
    }
}

impl Circuit<Fr> for Toy {
    type Config = ToyConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> ToyConfig {
        let config = ToyConfig {
            x: [(); SLOTS].map(|()| meta.advice_column_in(FirstPhase)),
            y: [(); OUTPUTS].map(|()| meta.advice_column_in(FirstPhase)),
            beta: meta.challenge_usable_after(FirstPhase),
            delta: meta.challenge_usable_after(FirstPhase),
            v: meta.advice_column_in(SecondPhase),
            z: meta.advice_column_in(SecondPhase),
            sum: meta.advice_column_in(SecondPhase),
            q_usable: meta.fixed_column(),
            q_input: meta.fixed_column(),
            q_output: meta.fixed_column(),
            released: meta.instance_column(),
        };
        let c = config.clone();
        meta.create_gate("z = q_input sum_t delta^t x_t", |meta| {
            let delta = meta.query_challenge(c.delta);
            let q_input = meta.query_fixed(c.q_input, Rotation::cur());
            let mut folded = Expression::Constant(Fr::ZERO);
            for x in c.x.iter().rev() {
                folded = folded * delta.clone() + meta.query_advice(*x, Rotation::cur());
            }
            let z = meta.query_advice(c.z, Rotation::cur());
            let usable = meta.query_fixed(c.q_usable, Rotation::cur());
            vec![usable * (z - q_input * folded)]
        });
        meta.create_gate("sum_next = sum + v z on input rows", |meta| {
            let q = meta.query_fixed(c.q_input, Rotation::cur());
            let before = meta.query_fixed(c.q_input, Rotation::prev());
            let sum = meta.query_advice(c.sum, Rotation::cur());
            let next = meta.query_advice(c.sum, Rotation::next());
            let v = meta.query_advice(c.v, Rotation::cur());
            let z = meta.query_advice(c.z, Rotation::cur());
            let one = Expression::Constant(Fr::ONE);
            vec![
                q.clone() * (next - sum.clone() - v * z),
                q * (one - before) * sum,
            ]
        });
        meta.create_gate(
            "sum = sum_t delta^t sum_k beta^k y_k, y_0 released",
            |meta| {
                let q = meta.query_fixed(c.q_output, Rotation::cur());
                let (beta, delta) = (meta.query_challenge(c.beta), meta.query_challenge(c.delta));
                let mut folded = Expression::Constant(Fr::ZERO);
                for rotation in [1, 0, -1] {
                    let mut outputs = Expression::Constant(Fr::ZERO);
                    for y in c.y.iter().rev() {
                        let y = meta.query_advice(*y, Rotation(rotation));
                        outputs = outputs * beta.clone() + y;
                    }
                    folded = folded * delta.clone() + outputs;
                }
                let after = meta.query_advice(c.y[0], Rotation(2)) * Fr::from(5);
                let sum = meta.query_advice(c.sum, Rotation::cur());
                let mut gates = vec![q.clone() * (sum - folded) + q.clone() * after];
                for rotation in [-1, 0, 1] {
                    let released = meta.query_instance(c.released, Rotation(rotation));
                    let y = meta.query_advice(c.y[0], Rotation(rotation));
                    gates.push(q.clone() * -(released - y));
                }
                gates
            },
        );
        config
    }

    fn synthesize(&self, c: ToyConfig, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "both phases",
            |mut region| {
                for row in 0..USABLE {
                    region.assign_fixed(c.q_usable, row, Fr::ONE);
                    region.assign_fixed(c.q_input, row, Fr::from(u64::from(row < INPUTS)));
                    let output = u64::from(row == FIRST_OUTPUT + 1);
                    region.assign_fixed(c.q_output, row, Fr::from(output));
                }
                for slot in 0..SLOTS {
                    for (row, x) in self.inputs[slot].iter().enumerate() {
                        region.assign_advice(c.x[slot], row, Value::known(int(*x)));
                    }
                    for (k, column) in c.y.iter().enumerate() {
                        let y = Value::known(int(self.output(slot, k)));
                        region.assign_advice(*column, FIRST_OUTPUT + slot, y);
                    }
                }
                region.next_phase();
                let beta = region.get_challenge(c.beta);
                let delta = region.get_challenge(c.delta);
                let mut sum = Value::known(Fr::ZERO);
                for row in 0..INPUTS {
                    let v = beta
                        .map(|beta| int(self.weights[0][row]) + beta * int(self.weights[1][row]));
                    let z = delta.map(|delta| {
                        let slots = self.inputs.iter().rev();
                        slots.fold(Fr::ZERO, |z, inputs| z * delta + int(inputs[row]))
                    });
                    region.assign_advice(c.v, row, v);
                    region.assign_advice(c.z, row, z);
                    region.assign_advice(c.sum, row, sum);
                    sum = sum + v * z;
                }
                region.assign_advice(c.sum, INPUTS, sum);
                Ok(())
            },
        )
    }
}

/// The weights again, in columns of their own, so that gates can speak of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    pub(crate) weights: [[i64; INPUTS]; OUTPUTS],
}

#[derive(Clone, Debug)]
pub(crate) struct RegisterConfig {
    w: [Column<Advice>; OUTPUTS],
    v: Column<Advice>,
    q_usable: Column<Fixed>,
    beta: Challenge,
}

impl Circuit<Fr> for Register {
    type Config = RegisterConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ();

    fn without_witnesses(&self) -> Self {
        Self::default()
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> RegisterConfig {
        let config = RegisterConfig {
            w: [(); OUTPUTS].map(|()| meta.advice_column_in(FirstPhase)),
            beta: meta.challenge_usable_after(FirstPhase),
            v: meta.advice_column_in(SecondPhase),
            q_usable: meta.fixed_column(),
        };
        let c = config.clone();
        meta.create_gate("v = sum_k beta^k w_k", |meta| {
            let beta = meta.query_challenge(c.beta);
            let mut folded = Expression::Constant(Fr::ZERO);
            for w in c.w.iter().rev() {
                folded = folded * beta.clone() + meta.query_advice(*w, Rotation::cur());
            }
            let v = meta.query_advice(c.v, Rotation::cur());
            // As many openings of one column as the decision circuit has: the same blinding rows.
            for rotation in [-1, 1, 2] {
                let other = meta.query_advice(c.w[0], Rotation(rotation));
                folded = folded + other * Fr::ZERO;
            }
            vec![meta.query_fixed(c.q_usable, Rotation::cur()) * (v - folded)]
        });
        config
    }

    fn synthesize(&self, c: RegisterConfig, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "both phases",
            |mut region| {
                for row in 0..USABLE {
                    region.assign_fixed(c.q_usable, row, Fr::ONE);
                }
                for (column, weights) in c.w.iter().zip(&self.weights) {
                    for (row, weight) in weights.iter().enumerate() {
                        region.assign_advice(*column, row, Value::known(int(*weight)));
                    }
                }
                region.next_phase();
                let beta = region.get_challenge(c.beta);
                for row in 0..INPUTS {
                    let v = beta.map(|beta| {
                        let columns = self.weights.iter().rev();
                        columns.fold(Fr::ZERO, |v, column| v * beta + int(column[row]))
                    });
                    region.assign_advice(c.v, row, v);
                }
                Ok(())
            },
        )
    }
}
