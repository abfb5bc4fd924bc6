//! Montgomery multiplication of 254-bit numbers in nine limbs of 29 bits.
//!
//! 1. Claim: [`Modulus::product`] is `sum_i a_i b_i 2^-256 mod p`, below p, for up to five pairs of
//!    numbers below p; so is [`Modulus::square`].
//! 2. Method: a product of two limbs has 58 bits, so a 64-bit word sums 63 of them without a carry;
//!    a column holds at most 45 of the factors' and 9 of the reduction's. Eight rounds clear 29 bits
//!    each and one clears 24, so that R stays 2^256 and constants are arkworks'. The sum is below
//!    `5 p^2 + 2^256 p < 2^256 2 p`: one subtraction at the end.
//! 3. Assumed: `p < 2^254`.
//! 4. Source: Montgomery 1985; limbs below the word's half as in Gueron and Krasnov 2012.

/// Four 64-bit limbs, least significant first.
pub(super) type Limbs = [u64; 4];

/// A prime below 2^254, and the arithmetic modulo it.
pub(super) trait Modulus {
    /// The prime.
    const P: Limbs;
    /// The prime in limbs of 29 bits.
    const P29: [u64; 9] = split(&Self::P);
    /// `-p^-1` modulo 2^29.
    const NEGATED_INVERSE: u64 = negated_inverse(Self::P[0]) & MASK;

    /// `sum_i a_i b_i 2^-256`, for up to five pairs.
    #[inline(always)]
    fn product<'a>(pairs: impl IntoIterator<Item = (&'a Limbs, &'a Limbs)>) -> Limbs {
        let mut columns = [0; COLUMNS];
        for (a, b) in pairs {
            add_product(&mut columns, &split(a), &split(b));
        }
        Self::reduce(columns)
    }

    /// `a^2 2^-256`.
    #[inline(always)]
    fn square(a: &Limbs) -> Limbs {
        let mut columns = [0; COLUMNS];
        add_square(&mut columns, &split(a));
        Self::reduce(columns)
    }

    /// The columns' sum times 2^-256, below p.
    #[inline(always)]
    fn reduce(mut t: [u64; COLUMNS]) -> Limbs {
        let p = Self::P29;
        // 1. Add multiples of p until the low 8 * 29 + 24 bits are zero.
        macro_rules! clear {
            ($($i:literal)*) => {$(
                let q = t[$i].wrapping_mul(Self::NEGATED_INVERSE) & MASK;
                row!(t, $i, q, p);
                t[$i + 1] += t[$i] >> LIMB_BITS;
            )*};
        }
        clear!(0 1 2 3 4 5 6 7);
        let q = t[8].wrapping_mul(Self::NEGATED_INVERSE) & LAST_MASK;
        row!(t, 8, q, p);
        // 2. Carry, and put the limbs of 29 bits together again.
        macro_rules! carry {
            ($($i:literal)*) => {$(
                t[$i + 1] += t[$i] >> LIMB_BITS;
                t[$i] &= MASK;
            )*};
        }
        carry!(8 9 10 11 12 13 14 15);
        let sum = [
            t[8] >> 24 | t[9] << 5 | t[10] << 34 | t[11] << 63,
            t[11] >> 1 | t[12] << 28 | t[13] << 57,
            t[13] >> 7 | t[14] << 22 | t[15] << 51,
            t[15] >> 13 | t[16] << 16,
        ];
        Self::below(sum)
    }

    /// `a + b`.
    #[inline(always)]
    fn sum(a: &Limbs, b: &Limbs) -> Limbs {
        Self::below(add(a, b))
    }

    /// `a - b`.
    #[inline(always)]
    fn difference(a: &Limbs, b: &Limbs) -> Limbs {
        let (difference, negative) = subtract(a, b);
        add(&difference, &select(negative, &Self::P, &[0; 4]))
    }

    /// A number below 2p: less p, once, if that is not negative.
    #[inline(always)]
    fn below(a: Limbs) -> Limbs {
        let (reduced, negative) = subtract(&a, &Self::P);
        select(negative, &a, &reduced)
    }
}

/// Adds `factor * b` from column `i` on. Written out: as loops, the columns would live in memory.
macro_rules! row {
    ($t:ident, $i:expr, $factor:expr, $b:ident) => {
        row!($t, $i, $factor, $b, 0 1 2 3 4 5 6 7 8)
    };
    ($t:ident, $i:expr, $factor:expr, $b:ident, $($j:literal)*) => {
        $($t[$i + $j] += $factor * $b[$j];)*
    };
}
use row;

