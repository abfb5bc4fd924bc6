//! A policy joined to a model's graph: its rules become comparisons of the integers that the circuit computes with.
//!
//! Inputs after the model's own: one scalar for each field of the metadata, then two for each running total, before and
//! after the decision. Outputs: `decision`; `totals`, 1 iff each total after is what follows from the one before; `reason`.
//! With p_i the bit of rule i, the decision is `p_1 ... p_n` and the reason `1 + sum_i p_1 ... p_i - (n + 1) p_1 ... p_n`.
//! A total counts the field of compliant decisions alone; in rules its name stands for the total with this decision in it.

use super::expression::{Expression, Operand, Relation as Symbol, Set, Term};
use super::{Aggregate, FieldKind, Member, Policy, PolicyError, Position, Release};
use crate::onnx::graph::{Graph, Kind, Node, Port, Value, ValueId};
use crate::onnx::{
    Arithmetic, Bound, Combination, FloatOp, Linear, Movement, Pointwise, Relation, Threshold,
};
use crate::quantize::skeleton::InputEncoding;

/// Name of the input of metadata fields.
pub const FIELDS_INPUT: &str = "policy.fields";
/// Name of the input of running totals.
pub const TOTALS_INPUT: &str = "policy.totals";
/// Name of the output that is 1 for a compliant decision.
pub const DECISION: &str = "decision";
/// Name of the output that is 1 if the running totals follow from the decision.
pub const TOTALS: &str = "totals";
/// Name of the output that numbers the first rule that fails.
pub const REASON: &str = "reason";

/// Width of a running total, in bits.
const TOTAL_BITS: u32 = 36;

impl Policy {
    /// The model's graph with the policy's say at its end.
    ///
    /// # Errors
    /// Names that neither the policy nor the model has, comparisons that mean nothing, a policy that never looks at the model.
    pub fn apply(&self, model: &Graph) -> Result<Graph, PolicyError> {
        let scalars: usize = model.inputs.iter().map(Port::len).sum();
        if !self.features.is_empty() && self.features.len() != scalars {
            return Err(PolicyError {
                position: None,
                reason: format!(
                    "the policy names {} features, and the model takes {scalars} numbers; name each of them, in order",
                    self.features.len()
                ),
            });
        }
        let mut graph = model.clone();
        graph.outputs.clear();
        let mut applying = Applying {
            policy: self,
            model,
            graph,
            fields: None,
            candidates: Vec::new(),
            read_output: false,
        };
        applying.apply()?;
        let Applying {
            mut graph,
            read_output,
            ..
        } = applying;
        if !read_output {
            return Err(PolicyError {
                position: None,
                reason: format!(
                    "no rule looks at what the model says, so that the proof would not be about it; require something of {}",
                    outputs(model)
                ),
            });
        }
        remove_unread(&mut graph);
        Ok(graph)
    }
}

/// The model's outputs by name, for people.
fn outputs(model: &Graph) -> String {
    let names: Vec<String> = model
        .outputs
        .iter()
        .map(|port| format!("\"{}\"", port.name))
        .collect();
    names.join(" or ")
}

/// Nodes of the model that feed no rule.
fn remove_unread(graph: &mut Graph) {
    let mut read = vec![false; graph.values.len()];
    for port in &graph.outputs {
        read[port.value] = true;
    }
    let mut kept = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        kept[i] = read[node.output];
        if kept[i] {
            for &id in &node.inputs {
                read[id] = true;
            }
        }
    }
    let mut kept = kept.into_iter();
    graph.nodes.retain(|_| kept.next().unwrap_or(true));
}

/// What an operand stands for.
enum Source<'a> {
    /// An element of an input.
    Input {
        value: ValueId,
        len: usize,
        position: usize,
        field: Option<&'a FieldKind>,
    },
    /// A computed scalar.
    Computed {
        value: ValueId,
        labels: Option<&'a [String]>,
    },
    Constant(f64),
    Committed(f64),
    Text(&'a str),
}

struct Applying<'a> {
    policy: &'a Policy,
    model: &'a Graph,
    graph: Graph,
    /// The input of metadata fields.
    fields: Option<ValueId>,
    /// Each running total with this decision in it.
    candidates: Vec<ValueId>,
    read_output: bool,
}

