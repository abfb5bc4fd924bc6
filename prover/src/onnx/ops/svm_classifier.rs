//! SVMClassifier with support vectors: each pair of classes i < j votes by the sign of
//! `s_ij = sum_m c_m k(x, v_m) + rho_ij`; the class of most votes wins, the first of equals. Scores are the s_ij (of two
//! classes -s and s, as onnxruntime gives them), or with prob_a and prob_b the probabilities coupled from `r_ij = 1 - sigmoid(a s_ij + b)`.
//!
//! The coupling is the iteration that onnxruntime runs: p from 1/k on, one class after the other, until
//! `max |Q p - p Q p| < 0.005 / k`; here [`ITERATIONS`] rounds at most, each kept only if the one before had not
//! converged. Source: ai.onnx.ml 1, and onnxruntime where the text is silent; Wu, Lin and Weng, "Probability estimates
//! for multi-class classification by pairwise coupling", 2004, algorithm 2.

use super::super::error::OpError;
use super::super::float::{
    Affine, Arithmetic, AxisView, Combination, FloatOp, Pointwise, Reduction, Relation, Threshold,
};
use super::super::graph::{Kind, ValueId};
use super::super::import::{Builder, NodeView, Operand};
use super::broadcast::arithmetic;
use super::linear_classifier::labels;
use super::linear_map::{combined, scaled};
use super::reduction::reduce;
use super::svm::{features, kernels, layer};

/// Rounds of the coupling; real rows need one to three.
const ITERATIONS: usize = 8;

pub(super) fn import(b: &mut Builder, node: &NodeView<'_>) -> Result<Vec<Operand>, OpError> {
    let kind = labels(node)?;
    let Kind::Label { labels: names, .. } = &kind else {
        return Err(OpError::invalid("no labels"));
    };
    let classes = names.len();
    let refuse = |what: &str, nearest: &str| Err(OpError::unsupported(what, nearest));
    if node.text("post_transform")?.unwrap_or("NONE") != "NONE" {
        return refuse("a post_transform", "post_transform NONE");
    }
    let per_class = node.ints("vectors_per_class").unwrap_or_default();
    if per_class.is_empty() {
        return refuse("a classifier without support vectors", "LinearClassifier");
    }
    let (a, c) = (node.floats("prob_a"), node.floats("prob_b"));
    let platt = match (a.filter(|v| !v.is_empty()), c.filter(|v| !v.is_empty())) {
        (Some(a), Some(c)) => Some((a, c)),
        (None, None) => None,
        _ => return Err(OpError::invalid("prob_a without prob_b")),
    };
    let pairs: Vec<(usize, usize)> = (0..classes)
        .flat_map(|i| (i + 1..classes).map(move |j| (i, j)))
        .collect();
    // 1. Scores of the pairs.
    let (x, width) = features(b, node)?;
    let rows = b.value(x).shape[0];
    let vectors = node.floats("support_vectors").unwrap_or_default();
    let count = vectors.len() / width;
    let coefficients = node.floats("coefficients").unwrap_or_default();
    let rho = node.floats("rho").unwrap_or_default();
    let ends: Vec<usize> = per_class
        .iter()
        .scan(0usize, |end, &n| {
            *end = end.saturating_add(usize::try_from(n).unwrap_or(usize::MAX));
            Some(*end)
        })
        .collect();
    let fits = ends.len() == classes
        && ends.last() == Some(&count)
        && classes > 1
        && coefficients.len() == (classes - 1) * count
        && rho.len() == pairs.len();
    if !fits {
        return Err(OpError::invalid(
            "vectors, coefficients and classes do not fit",
        ));
    }
    let class_of = |m: usize| ends.partition_point(|&end| end <= m);
    b.count(pairs.len() * count)?;
    let weights = pairs
        .iter()
        .flat_map(|&(i, j)| (0..count).map(move |m| (i, j, m)))
        .map(|(i, j, m)| match class_of(m) {
            c if c == i => coefficients[(j - 1) * count + m],
            c if c == j => coefficients[i * count + m],
            _ => 0.0,
        })
        .collect();
    let kernels = kernels(b, node, x, &vectors)?.activation()?;
    let scores = layer(b, kernels, weights, rho)?;
    // 2. Votes.
    let row_axis = b.row_axis(&scores);
    let bits = FloatOp::Threshold(Threshold {
        relation: Relation::Greater,
        thresholds: vec![0.0],
    });
    let shape = vec![rows, pairs.len()];
    let first_wins = b.push(
        bits,
        &[scores.activation()?],
        shape,
        row_axis,
        Kind::Boolean,
    )?;
    let mut votes = Combination::default();
    for row in 0..rows {
        for class in 0..classes {
            let of = pairs.iter().enumerate().filter_map(|(p, &(i, j))| {
                let sign = f64::from(i8::from(class == i) - i8::from(class == j));
                (sign != 0.0).then_some((row * pairs.len() + p, sign))
            });
            votes.row(of);
        }
    }
    let votes = combined(b, &first_wins, votes, vec![rows, classes], row_axis)?.activation()?;
    // A lost comparison with an earlier class is none; each later class starts with as many votes.
    let starts: Vec<f64> = (0..rows * classes).map(|i| (i % classes) as f64).collect();
    let starts = b.public(&starts, vec![rows, classes], votes, row_axis, Kind::Integer)?;
    let votes = arithmetic(b, Arithmetic::Add, &Operand::Activation(votes), &starts)?;
    let axis = AxisView {
        outer: rows,
        len: classes,
        inner: 1,
    };
    let most = FloatOp::ArgMax { axis, last: false };
    let winner = b.push(
        most,
        &[votes.activation()?],
        vec![rows],
        row_axis,
        Kind::Index,
    )?;
    let label = b.relabelled(&winner, kind)?;
    // 3. Scores or probabilities.
    let Some((a, c)) = platt else {
        if classes > 2 {
            return Ok(vec![label, scores]);
        }
        let mut both = Combination::default();
        for row in 0..rows {
            both.row([(row, -1.0)]);
            both.row([(row, 1.0)]);
        }
        let both = combined(b, &scores, both, vec![rows, 2], row_axis)?;
        return Ok(vec![label, both]);
    };
    if rows != 1 || a.len() != pairs.len() || c.len() != pairs.len() {
        return Err(OpError::invalid("prob_a and prob_b need one number a pair"));
    }
    let inner = platt_layer(b, scores.activation()?, &a, &c)?;
    let p = logistic(b, &inner)?;
    let probabilities = coupled(b, p.activation()?, &pairs, classes)?;
    Ok(vec![
        label,
        b.reshaped(&probabilities, vec![1, classes], row_axis)?,
    ])
}

