//! The kernel. A coordinate is five limbs of 52 bits, below 2p where it is a product and below p where it is stored.
//!
//! Montgomery multiplication keeps the base 2^256 of the stored form: four steps of 52 bits and one of 48. With a, b < 2p
//! the product is below `4 p^2 / 2^256 + p < 2p`, since p < 2^254; so nothing is compared or subtracted there.

use core::arch::x86_64::*;

use super::{Point, MODULUS as P};

/// Limbs of 52 bits.
type Lanes = [__m512i; 5];

/// `-p^-1` modulo 2^52.
const NEGATIVE_INVERSE: u64 = 0x87d2_0782_e486_6389 & MASK;
const MASK: u64 = (1 << 52) - 1;
/// Vectors of additions that share one inversion.
const GROUPS: usize = 512;
/// Running products that do not wait for one another.
const CHAINS: usize = 2;

const fn limbs(x: [u64; 4]) -> [u64; 5] {
    [
        x[0] & MASK,
        (x[0] >> 52 | x[1] << 12) & MASK,
        (x[1] >> 40 | x[2] << 24) & MASK,
        (x[2] >> 28 | x[3] << 36) & MASK,
        x[3] >> 16,
    ]
}

const P52: [u64; 5] = limbs(P);
const TWO_P52: [u64; 5] = limbs([
    P[0] << 1,
    P[1] << 1 | P[0] >> 63,
    P[2] << 1 | P[1] >> 63,
    P[3] << 1 | P[2] >> 63,
]);

/// One 64-bit limb of eight coordinates, four of them.
type Stored = [__m512i; 4];

/// See the crate's function of this name.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_neighbours(
    points: &mut [Point],
    firsts: &[u32],
    invert: &dyn Fn([u64; 4]) -> [u64; 4],
    slow: &dyn Fn(&Point, &Point) -> Point,
) {
    let mut before = Vec::with_capacity(GROUPS.min(firsts.len().div_ceil(8)));
    let mut exceptions: Vec<(usize, Point)> = vec![];
    for firsts in firsts.chunks(8 * GROUPS) {
        // 1. The product of the divisors before each group; any first factor but zero cancels out.
        before.clear();
        let mut products = [spread([1, 0, 0, 0, 0]); CHAINS];
        for (g, group) in firsts.chunks(8).enumerate() {
            let (p, q) = operands(points, group);
            let (divisor, ordinary) = divisor(&p, &q);
            if ordinary != 0xff {
                for (lane, first) in group.iter().enumerate() {
                    if ordinary >> lane & 1 == 0 {
                        let at = *first as usize;
                        exceptions.push((at, slow(&points[at], &points[at + 1])));
                    }
                }
            }
            let product = &mut products[g % CHAINS];
            before.push(*product);
            *product = multiply(product, &divisor);
        }
        // 2. One inversion for all.
        let mut inverses = inverted(&products, invert);
        // 3. The additions, from the last.
        for (g, group) in firsts.chunks(8).enumerate().rev() {
            let (p, q) = operands(points, group);
            let (divisor, ordinary) = divisor(&p, &q);
            let inverse = &mut inverses[g % CHAINS];
            let divided = multiply(inverse, &before[g]);
            *inverse = multiply(inverse, &divisor);
            let (px, py) = (wide(&p.0), wide(&p.1));
            let (qx, qy) = (wide(&q.0), wide(&q.1));
            let slope = multiply(&difference(&qy, &py), &divided);
            let square = multiply(&slope, &slope);
            let x = minus(&minus(&square, &px), &qx);
            let x = reduced(&carried(plus(&x, &TWO_P52)));
            let y = multiply(&slope, &difference(&px, &x));
            let y = reduced(&difference(&y, &py));
            let sums = points_of(&narrow(&x), &narrow(&y));
            for (lane, first) in group.iter().enumerate() {
                if ordinary >> lane & 1 == 1 {
                    points[*first as usize] = store(sums[lane]);
                }
            }
        }
        for (at, sum) in exceptions.drain(..) {
            points[at] = sum;
        }
    }
}

/// The points at these indices and those behind them; identities where there are fewer than eight.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn operands(points: &[Point], group: &[u32]) -> ((Stored, Stored), (Stored, Stored)) {
    let mut p = [_mm512_setzero_si512(); 8];
    let mut q = p;
    for (lane, first) in group.iter().enumerate() {
        let pair = &points[*first as usize..*first as usize + 2];
        p[lane] = load(pair[0]);
        q[lane] = load(pair[1]);
    }
    (coordinates(&p), coordinates(&q))
}

