//! Load balancer for JSON-RPC, explorer and stats.
