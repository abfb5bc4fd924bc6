//! The part of docs/operators.md that is generated from a run.

use std::collections::BTreeMap;
use std::fmt::Write;

use clearproof_tests::root;

use crate::baked::SLOTS;
use crate::{Tally, VERSION};

const BEGIN: &str = "<!-- node tests: begin -->\n";
const END: &str = "<!-- node tests: end -->\n";

/// Counts, baked slots, and the refused cases under their reasons.
pub(crate) fn text(
    tally: &Tally,
    outside: &BTreeMap<&str, usize>,
    refused: &[(String, String)],
) -> String {
    let sum = |i: usize| tally.values().map(|c| c[i]).sum::<usize>();
    let (passed, refusals) = (sum(0), sum(1));
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a string grows");
        text.push('\n');
    };
    line(format_args!(
        "Of the {} cases of onnx {VERSION} in scope, {passed} pass, {refusals} are refused and none is wrong.\n",
        passed + refusals
    ));
    line(format_args!("| outside the scope | cases |\n|---|---|"));
    for (reason, count) in outside {
        line(format_args!("| {reason} | {count} |"));
    }
    line(format_args!(
        "\n| operator | inputs that are parameters |\n|---|---|"
    ));
    for (operator, _, what) in SLOTS {
        line(format_args!("| {operator} | {what} |"));
    }
    line(format_args!("\nPassed of all cases, by operator:\n"));
    let counts: Vec<String> = tally
        .iter()
        .map(|(operator, [p, r, w])| format!("{operator} {p}/{}", p + r + w))
        .collect();
    line(format_args!("{}.\n", counts.join(", ")));
    line(format_args!("| refused | why |\n|---|---|"));
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reason) in refused {
        let name = name.strip_prefix("test_").unwrap_or(name);
        by_reason.entry(reason).or_default().push(name);
    }
    for (reason, names) in by_reason {
        let reason = reason.replace('|', "\\|").replace('\n', " ");
        line(format_args!("| {} | {reason} |", names.join(", ")));
    }
    text
}

/// docs/operators.md holds this text between its markers, or gets it where that is asked for.
pub(crate) fn check(text: &str) {
    let path = root().join("docs/operators.md");
    let page = std::fs::read_to_string(&path).expect("docs/operators.md");
    let (before, rest) = page.split_once(BEGIN).expect("the first marker");
    let (now, after) = rest.split_once(END).expect("the second marker");
    if std::env::var_os("CLEARPROOF_UPDATE_DOCS").is_some() {
        let page = format!("{before}{BEGIN}{text}{END}{after}");
        std::fs::write(&path, page).expect("docs/operators.md is writable");
        return;
    }
    assert!(
        now == text,
        "docs/operators.md is out of date; run the test with CLEARPROOF_UPDATE_DOCS=1"
    );
}