/// `q.x - p.x`, and the lanes where it is what an addition divides by; 1 in the others.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn divisor(p: &(Stored, Stored), q: &(Stored, Stored)) -> (Lanes, __mmask8) {
    let mut distinct = 0;
    let (mut p_any, mut q_any) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for limb in 0..4 {
        distinct |= _mm512_cmpneq_epi64_mask(p.0[limb], q.0[limb]);
        p_any = _mm512_or_si512(p_any, _mm512_or_si512(p.0[limb], p.1[limb]));
        q_any = _mm512_or_si512(q_any, _mm512_or_si512(q.0[limb], q.1[limb]));
    }
    let points = _mm512_test_epi64_mask(p_any, p_any) & _mm512_test_epi64_mask(q_any, q_any);
    let ordinary = distinct & points;
    let mut divisor = difference(&wide(&q.0), &wide(&p.0));
    for (limb, one) in divisor.iter_mut().zip([1, 0, 0, 0, 0]) {
        *limb = _mm512_mask_mov_epi64(_mm512_set1_epi64(one), ordinary, *limb);
    }
    (divisor, ordinary)
}

/// The inverses of the products, lane by lane, with one inversion.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn inverted(products: &[Lanes; CHAINS], invert: &dyn Fn([u64; 4]) -> [u64; 4]) -> [Lanes; CHAINS] {
    let one = multiply(&products[0], &products[1]);
    // Products of two, four, eight lanes; each lane's cofactor is the product of what it met.
    let met_one = swapped::<4>(&one);
    let two = multiply(&one, &met_one);
    let met_two = swapped::<2>(&two);
    let four = multiply(&two, &met_two);
    let met_four = swapped::<1>(&four);
    let all = narrow(&reduced(&multiply(&four, &met_four)));
    let cofactor = multiply(&multiply(&met_one, &met_two), &met_four);
    let mut total = [0; 4];
    for (limb, lanes) in total.iter_mut().zip(all) {
        *limb = store(lanes)[0];
    }
    let inverse = multiply(&spread(limbs(invert(total))), &cofactor);
    [
        multiply(&inverse, &products[1]),
        multiply(&inverse, &products[0]),
    ]
}

/// Lane i gets lane i ^ BY.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn swapped<const BY: usize>(a: &Lanes) -> Lanes {
    let mut out = *a;
    for limb in &mut out {
        *limb = match BY {
            4 => _mm512_shuffle_i64x2::<0b01_00_11_10>(*limb, *limb),
            2 => _mm512_shuffle_i64x2::<0b10_11_00_01>(*limb, *limb),
            _ => _mm512_permutex_epi64::<0b10_11_00_01>(*limb),
        };
    }
    out
}

/// `a b / 2^256` modulo p, below 2p; a and b below 2p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply(a: &Lanes, b: &Lanes) -> Lanes {
    let zero = _mm512_setzero_si512();
    let mask = _mm512_set1_epi64(MASK.cast_signed());
    let inverse = _mm512_set1_epi64(NEGATIVE_INVERSE.cast_signed());
    let p = spread(P52);
    // 1. The product, upper halves apart so that the sums wait less for one another.
    let (mut t, mut high) = ([zero; 10], [zero; 10]);
    for i in 0..5 {
        for j in 0..5 {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], b[j]);
            high[i + j + 1] = _mm512_madd52hi_epu64(high[i + j + 1], a[i], b[j]);
        }
    }
    for k in 1..10 {
        t[k] = _mm512_add_epi64(t[k], high[k]);
    }
    // 2. 208 bits cleared, then 48.
    for i in 0..5 {
        let mut q = _mm512_madd52lo_epu64(zero, t[i], inverse);
        if i == 4 {
            q = _mm512_and_si512(q, _mm512_set1_epi64((1 << 48) - 1));
        }
        for j in 0..5 {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], q, p[j]);
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], q, p[j]);
        }
        if i < 4 {
            t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64::<52>(t[i]));
        }
    }
    for k in 4..9 {
        t[k + 1] = _mm512_add_epi64(t[k + 1], _mm512_srli_epi64::<52>(t[k]));
        t[k] = _mm512_and_si512(t[k], mask);
    }
    // 3. What is above bit 256.
    let mut out = [zero; 5];
    for i in 0..5 {
        let upper = _mm512_and_si512(_mm512_slli_epi64::<4>(t[i + 5]), mask);
        out[i] = _mm512_or_si512(_mm512_srli_epi64::<48>(t[i + 4]), upper);
    }
    out
}

/// `a - b + p`, for b below p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn difference(a: &Lanes, b: &Lanes) -> Lanes {
    carried(plus(&minus(a, b), &P52))
}

