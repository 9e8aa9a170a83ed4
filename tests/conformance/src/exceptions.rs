//! From the suites' names for what is wrong to the rules of ours that may refuse it: "rejected for the right reason".
//!
//! Two vocabularies are in use: execution-spec-tests' `TransactionException.X` and `BlockException.X`, and the names of
//! retesteth in older suites. Alternatives are joined with `|`. Where a block breaks several rules at once, clients
//! differ in which they look at first; an entry lists a second rule only where the comment above it says why the two
//! come together. A name that is not here is a failure of the case.

use crate::{Reason, rule::Rule as R};

type Entry = (&'static str, &'static [R]);

/// Transactions that may not stand in a block, or are none.
const TRANSACTION: &[Entry] = &[
    ("SENDER_NOT_EOA", &[R::SenderNotEoa]),
    ("NONCE_MISMATCH_TOO_HIGH", &[R::NonceTooHigh]),
    ("NONCE_MISMATCH_TOO_LOW", &[R::NonceTooLow]),
    ("NONCE_TOO_BIG", &[R::NonceMax]),
    ("NONCE_IS_MAX", &[R::NonceMax]),
    // Who asks for more gas than a block has can mostly not pay it either: geth looks at the balance first, we and the
    // execution specifications at the block.
    ("INSUFFICIENT_ACCOUNT_FUNDS", &[R::Funds, R::CostOverflow, R::WideFee, R::BlockGasReached]),
    ("INSUFFICIENT_MAX_FEE_PER_GAS", &[R::FeeCap]),
    ("PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", &[R::TipAboveFeeCap]),
    ("PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2", &[R::TipAboveFeeCap, R::WideFee]),
    ("INSUFFICIENT_MAX_FEE_PER_BLOB_GAS", &[R::BlobFeeCap]),
    ("INTRINSIC_GAS_TOO_LOW", &[R::IntrinsicGas]),
    ("INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", &[R::FloorDataGas]),
    ("INITCODE_SIZE_EXCEEDED", &[R::InitCodeSize]),
    ("GAS_ALLOWANCE_EXCEEDED", &[R::BlockGasReached]),
    ("GAS_LIMIT_EXCEEDS_MAXIMUM", &[R::TxGasCap]),
    ("GASLIMIT_PRICE_PRODUCT_OVERFLOW", &[R::CostOverflow, R::WideFee]),
    ("TYPE_NOT_SUPPORTED", &[R::TypeNotSupported, R::Decode]),
    ("TYPE_1_TX_PRE_FORK", &[R::TypeNotSupported]),
    ("TYPE_2_TX_PRE_FORK", &[R::TypeNotSupported]),
    // Before Cancun a header has no place for the gas of blobs, which the body is checked for first.
    ("TYPE_3_TX_PRE_FORK", &[R::TypeNotSupported, R::BlobGasUsed]),
    ("TYPE_3_TX_ZERO_BLOBS_PRE_FORK", &[R::TypeNotSupported, R::NoBlobs]),
    ("TYPE_3_TX_ZERO_BLOBS", &[R::NoBlobs]),
    ("TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", &[R::BlobVersion]),
    ("TYPE_3_TX_WITH_FULL_BLOBS", &[R::Decode]),
    // The header's sum is above the limit as soon as one transaction is; the header is checked first.
    ("TYPE_3_TX_BLOB_COUNT_EXCEEDED", &[R::TooManyBlobs, R::BlobGasReached, R::BlobGasAboveLimit]),
    ("TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED", &[R::BlobGasReached, R::TooManyBlobs, R::BlobGasAboveLimit]),
    // Our type for such transactions has a recipient that cannot be absent: it does not decode.
    ("TYPE_3_TX_CONTRACT_CREATION", &[R::BlobCreate, R::Decode]),
    ("TYPE_4_TX_PRE_FORK", &[R::TypeNotSupported]),
    ("TYPE_4_EMPTY_AUTHORIZATION_LIST", &[R::NoAuthorizations]),
    ("TYPE_4_TX_CONTRACT_CREATION", &[R::Malformed, R::Decode]),
    ("TYPE_4_INVALID_AUTHORITY_SIGNATURE", &[R::Decode]),
    ("TYPE_4_INVALID_AUTHORITY_SIGNATURE_S_TOO_HIGH", &[R::Decode]),
    ("TYPE_4_INVALID_AUTHORIZATION_FORMAT", &[R::Decode]),
    ("INVALID_SIGNATURE_VRS", &[R::Signature, R::Decode]),
    ("EC_RECOVERY_FAIL", &[R::Signature]),
    // A chain ID shows in `v` of a legacy signature: what is out of its range does not decode.
    ("INVALID_CHAINID", &[R::ChainId, R::Signature, R::Decode]),
    ("ADDRESS_TOO_SHORT", &[R::Decode]),
    ("ADDRESS_TOO_LONG", &[R::Decode]),
    ("NONCE_OVERFLOW", &[R::Decode]),
    ("GASLIMIT_OVERFLOW", &[R::Decode]),
    ("VALUE_OVERFLOW", &[R::Decode]),
    ("GASPRICE_OVERFLOW", &[R::WideFee]),
    ("PRIORITY_OVERFLOW", &[R::WideFee]),
];

