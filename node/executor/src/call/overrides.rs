//! State and block overrides with geth's meaning.

use crate::{BoxError, ExecutionError, Overlay};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_rpc_types_eth::{
    BlockOverrides,
    state::{AccountOverride, StateOverride},
};
use atoll_primitives::{Address, B256, Header, U256, keccak256};
use revm::{DatabaseRef, context::BlockEnv, context_interface::block::BlobExcessGasAndPrice, state::Bytecode};
use std::collections::BTreeMap;

/// Overrides that contradict themselves.
#[derive(Debug, thiserror::Error)]
pub enum OverrideError {
    /// `state` replaces all storage, `stateDiff` some of it.
    #[error("account {0} has both 'state' and 'stateDiff'")]
    StateAndDiff(Address),
    /// `movePrecompileToAddress` on an address that holds no precompile.
    #[error("account {0} is not a precompile")]
    NotAPrecompile(Address),
    /// A precompile is moved to where it is.
    #[error("account {0} moves its precompile to itself")]
    MovedToItself(Address),
    /// A precompile is moved to an address that another override also changes.
    #[error("account {0} is already overridden")]
    AlreadyOverridden(Address),
    /// Code that starts like an EIP-7702 designation and is none.
    #[error("account {address} has invalid code")]
    InvalidCode {
        /// The account.
        address: Address,
        /// What is wrong.
        source: BoxError,
    },
    /// A block override beyond 64 bits.
    #[error("block override {field} {value} exceeds 64 bits")]
    TooLarge {
        /// The field.
        field: &'static str,
        /// Its value.
        value: U256,
    },
    /// The state could not be read.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// A precompile that leaves its address; `to` is its new one, if it has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrecompileMove {
    from: Address,
    to: Option<Address>,
}

/// Block overrides that no header field holds, or not under every engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnvOverrides {
    pub(crate) blob_base_fee: Option<U256>,
    /// What opcode 0x44 gives from the merge's rules on, also under proof of work.
    pub(crate) random: Option<B256>,
}

impl EnvOverrides {
    pub(crate) fn of(changes: &BlockOverrides) -> Self {
        Self { blob_base_fee: changes.blob_base_fee, random: changes.random }
    }

    pub(crate) fn apply(self, env: &mut BlockEnv) {
        if let Some(fee) = self.blob_base_fee {
            let excess_blob_gas = env.blob_excess_gas_and_price.map_or(0, |blob| blob.excess_blob_gas);
            let blob_gasprice = fee.saturating_to();
            env.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice });
        }
        env.prevrandao = env.prevrandao.map(|header| self.random.unwrap_or(header));
    }
}

/// Those that are applied once there is an environment.
pub(crate) struct LateOverrides {
    env: EnvOverrides,
    block_hashes: BTreeMap<u64, B256>,
}

impl LateOverrides {
    pub(crate) fn apply<DB: DatabaseRef>(self, env: &mut BlockEnv, state: &mut Overlay<DB>) {
        self.env.apply(env);
        state.set_block_hashes(self.block_hashes);
    }
}

/// The header with its overridden fields: the fork follows the overridden number and time, as in geth.
pub(crate) fn header(
    header: &Header,
    overrides: Option<BlockOverrides>,
) -> Result<(Header, LateOverrides), OverrideError> {
    let mut header = header.clone();
    let changes = overrides.unwrap_or_default();
    let small = |field, value: U256| u64::try_from(value).map_err(|_| OverrideError::TooLarge { field, value });
    if let Some(number) = changes.number {
        header.number = small("number", number)?;
    }
    if let Some(base_fee) = changes.base_fee {
        header.base_fee_per_gas = Some(small("baseFeePerGas", base_fee)?);
    }
    header.difficulty = changes.difficulty.unwrap_or(header.difficulty);
    header.timestamp = changes.time.unwrap_or(header.timestamp);
    header.gas_limit = changes.gas_limit.unwrap_or(header.gas_limit);
    header.beneficiary = changes.coinbase.unwrap_or(header.beneficiary);
    header.mix_hash = changes.random.unwrap_or(header.mix_hash);
    // An environment moved past Cancun by `time` needs a blob price; zero excess is the fork's start.
    header.excess_blob_gas = header.excess_blob_gas.or(Some(0));
    let env = EnvOverrides::of(&changes);
    let late = LateOverrides { env, block_hashes: changes.block_hash.unwrap_or_default() };
    Ok((header, late))
}

