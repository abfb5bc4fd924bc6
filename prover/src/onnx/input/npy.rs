//! One numpy array: magic, version, a Python dict literal as header, then the elements.
//!
//! Source: NEP 1 and numpy.lib.format, versions 1 to 3. Little-endian numbers and bools; C and Fortran
//! order.

use super::{InputFileError, Numbers, MAX_TENSOR_ELEMENTS};
use crate::onnx::limits::MAX_RANK;

pub(super) fn read(bytes: &[u8]) -> Result<Numbers, InputFileError> {
    let fail = |reason: &str| InputFileError::Malformed {
        reason: reason.into(),
    };
    let short = || fail("the numpy array ends early");

    // 1. Magic, version, header.
    let rest = bytes
        .strip_prefix(b"\x93NUMPY")
        .ok_or_else(|| fail("it is no numpy array"))?;
    let (len, start) = match rest {
        [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
        [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
        _ => return Err(fail("its numpy format version is unknown")),
    };
    let end = start + len;
    let header = rest.get(start..end).ok_or_else(short)?;
    let header = std::str::from_utf8(header).map_err(|_| fail("its numpy header is no text"))?;
    let data = &rest[end..];

    // 2. Element type, order, shape.
    let field = |name: &str| {
        let (_, after) = header.split_once(&format!("'{name}':"))?;
        Some(after.trim_start())
    };
    let bad = || fail("its numpy header is unreadable");
    let descr = field("descr")
        .and_then(|d| d.strip_prefix('\''))
        .ok_or_else(bad)?;
    let (descr, _) = descr.split_once('\'').ok_or_else(bad)?;
    let order = field("fortran_order").ok_or_else(bad)?;
    let fortran = order.starts_with("True");
    if !fortran && !order.starts_with("False") {
        return Err(bad());
    }
    let shape = field("shape")
        .and_then(|s| s.strip_prefix('('))
        .ok_or_else(bad)?;
    let (shape, _) = shape.split_once(')').ok_or_else(bad)?;
    let extents: Result<Vec<usize>, _> = shape
        .split(',')
        .map(str::trim)
        .filter(|d| !d.is_empty())
        .map(str::parse)
        .collect();
    let shape = extents.map_err(|_| bad())?;
    // An empty extent counts as one, so that no partial product is over the cap either.
    let count = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    let within = count.is_some_and(|n| n <= MAX_TENSOR_ELEMENTS) && shape.len() <= MAX_RANK;
    if !within {
        return Err(fail("its numpy array has too many elements"));
    }
    let count: usize = shape.iter().product();

    // 3. Elements.
    let values = match descr {
        "<f8" => elements(data, count, f64::from_le_bytes),
        "<f4" => elements(data, count, |b| f64::from(f32::from_le_bytes(b))),
        "<i8" => elements(data, count, |b| i64::from_le_bytes(b) as f64),
        "<i4" => elements(data, count, |b| f64::from(i32::from_le_bytes(b))),
        "<i2" => elements(data, count, |b| f64::from(i16::from_le_bytes(b))),
        "|i1" => elements(data, count, |b| f64::from(i8::from_le_bytes(b))),
        "<u8" => elements(data, count, |b| u64::from_le_bytes(b) as f64),
        "<u4" => elements(data, count, |b| f64::from(u32::from_le_bytes(b))),
        "<u2" => elements(data, count, |b| f64::from(u16::from_le_bytes(b))),
        "|u1" | "|b1" => elements(data, count, |[b]: [u8; 1]| f64::from(b)),
        other => {
            return Err(InputFileError::Malformed {
                reason: format!("its element type {other} is not supported; save it as float32"),
            })
        }
    };
    let values = values.ok_or_else(short)?;
    let values = if fortran {
        row_major(&shape, &values)
    } else {
        values
    };
    Ok(Numbers { shape, values })
}

/// `count` elements of N bytes and nothing after them, or nothing.
fn elements<const N: usize>(
    data: &[u8],
    count: usize,
    widen: impl Fn([u8; N]) -> f64,
) -> Option<Vec<f64>> {
    let whole = data.len() == count.checked_mul(N)?;
    let read = |c: &[u8]| widen(c.try_into().expect("chunks_exact gives N bytes"));
    whole.then(|| data.chunks_exact(N).map(read).collect())
}

/// Elements stored with the first index fastest, in row-major order.
fn row_major(shape: &[usize], values: &[f64]) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let mut positions = vec![0usize];
    let mut stride = 1;
    for &extent in shape {
        positions = positions
            .iter()
            .flat_map(|&p| (0..extent).map(move |i| p + i * stride))
            .collect();
        stride *= extent;
    }
    positions.into_iter().map(|p| values[p]).collect()
}
