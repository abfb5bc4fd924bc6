//! Keys of the model circuit and of the registration circuits, and their portable form.

use std::io::{self, Write};
use std::sync::Arc;

use clearproof_shared::artifact::key::{Link, LinkKind, Srs, VerifyingKey};
use ff::Field;
use halo2_proofs::plonk::{self, keygen_vk_custom, Circuit};
use halo2curves::bn256::{Fr, G1Affine};
use halo2curves::serde::SerdeObject;
use rayon::prelude::*;

use super::bases::{Bases, Extra};
use super::domain::{Domain, COSETS};
use super::export::{export_key, g1_to_ark, g2_to_ark, Linkage};
use super::ProveError;
use crate::circuit::layout::Layout;
use crate::circuit::model::{ModelCircuit, Shape};
use crate::circuit::registration::{RegistrationCircuit, RegistrationShape};

/// What proving needs of a circuit.
#[derive(Debug)]
pub(crate) struct ProvingKey {
    /// Gates, queries and phases, as the verifier has them.
    pub(crate) key: VerifyingKey,
    pub(crate) domain: Domain,
    pub(crate) fixed: Vec<FixedColumn>,
}

/// A fixed column, transformed once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FixedColumn {
    pub(crate) coefficients: Vec<Fr>,
    /// Its values on the cosets of the quotient.
    pub(crate) on_coset: [Vec<Fr>; COSETS],
}

impl ProvingKey {
    /// Transforms the fixed columns, given by their cells that are not zero.
    pub(crate) fn new(key: VerifyingKey, columns: &[Vec<(usize, Fr)>]) -> ProvingKey {
        let domain = Domain::new(key.k);
        let fixed = columns
            .par_iter()
            .map(|cells| {
                let mut values = vec![Fr::ZERO; domain.n];
                for (row, value) in cells {
                    values[*row] = *value;
                }
                domain.interpolate(&mut values);
                let on_coset = std::array::from_fn(|coset| {
                    let mut out = Vec::with_capacity(domain.n);
                    domain.to_coset(&values, coset, &mut out);
                    out
                });
                FixedColumn {
                    coefficients: domain.coefficients(&values),
                    on_coset,
                }
            })
            .collect();
        ProvingKey { key, domain, fixed }
    }

