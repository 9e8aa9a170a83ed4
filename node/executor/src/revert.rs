//! The reason inside revert data: Solidity's `Error(string)` and `Panic(uint256)`, worded as geth words them.

use atoll_primitives::U256;

const ERROR_SELECTOR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
const PANIC_SELECTOR: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];

/// The reason, if the data holds one in a known encoding.
pub fn revert_reason(data: &[u8]) -> Option<String> {
    let (selector, rest) = data.split_first_chunk::<4>()?;
    match *selector {
        ERROR_SELECTOR => error_string(rest),
        PANIC_SELECTOR => rest.get(..32).map(|code| panic_reason(U256::from_be_slice(code))),
        _ => None,
    }
}

/// ABI: offset of the string, then its length and bytes.
fn error_string(data: &[u8]) -> Option<String> {
    let word = |at: usize| data.get(at..at.checked_add(32)?).map(U256::from_be_slice);
    let offset = usize::try_from(word(0)?).ok()?;
    let length = usize::try_from(word(offset)?).ok()?;
    let start = offset.checked_add(32)?;
    let text = data.get(start..start.checked_add(length)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Solidity's panic codes.
fn panic_reason(code: U256) -> String {
    let known = match u64::try_from(code) {
        Ok(0x00) => "generic panic",
        Ok(0x01) => "assert(false)",
        Ok(0x11) => "arithmetic underflow or overflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "enum overflow",
        Ok(0x22) => "invalid encoded storage byte array accessed",
        Ok(0x31) => "out-of-bounds array access; popping on an empty array",
        Ok(0x32) => "out-of-bounds access of an array or bytesN",
        Ok(0x41) => "out of memory",
        Ok(0x51) => "uninitialized function",
        _ => return format!("unknown panic code: {code:#x}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::revert_reason as reason;
    use atoll_primitives::hex;

    #[test]
    fn known_encodings() {
        let error = hex!(
            "08c379a00000000000000000000000000000000000000000000000000000000000000020000000000000000000000000000000000000000000000000000000000000000a75736572206572726f72"
        );
        assert_eq!(reason(&error).as_deref(), Some("user error"));
        let panic = hex!("4e487b710000000000000000000000000000000000000000000000000000000000000001");
        assert_eq!(reason(&panic).as_deref(), Some("assert(false)"));
    }

    #[test]
    fn hostile_lengths_yield_nothing() {
        assert_eq!(reason(&[]), None);
        let mut data = vec![0x08, 0xc3, 0x79, 0xa0];
        data.extend([0xff; 64]);
        assert_eq!(reason(&data), None);
        assert_eq!(reason(&hex!("4e487b71")), None);
    }
}
