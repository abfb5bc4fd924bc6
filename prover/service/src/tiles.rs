//! The log as static files: hash tiles, entry bundles, the checkpoint.
//!
//! 1. Claim: what is served is of the log up to its latest checkpoint, and never changes but for `checkpoint`.
//! 2. Layout: `tile/L/N[.p/W]` holds W (256 without suffix) roots of full subtrees of 256^L leaves from index
//!    256 N on; `tile/entries/N[.p/W]` the entries with 16-bit big-endian lengths. N is written in groups of
//!    three digits, all but the last preceded by `x`.
//! 3. Assumed: who may read the log is the caller's question.
//! 4. Source: c2sp.org/tlog-tiles.

use clearproof_prover::engine::store::{Store, StoreError};

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// The latest checkpoint.
    Checkpoint,
    /// Hashes.
    Hashes {
        /// Level: each hash is over 256^level leaves.
        level: u32,
        /// Index of the tile in its level.
        index: u64,
        /// Number of hashes, 1 to 256.
        width: u64,
    },
    /// Entries.
    Entries {
        /// Index of the bundle.
        index: u64,
        /// Number of entries, 1 to 256.
        width: u64,
    },
}

impl Tile {
    /// Reads a path without its leading slash; `None` if it is no tile's.
    pub fn parse(path: &str) -> Option<Self> {
        if path == "checkpoint" {
            return Some(Tile::Checkpoint);
        }
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            None => (rest, WIDTH),
            Some((index, width)) => (index, decimal(width).filter(|w| (1..WIDTH).contains(w))?),
        };
        let index = parse_index(index)?;
        if level == "entries" {
            return Some(Tile::Entries { index, width });
        }
        let level = decimal(level).filter(|level| *level < 64)? as u32;
        Some(Tile::Hashes {
            level,
            index,
            width,
        })
    }

    /// The file's bytes, or `None` if the log has no such tile up to its latest checkpoint.
    ///
    /// # Errors
    /// Those of the store.
    pub fn read(self, store: &dyn Store) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(checkpoint) = store.latest_checkpoint()? else {
            return Ok(None);
        };
        let (level, index, width) = match self {
            Tile::Checkpoint => return Ok(Some(checkpoint.note)),
            Tile::Hashes {
                level,
                index,
                width,
            } => (8 * level, index, width),
            Tile::Entries { index, width } => (0, index, width),
        };
        let complete = checkpoint.size.checked_shr(level).unwrap_or(0);
        let start = index.checked_mul(WIDTH);
        let range = start.and_then(|start| Some(start..start.checked_add(width)?));
        let Some(range) = range.filter(|range| range.end <= complete) else {
            return Ok(None);
        };
        if matches!(self, Tile::Hashes { .. }) {
            return Ok(Some(store.nodes(level, range)?.into_flattened()));
        }
        let mut bundle = vec![];
        for entry in store.entries(range)? {
            let length = u16::try_from(entry.len()).expect("entries are shorter than 64 KiB");
            bundle.extend(length.to_be_bytes());
            bundle.extend(entry);
        }
        Ok(Some(bundle))
    }
}

/// Digits in groups of three, all but the last preceded by `x`, the first not zeros unless it is the last.
fn parse_index(text: &str) -> Option<u64> {
    let groups: Vec<&str> = text.split('/').collect();
    let (last, before) = groups.split_last()?;
    let before = before.iter().map(|group| group.strip_prefix('x'));
    let groups = before.chain([Some(*last)]).collect::<Option<Vec<_>>>()?;
    let shaped = |group: &&str| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
    let zeros = groups.len() > 1 && groups[0] == "000";
    if !groups.iter().all(shaped) || zeros || groups.len() > 6 {
        return None;
    }
    groups.concat().parse().ok()
}

fn decimal(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|value: &u64| value.to_string() == text)
}

/// Hashes or entries of a full tile.
const WIDTH: u64 = 256;

#[cfg(test)]
mod tests {
    use clearproof_prover::engine::store::MemoryStore;
    use tlog_tiles::{TileHashReader, TileReader};

    use super::*;
    use crate::store::suite::{checkpoint, fill};

