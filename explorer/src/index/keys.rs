//! How keys are laid out, so that ranges come in the order of the chain. Knows no values.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// Where a transaction stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Block.
    pub block_number: u64,
    /// Position in the block.
    pub transaction_index: u32,
}

impl Place {
    /// Before everything.
    pub const FIRST: Self = Self { block_number: 0, transaction_index: 0 };
    /// After everything.
    pub const LAST: Self = Self { block_number: u64::MAX, transaction_index: u32::MAX };

    /// As a key: number ‖ index, big-endian.
    pub fn key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..8].copy_from_slice(&self.block_number.to_be_bytes());
        key[8..].copy_from_slice(&self.transaction_index.to_be_bytes());
        key
    }

    /// From the last twelve bytes of a key; `None` for a shorter one.
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (rest, index) = key.split_last_chunk::<4>()?;
        let (_, number) = rest.split_last_chunk::<8>()?;
        Some(Self { block_number: u64::from_be_bytes(*number), transaction_index: u32::from_be_bytes(*index) })
    }

    /// As a key of one address's transactions.
    pub fn key_of(self, address: &Address) -> [u8; 32] {
        let mut key = [0; 32];
        key[..20].copy_from_slice(address.as_slice());
        key[20..].copy_from_slice(&self.key());
        key
    }
}

/// Written `number-index` in links to the next page.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.block_number, self.transaction_index)
    }
}

impl std::str::FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, index) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { block_number: number.parse()?, transaction_index: index.parse()? })
    }
}
