//! RLPTests: items and their encodings, and bytes that are none, through the codec that blocks and messages use.

use super::fixtures::guarded;
use crate::{
    File, Files, Job, Reason, Recorder, Suite,
    json::{Fields, bytes},
};
use atoll_primitives::{
    U256,
    rlp::{self, Encodable, Header},
};
use serde_json::{Map, Value};

pub const SUITE: Suite = Suite { name: "rlp", discover };

fn discover(files: &mut Files) -> Vec<Job> {
    let known = |file: &File| file.path.contains("RLPTests/") && file.name().ends_with(".json");
    let job = |file: File| {
        let contents = file.clone();
        Job::new(super::row(&file.path), &file, move |recorder| {
            if let Err(reason) = run(&contents, recorder) {
                recorder.record("-", "-", Err(reason));
            }
        })
    };
    files.take(known).into_iter().map(job).collect()
}

fn run(file: &File, recorder: &mut Recorder<'_>) -> Result<(), Reason> {
    let cases: Map<String, Value> = serde_json::from_str(&file.text()?).map_err(|error| error.to_string())?;
    for (name, case) in &cases {
        recorder.record("-", name, guarded(|| check(case)));
    }
    Ok(())
}

fn check(case: &Value) -> Result<(), Reason> {
    let (input, encoded) = (case.at("in")?, bytes(case.text("out")?)?);
    let decoded = Item::decode_exact(&encoded);
    match input.as_str() {
        Some("INVALID") => match decoded {
            Err(_) => Ok(()),
            Ok(item) => Err(format!("decoded to {item:?}, which must be refused")),
        },
        Some("VALID") => decoded.map(drop),
        _ => {
            let item = Item::read(input)?;
            let found = rlp::encode(&item);
            if found != encoded {
                return Err(format!("encoded as {}, expected {encoded}", atoll_primitives::Bytes::from(found)));
            }
            let decoded = decoded?;
            if decoded == item { Ok(()) } else { Err(format!("decoded to {decoded:?}, expected {item:?}")) }
        }
    }
}

/// What RLP is about: a string of bytes, or a list of items.
#[derive(Debug, PartialEq)]
enum Item {
    Bytes(Vec<u8>),
    List(Vec<Item>),
}

impl Item {
    /// From the test's JSON: text, numbers, large numbers as `#decimal`, lists.
    fn read(value: &Value) -> Result<Self, Reason> {
        let integer = |number: U256| Self::Bytes(number.to_be_bytes_trimmed_vec());
        Ok(match value {
            Value::String(text) => match text.strip_prefix('#') {
                Some(decimal) => large(decimal)?,
                None => Self::Bytes(text.clone().into_bytes()),
            },
            Value::Array(items) => Self::List(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            other => integer(crate::json::number(other)?),
        })
    }

    fn decode_exact(mut bytes: &[u8]) -> Result<Self, Reason> {
        let item = Self::decode(&mut bytes)?;
        if bytes.is_empty() { Ok(item) } else { Err(format!("{} bytes are left over", bytes.len())) }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Reason> {
        let is_list = bytes.first().is_some_and(|first| *first >= rlp::EMPTY_LIST_CODE);
        let mut payload = Header::decode_bytes(bytes, is_list).map_err(|error| error.to_string())?;
        if !is_list {
            return Ok(Self::Bytes(payload.to_vec()));
        }
        let mut items = Vec::new();
        while !payload.is_empty() {
            items.push(Self::decode(&mut payload)?);
        }
        Ok(Self::List(items))
    }
}

/// A number that may have more than 256 bits, such as 2^256.
fn large(decimal: &str) -> Result<Item, Reason> {
    let mut bytes: Vec<u8> = Vec::new();
    for digit in decimal.chars() {
        let mut carry = digit.to_digit(10).ok_or_else(|| format!("{decimal} is no number"))?;
        for byte in &mut bytes {
            carry += u32::from(*byte) * 10;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    bytes.reverse();
    Ok(Item::Bytes(bytes))
}

impl Encodable for Item {
    fn encode(&self, out: &mut dyn rlp::BufMut) {
        match self {
            Self::Bytes(bytes) => bytes.as_slice().encode(out),
            Self::List(items) => rlp::encode_list::<_, Self>(items, out),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_slice().length(),
            Self::List(items) => rlp::list_length::<_, Self>(items),
        }
    }
}
