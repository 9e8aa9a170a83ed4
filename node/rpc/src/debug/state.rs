//! A look into the state: what an account stores, which accounts there are, which a range of blocks changed.

use super::options::trace_error;
use crate::{
    RpcError,
    context::{Json, Node, json},
};
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag};
use atoll_executor::{TraceOptions, state_within};
use atoll_primitives::{Address, B256, Bytes, U256, keccak256};
use atoll_storage::{Listing, StateView};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of one answer, as in geth's `debug_accountRange`.
const MAX_ENTRIES: usize = 256;
/// Slots of an account that is dumped whole, or changed within its block: some 20 MB of memory.
const MAX_WHOLE_SLOTS: usize = 200_000;
/// Slots of one answer.
const MAX_SLOTS: usize = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StorageRange {
    storage: BTreeMap<B256, Slot>,
    next_key: Option<B256>,
}

#[derive(Serialize)]
struct Slot {
    key: B256,
    value: B256,
}

#[derive(Serialize)]
struct AccountRange {
    root: String,
    accounts: BTreeMap<Address, AccountJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<B256>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    balance: String,
    nonce: u64,
    root: B256,
    code_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<BTreeMap<B256, String>>,
    address: Address,
    key: B256,
}

/// What `debug_accountRange` leaves out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AccountRangeOptions {
    pub(super) no_code: bool,
    pub(super) no_storage: bool,
}

/// A hashed key to start at: shorter ones are padded at the end.
fn start_key(start: &[u8]) -> Result<B256, RpcError> {
    if start.len() > 32 {
        let reason = format!("a key of {} bytes", start.len());
        return Err(RpcError::InvalidArgument { index: 1, reason });
    }
    Ok(B256::right_padding_from(start))
}

