//! Rules of blob transactions: counts, versioned hashes, KZG proofs (EIP-4844, EIP-7594). It must not know the
//! pool's content. Proof checks take milliseconds a blob: never under the pool's lock.

use crate::{PoolError, rules::Rules};
use atoll_primitives::{
    PooledTransaction, TransactionExt as _,
    eips::{eip4844::env_settings::EnvKzgSettings, eip7594::BlobTransactionSidecarVariant as Sidecar},
};

/// Version 0 carries a proof a blob, version 1 a proof a cell.
fn version(sidecar: &Sidecar) -> u8 {
    u8::from(sidecar.is_eip7594())
}

pub(crate) fn blob_count(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let Some(hashes) = tx.blob_versioned_hashes() else { return Ok(()) };
    let permitted = rules.blob_params().map_or(0, |params| params.max_blobs_per_tx.min(params.max_blob_count) as usize);
    if hashes.is_empty() {
        return Err(PoolError::Blobless);
    }
    if hashes.len() > permitted {
        return Err(PoolError::TooManyBlobs { have: hashes.len(), permitted });
    }
    Ok(())
}

pub(crate) fn blob_fee_cap(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    match tx.max_fee_per_blob_gas() {
        Some(0) => Err(PoolError::BlobFeeCapTooLow { fee_cap: 0, needed: 1 }),
        _ => Ok(()),
    }
}

/// Counts of the sidecar before any cryptography.
pub(crate) fn sidecar_lengths(tx: &PooledTransaction, _: &Rules<'_>) -> Result<(), PoolError> {
    let Some(tx) = tx.as_eip4844() else { return Ok(()) };
    let (sidecar, hashes) = (&tx.tx().sidecar, tx.tx().tx.blob_versioned_hashes.len());
    let (blobs, commitments) = (sidecar.blobs().len(), sidecar.commitments().len());
    if blobs != hashes || commitments != hashes {
        return Err(PoolError::SidecarLengths { blobs, commitments, hashes });
    }
    Ok(())
}

/// From Osaka on sidecars are of version 1; a local one of version 0 was converted before, as geth does.
pub(crate) fn sidecar_version(tx: &PooledTransaction, rules: &Rules<'_>) -> Result<(), PoolError> {
    let Some(tx) = tx.as_eip4844() else { return Ok(()) };
    let (want, got) = (u8::from(rules.osaka()), version(&tx.tx().sidecar));
    if want != got { Err(PoolError::SidecarVersion { want, got }) } else { Ok(()) }
}

/// Versioned hashes against commitments, commitments against blobs.
pub(crate) fn sidecar_proofs(tx: &PooledTransaction) -> Result<(), PoolError> {
    let Some(tx) = tx.as_eip4844() else { return Ok(()) };
    let result = tx.tx().validate_blob(EnvKzgSettings::Default.get());
    result.map_err(|error| PoolError::InvalidSidecar { reason: error.to_string() })
}

/// The transaction with a sidecar of version 1; anything else comes back as it is.
pub(crate) fn with_cell_proofs(tx: PooledTransaction) -> Result<PooledTransaction, PoolError> {
    tx.try_map_eip4844(|mut tx| {
        tx.sidecar = tx.sidecar.try_convert_into_eip7594()?;
        Ok(tx)
    })
    .map_err(|error: atoll_primitives::eips::eip4844::c_kzg::Error| PoolError::InvalidSidecar {
        reason: format!("no cell proofs can be computed: {error:?}"),
    })
}

/// Whether the transaction carries a sidecar of version 0.
pub(crate) fn is_version_0(tx: &PooledTransaction) -> bool {
    tx.as_eip4844().is_some_and(|tx| tx.tx().sidecar.is_eip4844())
}
