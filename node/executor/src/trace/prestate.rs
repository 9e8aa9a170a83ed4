//! prestateTracer: the accounts and slots a transaction looks at, before it and (in diff mode) after it.
//!
//! While the transaction runs only keys are noted, by geth's rules: who is called, asked about, created, and each
//! slot that is loaded or stored. Values are read afterwards, from the states before and after.

use super::TraceError;
use atoll_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::{
    Database, DatabaseRef, Inspector,
    bytecode::opcode,
    context::TxEnv,
    context_interface::{Cfg, ContextTr, JournalTr, transaction::AuthorizationTr},
    inspector::JournalExt,
    interpreter::{
        Interpreter,
        interpreter_types::{InputsTr, Jumps, MemoryTr},
    },
    primitives::{KECCAK_EMPTY, TxKind, hardfork::SpecId},
    state::{AccountInfo, Bytecode, EvmState},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a key costs in the answer, about.
const ACCOUNT_BYTES: usize = 200;
const SLOT_BYTES: usize = 140;

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PrestateConfig {
    diff_mode: bool,
    disable_code: bool,
    disable_storage: bool,
    include_empty: bool,
}

/// The recorder of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Prestate {
    config: PrestateConfig,
    looked_up: BTreeMap<Address, BTreeSet<U256>>,
    created: BTreeSet<Address>,
    deleted: BTreeSet<Address>,
    size: usize,
}

#[derive(Serialize)]
struct AccountJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(rename = "codeHash", skip_serializing_if = "Option::is_none")]
    code_hash: Option<B256>,
    #[serde(skip_serializing_if = "is_zero")]
    nonce: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, B256>,
}

#[derive(Serialize)]
struct Diff {
    post: BTreeMap<Address, AccountJson>,
    pre: BTreeMap<Address, AccountJson>,
}

fn is_zero(nonce: &u64) -> bool {
    *nonce == 0
}

