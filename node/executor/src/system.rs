//! What a block does outside its transactions: the DAO fork, system contract calls, requests, withdrawals, rewards.

use crate::{ExecutionError, Overlay, block::BlockEvm};
use alloy_evm::{
    Evm,
    eth::EthEvmContext,
    eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY},
};
use atoll_primitives::{
    Address, B256, Bytes, ChainSpec, ForkCondition, Hardfork, Header, Log, Receipt, U256, b256,
    eips::{
        eip2935::HISTORY_STORAGE_ADDRESS,
        eip4788::{BEACON_ROOTS_ADDRESS, SYSTEM_ADDRESS},
        eip4895::Withdrawals,
        eip6110::{DEPOSIT_REQUEST_TYPE, MAINNET_DEPOSIT_CONTRACT_ADDRESS},
        eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
        eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
        eip7685::Requests,
    },
};
use revm::{DatabaseCommit, DatabaseRef, Inspector, context_interface::result::ExecutionResult};

/// Topic of the deposit contract's event (EIP-6110).
const DEPOSIT_EVENT: B256 = b256!("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");
/// Length of that event's data, and of each of its fields: public key, withdrawal credentials, amount, signature, index.
const DEPOSIT_DATA_LEN: usize = 576;
const DEPOSIT_FIELDS: [usize; 5] = [48, 32, 8, 96, 8];

/// An inspector of a block's EVM; calls of the system are not shown to it.
pub(crate) trait Watch<DB: DatabaseRef>: Inspector<EthEvmContext<Overlay<DB>>> {}

impl<DB: DatabaseRef, I: Inspector<EthEvmContext<Overlay<DB>>>> Watch<DB> for I {}

/// Runs before the first transaction.
pub(crate) fn before_transactions<DB: DatabaseRef, I: Watch<DB>>(
    evm: &mut BlockEvm<DB, I>,
    spec: &ChainSpec,
    fork: Hardfork,
    header: &Header,
) -> Result<(), ExecutionError> {
    let dao_starts = spec.condition(Hardfork::Dao) == ForkCondition::Block(header.number);
    if dao_starts && spec.genesis.config.dao_fork_support {
        move_dao_funds(evm)?;
    }
    // The genesis block calls nothing.
    if header.number == 0 {
        return Ok(());
    }
    if fork >= Hardfork::Cancun {
        let root = header.parent_beacon_block_root.ok_or(ExecutionError::MissingHeaderField {
            block: header.number,
            field: "parentBeaconBlockRoot",
            since: "Cancun",
        })?;
        // EIP-4788 and EIP-2935 ignore a failure, and a missing contract.
        call(evm, BEACON_ROOTS_ADDRESS, root.0.into())?;
    }
    if fork >= Hardfork::Prague {
        call(evm, HISTORY_STORAGE_ADDRESS, header.parent_hash.0.into())?;
    }
    Ok(())
}

fn database<E: std::error::Error + Send + Sync + 'static>(error: E) -> ExecutionError {
    ExecutionError::Database(Box::new(error))
}

fn move_dao_funds<DB: DatabaseRef, I: Watch<DB>>(evm: &mut BlockEvm<DB, I>) -> Result<(), ExecutionError> {
    let state = evm.db_mut();
    for address in DAO_HARDFORK_ACCOUNTS {
        let funds = state.drain(address).map_err(database)?;
        state.credit(DAO_HARDFORK_BENEFICIARY, funds, false).map_err(database)?;
    }
    Ok(())
}

fn call<DB: DatabaseRef, I: Watch<DB>>(
    evm: &mut BlockEvm<DB, I>,
    contract: Address,
    input: Bytes,
) -> Result<ExecutionResult, ExecutionError> {
    let outcome = evm.transact_system_call(SYSTEM_ADDRESS, contract, input).map_err(database)?;
    evm.db_mut().commit(outcome.state);
    Ok(outcome.result)
}

/// Runs after the last transaction: the requests of the block (EIP-7685).
pub(crate) fn requests<DB: DatabaseRef, I: Watch<DB>>(
    evm: &mut BlockEvm<DB, I>,
    spec: &ChainSpec,
    header: &Header,
    receipts: &[Receipt],
) -> Result<Requests, ExecutionError> {
    let mut requests = Requests::default();
    let deposit_contract = spec.genesis.config.deposit_contract_address.unwrap_or(MAINNET_DEPOSIT_CONTRACT_ADDRESS);
    let deposits = deposits(header.number, deposit_contract, receipts)?;
    let mut push = |kind: u8, data: Bytes| {
        if !data.is_empty() {
            requests.push_request_with_type(kind, data);
        }
    };
    push(DEPOSIT_REQUEST_TYPE, deposits);
    for (kind, contract) in [
        (WITHDRAWAL_REQUEST_TYPE, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS),
        (CONSOLIDATION_REQUEST_TYPE, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS),
    ] {
        push(kind, drain_requests(evm, spec, header, contract)?);
    }
    Ok(requests)
}

