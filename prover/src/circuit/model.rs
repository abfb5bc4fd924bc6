//! The halo2 circuit of a model: assigns what [`super::witness`] computed.

use std::sync::{Arc, Mutex};

use halo2_proofs::circuit::{Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::plonk::{Advice, Circuit, Column, ConstraintSystem, Error};
use halo2curves::bn256::Fr;

use super::config::{Config, FixedPlan};
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

type TamperSecond = Box<dyn Fn(&mut PhaseOne, &Challenges) + Send + Sync>;

/// Private part of one proof.
pub(crate) struct Witness {
    pub(crate) weights: Arc<PackedWeights>,
    pub(crate) zero: PhaseZero,
    /// A test's changes, to play a cheating prover.
    pub(crate) tamper: Option<Tamper>,
}

/// The circuit of one batch.
#[derive(Clone)]
pub(crate) struct ModelCircuit {
    pub(crate) shape: Option<Arc<Shape>>,
    pub(crate) witness: Option<Arc<Witness>>,
    /// Challenges seen last, for the link.
    pub(crate) seen: Arc<Mutex<Option<Challenges>>>,
}

impl ModelCircuit {
    /// A circuit without private values.
    pub(crate) fn empty(shape: &Arc<Shape>) -> Self {
        ModelCircuit {
            shape: Some(shape.clone()),
            witness: None,
            seen: Arc::default(),
        }
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
                let Some(witness) = &self.witness else {
                    return Ok(());
                };
                let p = &witness.zero;
                let small =
                    |values: &[u64]| values.iter().map(|v| Fr::from(*v)).collect::<Vec<_>>();
                put(&mut region, c.a, &p.a);
                put(&mut region, c.y, &p.y);
                for (column, limbs) in c.limbs.iter().zip(&p.limbs) {
                    put(
                        &mut region,
                        *column,
                        &limbs
                            .iter()
                            .map(|v| Fr::from(u64::from(*v)))
                            .collect::<Vec<_>>(),
                    );
                }
                for (column, row, value) in witness.tamper.iter().flat_map(|t| &t.limbs) {
                    region.assign_advice(c.limbs[*column], *row, Value::known(*value));
                }
                put(&mut region, c.multiplicity, &small(&p.multiplicity));
                if let Some(mask) = c.mask {
                    put(&mut region, mask, &p.mask);
                }
                if let Some(reads) = &c.reads {
                    put(&mut region, reads.left, &p.left);
                    put(&mut region, reads.right, &p.right);
                    put(&mut region, reads.yl, &p.yl);
                }
                if let Some(f) = &c.functions {
                    put(&mut region, f.c0, &p.c0);
                    put(&mut region, f.c1, &p.c1);
                    put(
                        &mut region,
                        f.multiplicity,
                        &small(&p.function_multiplicity),
                    );
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
        let (Some(beta), Some(eps), Some(gamma), Some(alpha), Some(theta)) = (
            draw(c.beta),
            draw(c.eps),
            draw(c.gamma),
            draw(c.alpha),
            draw(c.theta),
        ) else {
            return Ok(());
        };
        let Some(witness) = &self.witness else {
            return Ok(());
        };
        let challenges = Challenges {
            beta,
            eps,
            gamma,
            alpha,
            theta,
        };
        *self.seen.lock().expect("no holder of this lock panics") = Some(challenges);
        let mut p = PhaseOne::new(
            &shape.layout,
            &shape.plan,
            &witness.weights,
            &witness.zero,
            challenges,
        );
        if let Some(tamper) = witness.tamper.as_ref().and_then(|t| t.second.as_ref()) {
            tamper(&mut p, &challenges);
        }
        layouter.assign_region(
            || "phase 1",
            |mut region| {
                for (column, values) in [
                    (c.v, &p.v),
                    (c.z, &p.z),
                    (c.acc, &p.acc),
                    (c.pw, &p.pw),
                    (c.sum, &p.sum),
                ] {
                    put(&mut region, column, values);
                }
                for (column, h) in c.h.iter().zip(&p.h) {
                    put(&mut region, *column, h);
                }
                if let Some((sa, sy)) = c.folded {
                    put(&mut region, sa, &p.sa);
                    put(&mut region, sy, &p.sy);
                }
                if let Some(reads) = &c.reads {
                    put(&mut region, reads.h_left, &p.h_left);
                    put(&mut region, reads.h_right, &p.h_right);
                    put(&mut region, reads.h_provider, &p.h_provider);
                }
                if let Some(f) = &c.functions {
                    put(&mut region, f.h_table, &p.h_table);
                }
                Ok(())
            },
        )
    }
}

/// Assigns the non-zero cells of a column; the rest is zero already.
fn put(region: &mut Region<'_, Fr>, column: Column<Advice>, values: &[Fr]) {
    for (row, value) in values.iter().enumerate() {
        if *value != Fr::zero() {
            region.assign_advice(column, row, Value::known(*value));
        }
    }
}
