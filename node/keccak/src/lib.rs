//! Keccak-256 of many messages at once: each lane of a processor's vectors hashes one. It must not know what is hashed.
//!
//! A block's roots hash thousands of short messages. One after the other each takes a permutation's latency; side by side,
//! eight of them take about as long as one with AVX-512, and four with AVX2 one and a half times as long. Elsewhere they are
//! hashed one by one (docs/decisions/0012-keccak-side-by-side.md).

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod permutation;

use alloy_primitives::{B256, keccak256};

/// Hashes messages; tells the number of each, from 0, with its hash, in no order.
pub fn keccak256_each<'m>(messages: impl IntoIterator<Item = &'m [u8]>, mut hashed: impl FnMut(usize, B256)) {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "there are no lanes to take from it"))]
    let mut messages = messages.into_iter().enumerate();
    #[cfg(target_arch = "x86_64")]
    lanes::hash(&mut messages, &mut hashed);
    // Where there are no lanes, or not enough messages for them.
    messages.for_each(|(index, message)| hashed(index, keccak256(message)));
}

/// Messages that are hashed at the same time here; one where the processor has no such vectors.
pub fn lanes() -> usize {
    #[cfg(target_arch = "x86_64")]
    return lanes::count();
    #[cfg(not(target_arch = "x86_64"))]
    1
}

/// Hashes messages, in their order.
pub fn keccak256_all<'m>(messages: impl IntoIterator<Item = &'m [u8], IntoIter: ExactSizeIterator>) -> Vec<B256> {
    let messages = messages.into_iter();
    let mut hashes = vec![B256::ZERO; messages.len()];
    keccak256_each(messages, |index, hash| hashes[index] = hash);
    hashes
}

#[cfg(test)]
mod tests;
