//! ONNX's backend node tests: each operator's own cases, through importer, quantiser and integer interpreter.
//!
//! The cases lie in the `onnx` Python package, `onnx/backend/test/data/node`, or under `CLEARPROOF_ONNX_NODE`; without
//! them the tests pass and say so. Each whole tensor is one row. A case passes, is refused in one sentence, or is
//! wrong; wrong is a failure of the test. `CLEARPROOF_ONNX_ONLY=topk` prints the verdicts of the cases whose name
//! holds that word; `CLEARPROOF_UPDATE_DOCS=1` writes what is refused into docs/operators.md; `CLEARPROOF_ONNX_PROVE=all`
//! proves a case of every operator, which takes many minutes.

mod baked;
mod case;
mod document;
mod scope;
mod verdict;

use std::collections::BTreeMap;

use case::Source;
use clearproof_prover::prove::{prove, Row, Scheme, Silent};
use clearproof_prover::quantize::skeleton::{
    Activation, IntegerModel, LinearWeights, Op, OutputKind, OutputSpec,
};
use clearproof_shared::verify::report::Verdict as Validity;
use clearproof_shared::verify::{verify_evidence, Options};
use clearproof_tests::{compiled, rng};
use verdict::{judge, Passed, Verdict};

/// The version of the package that the counts below and the list in docs/operators.md speak of.
const VERSION: &str = "1.16.1";

/// Cases that pass; fewer are a regression.
const LEAST_PASSES: usize = 890;

/// Scalars of a case that is proved, at most: a second or two.
const MOST_SCALARS: usize = 600;

/// The same of the sample that is proved by default.
const SAMPLE_SCALARS: usize = 400;

/// One operator of each family of lowerings; `CLEARPROOF_ONNX_PROVE=all` proves a case of every operator.
const SAMPLE: &[&str] = &[
    "ArgMax",
    "Conv",
    "Div",
    "Gather",
    "LSTM",
    "MatMul",
    "MatMulInteger",
    "MaxPool",
    "Mod",
    "ReduceLogSumExp",
    "Resize",
    "Sin",
    "Softmax",
    "TopK",
    "Where",
];

/// Cases of an operator: passed, refused, wrong.
type Tally = BTreeMap<String, [usize; 3]>;

#[test]
fn node_tests() {
    let Some(source) = Source::find() else { return };
    let only = std::env::var("CLEARPROOF_ONNX_ONLY").ok();
    let cases = source.cases(only.as_deref());
    let mut tally = Tally::new();
    let mut outside: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut refused, mut wrong) = (Vec::new(), Vec::new());
    for case in cases {
        if let Some(reason) = scope::outside(&case) {
            *outside.entry(reason).or_default() += 1;
            continue;
        }
        let verdict = judge(&case);
        if only.is_some() {
            println!("{}: {verdict}", case.name);
        }
        let counts = tally.entry(case.operator.clone()).or_default();
        match verdict {
            Verdict::Passed(_) => counts[0] += 1,
            Verdict::Refused(reason) => {
                counts[1] += 1;
                refused.push((case.name, reason));
            }
            Verdict::Wrong(reason) => {
                counts[2] += 1;
                wrong.push(format!("{}: {reason}", case.name));
            }
        }
    }
    for (operator, [passed, refused, wrong]) in &tally {
        println!("{operator}: {passed} passed, {refused} refused, {wrong} wrong");
    }
    let total: [usize; 3] = std::array::from_fn(|i| tally.values().map(|c| c[i]).sum());
    println!("outside the scope: {outside:?}");
    let [passes, refusals, wrongs] = total;
    let scope = passes + refusals + wrongs;
    println!("{scope} cases in scope: {passes} passed, {refusals} refused, {wrongs} wrong");
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    if only.is_some() || source.version() != VERSION {
        println!(
            "onnx {} is not {VERSION}, or only some cases ran: counts are not compared",
            source.version()
        );
        return;
    }
    assert!(
        passes >= LEAST_PASSES,
        "{passes} cases pass, {LEAST_PASSES} did"
    );
    document::check(&document::text(&tally, &outside, &refused));
}

/// The smallest case that passes, of each operator of [`SAMPLE`] or of all; operators whose smallest is too large are
/// named.
#[test]
fn one_case_of_each_operator_proves() {
    let Some(source) = Source::find() else { return };
    let all = std::env::var_os("CLEARPROOF_ONNX_PROVE").is_some_and(|v| v == "all");
    let most = if all { MOST_SCALARS } else { SAMPLE_SCALARS };
    let mut smallest: BTreeMap<String, (usize, String, Box<Passed>)> = BTreeMap::new();
    for case in source.cases(std::env::var("CLEARPROOF_ONNX_ONLY").ok().as_deref()) {
        let proved = all || SAMPLE.contains(&case.operator.as_str());
        if !proved || scope::outside(&case).is_some() || case.name.contains("_expanded") {
            continue;
        }
        let Verdict::Passed(passed) = judge(&case) else {
            continue;
        };
        let size = passed.model.skeleton.scalar_count();
        match smallest.get(&case.operator) {
            Some((least, ..)) if *least <= size => {}
            _ => {
                smallest.insert(case.operator, (size, case.name, passed));
            }
        }
    }
    println!("{} operators", smallest.len());
    assert!(
        all || smallest.len() == SAMPLE.len(),
        "an operator of the sample has no case that passes"
    );
    for (size, name, passed) in smallest.into_values() {
        if size > most {
            println!("{name}: {size} scalars, not proved here");
            continue;
        }
        println!("{name}: {size} scalars");
        let model = with_a_weight(passed.model);
        let artifact = compiled(&model, Scheme::Kzg, 1);
        let row = Row {
            input: passed.input,
            metadata: vec![],
        };
        let proofs = prove(&artifact, std::slice::from_ref(&row), &mut rng(), &Silent)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = model.released_of(&model.eval(&row.input));
        assert_eq!(proofs.proofs[0].released, expected, "{name}");
        let options = Options {
            trust: vec![artifact.bundle_bytes()],
            allow_insecure_dev_srs: true,
            log_keys: vec![],
            witness_keys: vec![],
            clock: None,
        };
        let report = verify_evidence(&proofs.evidence(&artifact, true), &options);
        assert_eq!(
            report.verdict,
            Validity::Valid,
            "{name}: {:?}",
            report.checks
        );
    }
}

/// The model, with one more output where it has no private weight, since nothing else would be committed to.
fn with_a_weight(mut model: IntegerModel) -> IntegerModel {
    let weights = &mut model.weights;
    if !(weights.linear.is_empty() && weights.diagonal.is_empty() && weights.forests.is_empty()) {
        return model;
    }
    let made = model.skeleton.scalar_count() as u32;
    model.skeleton.ops.push(Op::Diagonal {
        inputs: vec![0],
        shift: 0,
        activation: Activation::None,
    });
    weights.diagonal.push(LinearWeights {
        weights: vec![3],
        biases: vec![1],
    });
    model.skeleton.outputs.push(OutputSpec {
        name: "private".into(),
        shape: vec![1],
        scalars: vec![made],
        kind: OutputKind::Integer,
    });
    model.skeleton.released.push(made);
    model
}
