//! What the node is fed: blocks in the order in which a peer might send them. Side blocks, reorganisations above the
//! persisted base and far below it. The same seed gives the same shape; the blocks themselves are sealed for real.

use crate::support::*;
use atoll_chain::file::BlockReader;
use atoll_primitives::{Address, B256, Block, Bytes, ChainSpec, U256, keccak256, rlp::Encodable as _};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::{collections::HashMap, fs, io::Write, path::Path, sync::Arc};

/// Stores its second word of input at the slot of its first, and logs nothing with no topics:
/// `PUSH1 32 CALLDATALOAD PUSH0 CALLDATALOAD SSTORE PUSH0 PUSH0 LOG0 STOP`.
const STORE: &str = "0x6020355f35555f5fa000";
pub const CONTRACT: Address = Address::repeat_byte(0xc0);
pub const SLOTS: u64 = 6;
const RECEIVERS: u64 = 12;

pub fn spec() -> Arc<ChainSpec> {
    spec_with(json!({ CONTRACT.to_string(): { "balance": "0x0", "code": STORE } }))
}

fn receiver(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

/// Every account that has ever been touched.
pub fn accounts(spec: &ChainSpec) -> Vec<Address> {
    let genesis = spec.genesis.alloc.keys().copied();
    genesis.chain([MINER]).chain((0..RECEIVERS).map(receiver)).collect()
}

/// The blocks, and where the parts begin that only together make sense: a branch, a run of new heads.
pub struct Script {
    pub blocks: Vec<Block>,
    /// Index of the first block of each block's part.
    pub part: Vec<usize>,
    pub index: HashMap<B256, usize>,
}

impl Script {
    fn new(blocks: Vec<Block>, part: Vec<usize>) -> Self {
        let index = blocks.iter().map(hash).zip(0..).collect();
        Self { blocks, part, index }
    }

    /// The number of a block says its total difficulty too: all blocks are equally difficult.
    pub fn height(&self, hash: &B256) -> Option<u64> {
        self.index.get(hash).map(|index| self.blocks[*index].header.number)
    }

    pub fn write(&self, path: &Path) {
        let mut file = Vec::new();
        self.blocks.iter().for_each(|block| block.encode(&mut file));
        fs::File::create(path).unwrap().write_all(&file).unwrap();
        let part: Vec<String> = self.part.iter().map(usize::to_string).collect();
        fs::write(path.with_extension("parts"), part.join(" ")).unwrap();
    }

    pub fn read(path: &Path) -> Self {
        let file = fs::read(path).unwrap();
        let blocks = BlockReader::new(file.as_slice()).collect::<Result<_, _>>().unwrap();
        let part = fs::read_to_string(path.with_extension("parts")).unwrap();
        Self::new(blocks, part.split(' ').map(|n| n.parse().unwrap()).collect())
    }

    /// About `count` blocks.
    pub fn generate(seed: u64, count: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // Nothing is flushed: the state of every block stays at hand to build on.
        let node = Node::with_spec(0, 1 << 20, spec());
        let (mut blocks, mut parts) = (Vec::new(), Vec::new());
        while blocks.len() < count {
            let height = node.head().0;
            let (depth, length) = match rng.random_range(0..100) {
                // A branch that stays behind, or is level at most.
                0..15 => {
                    let depth = rng.random_range(1..5);
                    (depth, rng.random_range(1..=depth))
                }
                // One that wins, over blocks still in memory or just flushed.
                15..30 => {
                    let depth = rng.random_range(1..10);
                    (depth, depth + 1)
                }
                // One that wins from far below the persisted base.
                30..38 => {
                    let depth = rng.random_range(14..40);
                    (depth, depth + rng.random_range(1..3))
                }
                _ => (0, rng.random_range(1..10)),
            };
            if depth > height {
                continue;
            }
            let start = blocks.len();
            let mut parent = node.chain.storage().canonical_hash(height - depth).unwrap().unwrap();
            for _ in 0..length {
                let block = next(&node, &parent, blocks.len(), &mut rng);
                parent = hash(&block);
                node.import(&block);
                blocks.push(block);
                parts.push(start);
            }
        }
        Self::new(blocks, parts)
    }
}

/// A block with a few transactions over any parent.
fn next(node: &Node, parent: &B256, salt: usize, rng: &mut StdRng) -> Block {
    let state = node.chain.storage().state_at(parent).unwrap().unwrap();
    let mut txs = Vec::new();
    for sender in 0..2 {
        let nonce = state.account(&key(sender).address()).unwrap().unwrap().nonce;
        for n in 0..rng.random_range(0..3) {
            let tx = if rng.random() {
                call(sender, nonce + n, receiver(rng.random_range(0..RECEIVERS)), Bytes::new())
            } else {
                // Slots are cleared again, too.
                let (slot, value) = (rng.random_range(0..SLOTS), rng.random_range(0..4));
                let input = [U256::from(slot), U256::from(value)].map(|word| word.to_be_bytes::<32>()).concat();
                call(sender, nonce + n, CONTRACT, input.into())
            };
            txs.push(tx);
        }
    }
    node.block_on(parent, &txs, &[], |block| block.header.extra_data = salt.to_be_bytes().to_vec().into())
}
