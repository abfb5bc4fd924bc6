//! Where the nodes of trees lie: the first behind the zones, the others in columns of their own.
//!
//! A table that is longer than the rest of the circuit would make every column as long as itself. So the nodes that
//! do not fit behind the zones lie in blocks side by side: each is four weight columns, their combination V,
//! a count of visits and a helper, on rows 1 to `block_rows`. Keys run on from block to block.

use std::ops::Range;

/// The places of a table of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeTable {
    /// First row of those behind the zones.
    pub(crate) start: usize,
    /// How many lie there.
    pub(crate) head: usize,
    /// Blocks beside them.
    pub(crate) blocks: usize,
    /// Rows of each block, from row 1 on.
    pub(crate) block_rows: usize,
}

/// Each block has a link, and verifiers take 257: the layers' and the inputs' are two of them.
pub(crate) const MAX_BLOCKS: usize = 255;

/// Where one node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodePlace {
    /// `None`: in the columns of the layers.
    pub(crate) block: Option<usize>,
    pub(crate) row: usize,
}

impl NodeTable {
    /// Places `nodes` nodes from row `start` on, below row `usable`; `None` where the rows do not suffice.
    pub(crate) fn new(nodes: usize, start: usize, usable: usize) -> Option<NodeTable> {
        let free = usable.checked_sub(start)?;
        let rest = nodes.saturating_sub(free);
        if rest == 0 {
            return Some(NodeTable {
                start,
                head: nodes,
                ..NodeTable::default()
            });
        }
        // Equal blocks, so that one fixed column of keys serves them all and none has a row to spare.
        let blocks = rest.div_ceil(usable - 1);
        if blocks > MAX_BLOCKS {
            return None;
        }
        let block_rows = rest.div_ceil(blocks);
        Some(NodeTable {
            start,
            head: nodes.checked_sub(blocks * block_rows)?,
            blocks,
            block_rows,
        })
    }

    /// Rows of the nodes behind the zones.
    pub(crate) fn rows(&self) -> Range<usize> {
        self.start..self.start + self.head
    }

    /// Where a node lies.
    pub(crate) fn place(&self, node: usize) -> NodePlace {
        match node.checked_sub(self.head) {
            None => NodePlace {
                block: None,
                row: self.start + node,
            },
            Some(rest) => NodePlace {
                block: Some(rest / self.block_rows),
                row: 1 + rest % self.block_rows,
            },
        }
    }

    /// The key of row r of a block is this plus r; the key of a node is its number plus one.
    pub(crate) fn keys_before(&self, block: usize) -> u64 {
        (self.head + block * self.block_rows) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_a_place_of_its_own_and_keys_run_on() {
        for (nodes, start, usable) in [
            (1, 1, 10),
            (9, 1, 10),
            (10, 1, 10),
            (25, 3, 10),
            (100, 7, 11),
            (28, 9, 10),
        ] {
            let Some(table) = NodeTable::new(nodes, start, usable) else {
                panic!("{nodes} nodes from row {start} on, {usable} rows");
            };
            let mut seen = std::collections::BTreeSet::new();
            for node in 0..nodes {
                let NodePlace { block, row } = table.place(node);
                assert!(seen.insert((block, row)));
                assert!((1..usable).contains(&row));
                match block {
                    None => assert!(table.rows().contains(&row)),
                    Some(b) => {
                        assert!(b < table.blocks && row <= table.block_rows);
                        assert_eq!(table.keys_before(b) + row as u64, node as u64 + 1);
                    }
                }
            }
            // No row to spare: every row of a block is a node.
            assert_eq!(table.head + table.blocks * table.block_rows, nodes);
        }
    }

    #[test]
    fn what_does_not_fit_has_no_places() {
        assert_eq!(NodeTable::new(5, 11, 10), None);
        // Two equal blocks would need twelve.
        assert_eq!(NodeTable::new(11, 10, 10), None);
        // More links than a key may have.
        let most = 9 + 9 * MAX_BLOCKS;
        assert_eq!(
            NodeTable::new(most, 1, 10).map(|t| t.blocks),
            Some(MAX_BLOCKS)
        );
        assert_eq!(NodeTable::new(most + 9, 1, 10), None);
    }
}
