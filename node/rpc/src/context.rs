//! What every method works with: the rooms below, the configuration, the limits. It must not know JSON-RPC methods.

use crate::{
    NodeControl, RpcConfig, RpcError,
    brief::LongCalls,
    dev_accounts::DevAccounts,
    feed::Feed,
    filters::Filters,
    logs::{JoinedLogs, RenderedLogs, joined_logs, rendered_logs},
    memory::{self, Budget},
    rate::Limiter,
};
use alloy_rpc_types_eth::BlockId;
use atoll_chain::Chain;
use atoll_executor::TraceError;
use atoll_primitives::{ChainSpec, SealedHeader};
use atoll_storage::Storage;
use atoll_txpool::TxPool;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// How much longer than its limit a trace with a script may take before it is answered without it.
const SCRIPT_GRACE: Duration = Duration::from_secs(10);

/// An answer already rendered, off the tokio workers: blocks, receipts, logs and traces can be megabytes.
pub(crate) type Json = Box<RawValue>;

/// Renders an answer.
pub(crate) fn json(value: &impl Serialize) -> Result<Json, RpcError> {
    to_raw_value(value).map_err(|_| RpcError::Internal("an answer could not be rendered"))
}

/// How long a client waits until its turn comes to have a block mined.
const MINING_WAIT: Duration = Duration::from_secs(60);

/// The rooms JSON-RPC answers from.
#[derive(Clone)]
pub struct RpcContext {
    /// The canonical chain.
    pub chain: Chain,
    /// The transaction pool.
    pub pool: TxPool,
    /// The chain specification.
    pub spec: Arc<ChainSpec>,
    /// The rest of the node.
    pub control: Arc<dyn NodeControl>,
    /// Answer to `web3_clientVersion`, such as `Atoll/v0.1.0/linux-x86_64/rust1.95`.
    pub client_version: String,
}

/// Everything a method needs; shared by all connections.
pub(crate) struct Node {
    pub(crate) chain: Chain,
    pub(crate) pool: TxPool,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) control: Arc<dyn NodeControl>,
    pub(crate) client_version: String,
    pub(crate) config: RpcConfig,
    pub(crate) accounts: DevAccounts,
    pub(crate) filters: Filters,
    pub(crate) feed: Feed,
    pub(crate) limiter: Limiter,
    /// Requests of all clients.
    pub(crate) requests: Arc<Budget>,
    /// Answers that all clients have not read.
    pub(crate) answers: Arc<Budget>,
    /// Logs of small blocks, rendered.
    pub(crate) rendered_logs: RenderedLogs,
    /// Logs that queries found in many neighbouring blocks.
    pub(crate) joined_logs: JoinedLogs,
    /// Calls that are not worth trying where they are asked for.
    pub(crate) long_calls: LongCalls,
    /// The last suggested tip and the head it was worked out for.
    pub(crate) tip_cache: Mutex<Option<(atoll_primitives::B256, u128)>>,
    /// One permit a read; without it a client could fill the blocking threads of the whole process.
    read_permits: Arc<Semaphore>,
    /// The same for calls that execute or search: as many, and apart, so that no read waits behind them.
    permits: Arc<Semaphore>,
    /// The same for traces, which hold a processor and much memory for long: `concurrent_traces` at one time.
    trace_permits: Arc<Semaphore>,
    /// One block is mined on request at a time, which may take a minute.
    mining_permit: Arc<Semaphore>,
}

