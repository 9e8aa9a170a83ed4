//! Indexer and web pages over public JSON-RPC.