    /// Writes the transformed columns; the rest follows from the key.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&self.key.circuit_id())?;
        for column in &self.fixed {
            for values in [&column.coefficients].into_iter().chain(&column.on_coset) {
                values.iter().try_for_each(|x| x.write_raw(out))?;
            }
        }
        Ok(())
    }

    /// Reads what [`ProvingKey::write`] wrote for this key. Scalars are reduced; that they are the circuit's is
    /// not checked: a wrong column makes proofs that fail.
    ///
    /// # Errors
    /// When the input is of another key, short, or too long.
    pub(crate) fn read(key: VerifyingKey, bytes: &[u8]) -> io::Result<ProvingKey> {
        let bad = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        let domain = Domain::new(key.k);
        let (head, body) = bytes
            .split_at_checked(MAGIC.len() + 32)
            .ok_or_else(|| bad("it is cut short"))?;
        if !head.starts_with(MAGIC) {
            return Err(bad("not a proving key"));
        }
        if head[MAGIC.len()..] != key.circuit_id() {
            return Err(bad("the key of another circuit"));
        }
        let column = (1 + COSETS) * domain.n * 32;
        if body.len() != column * key.fixed_commitments.len() {
            return Err(bad("it has another length than its circuit asks for"));
        }
        let scalars = |bytes: &[u8]| -> io::Result<Vec<Fr>> {
            bytes
                .chunks_exact(32)
                .map(|b| Fr::from_raw_bytes(b).ok_or_else(|| bad("not a scalar")))
                .collect()
        };
        let fixed = body
            .par_chunks_exact(column)
            .map(|bytes| {
                let mut parts = bytes.chunks_exact(domain.n * 32).map(scalars);
                let mut next = || parts.next().expect("three parts");
                Ok(FixedColumn {
                    coefficients: next()?,
                    on_coset: [next()?, next()?],
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(ProvingKey { key, domain, fixed })
    }
}

const MAGIC: &[u8; 8] = b"CPPROVE1";

/// halo2's verifying key.
pub(crate) fn verifying_key(
    bases: &Bases,
    circuit: &impl Circuit<Fr>,
) -> Result<plonk::VerifyingKey<G1Affine>, ProveError> {
    keygen_vk_custom(bases, circuit, false).map_err(ProveError::halo2)
}

/// Reference string of the portable keys.
pub(super) fn srs(bases: &Bases) -> Srs {
    match &bases.extra {
        Extra::Ipa { w, u } => Srs::Ipa {
            w: g1_to_ark(w),
            u: g1_to_ark(u),
        },
        Extra::Kzg { tau_n, g2, tau_g2 } => Srs::Kzg {
            g1: g1_to_ark(&bases.g[0]),
            tau_n_g1: g1_to_ark(tau_n),
            g2: g2_to_ark(g2),
            tau_g2: g2_to_ark(tau_g2),
        },
    }
}

/// The portable key of the model circuit.
pub(crate) fn portable_model_key(
    bases: &Bases,
    shape: &Arc<Shape>,
    vk: &plonk::VerifyingKey<G1Affine>,
) -> Result<VerifyingKey, ProveError> {
    let layout = &shape.layout;
    let phases = vk.cs().advice_column_phase();
    // V and z are the first two columns of phase 1; beta and gamma the first and third challenges.
    let v = phases
        .iter()
        .position(|p| *p == 1)
        .expect("there is a second phase") as u32;
    // Those of further blocks of nodes stand before as many helpers at the end.
    let blocks = (phases.len() - 2 * layout.nodes.blocks) as u32..;
    let mut links: Vec<Link> = layout
        .linked()
        .zip(std::iter::once(v).chain(blocks))
        .map(|(columns, column)| Link {
            kind: LinkKind::Model,
            column,
            challenge: 0,
            count: columns.len() as u32,
        })
        .collect();
    links.push(Link {
        kind: LinkKind::Inputs,
        column: v + 1,
        challenge: 2,
        count: layout.params.batch,
    });
    let input_rows: Vec<u32> = layout.input_rows().iter().map(|r| *r as u32).collect();
    let released_rows: Vec<u32> = layout.released_rows().iter().map(|r| *r as u32).collect();
    let mut rows = input_rows.clone();
    if bases.w().is_some() {
        rows.extend(&released_rows);
    }
    rows.sort_unstable();
    rows.dedup();
    let linkage = Linkage {
        links,
        tail_bases: bases.g_lagrange[layout.usable..].to_vec(),
        row_bases: rows
            .iter()
            .map(|r| (*r, bases.g_lagrange[*r as usize]))
            .collect(),
        input_rows,
        instance_length: Some(released_rows.last().map_or(0, |r| r + 1)),
        released_rows,
    };
    Ok(export_key(vk, &linkage, srs(bases))?)
}

/// The portable key of a registration circuit.
pub(crate) fn portable_registration_key(
    bases: &Bases,
    shape: &RegistrationShape,
    vk: &plonk::VerifyingKey<G1Affine>,
) -> Result<VerifyingKey, ProveError> {
    let v = vk
        .cs()
        .advice_column_phase()
        .iter()
        .position(|p| *p == 1)
        .expect("there is a second phase") as u32;
    // Its own count of queries decides its blinding rows.
    let usable = (1 << shape.k) - (vk.cs().blinding_factors() + 1);
    let linkage = Linkage {
        links: vec![Link {
            kind: LinkKind::Model,
            column: v,
            challenge: 0,
            count: shape.count as u32,
        }],
        tail_bases: bases.g_lagrange[usable..].to_vec(),
        row_bases: vec![],
        input_rows: vec![],
        released_rows: vec![],
        instance_length: None,
    };
    Ok(export_key(vk, &linkage, srs(bases))?)
}

/// The model circuit's shape.
pub(crate) fn shape(layout: Layout) -> Arc<Shape> {
    let plan = crate::circuit::fixed::FixedPlan::new(&layout);
    Arc::new(Shape { layout, plan })
}

/// Circuits without private values, for key generation.
pub(crate) fn empty_model(shape: &Arc<Shape>) -> ModelCircuit {
    ModelCircuit::empty(shape)
}

/// The registration circuits of a layout, in the order of their columns.
pub(crate) fn registration_circuits(layout: &Layout) -> Vec<RegistrationCircuit> {
    let step = layout.params.registration_columns as usize;
    (0..layout.weight_columns)
        .step_by(step)
        .map(|first| {
            let count = step.min(layout.weight_columns - first);
            RegistrationCircuit {
                shape: Some(Arc::new(RegistrationShape::new(layout, first, count))),
                witness: None,
            }
        })
        .collect()
}