/// Applies state overrides; the answer says which precompiles leave their address. Of two that are moved to one
/// address the one from the higher address works there: geth accepts both, in no order.
pub(crate) fn state<DB: DatabaseRef>(
    state: &mut Overlay<DB>,
    overrides: StateOverride,
    precompiles: &PrecompilesMap,
) -> Result<Vec<PrecompileMove>, OverrideError> {
    let mut moves = Vec::new();
    // By address, so that the answer does not depend on a hash map's order.
    let sorted: BTreeMap<Address, AccountOverride> = overrides.into_iter().collect();
    for (address, change) in &sorted {
        let is_precompile = precompiles.get(address).is_some();
        if let Some(to) = change.move_precompile_to {
            if !is_precompile {
                return Err(OverrideError::NotAPrecompile(*address));
            }
            if to == *address {
                return Err(OverrideError::MovedToItself(to));
            }
            if sorted.contains_key(&to) {
                return Err(OverrideError::AlreadyOverridden(to));
            }
        }
        // An overridden precompile is an ordinary account from then on.
        if is_precompile {
            moves.push(PrecompileMove { from: *address, to: change.move_precompile_to });
        }
    }
    for (address, change) in sorted {
        apply(state, address, change)?;
    }
    Ok(moves)
}

fn apply<DB: DatabaseRef>(
    state: &mut Overlay<DB>,
    address: Address,
    change: AccountOverride,
) -> Result<(), OverrideError> {
    // Naming an account without changing it does not make it exist.
    let empty_diff = change.state_diff.as_ref().is_none_or(|slots| slots.is_empty());
    if change.nonce.is_none()
        && change.balance.is_none()
        && change.code.is_none()
        && change.state.is_none()
        && empty_diff
    {
        return Ok(());
    }
    let database = |error| OverrideError::Execution(ExecutionError::Database(error));
    let mut account = state.account(address).map_err(|error| database(Box::new(error)))?.unwrap_or_default();
    account.nonce = change.nonce.unwrap_or(account.nonce);
    account.balance = change.balance.unwrap_or(account.balance);
    if let Some(code) = change.code {
        account.code_hash = keccak256(&code);
        let code = Bytecode::new_raw_checked(code)
            .map_err(|error| OverrideError::InvalidCode { address, source: Box::new(error) })?;
        state.set_code(account.code_hash, code);
    }
    state.set_account(address, Some(account)).map_err(|error| database(Box::new(error)))?;
    match (change.state, change.state_diff) {
        (Some(_), Some(_)) => Err(OverrideError::StateAndDiff(address)),
        (Some(all), None) => {
            state.replace_storage(address, all.into_iter().map(|(slot, value)| (slot.into(), value.into())));
            Ok(())
        }
        (None, Some(some)) => {
            state.set_slots(address, some.into_iter().map(|(slot, value)| (slot.into(), value.into())));
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// The precompiles after the moves.
pub(crate) fn moved(
    mut precompiles: PrecompilesMap,
    moves: &[PrecompileMove],
) -> Result<PrecompilesMap, OverrideError> {
    let relocated = moves.iter().filter_map(|change| Some((change.from, change.to?)));
    precompiles
        .move_precompiles(relocated)
        .map_err(|_| OverrideError::NotAPrecompile(moves.first().map_or(Address::ZERO, |change| change.from)))?;
    for change in moves.iter().filter(|change| change.to.is_none()) {
        precompiles.apply_precompile(&change.from, |_| None);
    }
    Ok(precompiles)
}
