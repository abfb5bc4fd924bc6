//! Input numbers as integers: `round(v 2^(scale_bits - exponent))`, half away from zero, saturating at the
//! declared range. A value that the skeleton declares missing becomes its declared replacement first. Images of
//! float32 are exact: the number is rounded to float32, as the file's tensor would hold it. Affine integers are those
//! of ONNX QuantizeLinear: `rint(v / scale) + zero_point` in float32, half to even.

use super::skeleton::{InputEncoding, InputSpec, Missing};
use crate::onnx::image;

/// An input number that no integer stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// NaN.
    #[error(
        "an input is NaN, and the model makes no provision for missing values there; give a number"
    )]
    NotANumber,
    /// Plus or minus infinity.
    #[error("an input is infinite; give a finite number")]
    Infinite,
}

/// The integer of the number at position `index` of one row of an input, and whether it saturated.
///
/// # Errors
/// Infinities, and NaN where the model has nothing for it.
pub fn quantize_input(
    spec: &InputSpec,
    index: usize,
    value: f64,
) -> Result<(i64, bool), InputError> {
    if let Some(Some(replacement)) = spec.replacements.get(index) {
        if replacement.missing.is(value) {
            return Ok((replacement.integer, false));
        }
    }
    match spec.encoding {
        InputEncoding::Fixed => {}
        InputEncoding::Float32 if value.is_nan() => return Err(InputError::NotANumber),
        InputEncoding::Float32 | InputEncoding::Float32OrMissing => {
            return Ok((image::image(value), false))
        }
        InputEncoding::Affine { scale, zero_point } => {
            return affine(value, f32::from_bits(scale), zero_point, spec.range_bits)
        }
    }
    if value.is_nan() {
        return Err(InputError::NotANumber);
    }
    if value.is_infinite() {
        return Err(InputError::Infinite);
    }
    let limit = 2f64.powi(spec.range_bits as i32);
    let exponent = spec.exponents.get(index).copied().unwrap_or(0);
    let q = (value * 2f64.powi(spec.scale_bits as i32 - exponent)).round();
    let inside = q.clamp(-limit, limit - 1.0);
    Ok((inside as i64, inside != q))
}

/// The quotient is clamped before it is rounded, and the zero point added after, as onnxruntime does.
fn affine(
    value: f64,
    scale: f32,
    zero_point: i32,
    range_bits: u32,
) -> Result<(i64, bool), InputError> {
    if value.is_nan() {
        return Err(InputError::NotANumber);
    }
    let (limit, zero) = (1i64 << range_bits, i64::from(zero_point));
    let quotient = value as f32 / scale;
    let inside = quotient.clamp((-limit - zero) as f32, (limit - 1 - zero) as f32);
    let q = inside.round_ties_even() as i64 + zero;
    let outside = quotient.round_ties_even() != inside.round_ties_even();
    Ok((q, outside))
}

impl Missing {
    /// From the number that stands for a missing value.
    pub(crate) fn of(value: f64) -> Self {
        if value.is_nan() {
            Self::NotANumber
        } else {
            Self::Bits(value.to_bits())
        }
    }

    /// Whether this value is missing.
    pub fn is(self, value: f64) -> bool {
        match self {
            Self::NotANumber => value.is_nan(),
            Self::Bits(bits) => {
                let missing = f64::from_bits(bits);
                value == missing || f64::from(value as f32) == missing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::skeleton::Replacement;
    use super::*;

    fn spec() -> InputSpec {
        InputSpec {
            name: "x".into(),
            shape: vec![2],
            scale_bits: 1,
            range_bits: 3,
            exponents: vec![],
            replacements: vec![],
            encoding: InputEncoding::Fixed,
        }
    }

    #[test]
    fn rounds_saturates_and_refuses() {
        let quantize = |v| quantize_input(&spec(), 0, v);
        assert_eq!(quantize(0.25), Ok((1, false)));
        assert_eq!(quantize(-0.25), Ok((-1, false)));
        assert_eq!(quantize(3.5), Ok((7, false)));
        assert_eq!(quantize(4.0), Ok((7, true)));
        assert_eq!(quantize(-4.0), Ok((-8, false)));
        assert_eq!(quantize(-1e300), Ok((-8, true)));
        assert_eq!(quantize(f64::NAN), Err(InputError::NotANumber));
        assert_eq!(quantize(f64::INFINITY), Err(InputError::Infinite));
    }

    #[test]
    fn affine_integers_are_those_of_quantize_linear() {
        let spec = InputSpec {
            scale_bits: 0,
            range_bits: 7,
            encoding: InputEncoding::Affine {
                scale: 0.5f32.to_bits(),
                zero_point: -118,
            },
            ..spec()
        };
        let quantize = |v| quantize_input(&spec, 0, v);
        // Ties to even before the zero point joins.
        assert_eq!(quantize(0.25), Ok((-118, false)));
        assert_eq!(quantize(0.75), Ok((-116, false)));
        assert_eq!(quantize(-4.9), Ok((-128, false)));
        assert_eq!(quantize(-5.5), Ok((-128, true)));
        assert_eq!(quantize(f64::INFINITY), Ok((127, true)));
        assert_eq!(quantize(f64::NAN), Err(InputError::NotANumber));
    }

    #[test]
    fn exponents_are_per_scalar() {
        let spec = InputSpec {
            exponents: vec![3, -2],
            ..spec()
        };
        assert_eq!(quantize_input(&spec, 0, 12.0), Ok((3, false)));
        assert_eq!(quantize_input(&spec, 1, 0.5), Ok((4, false)));
    }

    #[test]
    fn missing_values_are_replaced_where_declared() {
        let replace = |missing| {
            Some(Replacement {
                missing,
                integer: 5,
            })
        };
        let spec = InputSpec {
            replacements: vec![replace(Missing::NotANumber), None],
            ..spec()
        };
        assert_eq!(quantize_input(&spec, 0, f64::NAN), Ok((5, false)));
        assert_eq!(quantize_input(&spec, 0, -1.0), Ok((-2, false)));
        assert_eq!(
            quantize_input(&spec, 1, f64::NAN),
            Err(InputError::NotANumber)
        );
        let spec = InputSpec {
            replacements: vec![replace(Missing::of(f64::from(-0.1f32))), None],
            ..spec
        };
        // The decimal is the same number once the model reads it as a float.
        assert_eq!(quantize_input(&spec, 0, -0.1), Ok((5, false)));
        assert_eq!(quantize_input(&spec, 0, -0.11), Ok((0, false)));
        assert_eq!(
            quantize_input(&spec, 0, f64::NAN),
            Err(InputError::NotANumber)
        );
    }
}
