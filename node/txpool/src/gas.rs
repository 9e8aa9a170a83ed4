//! What a transaction must pay before its first instruction. It must not know the EVM: the executor checks the
//! same again with revm, and this copy only keeps hopeless transactions out of the pool.

use atoll_primitives::{PooledTransaction, TransactionExt as _};

/// Which gas rules are in force.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct GasRules {
    /// EIP-2: creations cost 53,000.
    pub homestead: bool,
    /// EIP-2028: a non-zero byte costs 16.
    pub istanbul: bool,
    /// EIP-3860: initcode costs 2 a word.
    pub shanghai: bool,
}

/// Intrinsic gas (yellow paper, equation 64, with EIPs 2, 2028, 2930, 3860, 7702).
pub(crate) fn intrinsic(tx: &PooledTransaction, rules: GasRules) -> u64 {
    let (create, input) = (tx.is_create(), tx.input());
    let base: u64 = if create && rules.homestead { 53_000 } else { 21_000 };
    let nonzero = input.iter().filter(|byte| **byte != 0).count() as u64;
    let zero = input.len() as u64 - nonzero;
    let data = nonzero * if rules.istanbul { 16 } else { 68 } + zero * 4;
    let initcode = if create && rules.shanghai { (input.len() as u64).div_ceil(32) * 2 } else { 0 };
    let access = tx
        .access_list()
        .map_or(0, |list| list.iter().map(|item| 2_400 + 1_900 * item.storage_keys.len() as u64).sum::<u64>());
    let authorizations = tx.authorization_list().map_or(0, |list| 25_000 * list.len() as u64);
    base + data + initcode + access + authorizations
}

/// The floor of EIP-7623: ten gas a token, four tokens a non-zero byte.
pub(crate) fn floor(tx: &PooledTransaction) -> u64 {
    let tokens: u64 = tx.input().iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    21_000 + 10 * tokens
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use atoll_primitives::{
        Address, Bytes, U256,
        consensus::{SignableTransaction as _, TxLegacy},
        primitives::{Signature, TxKind},
    };

    fn tx(to: TxKind, input: &[u8]) -> PooledTransaction {
        let tx = TxLegacy { to, input: Bytes::copy_from_slice(input), ..Default::default() };
        PooledTransaction::Legacy(tx.into_signed(Signature::new(U256::from(1), U256::from(1), false)))
    }

    #[test]
    fn intrinsic_gas_follows_the_forks() {
        let call = tx(TxKind::Call(Address::ZERO), &[0, 1]);
        let (old, istanbul) = (GasRules::default(), GasRules { istanbul: true, ..GasRules::default() });
        assert_eq!(intrinsic(&call, old), 21_000 + 4 + 68);
        assert_eq!(intrinsic(&call, istanbul), 21_000 + 4 + 16);
        let create = tx(TxKind::Create, &[0; 33]);
        assert_eq!(intrinsic(&create, old), 21_000 + 33 * 4);
        let all = GasRules { homestead: true, istanbul: true, shanghai: true };
        assert_eq!(intrinsic(&create, all), 53_000 + 33 * 4 + 2 * 2);
        assert_eq!(floor(&call), 21_000 + 50);
    }
}
