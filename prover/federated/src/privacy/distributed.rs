//! Noise that several parties add together.
//!
//! 1. Claim: if n parties each add a discrete Gaussian of variance `sigma^2 / (n - D - T)`, then for any D
//!    that drop out and any T that collude, the others' noise has variance at least sigma^2.
//! 2. Grid: updates are integers in units of 1/grid; sigma and the sensitivity are in these units.
//! 3. The sum of discrete Gaussians is not quite one: [`NoisePlan::slack`] bounds the difference.
//! 4. Source: Kairouz, Liu, Steinke, "The distributed discrete Gaussian mechanism", ICML 2021, theorem 1
//!    and lemma; SOUNDNESS conditions 22, 24 and 25.

use clearproof_shared::training::terms::slack;
pub use clearproof_shared::training::terms::{Slack, LEAST_SHARE_SIGMA, LEAST_TOTAL_SIGMA};

use super::discrete_gaussian::DiscreteGaussian;
use super::{positive, Adjacency, PrivacyError};

/// Who takes part in a round, and how many of them may fail it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// n.
    pub parties: u32,
    /// D: the round still succeeds without so many.
    pub dropouts: u32,
    /// T: so many data parties may pool what they know.
    pub colluders: u32,
}

impl Cohort {
    /// `n - D - T`: those whose noise counts.
    ///
    /// # Errors
    /// [`PrivacyError::NobodyLeft`].
    pub fn honest(&self) -> Result<u32, PrivacyError> {
        let left = self.parties.checked_sub(self.dropouts);
        let left = left.and_then(|left| left.checked_sub(self.colluders));
        left.filter(|&left| left > 0)
            .ok_or(PrivacyError::NobodyLeft {
                parties: self.parties,
                dropouts: self.dropouts,
                colluders: self.colluders,
            })
    }
}

/// Each party's noise in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoisePlan {
    /// What each party draws from, in grid units.
    pub share: DiscreteGaussian,
    /// Noise multiplier that the honest survivors reach together, at least the one asked for.
    pub noise_multiplier: f64,
    /// L2 sensitivity of the released sum, in grid units.
    pub sensitivity: f64,
    /// Between which databases that sensitivity is measured.
    pub adjacency: Adjacency,
    honest: u32,
}

impl NoisePlan {
    /// Noise for a sum of vectors of L2 sensitivity `sensitivity` (grid units), so that honest survivors
    /// reach `noise_multiplier`.
    ///
    /// # Errors
    /// [`PrivacyError::NobodyLeft`]; [`PrivacyError::CoarseGrid`] if a share is below [`LEAST_SHARE_SIGMA`]
    /// or the total below [`LEAST_TOTAL_SIGMA`]; [`PrivacyError::Parameter`].
    pub fn new(
        cohort: Cohort,
        noise_multiplier: f64,
        sensitivity: f64,
        adjacency: Adjacency,
    ) -> Result<Self, PrivacyError> {
        positive("noise multiplier", noise_multiplier)?;
        positive("sensitivity", sensitivity)?;
        let honest = cohort.honest()?;
        let sigma = noise_multiplier * sensitivity;
        let share = DiscreteGaussian::at_least(sigma * sigma / f64::from(honest))?;
        let coarse = |what, sigma, least| match sigma < least {
            true => Err(PrivacyError::CoarseGrid { what, sigma, least }),
            false => Ok(()),
        };
        coarse("party's", share.sigma(), LEAST_SHARE_SIGMA)?;
        coarse("total", sigma, LEAST_TOTAL_SIGMA)?;
        Ok(Self {
            share,
            noise_multiplier,
            sensitivity,
            adjacency,
            honest,
        })
    }

