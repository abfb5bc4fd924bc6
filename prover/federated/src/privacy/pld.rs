//! Accounting by privacy loss distributions.
//!
//! 1. Claim: [`Composition::epsilon`] bounds the loss of a composition of Poisson-subsampled Gaussians in one
//!    direction (a record removed, or added); the larger of both is the loss. It errs upward only.
//! 2. `delta(epsilon) = P[L = inf] + sum_{l > epsilon} p(l) (1 - e^(epsilon - l))`. The continuous loss of one
//!    step is replaced by one on a grid of interval h whose hockey-stick curve touches the true one at every
//!    grid point and lies above it between them ("connect the dots"): each bucket's mass under P and under Q
//!    goes to its two ends so that both are kept. Steps are convolved by FFT.
//! 3. Added to delta: the mass that is cut off or wraps around, and a bound of the FFT's rounding.
//! 4. Source: Doroshenko, Ghazi, Kamath, Kumar, Manurangsi, "Connect the dots", PETS 2022; Koskela, Jälkö,
//!    Honkela 2020 for the FFT; Gopi, Lee, Wutschitz 2021 for the window.

use rustfft::num_complex::Complex;
use rustfft::FftPlanner;

use super::accountant::Mechanism;
use super::{normal_cdf, normal_mass, PrivacyError};

/// What happens to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// P is with the record, Q without it.
    Remove,
    /// P is without the record, Q with it.
    Add,
}

/// The loss of one step, on the grid.
#[derive(Clone, Debug)]
struct StepLoss {
    /// Grid index of the first mass.
    first: i64,
    masses: Vec<f64>,
    /// Mass of an infinite loss.
    infinite: f64,
}

/// The loss of all steps.
#[derive(Clone, Debug)]
pub struct Composition {
    first: i64,
    masses: Vec<f64>,
    infinite: f64,
    interval: f64,
}

impl Composition {
    /// Composes mechanisms on a grid of `interval` nats.
    ///
    /// # Errors
    /// [`PrivacyError::LossRange`] if the losses spread over more than 2^22 points.
    pub fn new(
        mechanisms: &[Mechanism],
        direction: Direction,
        interval: f64,
    ) -> Result<Self, PrivacyError> {
        let steps = mechanisms
            .iter()
            .map(|m| Ok((StepLoss::new(m, direction, interval)?, m.steps)));
        let steps: Vec<(StepLoss, u32)> = steps.collect::<Result<_, _>>()?;
        // 1. A window outside of which the sum hardly ever lies.
        let bound = |sign: f64| least_tail_bound(&steps, interval, sign);
        let first = (-bound(-1.0) / interval).floor();
        let last = (bound(1.0) / interval).ceil();
        let points = within_memory(last - first + 1.0)?;
        let size = points.next_power_of_two();
        // 2. Fourier: indices modulo the size, powers for repetitions.
        let mut planner = FftPlanner::<f64>::new();
        let (forward, inverse) = (
            planner.plan_fft_forward(size),
            planner.plan_fft_inverse(size),
        );
        let mut product = vec![Complex::new(1.0, 0.0); size];
        let mut log_finite = 0.0;
        let mut total_steps = 0.0;
        for (step, count) in &steps {
            let mut spectrum = vec![Complex::new(0.0, 0.0); size];
            for (index, mass) in (step.first..).zip(&step.masses) {
                spectrum[index.rem_euclid(size as i64) as usize].re += mass;
            }
            forward.process(&mut spectrum);
            for (product, value) in product.iter_mut().zip(spectrum) {
                *product *= value.powu(*count);
            }
            log_finite += f64::from(*count) * (-step.infinite).ln_1p();
            total_steps += f64::from(*count);
        }
        inverse.process(&mut product);
        let at = |index: i64| product[index.rem_euclid(size as i64) as usize].re / size as f64;
        let masses = (first as i64..).take(size).map(|index| at(index).max(0.0));
        // 3. Each step multiplies the relative error of a spectrum below 1 by at most 1 + 4 ulp; an error
        // e in every coefficient moves at most sqrt(size) e of mass.
        let rounding = 4.0 * f64::EPSILON * total_steps.max(1.0) * (size as f64).sqrt();
        Ok(Self {
            first: first as i64,
            masses: masses.collect(),
            infinite: -log_finite.exp_m1() + 2.0 * TAIL + rounding,
            interval,
        })
    }

