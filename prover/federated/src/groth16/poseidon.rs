//! Commitments to private values that circuits open cheaply.
//!
//! 1. Claim: [`commit`] is binding (a collision of the hash opens it twice) and hides what it commits to if
//!    `blinding` is uniform; `commit_in_circuit` is the same function as constraints.
//! 2. Poseidon over BN254's scalar field, x^5, capacity 1: the instances with state width 3 (57 partial rounds)
//!    for few and 9 (63 partial rounds) for many values, 8 full rounds; constants by the Grain LFSR of the
//!    paper. Absorbed: tag, number of values, blinding, values.
//! 3. Assumed: Poseidon as a sponge is collision resistant and one-way, about 128 bits by its designers.
//! 4. Source: Grassi, Khovratovich, Rechberger, Roy, Schofnegger, "Poseidon", USENIX Security 2021;
//!    ark-crypto-primitives 0.6.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_crypto_primitives::sponge::constraints::CryptographicSpongeVar;
use ark_crypto_primitives::sponge::poseidon::constraints::PoseidonSpongeVar;
use ark_crypto_primitives::sponge::poseidon::{
    find_poseidon_ark_and_mds, PoseidonConfig, PoseidonSponge,
};
use ark_crypto_primitives::sponge::{CryptographicSponge, FieldBasedCryptographicSponge};
use ark_ff::PrimeField;
use ark_r1cs_std::fields::fp::FpVar;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

/// What a hash is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Named fields.
    Fields = 1,
    /// Coordinates of an update or of its noise.
    Vector = 2,
    /// The seed of a party's noise.
    Seed = 3,
    /// The key of a noise stream, from seed and coin.
    StreamKey = 4,
    /// A block of a noise stream.
    Stream = 5,
}

/// Which instance: how many elements a permutation absorbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Two: cheap for a few values.
    Three,
    /// Eight: half the constraints an element.
    Nine,
}

impl Width {
    fn parameters(self) -> &'static PoseidonConfig<Fr> {
        match self {
            Width::Three => &THREE,
            Width::Nine => &NINE,
        }
    }
}

static THREE: LazyLock<PoseidonConfig<Fr>> = LazyLock::new(|| instance(2, 57));
static NINE: LazyLock<PoseidonConfig<Fr>> = LazyLock::new(|| instance(8, 63));

fn instance(rate: usize, partial_rounds: usize) -> PoseidonConfig<Fr> {
    let bits = u64::from(Fr::MODULUS_BIT_SIZE);
    let (ark, mds) =
        find_poseidon_ark_and_mds(bits, rate, FULL_ROUNDS as u64, partial_rounds as u64, 0);
    PoseidonConfig::new(FULL_ROUNDS, partial_rounds, 5, mds, ark, rate, 1)
}

/// The commitment to `values`.
pub fn commit(tag: Tag, width: Width, blinding: Fr, values: &[Fr]) -> Fr {
    let head = [
        Fr::from(tag as u64),
        Fr::from(values.len() as u64),
        blinding,
    ];
    let mut sponge = PoseidonSponge::new(width.parameters());
    sponge.absorb(&[&head[..], values].concat());
    sponge.squeeze_native_field_elements(1)[0]
}

/// [`commit`], as constraints.
pub(crate) fn commit_in_circuit(
    system: &ConstraintSystemRef<Fr>,
    tag: Tag,
    width: Width,
    blinding: &FpVar<Fr>,
    values: &[FpVar<Fr>],
) -> Result<FpVar<Fr>, SynthesisError> {
    let constant = |value: u64| FpVar::Constant(Fr::from(value));
    let head = [
        constant(tag as u64),
        constant(values.len() as u64),
        blinding.clone(),
    ];
    let mut sponge = PoseidonSpongeVar::new(system.clone(), width.parameters());
    sponge.absorb(&[&head[..], values].concat())?;
    Ok(sponge.squeeze_field_elements(1)?.swap_remove(0))
}

const FULL_ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use ark_ff::MontFp;
    use ark_r1cs_std::alloc::AllocVar;
    use ark_r1cs_std::GR1CSVar;
    use ark_relations::gr1cs::ConstraintSystem;

    use super::*;

    /// First round constant and matrix entry of the published instance poseidonperm_x5_254_3.
    #[test]
    fn constants_are_those_of_the_published_instance() {
        let first: Fr =
            MontFp!("6745197990210204598374042828761989596302876299545964402857411729872131034734");
        assert_eq!(THREE.ark[0][0], first);
        let entry: Fr =
            MontFp!("7511745149465107256748700652201246547602992235352608707588321460060273774987");
        assert_eq!(THREE.mds[0][0], entry);
    }

    #[test]
    fn the_circuit_computes_the_same() {
        for width in [Width::Three, Width::Nine] {
            for count in [0u64, 1, 2, 7, 8, 30] {
                let values: Vec<Fr> = (0..count).map(Fr::from).collect();
                let system = ConstraintSystem::new_ref();
                let wires: Vec<FpVar<Fr>> = values
                    .iter()
                    .map(|v| FpVar::new_witness(system.clone(), || Ok(*v)).unwrap())
                    .collect();
                let blinding = FpVar::new_witness(system.clone(), || Ok(Fr::from(9u64))).unwrap();
                let got =
                    commit_in_circuit(&system, Tag::Vector, width, &blinding, &wires).unwrap();
                let expected = commit(Tag::Vector, width, Fr::from(9u64), &values);
                assert_eq!(got.value().unwrap(), expected);
                assert!(system.is_satisfied().unwrap());
            }
        }
    }

    #[test]
    fn everything_matters() {
        let values = [Fr::from(1u64), Fr::from(2u64)];
        let base = commit(Tag::Fields, Width::Three, Fr::from(3u64), &values);
        let one = Fr::from(1u64);
        let others = [
            commit(Tag::Vector, Width::Three, Fr::from(3u64), &values),
            commit(Tag::Fields, Width::Nine, Fr::from(3u64), &values),
            commit(Tag::Fields, Width::Three, Fr::from(4u64), &values),
            commit(Tag::Fields, Width::Three, Fr::from(3u64), &values[..1]),
            commit(
                Tag::Fields,
                Width::Three,
                Fr::from(3u64),
                &[values[0], values[1], Fr::from(0u64)],
            ),
            commit(
                Tag::Fields,
                Width::Three,
                Fr::from(3u64),
                &[values[0] + one, values[1]],
            ),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