impl Node {
    pub(crate) fn new(context: RpcContext, config: RpcConfig) -> Self {
        let RpcContext { chain, pool, spec, control, client_version } = context;
        Self {
            chain,
            pool,
            spec,
            control,
            client_version,
            accounts: DevAccounts::new(&config.dev_keys),
            filters: Filters::new(config.max_filters, config.filter_expiry),
            feed: Feed::new(),
            limiter: Limiter::new(config.rate_limit),
            requests: Budget::new(memory::REQUESTS),
            answers: Budget::new(memory::ANSWERS),
            rendered_logs: rendered_logs(),
            joined_logs: joined_logs(),
            long_calls: LongCalls::default(),
            tip_cache: Mutex::new(None),
            read_permits: Arc::new(Semaphore::new(config.concurrent_calls.max(1))),
            permits: Arc::new(Semaphore::new(config.concurrent_calls.max(1))),
            trace_permits: Arc::new(Semaphore::new(config.concurrent_traces.max(1))),
            mining_permit: Arc::new(Semaphore::new(1)),
            config,
        }
    }

    pub(crate) fn storage(&self) -> &Storage {
        self.chain.storage()
    }

    pub(crate) fn head(&self) -> Arc<SealedHeader> {
        self.chain.head()
    }

    /// When a call that starts now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.config.call_timeout
    }

    /// Runs work of microseconds where it is asked for: looking up, or admitting one transaction. Another thread would cost
    /// more than the work. The server's workers are its own, and enough that one may wait for a disk or a lock.
    pub(crate) fn quick<T>(&self, work: impl FnOnce(&Self) -> Result<T, RpcError>) -> Result<T, RpcError> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)))
            .unwrap_or(Err(RpcError::Internal("a call failed unexpectedly")))
    }

    /// Runs work that reads, and is soon done, off the tokio workers.
    ///
    /// At the bound callers wait for a permit, at most for `call_timeout`.
    pub(crate) async fn blocking<T, F>(self: &Arc<Self>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        self.permitted(&self.read_permits, self.config.call_timeout, work).await
    }

    /// [`Node::quick`] from a block; the pending one may have to be built for it, which is executing.
    pub(crate) async fn reading<T, F>(self: &Arc<Self>, id: impl Into<BlockId>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        if id.into().is_pending() { self.executing(work).await } else { self.quick(work) }
    }

    /// [`Node::blocking`] from a block, the pending one as with [`Node::reading`].
    pub(crate) async fn listing<T, F>(self: &Arc<Self>, id: impl Into<BlockId>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        if id.into().is_pending() { self.executing(work).await } else { self.blocking(work).await }
    }

    /// [`Node::blocking`] for what may take as long as `call_timeout`: calls that execute, searches, changes of the chain.
    pub(crate) async fn executing<T, F>(self: &Arc<Self>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        self.permitted(&self.permits, self.config.call_timeout, work).await
    }

    /// [`Node::blocking`] for mining a block on request: the others wait here, without a thread.
    pub(crate) async fn mining<T, F>(self: &Arc<Self>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        self.permitted(&self.mining_permit, MINING_WAIT, work).await
    }

    /// [`Node::blocking`] for traces, which have permits of their own and wait for them as long as a trace may take.
    pub(crate) async fn tracing<T, F>(self: &Arc<Self>, work: F) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        let limit = self.config.trace_timeout;
        let answer = self.permitted(&self.trace_permits, limit, work);
        if !self.config.js_tracers {
            return answer.await;
        }
        // A function of the script engine that runs long ends when it wants. The client has its answer in time all the
        // same; the thread keeps its permit until it is done, so that never more of them are stuck than may run.
        let answer = tokio::time::timeout(limit * 2 + SCRIPT_GRACE, answer).await;
        answer.unwrap_or_else(|_| Err(RpcError::Trace(Box::new(TraceError::Timeout))))
    }

    async fn permitted<T, F>(
        self: &Arc<Self>,
        permits: &Arc<Semaphore>,
        waited: Duration,
        work: F,
    ) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> Result<T, RpcError> + Send + 'static,
    {
        let permit = tokio::time::timeout(waited, permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| RpcError::Busy { waited })?;
        let node = self.clone();
        let work = move || {
            let _permit = permit;
            work(&node)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| RpcError::Internal("a call failed unexpectedly"))?
    }
}
