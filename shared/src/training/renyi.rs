//! Rényi accounting of subsampled Gaussians, at whole orders: what a verifier can compute anywhere.
//!
//! 1. Claim: [`epsilon`] bounds the loss of a composition, records added or removed.
//! 2. At order a: `D_a = log(A) / (a - 1)` per step, `A = sum_k binom(a, k) (1 - q)^(a - k) q^k exp((k^2 - k) / (2
//!    z^2))`; losses of steps add; `epsilon = D_a + log(1 - 1/a) - (log delta + log a) / (a - 1)`.
//! 3. Assumed: Poisson sampling with secret coins; for q = 1 none.
//! 4. Source: Mironov, Talwar, Zhang, arXiv 1908.10530, section 3.3; the conversion: Canonne, Kamath, Steinke 2020,
//!    proposition 12.

/// One release of a Poisson-subsampled Gaussian.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mechanism {
    /// z: standard deviation of the noise over the L2 sensitivity.
    pub noise_multiplier: f64,
    /// q: probability with which a record takes part.
    pub sampling_rate: f64,
}

/// The least bound over whole orders, in nats; each mechanism with how often it is applied.
pub fn epsilon(mechanisms: &[(Mechanism, u32)], delta: f64) -> f64 {
    let bounds = ORDERS.iter().map(|&order| {
        let spent = mechanisms.iter().map(|(m, steps)| {
            f64::from(*steps) * divergence(m.noise_multiplier, m.sampling_rate, order)
        });
        let a = f64::from(order);
        let slack = (delta.ln() + a.ln()) / (a - 1.0);
        spent.sum::<f64>() + (-1.0 / a).ln_1p() - slack
    });
    bounds.fold(f64::INFINITY, f64::min).max(0.0)
}

fn divergence(z: f64, q: f64, order: u32) -> f64 {
    if q >= 1.0 {
        return f64::from(order) / (2.0 * z * z);
    }
    (log_moment(z, q, order) / f64::from(order - 1)).max(0.0)
}

/// log A at a whole order.
pub fn log_moment(z: f64, q: f64, order: u32) -> f64 {
    let mut log_binomial = 0.0;
    let mut sum = f64::NEG_INFINITY;
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    for k in 0..=order {
        if k > 0 {
            log_binomial += (f64::from(order - k + 1) / f64::from(k)).ln();
        }
        let (k, rest) = (f64::from(k), f64::from(order - k));
        let term = log_binomial + k * log_q + rest * log_rest + (k * k - k) / (2.0 * z * z);
        sum = log_add(sum, term);
    }
    sum
}

/// log(e^a + e^b).
pub fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        return high;
    }
    high + (low - high).exp().ln_1p()
}

const ORDERS: [u32; 40] = [
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 24, 26, 28, 30, 32, 34,
    36, 38, 40, 44, 48, 52, 56, 64, 80, 96, 128, 192, 256, 512,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn mechanism(z: f64, q: f64) -> Mechanism {
        Mechanism {
            noise_multiplier: z,
            sampling_rate: q,
        }
    }

    #[test]
    fn without_sampling_it_is_the_gaussian() {
        // D_a = a / (2 z^2), by hand at order 2 and delta 1e-5.
        let z = 100.0;
        let by_hand = |a: f64| {
            a / (2.0 * z * z) + (1.0 - 1.0 / a).ln() - ((1e-5f64).ln() + a.ln()) / (a - 1.0)
        };
        let least = ORDERS.iter().map(|&a| by_hand(f64::from(a)));
        let least = least.fold(f64::INFINITY, f64::min).max(0.0);
        let got = epsilon(&[(mechanism(z, 1.0), 1)], 1e-5);
        assert!((got - least).abs() < 1e-12);
    }

    #[test]
    fn a_moment_of_order_two_is_known() {
        // A_2 = 1 + q^2 (e^(1/z^2) - 1).
        for (z, q) in [(1.0, 0.1), (0.7, 0.5), (4.0, 0.01)] {
            let expected = (q * q * (1.0f64 / (z * z)).exp_m1()).ln_1p();
            assert!((log_moment(z, q, 2) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn more_steps_more_sampling_and_less_noise_cost_more() {
        let base = epsilon(&[(mechanism(1.0, 0.1), 10)], 1e-5);
        assert!(epsilon(&[(mechanism(1.0, 0.1), 11)], 1e-5) > base);
        assert!(epsilon(&[(mechanism(1.0, 0.2), 10)], 1e-5) > base);
        assert!(epsilon(&[(mechanism(0.9, 0.1), 10)], 1e-5) > base);
        let split = [(mechanism(1.0, 0.1), 4), (mechanism(1.0, 0.1), 6)];
        assert!((epsilon(&split, 1e-5) - base).abs() < 1e-12);
    }
}
