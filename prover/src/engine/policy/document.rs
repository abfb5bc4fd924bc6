//! A policy file in TOML to a [`Policy`]; each mistake with its line and column.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::expression::{parse, Expression, Operand, Relation, Set, Term};
use super::{
    Aggregate, Field, FieldKind, Member, Named, Policy, PolicyError, Position, Release, Rule,
    Threshold,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: Spanned<u32>,
    name: Spanned<String>,
    #[serde(default)]
    features: Vec<Spanned<String>>,
    #[serde(default)]
    metadata: BTreeMap<Spanned<String>, FieldDocument>,
    #[serde(default)]
    thresholds: BTreeMap<Spanned<String>, ThresholdDocument>,
    #[serde(default)]
    sets: BTreeMap<Spanned<String>, Spanned<Vec<Literal>>>,
    #[serde(default)]
    aggregate: BTreeMap<Spanned<String>, AggregateDocument>,
    #[serde(default)]
    rule: Vec<Spanned<RuleDocument>>,
    #[serde(default)]
    release: Release,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldDocument {
    values: Option<Spanned<Vec<String>>>,
    bits: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ThresholdDocument {
    Public(f64),
    Committed(Committed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Committed {
    committed: f64,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Literal {
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AggregateDocument {
    sum: Option<Spanned<String>>,
    #[serde(default)]
    count: bool,
    window: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleDocument {
    name: Spanned<String>,
    require: Spanned<String>,
}

/// Greatest size of a policy file in bytes.
pub const MAX_POLICY_BYTES: usize = 1 << 20;
/// Greatest number of rules, fields, sets, thresholds, aggregates.
const MAX_ENTRIES: usize = 256;
/// Greatest width of a field of the metadata, in bits.
const MAX_FIELD_BITS: u32 = 32;

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The first mistake, with its line and column: unknown keys and names that nothing declares, empty rules and sets,
    /// ranges that nothing lies in.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError {
                position: None,
                reason: format!(
                    "a policy has at most {MAX_POLICY_BYTES} bytes; this one has {}",
                    text.len()
                ),
            });
        }
        let document: Document = toml::from_str(text).map_err(|error| PolicyError {
            position: error.span().map(|span| position(text, span.start)),
            reason: error.message().to_owned(),
        })?;
        Reader { text }.policy(document)
    }
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn fail<T>(&self, span: Range<usize>, reason: impl Into<String>) -> Result<T, PolicyError> {
        Err(PolicyError::at(position(self.text, span.start), reason))
    }

    fn policy(&self, document: Document) -> Result<Policy, PolicyError> {
        if *document.version.get_ref() != 1 {
            return self.fail(
                document.version.span(),
                "this is no version 1 of the policy format; write version = 1",
            );
        }
        if document.name.get_ref().trim().is_empty() || document.name.get_ref().len() > 256 {
            return self.fail(
                document.name.span(),
                "a policy needs a name of at most 256 bytes",
            );
        }
        // 1. What rules may name; one name, one thing.
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        let mut declare = |name: &Spanned<String>, what: &'static str| {
            if !is_name(name.get_ref()) {
                let reason = "a name has letters, digits and underscores, and begins with no digit";
                return self.fail(name.span(), reason);
            }
            match names.insert(name.get_ref().clone(), what) {
                None => Ok(()),
                Some(other) => self.fail(
                    name.span(),
                    format!(
                        "\"{}\" is declared twice: here and as {other}; rename one",
                        name.get_ref()
                    ),
                ),
            }
        };
        let mut features = Vec::new();
        for name in &document.features {
            declare(name, "a feature")?;
            features.push(name.get_ref().clone());
        }
        let mut fields = Vec::new();
        for (name, field) in &document.metadata {
            declare(name, "a field of the metadata")?;
            fields.push(self.field(name, field)?);
        }
        let mut thresholds = Vec::new();
        for (name, threshold) in &document.thresholds {
            declare(name, "a threshold")?;
            let (value, committed) = match threshold {
                ThresholdDocument::Public(value) => (*value, false),
                ThresholdDocument::Committed(Committed { committed }) => (*committed, true),
            };
            if !value.is_finite() {
                return self.fail(name.span(), "a threshold is a finite number");
            }
            thresholds.push(Threshold {
                name: name.get_ref().clone(),
                value,
                committed,
            });
        }
        let mut aggregates = Vec::new();
        for (name, aggregate) in &document.aggregate {
            declare(name, "an aggregate")?;
            aggregates.push(self.aggregate(name, aggregate, &fields)?);
        }
        let mut sets = Vec::new();
        for (name, members) in &document.sets {
            declare(name, "a set")?;
            if members.get_ref().is_empty() {
                return self.fail(
                    members.span(),
                    "the set is empty, so that nothing would be in it",
                );
            }
            let member = |literal: &Literal| match literal {
                Literal::Number(v) => Member::Number(*v),
                Literal::Text(text) => Member::Text(text.clone()),
            };
            sets.push(Named {
                name: name.get_ref().clone(),
                value: members.get_ref().iter().map(member).collect(),
            });
        }
        let entries = [
            features.len(),
            fields.len(),
            thresholds.len(),
            aggregates.len(),
            sets.len(),
            document.rule.len(),
        ];
        if entries[1..].iter().any(|n| *n > MAX_ENTRIES) {
            return Err(PolicyError {
                position: None,
                reason: format!("a policy has at most {MAX_ENTRIES} rules, and as many fields, thresholds, aggregates and sets"),
            });
        }
        // 2. The rules.
        if document.rule.is_empty() {
            return self.fail(
                0..0,
                "the policy has no rule; add one as [[rule]] with name and require",
            );
        }
        let mut rules: Vec<Rule> = Vec::new();
        let mut bounds = Bounds::default();
        for rule in &document.rule {
            let rule = rule.get_ref();
            let (name, require) = (&rule.name, &rule.require);
            if name.get_ref().trim().is_empty() || name.get_ref().len() > 256 {
                return self.fail(name.span(), "a rule needs a name of at most 256 bytes");
            }
            if rules.iter().any(|r| r.name == *name.get_ref()) {
                return self.fail(
                    name.span(),
                    format!("there are two rules \"{}\"; rename one", name.get_ref()),
                );
            }
            let first = self.inside(require);
            let condition = parse(require.get_ref(), &|offset| {
                position(self.text, first + offset)
            })?;
            let known = Known {
                fields: &fields,
                sets: &sets,
            };
            known.check(&condition)?;
            bounds.all_of(&condition, &thresholds)?;
            rules.push(Rule {
                name: name.get_ref().clone(),
                text: require.get_ref().clone(),
                condition,
            });
        }
        Ok(Policy {
            name: document.name.into_inner(),
            features,
            fields,
            aggregates,
            thresholds,
            sets,
            rules,
            release: document.release,
        })
    }

    fn field(&self, name: &Spanned<String>, field: &FieldDocument) -> Result<Field, PolicyError> {
        let kind = match (&field.values, &field.bits) {
            (Some(values), None) => {
                let list = values.get_ref();
                let doubled = (1..list.len()).any(|i| list[..i].contains(&list[i]));
                if list.is_empty() || list.len() > 1 << 15 || doubled {
                    return self.fail(values.span(), "values are from 1 to 32768 texts, each of them once");
                }
                FieldKind::Values(list.clone())
            }
            (None, Some(bits)) => {
                if !(1..=MAX_FIELD_BITS).contains(bits.get_ref()) {
                    return self.fail(bits.span(), format!("a field has from 1 to {MAX_FIELD_BITS} bits"));
                }
                FieldKind::Bits(*bits.get_ref())
            }
            _ => {
                return self.fail(
                    name.span(),
                    format!("\"{}\" needs either values = [\"A\", \"B\"], for texts, or bits = N, for whole numbers", name.get_ref()),
                )
            }
        };
        Ok(Field {
            name: name.get_ref().clone(),
            kind,
        })
    }

    fn aggregate(
        &self,
        name: &Spanned<String>,
        aggregate: &AggregateDocument,
        fields: &[Field],
    ) -> Result<Aggregate, PolicyError> {
        let sum = match (&aggregate.sum, aggregate.count) {
            (Some(field), false) => {
                let whole =
                    |f: &Field| f.name == *field.get_ref() && matches!(f.kind, FieldKind::Bits(_));
                if !fields.iter().any(whole) {
                    return self.fail(
                        field.span(),
                        format!(
                            "\"{}\" is no field of [metadata] with bits; only those are added up",
                            field.get_ref()
                        ),
                    );
                }
                Some(field.get_ref().clone())
            }
            (None, true) => None,
            _ => {
                return self.fail(
                    name.span(),
                    "an aggregate has either sum = \"FIELD\" or count = true",
                )
            }
        };
        let window = aggregate.window.get_ref();
        let Some(window_ms) = milliseconds(window) else {
            return self.fail(
                aggregate.window.span(),
                format!("\"{window}\" is no length of time; write 30s, 15m, 8h or 1d"),
            );
        };
        Ok(Aggregate {
            name: name.get_ref().clone(),
            sum,
            window_ms,
        })
    }

    /// Where the text of a string begins; its first byte if it has escapes, whose places are not known.
    fn inside(&self, string: &Spanned<String>) -> usize {
        let Range { start, end } = string.span();
        let written = self.text.get(start..end).unwrap_or_default();
        match written.find(string.get_ref().as_str()) {
            Some(offset) if !string.get_ref().is_empty() => start + offset,
            _ => start,
        }
    }
}

/// What the policy declares; the model's own names are looked up when it is applied.
struct Known<'a> {
    fields: &'a [Field],
    sets: &'a [Named<Vec<Member>>],
}

