//! Constraints on named, committed, private fields.
//!
//! 1. Claim: the prover knows values for the fields, some perhaps missing, and a blinding, with which all
//!    constraints hold and which the public commitment opens to. That a field is what its name says is a claim.
//! 2. A [`ComplianceConstraint`] of name f: field f and all required fields are present, `min <= f <= max`. A
//!    [`LinearConstraint`]: its fields are present and `sum_i c_i f_i (relation) constant`, over the integers.
//!    Values are integers, `|v| < 2^62`; scale and round fractions. Committed: presence bits packed, values.
//! 3. Bounds: every field in a linear constraint is range-checked to 62 bits and a sign; with 64 terms and
//!    coefficients below 2^31 no sum reaches 2^100.
//! 4. Public inputs: commitment, context.

use std::collections::{BTreeMap, BTreeSet};

use ark_bn254::Fr;
use ark_ff::AdditiveGroup;
use ark_r1cs_std::alloc::AllocVar;
use ark_r1cs_std::boolean::Boolean;
use ark_r1cs_std::eq::EqGadget;
use ark_r1cs_std::fields::fp::FpVar;
use ark_r1cs_std::fields::FieldVar;
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};
use rand_core::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::gadgets::{bind, bits, input, nonnegative, pack, scalar, sum, width, witness};
use super::poseidon::{commit, commit_in_circuit, Tag, Width};
use super::{prove, Proven, ProvingKey, StatementError};

/// The field `name` is there, with all of `required_fields`, and lies in `[min, max]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComplianceConstraint {
    /// The field.
    pub name: String,
    /// Least value allowed; none: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Largest value allowed; none: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Further fields that must have a value.
    #[serde(default)]
    pub required_fields: Vec<String>,
}

/// How a sum compares with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
}

/// `sum_i coefficient_i field_i (relation) constant`; comparing two fields is `f - g >= 0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConstraint {
    /// For error messages.
    pub name: String,
    /// Fields with their coefficients.
    pub terms: BTreeMap<String, i32>,
    /// The comparison.
    pub relation: Relation,
    /// The right side.
    pub constant: i64,
}

/// A public list of constraints over named fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compliance {
    /// All fields that may have a value, in the commitment's order.
    pub fields: Vec<String>,
    /// Ranges.
    #[serde(default)]
    pub constraints: Vec<ComplianceConstraint>,
    /// Linear relations.
    #[serde(default)]
    pub linear: Vec<LinearConstraint>,
}

/// Private values of fields, with the blinding of their commitment.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Record {
    /// In the order of the statement's fields.
    values: Vec<Option<i64>>,
    blinding: Fr,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({} fields)", self.values.len())
    }
}

impl Compliance {
    /// Checks that the statement can be proved at all.
    ///
    /// # Errors
    /// [`StatementError::Malformed`].
    pub fn check(&self) -> Result<(), StatementError> {
        let malformed = |reason: String| Err(StatementError::Malformed(reason));
        let known: BTreeSet<&str> = self.fields.iter().map(String::as_str).collect();
        if self.fields.is_empty() || self.fields.len() > MOST || known.len() != self.fields.len() {
            return malformed(format!("it must name 1 to {MOST} different fields"));
        }
        if self.constraints.len() > MOST || self.linear.len() > MOST {
            return malformed(format!("it has more than {MOST} constraints of a kind"));
        }
        for constraint in &self.constraints {
            let names = constraint.required_fields.iter().chain([&constraint.name]);
            if let Some(name) = names.into_iter().find(|n| !known.contains(n.as_str())) {
                return malformed(format!(
                    "constraint {} names the unknown field {name}",
                    constraint.name
                ));
            }
            let (min, max) = (
                constraint.min.unwrap_or(-LARGEST),
                constraint.max.unwrap_or(LARGEST),
            );
            if min > max || min < -LARGEST || max > LARGEST {
                return malformed(format!(
                    "the range of constraint {} is empty or leaves 62 bits",
                    constraint.name
                ));
            }
        }
        for constraint in &self.linear {
            if let Some(name) = constraint
                .terms
                .keys()
                .find(|n| !known.contains(n.as_str()))
            {
                return malformed(format!(
                    "constraint {} names the unknown field {name}",
                    constraint.name
                ));
            }
            if constraint.terms.is_empty() {
                return malformed(format!("constraint {} has no terms", constraint.name));
            }
        }
        Ok(())
    }

