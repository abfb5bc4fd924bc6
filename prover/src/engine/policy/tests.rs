use super::*;
use crate::onnx::testing::{Attr, ModelBuilder};
use crate::onnx::{self, Graph};
use crate::quantize::{quantize, quantize_input, QuantizeOptions, Quantized};

const MODEL: &[u8] = include_bytes!("../../../../tests/models/compliance.onnx");

fn model() -> Graph {
    onnx::load(MODEL).unwrap()
}

const HEAD: &str = "version = 1\nname = \"limits\"\nfeatures = [\"size\", \"leverage\", \"price\", \"volume\", \"position_pct\"]\n";

fn output_name() -> String {
    model().outputs[0].name.clone()
}

fn policy(rest: &str) -> Policy {
    Policy::read(&format!("{HEAD}{rest}")).unwrap()
}

/// The integer model under a policy; no calibration.
fn judged(policy: &Policy) -> Quantized {
    let graph = policy.apply(&model()).unwrap();
    quantize(&graph, &[], &QuantizeOptions::default()).unwrap()
}

/// Released values and the reason of a row of features, fields and totals.
fn judge(quantized: &Quantized, row: &[f64]) -> (Vec<i64>, i64) {
    let skeleton = &quantized.model.skeleton;
    let mut left = row;
    let mut integers = vec![];
    for spec in &skeleton.inputs {
        let len: u32 = spec.shape.iter().product();
        let (these, rest) = left.split_at(len as usize);
        left = rest;
        integers.extend(
            these
                .iter()
                .enumerate()
                .map(|(i, v)| quantize_input(spec, i, *v).unwrap().0),
        );
    }
    assert!(left.is_empty());
    let scalars = quantized.model.eval(&integers);
    let reason = skeleton.outputs.iter().find(|o| o.name == REASON).unwrap();
    (
        quantized.model.released_of(&scalars),
        scalars[reason.scalars[0] as usize],
    )
}

/// Features in the units of the example, all well inside the rules below but for those given.
fn features(leverage: f64, position: f64) -> [f64; 5] {
    [0.5, leverage, 0.25, 0.75, position]
}

#[test]
fn rules_decide_as_written_and_the_first_that_fails_is_told() {
    let score = output_name();
    let rules = [
        "leverage <= 3".to_owned(),
        "not (position_pct > 2 or leverage < 0.5)".to_owned(),
        format!("-100 < {score} < 100"),
        "leverage != 2.5 and 0 <= size <= 1".to_owned(),
    ];
    let text: String = rules
        .iter()
        .enumerate()
        .map(|(i, rule)| format!("[[rule]]\nname = \"{i}\"\nrequire = \"{rule}\"\n"))
        .collect();
    let quantized = judged(&policy(&text));
    for (leverage, position, reason) in [
        (3.0, 2.0, 0),
        (3.0 + 1.0 / 4096.0, 2.0, 1),
        (3.5, 3.0, 1),
        (2.0, 2.0 + 1.0 / 4096.0, 2),
        (0.25, 2.0, 2),
        (0.5, 2.0, 0),
        (2.5, 1.0, 4),
    ] {
        let (released, told) = judge(&quantized, &features(leverage, position));
        assert_eq!(told, reason, "{leverage} {position}");
        assert_eq!(released, [i64::from(reason == 0)]);
    }
}

#[test]
fn the_reason_is_released_where_the_policy_says_so() {
    let score = output_name();
    let text = format!("release = \"reason\"\n[[rule]]\nname = \"a\"\nrequire = \"leverage <= 3\"\n[[rule]]\nname = \"b\"\nrequire = \"{score} < 100\"\n");
    let quantized = judged(&policy(&text));
    assert_eq!(judge(&quantized, &features(4.0, 1.0)).0, [0, 1]);
    assert_eq!(judge(&quantized, &features(1.0, 1.0)).0, [1, 0]);
}

#[test]
fn committed_thresholds_are_weights_and_decide_alike() {
    let score = output_name();
    let text = |threshold: &str| {
        format!(
            "[thresholds]\nmost = {threshold}\n[[rule]]\nname = \"a\"\nrequire = \"leverage <= most and {score} < 100\"\n"
        )
    };
    let public = judged(&policy(&text("3.25")));
    let committed = judged(&policy(&text("{ committed = 3.25 }")));
    let other = judged(&policy(&text("{ committed = 1.75 }")));
    for leverage in [1.0, 1.75, 2.0, 3.0, 3.25, 3.25 + 1.0 / 4096.0, 4.0] {
        let row = features(leverage, 1.0);
        assert_eq!(judge(&public, &row), judge(&committed, &row), "{leverage}");
        assert_eq!(judge(&other, &row).0[0], i64::from(leverage <= 1.75));
    }
    // The circuit says nothing of the threshold.
    assert_eq!(committed.model.skeleton, other.model.skeleton);
    assert_ne!(committed.model.weights, other.model.weights);
    assert_ne!(public.model.skeleton, committed.model.skeleton);
    let shown = policy(&text("{ committed = 3.25 }")).public();
    assert!(!serde_json::to_string(&shown).unwrap().contains("3.25"));
}

