//! Columns and gates.
//!
//! Claims, for the layout's rows (cur = the row, prev = the row before; everything below is
//! multiplied by a selector that is zero on row 0 and on the blinding rows):
//!
//! | gate | equation |
//! |---|---|
//! | accumulator | `acc = acc_prev (1 + boundary (eps - 1)) + eps K A - pw Y`, zero at both ends |
//! | output powers | `pw = (f1 + f2 beta) pw_prev + f3` |
//! | forms | per class, see [`super::program::Form`] |
//! | range | `h (alpha + limb) = on`, limb = 0 where off |
//! | logUp sum | `(sum - sum_prev - Σh ...)(alpha + table) + m = 0`, zero at both ends |
//! | inputs | `z = A` on the inputs' first main rows, 0 on every other usable row |
//! | release | `a = instance` on released main rows |
//! | mask (KZG) | `mask mask_prev = 0`: makes the quotient pieces uniform (SOUNDNESS 9) |
//!
//! A and Y are `a` and `y`, folded over the batch by powers of gamma where there is one (`sum_b gamma^b a_b`, from the last
//! instance up to the first), and over the positions of layers whose weights serve several: there K is V folded over
//! the taps in the same way, and V elsewhere. V is the
//! beta-combination of the weight columns, which the link ties to the model commitments; it is non-zero
//! on weight rows only, as the registration proof shows. Degree 3, no permutation, no built-in lookup.
//!
//! Source: logUp is Haböck, eprint 2022/1530; the random linear combination of a matrix product is Freivalds'.

use ff::Field;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance,
    SecondPhase,
};
use halo2curves::bn256::Fr;

use super::fixed::{int, pow2, FixedPlan, Role};
use super::layout::{Class, Layout, Target};
use super::params::Scheme;
use super::program::{Form, SlotId};

/// The columns of the copy lookup and of local operations.
#[derive(Clone, Debug)]
pub(crate) struct ReadColumns {
    /// Operands (the second holds the segment on function rows).
    pub(crate) left: Column<Advice>,
    pub(crate) right: Column<Advice>,
    /// Local accumulator.
    pub(crate) yl: Column<Advice>,
    /// Helpers: first operand, second operand, provider.
    pub(crate) h_left: Column<Advice>,
    pub(crate) h_right: Column<Advice>,
    pub(crate) h_provider: Column<Advice>,
}

/// The columns of tabled functions.
#[derive(Clone, Debug)]
pub(crate) struct FunctionColumns {
    pub(crate) c0: Column<Advice>,
    pub(crate) c1: Column<Advice>,
    pub(crate) multiplicity: Column<Advice>,
    pub(crate) h_table: Column<Advice>,
}

/// The columns of the trees.
#[derive(Clone, Debug)]
pub(crate) struct ForestColumns {
    /// What a step's node holds beside feature and threshold.
    pub(crate) yes: Column<Advice>,
    pub(crate) no: Column<Advice>,
    /// Sum of the leaves so far.
    pub(crate) score: Column<Advice>,
    /// Further blocks of nodes.
    pub(crate) blocks: Vec<BlockColumns>,
}

/// A block of nodes beside the first ones.
#[derive(Clone, Debug)]
pub(crate) struct BlockColumns {
    /// How often each node is read.
    pub(crate) visits: Column<Advice>,
    /// The node's cells, combined.
    pub(crate) v: Column<Advice>,
    /// Helper.
    pub(crate) h: Column<Advice>,
}

