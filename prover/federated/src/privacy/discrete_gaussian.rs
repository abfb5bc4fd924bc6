//! Exact samples of the discrete Gaussian.
//!
//! 1. Claim: [`DiscreteGaussian::sample`] gives the integer x with probability exactly proportional to
//!    `exp(-x^2 / (2 sigma^2))`, if the generator's bits are uniform. No floating-point number takes part.
//! 2. `sigma^2 = numerator / denominator`; rejection from a discrete Laplace of scale `t = floor(sigma) + 1`.
//! 3. Assumed: a candidate beyond 4096 t (probability below `e^-4096`) may be dropped. The running time
//!    depends on the samples: docs/privacy.md has the side-channel statement.
//! 4. Source: Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020,
//!    algorithms 1 to 3.

use rand_core::{CryptoRng, RngCore};

use super::PrivacyError;

/// A discrete Gaussian with mean 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscreteGaussian {
    /// sigma^2 is this over [`Self::denominator`].
    numerator: u64,
    denominator: u64,
    /// Scale of the Laplace proposal, floor(sigma) + 1.
    t: u64,
}

impl DiscreteGaussian {
    /// With variance parameter `sigma^2 = numerator / denominator`, in squared grid units.
    ///
    /// # Errors
    /// [`PrivacyError::Parameter`] unless `0 < sigma^2 < 2^38` and the denominator is in `1..=1024`.
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, PrivacyError> {
        let (most, range) = (MOST_DENOMINATOR, "in 1..=1024");
        let allowed = (1..=most).contains(&denominator);
        super::check(allowed, "denominator", denominator as f64, range)?;
        let fits = numerator > 0 && numerator < denominator << LOG_MOST_VARIANCE;
        let variance = numerator as f64 / denominator as f64;
        super::check(fits, "sigma^2", variance, "positive and below 2^38")?;
        Ok(Self {
            numerator,
            denominator,
            t: (numerator / denominator).isqrt() + 1,
        })
    }

    /// The least variance parameter that is at least `variance` and that [`Self::new`] takes.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn at_least(variance: f64) -> Result<Self, PrivacyError> {
        super::positive("sigma^2", variance)?;
        let scaled = (variance * MOST_DENOMINATOR as f64).ceil();
        let fits = scaled < (MOST_DENOMINATOR << LOG_MOST_VARIANCE) as f64;
        super::check(fits, "sigma^2", variance, "positive and below 2^38")?;
        // Products and `ceil` of floats below 2^48 round by less than one unit.
        Self::new(scaled as u64 + 1, MOST_DENOMINATOR)
    }

    /// sigma^2 as numerator and denominator.
    pub fn variance(&self) -> (u64, u64) {
        (self.numerator, self.denominator)
    }

    /// sigma, rounded to the nearest float.
    pub fn sigma(&self) -> f64 {
        (self.numerator as f64 / self.denominator as f64).sqrt()
    }

    /// One sample, in grid units.
    pub fn sample<R: RngCore + CryptoRng>(&self, rng: &mut R) -> i64 {
        let (p, q, t) = (
            self.numerator as u128,
            self.denominator as u128,
            self.t as u128,
        );
        loop {
            let y = laplace(rng, self.t);
            let magnitude = u128::from(y.unsigned_abs());
            if magnitude > LARGEST * t {
                continue;
            }
            // exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)), with sigma^2 = p / q
            let distance = (magnitude * q * t).abs_diff(p);
            if bernoulli_exp(rng, distance * distance, 2 * p * q * t * t) {
                return y;
            }
        }
    }

    /// As many samples as `noise` holds.
    pub fn fill<R: RngCore + CryptoRng>(&self, rng: &mut R, noise: &mut [i64]) {
        noise.fill_with(|| self.sample(rng));
    }
}

