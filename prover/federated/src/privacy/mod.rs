//! Differential privacy: what is promised, how much noise it takes, how much of it is spent.
//!
//! 1. Claim: a mechanism M is (epsilon, delta)-differentially private for an [`Adjacency`] if
//!    `P[M(D) in S] <= e^epsilon P[M(D') in S] + delta` for adjacent D, D' and every set S.
//! 2. Units: sensitivities are L2 norms, in the unit of the released vector; a noise multiplier is the
//!    standard deviation over that sensitivity.
//! 3. Assumed: gradients are clipped per example ([`crate::training`]), the sampling is secret and Poisson,
//!    noise comes from [`discrete_gaussian`].
//! 4. Source: Dwork and Roth 2014; SOUNDNESS conditions 21 to 25; docs/privacy.md.

pub mod accountant;
pub mod analytic_gaussian;
pub mod budget;
pub mod discrete_gaussian;
pub mod distributed;
pub mod pld;
pub mod rdp;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which two databases must look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjacency {
    /// One record is added or removed: record-level privacy.
    AddRemoveRecord,
    /// All records of one party are added or removed: client-level privacy, without amplification by
    /// sampling.
    AddRemoveParty,
}

/// The promise: (epsilon, delta) for an adjacency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrivacyTarget {
    /// Largest privacy loss, in nats.
    pub epsilon: f64,
    /// Probability that the loss is larger.
    pub delta: f64,
    /// Between which databases.
    pub adjacency: Adjacency,
}

impl PrivacyTarget {
    /// A promise.
    ///
    /// # Errors
    /// [`PrivacyError::Parameter`] unless epsilon is positive and finite and `0 < delta < 1`.
    pub fn new(epsilon: f64, delta: f64, adjacency: Adjacency) -> Result<Self, PrivacyError> {
        positive("epsilon", epsilon)?;
        fraction("delta", delta)?;
        Ok(Self {
            epsilon,
            delta,
            adjacency,
        })
    }
}

/// Why a mechanism cannot be calibrated, sampled or accounted for.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// A number outside its domain.
    #[error("{name} is {value}, which is not {expected}")]
    Parameter {
        /// Which one.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// Too many parties drop out or collude for any noise to remain.
    #[error(
        "of {parties} parties {dropouts} may drop out and {colluders} may collude, so that nobody adds \
         noise; allow fewer of both"
    )]
    NobodyLeft {
        /// n.
        parties: u32,
        /// D.
        dropouts: u32,
        /// T.
        colluders: u32,
    },
    /// The noise is too small on the grid.
    #[error(
        "a {what} standard deviation of {sigma:.2} grid units is below {least}; use a finer grid, so that \
         sums of discrete Gaussians are as private as a Gaussian"
    )]
    CoarseGrid {
        /// Whose: a party's or the total.
        what: &'static str,
        /// In grid units.
        sigma: f64,
        /// Least allowed.
        least: f64,
    },
    /// The distribution of the privacy loss needs more memory than is allowed.
    #[error("the privacy loss spreads over {points} grid points, more than {most}; the noise is too small for this many steps")]
    LossRange {
        /// Points needed.
        points: f64,
        /// Most allowed.
        most: usize,
    },
    /// Two mechanisms of different adjacency.
    #[error(
        "a round with {got:?} adjacency cannot be added to a budget with {expected:?} adjacency"
    )]
    Adjacency {
        /// That of the budget.
        expected: Adjacency,
        /// That of the round.
        got: Adjacency,
    },
}

pub(crate) fn positive(name: &'static str, value: f64) -> Result<(), PrivacyError> {
    check(
        value.is_finite() && value > 0.0,
        name,
        value,
        "a positive number",
    )
}

pub(crate) fn fraction(name: &'static str, value: f64) -> Result<(), PrivacyError> {
    check(value > 0.0 && value < 1.0, name, value, "between 0 and 1")
}

pub(crate) fn check(
    holds: bool,
    name: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<(), PrivacyError> {
    match holds {
        true => Ok(()),
        false => Err(PrivacyError::Parameter {
            name,
            value,
            expected,
        }),
    }
}

/// Standard normal distribution function, accurate in relative terms in the lower tail.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// Probability of `[a, b]` under the standard normal distribution, without cancellation in either tail.
pub(crate) fn normal_mass(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        normal_cdf(-a) - normal_cdf(-b)
    } else {
        normal_cdf(b) - normal_cdf(a)
    }
}
