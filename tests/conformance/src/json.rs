//! Reading the suites' JSON: fields by name with an error that names them, numbers and bytes in the forms in use.

use crate::Reason;
use atoll_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::{Map, Value};

/// Fields by name; every error names the field.
pub trait Fields {
    /// A field that must be there.
    ///
    /// # Errors
    /// It is not.
    fn at(&self, key: &str) -> Result<&Value, Reason>;

    /// A text.
    ///
    /// # Errors
    /// It is missing or something else.
    fn text(&self, key: &str) -> Result<&str, Reason> {
        self.at(key)?.as_str().ok_or_else(|| format!("`{key}` is no text"))
    }

    /// A list.
    ///
    /// # Errors
    /// It is missing or something else.
    fn list(&self, key: &str) -> Result<&Vec<Value>, Reason> {
        self.at(key)?.as_array().ok_or_else(|| format!("`{key}` is no list"))
    }

    /// An object.
    ///
    /// # Errors
    /// It is missing or something else.
    fn object(&self, key: &str) -> Result<&Map<String, Value>, Reason> {
        self.at(key)?.as_object().ok_or_else(|| format!("`{key}` is no object"))
    }

    /// A number, see [`number`].
    ///
    /// # Errors
    /// It is missing or no number.
    fn number(&self, key: &str) -> Result<U256, Reason> {
        number(self.at(key)?).map_err(|reason| format!("`{key}`: {reason}"))
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// It is missing, no number, or too large.
    fn small(&self, key: &str) -> Result<u64, Reason> {
        let value = self.number(key)?;
        value.try_into().map_err(|_| format!("`{key}` is {value}, more than 64 bits"))
    }

    /// Bytes in hexadecimal.
    ///
    /// # Errors
    /// It is missing or not hexadecimal.
    fn bytes(&self, key: &str) -> Result<Bytes, Reason> {
        bytes(self.text(key)?).map_err(|reason| format!("`{key}`: {reason}"))
    }

    /// A hash.
    ///
    /// # Errors
    /// It is missing or not 32 bytes.
    fn hash(&self, key: &str) -> Result<B256, Reason> {
        self.text(key)?.parse().map_err(|error| format!("`{key}`: {error}"))
    }

    /// An address.
    ///
    /// # Errors
    /// It is missing or not 20 bytes.
    fn address(&self, key: &str) -> Result<Address, Reason> {
        self.text(key)?.parse().map_err(|error| format!("`{key}`: {error}"))
    }
}

impl Fields for Value {
    fn at(&self, key: &str) -> Result<&Value, Reason> {
        self.get(key).ok_or_else(|| format!("`{key}` is missing"))
    }
}

impl Fields for Map<String, Value> {
    fn at(&self, key: &str) -> Result<&Value, Reason> {
        self.get(key).ok_or_else(|| format!("`{key}` is missing"))
    }
}

/// A number: hexadecimal with `0x`, padded or empty or not, with the mark `0x:bigint `; decimal without; or a JSON number.
///
/// # Errors
/// It is none, or larger than 256 bits.
pub fn number(value: &Value) -> Result<U256, Reason> {
    match value {
        Value::String(text) => number_text(text),
        other => other.as_u64().map(U256::from).ok_or_else(|| format!("{other} is no number")),
    }
}

/// The same from a text.
///
/// # Errors
/// It is none, or larger than 256 bits.
pub fn number_text(text: &str) -> Result<U256, Reason> {
    let plain = text.strip_prefix("0x:bigint ").unwrap_or(text);
    let (digits, radix) = plain.strip_prefix("0x").map_or((plain, 10), |digits| (digits, 16));
    if digits.is_empty() {
        return Ok(U256::ZERO);
    }
    U256::from_str_radix(digits, radix).map_err(|error| format!("{text:?} is no number of 256 bits: {error}"))
}

/// Bytes in hexadecimal, with `0x` or without.
///
/// # Errors
/// They are not.
pub fn bytes(text: &str) -> Result<Bytes, Reason> {
    hex::decode(text).map(Into::into).map_err(|error| format!("{text:?}: {error}"))
}

/// A number as geth's genesis files write it: suites pad numbers with zeros, genesis files must not.
///
/// # Errors
/// It is no number.
pub fn quantity(value: &Value) -> Result<Value, Reason> {
    Ok(Value::String(format!("{:#x}", number(value)?)))
}

/// A storage word as genesis files write it.
///
/// # Errors
/// It is no number.
pub fn word(text: &str) -> Result<Value, Reason> {
    // A key without `0x` is hexadecimal too.
    let text = if text.starts_with("0x") { text.to_owned() } else { format!("0x{text}") };
    Ok(Value::String(B256::from(number_text(&text)?).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_come_in_many_forms() {
        for (value, expected) in [
            (json!("0x"), 0),
            (json!("0x00ff"), 255),
            (json!("255"), 255),
            (json!(255), 255),
            (json!("0x:bigint 0x00ff"), 255),
        ] {
            assert_eq!(number(&value), Ok(U256::from(expected)), "{value}");
        }
        let wide = format!("0x1{}", "0".repeat(64));
        for value in [json!(wide), json!("0xzz"), json!(null), json!("ten")] {
            assert!(number(&value).is_err(), "{value}");
        }
    }
}
