//! Counting gas refunds over frames as geth does: revm counts them for each frame, geth for the transaction.

/// The counter.
#[derive(Debug, Default)]
pub(crate) struct Refunds {
    /// Refunds of the frames around each open frame.
    around: Vec<i64>,
    /// Refund counter of the innermost frame after its last instruction.
    innermost: i64,
}

impl Refunds {
    /// Refunds of the whole transaction while the innermost frame has this many.
    pub(crate) fn total(&self, frame: i64) -> i64 {
        self.around.last().copied().unwrap_or_default().saturating_add(frame)
    }

    /// Open frames.
    pub(crate) fn depth(&self) -> usize {
        self.around.len()
    }

    /// An instruction has run, and the frame has this many now.
    pub(crate) fn note(&mut self, frame: i64) {
        self.innermost = frame;
    }

    /// A frame begins.
    pub(crate) fn enter(&mut self) {
        let around = if self.around.is_empty() { 0 } else { self.total(self.innermost) };
        self.around.push(around);
        self.innermost = 0;
    }

    /// The innermost frame ends.
    pub(crate) fn exit(&mut self) {
        self.around.pop();
    }
}