impl Prestate {
    pub(crate) fn new(config: PrestateConfig) -> Self {
        Self { config, ..Self::default() }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    fn look_up(&mut self, address: Address) {
        let size = &mut self.size;
        self.looked_up.entry(address).or_insert_with(|| {
            *size += ACCOUNT_BYTES;
            BTreeSet::new()
        });
    }

    fn look_up_slot(&mut self, address: Address, slot: U256) {
        if self.looked_up.entry(address).or_default().insert(slot) {
            self.size += SLOT_BYTES;
        }
    }

    /// What every transaction looks at, before anything has changed.
    pub(crate) fn start<DB: DatabaseRef>(
        &mut self,
        tx: &TxEnv,
        coinbase: Address,
        state: &DB,
    ) -> Result<(), TraceError> {
        let account = |address| state.basic_ref(address).map_err(TraceError::database);
        let to = match tx.kind {
            TxKind::Call(to) => {
                let info = account(to)?.unwrap_or_default();
                let code = code_of(&info, |hash| state.code_by_hash_ref(hash)).map_err(TraceError::database)?;
                if let Some(target) = code.eip7702_address() {
                    self.look_up(target);
                }
                to
            }
            TxKind::Create => {
                let nonce = account(tx.caller)?.unwrap_or_default().nonce;
                let created = tx.caller.create(nonce);
                if self.config.diff_mode {
                    self.created.insert(created);
                }
                created
            }
        };
        for address in [tx.caller, to, coinbase] {
            self.look_up(address);
        }
        for authority in tx.authorization_list.iter().filter_map(|authorization| authorization.authority()) {
            self.look_up(authority);
        }
        Ok(())
    }

    /// The answer: `before` is the state before the transaction, `after` what it touched.
    pub(crate) fn finish<DB: DatabaseRef>(self, before: &DB, after: &EvmState) -> Result<Vec<u8>, TraceError> {
        let mut pre = BTreeMap::new();
        let mut post = BTreeMap::new();
        for (address, slots) in &self.looked_up {
            let (mut account, info) = self.account_before(before, *address, slots)?;
            let empty = info.is_empty();
            if self.config.diff_mode && !self.deleted.contains(address) {
                let Some(changed) = self.account_after(after.get(address), &mut account, &info)? else { continue };
                post.insert(*address, changed);
            }
            if self.config.include_empty || !empty {
                pre.insert(*address, account);
            }
        }
        let text =
            if self.config.diff_mode { serde_json::to_vec(&Diff { post, pre }) } else { serde_json::to_vec(&pre) };
        text.map_err(|error| TraceError::Tracer(error.to_string()))
    }

    fn account_before<DB: DatabaseRef>(
        &self,
        state: &DB,
        address: Address,
        slots: &BTreeSet<U256>,
    ) -> Result<(AccountJson, AccountInfo), TraceError> {
        let info = state.basic_ref(address).map_err(TraceError::database)?.unwrap_or_default();
        let has_code = info.code_hash != KECCAK_EMPTY && !info.code_hash.is_zero();
        let code = if has_code && !self.config.disable_code {
            Some(code_of(&info, |hash| state.code_by_hash_ref(hash)).map_err(TraceError::database)?.original_bytes())
        } else {
            None
        };
        let mut storage = BTreeMap::new();
        if !self.config.disable_storage {
            for slot in slots {
                let value = state.storage_ref(address, *slot).map_err(TraceError::database)?;
                storage.insert(B256::from(*slot), B256::from(value));
            }
        }
        let code_hash = has_code.then_some(info.code_hash);
        Ok((AccountJson { balance: Some(info.balance), code, code_hash, nonce: info.nonce, storage }, info))
    }

    /// What changed; `None` when nothing did. Slots that did not change leave `account`.
    fn account_after(
        &self,
        after: Option<&revm::state::Account>,
        account: &mut AccountJson,
        before: &AccountInfo,
    ) -> Result<Option<AccountJson>, TraceError> {
        // What the transaction did not touch is as it was.
        let Some(after) = after else { return Ok(None) };
        let mut changed =
            AccountJson { balance: None, code: None, code_hash: None, nonce: 0, storage: BTreeMap::new() };
        let info = &after.info;
        changed.balance = (info.balance != before.balance).then_some(info.balance);
        changed.nonce = if info.nonce == before.nonce { 0 } else { info.nonce };
        if info.code_hash != before.code_hash {
            changed.code_hash = Some(info.code_hash);
            if !self.config.disable_code {
                changed.code = Some(info.code.as_ref().map(Bytecode::original_bytes).unwrap_or_default());
            }
        }
        let mut modified = changed.balance.is_some() || info.nonce != before.nonce || changed.code_hash.is_some();
        account.storage.retain(|slot, value| {
            let now = after.storage.get(&U256::from_be_bytes(slot.0)).map_or(*value, |slot| slot.present_value.into());
            if now == *value {
                return false;
            }
            modified = true;
            if !now.is_zero() {
                changed.storage.insert(*slot, now);
            }
            !value.is_zero()
        });
        Ok(modified.then_some(changed))
    }
}

fn code_of<E>(info: &AccountInfo, load: impl FnOnce(B256) -> Result<Bytecode, E>) -> Result<Bytecode, E> {
    match &info.code {
        Some(code) => Ok(code.clone()),
        None if info.code_hash == KECCAK_EMPTY || info.code_hash.is_zero() => Ok(Bytecode::default()),
        None => load(info.code_hash),
    }
}

/// Where a called account's code is delegated to (EIP-7702), without making the account warm.
fn delegation<CTX: ContextTr<Journal: JournalExt>>(context: &mut CTX, address: Address) -> Option<Address> {
    let known = context.journal_ref().evm_state().get(&address).map(|account| account.info.clone());
    // A failing database shows again when the call itself reads the account.
    let info = known.or_else(|| context.db_mut().basic(address).ok().flatten())?;
    code_of(&info, |hash| context.db_mut().code_by_hash(hash)).ok()?.eip7702_address()
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for Prestate {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        let (op, stack) = (interpreter.bytecode.opcode(), interpreter.stack.data());
        let item = |depth: usize| stack.len().checked_sub(depth + 1).and_then(|at| stack.get(at)).copied();
        let address = |depth| item(depth).map(|word| Address::from_word(B256::from(word)));
        let own = interpreter.input.target_address();
        match op {
            opcode::SLOAD | opcode::SSTORE => {
                if let Some(slot) = item(0) {
                    self.look_up_slot(own, slot);
                }
            }
            opcode::EXTCODECOPY | opcode::EXTCODEHASH | opcode::EXTCODESIZE | opcode::BALANCE => {
                if let Some(address) = address(0) {
                    self.look_up(address);
                }
            }
            opcode::SELFDESTRUCT => {
                let Some(heir) = address(0) else { return };
                self.look_up(heir);
                // Since Cancun only what the same transaction created goes (EIP-6780).
                let spec: SpecId = context.cfg().spec().into();
                if !spec.is_enabled_in(SpecId::CANCUN) || self.created.contains(&own) {
                    self.deleted.insert(own);
                }
            }
            opcode::CALL | opcode::CALLCODE | opcode::DELEGATECALL | opcode::STATICCALL if stack.len() >= 5 => {
                let Some(callee) = address(1) else { return };
                self.look_up(callee);
                if let Some(target) = delegation(context, callee) {
                    self.look_up(target);
                }
            }
            opcode::CREATE => {
                let creator = context.journal_ref().evm_state().get(&own);
                let created = own.create(creator.map_or(0, |account| account.info.nonce));
                self.look_up(created);
                self.created.insert(created);
            }
            opcode::CREATE2 => {
                let (Some(offset), Some(length), Some(salt)) = (item(1), item(2), item(3)) else { return };
                let Some(code_hash) = memory_hash(interpreter, offset, length) else { return };
                let created = own.create2(B256::from(salt), code_hash);
                self.look_up(created);
                self.created.insert(created);
            }
            _ => {}
        }
    }
}

/// Hash of a piece of memory, which may reach beyond what has been written; `None` beyond what gas can pay for.
fn memory_hash(interpreter: &Interpreter, offset: U256, length: U256) -> Option<B256> {
    /// More than init code may be long since Shanghai, and than gas pays for before.
    const LONGEST: usize = 1 << 24;
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST)?;
    if length == 0 {
        return Some(KECCAK_EMPTY);
    }
    let offset = usize::try_from(offset).ok()?;
    let size = interpreter.memory.size();
    let present = size.saturating_sub(offset).min(length);
    let mut code = if present == 0 { Vec::new() } else { interpreter.memory.slice_len(offset, present).to_vec() };
    code.resize(length, 0);
    Some(keccak256(code))
}