    /// A record of these values, with fresh blinding.
    ///
    /// # Errors
    /// [`StatementError::Malformed`]; [`StatementError::UnknownField`]; [`StatementError::OutOfRange`] beyond 62
    /// bits.
    pub fn record<R: RngCore + CryptoRng>(
        &self,
        values: &BTreeMap<String, i64>,
        rng: &mut R,
    ) -> Result<Record, StatementError> {
        self.check()?;
        for (name, value) in values {
            if !self.fields.contains(name) {
                return Err(StatementError::UnknownField(name.clone()));
            }
            if value.unsigned_abs() > LARGEST.unsigned_abs() {
                return Err(StatementError::OutOfRange {
                    constraint: "62 bits".into(),
                    field: name.clone(),
                });
            }
        }
        let values = self.fields.iter().map(|f| values.get(f).copied()).collect();
        let blinding = ark_ff::UniformRand::rand(rng);
        Ok(Record { values, blinding })
    }

    /// What is published of a record.
    pub fn commitment(&self, record: &Record) -> Fr {
        let present = record.values.iter().rev();
        let present = present.fold(0u64, |bits, value| bits << 1 | u64::from(value.is_some()));
        let values = record
            .values
            .iter()
            .map(|v| scalar(i128::from(v.unwrap_or(0))));
        let all: Vec<Fr> = std::iter::once(Fr::from(present)).chain(values).collect();
        commit(Tag::Fields, Width::Three, record.blinding, &all)
    }

    /// Names the first constraint that does not hold.
    ///
    /// # Errors
    /// [`StatementError::MissingField`], [`StatementError::OutOfRange`], [`StatementError::False`].
    pub fn evaluate(&self, record: &Record) -> Result<(), StatementError> {
        let value = |constraint: &str, field: &str| {
            let known = self.fields.iter().position(|f| f == field);
            let value = known.and_then(|index| *record.values.get(index)?);
            value.ok_or_else(|| StatementError::MissingField {
                constraint: constraint.into(),
                field: field.into(),
            })
        };
        for constraint in &self.constraints {
            let v = value(&constraint.name, &constraint.name)?;
            for field in &constraint.required_fields {
                value(&constraint.name, field)?;
            }
            if constraint.min.is_some_and(|min| v < min)
                || constraint.max.is_some_and(|max| v > max)
            {
                return Err(StatementError::OutOfRange {
                    constraint: constraint.name.clone(),
                    field: constraint.name.clone(),
                });
            }
        }
        for constraint in &self.linear {
            let mut total = -i128::from(constraint.constant);
            for (field, coefficient) in &constraint.terms {
                total += i128::from(*coefficient) * i128::from(value(&constraint.name, field)?);
            }
            let holds = match constraint.relation {
                Relation::AtLeast => total >= 0,
                Relation::AtMost => total <= 0,
                Relation::Equal => total == 0,
                Relation::NotEqual => total != 0,
            };
            if !holds {
                let constraint = constraint.name.clone();
                return Err(StatementError::False { constraint });
            }
        }
        Ok(())
    }

    /// Proves that a record satisfies the constraints.
    ///
    /// # Errors
    /// As [`Compliance::evaluate`]; [`StatementError::Key`] for another statement's key.
    pub fn prove<R: RngCore + CryptoRng>(
        &self,
        key: &ProvingKey,
        record: &Record,
        context: Fr,
        rng: &mut R,
    ) -> Result<Proven, StatementError> {
        self.check()?;
        if record.values.len() != self.fields.len() {
            let (expected, got) = (self.fields.len(), record.values.len());
            return Err(StatementError::Length { expected, got });
        }
        self.evaluate(record)?;
        prove(
            key,
            |system| self.constrain(&system, Some((record, context))),
            rng,
        )
    }

