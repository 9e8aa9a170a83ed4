//! Analysed code by its hash, shared by all executions of the process.

use quick_cache::{Weighter, sync::Cache};
use revm::{primitives::B256, state::Bytecode};
use std::sync::LazyLock;

/// Bytes of code kept; beyond it the least used code is dropped and analysed anew when needed.
const CAPACITY: u64 = 64 << 20;
/// Most contracts are a few kilobytes long.
const EXPECTED_ITEMS: usize = 16 << 10;

#[derive(Clone)]
struct CodeWeight;

impl Weighter<B256, Bytecode> for CodeWeight {
    fn weight(&self, _: &B256, code: &Bytecode) -> u64 {
        // The jump table takes an eighth of the code; the constant is the entry itself.
        code.len() as u64 * 9 / 8 + 128
    }
}

/// One cache for the process: a hash names the same code on every chain.
static CODES: LazyLock<Cache<B256, Bytecode, CodeWeight>> =
    LazyLock::new(|| Cache::with_weighter(EXPECTED_ITEMS, CAPACITY, CodeWeight));

/// The cached code of this hash, or the one that `load` reads.
pub(crate) fn get_or_load<E>(hash: B256, load: impl FnOnce() -> Result<Bytecode, E>) -> Result<Bytecode, E> {
    if let Some(code) = CODES.get(&hash) {
        return Ok(code);
    }
    let code = load()?;
    CODES.insert(hash, code.clone());
    Ok(code)
}
