//! Reads a stream of server-sent events (WHATWG HTML, section 9.2), as far as the registry uses them.

/// Longest line: a snapshot of ten thousand records.
const MAX_LINE: usize = 32 << 20;

/// A named event with its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SseEvent {
    pub name: String,
    pub data: String,
}

/// A line longer than any honest one.
#[derive(Debug, thiserror::Error)]
#[error("an event line is longer than {MAX_LINE} bytes")]
pub(crate) struct LineTooLong;

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(crate) struct SseReader {
    buffer: Vec<u8>,
    name: String,
    data: String,
}

impl SseReader {
    /// Takes the next bytes and gives the events they complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, LineTooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.buffer.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.buffer);
            let text = String::from_utf8_lossy(&line);
            events.extend(self.line(text.trim_end_matches('\r')));
        }
        self.buffer.extend_from_slice(rest);
        if self.buffer.len() > MAX_LINE || self.data.len() > MAX_LINE {
            return Err(LineTooLong);
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then_some(SseEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments (an empty field) keep the connection alive; other fields are not ours.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_cut_anywhere_are_read_the_same() {
        let text = b":\n\nevent: join\ndata: {\"a\":1}\n\n: alive\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\n";
        let expected = [("join", "{\"a\":1}"), ("x", "1\n2")]
            .map(|(name, data)| SseEvent { name: name.into(), data: data.into() });
        for cut in 0..text.len() {
            let mut reader = SseReader::default();
            let mut events = reader.feed(&text[..cut]).unwrap();
            events.extend(reader.feed(&text[cut..]).unwrap());
            assert_eq!(events, expected, "cut at {cut}");
        }
    }
}
