//! Declared noise was drawn from a committed seed and a later joint coin.
//!
//! 1. Claim: the prover knows a seed that the public seed commitment opens to, and d integers that the public
//!    noise commitment opens to, such that each is the discrete Gaussian's quantile at the 64-bit number that
//!    the stream of seed and coin gives. Nobody can choose the noise: the seed is fixed before the coin.
//! 2. `key = H(seed, coin)`, `v_j = H(key, j)`; `v_j < p` is split as `u_0 + 2^64 u_1 + 2^128 u_2 + 2^192 h` with h below
//!    the top 62 bits of p, which makes the split unique (it fails with probability 2^-61). x is the noise at u iff
//!    `T(x - 1) <= u < T(x)`, `T(x) = floor(2^64 P[X <= x])`; one number `2^65 T(x) - T(x - 1)` per x is looked up by two
//!    one-hot vectors over rows and columns of a square table.
//! 3. Distribution: each T errs by 2^-64 and `|x| <= 9.5 sigma` is cut (2^-66), u is uniform up to 2^-60; so is the
//!    statistical distance of a coordinate, times the table's length.
//! 4. Public inputs: seed commitment, coin, noise commitment, context. SOUNDNESS condition 27.

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, PrimeField};
use ark_r1cs_std::alloc::AllocVar;
use ark_r1cs_std::boolean::Boolean;
use ark_r1cs_std::eq::EqGadget;
use ark_r1cs_std::fields::fp::FpVar;
use ark_r1cs_std::GR1CSVar;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};
use num_bigint::BigUint;
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::gadgets::{bind, input, nonnegative, pack, sum, witness};
use super::norm::{check_bits, check_vector, open, CommittedVector};
use super::poseidon::{commit, commit_in_circuit, Tag, Width};
use super::{prove, Proven, ProvingKey, StatementError};

/// The statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredNoise {
    /// d, at most 1,000.
    pub coordinates: usize,
    /// sigma^2, in squared grid units: this over `variance_denominator`; sigma is at least 1 and at most 256.
    pub variance_numerator: u64,
    /// 1 to 1024.
    pub variance_denominator: u64,
    /// Bits of a committed coordinate, sign included; 2 to 32.
    pub bits: usize,
}

/// A party's private seed with the blinding of its commitment.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed {
    seed: Fr,
    blinding: Fr,
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

impl Seed {
    /// A fresh one, for one round.
    pub fn new<R: RngCore + CryptoRng>(rng: &mut R) -> Self {
        let (seed, blinding) = (
            ark_ff::UniformRand::rand(rng),
            ark_ff::UniformRand::rand(rng),
        );
        Self { seed, blinding }
    }

    /// What is published before the coin is known.
    pub fn commitment(&self) -> Fr {
        commit(Tag::Seed, Width::Three, self.blinding, &[self.seed])
    }
}

impl DeclaredNoise {
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn check(&self) -> Result<(), StatementError> {
        let malformed = |reason: &str| Err(StatementError::Malformed(reason.into()));
        check_bits(self.bits)?;
        let (p, q) = (self.variance_numerator, self.variance_denominator);
        if !(1..=MOST_COORDINATES).contains(&self.coordinates) {
            return malformed("it must have 1 to 1000 coordinates");
        }
        if !(1..=1024).contains(&q) || p < q || p > q << 16 {
            return malformed(
                "sigma must be in 1..=256, the denominator of its square in 1..=1024",
            );
        }
        if self.reach() >= 1 << (self.bits - 1) {
            return malformed("its noise needs more bits a coordinate");
        }
        Ok(())
    }

    /// Largest |x|.
    fn reach(&self) -> i64 {
        let variance = self.variance_numerator / self.variance_denominator + 1;
        (19 * (variance.isqrt() + 1)).div_ceil(2) as i64
    }

