//! The text of an answer, in pieces where parts of it are shared with other answers: those go from where they are kept to the
//! socket without being copied. It must not know what it says.

use crate::memory::Held;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

#[derive(Debug, Clone)]
enum Piece {
    Own(String),
    Shared(Arc<str>),
}

impl Piece {
    fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Shared(text) => text,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Text {
    /// All but the last.
    before: Vec<Piece>,
    /// The last. Nearly every answer is one piece, and takes no list.
    last: Piece,
    len: usize,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { before: Vec::new(), len: text.len(), last: Piece::Own(text) }
    }
}

impl Text {
    /// Nothing yet; the first piece of its own will be about so long.
    pub(crate) fn with_capacity(own: usize) -> Self {
        String::with_capacity(own).into()
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.len += text.len();
        match &mut self.last {
            Piece::Own(own) => own.push_str(text),
            Piece::Shared(_) => self.push(Piece::Own(text.to_owned())),
        }
    }

    pub(crate) fn push_shared(&mut self, text: Arc<str>) {
        self.len += text.len();
        self.push(Piece::Shared(text));
    }

    fn push(&mut self, piece: Piece) {
        let last = std::mem::replace(&mut self.last, piece);
        if !last.as_str().is_empty() {
            self.before.push(last);
        }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.before.iter().chain([&self.last]).map(Piece::as_str)
    }

    pub(crate) fn into_string(self) -> String {
        if self.before.is_empty()
            && let Piece::Own(text) = self.last
        {
            return text;
        }
        let mut whole = String::with_capacity(self.len);
        self.pieces().for_each(|piece| whole.push_str(piece));
        whole
    }
}

/// Text that holds its part of a budget as long as its last piece exists.
#[derive(Debug)]
pub(crate) struct HeldText {
    text: Text,
    held: Held,
}

impl HeldText {
    pub(crate) fn new(text: impl Into<Text>, held: Held) -> Self {
        Self { text: text.into(), held }
    }

    pub(crate) fn into_parts(self) -> (Text, Held) {
        (self.text, self.held)
    }
}

/// A piece on its way to the socket.
struct Sent {
    piece: Piece,
    _held: Option<Held>,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.piece.as_str().as_bytes()
    }
}

/// The body of an answer over HTTP, its length known.
#[derive(Debug, Default)]
pub(crate) struct AnswerBody {
    before: std::vec::IntoIter<Piece>,
    last: Option<Bytes>,
    left: u64,
}

impl From<HeldText> for AnswerBody {
    fn from(HeldText { text: Text { before, last, len }, held }: HeldText) -> Self {
        let last = Bytes::from_owner(Sent { piece: last, _held: Some(held) });
        Self { before: before.into_iter(), last: Some(last), left: len as u64 }
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self { before: Vec::new().into_iter(), left: bytes.len() as u64, last: Some(bytes) }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let before = self.before.next().map(|piece| Bytes::from_owner(Sent { piece, _held: None }));
        let next = before.or_else(|| self.last.take()).filter(|bytes| !bytes.is_empty());
        self.left -= next.as_ref().map_or(0, Bytes::len) as u64;
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Budget;
    use http_body_util::BodyExt as _;

    fn pieces() -> Text {
        let mut text = Text::with_capacity(8);
        text.push_shared("[1,".into());
        text.push_str("2");
        text.push_str(",");
        text.push_shared("3".into());
        text.push_str("]");
        text
    }

    #[tokio::test]
    async fn a_body_is_its_pieces_in_order_and_holds_until_the_last_is_gone() {
        assert_eq!(pieces().pieces().collect::<Vec<_>>(), ["[1,", "2,", "3", "]"]);
        assert_eq!((pieces().len(), pieces().into_string()), (7, "[1,2,3]".to_owned()));
        let budget = Budget::new(7);
        let mut held = budget.hold();
        assert!(held.add(7));
        let mut body = AnswerBody::from(HeldText::new(pieces(), held));
        assert_eq!(body.size_hint().exact(), Some(7));
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            read.push(frame.unwrap().into_data().unwrap());
        }
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
        assert_eq!(read.concat(), b"[1,2,3]");
        let mut other = budget.hold();
        read.truncate(4);
        assert!(!other.add(1), "the last piece is still there");
        read.truncate(3);
        assert!(other.add(7));
    }

    #[tokio::test]
    async fn an_empty_body_has_no_frames() {
        let mut body = AnswerBody::from(HeldText::new(String::new(), Budget::new(1).hold()));
        assert!(body.is_end_stream() && body.frame().await.is_none());
        assert!(AnswerBody::default().frame().await.is_none());
        let whole = AnswerBody::from(Bytes::from_static(b"ok")).collect().await.unwrap();
        assert_eq!(whole.to_bytes(), "ok");
    }
}
