//! What a client has to show: a JSON Web Token as in the Engine API (HS256, execution-apis `engine/authentication.md`),
//! or one of a list of static bearer tokens. It must not know HTTP beyond the text of an `Authorization` header.
//!
//! Secrets come from files, so that they stand neither in a process list nor in a log; `Debug` shows none.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::{fmt, path::Path, sync::Arc};
use subtle::ConstantTimeEq as _;

/// How far a token's `iat` may be from our clock, in seconds (execution-apis).
const IAT_WINDOW: u64 = 60;
/// A header longer than this is not looked at.
const MAX_HEADER: usize = 8 << 10;
/// A file of secrets larger than this is a mistake.
const MAX_FILE: u64 = 1 << 20;
/// Shortest static token: 16 characters of hex are 64 bits, which nobody guesses over a network.
const MIN_TOKEN: usize = 16;

/// Why a file of secrets cannot be used. The secret itself is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It cannot be read.
    #[error("cannot read the secrets in {path}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{path} has {size} bytes; a file of secrets has {MAX_FILE} at the most")]
    Size {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
    },
    /// Not 32 bytes in hex.
    #[error("{path} does not hold a JWT secret: 64 hex digits are wanted, there are {length} characters")]
    Secret {
        /// The file.
        path: String,
        /// What is there.
        length: usize,
    },
    /// No token in the file.
    #[error("{path} holds no token: one a line is wanted, `#` starts a comment")]
    NoToken {
        /// The file.
        path: String,
    },
    /// A token that is too easy.
    #[error("line {line} of {path}: a token has {MIN_TOKEN} visible ASCII characters at least")]
    Token {
        /// The file.
        path: String,
        /// The line.
        line: usize,
    },
}

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("missing token: an `Authorization: Bearer …` header is needed")]
    Missing,
    #[error("invalid token")]
    Invalid,
    #[error("stale token: its `iat` is more than {IAT_WINDOW} seconds from the node's clock")]
    Stale,
    #[error("expired token")]
    Expired,
}

/// What is accepted; whoever shows one of it may come in. Nothing configured lets everybody in.
#[derive(Clone, Default)]
pub struct Auth {
    jwt: Option<[u8; 32]>,
    /// Hashes of the tokens: equal lengths make comparing take equal time.
    tokens: Arc<[[u8; 32]]>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("jwt", &self.jwt.is_some()).field("tokens", &self.tokens.len()).finish()
    }
}

fn read(path: &Path) -> Result<String, AuthError> {
    let shown = path.display().to_string();
    let failed = |source| AuthError::Read { path: path.display().to_string(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE {
        return Err(AuthError::Size { path: shown, size });
    }
    std::fs::read_to_string(path).map_err(failed)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: Option<u64>,
}

fn part<T: serde::de::DeserializeOwned>(encoded: &str) -> Result<T, Denied> {
    let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Denied::Invalid)?;
    serde_json::from_slice(&json).map_err(|_| Denied::Invalid)
}

impl Auth {
    /// Accepts tokens signed with the secret in a file: 32 bytes in hex, with or without `0x`.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub fn with_jwt_file(mut self, path: &Path) -> Result<Self, AuthError> {
        let text = read(path)?;
        let digits = text.trim();
        let secret = digits.strip_prefix("0x").unwrap_or(digits).as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = secret.chunks(2).map(byte).collect();
        // `from_str_radix` would take a sign for a digit.
        let hex = secret.iter().all(u8::is_ascii_hexdigit);
        let secret = bytes.filter(|_| hex && secret.len() == 64).and_then(|bytes| bytes.try_into().ok());
        let wrong = || AuthError::Secret { path: path.display().to_string(), length: digits.len() };
        self.jwt = Some(secret.ok_or_else(wrong)?);
        Ok(self)
    }

    /// Accepts the tokens in a file, one a line.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub fn with_token_file(mut self, path: &Path) -> Result<Self, AuthError> {
        let text = read(path)?;
        let mut tokens = self.tokens.to_vec();
        let before = tokens.len();
        for (index, line) in text.lines().enumerate() {
            let token = line.trim();
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            if token.len() < MIN_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(AuthError::Token { path: path.display().to_string(), line: index + 1 });
            }
            tokens.push(Sha256::digest(token).into());
        }
        if tokens.len() == before {
            return Err(AuthError::NoToken { path: path.display().to_string() });
        }
        self.tokens = tokens.into();
        Ok(self)
    }

    /// Whether everybody may come in.
    pub fn is_open(&self) -> bool {
        self.jwt.is_none() && self.tokens.is_empty()
    }

    /// Checks an `Authorization` header at this time, in seconds since 1970.
    ///
    /// # Errors
    /// Why the client is turned away.
    pub fn check(&self, authorization: Option<&str>, now: u64) -> Result<(), Denied> {
        if self.is_open() {
            return Ok(());
        }
        let header = authorization.filter(|header| header.len() <= MAX_HEADER).ok_or(Denied::Missing)?;
        let (scheme, token) = header.split_once(' ').ok_or(Denied::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Denied::Missing);
        }
        let token = token.trim();
        let hash = Sha256::digest(token);
        // Every token is compared, so that the time tells nothing.
        let known = self.tokens.iter().fold(subtle::Choice::from(0), |found, each| found | each[..].ct_eq(&hash[..]));
        if known.into() {
            return Ok(());
        }
        match &self.jwt {
            Some(secret) => check_jwt(secret, token, now),
            None => Err(Denied::Invalid),
        }
    }
}

/// HS256 with a fresh `iat`. The signature is looked at before anything inside is believed.
fn check_jwt(secret: &[u8; 32], token: &str, now: u64) -> Result<(), Denied> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Denied::Invalid)?;
    let (header, claims) = signed.split_once('.').ok_or(Denied::Invalid)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Denied::Invalid)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Denied::Invalid)?;
    mac.update(signed.as_bytes());
    // Constant in time.
    mac.verify_slice(&signature).map_err(|_| Denied::Invalid)?;
    if part::<Header>(header)?.alg != "HS256" {
        return Err(Denied::Invalid);
    }
    let Claims { iat, exp } = part(claims)?;
    if now.abs_diff(iat) > IAT_WINDOW {
        return Err(Denied::Stale);
    }
    if exp.is_some_and(|exp| exp < now) {
        return Err(Denied::Expired);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
