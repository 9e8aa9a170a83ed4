//! Peers, gossip and sync requests over libp2p.