impl Known<'_> {
    fn check(&self, expression: &Expression) -> Result<(), PolicyError> {
        match expression {
            Expression::And(all) | Expression::Or(all) => {
                all.iter().try_for_each(|e| self.check(e))
            }
            Expression::Not(inner) => self.check(inner),
            Expression::Compare { left, right, .. } => {
                let is_name = |operand: &Operand| matches!(operand.what, Term::Name(..));
                if !is_name(left) && !is_name(right) {
                    return Err(PolicyError::at(
                        left.at,
                        "a comparison of two constants decides nothing; name a feature",
                    ));
                }
                for (operand, other) in [(left, right), (right, left)] {
                    if let Term::Name(name, _) = &operand.what {
                        self.literal(name, other)?;
                    }
                }
                Ok(())
            }
            Expression::Member { operand, set } => {
                let Term::Name(name, _) = &operand.what else {
                    return Err(PolicyError::at(
                        operand.at,
                        "a constant is in a set or not; name a feature",
                    ));
                };
                match set {
                    Set::Literal(members) => members
                        .iter()
                        .try_for_each(|member| self.literal(name, member)),
                    Set::Named(set, at) => {
                        let Some(found) = self.sets.iter().find(|s| s.name == *set) else {
                            return Err(PolicyError::at(
                                *at,
                                format!("[sets] has no \"{set}\"; declare it there"),
                            ));
                        };
                        found.value.iter().try_for_each(|member| match member {
                            Member::Text(text) => self.literal(name, &text_at(text, *at)),
                            Member::Number(_) => Ok(()),
                        })
                    }
                }
            }
        }
    }

    /// Whether a field can be compared with this.
    fn literal(&self, name: &str, other: &Operand) -> Result<(), PolicyError> {
        let Some(field) = self.fields.iter().find(|f| f.name == name) else {
            return Ok(());
        };
        match (&field.kind, &other.what) {
            (FieldKind::Values(values), Term::Text(text)) if !values.contains(text) => Err(PolicyError::at(
                other.at,
                format!("\"{text}\" is no value of \"{name}\"; add it to values of [metadata.{name}]"),
            )),
            (FieldKind::Values(_), Term::Number(_)) => Err(PolicyError::at(
                other.at,
                format!("\"{name}\" holds texts; compare it with a quoted one"),
            )),
            (FieldKind::Bits(_), Term::Text(_)) => Err(PolicyError::at(
                other.at,
                format!("\"{name}\" holds whole numbers; compare it with one, without quotes"),
            )),
            _ => Ok(()),
        }
    }
}

