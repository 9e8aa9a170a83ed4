//! What came out, and how it is printed.

use crate::Skip;
use std::{collections::BTreeMap, fmt};

/// Outcomes of a row of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

/// A case that failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Its suite.
    pub suite: String,
    /// Its file.
    pub file: String,
    /// Its name and fork.
    pub case: String,
    /// Why.
    pub reason: String,
}

/// Everything that came out.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// By suite and fork.
    rows: BTreeMap<(String, String), Counts>,
    /// How much was skipped, by reason and suite.
    skips: BTreeMap<(Skip, String), usize>,
    /// Every case that failed.
    pub failures: Vec<Failure>,
    /// Files, or cases, of a format that nobody knows.
    pub unknown: Vec<String>,
}

/// Longest reason printed; what is longer is cut.
const REASON_CHARS: usize = 2_000;

impl Report {
    pub(crate) fn counts(&mut self, suite: &str, fork: &str) -> &mut Counts {
        self.rows.entry((suite.to_owned(), fork.to_owned())).or_default()
    }

    pub(crate) fn skip(&mut self, suite: &str, fork: &str, why: Skip) {
        self.counts(suite, fork).skipped += 1;
        *self.skips.entry((why, suite.to_owned())).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, counts) in other.rows {
            let sum = self.rows.entry(key).or_default();
            sum.passed += counts.passed;
            sum.failed += counts.failed;
            sum.skipped += counts.skipped;
        }
        for (key, count) in other.skips {
            *self.skips.entry(key).or_default() += count;
        }
        self.failures.extend(other.failures);
        self.unknown.extend(other.unknown);
    }

    /// Passed, failed and skipped cases; a file that is left out or unknown counts as one case.
    pub fn totals(&self) -> (usize, usize, usize) {
        self.rows.values().fold((0, 0, 0), |(passed, failed, skipped), counts| {
            (passed + counts.passed, failed + counts.failed, skipped + counts.skipped)
        })
    }

    fn table(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&(String, String)) -> &String, least: usize| {
            self.rows.keys().map(|key| of(key).len()).max().unwrap_or(0).max(least)
        };
        let (suite_width, fork_width) = (width(|key| &key.0, 5), width(|key| &key.1, 4));
        writeln!(
            out,
            "{:suite_width$}  {:fork_width$}  {:>7} {:>7} {:>7}",
            "suite", "fork", "passed", "failed", "skipped"
        )?;
        let mut last = "";
        for ((suite, fork), Counts { passed, failed, skipped }) in &self.rows {
            let shown = if suite == last { "" } else { suite };
            writeln!(out, "{shown:suite_width$}  {fork:fork_width$}  {passed:>7} {failed:>7} {skipped:>7}")?;
            last = suite;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table(out)?;
        for ((why, suite), count) in &self.skips {
            writeln!(out, "skipped: {count} of {suite}: {}", why.reason())?;
        }
        for file in &self.unknown {
            writeln!(out, "unknown: {file}")?;
        }
        for Failure { suite, file, case, reason } in &self.failures {
            let mut reason: String = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            if let Some((cut, _)) = reason.char_indices().nth(REASON_CHARS) {
                reason.truncate(cut);
                reason.push_str(" ...");
            }
            writeln!(out, "FAILED: {suite}: {file}: {case}: {reason}")?;
        }
        let (passed, failed, skipped) = self.totals();
        writeln!(out, "conformance: {passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_add_up_and_the_last_line_says_so() {
        let mut report = Report::default();
        report.counts("a", "Berlin").passed = 2;
        let mut other = Report::default();
        other.counts("a", "Berlin").failed = 1;
        other.skip("b", "-", Skip::UnknownFormat);
        other.unknown.push("b/file.json".into());
        report.merge(other);
        assert_eq!(report.totals(), (2, 1, 1));
        let text = report.to_string();
        assert!(text.contains("unknown: b/file.json\n"), "{text}");
        assert!(text.ends_with("conformance: 2 passed, 1 failed, 1 skipped\n"), "{text}");
    }
}