    /// The circuit; without values while a key is made.
    pub(super) fn constrain(
        &self,
        system: &ConstraintSystemRef<Fr>,
        given: Option<(&Record, Fr)>,
    ) -> Result<(), SynthesisError> {
        let record = given.map(|(record, _)| record);
        // 1. Public: commitment, context.
        let commitment = input(system, record.map(|r| self.commitment(r)))?;
        bind(&input(system, given.map(|(_, context)| context))?)?;
        // 2. The opening.
        let (mut present, mut values) = (vec![], vec![]);
        for index in 0..self.fields.len() {
            let value = record.and_then(|r| r.values[index]);
            present.push(Boolean::new_witness(
                system.clone(),
                || Ok(value.is_some()),
            )?);
            values.push(witness(
                system,
                Some(scalar(i128::from(value.unwrap_or(0)))),
            )?);
        }
        let blinding = witness(system, record.map(|r| r.blinding))?;
        let all = [&[pack(&present)], &values[..]].concat();
        let opened = commit_in_circuit(system, Tag::Fields, Width::Three, &blinding, &all)?;
        opened.enforce_equal(&commitment)?;
        // 3. Constraints.
        let index = |name: &str| {
            let index = self.fields.iter().position(|field| field == name);
            index.ok_or(SynthesisError::AssignmentMissing)
        };
        for constraint in &self.constraints {
            for name in constraint.required_fields.iter().chain([&constraint.name]) {
                present[index(name)?].enforce_equal(&Boolean::TRUE)?;
            }
            let value = &values[index(&constraint.name)?];
            let min = constraint.min.unwrap_or(-LARGEST);
            let max = constraint.max.unwrap_or(LARGEST);
            let bits = width(i128::from(max).abs_diff(i128::from(min)));
            nonnegative(system, &(value - constant(min)), bits)?;
            nonnegative(system, &(constant(max) - value), bits)?;
        }
        let mut checked = BTreeSet::new();
        for constraint in &self.linear {
            let mut terms = vec![constant(-i128::from(constraint.constant))];
            for (name, coefficient) in &constraint.terms {
                let at = index(name)?;
                present[at].enforce_equal(&Boolean::TRUE)?;
                if checked.insert(at) {
                    bits(system, &(&values[at] + constant(LARGEST)), 63)?;
                }
                terms.push(&values[at] * scalar(i128::from(*coefficient)));
            }
            let total = sum(&terms);
            match constraint.relation {
                Relation::AtLeast => nonnegative(system, &total, SUM_BITS)?,
                Relation::AtMost => nonnegative(system, &total.negate()?, SUM_BITS)?,
                Relation::Equal => total.enforce_equal(&FpVar::Constant(Fr::ZERO))?,
                Relation::NotEqual => total.enforce_not_equal(&FpVar::Constant(Fr::ZERO))?,
            }
        }
        Ok(())
    }
}

fn constant(value: impl Into<i128>) -> FpVar<Fr> {
    FpVar::Constant(scalar(value.into()))
}

/// Most fields, and constraints of a kind.
const MOST: usize = 64;
/// Largest magnitude of a value.
const LARGEST: i64 = (1 << 62) - 1;
/// 64 terms of 62 + 31 bits, a constant of 63.
const SUM_BITS: usize = 100;

#[cfg(test)]
mod tests {
    use ark_ff::Field;
    use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::super::{context, verifying_key, Statement};
    use super::*;