/// The integer x with probability proportional to `exp(-|x| / t)`.
fn laplace<R: RngCore>(rng: &mut R, t: u64) -> i64 {
    loop {
        let u = uniform(rng, u128::from(t));
        if !bernoulli_exp(rng, u, u128::from(t)) {
            continue;
        }
        let mut v = 0u64;
        while bernoulli_exp(rng, 1, 1) {
            v += 1;
        }
        // u < t < 2^20; v is geometric.
        let magnitude = (u as i64).saturating_add((v.saturating_mul(t)) as i64);
        let negative = rng.next_u32() & 1 == 1;
        if negative && magnitude == 0 {
            continue;
        }
        return if negative { -magnitude } else { magnitude };
    }
}

/// True with probability `exp(-numerator / denominator)`.
fn bernoulli_exp<R: RngCore>(rng: &mut R, mut numerator: u128, denominator: u128) -> bool {
    while numerator > denominator {
        if !bernoulli_exp_unit(rng, 1, 1) {
            return false;
        }
        numerator -= denominator;
    }
    bernoulli_exp_unit(rng, numerator, denominator)
}

/// [`bernoulli_exp`] for `numerator <= denominator`: the first failure of Bernoulli trials with
/// probabilities `gamma / k`, k = 1, 2, ..., is at an odd k.
fn bernoulli_exp_unit<R: RngCore>(rng: &mut R, numerator: u128, denominator: u128) -> bool {
    let mut k = 1u128;
    while (k == 1 || uniform(rng, k) == 0) && bernoulli(rng, numerator, denominator) {
        k += 1;
    }
    k % 2 == 1
}

/// True with probability `numerator / denominator`, at most 1.
fn bernoulli<R: RngCore>(rng: &mut R, numerator: u128, denominator: u128) -> bool {
    numerator == denominator || numerator > 0 && uniform(rng, denominator) < numerator
}

/// Uniform below `bound > 0`, by rejection.
fn uniform<R: RngCore>(rng: &mut R, bound: u128) -> u128 {
    let bits = 128 - (bound - 1).leading_zeros();
    loop {
        let candidate = match bits {
            0 => return 0,
            1..=32 => u128::from(rng.next_u32() >> (32 - bits)),
            33..=64 => u128::from(rng.next_u64() >> (64 - bits)),
            _ => {
                let high = u128::from(rng.next_u64() >> (128 - bits));
                high << 64 | u128::from(rng.next_u64())
            }
        };
        if candidate < bound {
            return candidate;
        }
    }
}

