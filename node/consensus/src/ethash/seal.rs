//! What an ethash seal commits to, and how much work it must show.

use atoll_primitives::{
    B256, Header, U256, keccak256,
    rlp::{Encodable, Header as RlpHeader},
};

/// Keccak-256 of the RLP of the header without mix hash and nonce (yellow paper, 4.3.4); fields of later forks
/// follow in their order.
pub(super) fn seal_hash(header: &Header) -> B256 {
    let mut payload = Vec::with_capacity(640);
    header.parent_hash.encode(&mut payload);
    header.ommers_hash.encode(&mut payload);
    header.beneficiary.encode(&mut payload);
    header.state_root.encode(&mut payload);
    header.transactions_root.encode(&mut payload);
    header.receipts_root.encode(&mut payload);
    header.logs_bloom.encode(&mut payload);
    header.difficulty.encode(&mut payload);
    header.number.encode(&mut payload);
    header.gas_limit.encode(&mut payload);
    header.gas_used.encode(&mut payload);
    header.timestamp.encode(&mut payload);
    header.extra_data.encode(&mut payload);
    let numbers = |value: &Option<u64>, out: &mut Vec<u8>| {
        if let Some(value) = value {
            value.encode(out);
        }
    };
    let hashes = |value: &Option<B256>, out: &mut Vec<u8>| {
        if let Some(value) = value {
            value.encode(out);
        }
    };
    numbers(&header.base_fee_per_gas, &mut payload);
    hashes(&header.withdrawals_root, &mut payload);
    numbers(&header.blob_gas_used, &mut payload);
    numbers(&header.excess_blob_gas, &mut payload);
    hashes(&header.parent_beacon_block_root, &mut payload);
    hashes(&header.requests_hash, &mut payload);
    let mut list = Vec::with_capacity(payload.len() + 3);
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut list);
    list.extend_from_slice(&payload);
    keccak256(list)
}

/// The largest proof-of-work value a difficulty allows: 2^256 / difficulty; `None` for difficulty 0.
pub(super) fn target(difficulty: U256) -> Option<U256> {
    // 2^256 itself does not fit: any value passes at difficulty 1.
    match difficulty {
        U256::ZERO => None,
        U256::ONE => Some(U256::MAX),
        _ => {
            let (quotient, rest) = U256::MAX.div_rem(difficulty);
            // 2^256 = MAX + 1: one more if the rest fills up.
            Some(if rest + U256::ONE == difficulty { quotient + U256::ONE } else { quotient })
        }
    }
}
