//! The ethstats server and its live page.
