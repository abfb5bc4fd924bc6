//! Deterministic CBOR: one encoding a value, and nothing else is read.
//!
//! 1. Claim: definite lengths, shortest integers and lengths, maps with ascending unsigned integer
//!    keys, no tags, floats, simple values or trailing bytes; so `encode(decode(bytes)) == bytes`.
//! 2. Memory is bounded by the input: lengths are compared with the bytes left before anything is
//!    kept, and each caller names its own cap.
//! 3. Assumed: nothing.
//! 4. Source: RFC 8949, section 4.2.1 (core deterministic encoding).

use thiserror::Error;

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end early or are no CBOR.
    #[error("the bytes end early or are no CBOR")]
    Malformed,
    /// A second encoding of something that has a shorter or another canonical one.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// Something else was expected.
    #[error("{0}: missing or of another kind")]
    Unexpected(&'static str),
    /// Larger than the format allows.
    #[error("{0}: larger than the format allows")]
    TooLarge(&'static str),
    /// The parts contradict each other.
    #[error("{0}: does not fit the other fields")]
    Inconsistent(&'static str),
    /// A version that this verifier does not know.
    #[error("version {0} is not known")]
    Version(u64),
    /// Bytes follow.
    #[error("bytes follow the end")]
    TrailingBytes,
}

type Result<T> = core::result::Result<T, FormatError>;

/// What stands at the head of a value: its major type and its argument (RFC 8949, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Positive(u64),
    Negative(u64),
    Bytes(u64),
    Text(u64),
    Array(u64),
    Map(u64),
}

/// Reads values off the front.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn header(&mut self) -> Result<Header> {
        let (&first, rest) = self.rest.split_first().ok_or(FormatError::Malformed)?;
        let (argument, length) = match first & 31 {
            small @ 0..=23 => (u64::from(small), 0),
            // Indefinite lengths, and the end of one.
            31 => return Err(FormatError::NotCanonical),
            28..=30 => return Err(FormatError::Malformed),
            power => {
                let length = 1 << (power - 24);
                let bytes = rest.get(..length).ok_or(FormatError::Malformed)?;
                let argument = bytes
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                (argument, length)
            }
        };
        let header = match first >> 5 {
            0 => Header::Positive(argument),
            1 => Header::Negative(argument),
            2 => Header::Bytes(argument),
            3 => Header::Text(argument),
            4 => Header::Array(argument),
            5 => Header::Map(argument),
            // Tags, simple values and floats.
            _ => return Err(FormatError::NotCanonical),
        };
        if length + 1 != header_length(argument) {
            return Err(FormatError::NotCanonical);
        }
        self.rest = &rest[length..];
        Ok(header)
    }

    fn body(&mut self, length: u64, most: usize, what: &'static str) -> Result<&'a [u8]> {
        let length = at_most(length, most, what)?;
        let (body, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(FormatError::Malformed)?;
        self.rest = rest;
        Ok(body)
    }

    /// An unsigned integer of at most `most`.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn uint(&mut self, most: u64, what: &'static str) -> Result<u64> {
        match self.header()? {
            Header::Positive(value) if value <= most => Ok(value),
            Header::Positive(_) => Err(FormatError::TooLarge(what)),
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// A signed integer.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn int(&mut self, what: &'static str) -> Result<i64> {
        let too_large = |_| FormatError::TooLarge(what);
        match self.header()? {
            Header::Positive(value) => i64::try_from(value).map_err(too_large),
            Header::Negative(value) => i64::try_from(value).map(|v| !v).map_err(too_large),
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// A byte string of at most `most` bytes.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn bytes(&mut self, most: usize, what: &'static str) -> Result<&'a [u8]> {
        match self.header()? {
            Header::Bytes(length) => self.body(length, most, what),
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// A byte string of exactly N bytes.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn array_of_bytes<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let bytes = self.bytes(N, what)?;
        bytes.try_into().map_err(|_| FormatError::Unexpected(what))
    }

    /// A text of at most `most` bytes.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn text(&mut self, most: usize, what: &'static str) -> Result<&'a str> {
        match self.header()? {
            Header::Text(length) => {
                let body = self.body(length, most, what)?;
                core::str::from_utf8(body).map_err(|_| FormatError::Malformed)
            }
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// The number of items of an array; each takes a byte at least.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn array(&mut self, most: usize, what: &'static str) -> Result<usize> {
        match self.header()? {
            Header::Array(length) => match at_most(length, most, what)? {
                length if length > self.rest.len() => Err(FormatError::Malformed),
                length => Ok(length),
            },
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// An array of at most `most` items.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn list<T>(
        &mut self,
        most: usize,
        what: &'static str,
        item: impl Fn(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = self.array(most, what)?;
        (0..count).map(|_| item(self)).collect()
    }

    /// A map; its keys are then asked for in ascending order.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn map(&mut self, what: &'static str) -> Result<MapDecoder> {
        match self.header()? {
            Header::Map(left) => Ok(MapDecoder { left }),
            _ => Err(FormatError::Unexpected(what)),
        }
    }

    /// Whether the next value is a byte string.
    pub fn at_bytes(&self) -> bool {
        self.rest.first().is_some_and(|byte| byte >> 5 == 2)
    }

    /// Refuses whatever follows.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(FormatError::TrailingBytes)
        }
    }
}

/// Asks a map for its keys in ascending order; whatever is left over or out of order is refused.
#[derive(Debug)]
pub struct MapDecoder {
    left: u64,
}

impl MapDecoder {
    /// Whether the next key is this one; then its value follows.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn optional(&mut self, decoder: &mut Decoder<'_>, key: u64) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        let mut ahead = decoder.clone();
        if ahead.header()? != Header::Positive(key) {
            return Ok(false);
        }
        *decoder = ahead;
        self.left -= 1;
        Ok(true)
    }

    /// The next key is this one; then its value follows.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn required(
        &mut self,
        decoder: &mut Decoder<'_>,
        key: u64,
        what: &'static str,
    ) -> Result<()> {
        if self.optional(decoder, key)? {
            Ok(())
        } else {
            Err(FormatError::Unexpected(what))
        }
    }

    /// Refuses whatever follows.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn finish(self) -> Result<()> {
        if self.left == 0 {
            Ok(())
        } else {
            Err(FormatError::Unexpected("map key"))
        }
    }
}

