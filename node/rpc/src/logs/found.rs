//! What a query has found, and what is kept of it for the next one: logs of small blocks as text, and the logs of many blocks
//! joined. It must not look for logs.

use crate::{RpcError, context::Json, text::Text};
use atoll_primitives::B256;
use atoll_storage::{BlockLogs, LogQuery};
use quick_cache::{Weighter, sync::Cache};
use std::sync::Arc;

/// Bytes of rendered logs that are kept; at the bound those not asked for long leave.
const RENDERED_BYTES: u64 = 16 << 20;
/// The same of joined ones.
const JOINED_BYTES: u64 = 16 << 20;
/// Longer texts are not kept joined: what goes into their place by the block is not copied by much more.
const MAX_JOINED: usize = 512 << 10;

/// The logs of a block, each with its text.
pub(crate) struct Rendered {
    pub(super) logs: Arc<BlockLogs>,
    pub(super) texts: Vec<Json>,
}

/// Weighs by the text; what stands beside it takes less.
#[derive(Clone)]
pub(crate) struct ByText;

impl Weighter<B256, Arc<Rendered>> for ByText {
    fn weight(&self, _: &B256, block: &Arc<Rendered>) -> u64 {
        block.texts.iter().map(|text| text.get().len() as u64 * 2 + 64).sum::<u64>() + 192
    }
}

impl Weighter<JoinedKey, Joined> for ByText {
    fn weight(&self, _: &JoinedKey, joined: &Joined) -> u64 {
        joined.text.len() as u64 + 256
    }
}

/// By the block's hash: a log of a block never changes its place or its text.
pub(crate) type RenderedLogs = Cache<B256, Arc<Rendered>, ByText>;

/// What a query wants of the blocks from a number up to a hash, which stands for all before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JoinedKey {
    /// [`LogQuery::digest`].
    pub(super) query: B256,
    pub(super) first: u64,
    pub(super) last: B256,
}

/// Logs, with commas between them.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    text: Arc<str>,
    count: usize,
}

pub(crate) type JoinedLogs = Cache<JoinedKey, Joined, ByText>;

pub(crate) fn rendered_logs() -> RenderedLogs {
    Cache::with_weighter(8192, RENDERED_BYTES, ByText)
}

pub(crate) fn joined_logs() -> JoinedLogs {
    Cache::with_weighter(256, JOINED_BYTES, ByText)
}

/// Text that a query found.
pub(super) enum Piece {
    /// A log, by its place among those of a block that is kept.
    Kept(Arc<Rendered>, usize),
    Own(Json),
    Joined(Joined),
}

impl Piece {
    fn text(&self) -> &str {
        match self {
            Self::Kept(block, index) => block.texts.get(*index).map_or("", |text| text.get()),
            Self::Own(text) => text.get(),
            Self::Joined(joined) => &joined.text,
        }
    }

    fn count(&self) -> usize {
        if let Self::Joined(joined) = self { joined.count } else { 1 }
    }
}

/// What a query has found so far. It becomes text at the end, when its length is known: what is not joined is copied into its
/// place.
pub(super) struct Found {
    pieces: Vec<Piece>,
    count: usize,
    bytes: usize,
    /// Logs an answer may have.
    limit: usize,
    /// Bytes an answer may have: beyond them nothing more is put together.
    max_bytes: usize,
}

/// A place in what was found.
pub(super) struct Mark {
    pieces: usize,
    count: usize,
    bytes: usize,
}

impl Found {
    pub(super) fn new(limit: usize, max_bytes: usize) -> Self {
        Self { pieces: Vec::new(), count: 0, bytes: 2, limit, max_bytes }
    }

    /// # Errors
    /// There are more logs, or more bytes of them, than an answer may have.
    pub(super) fn push(&mut self, piece: Piece) -> Result<(), RpcError> {
        if piece.count() == 0 {
            return Ok(());
        }
        self.count += piece.count();
        if self.count > self.limit {
            return Err(RpcError::TooManyResults { limit: self.limit });
        }
        self.bytes += piece.text().len() + 1;
        if self.bytes > self.max_bytes {
            return Err(RpcError::ResponseTooLarge { limit: self.max_bytes });
        }
        self.pieces.push(piece);
        Ok(())
    }