/// Limb by limb; limbs may be negative then.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn minus(a: &Lanes, b: &Lanes) -> Lanes {
    let mut out = *a;
    for (a, b) in out.iter_mut().zip(b) {
        *a = _mm512_sub_epi64(*a, *b);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn plus(a: &Lanes, b: &[u64; 5]) -> Lanes {
    let mut out = *a;
    for (a, b) in out.iter_mut().zip(b) {
        *a = _mm512_add_epi64(*a, _mm512_set1_epi64(b.cast_signed()));
    }
    out
}

/// Limbs of 52 bits again; the top one keeps the sign.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carried(mut a: Lanes) -> Lanes {
    for i in 0..4 {
        a[i + 1] = _mm512_add_epi64(a[i + 1], _mm512_srai_epi64::<52>(a[i]));
        a[i] = _mm512_and_si512(a[i], _mm512_set1_epi64(MASK.cast_signed()));
    }
    a
}

/// The number below p, of one below 4p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduced(a: &Lanes) -> Lanes {
    let mut out = *a;
    for modulus in [TWO_P52, P52] {
        let less = carried(minus(&out, &spread(modulus)));
        let below = _mm512_cmplt_epi64_mask(less[4], _mm512_setzero_si512());
        for (out, less) in out.iter_mut().zip(less) {
            *out = _mm512_mask_mov_epi64(less, below, *out);
        }
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn spread(x: [u64; 5]) -> Lanes {
    let mut out = [_mm512_setzero_si512(); 5];
    for (out, limb) in out.iter_mut().zip(x) {
        *out = _mm512_set1_epi64(limb.cast_signed());
    }
    out
}

/// From four limbs to five.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn wide(a: &Stored) -> Lanes {
    let mask = _mm512_set1_epi64(MASK.cast_signed());
    [
        _mm512_and_si512(a[0], mask),
        _mm512_and_si512(
            _mm512_or_si512(_mm512_srli_epi64::<52>(a[0]), _mm512_slli_epi64::<12>(a[1])),
            mask,
        ),
        _mm512_and_si512(
            _mm512_or_si512(_mm512_srli_epi64::<40>(a[1]), _mm512_slli_epi64::<24>(a[2])),
            mask,
        ),
        _mm512_and_si512(
            _mm512_or_si512(_mm512_srli_epi64::<28>(a[2]), _mm512_slli_epi64::<36>(a[3])),
            mask,
        ),
        _mm512_srli_epi64::<16>(a[3]),
    ]
}

/// From five limbs to four.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn narrow(a: &Lanes) -> Stored {
    [
        _mm512_or_si512(a[0], _mm512_slli_epi64::<52>(a[1])),
        _mm512_or_si512(_mm512_srli_epi64::<12>(a[1]), _mm512_slli_epi64::<40>(a[2])),
        _mm512_or_si512(_mm512_srli_epi64::<24>(a[2]), _mm512_slli_epi64::<28>(a[3])),
        _mm512_or_si512(_mm512_srli_epi64::<36>(a[3]), _mm512_slli_epi64::<16>(a[4])),
    ]
}

/// From eight points to the limbs of their coordinates.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn coordinates(points: &[__m512i; 8]) -> (Stored, Stored) {
    let [a, b, c, d, e, f, g, h] = transposed(points);
    ([a, b, c, d], [e, f, g, h])
}

/// The other way.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn points_of(x: &Stored, y: &Stored) -> [__m512i; 8] {
    transposed(&[x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]])
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn transposed(rows: &[__m512i; 8]) -> [__m512i; 8] {
    let mut out = *rows;
    for odd in 0..2 {
        // Columns odd, odd + 2, .. in pieces of two rows, then the pieces put together.
        let mut pieces = [rows[0]; 4];
        for (i, piece) in pieces.iter_mut().enumerate() {
            let (a, b) = (rows[2 * i], rows[2 * i + 1]);
            *piece = match odd {
                0 => _mm512_unpacklo_epi64(a, b),
                _ => _mm512_unpackhi_epi64(a, b),
            };
        }
        let even_low = _mm512_shuffle_i64x2::<0x88>(pieces[0], pieces[1]);
        let odd_low = _mm512_shuffle_i64x2::<0xdd>(pieces[0], pieces[1]);
        let even_high = _mm512_shuffle_i64x2::<0x88>(pieces[2], pieces[3]);
        let odd_high = _mm512_shuffle_i64x2::<0xdd>(pieces[2], pieces[3]);
        out[odd] = _mm512_shuffle_i64x2::<0x88>(even_low, even_high);
        out[odd + 2] = _mm512_shuffle_i64x2::<0x88>(odd_low, odd_high);
        out[odd + 4] = _mm512_shuffle_i64x2::<0xdd>(even_low, even_high);
        out[odd + 6] = _mm512_shuffle_i64x2::<0xdd>(odd_low, odd_high);
    }
    out
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn load(point: Point) -> __m512i {
    // SAFETY: both are 64 bytes, and every pattern of them is a value of both.
    #[allow(unsafe_code)]
    unsafe {
        core::mem::transmute(point)
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn store(point: __m512i) -> Point {
    // SAFETY: as in `load`.
    #[allow(unsafe_code)]
    unsafe {
        core::mem::transmute(point)
    }
}