/// EIP-7002 and EIP-7251: a failing or missing contract makes the block invalid. A private chain that never merged
/// has no consensus layer to ask; its genesis may leave the contracts out, and then nobody can have asked anything.
fn drain_requests<DB: DatabaseRef, I: Watch<DB>>(
    evm: &mut BlockEvm<DB, I>,
    spec: &ChainSpec,
    header: &Header,
    contract: Address,
) -> Result<Bytes, ExecutionError> {
    let block = header.number;
    if !evm.db_mut().account(contract).map_err(database)?.is_some_and(|account| account.has_code()) {
        if spec.is_post_merge(header) {
            return Err(ExecutionError::SystemContractMissing { block, address: contract });
        }
        return Ok(Bytes::new());
    }
    let failed = |reason: String| ExecutionError::SystemContractFailed { block, address: contract, reason };
    match call(evm, contract, Bytes::new())? {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => Err(failed(format!("reverted with {output}"))),
        ExecutionResult::Halt { reason, .. } => Err(failed(reason.to_string())),
    }
}

/// EIP-6110: the deposits of all receipts, concatenated.
fn deposits(block: u64, contract: Address, receipts: &[Receipt]) -> Result<Bytes, ExecutionError> {
    let mut out = Vec::new();
    let is_deposit = |log: &&Log| log.address == contract && log.topics().first() == Some(&DEPOSIT_EVENT);
    for log in receipts.iter().flat_map(|receipt| receipt.logs()).filter(is_deposit) {
        let data = &log.data.data;
        append_deposit(data, &mut out).ok_or(ExecutionError::DepositLog { block, len: data.len() })?;
    }
    Ok(out.into())
}

/// The five fields are ABI-encoded byte strings of fixed length at fixed places (EIP-6110, `is_valid_deposit_event_data`).
fn append_deposit(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if data.len() != DEPOSIT_DATA_LEN {
        return None;
    }
    let word = |at: usize| U256::try_from_be_slice(data.get(at..at + 32)?);
    let mut at = 32 * DEPOSIT_FIELDS.len();
    for (index, len) in DEPOSIT_FIELDS.into_iter().enumerate() {
        if word(32 * index)? != U256::from(at) || word(at)? != U256::from(len) {
            return None;
        }
        out.extend_from_slice(data.get(at + 32..at + 32 + len)?);
        at += 32 + len.div_ceil(32) * 32;
    }
    Some(())
}

/// Withdrawals (EIP-4895) and the engine's rewards, the last changes of a block.
pub(crate) fn credit_balances<DB: DatabaseRef, I: Watch<DB>>(
    evm: &mut BlockEvm<DB, I>,
    fork: Hardfork,
    withdrawals: Option<&Withdrawals>,
    rewards: &[(Address, U256)],
) -> Result<(), ExecutionError> {
    let clear_empty = fork >= Hardfork::SpuriousDragon;
    let withdrawals = withdrawals.into_iter().flatten();
    let paid = withdrawals.map(|withdrawal| (withdrawal.address, withdrawal.amount_wei()));
    for (address, amount) in paid.chain(rewards.iter().copied()) {
        evm.db_mut().credit(address, amount, clear_empty).map_err(database)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deposit_data() -> Vec<u8> {
        let mut data = Vec::new();
        let mut at = 160_usize;
        for len in DEPOSIT_FIELDS {
            data.extend(U256::from(at).to_be_bytes::<32>());
            at += 32 + len.div_ceil(32) * 32;
        }
        for (index, len) in DEPOSIT_FIELDS.into_iter().enumerate() {
            data.extend(U256::from(len).to_be_bytes::<32>());
            data.extend(vec![index as u8 + 1; len]);
            data.resize(data.len().div_ceil(32) * 32, 0);
        }
        data
    }

    #[test]
    fn deposit_is_its_fields_without_lengths() {
        let mut out = Vec::new();
        append_deposit(&deposit_data(), &mut out).expect("laid out as the contract does");
        assert_eq!(out.len(), 192);
        assert_eq!((out[0], out[48], out[80], out[88], out[184]), (1, 2, 3, 4, 5));
    }

    #[test]
    fn deposit_with_moved_offset_or_other_length_is_refused() {
        for (byte, value) in [(31, 161), (191, 47), (159, 1)] {
            let mut data = deposit_data();
            data[byte] = value;
            assert!(append_deposit(&data, &mut Vec::new()).is_none(), "byte {byte}");
        }
        assert!(append_deposit(&deposit_data()[..544], &mut Vec::new()).is_none());
    }
}