impl<'a> Applying<'a> {
    fn apply(&mut self) -> Result<(), PolicyError> {
        let policy = self.policy;
        // 1. The policy's own inputs.
        if !policy.fields.is_empty() {
            let bits = policy.fields.iter().map(|field| match &field.kind {
                FieldKind::Values(values) => usize::BITS - values.len().leading_zeros(),
                FieldKind::Bits(bits) => *bits,
            });
            let bits = bits.max().unwrap_or(0);
            self.fields = Some(self.input(FIELDS_INPUT, policy.fields.len(), bits));
        }
        let mut totals = Vec::new();
        if !policy.aggregates.is_empty() {
            let state = self.input(TOTALS_INPUT, 2 * policy.aggregates.len(), TOTAL_BITS);
            for (i, aggregate) in policy.aggregates.iter().enumerate() {
                let before = self.pick(state, 2 * i);
                let after = self.pick(state, 2 * i + 1);
                let share = self.share(aggregate, before);
                let candidate = self.arithmetic(Arithmetic::Add, before, share);
                self.candidates.push(candidate);
                totals.push((before, share, after));
            }
        }
        // 2. The rules, and how far each row gets through them.
        let mut passed: Vec<ValueId> = Vec::new();
        for rule in &policy.rules {
            let holds = self.expression(&rule.condition)?;
            passed.push(match passed.last() {
                None => holds,
                Some(&before) => self.logic(Arithmetic::And, before, holds),
            });
        }
        let decision = *passed.last().expect("a policy has rules");
        let mut outputs = vec![self.output(DECISION, decision, Kind::Boolean)];
        // 3. What is added to the totals is the share of a compliant decision.
        let mut follows: Option<ValueId> = None;
        for (before, share, after) in totals {
            let added = self.arithmetic(Arithmetic::Mul, share, decision);
            let expected = self.arithmetic(Arithmetic::Add, before, added);
            let equal = self.push(
                FloatOp::Compare(Relation::Equal),
                &[expected, after],
                1,
                Kind::Boolean,
            );
            // A committed field may be any integer of its width, and a total never shrinks.
            let threshold = Threshold {
                relation: Relation::GreaterOrEqual,
                thresholds: vec![0.0],
            };
            let grows = self.push(FloatOp::Threshold(threshold), &[share], 1, Kind::Boolean);
            let holds = self.logic(Arithmetic::And, equal, grows);
            follows = Some(match follows {
                None => holds,
                Some(all) => self.logic(Arithmetic::And, all, holds),
            });
        }
        if let Some(follows) = follows {
            outputs.push(self.output(TOTALS, follows, Kind::Boolean));
        }
        // 4. The reason.
        let reason = self.reason(&passed);
        let released = outputs.len() + usize::from(policy.release == Release::Reason);
        outputs.push(self.output(REASON, reason, Kind::Integer));
        self.graph.outputs = outputs;
        self.graph.released = Some(released);
        Ok(())
    }

    /// `1 + sum_i passed_i - (n + 1) passed_n`, as a linear combination of the bits.
    fn reason(&mut self, passed: &[ValueId]) -> ValueId {
        let n = passed.len();
        let all = self.push(
            FloatOp::Movement(Movement {
                indices: (0..n as u32).collect(),
            }),
            passed,
            n,
            Kind::Integer,
        );
        let mut sum = Combination::default();
        let coefficient = |i: usize| if i + 1 == n { -(n as f64) } else { 1.0 };
        sum.row((0..n).map(|i| (i, coefficient(i))));
        let sum = self.push(FloatOp::Combination(sum), &[all], 1, Kind::Integer);
        self.push(
            FloatOp::Pointwise(Pointwise::Public {
                factor: 1.0,
                offset: 1.0,
            }),
            &[sum],
            1,
            Kind::Integer,
        )
    }

