//! BN254's fields, curves and pairing over [`super::limbs29`].
//!
//! 1. Claim: what ark-bn254 defines, with another multiplication of base and scalar field elements;
//!    everything above it is arkworks' generic code, and a value's limbs are the same.
//! 2. Constants are ark-bn254's own, their limbs taken over.
//! 3. Assumed: nothing.
//! 4. Source: ark-bn254; the subgroup check of G2 is section 4.3 of eprint 2022/352.

use ark_bn254::{
    Config as ArkCurve, Fq as ArkFq, Fq12Config as ArkFq12, Fq2 as ArkFq2, FqConfig as ArkFqConfig,
};
use ark_bn254::{
    Fq2Config as ArkFq2Config, Fq6Config as ArkFq6, Fr as ArkFr, FrConfig as ArkFrConfig,
};
use ark_ec::bn::{Bn, BnConfig, G1Affine as BnG1Affine, G1Projective as BnG1Projective};
use ark_ec::bn::{G2Affine as BnG2Affine, TwistType};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ec::{AffineRepr, CurveConfig};
use ark_ff::{
    AdditiveGroup, BigInt, Field, Fp, Fp12Config, Fp2, Fp256, Fp2Config, Fp6, Fp6Config,
    MontBackend, MontConfig, PrimeField,
};

use super::limbs29::{Limbs, Modulus};

// ------------------------------------------------------------------------------- prime fields

/// Configuration of the base field.
#[derive(Debug)]
pub struct FqConfig;
/// The base field.
pub type Fq = Fp256<MontBackend<FqConfig, 4>>;

/// Configuration of the scalar field.
#[derive(Debug)]
pub struct FrConfig;
/// The scalar field.
pub type Fr = Fp256<MontBackend<FrConfig, 4>>;

const fn fq(x: ArkFq) -> Fq {
    Fq::new_unchecked(x.0)
}

const fn fr(x: ArkFr) -> Fr {
    Fr::new_unchecked(x.0)
}

macro_rules! prime_field {
    ($config:ident, $field:ident, $ark:ident, $ark_config:ident, $convert:ident, $square:ident) => {
        impl Modulus for $config {
            const P: Limbs = $ark::MODULUS.0;
        }

        impl MontConfig<4> for $config {
            const MODULUS: BigInt<4> = $ark::MODULUS;
            const GENERATOR: $field = $convert($ark_config::GENERATOR);
            const TWO_ADIC_ROOT_OF_UNITY: $field = $convert($ark_config::TWO_ADIC_ROOT_OF_UNITY);

            // Never inlined: they are called from everywhere, and products are two kilobytes each.
            #[inline(never)]
            fn add_assign(a: &mut $field, b: &$field) {
                a.0 = BigInt(Self::sum(&a.0 .0, &b.0 .0));
            }

            #[inline(never)]
            fn sub_assign(a: &mut $field, b: &$field) {
                a.0 = BigInt(Self::difference(&a.0 .0, &b.0 .0));
            }

            #[inline(always)]
            fn double_in_place(a: &mut $field) {
                let copy = *a;
                Self::add_assign(a, &copy);
            }

            #[inline(always)]
            fn neg_in_place(a: &mut $field) {
                let copy = *a;
                *a = $field::ZERO;
                Self::sub_assign(a, &copy);
            }

            #[inline(never)]
            fn mul_assign(a: &mut $field, b: &$field) {
                a.0 = BigInt(Self::product([(&a.0 .0, &b.0 .0)]));
            }

            #[inline(always)]
            fn square_in_place(a: &mut $field) {
                $square(a);
            }

            fn into_bigint(mut a: $field) -> BigInt<4> {
                Self::mul_assign(&mut a, &Fp::new_unchecked(BigInt([1, 0, 0, 0])));
                a.0
            }

            #[inline(never)]
            fn sum_of_products<const M: usize>(a: &[$field; M], b: &[$field; M]) -> $field {
                let mut sum = $field::ZERO;
                for (a, b) in a.chunks(MOST_PAIRS).zip(b.chunks(MOST_PAIRS)) {
                    let pairs = a.iter().zip(b).map(|(a, b)| (&a.0 .0, &b.0 .0));
                    sum += Fp::new_unchecked(BigInt(Self::product(pairs)));
                }
                sum
            }
        }
    };
}
/// Pairs that one reduction takes.
const MOST_PAIRS: usize = 5;