/// All columns and challenges.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) a: Column<Advice>,
    pub(crate) y: Column<Advice>,
    pub(crate) limbs: Vec<Column<Advice>>,
    pub(crate) multiplicity: Column<Advice>,
    pub(crate) mask: Option<Column<Advice>>,
    pub(crate) v: Column<Advice>,
    pub(crate) z: Column<Advice>,
    pub(crate) acc: Column<Advice>,
    pub(crate) pw: Column<Advice>,
    pub(crate) sum: Column<Advice>,
    pub(crate) h: Vec<Column<Advice>>,
    /// Folded a and y (batches and shared layers only).
    pub(crate) folded: Option<(Column<Advice>, Column<Advice>)>,
    /// V folded over taps (shared layers only).
    pub(crate) taps: Option<Column<Advice>>,
    /// Inputs folded over the batch alone (batches with shared layers only).
    pub(crate) inputs: Option<Column<Advice>>,
    pub(crate) reads: Option<ReadColumns>,
    pub(crate) functions: Option<FunctionColumns>,
    pub(crate) forest: Option<ForestColumns>,
    /// How often each node, feature and member of a window is read.
    pub(crate) visits: Option<Column<Advice>>,
    pub(crate) fixed: Vec<Column<Fixed>>,
    pub(crate) instance: Column<Instance>,
    pub(crate) beta: Challenge,
    pub(crate) eps: Challenge,
    pub(crate) gamma: Challenge,
    pub(crate) alpha: Challenge,
    pub(crate) theta: Challenge,
}

type Expr = Expression<Fr>;

fn constant(x: Fr) -> Expr {
    Expression::Constant(x)
}

/// `base^e` by squaring.
fn power(base: &Expr, e: u64) -> Expr {
    match e {
        0 => constant(Fr::ONE),
        1 => base.clone(),
        _ => {
            let half = power(base, e / 2);
            let square = half.clone() * half;
            if e % 2 == 1 {
                square * base.clone()
            } else {
                square
            }
        }
    }
}

impl Config {
    /// Declares the columns and gates of a layout.
    pub(crate) fn configure(
        cs: &mut ConstraintSystem<Fr>,
        layout: &Layout,
        plan: &FixedPlan,
    ) -> Config {
        // 1. Phase 0: everything that the challenges must not influence.
        let (a, y) = (cs.advice_column(), cs.advice_column());
        let limbs: Vec<_> = (0..layout.limb_columns)
            .map(|_| cs.advice_column())
            .collect();
        let multiplicity = cs.advice_column();
        let mask = (layout.params.scheme == Scheme::Kzg).then(|| cs.advice_column());
        let has_reads = layout.program.has_reads();
        let has_functions = !layout.program.functions().is_empty();
        let read0 = has_reads.then(|| (cs.advice_column(), cs.advice_column(), cs.advice_column()));
        let function0 =
            has_functions.then(|| (cs.advice_column(), cs.advice_column(), cs.advice_column()));
        let forest0 = layout
            .program
            .forest
            .is_some()
            .then(|| (cs.advice_column(), cs.advice_column(), cs.advice_column()));
        let visits = layout.program.has_visits().then(|| cs.advice_column());
        let block_visits: Vec<_> = (0..layout.nodes.blocks)
            .map(|_| cs.advice_column())
            .collect();
        let challenge = |cs: &mut ConstraintSystem<Fr>| cs.challenge_usable_after(FirstPhase);
        let (beta, eps, gamma, alpha, theta) = (
            challenge(cs),
            challenge(cs),
            challenge(cs),
            challenge(cs),
            challenge(cs),
        );
        // 2. Phase 1. V and z come first.
        let mut second = || cs.advice_column_in(SecondPhase);
        let (v, z) = (second(), second());
        let (acc, pw, sum) = (second(), second(), second());
        let h: Vec<_> = (0..layout.limb_columns).map(|_| second()).collect();
        let shared = layout.program.is_shared();
        let folded = (layout.batch() > 1 || shared).then(|| (second(), second()));
        let taps = shared.then(&mut second);
        let inputs = (layout.batch() > 1 && shared).then(&mut second);
        let reads = read0.map(|(left, right, yl)| ReadColumns {
            left,
            right,
            yl,
            h_left: second(),
            h_right: second(),
            h_provider: second(),
        });
        let functions = function0.map(|(c0, c1, multiplicity)| FunctionColumns {
            c0,
            c1,
            multiplicity,
            h_table: second(),
        });
        // The combinations of the blocks come last, then their helpers.
        let block_v: Vec<_> = block_visits.iter().map(|_| second()).collect();
        let blocks = block_visits.into_iter().zip(block_v);
        let blocks = blocks
            .map(|(visits, v)| BlockColumns {
                visits,
                v,
                h: second(),
            })
            .collect();
        let forest = forest0.map(|(yes, no, score)| ForestColumns {
            yes,
            no,
            score,
            blocks,
        });
        let fixed: Vec<_> = plan.columns.iter().map(|_| cs.fixed_column()).collect();
        let instance = cs.instance_column();
        let config = Config {
            a,
            y,
            limbs,
            multiplicity,
            mask,
            v,
            z,
            acc,
            pw,
            sum,
            h,
            folded,
            taps,
            inputs,
            reads,
            functions,
            forest,
            visits,
            fixed,
            instance,
            beta,
            eps,
            gamma,
            alpha,
            theta,
        };
        config.gates(cs, layout, plan);
        config
    }

