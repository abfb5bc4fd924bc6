//! Rényi accounting of the Poisson-subsampled Gaussian.
//!
//! 1. Claim: [`epsilon`] bounds the loss of a composition of subsampled Gaussians, records added or removed.
//! 2. At order a: `D_a = log(A) / (a - 1)` per step, `A = E[(1 - q + q exp((2x - 1) / (2 z^2)))^a]` over
//!    `x ~ N(0, z^2)`; losses of steps add; `epsilon = D_a + log(1 - 1/a) - (log delta + log a) / (a - 1)`.
//! 3. Assumed: Poisson sampling with secret coins; for q = 1 none.
//! 4. Source: Mironov, Talwar, Zhang, "Rényi differential privacy of the sampled Gaussian mechanism",
//!    arXiv 1908.10530, section 3.3; the conversion: Canonne, Kamath, Steinke 2020, proposition 12.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use clearproof_shared::training::renyi::{log_add, log_moment};

use super::accountant::Mechanism;

/// The least bound over the orders, in nats.
pub fn epsilon(mechanisms: &[Mechanism], delta: f64) -> f64 {
    let bounds = orders().map(|order| {
        let spent = mechanisms
            .iter()
            .map(|m| f64::from(m.steps) * divergence(m.noise_multiplier, m.sampling_rate, order));
        let slack = (delta.ln() + order.ln()) / (order - 1.0);
        spent.sum::<f64>() + (-1.0 / order).ln_1p() - slack
    });
    bounds.fold(f64::INFINITY, f64::min).max(0.0)
}

/// Rényi divergence of one step at an order above 1.
pub fn divergence(noise_multiplier: f64, sampling_rate: f64, order: f64) -> f64 {
    let (z, q) = (noise_multiplier, sampling_rate);
    if q >= 1.0 {
        return order / (2.0 * z * z);
    }
    let log_a = match order.fract() == 0.0 && order < 2048.0 {
        true => log_moment(z, q, order as u32),
        false => log_a_fractional(z, q, order),
    };
    (log_a / (order - 1.0)).max(0.0)
}

/// log A at any order: the binomial series on both sides of the point where both densities are equal.
fn log_a_fractional(z: f64, q: f64, order: f64) -> f64 {
    let middle = z * z * (1.0 / q - 1.0).ln() + 0.5;
    let (mut below, mut above) = (
        (f64::NEG_INFINITY, f64::NEG_INFINITY),
        (f64::NEG_INFINITY, f64::NEG_INFINITY),
    );
    let (mut log_coefficient, mut positive) = (0.0f64, true);
    let mut i = 0.0;
    loop {
        let j = order - i;
        let tail = |x: f64| log_erfc(x * FRAC_1_SQRT_2 / z) - LN_2;
        let left = log_coefficient + i * q.ln() + j * (-q).ln_1p() + (i * i - i) / (2.0 * z * z);
        let left = left + tail(i - middle);
        let right = log_coefficient + j * q.ln() + i * (-q).ln_1p() + (j * j - j) / (2.0 * z * z);
        let right = right + tail(middle - j);
        let (to_left, to_right) = match positive {
            true => (&mut below.0, &mut above.0),
            false => (&mut below.1, &mut above.1),
        };
        *to_left = log_add(*to_left, left);
        *to_right = log_add(*to_right, right);
        if i > order && left.max(right) < SMALLEST_LOG_TERM {
            break;
        }
        // binom(a, i + 1) = binom(a, i) (a - i) / (i + 1)
        log_coefficient += (j.abs() / (i + 1.0)).ln();
        positive ^= j < 0.0;
        i += 1.0;
    }
    let (added, subtracted) = (log_add(below.0, above.0), log_add(below.1, above.1));
    added + (-(subtracted - added).exp()).ln_1p()
}

/// `log erfc(x)`, by its asymptotic series where erfc underflows.
fn log_erfc(x: f64) -> f64 {
    if x < 20.0 {
        return libm::erfc(x).ln();
    }
    let inverse = 1.0 / (x * x);
    let series = 1.0 - inverse / 2.0 + 3.0 * inverse * inverse / 4.0 - 15.0 * inverse.powi(3) / 8.0;
    -x * x - (x * PI.sqrt()).ln() + series.ln()
}

fn orders() -> impl Iterator<Item = f64> {
    let fractional = (1..100).map(|tenth| 1.0 + f64::from(tenth) / 10.0);
    let whole = (11..=64).chain([80, 96, 128, 192, 256, 512, 1024]);
    fractional.chain(whole.map(f64::from))
}

/// `e^-30` beside 1 is nothing that matters.
const SMALLEST_LOG_TERM: f64 = -30.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_and_fractional_orders_agree() {
        for (z, q) in [(1.1, 0.01), (0.6, 0.2), (4.0, 0.9)] {
            for order in [2, 3, 7, 20] {
                let integer = log_moment(z, q, order);
                let series = log_a_fractional(z, q, f64::from(order) + 1e-9);
                assert!(
                    (integer - series).abs() < 1e-6 * (1.0 + integer),
                    "{z} {q} {order}: {integer} {series}"
                );
            }
        }
    }

    /// Against the integral itself, by the trapezoid rule.
    #[test]
    fn equals_the_integral() {
        for (z, q, order) in [(1.1f64, 0.01f64, 4.7), (0.7, 0.3, 2.3), (2.0, 0.5, 9.6)] {
            let step = 1e-3;
            let reach = (20.0 * z + 10.0 * order) / step;
            let sum: f64 = (-(reach as i64)..reach as i64)
                .map(|i| {
                    let x = i as f64 * step;
                    let ratio = 1.0 - q + q * ((2.0 * x - 1.0) / (2.0 * z * z)).exp();
                    let log = order * ratio.ln() - x * x / (2.0 * z * z);
                    log.exp()
                })
                .sum();
            let expected = (sum * step / (z * (2.0 * PI).sqrt())).ln() / (order - 1.0);
            let got = divergence(z, q, order);
            assert!(
                (got / expected - 1.0).abs() < 1e-6,
                "{z} {q} {order}: {got} {expected}"
            );
        }
    }
}
