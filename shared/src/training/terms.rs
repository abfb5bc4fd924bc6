//! What a round's manifest says of privacy, and what follows from it.
//!
//! 1. Claim: with [`Terms`] that pass [`Terms::check`], each of at least `parties - dropouts` survivors adds a
//!    discrete Gaussian of the stated variance, so that the noise of those who do not collude has a standard
//!    deviation of at least z times the sensitivity; [`Terms::slack`] is what discreteness adds.
//! 2. Layout: deterministic CBOR, docs/training.cddl, `terms`; a number with a fraction is the integer of its IEEE
//!    754 bits. Sensitivity and noise are in units of the manifest's grid, `2^log_scale` to 1.
//! 3. Assumed: that parties draw the noise as agreed, and clip per example, is nobody's to see.
//! 4. Source: Kairouz, Liu, Steinke 2021, theorem 1; SOUNDNESS conditions 23 to 25; docs/privacy.md.

use core::f64::consts::PI;

use thiserror::Error;

use super::manifest::Manifest;
use super::renyi::Mechanism;
use crate::artifact::cbor::{Decoder, Encoder};
use crate::artifact::FormatError;

/// Between which data sets a sensitivity is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjacency {
    /// One record of one party is added or removed.
    Record,
    /// All records of one party are added or removed; no amplification by sampling.
    Party,
}

impl Adjacency {
    /// As the reports say it.
    pub fn name(self) -> &'static str {
        match self {
            Adjacency::Record => "add-remove-record",
            Adjacency::Party => "add-remove-party",
        }
    }
}

/// The privacy of one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Between which data sets.
    pub adjacency: Adjacency,
    /// q: probability with which a record is in the sum; 1 at client level.
    pub sampling_rate: f64,
    /// C: bound of what one record (or party) adds, L2, in units of the model.
    pub clip_norm: f64,
    /// s: the grid has 2^s units in 1.
    pub log_scale: u32,
    /// L2 sensitivity of the sum, grid units.
    pub sensitivity: f64,
    /// z: standard deviation of the noise over the sensitivity.
    pub noise_multiplier: f64,
    /// Variance of each party's noise, grid units squared: numerator and denominator.
    pub share_variance: (u64, u64),
    /// D: so many parties may drop out.
    pub dropouts: u16,
    /// The promise of the whole training.
    pub epsilon: f64,
    /// The promise of the whole training.
    pub delta: f64,
}

/// Added to epsilon and delta of a release, since sums of discrete Gaussians are not Gaussian.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Slack {
    /// Added to epsilon.
    pub epsilon: f64,
    /// Added to delta.
    pub delta: f64,
}

/// Why terms are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The bytes.
    #[error("the privacy terms are malformed: {0}")]
    Format(#[from] FormatError),
    /// A number.
    #[error("{0} is outside its domain")]
    Domain(&'static str),
    /// Less than what one record can change.
    #[error("the sensitivity is below what one record or party can change on this grid")]
    Sensitivity,
    /// At client level.
    #[error(
        "at client level a party is in every sum, and the norm bound is at most the sensitivity"
    )]
    Client,
    /// A party's noise.
    #[error("a party's noise has a standard deviation below {LEAST_SHARE_SIGMA} grid units")]
    ShareTooSmall,
    /// All noise.
    #[error("the noise of all has a standard deviation below {LEAST_TOTAL_SIGMA} grid units")]
    TotalTooSmall,
    /// Noise of the honest survivors.
    #[error(
        "the noise of those who neither drop out nor collude is below noise multiplier times sensitivity"
    )]
    Multiplier,
    /// The manifest lets the round end with fewer.
    #[error(
        "the manifest lets a round succeed with fewer parties than the noise is calibrated for"
    )]
    Minimum,
}

impl Terms {
    /// Those whose noise counts: n - D - T.
    pub fn honest(&self, manifest: &Manifest) -> Option<u32> {
        let parties = u32::try_from(manifest.parties.len()).ok()?;
        let left = parties.checked_sub(self.dropouts.into())?;
        let left = left.checked_sub(manifest.colluders.into())?;
        (left > 0).then_some(left)
    }

