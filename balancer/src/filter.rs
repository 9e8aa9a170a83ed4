//! Filter IDs that say which node they belong to: the node's tag, then the node's own ID. Pure.
//!
//! Nothing has to be remembered, so filters survive a restart of the balancer and work through any of several.

/// Digits of a QUANTITY of 256 bits, the widest a client's library parses.
const MAX_DIGITS: usize = 64;
const TAG_DIGITS: usize = 8;

/// The ID for the client; `None` when the node's is not one that can be extended, and then it stays as it is.
pub(crate) fn encode(tag: u32, id: &str) -> Option<String> {
    let digits = id.strip_prefix("0x")?;
    let fits = !digits.is_empty() && digits.len() <= MAX_DIGITS - TAG_DIGITS;
    (fits && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| format!("0x{tag:08x}{digits}"))
}

/// The tag and the node's ID.
pub(crate) fn decode(id: &str) -> Option<(u32, String)> {
    let digits = id.strip_prefix("0x").filter(|digits| digits.len() <= MAX_DIGITS)?;
    let (tag, own) = digits.split_at_checked(TAG_DIGITS)?;
    if own.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let tag = u32::from_str_radix(tag, 16).ok()?;
    (tag >= 0x8000_0000).then(|| (tag, format!("0x{own}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_come_back_with_their_node() {
        for id in ["0x1", "0x10ff59ab13d34ca1c4e4a3b7b1a3f6a5", "0x0000000000000001"] {
            let public = encode(0x8123_4567, id).unwrap();
            assert!(public.starts_with("0x81234567"));
            assert_eq!(decode(&public).unwrap(), (0x8123_4567, id.to_owned()));
        }
    }

    #[test]
    fn forged_ids_are_nobodys() {
        let long = format!("0x{}", "f".repeat(65));
        for id in ["", "0x", "0x1", "0x81234567", "81234567ab", "0x8123456é7", "0x01234567ab", "0x8123456gab", &long] {
            assert_eq!(decode(id), None, "{id}");
        }
        assert_eq!(encode(0x8000_0000, &format!("0x{}", "1".repeat(57))), None);
        assert_eq!(encode(0x8000_0000, "abc"), None);
    }
}