    /// The columns of phase 0 in the order of their declaration.
    pub(crate) fn phase_zero(&self) -> Vec<Column<Advice>> {
        let mut columns = vec![self.a, self.y];
        columns.extend(&self.limbs);
        columns.push(self.multiplicity);
        columns.extend(self.mask);
        if let Some(r) = &self.reads {
            columns.extend([r.left, r.right, r.yl]);
        }
        if let Some(f) = &self.functions {
            columns.extend([f.c0, f.c1, f.multiplicity]);
        }
        if let Some(f) = &self.forest {
            columns.extend([f.yes, f.no, f.score]);
        }
        columns.extend(self.visits);
        columns.extend(self.blocks().iter().map(|b| b.visits));
        columns
    }

    /// The columns of phase 1 in the order of their declaration.
    pub(crate) fn phase_one(&self) -> Vec<Column<Advice>> {
        let mut columns = vec![self.v, self.z, self.acc, self.pw, self.sum];
        columns.extend(&self.h);
        if let Some((sa, sy)) = self.folded {
            columns.extend([sa, sy]);
        }
        columns.extend(self.taps);
        columns.extend(self.inputs);
        if let Some(r) = &self.reads {
            columns.extend([r.h_left, r.h_right, r.h_provider]);
        }
        if let Some(f) = &self.functions {
            columns.push(f.h_table);
        }
        columns.extend(self.blocks().iter().map(|b| b.v));
        columns.extend(self.blocks().iter().map(|b| b.h));
        columns
    }

    fn blocks(&self) -> &[BlockColumns] {
        self.forest.as_ref().map_or(&[], |f| &f.blocks)
    }

