//! From halo2's verifying key to the portable one, and between halo2curves and arkworks.
//!
//! 1. Claim: the portable key makes [`clearproof_shared::verify`] accept exactly what halo2's
//!    `verify_proof` accepts on canonical bytes (with the statement digest absorbed beforehand).
//! 2. Gate expressions become one list of nodes, equal subexpressions once.
//! 3. Assumed: gates alone (no lookup argument, no permutation), selectors already replaced by
//!    fixed columns, and bases that belong to the parameters the key was made with.
//! 4. Source: halo2_proofs, `plonk::{ConstraintSystem, Expression, VerifyingKey}`.

use std::collections::HashMap;

use ark_ff::PrimeField as _;
use clearproof_shared::artifact::key::{KeyError, Link, Node, Query, Srs, VerifyingKey};
use clearproof_shared::encoding;
use clearproof_shared::verify::prepared::root_of_unity;
use ff::PrimeField as _;
use halo2_proofs::plonk::{self, ConstraintSystem, Expression};
use halo2_proofs::poly::Rotation;
use halo2curves::bn256::{Fq, Fq2, Fr, G1Affine, G2Affine};

/// What the portable key holds beside what halo2's key says.
#[derive(Clone, Debug)]
pub struct Linkage {
    /// Links to outside commitments, model first.
    pub links: Vec<Link>,
    /// `L_u .. L_{n-1}`.
    pub tail_bases: Vec<G1Affine>,
    /// Lagrange bases of the released rows (IPA) and of the input rows, ascending.
    pub row_bases: Vec<(u32, G1Affine)>,
    /// Rows of the input commitments' values, distinct.
    pub input_rows: Vec<u32>,
    /// Instance rows of the released values, ascending, value after value, slot by slot.
    pub released_rows: Vec<u32>,
    /// Exact length of the instance column; `None` for a circuit without one.
    pub instance_length: Option<u32>,
}

/// The portable key of a gates-only circuit.
///
/// # Errors
/// [`KeyError`] if the circuit or the linkage is outside the verifier's caps.
///
/// # Panics
/// If the circuit has lookups, permutations or selectors: our circuits are built without them.
pub fn export_key(
    vk: &plonk::VerifyingKey<G1Affine>,
    linkage: &Linkage,
    srs: Srs,
) -> Result<VerifyingKey, KeyError> {
    let cs = vk.cs();
    assert!(cs.lookups().is_empty(), "circuits use gates alone");
    assert!(
        cs.permutation().get_columns().is_empty(),
        "circuits use gates alone"
    );
    let domain = vk.get_domain();
    assert_eq!(
        scalar_to_ark(&domain.get_omega()),
        root_of_unity(domain.k()),
        "one domain on both sides"
    );
    let mut dag = Dag::new(cs);
    let gates = cs.gates().iter().flat_map(|gate| gate.polynomials());
    let gates = gates.map(|polynomial| dag.add(polynomial)).collect();
    let key = VerifyingKey {
        k: domain.k(),
        quotient_pieces: domain.get_quotient_poly_degree() as u32,
        transcript_repr: scalar_to_ark(&vk.transcript_repr()),
        advice_phases: cs.advice_column_phase(),
        challenge_phases: cs.challenge_phase(),
        instance_lengths: linkage.instance_length.into_iter().collect(),
        released_rows: linkage.released_rows.clone(),
        fixed_commitments: vk.fixed_commitments().iter().map(g1_to_ark).collect(),
        advice_queries: queries(cs.advice_queries(), |c| c.index()),
        fixed_queries: queries(cs.fixed_queries(), |c| c.index()),
        instance_queries: queries(cs.instance_queries(), |c| c.index()),
        constants: dag.constants,
        nodes: dag.nodes,
        gates,
        links: linkage.links.clone(),
        tail_bases: linkage.tail_bases.iter().map(g1_to_ark).collect(),
        row_bases: linkage
            .row_bases
            .iter()
            .map(|(row, base)| (*row, g1_to_ark(base)))
            .collect(),
        input_rows: linkage.input_rows.clone(),
        srs,
    };
    assert_eq!(
        cs.num_instance_columns(),
        key.instance_lengths.len(),
        "an instance length for the instance column"
    );
    assert_eq!(
        key.usable_rows(),
        key.rows() - (cs.blinding_factors() + 1),
        "one count of blinding rows on both sides"
    );
    key.check()?;
    Ok(key)
}

fn queries<C>(list: &[(C, Rotation)], index: impl Fn(&C) -> usize) -> Vec<Query> {
    list.iter()
        .map(|(column, rotation)| Query {
            column: index(column) as u32,
            rotation: rotation.0,
        })
        .collect()
}

/// Expressions as a list of nodes without repetitions.
struct Dag<'a> {
    cs: &'a ConstraintSystem<Fr>,
    constants: Vec<ark_bn254::Fr>,
    constant_index: HashMap<ark_bn254::Fr, u32>,
    nodes: Vec<Node>,
    node_index: HashMap<Node, u32>,
}

impl<'a> Dag<'a> {
    fn new(cs: &'a ConstraintSystem<Fr>) -> Self {
        Self {
            cs,
            constants: vec![],
            constant_index: HashMap::new(),
            nodes: vec![],
            node_index: HashMap::new(),
        }
    }

