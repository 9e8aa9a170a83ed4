//! revm's EVM for an environment, with the one instruction that its forks leave out.

use alloy_evm::{
    Database, EthEvm, EvmEnv,
    eth::{EthEvmBuilder, EthEvmContext},
    precompiles::PrecompilesMap,
};
use revm::{
    Inspector,
    bytecode::opcode::SSTORE,
    context_interface::{
        ContextTr, JournalTr,
        cfg::gas_params::{GasId, GasParams},
    },
    interpreter::{
        Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        instructions::host::sstore_with_gas_accounting, interpreter::EthInterpreter,
    },
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

/// Price of an SSTORE that changes nothing (EIP-1283).
const NET_SSTORE_NOOP: u64 = 200;

/// Constantinople's prices: net gas metering of SSTORE (EIP-1283), which Petersburg took back.
pub(crate) fn constantinople_gas() -> GasParams {
    let mut params = GasParams::new_spec(SpecId::PETERSBURG);
    params.override_gas([
        (GasId::sstore_static(), NET_SSTORE_NOOP),
        (GasId::sstore_set_without_load_cost(), 20_000 - NET_SSTORE_NOOP),
        (GasId::sstore_reset_without_cold_load_cost(), 5_000 - NET_SSTORE_NOOP),
        (GasId::sstore_set_refund(), 20_000 - NET_SSTORE_NOOP),
        (GasId::sstore_reset_refund(), 5_000 - NET_SSTORE_NOOP),
    ]);
    params
}

/// revm meters net changes from Istanbul on; here it does so at Constantinople's prices and without EIP-2200's
/// minimum of remaining gas.
fn net_metered_sstore<H: Host + ?Sized>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    sstore_with_gas_accounting(context, |context, _, load| {
        let params = context.host.gas_params();
        let (cost, refund) =
            (params.sstore_dynamic_gas(true, &load.data, false), params.sstore_refund(true, &load.data));
        if !context.interpreter.gas.record_regular_cost(cost) {
            return Err(InstructionResult::OutOfGas);
        }
        context.interpreter.gas.record_refund(refund);
        Ok(())
    })
}

/// The precompiles of an environment's fork.
pub(crate) fn precompiles(env: &EvmEnv) -> PrecompilesMap {
    PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(env.cfg_env.spec)))
}

/// Makes the fork's own precompiles the warm ones, wherever overrides have moved them: geth warms addresses by the
/// fork alone.
pub(crate) fn warm_precompiles<DB: Database, I>(evm: &mut EthEvm<DB, I, PrecompilesMap>) {
    let precompiles = Precompiles::new(PrecompileSpecId::from_spec_id(evm.cfg.spec));
    evm.journal_mut().warm_precompiles(precompiles.addresses_set());
}

/// An EVM over `db`; `inspect` says whether the inspector sees every instruction.
pub(crate) fn build<DB: Database, I: Inspector<EthEvmContext<DB>>>(
    db: DB,
    env: EvmEnv,
    precompiles: PrecompilesMap,
    inspector: I,
    inspect: bool,
) -> EthEvm<DB, I, PrecompilesMap> {
    let is_constantinople =
        env.cfg_env.spec == SpecId::PETERSBURG && env.cfg_env.gas_params.get(GasId::sstore_static()) == NET_SSTORE_NOOP;
    let evm = EthEvmBuilder::new(db, env).precompiles(precompiles).inspector(inspector).set_inspect(inspect).build();
    if !is_constantinople {
        return evm;
    }
    let mut inner = evm.into_inner();
    inner.instruction.insert_instruction(SSTORE, Instruction::new(net_metered_sstore), 0);
    EthEvm::new(inner, inspect)
}
