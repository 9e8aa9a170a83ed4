//! Hashing what changed in a trie: in rounds, the nodes below which nothing is left to hash side by side. It must not change what
//! nodes hold, nor know where they are loaded from.

use super::{
    node::{Link, Node, Reference},
    tree::own,
};
use atoll_keccak::keccak256_each;
use std::sync::Arc;

/// Bytes of RLP gathered at most before they are hashed: they are then still near the processor.
const GATHERED: usize = 64 << 10;

/// Hashes everything that changed from a node down; returns the bytes of what did.
pub(super) fn hash(root: &mut Link, is_root: bool) -> usize {
    let mut fresh = 0;
    // Each round hashes at least the deepest of what is left.
    while root.reference == Reference::CHANGED {
        let mut round = Round::default();
        round.gather(root, is_root);
        round.hash();
        fresh += round.fresh;
    }
    fresh
}

/// Nodes that are ready to be hashed.
#[derive(Default)]
struct Round<'t> {
    rlp: Vec<u8>,
    /// Where the RLP of each ends.
    ends: Vec<usize>,
    references: Vec<&'t mut Reference>,
    /// Bytes of the nodes.
    fresh: usize,
}

impl<'t> Round<'t> {
    /// Gathers from a changed node down.
    fn gather(&mut self, link: &'t mut Link, is_root: bool) {
        let Link { reference, node } = link;
        if waits(node) {
            // What changed is this trie's own already: nothing is copied.
            match node {
                Node::Stored(_) | Node::Leaf(_) => {}
                Node::Extension(extension) => self.gather(&mut own(extension).child, false),
                Node::Branch(branch) => {
                    let children = Arc::make_mut(branch).children_mut();
                    children.filter(|child| is_changed(child)).for_each(|child| self.gather(child, false));
                }
            }
            return;
        }
        self.fresh += node.weight();
        let start = self.rlp.len();
        node.encode(&mut self.rlp);
        // A short root is stored and hashed all the same.
        if self.rlp.len() - start < 32 && !is_root {
            self.rlp.truncate(start);
            *reference = Reference::INLINE;
            return;
        }
        self.ends.push(self.rlp.len());
        self.references.push(reference);
        if self.rlp.len() >= GATHERED {
            self.hash();
        }
    }

    /// Hashes what was gathered.
    fn hash(&mut self) {
        let Self { rlp, ends, references, .. } = self;
        let mut start = 0;
        let messages = ends.iter().map(|end| &rlp[std::mem::replace(&mut start, *end)..*end]);
        keccak256_each(messages, |index, hash| *references[index] = Reference::of(hash));
        rlp.clear();
        ends.clear();
        references.clear();
    }
}

fn is_changed(link: &Link) -> bool {
    link.reference == Reference::CHANGED
}

/// Whether a child has to be hashed first.
fn waits(node: &Node) -> bool {
    match node {
        Node::Stored(_) | Node::Leaf(_) => false,
        Node::Extension(extension) => is_changed(&extension.child),
        Node::Branch(branch) => branch.children().any(|(_, child)| is_changed(child)),
    }
}