/// sigma < 2^19, so t <= 2^19: with the two bounds below, all products stay under 2^124.
const LOG_MOST_VARIANCE: u32 = 38;
const MOST_DENOMINATOR: u64 = 1 << 10;
/// Candidates above so many scales are dropped.
const LARGEST: u128 = 1 << 12;

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// Distribution function of the discrete Gaussian on `-reach..=reach`.
    fn distribution(variance: f64, reach: i64) -> Vec<f64> {
        let weight = |x: i64| (-(x * x) as f64 / (2.0 * variance)).exp();
        let total: f64 = (-reach..=reach).map(weight).sum();
        let sums = (-reach..=reach).scan(0.0, |sum, x| {
            *sum += weight(x) / total;
            Some(*sum)
        });
        sums.collect()
    }

    const CASES: [(u64, u64); 6] = [(1, 4), (1, 1), (49, 3), (100, 1), (66_000, 1), (1 << 38, 9)];
    const SAMPLES: usize = 60_000;

    fn samples(gaussian: &DiscreteGaussian, seed: u64) -> Vec<i64> {
        let mut noise = vec![0; SAMPLES];
        gaussian.fill(&mut ChaCha20Rng::seed_from_u64(seed), &mut noise);
        noise
    }

    /// Mean, variance and fourth moment within five of their own standard deviations.
    #[test]
    fn moments_are_those_of_the_distribution() {
        for (seed, (p, q)) in CASES.into_iter().enumerate() {
            let gaussian = DiscreteGaussian::new(p, q).unwrap();
            let variance = p as f64 / q as f64;
            // Beyond, they are the Gaussian's to nine digits.
            let scale = (variance / 100.0).sqrt().max(1.0);
            let variance = variance / (scale * scale);
            let reach = (12.0 * variance.sqrt()).ceil() as i64;
            let weight = |x: i64| (-((x * x) as f64) / (2.0 * variance)).exp();
            let total: f64 = (-reach..=reach).map(weight).sum();
            let moment = |power: i32| {
                let terms = (-reach..=reach).map(|x| (x as f64).powi(power) * weight(x));
                terms.sum::<f64>() / total
            };
            let noise = samples(&gaussian, seed as u64);
            for power in [1, 2, 3, 4] {
                let empirical = noise.iter().map(|&x| (x as f64 / scale).powi(power));
                let empirical = empirical.sum::<f64>() / SAMPLES as f64;
                let expected = moment(power);
                let deviation = ((moment(2 * power) - expected * expected) / SAMPLES as f64).sqrt();
                let distance = (empirical - expected).abs();
                assert!(
                    distance < 5.0 * deviation,
                    "{p}/{q}, power {power}: {distance} {deviation}"
                );
            }
        }
    }

    /// `sqrt(n) D < 1.95`: probability 0.1 % under the null hypothesis, and less for a discrete one.
    #[test]
    fn kolmogorov_smirnov() {
        for (seed, (p, q)) in CASES.into_iter().enumerate() {
            let gaussian = DiscreteGaussian::new(p, q).unwrap();
            let variance = p as f64 / q as f64;
            let reach = (12.0 * variance.sqrt()).ceil() as i64;
            let expected = distribution(variance, reach);
            let mut noise = samples(&gaussian, 100 + seed as u64);
            noise.sort_unstable();
            let mut distance = 0f64;
            for (index, x) in noise.iter().enumerate() {
                if noise.get(index + 1) != Some(x) {
                    let empirical = (index + 1) as f64 / SAMPLES as f64;
                    let at = usize::try_from(x + reach).expect("within twelve sigma");
                    distance = distance.max((empirical - expected[at]).abs());
                }
            }
            let statistic = distance * (SAMPLES as f64).sqrt();
            assert!(statistic < 1.95, "{p}/{q}: {statistic}");
        }
    }

    /// The same test tells a variance that is 5 % too large.
    #[test]
    fn another_variance_is_noticed() {
        let gaussian = DiscreteGaussian::new(105, 1).unwrap();
        let expected = distribution(100.0, 120);
        let noise = samples(&gaussian, 7);
        let worst = expected.iter().enumerate().map(|(at, expected)| {
            let below = noise.iter().filter(|&&x| x <= at as i64 - 120).count();
            (below as f64 / SAMPLES as f64 - expected).abs()
        });
        assert!(worst.fold(0.0, f64::max) * (SAMPLES as f64).sqrt() > 1.95);
    }

    #[test]
    fn small_probabilities_by_chi_square() {
        let gaussian = DiscreteGaussian::new(1, 2).unwrap();
        let noise = samples(&gaussian, 9);
        let weight = |x: i64| (-((x * x) as f64)).exp();
        let total: f64 = (-9..=9).map(weight).sum();
        let statistic: f64 = (-2..=2)
            .map(|x| {
                let expected = SAMPLES as f64 * weight(x) / total;
                let got = noise.iter().filter(|&&y| y == x).count() as f64;
                (got - expected) * (got - expected) / expected
            })
            .sum();
        // Four degrees of freedom, 0.1 %.
        assert!(statistic < 18.5, "{statistic}");
    }

    #[test]
    fn bounds() {
        for (p, q) in [(0, 1), (1, 0), (1, 1025), (1 << 38, 1), (u64::MAX, 1024)] {
            assert!(DiscreteGaussian::new(p, q).is_err(), "{p}/{q}");
        }
        for variance in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert!(DiscreteGaussian::at_least(variance).is_err(), "{variance}");
        }
        let (p, q) = DiscreteGaussian::at_least(13.917).unwrap().variance();
        assert!(p as f64 / q as f64 >= 13.917 && p as f64 / (q as f64) < 13.92);
        let widest = DiscreteGaussian::new((1 << 38) * 1024 - 1, 1024).unwrap();
        assert!(samples(&widest, 3).iter().all(|x| x.abs() < 12 << 19));
    }
}
