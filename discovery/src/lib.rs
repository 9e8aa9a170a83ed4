//! Signed node records, the registry service and its client.
