//! The least Gaussian noise for one release.
//!
//! 1. Claim: adding `N(0, sigma^2 I)` to a vector of L2 sensitivity C is (epsilon, delta)-private if and only
//!    if [`delta_at`] is at most delta; [`noise_multiplier`] is the least such sigma / C, rounded up.
//! 2. `delta = Phi(1/(2 z) - epsilon z) - e^epsilon Phi(-1/(2 z) - epsilon z)`, `z = sigma / C`.
//! 3. Assumed: real-valued noise; [`super::distributed`] states the slack for integer noise.
//! 4. Source: Balle and Wang, "Improving the Gaussian mechanism for differential privacy", ICML 2018,
//!    theorem 8 and algorithm 1.

use super::{fraction, normal_cdf, positive, PrivacyError};

/// The least delta for which noise of this multiplier is (epsilon, delta)-private.
pub fn delta_at(noise_multiplier: f64, epsilon: f64) -> f64 {
    let (half, drift) = (0.5 / noise_multiplier, epsilon * noise_multiplier);
    normal_cdf(half - drift) - epsilon.exp() * normal_cdf(-half - drift)
}

/// Least standard deviation over L2 sensitivity that gives (epsilon, delta).
///
/// # Errors
/// [`PrivacyError::Parameter`] unless epsilon is positive and `0 < delta < 1`.
pub fn noise_multiplier(epsilon: f64, delta: f64) -> Result<f64, PrivacyError> {
    positive("epsilon", epsilon)?;
    fraction("delta", delta)?;
    super::check(epsilon <= MOST_EPSILON, "epsilon", epsilon, "at most 100")?;
    let private = |z: f64| delta_at(z, epsilon) <= delta;
    // 1. Bracket: delta falls as the noise grows.
    let (mut low, mut high) = (1.0, 1.0);
    while !private(high) {
        high *= 2.0;
    }
    while private(low) {
        low /= 2.0;
    }
    // 2. Halve until the ends are neighbours; the upper one keeps the promise.
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return Ok(high);
        }
        match private(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
}

/// Beyond it `e^epsilon` drowns in rounding.
const MOST_EPSILON: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../tests/golden/analytic_gaussian.csv");

    #[test]
    fn equals_the_golden_table() {
        let mut rows = 0;
        for line in GOLDEN.lines().skip(1) {
            let cell: Vec<f64> = line
                .split(',')
                .take(4)
                .map(|c| c.parse().unwrap())
                .collect();
            let sigma = noise_multiplier(cell[0], cell[1]).unwrap() * cell[2];
            assert!((sigma / cell[3] - 1.0).abs() < 1e-9, "{line}: {sigma}");
            rows += 1;
        }
        assert_eq!(rows, 10);
    }

    #[test]
    fn the_result_keeps_the_promise_and_no_smaller_noise_does() {
        for epsilon in [0.01, 0.3, 1.0, 5.0, 20.0] {
            for delta in [0.1, 1e-3, 1e-8] {
                let z = noise_multiplier(epsilon, delta).unwrap();
                assert!(delta_at(z, epsilon) <= delta);
                assert!(delta_at(z * (1.0 - 1e-6), epsilon) > delta);
            }
        }
    }

    #[test]
    fn parameters_outside_their_domain_are_refused() {
        let bad = [
            (0.0, 0.1),
            (-1.0, 0.1),
            (f64::NAN, 0.1),
            (f64::INFINITY, 0.1),
            (1e3, 0.1),
        ];
        for (epsilon, delta) in bad
            .into_iter()
            .chain([(1.0, 0.0), (1.0, 1.0), (1.0, f64::NAN)])
        {
            let error = noise_multiplier(epsilon, delta).unwrap_err();
            assert!(matches!(error, PrivacyError::Parameter { .. }), "{error}");
        }
    }
}
