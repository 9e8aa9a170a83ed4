//! Parameters that are read more strictly than their types would.

use alloy_rpc_types_eth::BlockNumberOrTag;
use atoll_primitives::{B256, U64};
use serde::{Deserialize, Deserializer, de::Error};

/// A hash with its `0x`, which geth insists on.
pub(crate) struct Hash(pub(crate) B256);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        if !text.starts_with("0x") {
            return Err(D::Error::custom("hex string without 0x prefix"));
        }
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A number as JavaScript sends it, or as a hex quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl From<Number> for BlockNumberOrTag {
    fn from(number: Number) -> Self {
        Self::Number(number.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Hex(U64),
        }
        Form::deserialize(deserializer).map(|form| match form {
            Form::Number(number) => Self(number),
            Form::Hex(number) => Self(number.to()),
        })
    }
}