    fn add(&mut self, expression: &Expression<Fr>) -> u32 {
        let cs = self.cs;
        let node = match expression {
            Expression::Constant(value) => Node::Constant(self.constant(value)),
            Expression::Selector(_) => panic!("keygen replaces selectors by fixed columns"),
            // A query's own index is private: find it by column and rotation.
            Expression::Fixed(q) => Node::Fixed(query_index(
                cs.fixed_queries(),
                |c| c.index(),
                q.column_index(),
                q.rotation(),
            )),
            Expression::Advice(q) => Node::Advice(query_index(
                cs.advice_queries(),
                |c| c.index(),
                q.column_index(),
                q.rotation(),
            )),
            Expression::Instance(q) => Node::Instance(query_index(
                cs.instance_queries(),
                |c| c.index(),
                q.column_index(),
                q.rotation(),
            )),
            Expression::Challenge(challenge) => Node::Challenge(challenge.index() as u32),
            Expression::Negated(a) => Node::Negated(self.add(a)),
            Expression::Sum(a, b) => Node::Sum(self.add(a), self.add(b)),
            Expression::Product(a, b) => Node::Product(self.add(a), self.add(b)),
            Expression::Scaled(a, value) => Node::Scaled(self.add(a), self.constant(value)),
        };
        let next = self.nodes.len() as u32;
        let index = *self.node_index.entry(node).or_insert(next);
        if index == next {
            self.nodes.push(node);
        }
        index
    }

    fn constant(&mut self, value: &Fr) -> u32 {
        let value = scalar_to_ark(value);
        let next = self.constants.len() as u32;
        let index = *self.constant_index.entry(value).or_insert(next);
        if index == next {
            self.constants.push(value);
        }
        index
    }
}

fn query_index<C>(
    list: &[(C, Rotation)],
    index: impl Fn(&C) -> usize,
    column: usize,
    rotation: Rotation,
) -> u32 {
    let found = list
        .iter()
        .position(|(c, r)| index(c) == column && *r == rotation);
    found.expect("halo2 registers every query of a gate") as u32
}

// -------------------------------------------------------------------------------- conversions

/// A scalar for arkworks.
pub fn scalar_to_ark(scalar: &Fr) -> ark_bn254::Fr {
    let bytes: [u8; 32] = scalar.to_repr();
    encoding::scalar_from_bytes(&bytes).expect("halo2curves writes canonical scalars")
}

/// A scalar for halo2curves.
pub fn scalar_from_ark(scalar: &ark_bn254::Fr) -> Fr {
    let repr = encoding::scalar_to_bytes(scalar);
    Option::from(Fr::from_repr(repr)).expect("arkworks writes canonical scalars")
}

fn base_to_ark(x: &Fq) -> ark_bn254::Fq {
    let bytes: [u8; 32] = x.to_repr();
    ark_bn254::Fq::from_le_bytes_mod_order(&bytes)
}

fn base_from_ark(x: &ark_bn254::Fq) -> Fq {
    let mut repr = [0; 32];
    for (chunk, limb) in repr.chunks_exact_mut(8).zip(x.into_bigint().0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    Option::from(Fq::from_repr(repr)).expect("arkworks writes canonical coordinates")
}

/// A point for arkworks; halo2curves' identity is (0, 0).
pub fn g1_to_ark(point: &G1Affine) -> ark_bn254::G1Affine {
    let (x, y) = (base_to_ark(&point.x), base_to_ark(&point.y));
    if bool::from(group::prime::PrimeCurveAffine::is_identity(point)) {
        return ark_bn254::G1Affine::identity();
    }
    ark_bn254::G1Affine::new_unchecked(x, y)
}

/// A point for halo2curves.
pub fn g1_from_ark(point: &ark_bn254::G1Affine) -> G1Affine {
    if point == &ark_bn254::G1Affine::identity() {
        return G1Affine::default();
    }
    G1Affine {
        x: base_from_ark(&point.x),
        y: base_from_ark(&point.y),
    }
}

/// A G2 point for arkworks.
pub fn g2_to_ark(point: &G2Affine) -> ark_bn254::G2Affine {
    if bool::from(group::prime::PrimeCurveAffine::is_identity(point)) {
        return ark_bn254::G2Affine::identity();
    }
    ark_bn254::G2Affine::new_unchecked(
        ark_bn254::Fq2::new(base_to_ark(&point.x.c0), base_to_ark(&point.x.c1)),
        ark_bn254::Fq2::new(base_to_ark(&point.y.c0), base_to_ark(&point.y.c1)),
    )
}

/// A G2 point for halo2curves.
pub fn g2_from_ark(point: &ark_bn254::G2Affine) -> G2Affine {
    if point == &ark_bn254::G2Affine::identity() {
        return G2Affine::default();
    }
    let fq2 = |x: &ark_bn254::Fq2| Fq2 {
        c0: base_from_ark(&x.c0),
        c1: base_from_ark(&x.c1),
    };
    G2Affine {
        x: fq2(&point.x),
        y: fq2(&point.y),
    }
}
