//! The lines that show how far an import or export is. It must not know files or chains.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Lines come no more often than this.
pub const EVERY: Duration = Duration::from_secs(2);
/// Samples that rates are averaged over: half a minute.
const SAMPLES: usize = 16;

/// What is done at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// Number of the last block.
    pub number: u64,
    /// Blocks done.
    pub blocks: u64,
    /// Transactions done.
    pub transactions: u64,
    /// Parts done, of [`Lines`]'s whole: bytes of a file, or blocks.
    pub done: u64,
}

/// Turns samples into lines.
#[derive(Debug)]
pub struct Lines {
    /// What the percentage is of, as the line names it.
    name: String,
    /// All the parts there are, if that is known.
    whole: Option<u64>,
    samples: VecDeque<(Instant, Sample)>,
}

impl Lines {
    /// Lines about `name`, which has `whole` parts.
    pub fn new(name: String, whole: Option<u64>, now: Instant) -> Self {
        Self { name, whole, samples: VecDeque::from([(now, Sample::default())]) }
    }

    /// The line for a sample taken now.
    pub fn line(&mut self, now: Instant, sample: Sample) -> String {
        let (then, before) = self.samples.front().copied().unwrap_or((now, sample));
        self.samples.push_back((now, sample));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        let rate = |after: u64, before: u64| after.saturating_sub(before) as f64 / seconds;
        let mut line = format!("block {}", sample.number);
        if let Some(whole) = self.whole.filter(|whole| *whole > 0) {
            let percent = 100.0 * sample.done.min(whole) as f64 / whole as f64;
            line += &format!(", {percent:.1} % of {}", self.name);
        } else {
            line += &format!(" of {}", self.name);
        }
        line += &format!(
            ", {:.0} blocks/s, {:.0} tx/s",
            rate(sample.blocks, before.blocks),
            rate(sample.transactions, before.transactions)
        );
        let speed = rate(sample.done, before.done);
        if let Some(whole) = self.whole.filter(|_| speed > 0.0) {
            let left = whole.saturating_sub(sample.done) as f64 / speed;
            line += &format!(", {} left", duration(Duration::from_secs_f64(left.min(1e9))));
        }
        line
    }
}

/// As people say it: `42 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_rates_and_what_is_left() {
        let start = Instant::now();
        let mut lines = Lines::new("chain.rlp".into(), Some(1000), start);
        let sample = Sample { number: 100, blocks: 100, transactions: 400, done: 250 };
        let line = lines.line(start + EVERY, sample);
        assert_eq!(line, "block 100, 25.0 % of chain.rlp, 50 blocks/s, 200 tx/s, 6 s left");
        let mut lines = Lines::new("standard input".into(), None, start);
        assert_eq!(lines.line(start + EVERY, sample), "block 100 of standard input, 50 blocks/s, 200 tx/s");
    }

    #[test]
    fn old_samples_are_forgotten() {
        let start = Instant::now();
        let mut lines = Lines::new("x".into(), Some(10_000), start);
        for second in 1..100 {
            let sample = Sample { done: if second < 50 { 0 } else { 100 * (second - 49) }, ..Sample::default() };
            let line = lines.line(start + Duration::from_secs(second), sample);
            // From a minute down it says seconds.
            assert!(second < 90 || line.contains(&format!("{} s left", 100 - (second - 49))), "{line}");
        }
        assert!(lines.samples.len() <= SAMPLES);
    }

    #[test]
    fn durations() {
        let say = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([say(59), say(200), say(7500)], ["59 s", "3 min 20 s", "2 h 5 min"]);
    }
}