    /// The other implementation's view of our tiles.
    struct Served<'a>(&'a MemoryStore);

    impl TileReader for Served<'_> {
        fn height(&self) -> u8 {
            8
        }

        fn read_tiles(
            &self,
            tiles: &[tlog_tiles::Tile],
        ) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
            let read = tiles.iter().map(|tile| {
                // Its paths name the height, ours leave out that it is 8.
                let path = tile.path().replacen("tile/8/", "tile/", 1);
                let tile = Tile::parse(&path).unwrap_or_else(|| panic!("{path}"));
                let bytes = tile.read(self.0).expect("in memory");
                bytes.unwrap_or_else(|| panic!("{path} is not served"))
            });
            Ok(read.collect())
        }

        fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
    }

    /// Records prove from our tiles under our root.
    #[test]
    fn agrees_with_tlog_tiles() {
        let store = MemoryStore::new();
        let size = 66_000;
        fill(&store, size);
        store
            .put_checkpoint(&checkpoint(&store, size))
            .expect("a checkpoint");
        let root = tlog_tiles::Hash(store.root(size).expect("the root"));
        let served = Served(&store);
        let reader = TileHashReader::new(size, root, &served);
        for seq in [0, 1, 255, 256, 40_000, 65_535, 65_536, size - 1] {
            let proof = tlog_tiles::prove_record(size, seq, &reader).expect("a proof");
            let leaf = tlog_tiles::Hash(store.node(0, seq).expect("the leaf"));
            tlog_tiles::check_record(&proof, size, root, seq, leaf).expect("it stands in the tree");
        }
        for old in [1, 256, 65_536, 65_999] {
            let old_root = tlog_tiles::Hash(store.root(old).expect("the root"));
            let proof = tlog_tiles::prove_tree(size, old, &reader).expect("a proof");
            tlog_tiles::check_tree(&proof, size, root, old, old_root).expect("consistent");
        }
    }

    #[test]
    fn tiles_end_at_the_latest_checkpoint() {
        let store = MemoryStore::new();
        fill(&store, 600);
        let read = |path: &str| {
            let tile = Tile::parse(path).unwrap_or_else(|| panic!("{path}"));
            tile.read(&store).expect("in memory")
        };
        assert_eq!((read("checkpoint"), read("tile/0/000")), (None, None));
        let latest = checkpoint(&store, 590);
        store.put_checkpoint(&latest).expect("a checkpoint");
        assert_eq!(read("checkpoint"), Some(latest.note));
        let lengths = |path| read(path).map(|tile| tile.len());
        assert_eq!(lengths("tile/0/000"), Some(256 * 32));
        assert_eq!(lengths("tile/0/002.p/78"), Some(78 * 32));
        assert_eq!(lengths("tile/1/000.p/2"), Some(2 * 32));
        for none in [
            "tile/0/002.p/79",
            "tile/0/002",
            "tile/1/000",
            "tile/1/000.p/3",
            "tile/2/000.p/1",
            "tile/63/000",
            "tile/0/x999/x999/x999/x999/999",
            "tile/entries/002.p/79",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
        let bundle = read("tile/entries/002.p/78").expect("a partial bundle");
        let mut rest = &bundle[..];
        for seq in 512..590 {
            let (length, after) = rest.split_first_chunk().expect("a length");
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            assert_eq!(entry, store.entry(seq).expect("the entry"));
            rest = after;
        }
        assert_eq!(rest, b"");
    }

    #[test]
    fn paths_are_read_strictly() {
        let hashes = |level, index, width| {
            Some(Tile::Hashes {
                level,
                index,
                width,
            })
        };
        assert_eq!(
            Tile::parse("tile/3/x001/x234/067"),
            hashes(3, 1_234_067, 256)
        );
        assert_eq!(Tile::parse("tile/63/000.p/255"), hashes(63, 0, 255));
        let entries = Some(Tile::Entries { index: 5, width: 1 });
        assert_eq!(Tile::parse("tile/entries/005.p/1"), entries);
        for bad in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/64/000",
            "tile/00/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/00a",
            "tile/entries/000/..",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
            "checkpoint/",
        ] {
            assert_eq!(Tile::parse(bad), None, "{bad}");
        }
    }
}