    /// `T(x)` for x in `-reach..=reach`: cumulative probabilities in units of 2^-64, the last one 2^64.
    fn thresholds(&self) -> Vec<u128> {
        // exp(-x^2 q / (2 p)) in fixed point, by integers alone: the same on every machine.
        let reach = self.reach();
        let (p, q) = (self.variance_numerator, self.variance_denominator);
        let weights: Vec<BigUint> = (-reach..=reach)
            .map(|x| exp_minus(x.unsigned_abs().pow(2) * q, 2 * p))
            .collect();
        let total: BigUint = weights.iter().sum();
        let mut cumulative = BigUint::ZERO;
        let mut thresholds: Vec<u128> = weights
            .iter()
            .map(|weight| {
                cumulative += weight;
                let threshold: BigUint = (&cumulative << 64u32) / &total;
                let digits = threshold.to_u64_digits();
                digits
                    .iter()
                    .rev()
                    .fold(0u128, |sum, &digit| sum << 64 | u128::from(digit))
            })
            .collect();
        *thresholds.last_mut().expect("a reach of one or more") = 1 << 64;
        thresholds
    }

    /// The noise that a seed and a coin give.
    ///
    /// # Errors
    /// [`StatementError::Malformed`]; [`StatementError::Unsatisfied`] with probability 2^-61.
    pub fn sample(&self, seed: &Seed, coin: Fr) -> Result<Vec<i64>, StatementError> {
        self.check()?;
        let thresholds = self.thresholds();
        let key = commit(Tag::StreamKey, Width::Three, coin, &[seed.seed]);
        let mut noise = Vec::with_capacity(self.coordinates);
        for block in 0..self.coordinates.div_ceil(3) {
            let value = stream(key, block).into_bigint();
            if value.0[3] >= TOP {
                return Err(StatementError::Unsatisfied);
            }
            for u in &value.0[..3] {
                let index = thresholds.partition_point(|&t| t <= u128::from(*u));
                noise.push(index as i64 - self.reach());
            }
        }
        noise.truncate(self.coordinates);
        Ok(noise)
    }

    /// Proves that a committed vector is what [`DeclaredNoise::sample`] gives.
    ///
    /// # Errors
    /// [`StatementError::Length`]; [`StatementError::False`] for other noise; [`StatementError::Key`].
    pub fn prove<R: RngCore + CryptoRng>(
        &self,
        key: &ProvingKey,
        seed: &Seed,
        coin: Fr,
        noise: &CommittedVector,
        context: Fr,
        rng: &mut R,
    ) -> Result<Proven, StatementError> {
        self.check()?;
        check_vector(noise, self.coordinates, self.bits)?;
        if self.sample(seed, coin)? != noise.values {
            let constraint = "declared noise".into();
            return Err(StatementError::False { constraint });
        }
        let given = Given {
            seed,
            coin,
            noise,
            context,
        };
        prove(key, |system| self.constrain(&system, Some(&given)), rng)
    }

    pub(super) fn constrain(
        &self,
        system: &ConstraintSystemRef<Fr>,
        given: Option<&Given<'_>>,
    ) -> Result<(), SynthesisError> {
        // 1. Public: seed commitment, coin, noise commitment, context.
        let seed_commitment = input(system, given.map(|g| g.seed.commitment()))?;
        let coin = input(system, given.map(|g| g.coin))?;
        let noise_commitment = input(system, given.map(|g| g.noise.commitment()))?;
        bind(&input(system, given.map(|g| g.context))?)?;
        // 2. The seed, and the stream's key.
        let seed = witness(system, given.map(|g| g.seed.seed))?;
        let blinding = witness(system, given.map(|g| g.seed.blinding))?;
        let opened = commit_in_circuit(
            system,
            Tag::Seed,
            Width::Three,
            &blinding,
            std::slice::from_ref(&seed),
        )?;
        opened.enforce_equal(&seed_commitment)?;
        let key = commit_in_circuit(system, Tag::StreamKey, Width::Three, &coin, &[seed])?;
        // 3. The stream's numbers and their quantiles.
        let table = Table::new(&self.thresholds());
        let reach = Fr::from(self.reach().unsigned_abs());
        let half = Fr::from(1u64 << (self.bits - 1));
        let mut shifted = Vec::with_capacity(self.coordinates);
        for block in 0..self.coordinates.div_ceil(3) {
            let index = FpVar::Constant(Fr::from(block as u64));
            let value = commit_in_circuit(system, Tag::Stream, Width::Three, &key, &[index])?;
            let numbers = split(system, &value)?;
            for (lane, number) in numbers.iter().enumerate() {
                let at = block * 3 + lane;
                if at < self.coordinates {
                    let row = given.map(|g| (g.noise.values[at] + self.reach()) as usize);
                    let row = table.quantile(system, number, row)?;
                    shifted.push(row + (half - reach));
                }
            }
        }
        // 4. The opening.
        let blinding = witness(system, given.map(|g| g.noise.blinding))?;
        open(system, &noise_commitment, &blinding, &shifted, self.bits)
    }
}

