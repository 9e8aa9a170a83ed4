//! The states in the log: from the root of each block's down to everything it does not share with the block before, every
//! node against the reference its parent has of it, every key against its hash, every account's code and storage. So each
//! node is looked at once, however long the chain is; the newest state is walked whole besides.

use super::{Opened, report::Notes, rows::Rows};
use crate::{
    StorageError,
    base::{decode_account, decode_slot},
    statelog::{self, Child, Leaf, LogNode, NodePos},
    storage::decode_header,
    tables::{self, CANONICAL, CODE, HEADERS, META, STATE_ROOTS},
    trie::hashed_path,
};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};
use atoll_primitives::{B256, SealedHeader, keccak256, primitives::map::B256Set};

const PART: &str = statelog::NAME.0;

/// A walk over what one block's state has of its own.
struct Walk<'w, 'n> {
    opened: &'w Opened,
    notes: &'w mut Notes<'n>,
    /// Nodes before it were looked at with the blocks before.
    from: NodePos,
    /// Code that was found already.
    code: B256Set,
}

/// Which trie a node belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trie {
    Accounts,
    Slots,
}

/// Checks the states of all blocks that are kept.
pub(super) fn check(opened: &Opened, base: &SealedHeader, notes: &mut Notes<'_>) {
    check_code(opened, notes);
    let row = |key: &[u8], notes: &mut Notes<'_>| notes.read(META, opened.kv.get(META, key)).flatten();
    let number = |row: Option<Vec<u8>>| row.and_then(|row| tables::decode_u64(&row).ok());
    let oldest = number(row(tables::META_PRUNED, notes)).unwrap_or_default();
    notes.begin(STATE_ROOTS.0, base.number + 1 - oldest.min(base.number));
    let mut walk = Walk { opened, notes, from: NodePos(0), code: B256Set::default() };
    for number in oldest..=base.number {
        walk.notes.step(1);
        let row = walk.notes.read(STATE_ROOTS, opened.kv.get(STATE_ROOTS, &number.to_be_bytes())).flatten();
        let Some(row) = row else {
            walk.notes.fault(STATE_ROOTS.0, format!("block {number} has no row"));
            continue;
        };
        let Some(root) = walk.notes.sound(STATE_ROOTS.0, tables::decode_state_root(&row)) else { continue };
        if let Some(expected) = walk.state_root(number)
            && !walk.root(Trie::Accounts, root, expected, &format!("block {number}"))
        {
            // Either may be what is wrong.
            walk.notes.fault(STATE_ROOTS.0, format!("the root of block {number} is not {expected}"));
        }
        walk.from = root.map_or(walk.from, |root| walk.from.max(NodePos(root.0.saturating_add(1))));
    }
    let last = walk.from;
    whole_state(&mut walk, base);
    let end = number(row(tables::META_STATE, notes));
    if end.is_none_or(|end| end < last.0) {
        notes.fault(META.0, format!("row `state` is not behind {}, where the last state stands", last.0));
    }
    check_rows(opened, oldest, base.number, notes);
}

/// The newest state once more from its root to every leaf: that no block's nodes lead to wrong older ones.
fn whole_state(walk: &mut Walk<'_, '_>, base: &SealedHeader) {
    walk.notes.begin(PART, None);
    walk.from = NodePos(0);
    let row = walk.opened.kv.get(STATE_ROOTS, &base.number.to_be_bytes());
    let row = walk.notes.read(STATE_ROOTS, row).flatten();
    // What is wrong with the row was said before.
    if let Some(Ok(root)) = row.map(|row| tables::decode_state_root(&row)) {
        walk.root(Trie::Accounts, root, base.state_root, "the newest state");
    }
}

fn check_rows(opened: &Opened, oldest: u64, newest: u64, notes: &mut Notes<'_>) {
    notes.begin(STATE_ROOTS.0, None);
    let mut rows = Rows::new(&opened.kv, STATE_ROOTS);
    while let Some((key, _)) = rows.next(notes) {
        if tables::decode_u64(&key).map_or(true, |number| number < oldest || number > newest) {
            notes.fault(STATE_ROOTS.0, format!("a row is there for {key:02x?}, which is no block whose state is kept"));
        }
    }
}

