//! Steps from a mean gradient: post-processing, which spends no privacy.
//!
//! Source: Polyak 1964 for momentum, `v = m v + g, w = w - r v`; Kingma and Ba 2015, algorithm 1, for Adam.

use serde::{Deserialize, Serialize};

use super::{setting, TrainingError};

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd {
        /// Step size.
        learning_rate: f32,
        /// m, from 0 (none) to below 1.
        momentum: f32,
    },
    /// Adam with beta1 = 0.9, beta2 = 0.999.
    Adam {
        /// Step size.
        learning_rate: f32,
    },
}

/// A rule with its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimizer {
    rule: Rule,
    steps: u32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Optimizer {
    /// For so many parameters.
    ///
    /// # Errors
    /// [`TrainingError::Setting`] for a step size that is not positive or a momentum outside `[0, 1)`.
    pub fn new(rule: Rule, parameters: usize) -> Result<Self, TrainingError> {
        let (rate, momentum) = match rule {
            Rule::Sgd {
                learning_rate,
                momentum,
            } => (learning_rate, momentum),
            Rule::Adam { learning_rate } => (learning_rate, 0.0),
        };
        let finite = rate.is_finite() && rate > 0.0;
        setting(
            finite,
            "learning rate",
            f64::from(rate),
            "a positive number",
        )?;
        let range = "at least 0 and below 1";
        setting(
            (0.0..1.0).contains(&momentum),
            "momentum",
            f64::from(momentum),
            range,
        )?;
        Ok(Self {
            rule,
            steps: 0,
            first: vec![0.0; parameters],
            second: vec![
                0.0;
                if matches!(rule, Rule::Adam { .. }) {
                    parameters
                } else {
                    0
                }
            ],
        })
    }

    /// Takes over the state of another optimizer of this rule and length.
    ///
    /// # Errors
    /// [`TrainingError::Parameters`] for another length; [`TrainingError::Setting`] for another rule.
    pub fn restore(&mut self, saved: Self) -> Result<(), TrainingError> {
        let same = saved.rule == self.rule;
        setting(
            same,
            "rule of the checkpoint",
            f64::NAN,
            "the one that the settings name",
        )?;
        let lengths = [
            (self.first.len(), saved.first.len()),
            (self.second.len(), saved.second.len()),
        ];
        if let Some((expected, got)) = lengths.into_iter().find(|(own, other)| own != other) {
            return Err(TrainingError::Parameters { expected, got });
        }
        *self = saved;
        Ok(())
    }

    /// One step.
    ///
    /// # Errors
    /// [`TrainingError::Parameters`] for vectors of another length.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32]) -> Result<(), TrainingError> {
        for got in [parameters.len(), gradient.len()] {
            if got != self.first.len() {
                let expected = self.first.len();
                return Err(TrainingError::Parameters { expected, got });
            }
        }
        self.steps = self.steps.saturating_add(1);
        match self.rule {
            Rule::Sgd {
                learning_rate,
                momentum,
            } => {
                for ((w, g), v) in parameters.iter_mut().zip(gradient).zip(&mut self.first) {
                    *v = momentum * *v + g;
                    *w -= learning_rate * *v;
                }
            }
            Rule::Adam { learning_rate } => {
                let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
                let unbiased = |beta: f32| 1.0 - beta.powi(steps);
                let rate = learning_rate * unbiased(BETA2).sqrt() / unbiased(BETA1);
                let moments = self.first.iter_mut().zip(&mut self.second);
                for ((w, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    *m = BETA1 * *m + (1.0 - BETA1) * g;
                    *v = BETA2 * *v + (1.0 - BETA2) * g * g;
                    *w -= rate * *m / (v.sqrt() + 1e-8);
                }
            }
        }
        Ok(())
    }
}

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;

#[cfg(test)]
mod tests {
    use super::*;

    /// `f(w) = 5 (w0 - 3)^2 + (w1 + 1)^2 / 2`.
    #[test]
    fn both_rules_find_a_minimum() {
        let sgd = Rule::Sgd {
            learning_rate: 0.05,
            momentum: 0.8,
        };
        for rule in [
            sgd,
            Rule::Adam {
                learning_rate: 0.05,
            },
        ] {
            let (mut optimizer, mut w) = (Optimizer::new(rule, 2).unwrap(), [0f32, 0.0]);
            for _ in 0..1000 {
                let gradient = [10.0 * (w[0] - 3.0), w[1] + 1.0];
                optimizer.step(&mut w, &gradient).unwrap();
            }
            assert!(
                (w[0] - 3.0).abs() < 1e-2 && (w[1] + 1.0).abs() < 1e-2,
                "{rule:?} {w:?}"
            );
        }
    }

    /// By hand: the first step of Adam has the size of the learning rate.
    #[test]
    fn first_steps() {
        let mut adam = Optimizer::new(Rule::Adam { learning_rate: 0.1 }, 1).unwrap();
        let mut w = [1f32];
        adam.step(&mut w, &[-42.0]).unwrap();
        assert!((w[0] - 1.1).abs() < 1e-5);
        let rule = Rule::Sgd {
            learning_rate: 0.1,
            momentum: 0.5,
        };
        let mut sgd = Optimizer::new(rule, 1).unwrap();
        let mut w = [0f32];
        sgd.step(&mut w, &[1.0]).unwrap();
        sgd.step(&mut w, &[1.0]).unwrap();
        assert!((w[0] + 0.25).abs() < 1e-6);
        assert!(sgd.step(&mut w, &[1.0, 2.0]).is_err());
        for rate in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Optimizer::new(
                Rule::Adam {
                    learning_rate: rate
                },
                1
            )
            .is_err());
        }
    }
}
