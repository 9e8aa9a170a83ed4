//! Logs of a transaction with the ether it moves among them (ERC-7528).

use atoll_primitives::{Address, B256, Bytes, Log, U256, address, b256};
use revm::{
    Database, Inspector,
    context_interface::{ContextTr, JournalTr, context::ContextError},
    interpreter::{CallInputs, CallOutcome, CallScheme, CreateInputs, CreateOutcome},
};

/// Who emits the logs of transfers.
const EMITTER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Collects logs and transfers of one transaction; those of frames that fail go with them. Its size is bounded by
/// the transaction's gas.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    logs: Vec<Log>,
    /// For every open frame, how many logs there were before it.
    frames: Vec<usize>,
}

impl Transfers {
    /// What the last transaction left; empty from then on.
    pub(super) fn take(&mut self) -> Vec<Log> {
        self.frames.clear();
        std::mem::take(&mut self.logs)
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !value.is_zero() {
            let topics = vec![TRANSFER, from.into_word(), to.into_word()];
            self.logs.push(Log::new_unchecked(EMITTER, topics, Bytes::from(value.to_be_bytes::<32>())));
        }
    }

    fn close(&mut self, success: bool) {
        let before = self.frames.pop().unwrap_or_default();
        if !success {
            self.logs.truncate(before);
        }
    }
}

/// The address a creation will have.
fn created<CTX: ContextTr>(context: &mut CTX, inputs: &CreateInputs) -> Result<Address, <CTX::Db as Database>::Error> {
    let nonce = context.journal_mut().load_account(inputs.caller())?.info.nonce;
    Ok(inputs.created_address(nonce))
}

impl<CTX: ContextTr> Inspector<CTX> for Transfers {
    fn log(&mut self, _: &mut CTX, log: Log) {
        self.logs.push(log);
    }

    fn call(&mut self, _: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.frames.push(self.logs.len());
        // A delegate call moves nothing, and CALLCODE moves it to the caller itself.
        if matches!(inputs.scheme, CallScheme::Call)
            && let Some(value) = inputs.transfer_value()
        {
            self.transfer(inputs.transfer_from(), inputs.transfer_to(), value);
        }
        None
    }

    fn call_end(&mut self, _: &mut CTX, _: &CallInputs, outcome: &mut CallOutcome) {
        self.close(outcome.result.is_ok());
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.frames.push(self.logs.len());
        match created(context, inputs) {
            Ok(address) => self.transfer(inputs.caller(), address, inputs.value()),
            Err(error) => *context.error() = Err(ContextError::Db(error)),
        }
        None
    }

    fn create_end(&mut self, _: &mut CTX, _: &CreateInputs, outcome: &mut CreateOutcome) {
        self.close(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