#[test]
fn sets_are_ranges_of_codes() {
    let score = output_name();
    let text = format!(
        "[metadata.symbol]\nvalues = [\"A\", \"B\", \"C\", \"D\", \"E\"]\n[sets]\nlisted = [\"E\", \"B\", \"C\"]\n\
         [[rule]]\nname = \"s\"\nrequire = \"symbol in listed and symbol != 'C' and {score} < 100\"\n"
    );
    let policy = policy(&text);
    let quantized = judged(&policy);
    for (symbol, compliant) in [("A", 0), ("B", 1), ("C", 0), ("D", 0), ("E", 1), ("Z", 0)] {
        let code = policy.fields()[0]
            .integer(Some(&serde_json::json!(symbol)))
            .unwrap();
        let mut row = features(1.0, 1.0).to_vec();
        row.push(code as f64);
        assert_eq!(judge(&quantized, &row).0, [compliant], "{symbol}");
    }
    assert!(policy.fields()[0].integer(None).is_err());
    assert!(policy.fields()[0]
        .integer(Some(&serde_json::json!(3)))
        .is_err());
}

#[test]
fn totals_follow_from_compliant_decisions_alone() {
    let score = output_name();
    let text = format!(
        "[metadata.notional]\nbits = 20\n[aggregate.daily]\nsum = \"notional\"\nwindow = \"1d\"\n\
         [aggregate.trades]\ncount = true\nwindow = \"8h\"\n\
         [[rule]]\nname = \"t\"\nrequire = \"daily <= 1000 and trades <= 3 and {score} < 100\"\n"
    );
    let policy = policy(&text);
    let quantized = judged(&policy);
    let row = |notional: f64, totals: [f64; 4]| {
        let mut row = features(1.0, 1.0).to_vec();
        row.push(notional);
        row.extend(totals);
        row
    };
    for (notional, totals, released) in [
        (400.0, [600.0, 1000.0, 2.0, 3.0], [1, 1]),
        (401.0, [600.0, 600.0, 2.0, 2.0], [0, 1]), // too much: nothing is added
        (400.0, [600.0, 600.0, 3.0, 3.0], [0, 1]), // too often
        (400.0, [600.0, 600.0, 2.0, 2.0], [1, 0]), // a total that does not follow
        (400.0, [600.0, 1000.0, 2.0, 2.0], [1, 0]), // the other one
        (401.0, [600.0, 1001.0, 2.0, 3.0], [0, 0]),
        (-1.0, [600.0, 599.0, 2.0, 3.0], [1, 0]), // totals never shrink
    ] {
        assert_eq!(
            judge(&quantized, &row(notional, totals)).0,
            released,
            "{notional} {totals:?}"
        );
    }
}

/// One tree over two features: `x_0 <= 1.5`.
fn stump() -> Vec<u8> {
    let attributes = [
        ("nodes_treeids", Attr::Ints(&[0, 0, 0])),
        ("nodes_nodeids", Attr::Ints(&[0, 1, 2])),
        ("nodes_featureids", Attr::Ints(&[0, 0, 0])),
        ("nodes_modes", Attr::Texts(&["BRANCH_LEQ", "LEAF", "LEAF"])),
        ("nodes_values", Attr::Floats(&[1.5, 0.0, 0.0])),
        ("nodes_truenodeids", Attr::Ints(&[1, 0, 0])),
        ("nodes_falsenodeids", Attr::Ints(&[2, 0, 0])),
        ("target_treeids", Attr::Ints(&[0, 0])),
        ("target_nodeids", Attr::Ints(&[1, 2])),
        ("target_ids", Attr::Ints(&[0, 0])),
        ("target_weights", Attr::Floats(&[10.0, 20.0])),
    ];
    ModelBuilder::new(17)
        .input("x", &[0, 2])
        .output("y", 1)
        .node("ml.TreeEnsembleRegressor", &["x"], "y", &attributes)
        .bytes()
}

