//! Named numpy arrays: a ZIP archive of `.npy` members, stored or deflated.
//!
//! The central directory is read, sizes are capped before anything is inflated, and each member's CRC is
//! checked. Source: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16; numpy.savez and
//! numpy.savez_compressed.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::{in_order, npy, InputFileError, InputShape, Numbers};
use crate::onnx::limits::MAX_FILE_BYTES;

/// Greatest number of members.
const MAX_MEMBERS: usize = 1024;

pub(super) fn read(bytes: &[u8], inputs: &[InputShape]) -> Result<Vec<Numbers>, InputFileError> {
    let mut named = Vec::new();
    for (name, member) in members(bytes)? {
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        named.push((name, npy::read(&member)?));
    }
    // Arrays saved without names are in the order of the model's inputs.
    for (name, _) in &mut named {
        let number = name
            .strip_prefix("arr_")
            .and_then(|n| n.parse::<usize>().ok());
        if let Some(input) = number.and_then(|n| inputs.get(n)) {
            if !inputs.iter().any(|i| i.name == *name) {
                name.clone_from(&input.name);
            }
        }
    }
    in_order(inputs, named)
}

/// The members of an archive, by name.
fn members(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, InputFileError> {
    let fail = |reason: &str| InputFileError::Malformed {
        reason: reason.into(),
    };
    let broken = || fail("it is no numpy archive, or a damaged one");
    let u16_at = |at: usize| -> Option<usize> {
        let b = bytes.get(at..at.checked_add(2)?)?;
        Some(usize::from(u16::from_le_bytes([b[0], b[1]])))
    };
    let u32_at = |at: usize| -> Option<usize> {
        let b = bytes.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
    };

    // 1. The end of the central directory, at most one comment before the end of the file.
    let least = bytes.len().saturating_sub(22 + 65_535);
    let end = (least..bytes.len().saturating_sub(21))
        .rev()
        .find(|&i| bytes[i..].starts_with(b"PK\x05\x06"));
    let end = end.ok_or_else(broken)?;
    let count = u16_at(end + 10).ok_or_else(broken)?;
    let mut at = u32_at(end + 16).ok_or_else(broken)?;
    if count > MAX_MEMBERS {
        return Err(fail("its archive has too many members"));
    }

    // 2. One central header after the other.
    let mut members = Vec::new();
    let mut total = 0usize;
    for _ in 0..count {
        if !bytes
            .get(at..)
            .is_some_and(|b| b.starts_with(b"PK\x01\x02"))
        {
            return Err(broken());
        }
        let field16 = |offset: usize| u16_at(at + offset).ok_or_else(broken);
        let field32 = |offset: usize| u32_at(at + offset).ok_or_else(broken);
        let (flags, method, crc) = (field16(8)?, field16(10)?, field32(16)?);
        let (packed, size, local) = (field32(20)?, field32(24)?, field32(42)?);
        let (name_len, extra_len, comment_len) = (field16(28)?, field16(30)?, field16(32)?);
        let name = bytes.get(at + 46..at + 46 + name_len).ok_or_else(broken)?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| broken())?;
        if flags & 1 != 0 {
            return Err(fail("its archive is encrypted"));
        }
        total = total.saturating_add(size);
        if size == u32::MAX as usize || total > MAX_FILE_BYTES {
            return Err(fail("its archive is too large"));
        }

        // 3. The member behind its local header.
        if !bytes
            .get(local..)
            .is_some_and(|b| b.starts_with(b"PK\x03\x04"))
        {
            return Err(broken());
        }
        let skip = u16_at(local + 26)
            .zip(u16_at(local + 28))
            .ok_or_else(broken)?;
        let start = local + 30 + skip.0 + skip.1;
        let data = bytes.get(start..start + packed).ok_or_else(broken)?;
        let member = match method {
            0 => data.to_vec(),
            8 => decompress_to_vec_with_limit(data, size).map_err(|_| broken())?,
            _ => return Err(fail("its archive is compressed in an unknown way")),
        };
        if member.len() != size || crc32(&member) as usize != crc {
            return Err(broken());
        }
        members.push((name, member));
        at += 46 + name_len + extra_len + comment_len;
    }
    Ok(members)
}

/// CRC-32 of ISO 3309, by a table of bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256u32)
        .map(|i| {
            (0..8).fold(i, |c, _| {
                if c & 1 == 1 {
                    c >> 1 ^ 0xedb8_8320
                } else {
                    c >> 1
                }
            })
        })
        .collect();
    !bytes.iter().fold(!0u32, |c, &b| {
        table[((c ^ u32::from(b)) & 255) as usize] ^ c >> 8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn reads_what_numpy_wrote() {
        // numpy.savez_compressed(f, b=np.array([[3.0]]), a=np.array([[1, 2]], dtype=np.float32))
        let bytes = include_bytes!("testdata/two.npz");
        let shape = |name: &str, n| InputShape {
            name: name.into(),
            shape: vec![n],
            encoding: Default::default(),
        };
        let read = read(bytes, &[shape("a", 2), shape("b", 1)]).unwrap();
        assert_eq!(
            (&read[0].values[..], &read[1].values[..]),
            (&[1.0, 2.0][..], &[3.0][..])
        );
        for i in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[i] ^= 0x55;
            let _ = super::read(&damaged, &[shape("a", 2), shape("b", 1)]);
            let _ = super::read(&bytes[..i], &[shape("a", 2), shape("b", 1)]);
        }
    }

    #[test]
    fn unnamed_arrays_are_in_order() {
        // numpy.savez(f, np.array([[1.0, 2.0]]))
        let bytes = include_bytes!("testdata/unnamed.npz");
        let x = InputShape {
            name: "x".into(),
            shape: vec![2],
            encoding: Default::default(),
        };
        assert_eq!(read(bytes, &[x]).unwrap()[0].values, [1.0, 2.0]);
    }
}
