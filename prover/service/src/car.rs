//! Content addressing: bytes as a CAR file, which any IPFS tool can pin.
//!
//! The blocks and the root are those that `ipfs add --cid-version 1 --raw-leaves` makes: raw leaves of 256 KiB, and above them
//! UnixFS nodes of at most 174 links, balanced; one leaf alone is its own root. Source: CARv1, DAG-PB and UnixFS v1 as
//! specified by ipld.io and specs.ipfs.tech.

use std::io::{self, Write};

use cid::multihash::Multihash;
use cid::Cid;
use sha2::{Digest, Sha256};

/// Bytes of a leaf.
const CHUNK: usize = 256 << 10;
/// Links of a node.
const MOST_LINKS: usize = 174;
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// A block of the file, or of a node above.
struct Block {
    cid: Cid,
    bytes: Vec<u8>,
    /// Bytes of the file below.
    content: u64,
    /// Bytes of all blocks below, this one included.
    total: u64,
}

/// Writes a CAR file that holds these bytes, and returns its root's CID as text.
///
/// # Errors
/// Those of the writer.
pub fn write_car(content: &[u8], out: &mut impl Write) -> io::Result<String> {
    // 1. Leaves, then nodes over them until one is left.
    let mut level: Vec<Block> = match content.is_empty() {
        true => vec![leaf(content)],
        false => content.chunks(CHUNK).map(leaf).collect(),
    };
    let mut levels = vec![];
    while level.len() > 1 {
        let above = level.chunks(MOST_LINKS).map(node).collect();
        levels.push(std::mem::replace(&mut level, above));
    }
    let root = level[0].cid;
    // 2. The header, then the blocks, the root first.
    let mut header = vec![0xa2, 0x65];
    header.extend(b"roots");
    let name = root.to_bytes();
    header.extend([0x81, 0xd8, 0x2a, 0x58, name.len() as u8 + 1, 0]);
    header.extend(&name);
    header.push(0x67);
    header.extend(b"version");
    header.push(1);
    write_section(out, &[&header])?;
    for block in level.iter().chain(levels.iter().rev().flatten()) {
        write_section(out, &[&block.cid.to_bytes(), &block.bytes])?;
    }
    Ok(root.to_string())
}

fn write_section(out: &mut impl Write, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut prefix = vec![];
    varint(&mut prefix, length as u64);
    out.write_all(&prefix)?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

fn leaf(chunk: &[u8]) -> Block {
    Block {
        cid: cid(RAW, chunk),
        bytes: chunk.to_vec(),
        content: chunk.len() as u64,
        total: chunk.len() as u64,
    }
}

/// A UnixFS file node: DAG-PB with the links first, then the data.
fn node(children: &[Block]) -> Block {
    let content = children.iter().map(|child| child.content).sum();
    let mut bytes = vec![];
    for child in children {
        let mut link = vec![];
        field(&mut link, 1, &child.cid.to_bytes());
        field(&mut link, 2, b"");
        number(&mut link, 3, child.total);
        field(&mut bytes, 2, &link);
    }
    let mut data = vec![];
    number(&mut data, 1, UNIXFS_FILE);
    number(&mut data, 3, content);
    for child in children {
        number(&mut data, 4, child.content);
    }
    field(&mut bytes, 1, &data);
    let below: u64 = children.iter().map(|child| child.total).sum();
    Block {
        cid: cid(DAG_PB, &bytes),
        content,
        total: below + bytes.len() as u64,
        bytes,
    }
}

fn cid(codec: u64, bytes: &[u8]) -> Cid {
    let hash = Multihash::wrap(SHA2_256, &Sha256::digest(bytes));
    Cid::new_v1(codec, hash.expect("a digest of 32 bytes fits"))
}

/// A length-delimited protobuf field.
fn field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// A protobuf field that holds a number.
fn number(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The type of a file in UnixFS.
const UNIXFS_FILE: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_ipfs() {
        let root = |content: &[u8]| write_car(content, &mut vec![]).unwrap();
        assert_eq!(
            root(b"hello world"),
            "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
        );
        assert_eq!(
            root(b""),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
        // More than one leaf is a node.
        assert!(root(&vec![7; CHUNK + 1]).starts_with("bafybei"));
    }

    /// Every block's bytes hash to its name, and the leaves in order are the content.
    #[test]
    fn a_car_holds_its_content() {
        for length in [0, 1, CHUNK, CHUNK + 1, CHUNK * (MOST_LINKS + 1) + 5] {
            let content: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
            let mut car = vec![];
            let root = write_car(&content, &mut car).unwrap();
            let mut rest = &car[..];
            let mut sections = vec![];
            while !rest.is_empty() {
                let (mut size, mut shift) = (0usize, 0);
                loop {
                    let byte = rest[0];
                    rest = &rest[1..];
                    size |= usize::from(byte & 0x7f) << shift;
                    shift += 7;
                    if byte < 0x80 {
                        break;
                    }
                }
                let (section, after) = rest.split_at(size);
                sections.push(section);
                rest = after;
            }
            let blocks = &sections[1..];
            assert!(sections[0].windows(36).any(|w| w == &blocks[0][..36]));
            let mut leaves = vec![];
            for (i, block) in blocks.iter().enumerate() {
                let name = Cid::try_from(&block[..36]).unwrap();
                assert_eq!(name.hash().digest(), &Sha256::digest(&block[36..])[..]);
                if i == 0 {
                    assert_eq!(name.to_string(), root);
                }
                if name.codec() == RAW {
                    leaves.extend_from_slice(&block[36..]);
                }
            }
            assert_eq!(leaves, content);
        }
    }
}