prime_field!(FqConfig, Fq, ArkFq, ArkFqConfig, fq, square_fq);
prime_field!(FrConfig, Fr, ArkFr, ArkFrConfig, fr, square_fr);

#[inline(never)]
fn square_fq(a: &mut Fq) {
    a.0 = BigInt(FqConfig::square(&a.0 .0));
}

/// Scalars are squared seldom: a product, not two kilobytes more.
fn square_fr(a: &mut Fr) {
    let copy = *a;
    FrConfig::mul_assign(a, &copy);
}

// ---------------------------------------------------------------------------- extension fields

/// Configuration of Fq2.
#[derive(Debug)]
pub struct Fq2Config;
/// The quadratic extension of the base field.
pub type Fq2 = Fp2<Fq2Config>;

const fn fq2(x: ArkFq2) -> Fq2 {
    Fq2::new(fq(x.c0), fq(x.c1))
}

impl Fp2Config for Fq2Config {
    type Fp = Fq;
    const NONRESIDUE: Fq = fq(ArkFq2Config::NONRESIDUE);
    const FROBENIUS_COEFF_FP2_C1: &'static [Fq] = &[
        fq(ArkFq2Config::FROBENIUS_COEFF_FP2_C1[0]),
        fq(ArkFq2Config::FROBENIUS_COEFF_FP2_C1[1]),
    ];

    #[inline(always)]
    fn mul_fp_by_nonresidue_in_place(x: &mut Fq) -> &mut Fq {
        x.neg_in_place() // the non-residue is -1
    }
}

/// Configuration of Fq6.
#[derive(Clone, Copy, Debug)]
pub struct Fq6Config;

impl Fp6Config for Fq6Config {
    type Fp2Config = Fq2Config;
    const NONRESIDUE: Fq2 = fq2(ArkFq6::NONRESIDUE);
    const FROBENIUS_COEFF_FP6_C1: &'static [Fq2] = &taken::<6>(ArkFq6::FROBENIUS_COEFF_FP6_C1);
    const FROBENIUS_COEFF_FP6_C2: &'static [Fq2] = &taken::<6>(ArkFq6::FROBENIUS_COEFF_FP6_C2);

    /// `(c0 + u c1)(9 + u) = (9 c0 - c1) + u (9 c1 + c0)`
    fn mul_fp2_by_nonresidue_in_place(x: &mut Fq2) -> &mut Fq2 {
        let mut eightfold = *x;
        eightfold
            .double_in_place()
            .double_in_place()
            .double_in_place();
        let nine = eightfold + *x;
        *x = Fq2::new(nine.c0 - x.c1, nine.c1 + x.c0);
        x
    }
}

/// Configuration of Fq12.
#[derive(Clone, Copy, Debug)]
pub struct Fq12Config;

impl Fp12Config for Fq12Config {
    type Fp6Config = Fq6Config;
    const NONRESIDUE: Fp6<Fq6Config> = Fp6::new(Fq2::ZERO, Fq2::ONE, Fq2::ZERO);
    const FROBENIUS_COEFF_FP12_C1: &'static [Fq2] = &taken::<12>(ArkFq12::FROBENIUS_COEFF_FP12_C1);
}

const fn taken<const N: usize>(list: &[ArkFq2]) -> [Fq2; N] {
    let mut taken = [Fq2::ZERO; N];
    let mut i = 0;
    while i < N {
        taken[i] = fq2(list[i]);
        i += 1;
    }
    taken
}

// ------------------------------------------------------------------------------------- curves

/// Configuration of G1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct G1Config;
/// A point of G1.
pub type G1Affine = BnG1Affine<Config>;
/// A point of G1 in Jacobian coordinates.
pub type G1Projective = BnG1Projective<Config>;

impl CurveConfig for G1Config {
    type BaseField = Fq;
    type ScalarField = Fr;
    const COFACTOR: &'static [u64] = &[1];
    const COFACTOR_INV: Fr = Fr::ONE;
}