    /// Standard deviation of each party's noise, grid units.
    pub fn share_sigma(&self) -> f64 {
        (self.share_variance.0 as f64 / self.share_variance.1 as f64).sqrt()
    }

    /// Standard deviation of the noise that protects, grid units.
    pub fn total_sigma(&self) -> f64 {
        self.noise_multiplier * self.sensitivity
    }

    /// The release as the accountants see it.
    pub fn mechanism(&self) -> Mechanism {
        Mechanism {
            noise_multiplier: self.noise_multiplier,
            sampling_rate: self.sampling_rate,
        }
    }

    /// What discreteness adds to one release.
    pub fn slack(&self, manifest: &Manifest) -> Slack {
        let honest = self.honest(manifest).unwrap_or(1);
        let coordinates = manifest.coordinates as usize;
        let (z, sensitivity) = (self.noise_multiplier, self.sensitivity);
        slack(self.share_sigma(), honest, z, sensitivity, coordinates)
    }

    /// Whether the noise suffices (SOUNDNESS condition 24) and the manifest keeps what it is calibrated for.
    ///
    /// # Errors
    /// [`TermsError`], naming what does not hold.
    pub fn check(&self, manifest: &Manifest) -> Result<(), TermsError> {
        // 1. Domains.
        let domains = [
            (
                "sampling rate",
                self.sampling_rate > 0.0 && self.sampling_rate <= 1.0,
            ),
            ("clip norm", self.clip_norm > 0.0),
            ("log scale", self.log_scale <= 50),
            (
                "noise multiplier",
                (0.05..=1e6).contains(&self.noise_multiplier),
            ),
            (
                "variance",
                self.share_variance.0 > 0 && self.share_variance.1 > 0,
            ),
            ("epsilon", self.epsilon > 0.0),
            ("delta", self.delta > 0.0 && self.delta < 1.0),
        ];
        if let Some((what, _)) = domains.iter().find(|(_, good)| !good) {
            return Err(TermsError::Domain(what));
        }
        // 2. Sensitivity: rounding moves neighbours apart by less than a unit a coordinate.
        let scaled = self.clip_norm * (1u64 << self.log_scale) as f64;
        let least = match self.adjacency {
            Adjacency::Record => scaled + f64::from(manifest.coordinates).sqrt(),
            Adjacency::Party => scaled,
        };
        if self
            .sensitivity
            .partial_cmp(&(least * (1.0 - ROUNDING)))
            .is_none_or(|o| o.is_lt())
        {
            return Err(TermsError::Sensitivity);
        }
        let bound = manifest.clip_norm as f64;
        if self.adjacency == Adjacency::Party
            && (self.sampling_rate != 1.0 || bound > self.sensitivity)
        {
            return Err(TermsError::Client);
        }
        // 3. Noise.
        if self.share_sigma() < LEAST_SHARE_SIGMA {
            return Err(TermsError::ShareTooSmall);
        }
        if self.total_sigma() < LEAST_TOTAL_SIGMA {
            return Err(TermsError::TotalTooSmall);
        }
        let honest = self.honest(manifest).ok_or(TermsError::Multiplier)?;
        let variance = f64::from(honest) * self.share_sigma() * self.share_sigma();
        if variance < self.total_sigma() * self.total_sigma() * (1.0 - ROUNDING) {
            return Err(TermsError::Multiplier);
        }
        // 4. Whom the round needs.
        match u32::from(manifest.minimum_honest) >= honest {
            true => Ok(()),
            false => Err(TermsError::Minimum),
        }
    }