/// Blocks, apart from their transactions.
const BLOCK: &[Entry] = &[
    ("TOO_MANY_UNCLES", &[R::TooManyOmmers]),
    ("UNCLE_IN_CHAIN", &[R::DuplicateOmmer, R::OmmerIsAncestor]),
    ("UNCLE_IS_ANCESTOR", &[R::OmmerIsAncestor]),
    ("UNCLE_IS_BROTHER", &[R::DuplicateOmmer, R::OmmerDangling]),
    ("UNCLE_PARENT_INCORRECT", &[R::OmmerDangling]),
    // An ommer with another parent may be one of the ancestors themselves.
    ("UNCLE_UNKNOWN_PARENT", &[R::OmmerDangling, R::OmmerIsAncestor]),
    ("EXTRA_DATA_TOO_BIG", &[R::ExtraData]),
    ("EXTRA_DATA_INVALID_DAO", &[R::DaoExtraData]),
    ("UNKNOWN_PARENT", &[R::UnknownParent, R::RefusedParent]),
    ("UNKNOWN_PARENT_ZERO", &[R::UnknownParent]),
    ("GASLIMIT_TOO_BIG", &[R::GasLimitTooHigh]),
    ("INVALID_GASLIMIT", &[R::GasLimitStep, R::GasLimitBounds, R::GasLimitTooHigh]),
    ("INVALID_BLOCK_NUMBER", &[R::Number]),
    ("INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", &[R::Timestamp]),
    ("INVALID_DIFFICULTY", &[R::Difficulty]),
    ("INVALID_LOG_BLOOM", &[R::LogsBloom]),
    ("INVALID_STATE_ROOT", &[R::StateRoot]),
    ("INVALID_RECEIPTS_ROOT", &[R::ReceiptsRoot]),
    ("INVALID_TRANSACTIONS_ROOT", &[R::TransactionsRoot]),
    ("INVALID_UNCLES_HASH", &[R::OmmersHash]),
    ("INVALID_WITHDRAWALS_ROOT", &[R::WithdrawalsRoot]),
    ("INVALID_BASEFEE_PER_GAS", &[R::BaseFee]),
    ("INVALID_GAS_USED", &[R::GasUsed]),
    ("INVALID_GAS_USED_ABOVE_LIMIT", &[R::GasUsedAboveLimit]),
    ("GAS_USED_OVERFLOW", &[R::GasUsedAboveLimit, R::BlockGasReached]),
    ("INCORRECT_BLOCK_FORMAT", &[R::FieldMissing, R::FieldTooEarly, R::Decode]),
    ("BLOB_GAS_USED_ABOVE_LIMIT", &[R::BlobGasAboveLimit]),
    ("INCORRECT_BLOB_GAS_USED", &[R::BlobGasUsed, R::BlobGasMultiple]),
    ("INCORRECT_EXCESS_BLOB_GAS", &[R::ExcessBlobGas]),
    ("INVALID_VERSIONED_HASHES", &[R::BlobVersion]),
    ("RLP_STRUCTURES_ENCODING", &[R::Decode]),
    // A body may leave the list out as far as its encoding goes; it then does not fit the header.
    ("RLP_WITHDRAWALS_NOT_READ", &[R::Decode, R::WithdrawalsRoot]),
    ("INVALID_SEAL", &[R::Seal]),
    ("RLP_BLOCK_LIMIT_EXCEEDED", &[R::BlockSize]),
    ("INVALID_REQUESTS", &[R::RequestsHash]),
    ("SYSTEM_CONTRACT_EMPTY", &[R::SystemContractMissing]),
    ("SYSTEM_CONTRACT_CALL_FAILED", &[R::SystemContractFailed]),
    ("INVALID_DEPOSIT_EVENT_LAYOUT", &[R::DepositLog]),
    ("INVALID_BLOCK_HASH", &[R::Decode]),
    // Import over the wrong kind of parent: a header with a fork's field too many or too few.
    ("IMPORT_IMPOSSIBLE_LEGACY", &[R::FieldMissing]),
    ("IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT", &[R::FieldMissing]),
    ("IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT", &[R::FieldTooEarly]),
    ("IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI", &[R::FieldMissing]),
    ("IMPORT_IMPOSSIBLE_SHANGHAI", &[R::FieldTooEarly]),
    ("IMPORT_IMPOSSIBLE_PARIS_WRONG_POW", &[R::WorkAfterMerge, R::MergedDifficulty, R::Difficulty]),
    ("IMPORT_IMPOSSIBLE_PARIS_WRONG_POS", &[R::MergedTooEarly, R::Difficulty]),
    ("IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS", &[R::WorkAfterMerge, R::MergedDifficulty]),
    ("IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", &[R::MergedOmmers]),
    ("IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS", &[R::MergedDifficulty, R::WorkAfterMerge]),
];