#[test]
fn features_of_trees_are_compared_as_floats() {
    let bytes = stump();
    let model = onnx::load(&bytes).unwrap();
    let (input, output) = (model.inputs[0].name.clone(), model.outputs[0].name.clone());
    let text = format!(
        "version = 1\nname = \"p\"\n[[rule]]\nname = \"a\"\nrequire = \"0.1 <= {input}[0] < 0.3 and {output}[0] > -1e9\"\n"
    );
    let graph = Policy::read(&text).unwrap().apply(&model).unwrap();
    let quantized = quantize(&graph, &[], &QuantizeOptions::default()).unwrap();
    let width = model.inputs[0].len();
    let tenth = f64::from(0.1f32); // a little more than 0.1
    let before = f64::from(f32::from_bits(0.1f32.to_bits() - 1));
    let third = f64::from(0.3f32); // a little more than 0.3
    let below = f64::from(f32::from_bits(0.3f32.to_bits() - 1));
    for (x, compliant) in [
        (tenth, 1),
        (before, 0),
        (third, 0),
        (below, 1),
        (-0.0, 0),
        (0.2, 1),
    ] {
        let mut row = vec![0.0; width];
        row[0] = x;
        assert_eq!(judge(&quantized, &row).0, [compliant], "{x}");
    }
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    let score = output_name();
    for (text, line, part) in [
        ("version = 2\nname = \"x\"\n", 1, "version 1"),
        ("version = 1\nname = \"\"\n", 2, "name"),
        ("version = 1\nname = \"x\"\n", 1, "no rule"),
        ("version = 1\nname = \"x\"\nrules = 3\n", 3, "rules"),
        ("version = 1\nname = \"x\"\n[[rule]]\nname = \"r\"\nrequire = \"\"\n", 5, "empty"),
        ("version = 1\nname = \"x\"\n[[rule]]\nname = \"r\"\nrequire = \"a <= 3 and a >= 4\"\n", 5, "nothing meets"),
        (
            "version = 1\nname = \"x\"\n[[rule]]\nname = \"r\"\nrequire = \"a < 3\"\n[[rule]]\nname = \"s\"\nrequire = \"b > 1 and a >= 3\"\n",
            8,
            "nothing meets",
        ),
        ("version = 1\nname = \"x\"\n[[rule]]\nname = \"r\"\nrequire = \"3 < 4\"\n", 5, "two constants"),
        ("version = 1\nname = \"x\"\n[[rule]]\nname = \"r\"\nrequire = \"a in b\"\n", 5, "[sets]"),
        ("version = 1\nname = \"x\"\n[sets]\nb = []\n", 4, "empty"),
        ("version = 1\nname = \"x\"\n[metadata.s]\n", 3, "values"),
        ("version = 1\nname = \"x\"\n[metadata.s]\nvalues = [\"A\"]\n[[rule]]\nname = \"r\"\nrequire = \"s == 'B'\"\n", 7, "no value"),
        ("version = 1\nname = \"x\"\n[metadata.s]\nbits = 99\n", 4, "bits"),
        ("version = 1\nname = \"x\"\n[aggregate.a]\ncount = true\nwindow = \"soon\"\n", 5, "length of time"),
        ("version = 1\nname = \"x\"\n[aggregate.a]\nsum = \"z\"\nwindow = \"1d\"\n", 4, "no field"),
        ("version = 1\nname = \"x\"\nfeatures = [\"a\", \"a\"]\n", 3, "twice"),
    ] {
        let error = Policy::read(text).unwrap_err();
        assert_eq!(error.position.map(|p| p.line), Some(line), "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    for (rule, column, part) in [
        ("leverag <= 3", 12, "nothing is called \"leverag\""),
        ("leverage <= 3", 0, "no rule looks at what the model says"),
        ("leverage == 'A'", 24, "a number"),
    ] {
        let text = format!("{HEAD}[[rule]]\nname = \"r\"\nrequire = \"{rule}\"\n");
        let error = Policy::read(&text)
            .and_then(|p| p.apply(&model()).map(|_| ()))
            .unwrap_err();
        assert_eq!(
            error.position.map_or(0, |p| p.column),
            column,
            "{rule}: {error}"
        );
        assert!(error.to_string().contains(part), "{rule}: {error}");
    }
    let few = format!("version = 1\nname = \"x\"\nfeatures = [\"a\"]\n[[rule]]\nname = \"r\"\nrequire = \"{score} > a\"\n");
    let error = Policy::read(&few).unwrap().apply(&model()).unwrap_err();
    assert!(error.to_string().contains("takes 5 numbers"), "{error}");
}