    /// Deterministic CBOR, as a manifest's `terms` hold it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.array(FIELDS);
        out.uint(VERSION);
        out.uint(match self.adjacency {
            Adjacency::Record => 0,
            Adjacency::Party => 1,
        });
        put_number(&mut out, self.sampling_rate);
        put_number(&mut out, self.clip_norm);
        out.uint(self.log_scale.into());
        put_number(&mut out, self.sensitivity);
        put_number(&mut out, self.noise_multiplier);
        out.uint(self.share_variance.0);
        out.uint(self.share_variance.1);
        out.uint(self.dropouts.into());
        put_number(&mut out, self.epsilon);
        put_number(&mut out, self.delta);
        out.finish()
    }

    /// Reads a manifest's terms.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(bytes);
        if input.array(FIELDS, "privacy terms")? != FIELDS {
            return Err(FormatError::Unexpected("privacy terms"));
        }
        let version = input.uint(u64::MAX, "version")?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let terms = Self {
            adjacency: match input.uint(1, "adjacency")? {
                0 => Adjacency::Record,
                _ => Adjacency::Party,
            },
            sampling_rate: number(&mut input, "sampling rate")?,
            clip_norm: number(&mut input, "clip norm")?,
            log_scale: input.uint(50, "log scale")? as u32,
            sensitivity: number(&mut input, "sensitivity")?,
            noise_multiplier: number(&mut input, "noise multiplier")?,
            share_variance: (
                input.uint(u64::MAX, "variance")?,
                input.uint(u64::MAX, "variance")?,
            ),
            dropouts: input.uint(u16::MAX.into(), "dropouts")? as u16,
            epsilon: number(&mut input, "epsilon")?,
            delta: number(&mut input, "delta")?,
        };
        input.finish()?;
        Ok(terms)
    }

    /// The terms of a manifest; none where it promises no privacy.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn of(manifest: &Manifest) -> Result<Option<Self>, FormatError> {
        match &manifest.terms[..] {
            [] => Ok(None),
            bytes => Self::decode(bytes).map(Some),
        }
    }
}

/// What discreteness adds to the parameters of one release of so many integers.
///
/// `epsilon`: twice d tau, `tau = 10 sum_{k=1}^{m-1} exp(-2 pi^2 sigma_i^2 k / (k + 1))` being the largest log-ratio of a
/// sum of m discrete Gaussians and one discrete Gaussian, per coordinate. `delta`: the difference between the sum
/// over integers and the integral of a hockey stick across a kink of slope `pdf / (z sigma)`, at most
/// `1 / (8 sqrt(2 pi) z sigma^2)`.
pub fn slack(
    share_sigma: f64,
    honest: u32,
    noise_multiplier: f64,
    sensitivity: f64,
    coordinates: usize,
) -> Slack {
    let variance = share_sigma * share_sigma;
    let terms = (1..honest).map(|k| {
        let k = f64::from(k);
        (-2.0 * PI * PI * variance * k / (k + 1.0)).exp()
    });
    let tau = 10.0 * terms.sum::<f64>();
    let total = noise_multiplier * sensitivity;
    Slack {
        epsilon: 2.0 * tau * coordinates as f64,
        delta: 1.0 / (8.0 * (2.0 * PI).sqrt() * noise_multiplier * total * total),
    }
}

/// A number that is finite and not negative.
pub(super) fn number(input: &mut Decoder<'_>, what: &'static str) -> Result<f64, FormatError> {
    let value = f64::from_bits(input.uint(f64::MAX.to_bits(), what)?);
    Ok(value)
}

pub(super) fn put_number(out: &mut Encoder, value: f64) {
    out.uint(value.to_bits());
}

/// Least standard deviation of one party's noise, grid units.
pub const LEAST_SHARE_SIGMA: f64 = 4.0;
/// Least standard deviation of the honest survivors' noise, grid units.
pub const LEAST_TOTAL_SIGMA: f64 = 256.0;

