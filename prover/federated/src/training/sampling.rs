//! Poisson samples.
//!
//! 1. Claim: each index is in the sample with probability q, independently; q is rounded down to a multiple
//!    of 2^-64.
//! 2. The sum over a sample is divided by the public `q N` ([`expected_size`]), never by its secret size.
//! 3. Assumed: the sample stays secret; so must its size.
//! 4. Source: Mironov, Talwar, Zhang 2019; SOUNDNESS condition 25.

use rand_core::{CryptoRng, RngCore};

use super::{setting, TrainingError};

/// Indices below `count`, each with probability `rate`.
///
/// # Errors
/// [`TrainingError::Setting`] unless `0 < rate <= 1`.
pub fn poisson<R: RngCore + CryptoRng>(
    count: usize,
    rate: f64,
    rng: &mut R,
) -> Result<Vec<usize>, TrainingError> {
    setting(
        rate > 0.0 && rate <= 1.0,
        "sampling rate",
        rate,
        "above 0 and at most 1",
    )?;
    if rate == 1.0 {
        return Ok((0..count).collect());
    }
    // Exact: scaling by a power of two; below 2^64 since rate < 1.
    let threshold = (rate * 2f64.powi(64)) as u64;
    Ok((0..count).filter(|_| rng.next_u64() < threshold).collect())
}

/// `q N`, the public divisor of a sum over all parties' samples; at least 1.
pub fn expected_size(count: usize, rate: f64) -> f64 {
    (count as f64 * rate).max(1.0)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn sizes_and_pairs_have_the_right_frequency() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (count, rate, rounds) = (200usize, 0.3, 500);
        let (mut size, mut pairs) = (0, 0);
        for _ in 0..rounds {
            let sample = poisson(count, rate, &mut rng).unwrap();
            assert!(sample.windows(2).all(|w| w[0] < w[1]));
            size += sample.len();
            pairs += usize::from(sample.contains(&0) && sample.contains(&1));
        }
        let (mean, n) = (rate * (count * rounds) as f64, (count * rounds) as f64);
        assert!((size as f64 - mean).abs() < 5.0 * (n * rate * (1.0 - rate)).sqrt());
        assert!((pairs as f64 - 45.0).abs() < 5.0 * (500.0f64 * 0.09 * 0.91).sqrt());
        assert_eq!(poisson(5, 1.0, &mut rng).unwrap(), [0, 1, 2, 3, 4]);
        for rate in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(poisson(5, rate, &mut rng).is_err());
        }
    }
}
