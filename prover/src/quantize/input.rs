//! Input numbers as integers: `round(v 2^scale_bits)`, half away from zero, saturating at the declared
//! range. Images of float32 are exact: the number is rounded to float32, as the file's tensor would hold it.

use super::skeleton::{InputEncoding, InputSpec};
use crate::onnx::image;

/// An input number that no integer stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// NaN.
    #[error("an input is NaN, and the model makes no provision for missing values; give a number")]
    NotANumber,
    /// Plus or minus infinity.
    #[error("an input is infinite; give a finite number")]
    Infinite,
}

/// The integer of an input number, and whether it saturated.
///
/// # Errors
/// NaN and infinities.
pub fn quantize_input(spec: &InputSpec, value: f64) -> Result<(i64, bool), InputError> {
    match spec.encoding {
        InputEncoding::Fixed => {}
        InputEncoding::Float32 if value.is_nan() => return Err(InputError::NotANumber),
        InputEncoding::Float32 | InputEncoding::Float32OrMissing => {
            return Ok((image::image(value), false))
        }
    }
    if value.is_nan() {
        return Err(InputError::NotANumber);
    }
    if value.is_infinite() {
        return Err(InputError::Infinite);
    }
    let limit = 2f64.powi(spec.range_bits as i32);
    let q = (value * 2f64.powi(spec.scale_bits as i32)).round();
    let inside = q.clamp(-limit, limit - 1.0);
    Ok((inside as i64, inside != q))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_saturates_and_refuses() {
        let spec = InputSpec {
            name: "x".into(),
            shape: vec![1],
            scale_bits: 1,
            range_bits: 3,
            encoding: InputEncoding::Fixed,
        };
        assert_eq!(quantize_input(&spec, 0.25), Ok((1, false)));
        assert_eq!(quantize_input(&spec, -0.25), Ok((-1, false)));
        assert_eq!(quantize_input(&spec, 3.5), Ok((7, false)));
        assert_eq!(quantize_input(&spec, 4.0), Ok((7, true)));
        assert_eq!(quantize_input(&spec, -4.0), Ok((-8, false)));
        assert_eq!(quantize_input(&spec, -1e300), Ok((-8, true)));
        assert_eq!(quantize_input(&spec, f64::NAN), Err(InputError::NotANumber));
        assert_eq!(
            quantize_input(&spec, f64::INFINITY),
            Err(InputError::Infinite)
        );
    }
}
