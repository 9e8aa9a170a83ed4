//! The accumulator of an era1 file: the SSZ root of the list of its header records, which proves every header of an
//! epoch by 32 bytes (portal network specification, "header accumulator").

use atoll_primitives::{B256, U256};
use sha2::{Digest as _, Sha256};

/// Layers of the tree over a list of at most 8192 records.
const DEPTH: usize = 13;

/// What the accumulator knows about a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderRecord {
    /// The block's hash.
    pub hash: B256,
    /// Total difficulty up to and with the block.
    pub total_difficulty: U256,
}

/// `hash_tree_root` of `List[HeaderRecord, 8192]`. Only the first 8192 records count.
pub fn accumulator_root(records: &[HeaderRecord]) -> B256 {
    let records = &records[..records.len().min(1 << DEPTH)];
    let mut layer: Vec<B256> =
        records.iter().map(|record| pair(&record.hash, &B256::new(record.total_difficulty.to_le_bytes()))).collect();
    // What is missing to a full tree are zeros, and their root in each layer.
    let mut zero = B256::ZERO;
    for _ in 0..DEPTH {
        layer = layer.chunks(2).map(|nodes| pair(&nodes[0], nodes.get(1).unwrap_or(&zero))).collect();
        zero = pair(&zero, &zero);
    }
    let root = layer.first().copied().unwrap_or(zero);
    pair(&root, &B256::new(U256::from(records.len()).to_le_bytes()))
}

fn pair(left: &B256, right: &B256) -> B256 {
    B256::from_slice(&Sha256::new().chain_update(left).chain_update(right).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_primitives::b256;

    #[test]
    fn an_empty_list_is_the_root_of_zeros() {
        // The zero subtree of depth 13 is a published constant of SSZ implementations, here from the definition.
        let zero = (0..13).fold(B256::ZERO, |zero, _| pair(&zero, &zero));
        assert_eq!(accumulator_root(&[]), pair(&zero, &B256::ZERO));
        // The first layers, as the consensus specification's tables have them.
        let first = pair(&B256::ZERO, &B256::ZERO);
        assert_eq!(first, b256!("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"));
        assert_eq!(pair(&first, &first), b256!("db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71"));
    }

    #[test]
    fn order_length_and_every_field_count() {
        let record = |hash, td| HeaderRecord { hash: B256::repeat_byte(hash), total_difficulty: U256::from(td) };
        let lists = [
            vec![],
            vec![record(1, 1)],
            vec![record(1, 2)],
            vec![record(2, 1)],
            vec![record(1, 1), record(2, 1)],
            vec![record(2, 1), record(1, 1)],
            vec![record(1, 1), HeaderRecord { hash: B256::ZERO, total_difficulty: U256::ZERO }],
        ];
        let roots: std::collections::HashSet<B256> = lists.iter().map(|list| accumulator_root(list)).collect();
        assert_eq!(roots.len(), lists.len());
    }
}
