//! Where to report, as geth's and Besu's flag writes it. Knows no sockets.

use std::fmt;
use std::str::FromStr;

/// `name:secret@host:port`, `name:secret@ws://host:port/path` or `name:secret@wss://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct EthstatsTarget {
    name: String,
    secret: String,
    host: String,
    urls: Vec<String>,
}

/// Why the flag was not understood. The secret is never part of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No `@`, or nothing before or after it.
    #[error("expected name:secret@host:port")]
    Form,
    /// The part after `@` names no host.
    #[error("{host:?} is not host:port, ws://… or wss://…")]
    Host {
        /// What stood there.
        host: String,
    },
}

impl EthstatsTarget {
    /// What the page shows, and the `id` of every message.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the server wants to hear in the hello.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// Where it is, for logs.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What to try, in this order.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }
}

impl FromStr for EthstatsTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        // A secret may hold an @, a host cannot.
        let (who, host) = text.rsplit_once('@').ok_or(TargetError::Form)?;
        // A name may hold a colon in geth's grammar; the secret follows the last one. Without a secret: just a name.
        let (name, secret) = who.rsplit_once(':').unwrap_or((who, ""));
        if name.is_empty() || host.is_empty() {
            return Err(TargetError::Form);
        }
        let wrong = || TargetError::Host { host: host.to_owned() };
        let full = host.contains("://");
        let urls = if full {
            vec![host.to_owned()]
        } else {
            // The path eth-netstats serves; our own server answers there too. TLS first, as geth does: a secret must
            // not go over the wire in the clear where it can be helped.
            vec![format!("wss://{host}/api"), format!("ws://{host}/api")]
        };
        let parsed = urls.iter().map(|url| url::Url::parse(url)).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
        if parsed.iter().any(|url| !matches!(url.scheme(), "ws" | "wss") || url.host_str().is_none_or(str::is_empty)) {
            return Err(wrong());
        }
        // A full URL without a path means the usual one.
        let urls = match parsed.first() {
            Some(url) if full && url.path() == "/" => {
                let mut url = url.clone();
                url.set_path("/api");
                vec![url.to_string()]
            }
            _ => urls,
        };
        Ok(Self { name: name.to_owned(), secret: secret.to_owned(), host: host.to_owned(), urls })
    }
}

impl fmt::Debug for EthstatsTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EthstatsTarget").field("name", &self.name).field("host", &self.host).finish_non_exhaustive()
    }
}