    fn gates(&self, cs: &mut ConstraintSystem<Fr>, layout: &Layout, plan: &FixedPlan) {
        let role = |r: Role| -> Option<Expr> { plan.roles.get(&r).map(|i| self.fixed[*i].cur()) };
        let zero = || constant(Fr::ZERO);
        let on = role(Role::Use).expect("every layout has usable rows");
        let ends = role(Role::Ends).expect("every layout has ends");
        let rho = layout.rho() as i32;
        let batch = layout.batch() as u64;
        let (a, y) = (|| self.a.cur::<Fr>(), || self.y.cur::<Fr>());
        let (beta, eps, gamma, alpha, theta) = (
            self.beta.expr(),
            self.eps.expr(),
            self.gamma.expr(),
            self.alpha.expr(),
            self.theta.expr(),
        );
        let one = || constant(Fr::ONE);

        // 1. Limbs, seen from the main row.
        let limb = |cell: usize| -> Expr {
            let rotation = (cell / layout.limb_columns) as i32 - (layout.rotations as i32 - 1);
            self.limbs[cell % layout.limb_columns].rot::<Fr>(rotation)
        };
        let b = layout.params.limb_bits as u64;
        let recompose = |first: usize, cells: usize| -> Expr {
            (0..cells).fold(zero(), |sum, i| sum + limb(first + i) * pow2(b * i as u64))
        };
        let e = recompose(0, layout.e_cells);
        let r = recompose(layout.e_cells, layout.r_cells);

        // 2. Forms.
        for class in &layout.classes {
            let q = role(Role::Class(*class)).expect("a class in use has rows");
            let acc = match (class.target, &self.reads) {
                (Target::Free | Target::Score, _) => None,
                (Target::Linear, _) => Some(y()),
                (_, reads) => Some(
                    reads
                        .as_ref()
                        .expect("local slots have columns")
                        .yl
                        .cur::<Fr>(),
                ),
            };
            let half = |shift: u32| {
                if shift > 0 {
                    pow2(u64::from(shift) - 1)
                } else {
                    Fr::ZERO
                }
            };
            let mut gates: Vec<(&'static str, Expr)> = vec![];
            match class.form {
                Form::Plain => gates.push((
                    "a = y",
                    a() - acc.clone().expect("a plain slot has an accumulator"),
                )),
                Form::Signed { shift, bits } => {
                    if let Some(acc) = &acc {
                        gates.push((
                            "y + half = 2^s a + R",
                            acc.clone() + constant(half(shift))
                                - a() * pow2(shift.into())
                                - r.clone(),
                        ));
                    }
                    gates.push((
                        "a + 2^(bits-1) = E",
                        a() + constant(pow2(u64::from(bits) - 1)) - e.clone(),
                    ));
                }
                Form::Unsigned { .. } => {
                    if let Some(acc) = &acc {
                        gates.push(("a = y", a() - acc.clone()));
                    }
                    gates.push(("a = E", a() - e.clone()));
                }
                Form::Relu { shift, .. } => {
                    let q2 = a() * Fr::from(2) - e.clone();
                    let acc = acc.clone().expect("a relu has an accumulator");
                    gates.push((
                        "y + half = 2^s (2a - E) + R",
                        acc + constant(half(shift)) - q2 * pow2(shift.into()) - r.clone(),
                    ));
                    gates.push(("a (E - a) = 0", a() * (e.clone() - a())));
                }
                Form::Below { shift, .. } => {
                    let reads = self.reads.as_ref().expect("members of windows read");
                    let acc = acc
                        .clone()
                        .expect("a member of a window has an accumulator");
                    gates.push((
                        "y + half = 2^s a + R",
                        acc + constant(half(shift)) - a() * pow2(shift.into()) - r.clone(),
                    ));
                    gates.push((
                        "greatest = a + E",
                        reads.right.cur::<Fr>() - a() - e.clone(),
                    ));
                }
                Form::Sign { offset, .. } => {
                    let wide = r.clone() + e.clone() * pow2(b * layout.r_cells as u64);
                    let shifted =
                        acc.clone().expect("a sign has an accumulator") + constant(int(offset));
                    gates.push((
                        "(2a - 1)(y + offset) + a - 1 = E",
                        (a() * Fr::from(2) - one()) * shifted + a() - one() - wide,
                    ));
                    gates.push(("a (a - 1) = 0", a() * (a() - one())));
                }
            }
            // A partial limb stands again in the shadow cell, shifted to the table's top.
            if let Some(partial) = self.partial_limb(layout, *class) {
                let up = pow2(b - u64::from(partial.bits));
                gates.push((
                    "shadow = 2^(b - r) limb",
                    limb(layout.shadow_cell()) - limb(partial.cell) * up,
                ));
            }
            cs.create_gate("form", |_| {
                gates
                    .into_iter()
                    .map(|(name, gate)| (name, q.clone() * gate))
                    .collect::<Vec<_>>()
            });
        }

        // 3. y vanishes where no linear layer makes it.
        let linear = layout
            .classes
            .iter()
            .filter(|c| c.target == Target::Linear)
            .fold(zero(), |sum, c| {
                sum + role(Role::Class(*c)).expect("a class in use has rows")
            });
        let off = match role(Role::Rest) {
            None => on.clone() - linear,
            Some(rest) => on.clone() - linear - rest,
        };
        cs.create_gate("y = 0 off the layers", |_| vec![("y = 0", off * y())]);

        // 4. Folding over the batch and over positions.
        let all = |of: &dyn Fn(Role) -> Option<u64>| -> Vec<(u64, Expr)> {
            plan.roles
                .iter()
                .filter_map(|(r, i)| of(*r).map(|d| (d, self.fixed[*i].cur())))
                .collect()
        };
        // `sum gamma^d next`, each term where its role says so.
        let ahead = |of: &dyn Fn(Role) -> Option<u64>, column: &Column<Advice>| -> Expr {
            let terms = all(of)
                .into_iter()
                .map(|(d, q)| q * power(&gamma, d) * column.rot::<Fr>(rho));
            terms.reduce(|sum, term| sum + term).unwrap_or_else(zero)
        };
        let biases = all(&|r| match r {
            Role::Bias(spread) => Some(spread),
            _ => None,
        });
        let (big_a, big_y) = match &self.folded {
            None => (a(), y()),
            Some((sa, sy)) => {
                let bias_on = role(Role::BiasOn).unwrap_or_else(zero);
                let end = role(Role::OutputEnd).unwrap_or_else(zero);
                let (sa_, sy_) = (sa.cur::<Fr>(), sy.cur::<Fr>());
                let again = |column: &Column<Advice>| {
                    role(Role::Continue).unwrap_or_else(zero)
                        * gamma.clone()
                        * column.rot::<Fr>(rho)
                };
                let (next_a, next_y) = if self.taps.is_some() {
                    let operand = |r| match r {
                        Role::NextOperand(d) => Some(d),
                        _ => None,
                    };
                    let result = |r| match r {
                        Role::NextResult(d) => Some(d),
                        _ => None,
                    };
                    (ahead(&operand, sa), ahead(&result, sy))
                } else {
                    (again(sa), again(sy))
                };
                let bias = biases
                    .iter()
                    .map(|(spread, bias)| bias.clone() * (power(&gamma, *spread) - one()))
                    .reduce(|sum, term| sum + term)
                    .unwrap_or_else(zero);
                cs.create_gate("fold", |_| {
                    vec![
                        (
                            "sa = a + gamma^d sa_next",
                            (on.clone() - bias_on.clone()) * (sa_.clone() - a()) - next_a,
                        ),
                        (
                            "sy = y + gamma^d sy_next",
                            on.clone() * (sy_.clone() - y()) - next_y,
                        ),
                        (
                            "(gamma - 1) sa = 2^(w t) (gamma^N - 1)",
                            bias_on * (gamma.clone() - one()) * sa_.clone() - bias,
                        ),
                    ]
                });
                (sa_, end * sy_)
            }
        };
        if self.folded.is_none() {
            for (_, bias) in &biases {
                cs.create_gate("bias row", |_| {
                    vec![("a = 2^(w t)", bias.clone() * (a() - bias.clone()))]
                });
            }
        }
        // 5. The accumulator of all linear layers.
        let (acc, acc_prev) = (self.acc.cur::<Fr>(), self.acc.prev::<Fr>());
        let added = match &self.taps {
            None => {
                let product = eps.clone() * self.v.cur::<Fr>() * big_a.clone();
                on.clone() * (acc.clone() - acc_prev.clone() - product)
            }
            Some(taps) => {
                let next = ahead(
                    &|r| match r {
                        Role::NextTap(d) => Some(d),
                        _ => None,
                    },
                    taps,
                );
                cs.create_gate("taps", |_| {
                    vec![(
                        "K = V + gamma^d K_next",
                        on.clone() * (taps.cur::<Fr>() - self.v.cur::<Fr>()) - next,
                    )]
                });
                let head = role(Role::Head).unwrap_or_else(zero);
                on.clone() * (acc.clone() - acc_prev.clone())
                    - eps.clone() * head * taps.cur::<Fr>() * big_a.clone()
            }
        };
        let pw = self.pw.cur::<Fr>();
        let boundary = role(Role::Boundary).unwrap_or_else(zero);
        // `big_y` already carries a selector where there are folds; `on` elsewhere keeps the blinding rows out.
        let out = if self.folded.is_some() {
            pw.clone() * big_y
        } else {
            on.clone() * pw.clone() * big_y
        };
        cs.create_gate("linear layers", |_| {
            vec![
                (
                    "acc = acc_prev (1 + boundary (eps - 1)) + eps K A - pw Y",
                    added + out - boundary * (eps.clone() - one()) * acc_prev,
                ),
                ("acc = 0 at the ends", ends.clone() * acc),
            ]
        });
        let step = role(Role::PowerStep).unwrap_or_else(zero)
            + role(Role::PowerBeta).unwrap_or_else(zero) * beta;
        let starts = all(&|r| match r {
            Role::PowerStart(d) => Some(d),
            _ => None,
        });
        let start = starts
            .into_iter()
            .map(|(d, q)| match d {
                0 => q,
                d => q * power(&gamma, d),
            })
            .reduce(|sum, term| sum + term)
            .unwrap_or_else(zero);
        cs.create_gate("output powers", |_| {
            vec![(
                "pw = (f1 + f2 beta) pw_prev + f3",
                on.clone() * pw - step * self.pw.prev::<Fr>() - start,
            )]
        });

        // 6. Inputs and release.
        let input_end = role(Role::InputEnd).unwrap_or_else(zero);
        let input = match (&self.inputs, &self.taps) {
            (Some(inputs), _) => {
                let again = role(Role::Continue).unwrap_or_else(zero) * gamma.clone();
                cs.create_gate("fold of the inputs", |_| {
                    vec![(
                        "si = a + gamma si_next",
                        on.clone() * (inputs.cur::<Fr>() - a()) - again * inputs.rot::<Fr>(rho),
                    )]
                });
                inputs.cur::<Fr>()
            }
            (None, Some(_)) => a(),
            (None, None) => big_a,
        };
        let (z, top) = (self.z.cur::<Fr>(), ends.clone() * (one() - on.clone()));
        cs.create_gate("inputs", |_| {
            vec![
                (
                    "z = A on input rows, else 0",
                    on.clone() * z.clone() - input_end * input,
                ),
                // Row 0 lies outside the other gates.
                ("z = 0 on row 0", top.clone() * z),
                ("V = 0 on row 0", top.clone() * self.v.cur::<Fr>()),
            ]
        });
        if let Some(released) = role(Role::Released) {
            cs.create_gate("release", |_| {
                vec![("a = instance", released * (a() - self.instance.cur::<Fr>()))]
            });
        }

        // 7. Ranges by logUp.
        let mut helpers = zero();
        for (column, (l, h)) in self.limbs.iter().zip(&self.h).enumerate() {
            let looked = if layout.rotations > 1 {
                role(Role::Limb(layout.limb_selector[column])).unwrap_or_else(zero)
            } else {
                let uses = |c: &&Class| {
                    layout
                        .looked_up(self.slot_of(layout, **c))
                        .contains(&column)
                };
                layout.classes.iter().filter(uses).fold(zero(), |sum, c| {
                    sum + role(Role::Class(*c)).expect("a class in use has rows")
                })
            };
            let (l, h) = (l.cur::<Fr>(), h.cur::<Fr>());
            cs.create_gate("range", |_| {
                vec![
                    (
                        "h (alpha + limb) = on",
                        on.clone() * h.clone() * (alpha.clone() + l.clone()) - looked.clone(),
                    ),
                    ("limb = 0 where off", (on.clone() - looked) * l),
                ]
            });
            helpers = helpers + h;
        }

        // 8. Reads, providers and functions join the same sum.
        if let Some(reads) = &self.reads {
            let (left, right, yl) = (
                reads.left.cur::<Fr>(),
                reads.right.cur::<Fr>(),
                reads.yl.cur::<Fr>(),
            );
            let reading = role(Role::Reads).expect("local slots read");
            let local_or_zero = |r: Role| role(r).unwrap_or_else(zero);
            let theta2 = theta.clone() * theta.clone();
            let theta3 = theta2.clone() * theta.clone();
            let theta4 = theta2.clone() * theta2.clone();
            let theta5 = theta4.clone() * theta.clone();
            let (mut right_tuple, mut is_function) = (
                alpha.clone() + right.clone() + theta.clone() * local_or_zero(Role::RightAddress),
                zero(),
            );
            if let Some(f) = &self.functions {
                let (c0, c1) = (f.c0.cur::<Fr>(), f.c1.cur::<Fr>());
                right_tuple = right_tuple
                    + theta2.clone() * local_or_zero(Role::FunctionTag)
                    + theta3.clone() * c0.clone()
                    + theta4.clone() * c1.clone();
                for class in layout.classes.iter() {
                    let Target::Function(number) = class.target else {
                        continue;
                    };
                    let table = &layout.functions[number];
                    let q = role(Role::Class(*class)).expect("a class in use has rows");
                    is_function = is_function + q.clone();
                    let lo = constant(int(table.lo as i128));
                    let width = pow2(table.segment_bits.into());
                    cs.create_gate("function", |_| {
                        vec![
                            (
                                "x - lo = 2^t segment + R",
                                q.clone() * (left.clone() - lo - right.clone() * width - r.clone()),
                            ),
                            (
                                "y = c0 + c1 R",
                                q * (yl.clone() - c0.clone() - c1.clone() * r.clone()),
                            ),
                        ]
                    });
                }
                let off = on.clone() - is_function.clone();
                cs.create_gate("function coefficients", |_| {
                    vec![
                        ("c0 = 0 off functions", off.clone() * c0),
                        ("c1 = 0 off functions", off * c1),
                    ]
                });
                let table_tuple = alpha.clone()
                    + local_or_zero(Role::TableSegment)
                    + theta2 * local_or_zero(Role::TableTag)
                    + theta3 * local_or_zero(Role::TableC0)
                    + theta4 * local_or_zero(Role::TableC1);
                let h = f.h_table.cur::<Fr>();
                cs.create_gate("function table", |_| {
                    vec![(
                        "h (alpha + tuple) = m",
                        on.clone() * (h.clone() * table_tuple - f.multiplicity.cur::<Fr>()),
                    )]
                });
                helpers = helpers - h;
            }

            let step = role(Role::Step).unwrap_or_else(zero);
            let local = reading.clone() - is_function - step.clone();
            let right_number = right.clone();
            let product = local_or_zero(Role::Product) * left.clone() * right.clone();
            let affine = local_or_zero(Role::LeftFactor) * left.clone()
                + local_or_zero(Role::RightFactor) * right
                + local_or_zero(Role::Constant);
            let (hl, hr, hp) = (
                reads.h_left.cur::<Fr>(),
                reads.h_right.cur::<Fr>(),
                reads.h_provider.cur::<Fr>(),
            );
            // A step reads its feature by number and its node by key; features and nodes are provided.
            let (mut feature, mut node, mut provided) = (zero(), zero(), zero());
            let mut block_helpers = zero();
            if let Some(f) = &self.forest {
                let next = role(Role::Next).unwrap_or_else(zero);
                let root = role(Role::RootKey).expect("each tree has a root");
                let nodes = role(Role::Node).unwrap_or_else(zero);
                let key = role(Role::Key).unwrap_or_else(zero);
                let back = -(batch as i32);
                let (yes, no) = (f.yes.cur::<Fr>(), f.no.cur::<Fr>());
                let threshold = yl.clone() + left.clone();
                let beta = self.beta.expr();
                let beta2 = beta.clone() * beta.clone();
                let cells = beta.clone() * threshold
                    + beta2.clone() * yes.clone()
                    + beta2 * beta * no.clone();
                // Child yes[0] + 1 - bit, and keys count from 1.
                let child = f.yes.rot::<Fr>(back) + constant(Fr::from(2)) - self.a.rot::<Fr>(back);
                feature = theta5.clone() * step.clone() * hl.clone() * right_number;
                node =
                    step * hr.clone() * cells + theta5.clone() * hr.clone() * (root + next * child);
                provided = on.clone() * theta5.clone() * hp.clone() * key
                    + nodes.clone() * hp.clone() * self.v.cur::<Fr>();
                let carry = role(Role::Carry).unwrap_or_else(zero);
                let leaf = role(Role::Leaf).expect("each walk ends");
                let walk = role(Role::Walk).expect("there are steps");
                let factor = role(Role::ScoreFactor).expect("there are scores");
                let end = role(Role::ScoreEnd).expect("there are scores");
                let score = f.score.cur::<Fr>();
                cs.create_gate("trees", |_| {
                    vec![
                        (
                            "score = score_prev + leaf - 2^(s j) a",
                            walk * score.clone()
                                - carry * f.score.rot::<Fr>(back)
                                - leaf * (no.clone() + a() * (yes - no))
                                + factor * a(),
                        ),
                        ("score = 0 after the last", end * score),
                        ("a = 0 on nodes", nodes * a()),
                    ]
                });
                for (b, block) in f.blocks.iter().enumerate() {
                    let inside = role(Role::Block).expect("blocks have rows");
                    let row = role(Role::BlockKey).expect("blocks have keys");
                    let key = row + constant(Fr::from(layout.nodes.keys_before(b)));
                    let (v, h) = (block.v.cur::<Fr>(), block.h.cur::<Fr>());
                    let tuple = alpha.clone()
                        + theta.clone() * Fr::from(layout.node_address())
                        + theta5.clone() * key
                        + v.clone();
                    let read = inside * block.visits.cur::<Fr>();
                    cs.create_gate("nodes", |_| {
                        vec![
                            (
                                "h (alpha + theta address + theta^5 key + V) = visits",
                                on.clone() * h.clone() * tuple - read,
                            ),
                            ("V = 0 on row 0", top.clone() * v),
                        ]
                    });
                    block_helpers = block_helpers + h;
                }
            }
            if let Some(visits) = &self.visits {
                let visited = role(Role::Visited).expect("something is visited");
                provided = match self.forest {
                    Some(_) => provided - visited * visits.cur::<Fr>(),
                    None => -(visited * visits.cur::<Fr>()),
                };
            }
            cs.create_gate("local", |_| {
                vec![
                    ("y = p l r + f l + g r + c", local * yl - product - affine),
                    (
                        "h (alpha + theta address + left) = on",
                        on.clone()
                            * hl.clone()
                            * (alpha.clone()
                                + theta.clone() * local_or_zero(Role::LeftAddress)
                                + left)
                            + feature
                            - reading.clone(),
                    ),
                    (
                        "h (alpha + theta address + right) = on",
                        on.clone() * hr.clone() * right_tuple + node - reading,
                    ),
                    (
                        "h (alpha + theta address + a) = reads",
                        on.clone()
                            * hp.clone()
                            * (alpha.clone() + theta * local_or_zero(Role::Address) + a())
                            + provided
                            - local_or_zero(Role::ReadCount),
                    ),
                ]
            });
            helpers = helpers + hl + hr - hp - block_helpers;
        }
        let (sum, sum_prev, m) = (
            self.sum.cur::<Fr>(),
            self.sum.prev::<Fr>(),
            self.multiplicity.cur::<Fr>(),
        );
        let table = role(Role::Table).expect("the table has rows");
        cs.create_gate("lookup sum", |_| {
            vec![
                (
                    "(sum - sum_prev - helpers)(alpha + table) + m = 0",
                    on.clone() * ((sum.clone() - sum_prev - helpers) * (alpha + table) + m),
                ),
                ("sum = 0 at the ends", ends * sum),
            ]
        });

        // 9. The mask.
        if let Some(mask) = &self.mask {
            cs.create_gate("mask", |_| {
                vec![(
                    "mask mask_prev = 0",
                    on * mask.cur::<Fr>() * mask.prev::<Fr>(),
                )]
            });
        }
    }

    /// Some slot of a class; the class decides its limbs.
    fn slot_of(&self, layout: &Layout, class: Class) -> SlotId {
        layout
            .order
            .iter()
            .copied()
            .find(|s| layout.class(*s) == class)
            .expect("a class in use has a slot")
    }

    /// The partial limb of a class, if it has one.
    fn partial_limb(&self, layout: &Layout, class: Class) -> Option<super::layout::LimbUse> {
        let slot = self.slot_of(layout, class);
        let full = layout.params.limb_bits;
        layout
            .e_limbs(class.form)
            .into_iter()
            .chain(layout.r_limbs(slot))
            .find(|l| l.bits < full)
    }
}
