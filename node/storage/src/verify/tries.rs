//! One stored trie from its root to its leaves, in the order of the table: a node comes before those below it, and
//! those in the order of their paths, so that one pass over the rows is enough. It must not know what leaves mean.

use super::{report::Notes, rows::Rows};
use crate::{
    StorageError,
    trie::{Link, Node},
};
use alloy_trie::Nibbles;
use atoll_kv::Table;
use atoll_primitives::{B256, keccak256};

/// What is to come: nodes by path, the next one last.
type Expected = Vec<(Nibbles, B256)>;

/// Walks the trie with root `root` whose rows begin with `prefix`. Rows before it are left over and are named, as
/// are nodes that are missing or damaged. `leaf` gets every path with its value.
pub(super) fn walk(
    rows: &mut Rows<'_>,
    table: Table,
    prefix: &[u8],
    root: Option<B256>,
    notes: &mut Notes<'_>,
    leaf: &mut dyn FnMut(&Nibbles, &[u8], &mut Notes<'_>),
) {
    let mut expected: Expected = root.map(|hash| (Nibbles::new(), hash)).into_iter().collect();
    loop {
        let found = rows.peek(notes).map(|(key, _)| key.clone());
        let Some((path, hash)) = expected.last().cloned() else {
            // Whatever else begins so hangs on nothing.
            if !prefix.is_empty() && !found.as_ref().is_some_and(|key| key.starts_with(prefix)) {
                return;
            }
            let Some(key) = found else { return };
            left_over(table, &key, notes);
            rows.next(notes);
            continue;
        };
        let key = [prefix, path.to_vec().as_slice()].concat();
        match found {
            Some(found) if found < key => {
                left_over(table, &found, notes);
                rows.next(notes);
            }
            Some(found) if found == key => {
                expected.pop();
                let Some((_, rlp)) = rows.next(notes) else { continue };
                if keccak256(&rlp) != hash {
                    notes.fault(table.0, format!("the node at {} is not {hash}", show(&key)));
                } else if let Some(node) = notes.sound(table.0, Node::decode(&rlp)) {
                    let from = expected.len();
                    descend(&node, path, &mut expected, notes, leaf);
                    // In the order of paths; the next one is taken from the end.
                    expected[from..].reverse();
                }
            }
            _ => {
                notes.fault(table.0, format!("node {hash} at {} is missing", show(&key)));
                expected.pop();
            }
        }
    }
}

/// Notes the children of a node, and visits the leaves inside it.
fn descend(
    node: &Node,
    path: Nibbles,
    expected: &mut Expected,
    notes: &mut Notes<'_>,
    leaf: &mut dyn FnMut(&Nibbles, &[u8], &mut Notes<'_>),
) {
    let mut follow = |link: &Link, path: Nibbles, expected: &mut Expected, notes: &mut Notes<'_>| match link {
        Link::Stored(hash) => expected.push((path, *hash)),
        Link::Loaded { node, .. } => descend(node, path, expected, notes, leaf),
    };
    match node {
        Node::Leaf { key, value } => leaf(&path.join(key), value, notes),
        Node::Extension { key, child } => follow(child, path.join(key), expected, notes),
        Node::Branch { children } => {
            for (nibble, child) in (0u8..).zip(children.iter()) {
                let Some(child) = child else { continue };
                let mut path = path;
                path.push(nibble);
                follow(child, path, expected, notes);
            }
        }
    }
}

fn left_over(table: Table, key: &[u8], notes: &mut Notes<'_>) {
    notes.fault(table.0, format!("the node at {} hangs on nothing", show(key)));
}

/// A key as hexadecimal digits: hash and path, or a path alone.
fn show(key: &[u8]) -> String {
    let (account, path) =
        if key.len() >= 32 && key.iter().any(|byte| *byte > 15) { key.split_at(32) } else { (&[][..], key) };
    let account: String = account.iter().map(|byte| format!("{byte:02x}")).collect();
    let path: String = path.iter().map(|nibble| format!("{nibble:x}")).collect();
    format!("`{account}/{path}`")
}

/// The hash a path of 64 nibbles spells.
pub(super) fn hash_of(path: &Nibbles) -> Result<B256, StorageError> {
    if path.len() != 64 {
        return Err(StorageError::corrupt(format!("a leaf at {path:?}, which is no hash")));
    }
    Ok(B256::from_slice(&path.pack()))
}