/// Names of retesteth, with the newer name for the same.
const LEGACY: &[(&str, &str)] = &[
    ("TR_IntrinsicGas", "INTRINSIC_GAS_TOO_LOW"),
    ("IntrinsicGas", "INTRINSIC_GAS_TOO_LOW"),
    ("OutOfGas", "INTRINSIC_GAS_TOO_LOW"),
    ("TR_NoFunds", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_NoFundsX", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_NoFundsValue", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("insufficient_account_balance", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("insufficient account balance", "INSUFFICIENT_ACCOUNT_FUNDS"),
    ("insufficient max fee per gas", "INSUFFICIENT_MAX_FEE_PER_GAS"),
    ("insufficient max fee per blob gas", "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"),
    ("invalid max fee per blob gas", "INSUFFICIENT_MAX_FEE_PER_BLOB_GAS"),
    ("invalid blob versioned hash", "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"),
    ("zero blob tx", "TYPE_3_TX_ZERO_BLOBS"),
    ("too many blobs", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"),
    ("too_many_blobs_tx", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"),
    ("invalid_blob_count", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"),
    ("tx type 3 not allowed pre-Cancun", "TYPE_3_TX_PRE_FORK"),
    ("invalid excess blob gas", "INCORRECT_EXCESS_BLOB_GAS"),
    ("invalid excessBlobGas", "INCORRECT_EXCESS_BLOB_GAS"),
    ("invalid blob gas used", "INCORRECT_BLOB_GAS_USED"),
    ("invalid pre fork blob fields", "INCORRECT_BLOCK_FORMAT"),
    ("blob fields missing post fork", "INCORRECT_BLOCK_FORMAT"),
    ("TR_RLP_WRONGVALUE", "VALUE_OVERFLOW|INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_NoFundsOrGas", "INSUFFICIENT_ACCOUNT_FUNDS|INTRINSIC_GAS_TOO_LOW"),
    ("SenderNotEOA", "SENDER_NOT_EOA"),
    ("SenderNotEOAorNoCASH", "SENDER_NOT_EOA|INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_FeeCapLessThanBlocks", "INSUFFICIENT_MAX_FEE_PER_GAS"),
    ("TR_FeeCapLessThanBlocksORNoFunds", "INSUFFICIENT_MAX_FEE_PER_GAS|INSUFFICIENT_ACCOUNT_FUNDS"),
    ("TR_FeeCapLessThanBlocksORGasLimitReached", "INSUFFICIENT_MAX_FEE_PER_GAS|GAS_ALLOWANCE_EXCEEDED"),
    ("TR_GasLimitReached", "GAS_ALLOWANCE_EXCEEDED"),
    ("BlockGasLimitReached", "GAS_ALLOWANCE_EXCEEDED"),
    // Among these are blocks with a gas limit of zero, which is below the least one too.
    ("TooMuchGasUsed", "GAS_USED_OVERFLOW|INVALID_GASLIMIT"),
    ("InvalidBlockNonce", "INVALID_SEAL"),
    ("InvalidBlockMixHash", "INVALID_SEAL"),
    ("TR_NonceHasMaxValue", "NONCE_IS_MAX"),
    ("TR_NonceTooHigh", "NONCE_MISMATCH_TOO_HIGH"),
    ("TR_NonceTooLow", "NONCE_MISMATCH_TOO_LOW"),
    ("TR_TipGtFeeCap", "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"),
    ("1559PriorityFeeGreaterThanBaseFee", "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"),
    ("1559BaseFeeTooLarge", "GASPRICE_OVERFLOW"),
    ("TR_TypeNotSupported", "TYPE_NOT_SUPPORTED|TYPE_3_TX_PRE_FORK"),
    ("TR_TypeNotSupportedBlob", "TYPE_3_TX_PRE_FORK"),
    ("LegacyBlockBaseFeeTransaction", "TYPE_2_TX_PRE_FORK"),
    ("TR_TooShort", "RLP_STRUCTURES_ENCODING"),
    ("TR_BlobDecodeError", "RLP_STRUCTURES_ENCODING"),
    ("TR_InitCodeLimitExceeded", "INITCODE_SIZE_EXCEEDED"),
    ("TR_EMPTYBLOB", "TYPE_3_TX_ZERO_BLOBS"),
    ("TR_BLOBCREATE", "TYPE_3_TX_CONTRACT_CREATION"),
    ("TR_BLOBVERSION_INVALID", "TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH"),
    ("TR_BLOBLIST_OVERSIZE", "TYPE_3_TX_BLOB_COUNT_EXCEEDED"),
    ("InvalidTransactionVRS", "INVALID_SIGNATURE_VRS|EC_RECOVERY_FAIL"),
    ("InvalidNumber", "INVALID_BLOCK_NUMBER"),
    ("InvalidTimestamp", "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
    ("InvalidTimestampEqualParent", "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
    ("InvalidTimestampOlderParent", "INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT"),
    ("InvalidDifficulty", "INVALID_DIFFICULTY"),
    ("InvalidGasLimit", "INVALID_GASLIMIT|GASLIMIT_TOO_BIG"),
    ("InvalidGasLimit2", "INVALID_GASLIMIT"),
    ("1559BlockImportImpossible_TargetGasLow", "INVALID_GASLIMIT"),
    ("1559BlockImportImpossible_TargetGasHigh", "INVALID_GASLIMIT"),
    ("1559BlockImportImpossible_InitialGasLimitInvalid", "INVALID_GASLIMIT"),
    ("1559BlockImportImpossible_BaseFeeWrong", "INVALID_BASEFEE_PER_GAS"),
    ("1559BlockImportImpossible_InitialBaseFeeWrong", "INVALID_BASEFEE_PER_GAS"),
    ("1559BlockImportImpossible_HeaderIsLegacy", "IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT"),
    ("LegacyBlockImportImpossible", "IMPORT_IMPOSSIBLE_LEGACY"),
    ("LegacyBlockImportImpossible2", "IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT"),
    ("ParisBlockImportImpossible", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"),
    ("MergeBlockImportImpossible", "IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI"),
    ("ShanghaiBlockImportImpossible", "IMPORT_IMPOSSIBLE_SHANGHAI"),
    ("3675PoWBlockRejected", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POW"),
    ("3675PoSBlockRejected", "IMPORT_IMPOSSIBLE_PARIS_WRONG_POS"),
    ("3675PreParis1559BlockRejected", "IMPORT_IMPOSSIBLE_LONDON_OVER_PARIS|IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"),
    ("PostParisUncleHashIsNotEmpty", "IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS"),
    ("PostParisDifficultyIsNot0", "IMPORT_IMPOSSIBLE_DIFFICULTY_OVER_PARIS"),
    ("InvalidGasUsed", "INVALID_GAS_USED"),
    ("InvalidGasUsed2", "INVALID_GAS_USED|GAS_USED_OVERFLOW"),
    ("InvalidLogBloom", "INVALID_LOG_BLOOM"),
    ("InvalidStateRoot", "INVALID_STATE_ROOT"),
    ("InvalidReceiptsStateRoot", "INVALID_RECEIPTS_ROOT"),
    ("InvalidTransactionsRoot", "INVALID_TRANSACTIONS_ROOT"),
    ("InvalidUnclesHash", "INVALID_UNCLES_HASH"),
    ("UnknownParent", "UNKNOWN_PARENT"),
    ("UnknownParent2", "UNKNOWN_PARENT"),
    ("InvalidUncleParentHash", "UNCLE_UNKNOWN_PARENT"),
    ("UncleParentIsNotAncestor", "UNCLE_PARENT_INCORRECT"),
    ("UncleInChain", "UNCLE_IN_CHAIN"),
    ("UncleIsAncestor", "UNCLE_IS_ANCESTOR"),
    ("UncleIsBrother", "UNCLE_IS_BROTHER"),
    ("TooManyUncles", "TOO_MANY_UNCLES"),
    ("ExtraDataTooBig", "EXTRA_DATA_TOO_BIG"),
    ("ExtraDataIncorrectDAO", "EXTRA_DATA_INVALID_DAO"),
    // The blocks of this name have no list of withdrawals.
    ("RLP_ExpectedAsList", "RLP_WITHDRAWALS_NOT_READ"),
    ("OVERSIZE_RLP", "RLP_STRUCTURES_ENCODING"),
    ("BLOCKHEADER_VALUE_TOOLARGE", "RLP_STRUCTURES_ENCODING"),
    ("TRANSACTION_VALUE_TOOLARGE", "RLP_STRUCTURES_ENCODING"),
    ("TRANSACTION_VALUE_TOOSHORT", "RLP_STRUCTURES_ENCODING"),
];

/// Beginnings of names that all mean bytes which do not decode: the suites tell apart which field it is, our decoder
/// reports the first.
const DECODING: [&str; 8] = [
    "RLP_",
    "INPUT_UNMARSHAL",
    "2930AccessList",
    "1559LeadingZeros",
    "LeadingZeros",
    "AddressToo",
    "AddressLess",
    "AddressMore",
];

/// Whether `rule` is among what `expected` names.
///
/// # Errors
/// It is not, or a name is not known.
pub fn check(expected: &str, rule: R) -> Result<(), Reason> {
    for name in expected.split('|') {
        let rules = rules(name).ok_or_else(|| format!("the exception {name} is not in the mapping"))?;
        // A fee that is too wide is one of the things that do not decode.
        if rules.contains(&rule) || (rule == R::WideFee && rules.contains(&R::Decode)) {
            return Ok(());
        }
    }
    Err(format!("refused by the rule {rule:?}, expected {expected}"))
}

/// Whether one of the names is about a transaction.
pub fn is_about_transaction(expected: &str) -> bool {
    expected.split('|').any(|name| {
        let names: Vec<&str> = match LEGACY.iter().find(|(legacy, _)| *legacy == name) {
            Some((_, newer)) => newer.split('|').collect(),
            None => vec![name.trim_start_matches("TransactionException.")],
        };
        names.iter().any(|name| TRANSACTION.iter().any(|(known, _)| known == name))
    })
}

/// All rules that one name stands for.
fn rules(name: &str) -> Option<Vec<R>> {
    if let Some((_, newer)) = LEGACY.iter().find(|(legacy, _)| *legacy == name) {
        return newer.split('|').map(rules).collect::<Option<Vec<_>>>().map(|all| all.concat());
    }
    let short = name.trim_start_matches("TransactionException.").trim_start_matches("BlockException.");
    let entry = TRANSACTION.iter().chain(BLOCK).find(|(known, _)| *known == short);
    if let Some((_, rules)) = entry {
        return Some(rules.to_vec());
    }
    DECODING.iter().any(|start| short.starts_with(start)).then(|| vec![R::Decode, R::WideFee])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_legacy_name_leads_to_rules() {
        for (name, _) in LEGACY {
            assert!(rules(name).is_some_and(|rules| !rules.is_empty()), "{name}");
        }
    }

    #[test]
    fn one_of_several_names_is_enough_and_another_rule_is_not() {
        let funds_or_gas = "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS|TransactionException.INTRINSIC_GAS_TOO_LOW";
        assert_eq!(check(funds_or_gas, R::IntrinsicGas), Ok(()));
        assert!(check(funds_or_gas, R::NonceTooLow).is_err());
        assert!(check("BlockException.NO_SUCH_NAME", R::Decode).is_err());
        assert_eq!(check("RLP_ExpectedAsList", R::Decode), Ok(()));
    }
}
