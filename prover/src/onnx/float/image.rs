//! Order-preserving integers of float32 numbers.
//!
//! Claims: `image(x) <= image(y)` iff `x <= y` for all floats that are not NaN, +0 and -0 share 0, and NaN is one
//! integer above all. So `x < y` is `image(x) <= image(y) - 1`. A double rounds to float32 first, to nearest,
//! ties to even, as a file's tensor does.

/// The image of NaN.
pub(crate) const NAN: i64 = 0x7f80_0001;

/// The image of a number as float32.
pub(crate) fn image(x: f64) -> i64 {
    let x = x as f32;
    if x.is_nan() {
        return NAN;
    }
    let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() {
        -magnitude
    } else {
        magnitude
    }
}

/// The number of an image, for people; everything above the infinities' magnitude is NaN.
#[cfg(test)]
pub(crate) fn number(image: i64) -> f32 {
    match u32::try_from(image.unsigned_abs()) {
        Ok(bits) if bits <= 0x7f80_0000 => {
            let magnitude = f32::from_bits(bits);
            if image < 0 {
                -magnitude
            } else {
                magnitude
            }
        }
        _ => f32::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_floats() {
        let numbers = [
            f32::NEG_INFINITY,
            f32::MIN,
            -1.5,
            -1.0,
            -f32::MIN_POSITIVE,
            -1e-45,
            0.0,
            1e-45,
            f32::MIN_POSITIVE,
            0.1,
            1.0,
            1.000_000_1,
            f32::MAX,
            f32::INFINITY,
        ];
        for pair in numbers.windows(2) {
            assert!(image(pair[0].into()) < image(pair[1].into()), "{pair:?}");
        }
        for x in numbers {
            assert_eq!(number(image(x.into())), x);
        }
        assert_eq!(image(-0.0), 0);
        assert_eq!(image(f64::NAN), NAN);
        assert!(number(NAN).is_nan());
        // Half way between two floats: to the even one.
        assert_eq!(image(1.0 + 2f64.powi(-24)), image(1.0));
        assert_eq!(image(1.0 + 3.0 * 2f64.powi(-24)), image(1.0) + 2);
    }
}
