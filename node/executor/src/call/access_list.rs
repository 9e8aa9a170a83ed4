//! `eth_createAccessList`.

use super::{CallEnv, CallError, CallLimits, CallOutcome, CallResult, Session};
use alloy_rpc_types_eth::{AccessList, TransactionRequest};
use atoll_primitives::ChainSpec;
use revm::DatabaseRef;
use revm_inspectors::access_list::AccessListInspector;

/// Rounds after which a list that still changes is taken as it is; a contract can make it change for ever.
const MAX_ROUNDS: usize = 16;

/// An access list and what the transaction does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessListOutcome {
    /// Addresses and slots touched, without the sender, the receiver and precompiles.
    pub access_list: AccessList,
    /// Gas used with that list.
    pub gas_used: u64,
    /// How the transaction ended; a failing one still has a list.
    pub result: CallResult,
}

/// Finds the access list of a transaction: runs it with the list it showed last time, until the list stays.
///
/// # Errors
/// See [`CallError`].
pub fn create_access_list(
    spec: &ChainSpec,
    db: impl DatabaseRef + 'static,
    env: CallEnv<'_>,
    request: &TransactionRequest,
    limits: CallLimits,
) -> Result<AccessListOutcome, CallError> {
    let mut session = Session::new(spec, db, env, limits)?;
    let mut request = request.clone();
    // The created address depends on the sender's real nonce.
    if request.nonce.is_none() {
        request.nonce = Some(session.nonce(request.from.unwrap_or_default())?);
    }
    let mut list = request.access_list.take().unwrap_or_default();
    let mut round = 0;
    loop {
        round += 1;
        request.access_list = Some(list.clone());
        let tx = session.transaction(&request)?;
        let mut inspector = (AccessListInspector::new(list.clone()), session.deadline.clone());
        let outcome = session.inspect(tx, &mut inspector)?;
        let found = inspector.0.into_access_list();
        if found == list || round == MAX_ROUNDS {
            let CallOutcome { result, gas_used, .. } = CallOutcome::new(outcome.result);
            return Ok(AccessListOutcome { access_list: found, gas_used, result });
        }
        list = found;
    }
}