/// What the prover knows.
pub(super) struct Given<'a> {
    seed: &'a Seed,
    coin: Fr,
    noise: &'a CommittedVector,
    context: Fr,
}

fn stream(key: Fr, block: usize) -> Fr {
    commit(Tag::Stream, Width::Three, key, &[Fr::from(block as u64)])
}

/// Three numbers of 64 bits, lowest first; unsatisfiable unless the top 62 bits are below those of p.
fn split(
    system: &ConstraintSystemRef<Fr>,
    value: &FpVar<Fr>,
) -> Result<Vec<FpVar<Fr>>, SynthesisError> {
    let known = value.value().map(|v| v.into_bigint()).unwrap_or_default();
    let mut wires = Vec::with_capacity(254);
    for i in 0..254 {
        wires.push(Boolean::new_witness(system.clone(), || {
            Ok(known.get_bit(i))
        })?);
    }
    pack(&wires).enforce_equal(value)?;
    let top = pack(&wires[192..]);
    nonnegative(system, &(FpVar::Constant(Fr::from(TOP - 1)) - top), 62)?;
    Ok(wires[..192].chunks(64).map(pack).collect())
}

/// `2^65 T(x) - T(x - 1)` for each x, in rows of a square.
struct Table {
    entries: Vec<Fr>,
    side: usize,
}

impl Table {
    fn new(thresholds: &[u128]) -> Self {
        let below = std::iter::once(&0).chain(thresholds);
        let rows = thresholds.iter().zip(below);
        let entries: Vec<Fr> = rows
            .map(|(&to, &from)| Fr::from(to) * two_to(65) - Fr::from(from))
            .collect();
        let side = entries.len().isqrt() + 1;
        Self { entries, side }
    }

