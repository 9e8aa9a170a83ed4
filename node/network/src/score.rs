//! How a peer's behaviour on the wire adds up: penalties that fade, a limit, and request rates.

use std::time::{Duration, Instant};

/// Faults a peer can commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Gossip or a message that does not decode or is too large.
    Rubbish,
    /// A block that breaks the rules.
    InvalidBlock,
    /// Transactions that break the rules.
    InvalidTransactions,
    /// An answer that is not what was asked for.
    WrongAnswer,
    /// More requests or gossip than anyone needs.
    Flooding,
    /// No answer in time.
    Timeout,
}

impl Misbehaviour {
    fn penalty(self) -> f64 {
        match self {
            Self::InvalidBlock => 50.0,
            Self::Rubbish | Self::WrongAnswer => 25.0,
            Self::InvalidTransactions => 10.0,
            Self::Flooding => 5.0,
            // Also what an overloaded honest peer looks like.
            Self::Timeout => 2.0,
        }
    }
}

/// At this score a peer is disconnected and kept away for [`BAN`].
pub(crate) const BAN_AT: f64 = -100.0;
/// How long.
pub(crate) const BAN: Duration = Duration::from_secs(600);
/// Points that fade each second.
const FADE: f64 = 0.5;

/// A peer's score, 0 or below.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Score {
    value: f64,
    at: Instant,
}

impl Score {
    pub fn new(now: Instant) -> Self {
        Self { value: 0.0, at: now }
    }

    pub fn value(&self, now: Instant) -> f64 {
        (self.value + now.saturating_duration_since(self.at).as_secs_f64() * FADE).min(0.0)
    }

    pub fn penalise(&mut self, fault: Misbehaviour, now: Instant) -> f64 {
        self.value = self.value(now) - fault.penalty();
        self.at = now;
        self.value
    }
}

/// A token bucket: `rate` a second, `burst` at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    at: Instant,
    rate: f64,
    burst: f64,
}

impl Bucket {
    pub fn new(rate: f64, burst: f64, now: Instant) -> Self {
        Self { tokens: burst, at: now, rate, burst }
    }

    pub fn take(&mut self, now: Instant) -> bool {
        let fresh = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + fresh).min(self.burst);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_add_up_and_fade() {
        let start = Instant::now();
        let mut score = Score::new(start);
        for _ in 0..3 {
            assert!(score.penalise(Misbehaviour::Rubbish, start) > BAN_AT);
        }
        assert!(score.penalise(Misbehaviour::Rubbish, start) <= BAN_AT);
        assert!(score.value(start + Duration::from_secs(100)) > BAN_AT);
        assert!(score.value(start + Duration::from_secs(1000)) >= 0.0);
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10.0, 5.0, start);
        assert_eq!((0..20).filter(|_| bucket.take(start)).count(), 5);
        let later = start + Duration::from_millis(300);
        assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 3);
    }
}
