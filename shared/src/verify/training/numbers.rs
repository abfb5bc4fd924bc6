//! Numbers in words: six digits, without the standard formatting of floats, which is large in WebAssembly.

/// Six significant digits, rounded up: what is spent is never said to be less.
pub(super) fn decimal(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !(value > 0.0 && value.is_finite()) {
        return "no number".into();
    }
    let (mut mantissa, mut exponent) = (value, 0i32);
    while mantissa >= 10.0 {
        mantissa /= 10.0;
        exponent += 1;
    }
    while mantissa < 1.0 {
        mantissa *= 10.0;
        exponent -= 1;
    }
    let mut digits = (mantissa * 1e5 - 1e-6).ceil() as u64;
    if digits >= 1_000_000 {
        digits /= 10;
        exponent += 1;
    }
    let digits = digits.to_string();
    match exponent {
        0..=4 => {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            trimmed(whole, fraction)
        }
        -3..=-1 => trimmed(
            "0",
            &["0".repeat((-exponent - 1) as usize).as_str(), &digits].concat(),
        ),
        _ => {
            let (whole, fraction) = digits.split_at(1);
            [&trimmed(whole, fraction), "e", &exponent.to_string()].concat()
        }
    }
}

fn trimmed(whole: &str, fraction: &str) -> String {
    match fraction.trim_end_matches('0') {
        "" => whole.into(),
        fraction => [whole, ".", fraction].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_rounded_up() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (1.999_999_9, "2"),
            (0.123_456_71, "0.123457"),
            (1e-5, "1e-5"),
            (0.05, "0.05"),
            (12_345.61, "12345.7"),
            (2.5e9, "2.5e9"),
            (f64::NAN, "no number"),
            (f64::INFINITY, "no number"),
        ];
        for (value, text) in cases {
            assert_eq!(decimal(value), text);
        }
    }
}