    /// Index x of the entry with `T(x - 1) <= u < T(x)`.
    fn quantile(
        &self,
        system: &ConstraintSystemRef<Fr>,
        u: &FpVar<Fr>,
        index: Option<usize>,
    ) -> Result<FpVar<Fr>, SynthesisError> {
        let one_hot = |at: Option<usize>| {
            let wires: Vec<FpVar<Fr>> = (0..self.side)
                .map(|i| {
                    Boolean::new_witness(system.clone(), || Ok(at == Some(i))).map(FpVar::from)
                })
                .collect::<Result<_, _>>()?;
            sum(&wires).enforce_equal(&FpVar::Constant(Fr::ONE))?;
            Ok::<_, SynthesisError>(wires)
        };
        let rows = one_hot(index.map(|i| i / self.side))?;
        let columns = one_hot(index.map(|i| i % self.side))?;
        // An index beyond the table selects 0, which is no entry: 2^65 T - T' is positive.
        let entry = |row: usize, column: usize| self.entries.get(row * self.side + column).copied();
        let mut terms = vec![];
        for (row, wire) in rows.iter().enumerate() {
            let selected = columns.iter().enumerate();
            let selected = selected.filter_map(|(column, wire)| Some(wire * entry(row, column)?));
            terms.push(wire * sum(&selected.collect::<Vec<_>>()));
        }
        // a + 2^65 b = (u - T(x - 1)) + 2^65 (T(x) - 1 - u) with a, b in 64 bits: neither can be negative.
        let known = sum(&terms) - two_to(65) + u * (Fr::ONE - two_to(65));
        let value = known.value().map(|v| v.into_bigint()).unwrap_or_default();
        let half = |start: usize| {
            let wires = (0..64)
                .map(|i| Boolean::new_witness(system.clone(), || Ok(value.get_bit(start + i))));
            wires
                .collect::<Result<Vec<_>, _>>()
                .map(|wires| pack(&wires))
        };
        (half(0)? + half(65)? * two_to(65)).enforce_equal(&known)?;
        let weighted = |wires: &[FpVar<Fr>], step: usize| {
            let terms = wires
                .iter()
                .enumerate()
                .map(|(i, wire)| wire * Fr::from((i * step) as u64));
            sum(&terms.collect::<Vec<_>>())
        };
        Ok(weighted(&rows, self.side) + weighted(&columns, 1))
    }
}

fn two_to(exponent: u32) -> Fr {
    Fr::from(2u64).pow([u64::from(exponent)])
}

/// `exp(-numerator / denominator)` in units of 2^-160, below by less than 2^-140.
fn exp_minus(numerator: u64, denominator: u64) -> BigUint {
    // e^-x = (e^-(x / 2^k))^(2^k) with x / 2^k <= 1 / 2; the alternating series of the latter.
    let (x, one) = (
        (BigUint::from(numerator) << PRECISION) / denominator,
        BigUint::from(1u8) << PRECISION,
    );
    let halvings = (x.bits() + 1).saturating_sub(u64::from(PRECISION));
    let x = x >> halvings;
    let (mut positive, mut negative, mut term) = (one.clone(), BigUint::ZERO, one);
    let mut k = 1u32;
    while term != BigUint::ZERO {
        term = ((term * &x) >> PRECISION) / k;
        match k % 2 {
            1 => negative += &term,
            _ => positive += &term,
        }
        k += 1;
    }
    let mut result = positive - negative;
    for _ in 0..halvings {
        result = (&result * &result) >> PRECISION;
    }
    result >> (PRECISION - 160)
}

/// The top 62 bits of the modulus, `floor(p / 2^192)`.
const TOP: u64 = <Fr as PrimeField>::MODULUS.0[3];
const PRECISION: u32 = 192;
const MOST_COORDINATES: usize = 1000;

#[cfg(test)]
mod tests {
    use ark_relations::gr1cs::ConstraintSystem;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::{verifying_key, Statement};
    use super::*;

    const STATEMENT: DeclaredNoise = DeclaredNoise {
        coordinates: 7,
        variance_numerator: 33,
        variance_denominator: 2,
        bits: 8,
    };

    fn satisfied(seed: &Seed, coin: u64, noise: &CommittedVector) -> bool {
        let system = ConstraintSystem::new_ref();
        let given = Given {
            seed,
            coin: Fr::from(coin),
            noise,
            context: Fr::ONE,
        };
        STATEMENT.constrain(&system, Some(&given)).unwrap();
        system.finalize();
        system.is_satisfied().unwrap()
    }

    #[test]
    fn the_exponential_is_that_of_floats() {
        for (n, d) in [(0u64, 1u64), (1, 2), (1, 1), (7, 3), (4000, 66), (90, 1)] {
            let digits = exp_minus(n, d).to_u64_digits();
            let value = digits
                .iter()
                .rev()
                .fold(0f64, |sum, &digit| sum * 2f64.powi(64) + digit as f64);
            let expected = (-(n as f64) / d as f64).exp();
            let error = (value / 2f64.powi(160) - expected).abs();
            assert!(error < 1e-12 * expected + 2f64.powi(-140), "{n} / {d}");
        }
    }

