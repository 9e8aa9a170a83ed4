//! Which addresses each transaction of a block involves: what an index of addresses is made of. It must not know what
//! the list is for.

use crate::{
    TraceError,
    block::{self, BlockRun},
    builder::BuildError,
    collision::Collisions,
    env::evm_env,
    evm,
};
use alloy_evm::FromRecoveredTx;
use atoll_primitives::{Address, B256, ChainSpec, Header, RecoveredBlock, U256};
use revm::{
    DatabaseCommit, DatabaseRef, Inspector,
    context::TxEnv,
    interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome},
};
use std::collections::BTreeSet;

/// Who calls, is called, creates, is created, destroys itself and inherits; also in frames that are reverted, for they
/// belong to the transaction's history as much.
#[derive(Debug, Default)]
struct Involved(BTreeSet<Address>);

impl<CTX> Inspector<CTX> for Involved {
    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        // For DELEGATECALL and CALLCODE the code is another account's than the state.
        self.0.extend([inputs.caller, inputs.target_address, inputs.bytecode_address]);
        None
    }

    fn create(&mut self, _: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.0.insert(inputs.caller());
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.0.extend(outcome.address);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, _: U256) {
        self.0.extend([contract, target]);
    }
}

/// The addresses that each transaction of a block involves, in the order of transactions; `db` is the state of the
/// block's parent.
///
/// # Errors
/// [`TraceError::Replay`] if the state is not its parent's, the database's error.
pub fn block_addresses(
    spec: &ChainSpec,
    db: impl DatabaseRef,
    block: &RecoveredBlock,
) -> Result<Vec<BTreeSet<Address>>, TraceError> {
    let failed = |error| match error {
        BuildError::Transaction(error) => TraceError::Replay(error),
        BuildError::Execution(error) => TraceError::Execution(error),
    };
    // Receipts are thrown away, so nobody needs the roots that old ones carry.
    let no_root = |_: &atoll_primitives::StateChanges| Ok(B256::ZERO);
    let run = BlockRun::start(spec, db, block.header().clone(), Some(&no_root))?;
    let mut state = run.into_state();
    let env = evm_env(spec, block.header());
    let mut collisions = Collisions::new(spec);
    let mut all = Vec::with_capacity(block.senders.len());
    for (tx, sender) in block.transactions() {
        let mut involved = Involved::default();
        let outcome = {
            let inspector = (&mut collisions, &mut involved);
            let mut evm = evm::build(&mut state, env.clone(), evm::precompiles(&env), inspector, true);
            block::transact(&mut evm, block.number(), TxEnv::from_recovered_tx(tx, sender)).map_err(failed)?
        };
        state.commit(outcome.state);
        all.push(involved.0);
    }
    Ok(all)
}

/// Whether an address is a precompile by the rules of a block's fork.
pub fn is_precompile(spec: &ChainSpec, header: &Header, address: &Address) -> bool {
    evm::precompiles(&evm_env(spec, header)).addresses().any(|known| known == address)
}

#[cfg(test)]
mod tests;
