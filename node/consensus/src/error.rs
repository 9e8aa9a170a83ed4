//! One error variant per consensus rule, with the values that broke it. Knows no engine.

use atoll_primitives::{Address, B64, B256, Bytes, U256};

/// Why a header, seal or body breaks the rules, or why an engine cannot answer.
///
/// [`Self::is_fault`] tells a bad block from one that cannot be judged now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusError {
    /// The genesis file selects an engine this version does not run.
    #[error("the genesis file selects the {name} engine, which this version does not support; use `config.ethash`")]
    UnsupportedEngine {
        /// Its key in the genesis file.
        name: &'static str,
    },
    /// The engine only verifies blocks, or the chain has passed its merge.
    #[error("block {number} cannot be produced here: blocks after the merge come from a beacon chain")]
    NoSealer {
        /// The block's number.
        number: u64,
    },
    /// A payload is asked for where proof of work still goes on.
    #[error("block {number} comes before the merge: payloads are built on merged blocks only")]
    NotMerged {
        /// The block's number.
        number: u64,
    },
    /// An ancestor's header is not known.
    #[error("ancestor {hash} is not known")]
    MissingAncestor {
        /// Its hash.
        hash: B256,
    },

    // Lineage.
    /// The parent given is not the header's parent.
    #[error("parent hash is {found}, the parent's is {expected}")]
    ParentHash {
        /// In the header.
        found: B256,
        /// Of the parent.
        expected: B256,
    },
    /// Numbers count up by one.
    #[error("block number is {found} after {parent}")]
    Number {
        /// In the header.
        found: u64,
        /// The parent's.
        parent: u64,
    },
    /// Timestamps increase.
    #[error("timestamp {found} is not after the parent's {parent}")]
    Timestamp {
        /// In the header, seconds.
        found: u64,
        /// The parent's, seconds.
        parent: u64,
    },
    /// The timestamp is further ahead of the clock than tolerated: valid later, perhaps.
    #[error("timestamp {timestamp} is more than 15 s ahead of the clock ({now})")]
    Future {
        /// In the header, seconds.
        timestamp: u64,
        /// The caller's clock, seconds.
        now: u64,
    },

    // Plain fields.
    /// Extra data is at most 32 bytes.
    #[error("extra data has {found} bytes, at most {max} are allowed")]
    ExtraData {
        /// Bytes in the header.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Blocks from the DAO fork on carry its mark, for ten blocks (EIP-779).
    #[error("extra data is {found}, the DAO fork asks for {expected}")]
    DaoExtraData {
        /// In the header.
        found: Bytes,
        /// `dao-hard-fork`.
        expected: Bytes,
    },
    /// A network that refused the DAO fork refuses its mark.
    #[error("block {number} carries the DAO fork's mark, which this network refused")]
    DaoRefused {
        /// The block's number.
        number: u64,
    },
    /// The difficulty follows from the parent and the timestamp.
    #[error("difficulty is {found}, must be {expected}")]
    Difficulty {
        /// In the header.
        found: U256,
        /// By the formula.
        expected: U256,
    },

    // Gas.
    /// The gas limit is at least 5000.
    #[error("gas limit {found} is below {min}")]
    GasLimitTooLow {
        /// In the header.
        found: u64,
        /// The least.
        min: u64,
    },
    /// The gas limit stays below 2^63 (EIP-1985 and every client's 63-bit integers).
    #[error("gas limit {found} is above {max}")]
    GasLimitTooHigh {
        /// In the header.
        found: u64,
        /// The most.
        max: u64,
    },
    /// The gas limit moves by less than a 1024th a block.
    #[error("gas limit {found} is {step} or more away from the parent's {parent}")]
    GasLimitStep {
        /// In the header.
        found: u64,
        /// The parent's, doubled at the London fork.
        parent: u64,
        /// The distance that is already too much.
        step: u64,
    },
    /// Gas used is within the limit.
    #[error("gas used {used} exceeds the gas limit {limit}")]
    GasUsed {
        /// In the header.
        used: u64,
        /// In the header.
        limit: u64,
    },
    /// The base fee follows from the parent (EIP-1559).
    #[error("base fee is {found}, must be {expected}")]
    BaseFee {
        /// In the header, wei.
        found: u64,
        /// By the formula, wei.
        expected: u64,
    },

    // Fields that come with forks.
    /// A field the active forks require is absent.
    #[error("header field `{field}` is missing")]
    FieldMissing {
        /// The field's name in JSON-RPC.
        field: &'static str,
    },
    /// A field is present before its fork.
    #[error("header field `{field}` is present before its fork")]
    FieldTooEarly {
        /// The field's name in JSON-RPC.
        field: &'static str,
    },
    /// Excess blob gas follows from the parent (EIP-4844, EIP-7918).
    #[error("excess blob gas is {found}, must be {expected}")]
    ExcessBlobGas {
        /// In the header.
        found: u64,
        /// By the formula.
        expected: u64,
    },
    /// Blob gas used is within the block's limit.
    #[error("blob gas used {used} exceeds {max}")]
    BlobGasUsed {
        /// In the header.
        used: u64,
        /// The most, by the schedule in force.
        max: u64,
    },
    /// Blob gas used is a multiple of one blob's.
    #[error("blob gas used {used} is not a multiple of {per_blob}")]
    BlobGasMultiple {
        /// In the header.
        used: u64,
        /// Gas of one blob.
        per_blob: u64,
    },
    /// Without a beacon chain the parent beacon block root is zero (EIP-4788).
    #[error("parent beacon block root is {found}, must be zero without a beacon chain")]
    ParentBeaconRoot {
        /// In the header.
        found: B256,
    },

    // The merge (EIP-3675).
    /// A proof-of-work block on a merged parent, or above the terminal total difficulty.
    #[error("proof-of-work block {number} comes after the merge")]
    WorkAfterMerge {
        /// The block's number.
        number: u64,
    },
    /// A merged block below the terminal total difficulty.
    #[error("merged block {number} comes at total difficulty {total}, before the terminal {terminal}")]
    MergedTooEarly {
        /// The block's number.
        number: u64,
        /// Total difficulty up to and with the parent.
        total: U256,
        /// The genesis file's.
        terminal: U256,
    },
    /// A merged block's difficulty is zero.
    #[error("difficulty is {found}, must be 0 after the merge")]
    MergedDifficulty {
        /// In the header.
        found: U256,
    },
    /// A merged block's nonce is zero.
    #[error("nonce is {found}, must be zero after the merge")]
    MergedNonce {
        /// In the header.
        found: B64,
    },
    /// A merged block has no ommers.
    #[error("ommers hash is {found}, must be that of the empty list after the merge")]
    MergedOmmers {
        /// In the header.
        found: B256,
    },

    // Ethash seals.
    /// Proof of work needs a difficulty.
    #[error("difficulty is 0: there is no proof of work to check")]
    ZeroDifficulty,
    /// The block's epoch has no dataset: its rows could not be numbered in 32 bits.
    #[error("block {number} is beyond the last epoch of ethash")]
    EpochTooHigh {
        /// The block's number.
        number: u64,
    },
    /// The mix hash does not come out of hashimoto.
    #[error("mix hash is {found}, hashimoto gives {expected}")]
    MixHash {
        /// In the header.
        found: B256,
        /// Computed.
        expected: B256,
    },
    /// The proof-of-work value is above the target.
    #[error("proof of work {value} is above the target {target}")]
    InsufficientWork {
        /// Computed.
        value: U256,
        /// 2^256 / difficulty.
        target: U256,
    },

    // Body.
    /// The transactions are not those of the header.
    #[error("transactions root is {found}, the body's is {expected}")]
    TransactionsRoot {
        /// In the header.
        found: B256,
        /// Of the body.
        expected: B256,
    },
    /// The ommers are not those of the header.
    #[error("ommers hash is {found}, the body's is {expected}")]
    OmmersHash {
        /// In the header.
        found: B256,
        /// Of the body.
        expected: B256,
    },
    /// The withdrawals are not those of the header.
    #[error("withdrawals root is {found:?}, the body's is {expected:?}")]
    WithdrawalsRoot {
        /// In the header.
        found: Option<B256>,
        /// Of the body.
        expected: Option<B256>,
    },
    /// Without a beacon chain nobody withdraws.
    #[error("{found} withdrawals in a block without a beacon chain")]
    Withdrawals {
        /// How many.
        found: usize,
    },
    /// The block is larger than EIP-7934 allows.
    #[error("block has {found} bytes of RLP, at most {max} are allowed")]
    BlockSize {
        /// Bytes.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The header's blob gas is not that of the transactions.
    #[error("blob gas used is {found}, the transactions' blobs cost {expected}")]
    BlobGasMismatch {
        /// In the header.
        found: u64,
        /// Of the body.
        expected: u64,
    },

    // Ommers.
    /// At most two ommers a block.
    #[error("{found} ommers, at most {max} are allowed")]
    TooManyOmmers {
        /// In the block.
        found: usize,
        /// Allowed.
        max: usize,
    },
    /// The ommer was rewarded before, in this block or an ancestor.
    #[error("ommer {hash} is already included")]
    DuplicateOmmer {
        /// Its hash.
        hash: B256,
    },
    /// The ommer is an ancestor of the block.
    #[error("ommer {hash} is an ancestor")]
    OmmerIsAncestor {
        /// Its hash.
        hash: B256,
    },
    /// The ommer's parent is no ancestor within reach, or is the block's own parent.
    #[error("ommer {hash} does not branch off a recent ancestor (its parent is {parent})")]
    OmmerDangling {
        /// Its hash.
        hash: B256,
        /// Its parent's hash.
        parent: B256,
    },
    /// The ommer's header breaks a rule.
    #[error("ommer {hash} of {beneficiary} is invalid")]
    InvalidOmmer {
        /// Its hash.
        hash: B256,
        /// Who mined it.
        beneficiary: Address,
        /// The rule broken.
        source: Box<ConsensusError>,
    },
}

impl ConsensusError {
    /// Whether the block is bad for good, which whoever sent it could know. False for what may change: a
    /// timestamp ahead of our clock, an ancestor we lack, an engine that cannot answer.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Future { .. }
            | Self::MissingAncestor { .. }
            | Self::UnsupportedEngine { .. }
            | Self::NoSealer { .. }
            | Self::NotMerged { .. } => false,
            Self::InvalidOmmer { source, .. } => source.is_fault(),
            _ => true,
        }
    }
}