    /// The least delta for this epsilon, rounded up.
    pub fn delta(&self, epsilon: f64) -> f64 {
        let losses = (self.first..).map(|index| index as f64 * self.interval);
        let terms = losses
            .zip(&self.masses)
            .map(|(loss, mass)| match loss > epsilon {
                true => -(epsilon - loss).exp_m1() * mass,
                false => 0.0,
            });
        (self.infinite + terms.sum::<f64>()).min(1.0)
    }

    /// The least epsilon for this delta, rounded up; infinite if no finite one is known.
    pub fn epsilon(&self, delta: f64) -> f64 {
        // From the top: with loss <= l_k still to be added, delta(epsilon) = above - e^epsilon weighted.
        let (mut above, mut weighted) = (self.infinite, 0.0);
        if above > delta {
            return f64::INFINITY;
        }
        for (index, mass) in self.masses.iter().enumerate().rev() {
            let loss = (self.first + index as i64) as f64 * self.interval;
            if loss <= 0.0 || above - loss.exp() * weighted > delta {
                break;
            }
            above += mass;
            weighted += mass * (-loss).exp();
        }
        if above - weighted <= delta {
            return 0.0;
        }
        ((above - delta) / weighted).ln().max(0.0) * (1.0 + 1e-12)
    }
}

impl StepLoss {
    /// `L(x) = log(1 - q + q exp((2x - 1) / (2 z^2)))` grows with x: P = (1 - q) N(0, z^2) + q N(1, z^2)
    /// against Q = N(0, z^2), or the other way round.
    fn new(
        mechanism: &Mechanism,
        direction: Direction,
        interval: f64,
    ) -> Result<Self, PrivacyError> {
        let (z, q) = (mechanism.noise_multiplier, mechanism.sampling_rate);
        let mixture = |a: f64, b: f64| {
            (1.0 - q) * normal_mass(a / z, b / z) + q * normal_mass((a - 1.0) / z, (b - 1.0) / z)
        };
        let normal = |a: f64, b: f64| normal_mass(a / z, b / z);
        let loss = |x: f64| {
            let exponent = (2.0 * x - 1.0) / (2.0 * z * z);
            match exponent > 0.0 {
                true => exponent + (q + (1.0 - q) * (-exponent).exp()).ln(),
                false => (q * exponent.exp_m1()).ln_1p(),
            }
        };
        let point = |loss: f64| {
            let odds = (loss.exp_m1() + q) / q;
            match odds > 0.0 {
                true => z * z * odds.ln() + 0.5,
                false => f64::NEG_INFINITY,
            }
        };
        // 1. All but e^-50 of P lies between these two points.
        let (low, high) = match direction {
            Direction::Remove => (-REACH * z, 1.0 + REACH * z),
            Direction::Add => (-REACH * z, REACH * z),
        };
        let (least, most) = match direction {
            Direction::Remove => (loss(low), loss(high)),
            Direction::Add => (-loss(high), -loss(low)),
        };
        let (first, last) = ((least / interval).floor(), (most / interval).ceil());
        let points = within_memory(last - first + 1.0)?;
        // 2. Masses of P and Q between neighbouring grid points, split so that both are kept.
        let mut masses = vec![0.0; points];
        let clamp = |x: f64| x.clamp(low, high);
        for bucket in 1..points {
            let lower = (first + bucket as f64 - 1.0) * interval;
            let upper = lower + interval;
            let (p, q_mass) = match direction {
                Direction::Remove => {
                    let (a, b) = (clamp(point(lower)), clamp(point(upper)));
                    (mixture(a, b), normal(a, b))
                }
                Direction::Add => {
                    let (a, b) = (clamp(point(-upper)), clamp(point(-lower)));
                    (normal(a, b), mixture(a, b))
                }
            };
            let up = (p - q_mass * lower.exp()) / -(-interval).exp_m1();
            let up = up.clamp(0.0, p);
            masses[bucket] += up;
            masses[bucket - 1] += p - up;
        }
        // 3. What is cut off: small losses become the least one, large ones infinite.
        let (small, large) = match direction {
            Direction::Remove => {
                let above = (1.0 - q) * normal_cdf(-high / z) + q * normal_cdf((1.0 - high) / z);
                let below = (1.0 - q) * normal_cdf(low / z) + q * normal_cdf((low - 1.0) / z);
                (below, above)
            }
            Direction::Add => (normal_cdf(-high / z), normal_cdf(low / z)),
        };
        masses[0] += small;
        Ok(Self {
            first: first as i64,
            masses,
            infinite: large,
        })
    }