/// `-(a s + b)`, so that its sigmoid is `1 - sigmoid(a s + b)`.
fn platt_layer(b: &mut Builder, s: ValueId, a: &[f64], c: &[f64]) -> Result<Operand, OpError> {
    let op = FloatOp::Affine(Affine {
        inner: 1,
        period: a.len(),
        scale: Some(a.iter().map(|v| -v).collect()),
        offset: Some(c.iter().map(|v| -v).collect()),
    });
    b.map(op, &Operand::Activation(s))
}

/// `1 / (1 + e^-z)`, finer than the table of it: with `e = e^-|z|`, `1 / (1 + e)` for z from 0 on, else `1 - 1 / (1 + e)`.
fn logistic(b: &mut Builder, z: &Operand) -> Result<Operand, OpError> {
    let id = z.activation()?;
    let (shape, row) = (b.value(id).shape.clone(), b.value(id).row_axis);
    let size = b.map(FloatOp::Pointwise(Pointwise::Abs), z)?;
    let size = scaled(b, &size, -1.0, 0.0)?;
    let e = b.map(FloatOp::Pointwise(Pointwise::Decay), &size)?;
    let more = scaled(b, &e, 1.0, 1.0)?;
    let upper = b.map(FloatOp::Pointwise(Pointwise::Reciprocal), &more)?;
    let lower = scaled(b, &upper, -1.0, 1.0)?;
    let sign = FloatOp::Threshold(Threshold {
        relation: Relation::GreaterOrEqual,
        thresholds: vec![0.0],
    });
    let sign = b.push(sign, &[id], shape.clone(), row, Kind::Boolean)?;
    let ids = [sign.activation()?, upper.activation()?, lower.activation()?];
    b.push(FloatOp::Select, &ids, shape, row, Kind::Number)
}

/// Numbers side by side, and what the iteration does with them.
struct Numbers<'a> {
    b: &'a mut Builder,
}

impl Numbers<'_> {
    fn pick(&mut self, x: &Operand, at: &[usize]) -> Result<Operand, OpError> {
        let indices = at.iter().map(|&i| i as u32).collect();
        let shape = vec![at.len()];
        self.b
            .movement(std::slice::from_ref(x), indices, shape, None)
    }

    fn of(&mut self, op: Arithmetic, l: &Operand, r: &Operand) -> Result<Operand, OpError> {
        arithmetic(self.b, op, l, r)
    }

    fn sum(&mut self, x: &Operand) -> Result<Operand, OpError> {
        reduce(self.b, Reduction::Sum, x, &[true], true)
    }
}