    /// What is added to the privacy parameters of one release of `coordinates` integers because the noise is a
    /// sum of discrete Gaussians, as [`clearproof_shared::training::terms::slack`] has it.
    pub fn slack(&self, coordinates: usize) -> Slack {
        let (z, sensitivity) = (self.noise_multiplier, self.sensitivity);
        slack(self.share.sigma(), self.honest, z, sensitivity, coordinates)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const COHORT: Cohort = Cohort {
        parties: 7,
        dropouts: 2,
        colluders: 2,
    };

    #[test]
    fn the_sum_keeps_its_variance_without_dropouts_and_colluders() {
        let plan = NoisePlan::new(COHORT, 2.5, 120.0, Adjacency::AddRemoveRecord).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let count = 40_000;
        let sums = (0..count).map(|_| (0..3).map(|_| plan.share.sample(&mut rng)).sum::<i64>());
        let variance = sums.map(|sum| (sum * sum) as f64).sum::<f64>() / f64::from(count);
        let expected = (2.5f64 * 120.0).powi(2);
        // Standard deviation of a variance estimate: sqrt(2 / count).
        assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / f64::from(count)).sqrt());
    }

    #[test]
    fn shares_are_rounded_up() {
        for z in [0.7, 1.0 / 3.0, 3.730_631_634_815_942] {
            let plan = NoisePlan::new(COHORT, z, 1000.0, Adjacency::AddRemoveRecord).unwrap();
            let (p, q) = plan.share.variance();
            let total = 3.0 * p as f64 / q as f64;
            assert!(total >= (z * 1000.0).powi(2) && total < (z * 1000.0 + 0.1).powi(2));
        }
    }

    #[test]
    fn nobody_left_and_coarse_grids_are_refused() {
        let all = Cohort {
            dropouts: 5,
            ..COHORT
        };
        let plan = |cohort, sensitivity| {
            NoisePlan::new(cohort, 1.0, sensitivity, Adjacency::AddRemoveRecord).map(|_| ())
        };
        let nobody = PrivacyError::NobodyLeft {
            parties: 7,
            dropouts: 5,
            colluders: 2,
        };
        assert_eq!(plan(all, 1e3), Err(nobody));
        let more = Cohort {
            colluders: u32::MAX,
            ..COHORT
        };
        assert!(matches!(
            plan(more, 1e3),
            Err(PrivacyError::NobodyLeft { .. })
        ));
        for sensitivity in [5.0, 255.0] {
            let error = plan(COHORT, sensitivity).unwrap_err();
            assert!(matches!(error, PrivacyError::CoarseGrid { .. }), "{error}");
        }
        assert_eq!(plan(COHORT, 256.0), Ok(()));
        for sensitivity in [0.0, f64::NAN, 1e9] {
            let error = plan(COHORT, sensitivity).unwrap_err();
            assert!(matches!(error, PrivacyError::Parameter { .. }), "{error}");
        }
    }

    /// One coordinate, integer sensitivity: the exact delta of the discrete mechanism against the continuous
    /// one's and the slack.
    #[test]
    fn the_slack_covers_the_discrete_mechanism() {
        for (z, sensitivity) in [(1.0, 256i64), (3.73, 100), (0.6, 500)] {
            let plan = NoisePlan::new(COHORT, z, sensitivity as f64, Adjacency::AddRemoveRecord);
            let plan = plan.unwrap();
            let sigma = z * sensitivity as f64;
            let reach = (sigma * 14.0) as i64 + sensitivity;
            let weight = |x: i64| (-((x * x) as f64) / (2.0 * sigma * sigma)).exp();
            let total: f64 = (-reach..=reach).map(weight).sum();
            for epsilon in [0.1f64, 1.0, 3.0] {
                let exact: f64 = (-reach..=reach)
                    .map(|x| (weight(x) - epsilon.exp() * weight(x + sensitivity)).max(0.0))
                    .sum::<f64>()
                    / total;
                let ideal = super::super::analytic_gaussian::delta_at(z, epsilon);
                let slack = plan.slack(1);
                assert!(
                    exact <= ideal + slack.delta + 1e-15,
                    "{exact} {ideal} {slack:?}"
                );
            }
            assert!(plan.slack(1_000_000).epsilon < 1e-9);
        }
    }
}
