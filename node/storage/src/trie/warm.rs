//! Tries that stay decoded from one block to the next: the next block's root then reads, checks and decodes only what
//! no block before it touched. It must not know blocks: a trie is found by its root hash, which names its content.

use super::node::Link;
use atoll_primitives::{B256, primitives::map::B256Map};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Loaded tries by root hash. At the bound the oldest go; of a trie that alone weighs half of it the upper levels stay.
pub(crate) struct WarmTries {
    max_weight: usize,
    tries: Mutex<Tries>,
}

#[derive(Default)]
struct Tries {
    by_root: B256Map<Warm>,
    /// Roots in the order they came.
    order: VecDeque<B256>,
    weight: usize,
}

struct Warm {
    root: Link,
    /// Bytes of its nodes, also of those it shares with others.
    weight: usize,
    /// The root it came from.
    before: B256,
}

impl WarmTries {
    /// Keeps about `max_weight` bytes.
    pub fn new(max_weight: usize) -> Self {
        Self { max_weight, tries: Mutex::default() }
    }

    /// A loaded trie and its weight.
    pub fn get(&self, root: &B256) -> Option<(Link, usize)> {
        self.tries.lock().by_root.get(root).map(|warm| (warm.root.clone(), warm.weight))
    }

    /// The same, no longer kept here.
    pub fn take(&self, root: &B256) -> Option<(Link, usize)> {
        self.tries.lock().remove(root).map(|warm| (warm.root, warm.weight))
    }

    /// Keeps a trie that came from another by changes. That other one stays, for a block beside this one, but no
    /// longer the one before it.
    pub fn put(&self, root: B256, before: B256, mut link: Link, mut weight: usize) {
        if weight > self.max_weight / 2 {
            weight = trim(&mut link, self.max_weight / 4);
        }
        let mut tries = self.tries.lock();
        let mut dropped = Vec::new();
        if let Some(older) = tries.by_root.get(&before).map(|parent| parent.before) {
            dropped.extend(tries.remove(&older));
        }
        dropped.extend(tries.remove(&root));
        tries.weight += weight;
        tries.order.push_back(root);
        tries.by_root.insert(root, Warm { root: link, weight, before });
        while tries.weight > self.max_weight {
            let Some(oldest) = tries.order.front().copied() else { break };
            dropped.extend(tries.remove(&oldest));
        }
        // Freeing a trie takes time that nobody has to wait for.
        drop(tries);
        drop(dropped);
    }
}

/// Leaves as many levels loaded as weigh no more than `most`, the root at least; returns what they weigh. Every path is
/// wanted about as often as another, so upper nodes serve most.
fn trim(link: &mut Link, most: usize) -> usize {
    let mut weights = Vec::new();
    link.weights(0, &mut weights);
    let (mut levels, mut kept) = (0, 0);
    for weight in weights {
        if levels > 0 && kept + weight > most {
            break;
        }
        (levels, kept) = (levels + 1, kept + weight);
    }
    link.trim(levels);
    kept
}

impl Tries {
    fn remove(&mut self, root: &B256) -> Option<Warm> {
        let warm = self.by_root.remove(root)?;
        self.weight -= warm.weight;
        // Mostly among the first: tries leave in about the order they came.
        if let Some(at) = self.order.iter().position(|other| other == root) {
            self.order.remove(at);
        }
        Some(warm)
    }
}