    #[test]
    fn samples_have_the_distribution() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let statement = DeclaredNoise {
            coordinates: 1000,
            ..STATEMENT
        };
        let mut noise = vec![];
        for coin in 0..5u64 {
            noise.extend(
                statement
                    .sample(&Seed::new(&mut rng), Fr::from(coin))
                    .unwrap(),
            );
        }
        let variance = noise.iter().map(|&x| (x * x) as f64).sum::<f64>() / noise.len() as f64;
        assert!((variance / 16.5 - 1.0).abs() < 5.0 * (2.0 / noise.len() as f64).sqrt());
        noise.sort_unstable();
        let weight = |x: i64| (-((x * x) as f64) / 33.0).exp();
        let total: f64 = (-60..=60).map(weight).sum();
        let mut cumulative = 0.0;
        for x in -60..=60 {
            cumulative += weight(x) / total;
            let empirical = noise.partition_point(|&y| y <= x) as f64 / noise.len() as f64;
            assert!((empirical - cumulative).abs() * (noise.len() as f64).sqrt() < 1.95);
        }
    }

    #[test]
    fn only_the_declared_noise_satisfies_the_circuit() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let seed = Seed::new(&mut rng);
        let noise = STATEMENT.sample(&seed, Fr::from(5u64)).unwrap();
        let mut commit =
            |values: &[i64]| CommittedVector::new(values.to_vec(), 8, &mut rng).unwrap();
        let honest = commit(&noise);
        assert!(satisfied(&seed, 5, &honest));
        assert!(!satisfied(&seed, 6, &honest));
        for (index, change) in [(0, 1), (0, -1), (6, 1), (3, -2)] {
            let mut other = noise.clone();
            other[index] += change;
            assert!(!satisfied(&seed, 5, &commit(&other)), "{index} {change}");
        }
    }

    #[test]
    fn proofs_verify_and_false_statements_are_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let key = Statement::DeclaredNoise(STATEMENT)
            .single_party_key(&mut rng)
            .unwrap();
        let verifier = verifying_key(&key).unwrap();
        let (seed, coin) = (Seed::new(&mut rng), Fr::from(77u64));
        let noise = STATEMENT.sample(&seed, coin).unwrap();
        let committed = CommittedVector::new(noise.clone(), 8, &mut rng).unwrap();
        let proven = STATEMENT
            .prove(&key, &seed, coin, &committed, Fr::ONE, &mut rng)
            .unwrap();
        assert_eq!(
            proven.public_inputs[..3],
            [seed.commitment(), coin, committed.commitment()]
        );
        proven.verify(&verifier).unwrap();
        for index in 0..4 {
            let mut other = proven.clone();
            other.public_inputs[index] += Fr::ONE;
            assert!(other.verify(&verifier).is_err());
        }
        let mut other = noise;
        other[2] += 1;
        let committed = CommittedVector::new(other, 8, &mut rng).unwrap();
        let refused = STATEMENT
            .prove(&key, &seed, coin, &committed, Fr::ONE, &mut rng)
            .unwrap_err();
        assert!(matches!(refused, StatementError::False { .. }));
        for bad in [
            DeclaredNoise {
                coordinates: 0,
                ..STATEMENT
            },
            DeclaredNoise {
                coordinates: 1001,
                ..STATEMENT
            },
            DeclaredNoise {
                variance_denominator: 0,
                ..STATEMENT
            },
            DeclaredNoise {
                variance_numerator: 1,
                ..STATEMENT
            },
            DeclaredNoise {
                variance_numerator: u64::MAX,
                ..STATEMENT
            },
            DeclaredNoise {
                bits: 6,
                ..STATEMENT
            },
        ] {
            assert!(
                matches!(bad.check(), Err(StatementError::Malformed(_))),
                "{bad:?}"
            );
        }
    }
}
