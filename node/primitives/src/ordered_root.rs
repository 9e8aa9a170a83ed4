//! Roots of lists: the trie that maps the RLP of each index to an item (yellow paper, section 4.3). Its nodes are hashed side by side, a
//! height at a time. It must not know what is listed.

use crate::{Receipt, Transaction, eip2718::Encodable2718 as _};
use alloy_primitives::B256;
use alloy_rlp::{BufMut as _, Encodable as _, Header};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use atoll_keccak::keccak256_each;

/// Bytes of RLP gathered before they are hashed.
const GATHERED: usize = 64 << 10;
/// RLP of an absent child, and of the value no branch here has: no key is the beginning of another.
const EMPTY: u8 = 0x80;

/// Root of a block's transactions.
pub fn transactions_root(transactions: &[Transaction]) -> B256 {
    ordered_root(transactions, |tx, out| tx.encode_2718(out))
}

/// Root of a block's receipts.
pub fn receipts_root(receipts: &[Receipt]) -> B256 {
    ordered_root(receipts, |receipt, out| receipt.encode_2718(out))
}

/// Root of a list, given how to append an item's encoding.
pub fn ordered_root<T>(items: &[T], encode: impl Fn(&T, &mut Vec<u8>)) -> B256 {
    let keys: Vec<_> = in_key_order(items.len()).collect();
    if keys.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut trie = Trie { nodes: Vec::with_capacity(keys.len() * 5 / 4), by_height: Vec::new() };
    trie.build(&keys, 0);
    trie.hash(items, &encode)
}

/// Keys with their indexes, in the order of the keys: what is below 128 is its own RLP, but for zero.
fn in_key_order(count: usize) -> impl Iterator<Item = (Nibbles, usize)> {
    let small = count.min(128);
    let indexes = (1..small).chain((count > 0).then_some(0)).chain(small..count);
    indexes.map(|index| {
        let mut key = [0; 9];
        let mut left = key.as_mut_slice();
        index.encode(&mut left);
        let left = left.len();
        (Nibbles::unpack(&key[..9 - left]), index)
    })
}

/// A node by its place in the list of nodes, where its children stand before it.
enum Node {
    Leaf { key: Nibbles, item: usize },
    Extension { key: Nibbles, child: usize },
    Branch(Box<[Option<usize>; 16]>),
}

struct Trie {
    nodes: Vec<Node>,
    /// Places of the nodes of each height; leaves have none.
    by_height: Vec<Vec<usize>>,
}

impl Trie {
    /// Makes the nodes for keys that agree in so many nibbles; there is at least one. Returns the place and the height of the
    /// uppermost.
    fn build(&mut self, keys: &[(Nibbles, usize)], depth: usize) -> (usize, usize) {
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        if keys.len() == 1 {
            return self.push(Node::Leaf { key: first.0.slice(depth..), item: first.1 }, 0);
        }
        // They are in order: what the first and the last share all share.
        let common = first.0.common_prefix_length(&last.0);
        if common > depth {
            let (child, height) = self.build(keys, common);
            return self.push(Node::Extension { key: first.0.slice(depth..common), child }, height + 1);
        }
        let (mut children, mut highest) = ([None; 16], 0);
        let nibble = |key: &Nibbles| usize::from(key.get(depth).unwrap_or_default());
        for keys in keys.chunk_by(|(a, _), (b, _)| nibble(a) == nibble(b)) {
            let (child, height) = self.build(keys, depth + 1);
            children[nibble(&keys[0].0)] = Some(child);
            highest = highest.max(height);
        }
        self.push(Node::Branch(Box::new(children)), highest + 1)
    }

    fn push(&mut self, node: Node, height: usize) -> (usize, usize) {
        let place = self.nodes.len();
        self.nodes.push(node);
        if self.by_height.len() <= height {
            self.by_height.resize_with(height + 1, Vec::new);
        }
        self.by_height[height].push(place);
        (place, height)
    }

    /// Hash of the last node, the root.
    fn hash<T>(&self, items: &[T], encode: &impl Fn(&T, &mut Vec<u8>)) -> B256 {
        let mut references = vec![RlpNode::default(); self.nodes.len()];
        let mut root = B256::ZERO;
        let (mut rlp, mut value, mut gathered) = (Vec::new(), Vec::new(), Vec::new());
        for places in &self.by_height {
            for (done, place) in (1..).zip(places) {
                let start = rlp.len();
                match &self.nodes[*place] {
                    Node::Leaf { key, item } => {
                        value.clear();
                        encode(&items[*item], &mut value);
                        LeafNodeRef::new(key, &value).encode(&mut rlp);
                    }
                    Node::Extension { key, child } => {
                        ExtensionNodeRef::new(key, references[*child].as_slice()).encode(&mut rlp);
                    }
                    Node::Branch(children) => encode_branch(children, &references, &mut rlp),
                }
                // A short root is hashed all the same.
                if rlp.len() - start < 32 && place + 1 < self.nodes.len() {
                    references[*place] = RlpNode::from_rlp(&rlp[start..]);
                    rlp.truncate(start);
                } else {
                    gathered.push((*place, start..rlp.len()));
                }
                if rlp.len() >= GATHERED || done == places.len() {
                    let messages = gathered.iter().map(|(_, range)| &rlp[range.clone()]);
                    keccak256_each(messages, |index, hash| {
                        root = hash;
                        references[gathered[index].0] = RlpNode::word_rlp(&hash);
                    });
                    rlp.clear();
                    gathered.clear();
                }
            }
        }
        // The root is the last: nothing else is as high.
        root
    }
}

fn encode_branch(children: &[Option<usize>; 16], references: &[RlpNode], out: &mut Vec<u8>) {
    let reference = |child: &Option<usize>| child.map(|child| references[child].as_slice());
    let payload_length = children.iter().map(|child| reference(child).map_or(1, <[u8]>::len)).sum::<usize>() + 1;
    Header { list: true, payload_length }.encode(out);
    for child in children {
        out.put_slice(reference(child).unwrap_or(&[EMPTY]));
    }
    out.put_u8(EMPTY);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_trie::root::ordered_trie_root_with_encoder;

    #[test]
    fn roots_are_alloys_for_any_number_of_items() {
        let counts = (0..300).chain([1000, 4095, 4096, 4097, 65_535, 65_536, 65_600]);
        for count in counts {
            // Some are so short that they stand in their parents.
            for length in [0, 3, 40, 300] {
                let items: Vec<Vec<u8>> = (0..count).map(|n: usize| vec![n as u8; (n * 7) % (length + 1)]).collect();
                let expected = ordered_trie_root_with_encoder(&items, |item, out| out.put_slice(item));
                assert_eq!(ordered_root(&items, |item, out| out.extend(item)), expected, "{count} of {length}");
                if count > 5000 {
                    break;
                }
            }
        }
    }
}