fn text_at(text: &str, at: Position) -> Operand {
    Operand {
        at,
        what: Term::Text(text.to_owned()),
    }
}

/// A name and an index into it.
type Element = (String, Option<usize>);

/// Bounds by public constants that all rules together put on each name.
#[derive(Default)]
struct Bounds {
    /// Lower and upper bound, each with whether it is excluded.
    of: BTreeMap<Element, [(f64, bool); 2]>,
}

impl Bounds {
    /// Takes in what must hold for the expression to hold; alternatives are left out.
    fn all_of(
        &mut self,
        expression: &Expression,
        thresholds: &[Threshold],
    ) -> Result<(), PolicyError> {
        match expression {
            Expression::And(all) => all.iter().try_for_each(|e| self.all_of(e, thresholds)),
            Expression::Compare {
                left,
                relation,
                right,
            } => {
                let constant = |operand: &Operand| match &operand.what {
                    Term::Number(v) => Some(*v),
                    Term::Name(name, None) => {
                        let found = thresholds.iter().find(|t| t.name == *name);
                        found.map(|t| t.value)
                    }
                    _ => None,
                };
                let (name, relation, value) = match (constant(left), constant(right)) {
                    (None, Some(value)) => (left, *relation, value),
                    (Some(value), None) => (right, relation.swapped(), value),
                    _ => return Ok(()),
                };
                let Term::Name(key, index) = &name.what else {
                    return Ok(());
                };
                let open = [(f64::NEG_INFINITY, false), (f64::INFINITY, false)];
                let [lower, upper] = self.of.entry((key.clone(), *index)).or_insert(open);
                let excluded = matches!(relation, Relation::Less | Relation::Greater);
                if !matches!(
                    relation,
                    Relation::Less | Relation::LessOrEqual | Relation::NotEqual
                ) {
                    *lower = tighter(*lower, (value, excluded), |a, b| a > b);
                }
                if !matches!(
                    relation,
                    Relation::Greater | Relation::GreaterOrEqual | Relation::NotEqual
                ) {
                    *upper = tighter(*upper, (value, excluded), |a, b| a < b);
                }
                if lower.0 > upper.0 || (lower.0 == upper.0 && (lower.1 || upper.1)) {
                    return Err(PolicyError::at(
                        name.at,
                        format!("nothing meets the bounds that the rules put on \"{key}\": at least {}, at most {}", lower.0, upper.0),
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn tighter(one: (f64, bool), other: (f64, bool), is_tighter: fn(f64, f64) -> bool) -> (f64, bool) {
    if is_tighter(other.0, one.0) || (other.0 == one.0 && other.1) {
        other
    } else {
        one
    }
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|c| c.is_alphabetic() || c == '_')
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '.')
        && !["and", "or", "not", "in"].contains(&name)
}

fn milliseconds(window: &str) -> Option<u64> {
    let unit = window.chars().last()?;
    let each: u64 = match unit {
        's' => 1000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let count: u64 = window[..window.len() - 1].trim().parse().ok()?;
    count.checked_mul(each).filter(|ms| *ms > 0)
}

/// Line and column of a byte.
fn position(text: &str, byte: usize) -> Position {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