    /// `log E[e^(exponent L); L finite]`.
    fn log_moment(&self, exponent: f64, interval: f64) -> f64 {
        let end = self.first + self.masses.len() as i64 - 1;
        let extreme = if exponent > 0.0 { end } else { self.first };
        let shift = exponent * extreme as f64 * interval;
        let terms = (self.first..).zip(&self.masses);
        let terms =
            terms.map(|(index, mass)| mass * (exponent * index as f64 * interval - shift).exp());
        shift + terms.sum::<f64>().ln()
    }
}

/// What the sum of losses (sign 1), or its negative (sign -1), exceeds with probability [`TAIL`] at most.
fn least_tail_bound(steps: &[(StepLoss, u32)], interval: f64, sign: f64) -> f64 {
    let bound = |half_log| tail_bound(steps, interval, sign, half_log);
    // Every exponent bounds; log-moments are convex, so the bounds fall, then rise.
    let (mut least, mut most) = (LEAST_HALF_LOG, -LEAST_HALF_LOG);
    while least < most {
        let middle = (least + most).div_euclid(2);
        match bound(middle) <= bound(middle + 1) {
            true => most = middle,
            false => least = middle + 1,
        }
    }
    bound(least)
}

/// Chernoff's bound by the moment of exponent `2^(half_log / 2)`.
fn tail_bound(steps: &[(StepLoss, u32)], interval: f64, sign: f64, half_log: i32) -> f64 {
    let exponent = (0.5 * f64::from(half_log)).exp2();
    let moments = steps
        .iter()
        .map(|(step, count)| f64::from(*count) * step.log_moment(sign * exponent, interval));
    let bound = (moments.sum::<f64>() - TAIL.ln()) / exponent;
    // A moment that underflows bounds nothing.
    match bound.is_finite() {
        true => bound,
        false => f64::INFINITY,
    }
}

fn within_memory(points: f64) -> Result<usize, PrivacyError> {
    // A NaN is not within.
    if points <= MOST_POINTS as f64 {
        return Ok(points as usize);
    }
    Err(PrivacyError::LossRange {
        points,
        most: MOST_POINTS,
    })
}

/// Standard deviations up to which one step's loss is resolved: `Phi(-10) < 1e-23`.
const REACH: f64 = 10.0;
/// Probability that the sum leaves the window, on each side.
const TAIL: f64 = 1e-14;
const MOST_POINTS: usize = 1 << 22;
const LEAST_HALF_LOG: i32 = -40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_the_least_of_all_bounds() {
        for (z, q, count) in [
            (0.5, 0.01, 1),
            (1.1, 0.02, 1000),
            (8.0, 1.0, 30),
            (40.0, 0.3, 80),
        ] {
            let mechanism = Mechanism::new(z, q, count).unwrap();
            for direction in [Direction::Remove, Direction::Add] {
                let steps = [(StepLoss::new(&mechanism, direction, 1e-3).unwrap(), count)];
                for sign in [-1.0, 1.0] {
                    let found = least_tail_bound(&steps, 1e-3, sign);
                    let all = (LEAST_HALF_LOG..=-LEAST_HALF_LOG)
                        .map(|half_log| tail_bound(&steps, 1e-3, sign, half_log));
                    let least = all.fold(f64::INFINITY, f64::min);
                    assert!(
                        found - least <= 1e-9 * least.abs(),
                        "{z} {q} {count}: {found} {least}"
                    );
                }
            }
        }
    }
}