    /// Those of a block that are wanted.
    pub(super) fn push_kept(&mut self, block: &Arc<Rendered>, query: &LogQuery) -> Result<(), RpcError> {
        let logs = block.logs.logs.iter().enumerate();
        let mut wanted = logs.filter(|(_, found)| query.matches(&found.log.address, found.log.topics()));
        wanted.try_for_each(|(index, _)| self.push(Piece::Kept(Arc::clone(block), index)))
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { pieces: self.pieces.len(), count: self.count, bytes: self.bytes }
    }

    /// Joins what was found since, unless it is too much to be kept.
    pub(super) fn join(&mut self, since: &Mark) -> Option<Joined> {
        if self.bytes - since.bytes > MAX_JOINED {
            return None;
        }
        let mut text = String::with_capacity(self.bytes - since.bytes);
        for piece in self.pieces.drain(since.pieces..) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(piece.text());
        }
        let joined = Joined { text: text.into(), count: self.count - since.count };
        if joined.count > 0 {
            self.pieces.push(Piece::Joined(joined.clone()));
        }
        Some(joined)
    }

    /// As a list, between these texts.
    pub(super) fn between(self, before: &str, after: &str) -> Text {
        // Up to the first that is shared; what follows such a one grows as it comes.
        let first = self.pieces.iter().take_while(|piece| !matches!(piece, Piece::Joined(_)));
        let own = first.map(|piece| piece.text().len() + 1).sum::<usize>() + 2;
        let mut text = Text::with_capacity(before.len() + own + after.len());
        text.push_str(before);
        text.push_str("[");
        for (index, piece) in self.pieces.into_iter().enumerate() {
            if index > 0 {
                text.push_str(",");
            }
            match piece {
                Piece::Joined(joined) => text.push_shared(joined.text),
                own => text.push_str(own.text()),
            }
        }
        text.push_str("]");
        text.push_str(after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::json;

    fn log(number: u64) -> Piece {
        Piece::Own(json(&number).unwrap())
    }

    #[test]
    fn nothing_is_put_together_beyond_what_an_answer_may_be() {
        let mut found = Found::new(3, 12);
        found.push(log(1234)).unwrap();
        found.push(log(5678)).unwrap();
        assert!(matches!(found.push(log(9)), Err(RpcError::ResponseTooLarge { limit: 12 })));
        let mut found = Found::new(1, 100);
        found.push(log(1)).unwrap();
        assert!(matches!(found.push(log(2)), Err(RpcError::TooManyResults { limit: 1 })));
        let mut found = Found::new(2, 100);
        found.push(log(1)).unwrap();
        found.push(log(2)).unwrap();
        assert_eq!(found.between("{", "}").into_string(), "{[1,2]}");
    }

    #[test]
    fn joined_logs_count_as_they_did_before() {
        let mut found = Found::new(4, 13);
        assert_eq!(found.join(&found.mark()).unwrap().count, 0);
        found.push(log(1)).unwrap();
        let mark = found.mark();
        found.push(log(2)).unwrap();
        found.push(log(3)).unwrap();
        let joined = found.join(&mark).unwrap();
        assert_eq!((&*joined.text, joined.count), ("2,3", 2));
        found.push(log(4)).unwrap();
        assert!(matches!(found.push(Piece::Joined(joined.clone())), Err(RpcError::TooManyResults { limit: 4 })));
        let mut again = Found::new(4, 13);
        again.push(Piece::Joined(joined.clone())).unwrap();
        again.push(Piece::Joined(joined.clone())).unwrap();
        assert!(matches!(again.push(Piece::Joined(joined)), Err(RpcError::TooManyResults { .. })));
        assert_eq!(found.between("", "").into_string(), "[1,2,3,4]");
    }
}