impl SWCurveConfig for G1Config {
    const COEFF_A: Fq = Fq::ZERO;
    const COEFF_B: Fq = fq(<ark_bn254::g1::Config as SWCurveConfig>::COEFF_B);
    const GENERATOR: Affine<Self> = Affine::new_unchecked(
        fq(ark_bn254::g1::G1_GENERATOR_X),
        fq(ark_bn254::g1::G1_GENERATOR_Y),
    );
    type ZeroFlag = (); // (0, 0) is not on the curve

    #[inline(always)]
    fn mul_by_a(_: Fq) -> Fq {
        Fq::ZERO
    }

    #[inline]
    fn is_in_correct_subgroup_assuming_on_curve(_: &Affine<Self>) -> bool {
        true // the cofactor is one
    }
}

/// Configuration of G2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct G2Config;
/// A point of G2.
pub type G2Affine = BnG2Affine<Config>;

impl CurveConfig for G2Config {
    type BaseField = Fq2;
    type ScalarField = Fr;
    const COFACTOR: &'static [u64] = <ark_bn254::g2::Config as CurveConfig>::COFACTOR;
    const COFACTOR_INV: Fr = fr(<ark_bn254::g2::Config as CurveConfig>::COFACTOR_INV);
}

impl SWCurveConfig for G2Config {
    const COEFF_A: Fq2 = Fq2::ZERO;
    const COEFF_B: Fq2 = fq2(<ark_bn254::g2::Config as SWCurveConfig>::COEFF_B);
    const GENERATOR: Affine<Self> = Affine::new_unchecked(
        fq2(ark_bn254::g2::G2_GENERATOR_X),
        fq2(ark_bn254::g2::G2_GENERATOR_Y),
    );
    type ZeroFlag = (); // (0, 0) is not on the curve

    #[inline(always)]
    fn mul_by_a(_: Fq2) -> Fq2 {
        Fq2::ZERO
    }

    /// `[6 x^2] P = psi(P)`
    fn is_in_correct_subgroup_assuming_on_curve(point: &Affine<Self>) -> bool {
        point.mul_bigint(SIX_X_SQUARED) == psi(point)
    }
}

/// The untwist-Frobenius-twist endomorphism.
fn psi(point: &Affine<G2Config>) -> Affine<G2Config> {
    let mut image = *point;
    image.x.frobenius_map_in_place(1);
    image.y.frobenius_map_in_place(1);
    image.x *= Config::TWIST_MUL_BY_Q_X;
    image.y *= Config::TWIST_MUL_BY_Q_Y;
    image
}

/// t - 1 = 6 x^2.
const SIX_X_SQUARED: [u64; 2] = [17887900258952609094, 8020209761171036667];

// ------------------------------------------------------------------------------------ pairing

/// Configuration of the curve family.
#[derive(Debug)]
pub struct Config;
/// The pairing.
pub type Bn254 = Bn<Config>;

impl BnConfig for Config {
    const X: &'static [u64] = ArkCurve::X;
    const X_IS_NEGATIVE: bool = ArkCurve::X_IS_NEGATIVE;
    const ATE_LOOP_COUNT: &'static [i8] = ArkCurve::ATE_LOOP_COUNT;
    const TWIST_TYPE: TwistType = ArkCurve::TWIST_TYPE;
    const TWIST_MUL_BY_Q_X: Fq2 = fq2(ArkCurve::TWIST_MUL_BY_Q_X);
    const TWIST_MUL_BY_Q_Y: Fq2 = fq2(ArkCurve::TWIST_MUL_BY_Q_Y);
    type Fp = Fq;
    type Fp2Config = Fq2Config;
    type Fp6Config = Fq6Config;
    type Fp12Config = Fq12Config;
    type G1Config = G1Config;
    type G2Config = G2Config;
}

#[cfg(test)]
mod tests {
    use ark_bn254::Bn254 as ArkBn254;
    use ark_ec::pairing::Pairing;
    use ark_ec::CurveGroup;
    use ark_ff::PrimeField;

    use super::*;

