//! The rules that depend on the sender's account and on what the pool already holds of it. It must not change
//! the pool.

use crate::{
    PoolError, PoolTx,
    inner::Inner,
    sender::{SenderCode, SenderState, SenderTxs},
};
use atoll_primitives::{TransactionExt as _, U256};

/// Everything a rule here looks at.
pub(crate) struct Case<'a> {
    pub tx: &'a PoolTx,
    pub state: SenderState,
    pub list: Option<&'a SenderTxs>,
    pub inner: &'a Inner,
}

impl Case<'_> {
    fn next_nonce(&self) -> u64 {
        self.list.map_or(self.state.account.nonce, SenderTxs::next_nonce)
    }

    fn replaced(&self) -> Option<&PoolTx> {
        self.list.and_then(|list| list.txs.get(&self.tx.nonce())).map(|tx| &**tx)
    }
}

type Rule = fn(&Case<'_>) -> Result<(), PoolError>;

const RULES: &[Rule] = &[
    nonce_not_low,
    no_blob_gap,
    sender_is_eoa,
    affordable,
    no_overdraft,
    delegation_limit,
    authorities_free,
    replacement_price,
    blob_limits,
];

pub(crate) fn check(case: &Case<'_>) -> Result<(), PoolError> {
    RULES.iter().try_for_each(|rule| rule(case))
}

fn nonce_not_low(case: &Case<'_>) -> Result<(), PoolError> {
    let (next, nonce) = (case.state.account.nonce, case.tx.nonce());
    if nonce < next { Err(PoolError::NonceTooLow { next, nonce }) } else { Ok(()) }
}

/// Blobs are too heavy to wait for a missing nonce.
fn no_blob_gap(case: &Case<'_>) -> Result<(), PoolError> {
    let (next, nonce) = (case.next_nonce(), case.tx.nonce());
    if case.tx.blobs() > 0 && nonce > next { Err(PoolError::NonceTooHigh { next, nonce }) } else { Ok(()) }
}

/// EIP-3607, with EIP-7702's exception.
fn sender_is_eoa(case: &Case<'_>) -> Result<(), PoolError> {
    match case.state.code {
        SenderCode::Contract => {
            Err(PoolError::SenderNotEoa { sender: case.tx.sender, code_hash: case.state.account.code_hash })
        }
        _ => Ok(()),
    }
}

fn affordable(case: &Case<'_>) -> Result<(), PoolError> {
    let (balance, cost) = (case.state.account.balance, case.tx.cost());
    if balance < cost { Err(PoolError::InsufficientFunds { balance, cost }) } else { Ok(()) }
}

/// The balance must cover the pending transactions together with this one, as geth counts.
fn no_overdraft(case: &Case<'_>) -> Result<(), PoolError> {
    let Some(list) = case.list else { return Ok(()) };
    let (balance, cost) = (case.state.account.balance, case.tx.cost());
    let replaced = case.replaced().filter(|tx| tx.nonce() < list.next_nonce()).map_or(U256::ZERO, PoolTx::cost);
    let queued = list.pending_cost.saturating_sub(replaced);
    if balance < queued.saturating_add(cost) {
        return Err(PoolError::Overdraft { balance, queued, cost });
    }
    Ok(())
}

/// A delegated account's balance may vanish without a transaction of its own: one in flight at most.
fn delegation_limit(case: &Case<'_>) -> Result<(), PoolError> {
    let sender = case.tx.sender;
    if case.state.code != SenderCode::Delegated && !case.inner.authorities.contains_key(&sender) {
        return Ok(());
    }
    let pending = case.list.map_or(0, |list| list.pending);
    if pending == 0 {
        let in_order = case.tx.nonce() == case.next_nonce();
        return if in_order { Ok(()) } else { Err(PoolError::DelegatedGap { sender }) };
    }
    let replaces = case.replaced().is_some_and(|tx| tx.nonce() < case.next_nonce());
    if replaces { Ok(()) } else { Err(PoolError::DelegatedInFlight { sender }) }
}

/// For the same reason, an account about to delegate may have one transaction in flight at most.
fn authorities_free(case: &Case<'_>) -> Result<(), PoolError> {
    for authority in &case.tx.authorities {
        if case.inner.senders.get(authority).is_some_and(|list| list.txs.len() > 1) {
            return Err(PoolError::AuthorityReserved { authority: *authority });
        }
    }
    Ok(())
}

fn replacement_price(case: &Case<'_>) -> Result<(), PoolError> {
    let Some(old) = case.replaced() else { return Ok(()) };
    let (old, tx) = (&old.tx, &case.tx.tx);
    let config = &case.inner.config;
    let blob = old.is_eip4844() || tx.is_eip4844();
    let percent = if blob { config.blob_price_bump } else { config.price_bump };
    let bump = |price: u128| bumped(price, percent);
    let (fee_cap, tip) = (tx.max_fee_per_gas(), tx.priority_fee_or_price());
    let (needed_fee_cap, needed_tip) = (bump(old.max_fee_per_gas()), bump(old.priority_fee_or_price()));
    if fee_cap < needed_fee_cap || tip < needed_tip {
        return Err(PoolError::ReplacementUnderpriced { fee_cap, tip, needed_fee_cap, needed_tip });
    }
    if let (Some(old), Some(fee_cap)) = (old.max_fee_per_blob_gas(), tx.max_fee_per_blob_gas()) {
        let needed = bump(old);
        if fee_cap < needed {
            return Err(PoolError::ReplacementBlobUnderpriced { fee_cap, needed });
        }
    }
    Ok(())
}

/// `price` raised by `percent`, and by 1 wei at least.
fn bumped(price: u128, percent: u64) -> u128 {
    price.saturating_mul(100 + u128::from(percent)).div_euclid(100).max(price.saturating_add(1))
}

fn blob_limits(case: &Case<'_>) -> Result<(), PoolError> {
    let blobs = case.tx.blobs();
    if blobs == 0 {
        return Ok(());
    }
    let replaced = case.replaced().map_or(0, PoolTx::blobs);
    let pooled = case.list.map_or(0, |list| list.txs.values().filter(|tx| tx.blobs() > 0).count());
    if replaced == 0 && pooled >= case.inner.config.account_blobs {
        return Err(PoolError::AccountLimit { pooled });
    }
    if case.inner.blobs + blobs > case.inner.config.max_blobs + replaced { Err(PoolError::PoolFull) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::bumped;

    #[test]
    fn a_bump_is_at_least_one_wei() {
        assert_eq!(bumped(100, 10), 110);
        assert_eq!(bumped(101, 10), 111);
        assert_eq!(bumped(1, 10), 2);
        assert_eq!(bumped(0, 100), 1);
        assert_eq!(bumped(u128::MAX, 100), u128::MAX);
    }
}