/// The probabilities of k classes from those of pairs, flat.
fn coupled(
    b: &mut Builder,
    pairs_p: ValueId,
    pairs: &[(usize, usize)],
    k: usize,
) -> Result<Operand, OpError> {
    use Arithmetic::{Add, Div, Mul, Sub};
    let bounds = Pointwise::Clip {
        lo: Some(1e-7),
        hi: Some(1.0 - 1e-7),
    };
    let p = Operand::Activation(pairs_p);
    let p = b.reshaped(&p, vec![pairs.len()], None)?;
    let p = b.map(FloatOp::Pointwise(bounds), &p)?;
    let complement = scaled(b, &p, -1.0, 1.0)?;
    let mut n = Numbers { b };
    // r_ij at position i k + j.
    let number = |i: usize, j: usize| pairs.iter().position(|&q| q == (i, j));
    let mut at = Vec::with_capacity(k * k);
    for i in 0..k {
        for j in 0..k {
            at.push(match (number(i, j), number(j, i)) {
                (Some(p), _) => p as u32,
                (None, Some(p)) => (pairs.len() + p) as u32,
                (None, None) => 0,
            });
        }
    }
    let r = n.b.movement(&[p, complement], at, vec![k * k], None)?;
    // Q_tj = -r_jt r_tj, Q_tt = sum_(j != t) r_jt^2.
    let swapped: Vec<usize> = (0..k * k).map(|i| i % k * k + i / k).collect();
    let turned = n.pick(&r, &swapped)?;
    let products = n.of(Mul, &r, &turned)?;
    let negated = scaled(n.b, &products, -1.0, 0.0)?;
    let squares = n.b.map(FloatOp::Pointwise(Pointwise::Square), &turned)?;
    let mut sums = Combination::default();
    for t in 0..k {
        sums.row((0..k).filter(|&j| j != t).map(|j| (t * k + j, 1.0)));
    }
    let diagonal = combined(n.b, &squares, sums, vec![k], None)?;
    let at: Vec<u32> = (0..k * k)
        .map(|i| if i / k == i % k { k * k + i / k } else { i } as u32)
        .collect();
    let q =
        n.b.movement(&[negated, diagonal.clone()], at, vec![k * k], None)?;

    let even = vec![1.0 / k as f64; k];
    let mut p = n.b.public(&even, vec![k], pairs_p, None, Kind::Number)?;
    let mut running: Option<Operand> = None;
    for _ in 0..ITERATIONS {
        // 1. Q p, p Q p, and whether the error is below the bound.
        let repeated: Vec<usize> = (0..k * k).map(|i| i % k).collect();
        let spread = n.pick(&p, &repeated)?;
        let products = n.of(Mul, &q, &spread)?;
        let rows = n.b.reshaped(&products, vec![k, k], None)?;
        let mut qp = reduce(n.b, Reduction::Sum, &rows, &[false, true], false)?;
        let products = n.of(Mul, &p, &qp)?;
        let mut pqp = n.sum(&products)?;
        let spread = n.pick(&pqp, &vec![0; k])?;
        let off = n.of(Sub, &qp, &spread)?;
        let off = n.b.map(FloatOp::Pointwise(Pointwise::Abs), &off)?;
        let worst = reduce(n.b, Reduction::Max, &off, &[true], true)?;
        let bound = FloatOp::Threshold(Threshold {
            relation: Relation::GreaterOrEqual,
            thresholds: vec![0.005 / k as f64],
        });
        let goes_on =
            n.b.push(bound, &[worst.activation()?], vec![1], None, Kind::Boolean)?;
        let goes_on = match &running {
            None => goes_on,
            Some(before) => {
                let ids = [before.activation()?, goes_on.activation()?];
                let and = FloatOp::Arithmetic(Arithmetic::And);
                n.b.push(and, &ids, vec![1], None, Kind::Boolean)?
            }
        };
        // 2. One class after the other.
        let mut next = p.clone();
        for t in 0..k {
            let (qp_t, q_tt) = (n.pick(&qp, &[t])?, n.pick(&diagonal, &[t])?);
            let rise = n.of(Sub, &pqp, &qp_t)?;
            let d = n.of(Div, &rise, &q_tt)?;
            let grown = scaled(n.b, &d, 1.0, 1.0)?;
            // (pqp + d (d Q_tt + 2 Qp_t)) / (1 + d)^2
            let step = n.of(Mul, &d, &q_tt)?;
            let twice = scaled(n.b, &qp_t, 2.0, 0.0)?;
            let step = n.of(Add, &step, &twice)?;
            let step = n.of(Mul, &d, &step)?;
            let raised = n.of(Add, &pqp, &step)?;
            let once = n.of(Div, &raised, &grown)?;
            pqp = n.of(Div, &once, &grown)?;
            // (Qp_j + d Q_tj) / (1 + d), and p with d added to its element t, over 1 + d.
            let all = vec![0; k];
            let (d_all, grown_all) = (n.pick(&d, &all)?, n.pick(&grown, &all)?);
            let row: Vec<usize> = (0..k).map(|j| t * k + j).collect();
            let row = n.pick(&q, &row)?;
            let added = n.of(Mul, &d_all, &row)?;
            let added = n.of(Add, &qp, &added)?;
            qp = n.of(Div, &added, &grown_all)?;
            let mine = n.pick(&next, &[t])?;
            let mine = n.of(Add, &mine, &d)?;
            let at = (0..k).map(|j| if j == t { k } else { j } as u32).collect();
            let moved = n.b.movement(&[next, mine], at, vec![k], None)?;
            next = n.of(Div, &moved, &grown_all)?;
        }
        // 3. Kept where the iteration goes on.
        let chooses = n.pick(&goes_on, &vec![0; k])?;
        let ids = [chooses.activation()?, next.activation()?, p.activation()?];
        p =
            n.b.push(FloatOp::Select, &ids, vec![k], None, Kind::Number)?;
        running = Some(goes_on);
    }
    Ok(p)
}
