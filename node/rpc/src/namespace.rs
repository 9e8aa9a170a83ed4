//! Sets of methods that a listener offers or not, named as in geth. A new namespace is a variant and its lines here,
//! and one in `modules`.

use std::{fmt, net::IpAddr, str::FromStr};

/// A set of methods that is offered or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Blocks, state, transactions, calls, logs, filters, subscriptions.
    Eth,
    /// Network ID and peer count.
    Net,
    /// Client version and Keccak-256; the development accounts' `personal_sign` comes with `eth`.
    Web3,
    /// What the transaction pool holds.
    Txpool,
    /// Raw data and traces.
    Debug,
    /// Peers of this node.
    Admin,
    /// The miner's switches.
    Miner,
    /// Mining on request, for development.
    Evm,
    /// Parity's traces.
    Trace,
    /// Payloads for tests, on merged chains.
    Testing,
    /// What the Otterscan explorer asks.
    Ots,
}

/// Who is offered a namespace that nobody asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Everybody.
    Public,
    /// Programs on the same machine: these methods are costly, or tell more than strangers should know.
    Local,
    /// Nobody: these methods change the node, and have to be named.
    Operator,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Eth,
        Self::Net,
        Self::Web3,
        Self::Txpool,
        Self::Debug,
        Self::Admin,
        Self::Miner,
        Self::Evm,
        Self::Trace,
        Self::Testing,
        Self::Ots,
    ];

    /// Its name: what stands before the underscore of its methods.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eth => "eth",
            Self::Net => "net",
            Self::Web3 => "web3",
            Self::Txpool => "txpool",
            Self::Debug => "debug",
            Self::Admin => "admin",
            Self::Miner => "miner",
            Self::Evm => "evm",
            Self::Trace => "trace",
            Self::Testing => "testing",
            Self::Ots => "ots",
        }
    }

    const fn audience(self) -> Audience {
        match self {
            Self::Eth | Self::Net | Self::Web3 | Self::Txpool => Audience::Public,
            Self::Debug | Self::Trace | Self::Ots => Audience::Local,
            Self::Admin | Self::Miner | Self::Evm | Self::Testing => Audience::Operator,
        }
    }

    /// What is offered where nothing was chosen: less where strangers can come in.
    pub fn defaults(public: bool) -> Vec<Self> {
        let offered = |namespace: &Self| match namespace.audience() {
            Audience::Public => true,
            Audience::Local => !public,
            Audience::Operator => false,
        };
        Self::ALL.into_iter().filter(offered).collect()
    }

    /// Those of a list that strangers should not be offered.
    pub fn private(namespaces: &[Self]) -> Vec<Self> {
        namespaces.iter().copied().filter(|namespace| namespace.audience() != Audience::Public).collect()
    }

    /// Reads a list of names; `all` stands for every one.
    ///
    /// # Errors
    /// A name nobody knows.
    pub fn parse_list<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, UnknownNamespace> {
        let mut found = Vec::new();
        for name in names.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "all" => found.extend(Self::ALL),
                _ => found.push(name.parse()?),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Whether strangers can reach an address.
pub fn is_public(address: IpAddr) -> bool {
    !address.to_canonical().is_loopback()
}

/// A namespace nobody offers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown JSON-RPC namespace `{0}`; known are {known}, and `all`", known = Namespace::ALL.map(Namespace::name).join(", "))]
pub struct UnknownNamespace(pub String);

impl FromStr for Namespace {
    type Err = UnknownNamespace;

    fn from_str(name: &str) -> Result<Self, UnknownNamespace> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| UnknownNamespace(name.to_owned()))
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_offered_less() {
        assert_eq!(Namespace::defaults(true), [Namespace::Eth, Namespace::Net, Namespace::Web3, Namespace::Txpool]);
        assert!(Namespace::defaults(false).contains(&Namespace::Debug));
        for public in [true, false] {
            let defaults = Namespace::defaults(public);
            assert!([Namespace::Admin, Namespace::Miner, Namespace::Evm].iter().all(|named| !defaults.contains(named)));
        }
        assert!(is_public("0.0.0.0".parse().unwrap()) && is_public("::".parse().unwrap()));
        assert!(!is_public("127.0.0.2".parse().unwrap()) && !is_public("::ffff:127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn lists() {
        assert_eq!(Namespace::parse_list(["net", "eth", "eth", ""]), Ok(vec![Namespace::Eth, Namespace::Net]));
        assert_eq!(Namespace::parse_list(["all"]).unwrap(), Namespace::ALL);
        let error = Namespace::parse_list(["eth", "ethh"]).unwrap_err().to_string();
        assert!(error.contains("`ethh`") && error.contains("miner"), "{error}");
    }
}