fn check_code(opened: &Opened, notes: &mut Notes<'_>) {
    notes.begin(CODE.0, None);
    let mut rows = Rows::new(&opened.kv, CODE);
    while let Some((key, code)) = rows.next(notes) {
        if keccak256(&code).as_slice() != key {
            notes.fault(CODE.0, format!("the code of {} has another hash", B256::left_padding_from(&key)));
        }
    }
}

impl Walk<'_, '_> {
    /// What the header of the canonical block says. What else is wrong with it was said before.
    fn state_root(&mut self, number: u64) -> Option<B256> {
        let kv = &self.opened.kv;
        let hash = self.notes.read(CANONICAL, kv.get(CANONICAL, &number.to_be_bytes())).flatten()?;
        let hash = tables::decode_hash(&hash).ok()?;
        let rlp = self.notes.read(HEADERS, kv.get(HEADERS, hash.as_slice())).flatten()?;
        (keccak256(&rlp) == hash).then(|| decode_header(hash, &rlp).ok()).flatten().map(|header| header.state_root)
    }

    /// A whole trie; `of` says whose. Whether its root is the one expected.
    fn root(&mut self, trie: Trie, root: Option<NodePos>, expected: B256, of: &str) -> bool {
        let Some(pos) = root else {
            if expected != EMPTY_ROOT_HASH {
                self.notes.fault(PART, format!("the trie of {of} is missing"));
            }
            return expected == EMPTY_ROOT_HASH;
        };
        let Some(node) = self.notes.sound(PART, self.opened.log.node(pos)) else { return false };
        // A short root is hashed all the same.
        if keccak256(node.rlp()) != expected {
            self.notes.fault(PART, format!("the root at {} is not {expected}, which {of} has", pos.0));
            return false;
        }
        if pos >= self.from {
            self.below(trie, &node, &Nibbles::new());
        }
        true
    }

    fn below(&mut self, trie: Trie, node: &LogNode, path: &Nibbles) {
        self.notes.step(1);
        let deeper = match node {
            LogNode::Leaf(leaf) => leaf.key.len(),
            LogNode::Extension { key, .. } => key.len(),
            LogNode::Branch(_) => 1,
        };
        if path.len() + deeper > 64 {
            self.notes.fault(PART, format!("a node at {path:?} that leads too deep"));
            return;
        }
        match node {
            LogNode::Leaf(leaf) => self.leaf(trie, leaf, &path.join(&leaf.key)),
            LogNode::Extension { key, child } => self.child(trie, child, path.join(key)),
            LogNode::Branch(branch) => {
                for (nibble, child) in branch.children() {
                    let mut path = *path;
                    path.push(nibble);
                    self.child(trie, child, path);
                }
            }
        }
    }

    fn child(&mut self, trie: Trie, child: &Child, path: Nibbles) {
        if child.pos < self.from {
            return;
        }
        let Some(node) = self.notes.sound(PART, self.opened.log.node(child.pos)) else { return };
        if RlpNode::from_rlp(&node.rlp()) != child.reference {
            self.notes.fault(PART, format!("the node at {} is not the one its parent means", child.pos.0));
            return;
        }
        self.below(trie, &node, &path);
    }

    fn leaf(&mut self, trie: Trie, leaf: &Leaf, path: &Nibbles) {
        if hashed_path(&leaf.preimage) != *path {
            self.notes.fault(PART, format!("a leaf at {path:?} is of {:02x?}, which has another hash", leaf.preimage));
        }
        if trie == Trie::Slots {
            let value = decode_slot(&leaf.value).and_then(|value| match value.is_zero() {
                true => Err(StorageError::corrupt("a slot without a value")),
                false => Ok(value),
            });
            self.notes.sound(PART, value);
            return;
        }
        let Some(account) = self.notes.sound(PART, decode_account(&leaf.value)) else { return };
        let kv = &self.opened.kv;
        let code = account.code_hash;
        if code != atoll_primitives::primitives::KECCAK256_EMPTY && self.code.insert(code) {
            let found = self.notes.read(CODE, kv.get(CODE, code.as_slice()));
            if found.is_some_and(|found| found.is_none()) {
                self.notes.fault(CODE.0, format!("{code} is missing, the code of {:02x?}", leaf.preimage));
            }
        }
        let of = format!("account {:02x?}", leaf.preimage);
        self.root(Trie::Slots, leaf.storage, account.storage_root, &of);
    }
}