    fn expression(&mut self, expression: &'a Expression) -> Result<ValueId, PolicyError> {
        match expression {
            Expression::And(all) => self.joined(Arithmetic::And, all),
            Expression::Or(any) => self.joined(Arithmetic::Or, any),
            Expression::Not(inner) => {
                let bit = self.expression(inner)?;
                Ok(self.not(bit))
            }
            Expression::Compare {
                left,
                relation,
                right,
            } => self.compare(left, *relation, right),
            Expression::Member { operand, set } => self.member(operand, set),
        }
    }

    fn joined(&mut self, op: Arithmetic, parts: &'a [Expression]) -> Result<ValueId, PolicyError> {
        let mut joined: Option<ValueId> = None;
        for part in parts {
            let bit = self.expression(part)?;
            joined = Some(match joined {
                None => bit,
                Some(before) => self.logic(op, before, bit),
            });
        }
        Ok(joined.expect("and, or have operands"))
    }

    fn compare(
        &mut self,
        left: &'a Operand,
        relation: Symbol,
        right: &'a Operand,
    ) -> Result<ValueId, PolicyError> {
        let (mut l, mut r, mut relation) = (self.source(left)?, self.source(right)?, relation);
        // Constants to the right.
        if matches!(
            l,
            Source::Constant(_) | Source::Committed(_) | Source::Text(_)
        ) {
            (l, r, relation) = (r, l, relation.swapped());
        }
        let negated = relation == Symbol::NotEqual;
        let bit = match (l, r) {
            (l, Source::Constant(t)) => self.against(&l, relation.public(), t, left.at)?,
            (l, Source::Committed(t)) => {
                self.against_committed(&l, relation.public(), t, left.at)?
            }
            (l, Source::Text(text)) => {
                if !matches!(relation, Symbol::Equal | Symbol::NotEqual) {
                    return Err(PolicyError::at(
                        left.at,
                        "texts have no order; compare with ==, != or in",
                    ));
                }
                let code = self.code(&l, text, right.at)?;
                self.against(&l, Relation::Equal, code, left.at)?
            }
            (l, r) => {
                let (l, r) = (self.scalar(&l, left.at)?, self.scalar(&r, right.at)?);
                self.push(
                    FloatOp::Compare(relation.public()),
                    &[l, r],
                    1,
                    Kind::Boolean,
                )
            }
        };
        Ok(if negated { self.not(bit) } else { bit })
    }

    /// Membership: a run of neighbouring codes is one range.
    fn member(&mut self, operand: &'a Operand, set: &'a Set) -> Result<ValueId, PolicyError> {
        let source = self.source(operand)?;
        let mut codes = Vec::new();
        match set {
            Set::Literal(members) => {
                for member in members {
                    codes.push(match &member.what {
                        Term::Number(v) => *v,
                        Term::Text(text) => self.code(&source, text, member.at)?,
                        Term::Name(..) => {
                            return Err(PolicyError::at(
                                member.at,
                                "a set holds numbers and quoted texts",
                            ));
                        }
                    });
                }
            }
            Set::Named(name, at) => {
                let set = self.policy.sets.iter().find(|s| s.name == *name);
                let Some(set) = set else {
                    return Err(PolicyError::at(
                        *at,
                        format!("[sets] has no \"{name}\"; declare it there"),
                    ));
                };
                for member in &set.value {
                    codes.push(match member {
                        Member::Number(v) => *v,
                        Member::Text(text) => self.code(&source, text, *at)?,
                    });
                }
            }
        }
        codes.sort_by(f64::total_cmp);
        codes.dedup();
        let whole = matches!(
            &source,
            Source::Input { field: Some(_), .. }
                | Source::Computed {
                    labels: Some(_),
                    ..
                }
        );
        let mut any: Option<ValueId> = None;
        let mut next = 0;
        while next < codes.len() {
            let first = next;
            while whole && next + 1 < codes.len() && codes[next + 1] == codes[next] + 1.0 {
                next += 1;
            }
            let (lo, hi) = (codes[first], codes[next]);
            next += 1;
            let bit = if lo == hi {
                self.against(&source, Relation::Equal, lo, operand.at)?
            } else {
                let above = self.against(&source, Relation::GreaterOrEqual, lo, operand.at)?;
                let below = self.against(&source, Relation::LessOrEqual, hi, operand.at)?;
                self.logic(Arithmetic::And, above, below)
            };
            any = Some(match any {
                None => bit,
                Some(before) => self.logic(Arithmetic::Or, before, bit),
            });
        }
        Ok(any.expect("sets have members"))
    }

