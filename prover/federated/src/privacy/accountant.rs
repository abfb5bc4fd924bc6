//! How much privacy a training run spends.
//!
//! 1. Claim: [`epsilon`] is an upper bound, in nats, for records added or removed (or whole parties, where a
//!    mechanism's sampling rate is 1 and its sensitivity that of a party).
//! 2. A [`Mechanism`] is `steps` releases of `sum of clipped vectors + N(0, (z C)^2 I)`, each vector of L2
//!    norm at most C and in the sum with probability `sampling_rate`, independently.
//! 3. Assumed: the sum is divided by a public number, never by the secret size of the sample.
//! 4. Source: [`super::pld`]; [`super::rdp`] is the second opinion, which needs no grid.

use serde::{Deserialize, Serialize};

use super::pld::{Composition, Direction};
use super::{fraction, positive, rdp, PrivacyError};

/// Equal steps of a Poisson-subsampled Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mechanism {
    /// z: standard deviation of the noise over the L2 sensitivity.
    pub noise_multiplier: f64,
    /// q: probability with which a record takes part in a step; 1 without sampling.
    pub sampling_rate: f64,
    /// How many.
    pub steps: u32,
}

impl Mechanism {
    /// # Errors
    /// [`PrivacyError::Parameter`] unless z is in `[0.05, 10^6]`, `0 < q <= 1` and there is a step.
    pub fn new(
        noise_multiplier: f64,
        sampling_rate: f64,
        steps: u32,
    ) -> Result<Self, PrivacyError> {
        let mechanism = Self {
            noise_multiplier,
            sampling_rate,
            steps,
        };
        mechanism.check()?;
        Ok(mechanism)
    }

    pub(super) fn check(&self) -> Result<(), PrivacyError> {
        let (z, q) = (self.noise_multiplier, self.sampling_rate);
        super::check(
            (LEAST_NOISE..=1e6).contains(&z),
            "noise multiplier",
            z,
            "between 0.05 and 10^6",
        )?;
        super::check(
            q > 0.0 && q <= 1.0,
            "sampling rate",
            q,
            "above 0 and at most 1",
        )?;
        let steps = (1..=MOST_STEPS).contains(&self.steps);
        super::check(
            steps,
            "number of steps",
            f64::from(self.steps),
            "between 1 and 10^7",
        )
    }
}

/// Loss of the composition at this delta, rounded up: by privacy loss distributions, or by Rényi divergences
/// where those have no finite bound.
///
/// # Errors
/// [`PrivacyError::Parameter`] for a mechanism or delta outside its domain; [`PrivacyError::LossRange`].
pub fn epsilon(mechanisms: &[Mechanism], delta: f64) -> Result<f64, PrivacyError> {
    fraction("delta", delta)?;
    mechanisms.iter().try_for_each(Mechanism::check)?;
    if mechanisms.is_empty() {
        return Ok(0.0);
    }
    let renyi = rdp::epsilon(mechanisms, delta);
    let mut interval = INTERVAL;
    loop {
        let loss = |direction| {
            Composition::new(mechanisms, direction, interval).map(|loss| loss.epsilon(delta))
        };
        match loss(Direction::Remove).and_then(|removed| Ok(removed.max(loss(Direction::Add)?))) {
            Ok(epsilon) => return Ok(epsilon.min(renyi)),
            Err(PrivacyError::LossRange { .. }) if interval < 0.1 => interval *= 2.0,
            Err(PrivacyError::LossRange { .. }) if renyi.is_finite() => return Ok(renyi),
            Err(error) => return Err(error),
        }
    }
}

/// Least noise multiplier (to 0.1 %, rounded up) with which `steps` steps at this sampling rate stay within
/// (epsilon, delta).
///
/// # Errors
/// As [`epsilon`]; [`PrivacyError::Parameter`] if no noise multiplier up to 10^4 suffices.
pub fn noise_multiplier(
    target_epsilon: f64,
    delta: f64,
    sampling_rate: f64,
    steps: u32,
) -> Result<f64, PrivacyError> {
    positive("epsilon", target_epsilon)?;
    let spent = |z| epsilon(&[Mechanism::new(z, sampling_rate, steps)?], delta);
    let (mut low, mut high) = (LEAST_NOISE, 1.0);
    while spent(high)? > target_epsilon {
        low = high;
        high *= 2.0;
        super::check(
            high <= 1e4,
            "epsilon",
            target_epsilon,
            "reachable with any noise",
        )?;
    }
    while high - low > 1e-3 * high {
        let middle = 0.5 * (low + high);
        match spent(middle)? <= target_epsilon {
            true => high = middle,
            false => low = middle,
        }
    }
    Ok(high)
}

