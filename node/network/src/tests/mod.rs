//! Several real networks in one process, on loopback.