const VERSION: u64 = 1;
const FIELDS: usize = 12;
/// Of a few operations on 64-bit floats.
const ROUNDING: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::sample;
    use super::*;

    /// Four parties of whom one may collude: three shares count.
    fn honest() -> (Manifest, Terms) {
        let manifest = Manifest {
            minimum_honest: 3,
            ..sample()
        };
        let sensitivity = 1024.0 + f64::from(manifest.coordinates).sqrt();
        let variance = (2.0 * sensitivity) * (2.0 * sensitivity) / 3.0;
        let terms = Terms {
            adjacency: Adjacency::Record,
            sampling_rate: 0.1,
            clip_norm: 1.0,
            log_scale: 10,
            sensitivity,
            noise_multiplier: 2.0,
            share_variance: (variance.ceil() as u64, 1),
            dropouts: 0,
            epsilon: 1.0,
            delta: 1e-5,
        };
        (manifest, terms)
    }

    #[test]
    fn one_encoding() {
        let (_, terms) = honest();
        let bytes = terms.encode();
        assert_eq!(Terms::decode(&bytes), Ok(terms));
        assert!(Terms::decode(&bytes[..bytes.len() - 1]).is_err());
        // A NaN and a negative number have no encoding.
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let bad = Terms {
                epsilon: bad,
                ..terms
            };
            assert!(Terms::decode(&bad.encode()).is_err());
        }
        let no_terms = Manifest {
            terms: vec![],
            ..sample()
        };
        assert_eq!(Terms::of(&no_terms), Ok(None));
        assert!(Terms::of(&sample()).is_err());
    }

    #[test]
    fn condition_24_and_what_it_needs_are_enforced() {
        let (manifest, terms) = honest();
        assert_eq!(terms.check(&manifest), Ok(()));
        type Change = fn(&mut Terms, &mut Manifest);
        let cases: &[(Change, TermsError)] = &[
            (|t, _| t.share_variance = (15, 1), TermsError::ShareTooSmall),
            (
                |t, _| (t.log_scale, t.sensitivity) = (5, 64.0),
                TermsError::TotalTooSmall,
            ),
            (|t, _| t.share_variance.0 /= 2, TermsError::Multiplier),
            (|t, _| t.dropouts = 1, TermsError::Multiplier),
            (|t, _| t.dropouts = 3, TermsError::Multiplier),
            (|_, m| m.colluders = 2, TermsError::Multiplier),
            (|_, m| m.minimum_honest = 2, TermsError::Minimum),
            (|t, _| t.sensitivity = 1024.0, TermsError::Sensitivity),
            (|t, _| t.sensitivity = f64::NAN, TermsError::Sensitivity),
            (|t, _| t.adjacency = Adjacency::Party, TermsError::Client),
            (
                |t, m| {
                    (t.adjacency, t.sampling_rate) = (Adjacency::Party, 1.0);
                    m.clip_norm = 1 << 20;
                },
                TermsError::Client,
            ),
            (
                |t, _| t.sampling_rate = 0.0,
                TermsError::Domain("sampling rate"),
            ),
            (
                |t, _| t.noise_multiplier = 0.01,
                TermsError::Domain("noise multiplier"),
            ),
            (
                |t, _| t.share_variance.1 = 0,
                TermsError::Domain("variance"),
            ),
            (|t, _| t.delta = 1.0, TermsError::Domain("delta")),
        ];
        for (index, (change, expected)) in cases.iter().enumerate() {
            let (mut manifest, mut terms) = honest();
            change(&mut terms, &mut manifest);
            assert_eq!(terms.check(&manifest), Err(*expected), "case {index}");
        }
        let client = Terms {
            adjacency: Adjacency::Party,
            sampling_rate: 1.0,
            ..terms
        };
        let bounded = Manifest {
            clip_norm: 1000,
            ..manifest
        };
        assert_eq!(client.check(&bounded), Ok(()));
    }

    #[test]
    fn slack_grows_as_the_noise_shrinks() {
        let fine = slack(100.0, 3, 1.0, 300.0, 1000);
        let coarse = slack(4.0, 3, 1.0, 256.0, 1000);
        assert!(fine.epsilon < 1e-60 && coarse.epsilon < 1e-50);
        assert!(coarse.delta > fine.delta && coarse.delta < 1e-6);
        assert!(slack(0.3, 3, 1.0, 256.0, 1000).epsilon > 1.0);
    }
}