    fn statement() -> Compliance {
        let text = r#"{
            "fields": ["num_samples", "age_min", "age_max", "positives", "fraction_permille"],
            "constraints": [
                { "name": "num_samples", "min": 100, "required_fields": ["age_min", "age_max"] },
                { "name": "fraction_permille", "min": 0, "max": 1000 },
                { "name": "age_min", "min": -5, "max": -5 }
            ],
            "linear": [
                { "name": "ages in order", "terms": { "age_max": 1, "age_min": -1 }, "relation": "at-least", "constant": 0 },
                { "name": "few positives", "terms": { "positives": 2, "num_samples": -1 }, "relation": "at-most", "constant": 0 },
                { "name": "sum", "terms": { "age_min": 3, "age_max": -7 }, "relation": "not-equal", "constant": 12 }
            ]
        }"#;
        serde_json::from_str(text).unwrap()
    }

    fn values() -> BTreeMap<String, i64> {
        let pairs = [
            ("num_samples", 5000),
            ("age_min", -5),
            ("age_max", 90),
            ("positives", 2500),
            ("fraction_permille", 0),
        ];
        pairs.map(|(name, value)| (name.to_string(), value)).into()
    }

    fn satisfied(statement: &Compliance, record: &Record) -> bool {
        let system = ConstraintSystem::new_ref();
        system.set_mode(SynthesisMode::Prove {
            construct_matrices: true,
            generate_lc_assignments: false,
        });
        statement
            .constrain(&system, Some((record, Fr::ONE)))
            .unwrap();
        system.finalize();
        system.is_satisfied().unwrap()
    }

    #[test]
    fn the_circuit_agrees_with_evaluation() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let statement = statement();
        let mut check = |changes: &[(&str, Option<i64>)]| {
            let mut all = values();
            for (name, value) in changes {
                match value {
                    Some(value) => all.insert(name.to_string(), *value),
                    None => all.remove(*name),
                };
            }
            let record = statement.record(&all, &mut rng).unwrap();
            let result = statement.evaluate(&record);
            assert_eq!(
                satisfied(&statement, &record),
                result.is_ok(),
                "{changes:?}"
            );
            result
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(
            check(&[("num_samples", Some(100)), ("positives", Some(50))]),
            Ok(())
        );
        let missing = |constraint: &str, field: &str| {
            Err(StatementError::MissingField {
                constraint: constraint.into(),
                field: field.into(),
            })
        };
        assert_eq!(
            check(&[("age_max", None)]),
            missing("num_samples", "age_max")
        );
        assert_eq!(
            check(&[("num_samples", None)]),
            missing("num_samples", "num_samples")
        );
        assert_eq!(
            check(&[("positives", None)]),
            missing("few positives", "positives")
        );
        let range = |name: &str| {
            Err(StatementError::OutOfRange {
                constraint: name.into(),
                field: name.into(),
            })
        };
        assert_eq!(
            check(&[("num_samples", Some(99)), ("positives", Some(1))]),
            range("num_samples")
        );
        assert_eq!(
            check(&[("fraction_permille", Some(1001))]),
            range("fraction_permille")
        );
        assert_eq!(
            check(&[("fraction_permille", Some(-1))]),
            range("fraction_permille")
        );
        assert_eq!(check(&[("age_min", Some(-4))]), range("age_min"));
        let broken = |name: &str| {
            Err(StatementError::False {
                constraint: name.into(),
            })
        };
        assert_eq!(check(&[("age_max", Some(-6))]), broken("ages in order"));
        assert_eq!(check(&[("positives", Some(2501))]), broken("few positives"));
        // 3 * -5 - 7 * x is never 12, so move the constant instead.
        let mut other = statement.clone();
        other.linear[2].constant = 3 * -5 - 7 * 90;
        let record = other.record(&values(), &mut rng).unwrap();
        assert_eq!(other.evaluate(&record), broken("sum"));
        assert!(!satisfied(&other, &record));
        other.linear[2].relation = Relation::Equal;
        assert_eq!(other.evaluate(&record), Ok(()));
        assert!(satisfied(&other, &record));
        other.linear[2].constant += 1;
        assert!(!satisfied(&other, &record));
    }

    #[test]
    fn values_at_the_edge_of_their_range_are_no_loophole() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut statement = statement();
        statement.constraints.clear();
        statement.linear.truncate(1);
        statement.linear[0].terms =
            [("age_max".into(), i32::MIN), ("age_min".into(), i32::MAX)].into();
        for (max, min) in [
            (LARGEST, LARGEST),
            (-LARGEST, LARGEST),
            (LARGEST, -LARGEST),
            (0, 0),
        ] {
            let record = statement
                .record(
                    &[("age_max".into(), max), ("age_min".into(), min)].into(),
                    &mut rng,
                )
                .unwrap();
            assert_eq!(
                satisfied(&statement, &record),
                statement.evaluate(&record).is_ok()
            );
        }
        for value in [LARGEST + 1, i64::MIN, i64::MAX] {
            let refused = statement.record(&[("age_max".into(), value)].into(), &mut rng);
            assert!(matches!(refused, Err(StatementError::OutOfRange { .. })));
        }
        let unknown = statement.record(&[("shoe".into(), 1)].into(), &mut rng);
        assert_eq!(
            unknown.unwrap_err(),
            StatementError::UnknownField("shoe".into())
        );
    }

    #[test]
    fn malformed_statements_are_refused() {
        let base = statement();
        let edit = |edit: &dyn Fn(&mut Compliance)| {
            let mut other = base.clone();
            edit(&mut other);
            assert!(matches!(other.check(), Err(StatementError::Malformed(_))));
        };
        edit(&|s| s.fields.clear());
        edit(&|s| s.fields[1] = s.fields[0].clone());
        edit(&|s| s.fields = (0..65).map(|i| i.to_string()).collect());
        edit(&|s| s.constraints[0].name = "shoe".into());
        edit(&|s| s.constraints[0].required_fields = vec!["shoe".into()]);
        edit(&|s| (s.constraints[1].min, s.constraints[1].max) = (Some(2), Some(1)));
        edit(&|s| s.constraints[1].max = Some(i64::MAX));
        edit(&|s| s.linear[0].terms.clear());
        edit(&|s| s.linear[0].terms = [("shoe".into(), 1)].into());
        assert!(
            serde_json::from_str::<Compliance>(r#"{"fields": ["a"], "constraint": []}"#).is_err()
        );
    }

    #[test]
    fn proofs_verify_for_their_commitment_and_context_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let statement = statement();
        let key = Statement::Compliance(statement.clone())
            .single_party_key(&mut rng)
            .unwrap();
        let verifier = verifying_key(&key).unwrap();
        let record = statement.record(&values(), &mut rng).unwrap();
        let proven = statement
            .prove(&key, &record, context(b"round 1"), &mut rng)
            .unwrap();
        assert_eq!(
            proven.public_inputs,
            [statement.commitment(&record), context(b"round 1")]
        );
        proven.verify(&verifier).unwrap();
        for index in 0..2 {
            let mut other = proven.clone();
            other.public_inputs[index] += Fr::ONE;
            assert!(other.verify(&verifier).is_err());
        }
        let other = Compliance {
            constraints: vec![],
            ..statement.clone()
        };
        let refused = other.prove(&key, &record, Fr::ONE, &mut rng).unwrap_err();
        assert_eq!(refused, StatementError::Key);
        assert_eq!(format!("{record:?}"), "Record(5 fields)");
    }
}