impl Node {
    /// The storage of an account before the transaction at `index` of a block, in the order of hashed slots.
    pub(super) fn storage_range_at(
        &self,
        id: BlockId,
        index: usize,
        address: Address,
        start: &[u8],
        limit: usize,
    ) -> Result<Json, RpcError> {
        let start = start_key(start)?;
        let view = self.existing_block(id)?;
        let parent = self.parent_view(&view.block)?;
        let limits = self.trace_limits(&TraceOptions::default())?;
        let within = state_within(&self.spec, self.view_db(parent.clone()), &view.block, index, limits);
        let state = within.map_err(|error| trace_error(self, error))?;
        let changes = state.changes();
        let is_wiped = changes.storage.get(&address).is_some_and(|change| change.wiped);
        let before =
            if is_wiped { Listing { entries: BTreeMap::new(), next: None } } else { whole_storage(&parent, &address)? };
        let mut slots: BTreeMap<U256, U256> = before.entries.into_values().collect();
        slots.extend(changes.storage.get(&address).into_iter().flat_map(|change| change.slots.clone()));
        slots.retain(|_, value| !value.is_zero());
        let hashed = slots.into_iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), slot, value));
        let mut hashed: Vec<_> = hashed.filter(|(hash, ..)| *hash >= start).collect();
        hashed.sort_unstable();
        let limit = limit.min(MAX_SLOTS);
        let next_key = hashed.get(limit).map(|(hash, ..)| *hash);
        hashed.truncate(limit);
        let storage =
            hashed.into_iter().map(|(hash, slot, value)| (hash, Slot { key: slot.into(), value: value.into() }));
        json(&StorageRange { storage: storage.collect(), next_key })
    }

    /// The accounts of a state in the order of hashed addresses.
    pub(super) fn account_range(
        &self,
        id: BlockId,
        start: &[u8],
        limit: usize,
        options: AccountRangeOptions,
    ) -> Result<Json, RpcError> {
        let start = start_key(start)?;
        let state = self.state(Some(id))?;
        if state.changes.is_some() {
            return Err(RpcError::InvalidArgument { index: 0, reason: "the pending state is not listed".to_owned() });
        }
        let limit = if limit == 0 { MAX_ENTRIES } else { limit.min(MAX_ENTRIES) };
        let listed = state.view.list_accounts(start, limit)?;
        let mut bytes_left = self.config.trace_limit_bytes;
        let mut accounts = BTreeMap::new();
        for (key, (address, account)) in listed.entries {
            let proof = state.view.proof(&address, &[])?;
            let code =
                if options.no_code || !account.has_code() { None } else { Some(state.view.code(&account.code_hash)?) };
            let storage = if options.no_storage { None } else { Some(dumped_storage(&state.view, &address)?) };
            let bytes = code.as_ref().map_or(0, |code| 2 * code.len()) + storage.as_ref().map_or(0, |s| 140 * s.len());
            bytes_left = bytes_left.checked_sub(400 + bytes).ok_or_else(|| {
                let limit = self.config.trace_limit_bytes;
                RpcError::Trace(Box::new(atoll_executor::TraceError::TooLarge { limit }))
            })?;
            let (balance, nonce, code_hash) = (account.balance.to_string(), account.nonce, account.code_hash);
            let storage = storage.filter(|storage| !storage.is_empty());
            let root = proof.storage_root;
            accounts.insert(address, AccountJson { balance, nonce, root, code_hash, code, storage, address, key });
        }
        let root = atoll_primitives::hex::encode(state.header.state_root);
        json(&AccountRange { root, accounts, next: listed.next })
    }

    /// The accounts that are different after block `end` than after block `start`.
    pub(super) fn modified_accounts(&self, start: BlockId, end: Option<BlockId>) -> Result<Json, RpcError> {
        let (first, last) = match end {
            Some(end) => (self.existing_block(start)?, self.existing_block(end)?),
            // One block alone means: by that block.
            None => {
                let last = self.existing_block(start)?;
                if last.block.number() == 0 {
                    return Err(RpcError::UnknownBlock);
                }
                (self.existing_block(last.block.header().parent_hash.into())?, last)
            }
        };
        let (from, to) = (first.block.number(), last.block.number());
        if from >= to {
            return Err(RpcError::InvalidBlockRange { from, to });
        }
        let (span, limit) = (to - from, self.config.trace_filter_range);
        if span > limit {
            return Err(RpcError::RangeTooLarge { span, limit });
        }
        let (mut accounts, mut slots) = (BTreeSet::new(), BTreeSet::new());
        for number in from + 1..=to {
            let hash = self.existing_block(BlockNumberOrTag::Number(number).into())?.block.hash;
            let changed = self.storage().changed_keys(&hash)?.ok_or(RpcError::StateUnavailable { number })?;
            accounts.extend(changed.accounts);
            slots.extend(changed.slots);
        }
        let before = self.state(Some(first.block.hash.into()))?.view;
        let after = self.state(Some(last.block.hash.into()))?.view;
        let mut modified = BTreeSet::new();
        for address in accounts {
            if before.account(&address)? != after.account(&address)? {
                modified.insert(address);
            }
        }
        for (address, slot) in slots {
            if !modified.contains(&address) && before.storage(&address, &slot)? != after.storage(&address, &slot)? {
                modified.insert(address);
            }
        }
        json(&modified)
    }
}

/// Every slot of an account.
fn whole_storage(view: &StateView, address: &Address) -> Result<Listing<(U256, U256)>, RpcError> {
    let listed = view.list_storage(address, B256::ZERO, MAX_WHOLE_SLOTS)?;
    if listed.next.is_some() { Err(RpcError::TooManyResults { limit: MAX_WHOLE_SLOTS }) } else { Ok(listed) }
}

/// An account's slots as geth dumps them: values without `0x` and without leading zero bytes.
fn dumped_storage(view: &StateView, address: &Address) -> Result<BTreeMap<B256, String>, RpcError> {
    let listed = whole_storage(view, address)?;
    let dumped = listed
        .entries
        .into_values()
        .map(|(slot, value)| (B256::from(slot), atoll_primitives::hex::encode(value.to_be_bytes_trimmed_vec())));
    Ok(dumped.collect())
}
