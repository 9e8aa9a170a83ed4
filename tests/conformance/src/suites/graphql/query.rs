//! As much of GraphQL's grammar as a query of nested fields with arguments needs. It must not know what they mean.

use crate::Reason;
use serde_json::{Map, Value};

/// Depth of a query: more is no case, and would overflow the stack.
const MAX_DEPTH: usize = 16;

/// A field with its arguments and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its arguments; numbers stay numbers.
    pub arguments: Map<String, Value>,
    /// Fields of the object it is; empty for a plain value.
    pub selection: Vec<Self>,
}

/// The fields of a query or mutation.
///
/// # Errors
/// What is not understood, and where.
pub fn parse(text: &str) -> Result<Vec<Field>, Reason> {
    let mut reader = Reader { rest: text };
    for keyword in ["query", "mutation"] {
        if reader.peek() == keyword.chars().next() && reader.rest.trim_start().starts_with(keyword) {
            reader.name()?;
        }
    }
    let fields = reader.selection(0)?;
    if reader.peek().is_some() { Err(reader.unexpected("the end")) } else { Ok(fields) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The next character that is neither space nor comma.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        self.rest.chars().next()
    }

    fn take(&mut self, expected: char) -> Result<(), Reason> {
        if self.peek() != Some(expected) {
            return Err(self.unexpected(&expected.to_string()));
        }
        self.rest = &self.rest[expected.len_utf8()..];
        Ok(())
    }

    fn unexpected(&self, wanted: &str) -> Reason {
        format!("GraphQL: {wanted} expected before {:?}", self.rest.chars().take(40).collect::<String>())
    }

    fn word(&mut self) -> Result<&'a str, Reason> {
        self.peek();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.unexpected("a word"));
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn name(&mut self) -> Result<String, Reason> {
        self.word().map(str::to_owned)
    }

    fn selection(&mut self, depth: usize) -> Result<Vec<Field>, Reason> {
        if depth > MAX_DEPTH {
            return Err("GraphQL: too deep".to_owned());
        }
        self.take('{')?;
        let mut fields = Vec::new();
        while self.peek() != Some('}') {
            let name = self.name()?;
            let arguments = if self.peek() == Some('(') { self.pairs('(', ')', depth)? } else { Map::new() };
            let selection = if self.peek() == Some('{') { self.selection(depth + 1)? } else { Vec::new() };
            fields.push(Field { name, arguments, selection });
        }
        self.take('}')?;
        Ok(fields)
    }

    fn pairs(&mut self, open: char, close: char, depth: usize) -> Result<Map<String, Value>, Reason> {
        self.take(open)?;
        let mut pairs = Map::new();
        while self.peek() != Some(close) {
            let name = self.name()?;
            self.take(':')?;
            pairs.insert(name, self.value(depth + 1)?);
        }
        self.take(close)?;
        Ok(pairs)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Reason> {
        if depth > MAX_DEPTH {
            return Err("GraphQL: too deep".to_owned());
        }
        match self.peek() {
            Some('"') => self.string(),
            Some('{') => self.pairs('{', '}', depth).map(Value::Object),
            Some('[') => {
                self.take('[')?;
                let mut list = Vec::new();
                while self.peek() != Some(']') {
                    list.push(self.value(depth + 1)?);
                }
                self.take(']')?;
                Ok(Value::Array(list))
            }
            _ => match self.word()? {
                "null" => Ok(Value::Null),
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                word => word.parse::<i64>().map(Value::from).map_err(|_| self.unexpected("a value")),
            },
        }
    }

    fn string(&mut self) -> Result<Value, Reason> {
        self.take('"')?;
        let end = self.rest.find('"').ok_or_else(|| self.unexpected("a closing quote"))?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Ok(Value::from(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_nest_and_take_arguments() {
        let fields =
            parse(r#"{block(number: 8) {number call (data : {to: "0xab", topics: [ ["x"], null]}){data}}}"#).unwrap();
        assert_eq!(fields[0].arguments["number"], 8);
        let call = &fields[0].selection[1];
        assert_eq!(call.arguments["data"], serde_json::json!({"to": "0xab", "topics": [["x"], null]}));
        assert_eq!(call.selection[0].name, "data");
        assert_eq!(parse("mutation { send(data: \"0x\") }").unwrap()[0].name, "send");
    }

    #[test]
    fn broken_queries_are_errors() {
        for text in ["", "{", "{a(", "{a(b:}", "{a}}", "{a(b:\"c)}", &"{a".repeat(100)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
