//! Against Keccak one by one, with every width this processor has.

use super::*;

/// Pseudo-random bytes.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(next).collect()
}

fn check(messages: &[Vec<u8>], hash: impl FnOnce(&mut dyn FnMut(usize, B256))) {
    let mut seen = vec![None; messages.len()];
    hash(&mut |index, hash| assert_eq!(seen[index].replace(hash), None, "told twice"));
    for (message, hash) in messages.iter().zip(seen) {
        assert_eq!(hash, Some(keccak256(message)), "{} messages, {} bytes", messages.len(), message.len());
    }
}

/// Any number of messages, of lengths around the rate, where padding needs a block of its own, and such that some lanes
/// go on while others are done; and every length.
fn cases() -> impl Iterator<Item = Vec<Vec<u8>>> {
    const LENGTHS: [usize; 12] = [0, 1, 32, 134, 135, 136, 137, 271, 272, 273, 532, 5000];
    let some = |count: usize| (0..count).map(|i| bytes(i * 100 + count, LENGTHS[(i * 7 + count) % 12])).collect();
    (0..40).map(some).chain([(0..700).map(|length| bytes(length, length)).collect()])
}

#[test]
fn messages_hash_as_they_do_alone() {
    for messages in cases() {
        let slices = || messages.iter().map(Vec::as_slice);
        check(&messages, |hashed| keccak256_each(slices(), hashed));
        assert_eq!(keccak256_all(slices()), messages.iter().map(keccak256).collect::<Vec<_>>());
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn narrower_lanes_hash_alike() {
    let Some(vectors) = pulp::x86::V3::try_new() else { return };
    for messages in cases() {
        let mut numbered = messages.iter().map(Vec::as_slice).enumerate();
        check(&messages, |mut hashed| lanes::Sponges::<_, 4>::new(vectors).run(&mut numbered, &mut hashed));
    }
}