    /// Numbers whose limbs are near their ends, and many without a pattern.
    fn values(modulus: Limbs) -> Vec<Limbs> {
        let mut values = vec![[0; 4], [1, 0, 0, 0], [u64::MAX, u64::MAX, u64::MAX, 0]];
        for below in 1..4 {
            let mut value = modulus;
            value[0] -= below;
            values.push(value);
        }
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..60 {
            let mut value = [0; 4];
            for limb in &mut value {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *limb = state;
            }
            value[3] %= modulus[3];
            values.push(value);
        }
        values
    }

    macro_rules! arithmetic_is_arkworks {
        ($name:ident, $field:ident, $ark:ident) => {
            #[test]
            fn $name() {
                let values = values($ark::MODULUS.0);
                let ours: Vec<$field> = values
                    .iter()
                    .map(|v| Fp::new_unchecked(BigInt(*v)))
                    .collect();
                let arks: Vec<$ark> = values
                    .iter()
                    .map(|v| Fp::new_unchecked(BigInt(*v)))
                    .collect();
                for (a, ark_a) in ours.iter().zip(&arks) {
                    assert_eq!(a.square().0, ark_a.square().0);
                    assert_eq!(a.into_bigint(), ark_a.into_bigint());
                    assert_eq!(a.inverse().map(|x| x.0), ark_a.inverse().map(|x| x.0));
                    assert_eq!(a.double().0, ark_a.double().0);
                    assert_eq!((-*a).0, (-*ark_a).0);
                    for (b, ark_b) in ours.iter().zip(&arks) {
                        assert_eq!((*a * b).0, (*ark_a * ark_b).0);
                        assert_eq!((*a + b).0, (*ark_a + ark_b).0);
                        assert_eq!((*a - b).0, (*ark_a - ark_b).0);
                        let sum = $field::sum_of_products(&[*a, *b, *a, *b, *b, *a], &[*b; 6]);
                        let ark = $ark::sum_of_products(
                            &[*ark_a, *ark_b, *ark_a, *ark_b, *ark_b, *ark_a],
                            &[*ark_b; 6],
                        );
                        assert_eq!(sum.0, ark.0);
                    }
                }
            }
        };
    }
    arithmetic_is_arkworks!(base_field_is_arkworks, Fq, ArkFq);
    arithmetic_is_arkworks!(scalar_field_is_arkworks, Fr, ArkFr);

    #[test]
    fn pairing_is_arkworks() {
        let (a, b) = (Fr::from(123_456_789u64), Fr::from(987_654_321u64));
        let p = (G1Affine::generator() * a).into_affine();
        let q = (G2Affine::generator() * b).into_affine();
        let ark_p = (ark_bn254::G1Affine::generator() * ArkFr::from(123_456_789u64)).into_affine();
        let ark_q = (ark_bn254::G2Affine::generator() * ArkFr::from(987_654_321u64)).into_affine();
        assert_eq!((p.x.0, p.y.0), (ark_p.x.0, ark_p.y.0));
        assert_eq!(q.x, fq2(ark_q.x));
        assert_eq!(q.y, fq2(ark_q.y));
        let limbs = |x: Fp6<Fq6Config>| [x.c0, x.c1, x.c2].map(|y| (y.c0.0, y.c1.0));
        let ark_limbs = |x: ark_bn254::Fq6| [x.c0, x.c1, x.c2].map(|y| (y.c0.0, y.c1.0));
        let value = Bn254::pairing(p, q).0;
        let ark = ArkBn254::pairing(ark_p, ark_q).0;
        assert_eq!(limbs(value.c0), ark_limbs(ark.c0));
        assert_eq!(limbs(value.c1), ark_limbs(ark.c1));
    }

    #[test]
    fn points_outside_the_subgroup_are_told() {
        assert!(G2Affine::generator().is_in_correct_subgroup_assuming_on_curve());
        let mut outside = 0;
        for i in 1..20u64 {
            let x = Fq2::new(Fq::from(i), Fq::ONE);
            let Some(point) = G2Affine::get_point_from_x_unchecked(x, false) else {
                continue;
            };
            outside += 1;
            assert!(point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve());
        }
        assert!(outside > 5);
    }
}