const INTERVAL: f64 = 1e-4;
/// Below it a step's loss is in the hundreds.
const LEAST_NOISE: f64 = 0.05;
const MOST_STEPS: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::super::analytic_gaussian;
    use super::*;

    const GOLDEN: &str = include_str!("../../tests/golden/dpsgd_epsilon.csv");

    #[test]
    fn both_accountants_equal_the_golden_table() {
        let mut rows = 0;
        for line in GOLDEN.lines().skip(1) {
            let cell: Vec<f64> = line.split(',').map(|c| c.parse().unwrap()).collect();
            let mechanism = Mechanism::new(cell[0], cell[1], cell[2] as u32).unwrap();
            let (delta, renyi, pld) = (cell[3], cell[4], cell[6]);
            let ours = rdp::epsilon(&[mechanism], delta);
            assert!((ours / renyi - 1.0).abs() < 0.01, "RDP, {line}: {ours}");
            let ours = epsilon(&[mechanism], delta).unwrap();
            assert!((ours / pld - 1.0).abs() < 0.01, "PLD, {line}: {ours}");
            assert!(ours > pld * 0.999, "PLD is too optimistic, {line}: {ours}");
            rows += 1;
        }
        assert_eq!(rows, 12);
    }

    /// Without sampling, t steps of multiplier z are one of `z / sqrt(t)`, which has a closed form.
    #[test]
    fn composition_of_gaussians_is_never_below_the_closed_form() {
        for (z, steps, delta) in [
            (4.0, 100, 1e-5),
            (1.0, 1, 1e-5),
            (30.0, 1000, 1e-6),
            (0.5, 3, 1e-4),
        ] {
            let ours = epsilon(&[Mechanism::new(z, 1.0, steps).unwrap()], delta).unwrap();
            let single = z / f64::from(steps).sqrt();
            let exact = analytic_gaussian::delta_at(single, ours);
            assert!(exact <= delta, "{z} {steps}: {ours}");
            assert!(
                analytic_gaussian::delta_at(single, ours * 0.998) > delta,
                "{z} {steps}: {ours}"
            );
        }
    }

    #[test]
    fn different_mechanisms_compose() {
        let [a, b] =
            [(1.3, 0.02, 200), (1.3, 0.02, 300)].map(|(z, q, t)| Mechanism::new(z, q, t).unwrap());
        let together = epsilon(&[Mechanism::new(1.3, 0.02, 500).unwrap()], 1e-5).unwrap();
        let apart = epsilon(&[a, b], 1e-5).unwrap();
        assert!((together - apart).abs() < 1e-6);
        let other = Mechanism::new(5.0, 1.0, 1).unwrap();
        let more = epsilon(&[a, b, other], 1e-5).unwrap();
        assert!(more > apart && more < apart + epsilon(&[other], 1e-5).unwrap());
    }

    #[test]
    fn calibration_meets_the_target_and_is_tight() {
        let z = noise_multiplier(1.0, 1e-5, 0.05, 60).unwrap();
        let spent = |z| epsilon(&[Mechanism::new(z, 0.05, 60).unwrap()], 1e-5).unwrap();
        assert!(spent(z) <= 1.0);
        assert!(spent(z * 0.99) > 1.0);
    }

    #[test]
    fn edges() {
        assert_eq!(epsilon(&[], 1e-5), Ok(0.0));
        let tiny = epsilon(&[Mechanism::new(1e5, 1e-6, 1).unwrap()], 1e-5).unwrap();
        assert!((0.0..1e-3).contains(&tiny), "{tiny}");
        // Loud, but finite: the grid is made coarser.
        let loud = epsilon(&[Mechanism::new(0.05, 1.0, 10).unwrap()], 1e-5).unwrap();
        assert!(loud > 1000.0 && loud.is_finite(), "{loud}");
        for (z, q, steps) in [
            (0.0, 0.1, 1),
            (1.0, 0.0, 1),
            (1.0, 1.1, 1),
            (1.0, 0.1, 0),
            (f64::NAN, 0.1, 1),
        ] {
            let error = Mechanism::new(z, q, steps).unwrap_err();
            assert!(matches!(error, PrivacyError::Parameter { .. }), "{error}");
        }
        let one = Mechanism::new(1.0, 0.1, 1).unwrap();
        for delta in [0.0, 1.0, f64::NAN] {
            assert!(epsilon(&[one], delta).is_err());
        }
    }
}
