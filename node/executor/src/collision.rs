//! EIP-7610: nothing can be created where storage already is.
//!
//! revm compares nonce and code only. An account with storage but neither can exist only if the genesis file made
//! it so, hence this looks there.

use atoll_primitives::{Address, ChainSpec, U256};
use revm::{
    Database, Inspector,
    context_interface::{ContextTr, JournalTr, context::ContextError, journaled_state::account::JournaledAccountTr},
    interpreter::{CreateInputs, CreateOutcome, Gas, InstructionResult, InterpreterResult},
    primitives::constants::CALL_STACK_LIMIT,
};
use std::sync::Arc;

/// Accounts of the genesis file with storage but neither nonce nor code, each with a slot that is not zero.
/// Nobody can ever write to their storage: it goes only with the whole account.
#[derive(Debug, Clone)]
pub(crate) struct Collisions(Arc<[(Address, U256)]>);

impl Collisions {
    pub(crate) fn new(spec: &ChainSpec) -> Self {
        Self(Arc::clone(&spec.bare_storage))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a creation by these inputs meets storage. It then counts as one that met code: the creator's nonce
    /// is used up, the new address is warm.
    fn meets_storage<CTX: ContextTr>(
        &self,
        context: &mut CTX,
        inputs: &CreateInputs,
    ) -> Result<bool, <CTX::Db as Database>::Error> {
        if context.journal_ref().depth() > CALL_STACK_LIMIT as usize {
            return Ok(false);
        }
        let caller = context.journal_mut().load_account(inputs.caller())?;
        let (nonce, balance) = (caller.info.nonce, caller.info.balance);
        let created = inputs.created_address(nonce);
        let Some((_, slot)) = self.0.iter().find(|(address, _)| *address == created) else { return Ok(false) };
        // What fails for another reason first is revm's to report.
        if balance < inputs.value() || context.db_mut().storage(created, *slot)?.is_zero() {
            return Ok(false);
        }
        let bumped = context.journal_mut().load_account_mut(inputs.caller())?.bump_nonce();
        context.journal_mut().load_account(created)?;
        Ok(bumped)
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Collisions {
    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let collides = self.meets_storage(context, inputs).unwrap_or_else(|error| {
            *context.error() = Err(ContextError::Db(error));
            true
        });
        collides.then(|| {
            let result = InterpreterResult {
                result: InstructionResult::CreateCollision,
                output: Default::default(),
                gas: Gas::new(inputs.gas_limit()),
            };
            CreateOutcome::new(result, None)
        })
    }
}
