//! The halo2 circuit of a model: assigns what [`super::witness`] computed.

use std::sync::Arc;

use halo2_proofs::circuit::{Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{Advice, Circuit, Column, ConstraintSystem, Error};
use halo2curves::bn256::Fr;

use super::config::Config;
use super::fixed::FixedPlan;
use super::layout::Layout;
use super::witness::{Challenges, PackedWeights, PhaseOne, PhaseZero};

/// What `configure` depends on, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    pub(crate) plan: FixedPlan,
}

/// What a cheating prover changes.
#[derive(Default)]
pub(crate) struct Tamper {
    /// Limb cells that are no small integers: column, row, value.
    pub(crate) limbs: Vec<(usize, usize, Fr)>,
    /// A change to the columns of the second phase.
    pub(crate) second: Option<TamperSecond>,
}

/// A change to the columns of the second phase.
pub(crate) type TamperSecond = Box<dyn Fn(&mut PhaseOne, &Challenges) + Send + Sync>;

/// Private part of one proof.
pub(crate) struct Witness {
    pub(crate) weights: Arc<PackedWeights>,
    pub(crate) zero: PhaseZero,
    /// A test's changes, to play a cheating prover.
    pub(crate) tamper: Option<Tamper>,
}

/// Columns of an advice assignment, phase after phase.
pub trait Assignment {
    /// The columns of a phase in the order of their declaration, each over at most the usable rows, with the
    /// challenges of the phases before it.
    fn columns(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>>;
}

/// The circuit of one batch.
#[derive(Clone)]
pub(crate) struct ModelCircuit {
    pub(crate) shape: Option<Arc<Shape>>,
    pub(crate) witness: Option<Arc<Witness>>,
}

impl ModelCircuit {
    /// A circuit without private values.
    pub(crate) fn empty(shape: &Arc<Shape>) -> Self {
        ModelCircuit {
            shape: Some(shape.clone()),
            witness: None,
        }
    }
}

/// Columns before the limbs in phase 0.
const LIMBS: usize = 2;

impl Assignment for ModelCircuit {
    fn columns(&self, phase: u8, challenges: &[Fr]) -> Vec<Vec<Fr>> {
        let (Some(shape), Some(witness)) = (&self.shape, &self.witness) else {
            unreachable!("only a circuit with its witness is proven")
        };
        if phase == 0 {
            let mut columns = witness.zero.columns();
            for (column, row, value) in witness.tamper.iter().flat_map(|t| &t.limbs) {
                columns[LIMBS + column][*row] = *value;
            }
            return columns;
        }
        let &[beta, eps, gamma, alpha, theta] = challenges else {
            unreachable!("phase 0 draws five challenges")
        };
        let challenges = Challenges {
            beta,
            eps,
            gamma,
            alpha,
            theta,
        };
        let mut one = PhaseOne::new(
            &shape.layout,
            &shape.plan,
            &witness.weights,
            &witness.zero,
            challenges,
        );
        if let Some(tamper) = witness.tamper.as_ref().and_then(|t| t.second.as_ref()) {
            tamper(&mut one, &challenges);
        }
        one.into_columns()
    }
}

impl Circuit<Fr> for ModelCircuit {
    type Config = Config;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Option<Arc<Shape>>;

    fn without_witnesses(&self) -> Self {
        ModelCircuit {
            witness: None,
            ..self.clone()
        }
    }

    fn params(&self) -> Self::Params {
        self.shape.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> Config {
        unreachable!("the circuit is always configured with its parameters")
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, shape: Self::Params) -> Config {
        let shape = shape.expect("a model circuit carries its shape");
        Config::configure(cs, &shape.layout, &shape.plan)
    }

    fn synthesize(&self, c: Config, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        let shape = self
            .shape
            .as_ref()
            .expect("a model circuit carries its shape");
        layouter.assign_region(
            || "phase 0",
            |mut region| {
                for (column, content) in c.fixed.iter().zip(&shape.plan.columns) {
                    for (row, value) in content {
                        region.assign_fixed(*column, *row, *value);
                    }
                }
                if self.witness.is_some() {
                    let columns = self.columns(0, &[]);
                    for (column, values) in c.phase_zero().into_iter().zip(&columns) {
                        put(&mut region, column, values);
                    }
                }
                Ok(())
            },
        )?;
        layouter.next_phase();
        let drawn: Option<Vec<Fr>> = [c.beta, c.eps, c.gamma, c.alpha, c.theta]
            .into_iter()
            .map(|challenge| {
                let mut value = None;
                let _ = layouter.get_challenge(challenge).map(|v| value = Some(v));
                value
            })
            .collect();
        let (Some(challenges), true) = (drawn, self.witness.is_some()) else {
            return Ok(());
        };
        let columns = self.columns(1, &challenges);
        layouter.assign_region(
            || "phase 1",
            |mut region| {
                for (column, values) in c.phase_one().into_iter().zip(&columns) {
                    put(&mut region, column, values);
                }
                Ok(())
            },
        )
    }
}

/// Assigns the non-zero cells of a column; the rest is zero already.
pub(crate) fn put(region: &mut Region<'_, Fr>, column: Column<Advice>, values: &[Fr]) {
    for (row, value) in values.iter().enumerate() {
        if *value != Fr::zero() {
            region.assign_advice(column, row, Value::known(*value));
        }
    }
}