    // ------------------------------------------------------------------------------------ operands

    fn source(&mut self, operand: &'a Operand) -> Result<Source<'a>, PolicyError> {
        let (name, index) = match &operand.what {
            Term::Number(v) => return Ok(Source::Constant(*v)),
            Term::Text(text) => return Ok(Source::Text(text)),
            Term::Name(name, index) => (name, *index),
        };
        let policy = self.policy;
        let plain = |what: &str| match index {
            None => Ok(()),
            Some(_) => Err(PolicyError::at(
                operand.at,
                format!("\"{name}\" is {what} and has no elements; leave the index out"),
            )),
        };
        if let Some(threshold) = policy.thresholds.iter().find(|t| t.name == *name) {
            plain("a threshold")?;
            return Ok(match threshold.committed {
                true => Source::Committed(threshold.value),
                false => Source::Constant(threshold.value),
            });
        }
        if let Some(i) = policy.fields.iter().position(|f| f.name == *name) {
            plain("a field of the metadata")?;
            return Ok(Source::Input {
                value: self.fields.expect("made where there are fields"),
                len: policy.fields.len(),
                position: i,
                field: Some(&policy.fields[i].kind),
            });
        }
        if let Some(i) = policy.aggregates.iter().position(|a| a.name == *name) {
            plain("a running total")?;
            return Ok(Source::Computed {
                value: self.candidates[i],
                labels: None,
            });
        }
        if let Some(i) = policy.features.iter().position(|f| f == name) {
            plain("one feature")?;
            return Ok(self.feature(i));
        }
        let mut first = 0;
        for port in &self.model.inputs {
            if port.name == *name {
                let element = element(port, index, operand.at)?;
                return Ok(self.feature(first + element));
            }
            first += port.len();
        }
        if let Some(port) = self.model.outputs.iter().find(|port| port.name == *name) {
            let element = element(port, index, operand.at)?;
            self.read_output = true;
            let value = self.pick(port.value, element);
            let labels = match &port.kind {
                Kind::Label { labels, .. } => Some(labels.as_slice()),
                _ => None,
            };
            return Ok(Source::Computed { value, labels });
        }
        Err(PolicyError::at(
            operand.at,
            format!("nothing is called \"{name}\"; known are {}", self.known()),
        ))
    }

    /// The input scalar of a number, over all inputs of the model.
    fn feature(&self, number: usize) -> Source<'a> {
        let mut position = number;
        for port in &self.model.inputs {
            if position < port.len() {
                return Source::Input {
                    value: port.value,
                    len: port.len(),
                    position,
                    field: None,
                };
            }
            position -= port.len();
        }
        unreachable!("as many features as scalars")
    }

