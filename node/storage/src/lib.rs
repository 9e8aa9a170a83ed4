//! Tables, flat state, history, trie nodes, block segments.
