//! Each format reads, and each kind of mistake gives its own error.

use super::*;

fn inputs(spec: &[(&str, &[usize])]) -> Vec<InputShape> {
    spec.iter()
        .map(|(n, s)| InputShape {
            name: (*n).into(),
            shape: s.to_vec(),
            encoding: Default::default(),
        })
        .collect()
}

fn json(text: &str, of: &[InputShape]) -> Result<Vec<Vec<Vec<f64>>>, InputFileError> {
    read(Format::Json, text.as_bytes(), of, None).map(|file| file.rows)
}

/// A little-endian float64 `.npy` of this shape.
fn npy(shape: &str, fortran: bool, values: &[f64]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len()) % 64 != 63 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[test]
fn reads_the_three_json_forms() {
    let x = inputs(&[("x", &[2])]);
    let two = vec![vec![vec![1.0, 2.0]], vec![vec![3.0, 4.0]]];
    assert_eq!(json(r#"{"input_data": [[1, 2, 3, 4]]}"#, &x).unwrap(), two);
    assert_eq!(
        json(r#"{"input_data": [[1, 2], [3, 4]]}"#, &x).unwrap(),
        two
    );
    assert_eq!(
        json(r#"{"input_data": [[[1, 2], [3, 4]]]}"#, &x).unwrap(),
        two
    );
    assert_eq!(json(r#"{"x": [[1, 2], [3, 4]]}"#, &x).unwrap(), two);
    assert_eq!(json(r#"{"x": [1, 2]}"#, &x).unwrap(), two[..1]);
    let explicit = r#"{"inputs": {"x": {"shape": [2, 2], "values": [1, 2, 3, 4]}}, "outputs": {}}"#;
    assert_eq!(json(explicit, &x).unwrap(), two);
    let both = inputs(&[("a", &[1]), ("b", &[2, 1])]);
    let row = vec![vec![vec![1.0], vec![2.0, 3.0]]];
    assert_eq!(
        json(r#"{"input_data": [[1], [2, 3]]}"#, &both).unwrap(),
        row
    );
    assert_eq!(
        json(r#"{"b": [[[2], [3]]], "a": [1]}"#, &both).unwrap(),
        row
    );
}

#[test]
fn refuses_json_mistakes() {
    use InputFileError as E;
    let x = inputs(&[("x", &[2])]);
    let of = |text| json(text, &x).unwrap_err();
    assert!(matches!(
        of(r#"{"input_data": [[1, null]]}"#),
        E::NotFinite { row: 0, .. }
    ));
    assert!(matches!(
        of(r#"{"input_data": [[1, NaN]]}"#),
        E::Malformed { .. }
    ));
    assert!(matches!(
        of(r#"{"input_data": [[1, 2, 3]]}"#),
        E::Shape { .. }
    ));
    assert!(matches!(
        of(r#"{"input_data": [[1, "2"]]}"#),
        E::Type { .. }
    ));
    assert!(matches!(
        of(r#"{"input_data": [[1, 2], [3]]}"#),
        E::Type { .. }
    ));
    assert!(matches!(of(r#"{"y": [[1, 2]]}"#), E::Missing { .. }));
    assert!(matches!(
        of(r#"{"x": [[1, 2]], "y": [1]}"#),
        E::Unknown { .. }
    ));
    assert!(matches!(of(r#"{"x": []}"#), E::Empty));
    assert!(matches!(of("[1, 2"), E::Malformed { .. }));
    let wrong = r#"{"inputs": {"x": {"shape": [3], "values": [1, 2]}}}"#;
    assert!(matches!(of(wrong), E::Shape { .. }));
    let both = inputs(&[("a", &[1]), ("b", &[1])]);
    assert!(matches!(
        json(r#"{"a": [1, 2], "b": [1]}"#, &both),
        Err(E::Rows { .. })
    ));
}

#[test]
fn reads_numpy_in_both_orders() {
    let x = inputs(&[("x", &[3])]);
    let v = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let c = read(Format::Npy, &npy("(2, 3)", false, &v), &x, None).unwrap();
    assert_eq!(c.rows, [[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]);
    let f = read(Format::Npy, &npy("(2, 3)", true, &v), &x, None).unwrap();
    assert_eq!(f.rows, [[[1.0, 3.0, 5.0]], [[2.0, 4.0, 6.0]]]);
    let short = read(Format::Npy, &npy("(3, 3)", false, &v), &x, None);
    assert!(matches!(short, Err(InputFileError::Malformed { .. })));
    let huge = read(Format::Npy, &npy("(99999999999, 3)", false, &v), &x, None);
    assert!(matches!(huge, Err(InputFileError::Malformed { .. })));
    let wrong = read(Format::Npy, &npy("(3, 2)", false, &v), &x, None);
    assert!(matches!(wrong, Err(InputFileError::Shape { .. })));
}

#[test]
fn reads_tables_with_metadata() {
    let x = inputs(&[("x", &[2])]);
    let text = b"time,b,a,symbol\n09:00,2,1,ACME\n09:01,4,3,\"X, Y\"\n";
    let names = ["a".to_owned(), "b".to_owned()];
    let file = read(Format::Csv, text, &x, Some(&names)).unwrap();
    assert_eq!(file.rows, [[[1.0, 2.0]], [[3.0, 4.0]]]);
    assert_eq!(file.metadata[1].values, ["ACME", "X, Y"]);
    let plain = read(Format::Csv, b"a,b,symbol\n1,2,ACME\n", &x, None).unwrap();
    assert_eq!(plain.rows, [[[1.0, 2.0]]]);
    let missing = ["a".to_owned(), "c".to_owned()];
    let error = read(Format::Csv, text, &x, Some(&missing)).unwrap_err();
    assert!(matches!(error, InputFileError::Missing { .. }));
    let nan = read(Format::Csv, b"a,b\n1,nan\n", &x, None).unwrap_err();
    assert!(matches!(nan, InputFileError::NotFinite { .. }));
    let word = read(Format::Csv, b"a,b\n1,two\n", &x, None).unwrap_err();
    assert!(matches!(word, InputFileError::Type { .. }));
}