fn at_most(length: u64, most: usize, what: &'static str) -> Result<usize> {
    match usize::try_from(length) {
        Ok(length) if length <= most => Ok(length),
        _ => Err(FormatError::TooLarge(what)),
    }
}

/// Of the shortest head with this argument, in bytes.
fn header_length(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Appends values.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    fn header(&mut self, header: Header) {
        let (major, argument) = match header {
            Header::Positive(argument) => (0, argument),
            Header::Negative(argument) => (1, argument),
            Header::Bytes(argument) => (2, argument),
            Header::Text(argument) => (3, argument),
            Header::Array(argument) => (4, argument),
            Header::Map(argument) => (5, argument),
        };
        let length = header_length(argument);
        let short = match length {
            1 => argument as u8,
            _ => 24 + (length - 1).ilog2() as u8,
        };
        self.bytes.push(major << 5 | short);
        self.bytes
            .extend_from_slice(&argument.to_be_bytes()[9 - length..]);
    }

    /// Appends an unsigned integer.
    pub fn uint(&mut self, value: u64) {
        self.header(Header::Positive(value));
    }

    /// Appends a signed integer.
    pub fn int(&mut self, value: i64) {
        match u64::try_from(value) {
            Ok(value) => self.uint(value),
            Err(_) => self.header(Header::Negative(!value as u64)),
        }
    }

    /// Appends a byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.header(Header::Bytes(bytes.len() as u64));
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a text.
    pub fn text(&mut self, text: &str) {
        self.header(Header::Text(text.len() as u64));
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Begins an array; its items follow.
    pub fn array(&mut self, length: usize) {
        self.header(Header::Array(length as u64));
    }

    /// Appends an array of integers.
    pub fn ints(&mut self, values: &[i64]) {
        self.array(values.len());
        for value in values {
            self.int(*value);
        }
    }

    /// Begins a map; its keys and values follow.
    pub fn map(&mut self, length: usize) {
        self.header(Header::Map(length as u64));
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_in_their_shortest_form() {
        for value in [
            0,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            i64::MAX,
            -1,
            -25,
            i64::MIN,
        ] {
            let mut encoder = Encoder::default();
            encoder.int(value);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            assert_eq!(decoder.int("value"), Ok(value));
            assert_eq!(decoder.finish(), Ok(()));
        }
        assert_eq!(
            Decoder::new(&[0x18, 0x05]).int("value"),
            Err(FormatError::NotCanonical)
        );
        let above = [0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            Decoder::new(&above).int("value"),
            Err(FormatError::TooLarge("value"))
        );
    }

    #[test]
    fn indefinite_lengths_tags_and_floats_are_refused() {
        for bytes in [
            &[0x5f, 0xff][..],
            &[0x9f, 0xff],
            &[0xc0, 0x00],
            &[0xf9, 0, 0],
            &[0xf6],
        ] {
            assert_eq!(
                Decoder::new(bytes).bytes(9, "bytes"),
                Err(FormatError::NotCanonical)
            );
        }
        // A length far beyond the input costs nothing.
        let huge = [0x9b, 0, 0, 0, 1, 0, 0, 0, 0];
        assert!(Decoder::new(&huge).array(usize::MAX, "array").is_err());
    }

    #[test]
    fn map_keys_come_in_order_and_once() {
        for (bytes, good) in [
            (&[0xa2, 0x00, 0x07, 0x01, 0x08][..], true),
            (&[0xa2, 0x01, 0x08, 0x00, 0x07], false),
            (&[0xa2, 0x00, 0x07, 0x00, 0x08], false),
            (&[0xa3, 0x00, 0x07, 0x01, 0x08, 0x02, 0x09], false),
        ] {
            let mut decoder = Decoder::new(bytes);
            let mut map = decoder.map("map").expect("a map");
            let read = (|| {
                map.required(&mut decoder, 0, "zero")?;
                decoder.uint(9, "zero")?;
                if map.optional(&mut decoder, 1)? {
                    decoder.uint(9, "one")?;
                }
                map.finish()?;
                decoder.finish()
            })();
            assert_eq!(read.is_ok(), good, "{bytes:?}");
        }
    }
}
