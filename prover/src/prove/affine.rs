//! Affine points, many at a time: `(x, y)`, the identity as `(0, 0)`.
//!
//! An affine addition or doubling is the cheapest there is but for its division. Divisions of many share one
//! inversion (Montgomery 1987): three multiplications each.
//!
//! Variable time, as [`super::msm`].

use ff::Field;
use halo2curves::bn256::{Fq, G1Affine};

/// Doubles points; the curve's order is odd, so only the identity has `y = 0`, and it stays.
pub(super) fn double_each(points: &mut [G1Affine], scratch: &mut Vec<Fq>) {
    let divisor = |p: &G1Affine| match p.y == Fq::ZERO {
        true => Fq::ONE,
        false => p.y.double(),
    };
    scratch.clear();
    let mut product = Fq::ONE;
    for p in &*points {
        scratch.push(product);
        product *= divisor(p);
    }
    let mut inverse = product.invert().expect("divisors are not zero");
    for (p, before) in points.iter_mut().zip(&*scratch).rev() {
        let square = p.x.square();
        let slope = (square.double() + square) * inverse * before;
        inverse *= divisor(p);
        let x = slope.square() - p.x.double();
        p.y = slope * (p.x - x) - p.y;
        p.x = x;
    }
}

/// `sums_i <- sums_i + p` for each `(i, p)`; every index at most once.
pub(super) fn add_to(sums: &mut [G1Affine], summands: &[(usize, G1Affine)], scratch: &mut Vec<Fq>) {
    scratch.clear();
    let mut product = Fq::ONE;
    for (i, p) in summands {
        scratch.push(product);
        product *= denominator(&sums[*i], p);
    }
    let mut inverse = product.invert().expect("denominators are not zero");
    for ((i, p), before) in summands.iter().zip(&*scratch).rev() {
        let sum = &mut sums[*i];
        let divided = inverse * before;
        inverse *= denominator(sum, p);
        *sum = add(*sum, *p, divided);
    }
}

pub(super) fn is_identity(p: &G1Affine) -> bool {
    p.x == Fq::ZERO && p.y == Fq::ZERO
}

/// What the addition of two points divides by; one where it needs no division.
pub(super) fn denominator(p: &G1Affine, q: &G1Affine) -> Fq {
    if is_identity(p) || is_identity(q) {
        return Fq::ONE;
    }
    let d = q.x - p.x;
    if d != Fq::ZERO {
        d
    } else if p.y == q.y {
        p.y.double()
    } else {
        Fq::ONE
    }
}

/// `p + q`, given the inverse of [`denominator`].
pub(super) fn add(p: G1Affine, q: G1Affine, inverse: Fq) -> G1Affine {
    if is_identity(&p) {
        return q;
    }
    if is_identity(&q) {
        return p;
    }
    let slope = if p.x != q.x {
        (q.y - p.y) * inverse
    } else if p.y == q.y {
        let square = p.x.square();
        (square.double() + square) * inverse
    } else {
        return G1Affine::default();
    };
    let x = slope.square() - p.x - q.x;
    G1Affine {
        x,
        y: slope * (p.x - x) - p.y,
    }
}
