//! The newest blocks in memory: the layers over the base, which of them are canonical, and the head. It must not
//! know tables or segments.

use crate::{StateTrie, StorageError, layer::Layer, statelog::NodePos};
use atoll_primitives::{
    B256, SealedHeader, TxLocation,
    primitives::map::{B256Map, B256Set, Entry},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Layers from a block down to the base.
pub(crate) type Path = Arc<[Arc<Layer>]>;

pub(crate) struct Memory {
    /// Every block that descends from the base, by hash. Bounded by `Storage::append`.
    pub layers: B256Map<Arc<Layer>>,
    /// The newest block the tables hold.
    pub base: Arc<SealedHeader>,
    /// Root of its state in the log.
    pub base_root: Option<NodePos>,
    /// Its tries, as far as they are in memory.
    pub base_trie: Arc<StateTrie>,
    /// Where a flush under way moves the base; the base itself while there is none.
    pub target: Arc<SealedHeader>,
    pub head: Arc<SealedHeader>,
    /// Canonical blocks above the base up to the head.
    pub canonical: BTreeMap<u64, B256>,
    /// How often blocks have left the canonical chain.
    pub departures: u64,
    /// Transactions of those blocks.
    pub transactions: B256Map<TxLocation>,
    /// About what the layers take in memory.
    pub bytes: usize,
    /// The path asked for last: nearly every reader asks for the head's. Layers never change, so that it is right for
    /// as long as the base stays.
    asked: Mutex<Option<(B256, Path)>>,
}

/// Layers to leave and layers to enter, both ascending by number.
pub(crate) struct Switch {
    pub leave: Vec<Arc<Layer>>,
    pub enter: Vec<Arc<Layer>>,
    /// Number of the block where both paths meet.
    pub fork: u64,
}

impl Memory {
    pub fn new(base: Arc<SealedHeader>, base_root: Option<NodePos>) -> Self {
        Self {
            layers: B256Map::default(),
            head: Arc::clone(&base),
            target: Arc::clone(&base),
            base_trie: Arc::new(StateTrie::stored(base.state_root, base_root)),
            base,
            base_root,
            canonical: BTreeMap::new(),
            departures: 0,
            transactions: B256Map::default(),
            bytes: 0,
            asked: Mutex::new(None),
        }
    }

    /// The layers from `hash` down to the base; `None` if they do not lead there.
    pub fn path(&self, hash: &B256) -> Option<Path> {
        if let Some((asked, path)) = &*self.asked.lock()
            && asked == hash
        {
            return Some(Arc::clone(path));
        }
        let mut path = Vec::new();
        let mut at = *hash;
        while at != self.base.hash {
            let layer = self.layers.get(&at)?;
            at = layer.header.parent_hash;
            path.push(Arc::clone(layer));
        }
        let path: Path = path.into();
        *self.asked.lock() = Some((*hash, Arc::clone(&path)));
        Some(path)
    }

    /// Whether a layer is `ancestor` or descends from it.
    pub fn descends(&self, hash: B256, ancestor: &SealedHeader) -> bool {
        let mut at = hash;
        while at != ancestor.hash {
            match self.layers.get(&at) {
                Some(layer) if layer.number() > ancestor.number => at = layer.header.parent_hash,
                _ => return false,
            }
        }
        true
    }

    /// Adds a layer whose parent is here.
    pub fn insert(&mut self, layer: Arc<Layer>) -> Result<(), StorageError> {
        let parent = layer.header.parent_hash;
        let consecutive = |parent: &SealedHeader| parent.number + 1 == layer.number();
        let known = match self.layers.get(&parent) {
            Some(parent) => consecutive(&parent.header),
            None => parent == self.base.hash && consecutive(&self.base),
        };
        if !known {
            return Err(StorageError::UnknownParent { hash: layer.header.hash, parent });
        }
        self.bytes += layer.bytes;
        self.layers.insert(layer.header.hash, layer);
        Ok(())
    }

    /// How to get from the head to `hash`.
    pub fn switch(&self, hash: &B256) -> Result<Switch, StorageError> {
        let unknown = || StorageError::UnknownBlock { hash: *hash };
        let ascending = |hash| Some(self.path(hash)?.iter().rev().cloned().collect::<Vec<_>>());
        let mut leave = ascending(&self.head.hash).ok_or_else(unknown)?;
        // Last, as it is the next to be asked for.
        let mut enter = ascending(hash).ok_or_else(unknown)?;
        let shared = enter.iter().zip(&leave).take_while(|(a, b)| a.header.hash == b.header.hash).count();
        let fork = self.base.number + shared as u64;
        Ok(Switch { leave: leave.split_off(shared), enter: enter.split_off(shared), fork })
    }

    /// Makes another block the head.
    pub fn apply(&mut self, switch: &Switch) {
        self.departures += u64::from(!switch.leave.is_empty());
        for layer in &switch.leave {
            self.canonical.remove(&layer.number());
            for tx in &layer.executed.block.block.body.transactions {
                self.transactions.remove(tx.tx_hash());
            }
        }
        for layer in &switch.enter {
            self.canonical.insert(layer.number(), layer.header.hash);
            let (block_hash, block_number) = (layer.header.hash, layer.number());
            for (index, tx) in (0u32..).zip(&layer.executed.block.block.body.transactions) {
                self.transactions.insert(*tx.tx_hash(), TxLocation { block_hash, block_number, index });
            }
        }
        if let Some(head) = switch.enter.last() {
            self.head = Arc::clone(&head.header);
        } else if let Some(first) = switch.leave.first() {
            let parent = self.layers.get(&first.header.parent_hash);
            self.head = parent.map_or_else(|| Arc::clone(&self.base), |parent| Arc::clone(&parent.header));
        }
    }

    /// The layers that descend from `ancestor`, which is itself a layer.
    pub fn descendants(&self, ancestor: &SealedHeader) -> B256Set {
        let mut layers: Vec<&Arc<Layer>> =
            self.layers.values().filter(|layer| layer.number() > ancestor.number).collect();
        // Parents come before their children.
        layers.sort_unstable_by_key(|layer| layer.number());
        let mut found = B256Set::default();
        for layer in layers {
            let parent = layer.header.parent_hash;
            if parent == ancestor.hash || found.contains(&parent) {
                found.insert(layer.header.hash);
            }
        }
        found
    }

    /// Moves the base up to `base`, a canonical layer, whose state has this root and these tries: only what descends from it
    /// stays.
    pub fn rebase(&mut self, base: Arc<SealedHeader>, root: Option<NodePos>, trie: Arc<StateTrie>) {
        let keep = self.descendants(&base);
        for layer in self.layers.values().filter(|layer| layer.number() <= base.number) {
            for tx in &layer.executed.block.block.body.transactions {
                // A side block may hold the same transaction as a canonical block that stays.
                if let Entry::Occupied(place) = self.transactions.entry(*tx.tx_hash())
                    && place.get().block_number <= base.number
                {
                    place.remove();
                }
            }
        }
        self.layers.retain(|hash, _| keep.contains(hash));
        self.bytes = self.layers.values().map(|layer| layer.bytes).sum();
        self.canonical = self.canonical.split_off(&(base.number + 1));
        self.target = Arc::clone(&base);
        (self.base, self.base_root, self.base_trie) = (base, root, trie);
        *self.asked.get_mut() = None;
    }
}