#[inline(always)]
fn add_product(t: &mut [u64; COLUMNS], a: &[u64; 9], b: &[u64; 9]) {
    row!(t, 0, a[0], b);
    row!(t, 1, a[1], b);
    row!(t, 2, a[2], b);
    row!(t, 3, a[3], b);
    row!(t, 4, a[4], b);
    row!(t, 5, a[5], b);
    row!(t, 6, a[6], b);
    row!(t, 7, a[7], b);
    row!(t, 8, a[8], b);
}

/// Products of different limbs occur twice: added once, doubled, then the squares.
#[inline(always)]
fn add_square(t: &mut [u64; COLUMNS], a: &[u64; 9]) {
    row!(t, 0, a[0], a, 1 2 3 4 5 6 7 8);
    row!(t, 1, a[1], a, 2 3 4 5 6 7 8);
    row!(t, 2, a[2], a, 3 4 5 6 7 8);
    row!(t, 3, a[3], a, 4 5 6 7 8);
    row!(t, 4, a[4], a, 5 6 7 8);
    row!(t, 5, a[5], a, 6 7 8);
    row!(t, 6, a[6], a, 7 8);
    row!(t, 7, a[7], a, 8);
    macro_rules! double_and_square {
        ($($i:literal)*) => {$(
            t[2 * $i] = 2 * t[2 * $i] + a[$i] * a[$i];
            t[2 * $i + 1] *= 2;
        )*};
    }
    double_and_square!(0 1 2 3 4 5 6 7 8);
}

/// Nine limbs of 29 bits; of a number below 2^254 the last one has 22.
#[inline(always)]
const fn split(a: &Limbs) -> [u64; 9] {
    [
        a[0] & MASK,
        a[0] >> 29 & MASK,
        (a[0] >> 58 | a[1] << 6) & MASK,
        a[1] >> 23 & MASK,
        (a[1] >> 52 | a[2] << 12) & MASK,
        a[2] >> 17 & MASK,
        (a[2] >> 46 | a[3] << 18) & MASK,
        a[3] >> 11 & MASK,
        a[3] >> 40,
    ]
}

/// `a + b` modulo 2^256.
#[inline(always)]
fn add(a: &Limbs, b: &Limbs) -> Limbs {
    let (s0, carry) = a[0].overflowing_add(b[0]);
    let (s1, carry) = add_carry(a[1], b[1], carry);
    let (s2, carry) = add_carry(a[2], b[2], carry);
    let (s3, _) = add_carry(a[3], b[3], carry);
    [s0, s1, s2, s3]
}

#[inline(always)]
fn add_carry(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (partial, first) = a.overflowing_add(b);
    let (sum, second) = partial.overflowing_add(u64::from(carry));
    (sum, first | second)
}

/// `a - b` modulo 2^256, and whether it is negative.
#[inline(always)]
fn subtract(a: &Limbs, b: &Limbs) -> (Limbs, bool) {
    let (d0, borrow) = a[0].overflowing_sub(b[0]);
    let (d1, borrow) = subtract_borrow(a[1], b[1], borrow);
    let (d2, borrow) = subtract_borrow(a[2], b[2], borrow);
    let (d3, borrow) = subtract_borrow(a[3], b[3], borrow);
    ([d0, d1, d2, d3], borrow)
}

#[inline(always)]
fn subtract_borrow(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (partial, first) = a.overflowing_sub(b);
    let (difference, second) = partial.overflowing_sub(u64::from(borrow));
    (difference, first | second)
}

/// `a` if the condition holds, else `b`, limb by limb and without a branch.
#[inline(always)]
fn select(condition: bool, a: &Limbs, b: &Limbs) -> Limbs {
    let mask = u64::from(condition).wrapping_neg();
    [
        b[0] ^ (a[0] ^ b[0]) & mask,
        b[1] ^ (a[1] ^ b[1]) & mask,
        b[2] ^ (a[2] ^ b[2]) & mask,
        b[3] ^ (a[3] ^ b[3]) & mask,
    ]
}

/// `-x^-1` modulo 2^64 for odd x, by Newton's iteration.
const fn negated_inverse(x: u64) -> u64 {
    let mut inverse = 1u64;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(x.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg()
}

const LIMB_BITS: u32 = 29;
const MASK: u64 = (1 << LIMB_BITS) - 1;
/// Of the last round: 8 * 29 + 24 = 256.
const LAST_MASK: u64 = (1 << 24) - 1;
/// One more than products reach, for the doubled square.
const COLUMNS: usize = 18;
