//! The one place where namespaces are put together.

use crate::{
    Namespace, RpcError,
    admin::{Admin, AdminApiServer as _},
    context::Node,
    debug::{Debug, DebugApiServer as _},
    dev_accounts::{DevAccountsApi, EthAccountsServer, PersonalServer},
    eth::{Eth, EthServer as _},
    evm::{Evm, EvmApiServer as _},
    miner::{Miner, MinerApiServer as _},
    net::{Net, NetApiServer as _},
    openrpc,
    ots::{Ots, OtsApiServer as _},
    set_head::{SetHead, SetHeadApiServer as _},
    testing::{Testing, TestingApiServer as _},
    trace::{Trace, TraceApiServer as _},
    txpool::{Txpool, TxpoolApiServer as _},
    web3::{Web3, Web3ApiServer as _},
    work::{Work, WorkApiServer as _},
};
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The methods of the chosen namespaces, `rpc_modules`, which lists them, and `rpc.discover`, which describes them.
pub(crate) fn modules(node: &Arc<Node>, namespaces: &[Namespace]) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    let namespaces: BTreeSet<Namespace> = namespaces.iter().copied().collect();
    for namespace in &namespaces {
        let node = node.clone();
        match namespace {
            Namespace::Eth => {
                module.merge(Eth(node.clone()).into_rpc())?;
                module.merge(Work(node.clone()).into_rpc())?;
                module.merge(accounts(&node)?)?;
            }
            Namespace::Net => module.merge(Net(node).into_rpc())?,
            Namespace::Web3 => module.merge(Web3(node).into_rpc())?,
            Namespace::Txpool => module.merge(Txpool(node).into_rpc())?,
            Namespace::Debug => {
                module.merge(Debug(node.clone()).into_rpc())?;
                module.merge(SetHead(node).into_rpc())?;
            }
            Namespace::Admin => module.merge(Admin(node).into_rpc())?,
            Namespace::Evm => module.merge(Evm(node).into_rpc())?,
            Namespace::Miner => module.merge(Miner(node).into_rpc())?,
            Namespace::Trace => module.merge(Trace(node).into_rpc())?,
            Namespace::Testing => module.merge(Testing(node).into_rpc())?,
            Namespace::Ots => module.merge(Ots(node).into_rpc())?,
        }
    }
    let versions: BTreeMap<&str, &str> = namespaces.iter().map(|namespace| (namespace.name(), "1.0")).collect();
    module.register_method("rpc_modules", move |_, (), _| Ok::<_, RpcError>(versions.clone()))?;
    // Those that a WebSocket connection answers itself.
    let pubsub = namespaces.contains(&Namespace::Eth).then_some(["eth_subscribe", "eth_unsubscribe"]);
    let names: BTreeSet<&'static str> =
        module.method_names().chain([openrpc::DISCOVER]).chain(pubsub.into_iter().flatten()).collect();
    // Rendered once: what is offered does not change while the server runs.
    let document = openrpc::document(&names, &node.client_version);
    module.register_method(openrpc::DISCOVER, move |_, (), _| {
        document.clone().ok_or(RpcError::Internal("the OpenRPC document could not be rendered"))
    })?;
    Ok(module)
}

/// Signing. `personal_sign` exists only where there is something to sign with.
fn accounts(node: &Arc<Node>) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(EthAccountsServer::into_rpc(DevAccountsApi(node.clone())))?;
    if !node.config.dev_keys.is_empty() {
        module.merge(PersonalServer::into_rpc(DevAccountsApi(node.clone())))?;
    }
    Ok(module)
}