    /// What a rule may name, for people.
    fn known(&self) -> String {
        let policy = self.policy;
        let mut names: Vec<&str> = policy.features.iter().map(String::as_str).collect();
        names.extend(policy.fields.iter().map(|f| f.name.as_str()));
        names.extend(policy.thresholds.iter().map(|t| t.name.as_str()));
        names.extend(policy.aggregates.iter().map(|a| a.name.as_str()));
        let ports = self.model.inputs.iter().chain(&self.model.outputs);
        names.extend(ports.map(|port| port.name.as_str()));
        const SHOWN: usize = 24;
        let more = names.len().saturating_sub(SHOWN);
        names.truncate(SHOWN);
        match more {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }

    /// The number of a text among a field's values, or among labels.
    fn code(&self, source: &Source<'_>, text: &str, at: Position) -> Result<f64, PolicyError> {
        let place = match source {
            Source::Input {
                field: Some(FieldKind::Values(values)),
                ..
            } => values.iter().position(|v| v == text),
            Source::Computed {
                labels: Some(labels),
                ..
            } => labels.iter().position(|v| v == text),
            _ => {
                return Err(PolicyError::at(
                    at,
                    format!("'{text}' is compared with a number; write one, without quotes"),
                ))
            }
        };
        let Some(place) = place else {
            return Err(PolicyError::at(
                at,
                format!("'{text}' is none of the values or labels there are"),
            ));
        };
        Ok(place as f64)
    }

    /// `[source rel t]`.
    fn against(
        &mut self,
        source: &Source<'_>,
        relation: Relation,
        t: f64,
        at: Position,
    ) -> Result<ValueId, PolicyError> {
        match source {
            Source::Input {
                value, position, ..
            } => {
                let bound = Bound {
                    position: *position,
                    relation,
                    threshold: t,
                };
                Ok(self.push(FloatOp::Bound(bound), &[*value], 1, Kind::Boolean))
            }
            Source::Computed {
                value,
                labels: None,
            } => {
                let (value, t) = self.before_sigmoid(*value, t);
                let threshold = Threshold {
                    relation,
                    thresholds: vec![t],
                };
                Ok(self.push(FloatOp::Threshold(threshold), &[value], 1, Kind::Boolean))
            }
            Source::Computed {
                value,
                labels: Some(_),
            } => {
                let threshold = Threshold {
                    relation,
                    thresholds: vec![t],
                };
                Ok(self.push(FloatOp::Threshold(threshold), &[*value], 1, Kind::Boolean))
            }
            _ => Err(PolicyError::at(
                at,
                "a comparison of two constants decides nothing; name a feature",
            )),
        }
    }

    /// `[source rel t]`, t private: `source - t` by a private bias.
    fn against_committed(
        &mut self,
        source: &Source<'_>,
        relation: Relation,
        t: f64,
        at: Position,
    ) -> Result<ValueId, PolicyError> {
        let (value, inputs, position, t) = match source {
            Source::Input {
                value,
                len,
                position,
                ..
            } => {
                let port = self.graph.inputs.iter().find(|port| port.value == *value);
                if port.is_some_and(|port| port.encoding != InputEncoding::Fixed) {
                    return Err(PolicyError::at(
                        at,
                        "a feature of trees or of a quantised network is compared with public thresholds alone; write \
                         the threshold without committed",
                    ));
                }
                (*value, *len, *position, t)
            }
            Source::Computed {
                value,
                labels: None,
            } => {
                let (value, t) = self.before_sigmoid(*value, t);
                (value, 1, 0, t)
            }
            _ => {
                return Err(PolicyError::at(
                    at,
                    "a committed threshold is compared with numbers",
                ))
            }
        };
        let mut weights = vec![0.0; inputs];
        weights[position] = 1.0;
        let difference = FloatOp::Linear(Linear {
            inputs,
            outputs: 1,
            weights,
            bias: vec![-t],
        });
        let difference = self.push(difference, &[value], 1, Kind::Number);
        let threshold = Threshold {
            relation,
            thresholds: vec![0.0],
        };
        Ok(self.push(
            FloatOp::Threshold(threshold),
            &[difference],
            1,
            Kind::Boolean,
        ))
    }

    /// `sigmoid(z) rel p` is `z rel ln(p / (1 - p))`.
    fn before_sigmoid(&self, value: ValueId, t: f64) -> (ValueId, f64) {
        let producer = self.graph.nodes.iter().find(|node| node.output == value);
        match producer {
            Some(Node {
                op: FloatOp::Pointwise(Pointwise::Sigmoid),
                inputs,
                ..
            }) if t > 0.0 && t < 1.0 => (inputs[0], (t / (1.0 - t)).ln()),
            _ => (value, t),
        }
    }

    /// A scalar to compute with.
    fn scalar(&mut self, source: &Source<'_>, at: Position) -> Result<ValueId, PolicyError> {
        match source {
            Source::Input {
                value, position, ..
            } => {
                let port = self.graph.inputs.iter().find(|port| port.value == *value);
                if port.is_some_and(|port| port.encoding != InputEncoding::Fixed) {
                    return Err(PolicyError::at(
                        at,
                        "a feature of trees or of a quantised network is compared with constants alone",
                    ));
                }
                Ok(self.pick(*value, *position))
            }
            Source::Computed {
                value,
                labels: None,
            } => Ok(*value),
            _ => Err(PolicyError::at(at, "this is compared with constants alone")),
        }
    }

    /// What a decision adds to a total: a field, or 1.
    fn share(&mut self, aggregate: &Aggregate, before: ValueId) -> ValueId {
        match &aggregate.sum {
            Some(field) => {
                let fields = self.fields.expect("made where there are fields");
                let position = self.policy.fields.iter().position(|f| f.name == *field);
                self.pick(fields, position.expect("sums are over declared fields"))
            }
            None => self.push(
                FloatOp::Pointwise(Pointwise::Public {
                    factor: 0.0,
                    offset: 1.0,
                }),
                &[before],
                1,
                Kind::Integer,
            ),
        }
    }

    // ------------------------------------------------------------------------------------ building

    fn value(&mut self, name: &str, len: usize, kind: Kind) -> ValueId {
        self.graph.values.push(Value {
            name: name.to_owned(),
            shape: vec![len],
            row_axis: None,
            kind,
        });
        self.graph.values.len() - 1
    }

    fn input(&mut self, name: &str, len: usize, bits: u32) -> ValueId {
        let value = self.value(name, len, Kind::Integer);
        let mut port = self.port(name, value, len, Kind::Integer);
        port.range_bits = Some(bits);
        self.graph.inputs.push(port);
        value
    }

    fn output(&mut self, name: &str, value: ValueId, kind: Kind) -> Port {
        let mut port = self.port(name, value, 1, kind);
        port.shape = vec![];
        port
    }

    fn port(&self, name: &str, value: ValueId, len: usize, kind: Kind) -> Port {
        Port {
            name: name.to_owned(),
            shape: vec![len],
            batched: true,
            fixed_rows: None,
            kind,
            encoding: InputEncoding::Fixed,
            element_type: INT64,
            value,
            range_bits: None,
            element: None,
            replacements: Vec::new(),
        }
    }

    fn push(&mut self, op: FloatOp, inputs: &[ValueId], len: usize, kind: Kind) -> ValueId {
        let output = self.value("policy", len, kind);
        self.graph.nodes.push(Node {
            op,
            inputs: inputs.to_vec(),
            output,
        });
        output
    }

    fn pick(&mut self, value: ValueId, position: usize) -> ValueId {
        let (len, kind) = (
            self.graph.values[value].len(),
            self.graph.values[value].kind.clone(),
        );
        if len == 1 {
            return value;
        }
        let movement = Movement {
            indices: vec![position as u32],
        };
        self.push(FloatOp::Movement(movement), &[value], 1, kind)
    }

    fn arithmetic(&mut self, op: Arithmetic, left: ValueId, right: ValueId) -> ValueId {
        self.push(FloatOp::Arithmetic(op), &[left, right], 1, Kind::Integer)
    }

    fn logic(&mut self, op: Arithmetic, left: ValueId, right: ValueId) -> ValueId {
        self.push(FloatOp::Arithmetic(op), &[left, right], 1, Kind::Boolean)
    }

    fn not(&mut self, bit: ValueId) -> ValueId {
        self.push(FloatOp::Pointwise(Pointwise::Not), &[bit], 1, Kind::Boolean)
    }
}

impl Symbol {
    /// The relation of numbers; of `!=` that of `==`, whose bit is turned.
    fn public(self) -> Relation {
        match self {
            Self::Less => Relation::Less,
            Self::LessOrEqual => Relation::LessOrEqual,
            Self::Greater => Relation::Greater,
            Self::GreaterOrEqual => Relation::GreaterOrEqual,
            Self::Equal | Self::NotEqual => Relation::Equal,
        }
    }
}

fn element(port: &Port, index: Option<usize>, at: Position) -> Result<usize, PolicyError> {
    let len = port.len();
    match index {
        None if len == 1 => Ok(0),
        Some(index) if index < len => Ok(index),
        _ => Err(PolicyError::at(
            at,
            format!(
                "\"{}\" has {len} elements; write {}[0] to {}[{}]",
                port.name,
                port.name,
                port.name,
                len - 1
            ),
        )),
    }
}

/// Element type code of int64 in `TensorProto.DataType`.
const INT64: i32 = 7;
