//! Numbers, amounts and times as people read them. Pure functions; they must bear any value.

use alloy_primitives::U256;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// The last second of the year 9999: later times are nonsense, shown as this one.
const LAST_SECOND: u64 = 253_402_300_799;

/// Digits in groups of three.
pub fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// An amount in units of ten to the `decimals`, exact, without trailing zeros.
fn units(amount: U256, decimals: usize) -> String {
    let digits = format!("{amount:0>width$}", amount = amount.to_string(), width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { grouped(whole) } else { format!("{}.{rest}", grouped(whole)) }
}

/// Wei as ether, exact.
pub fn ether(wei: U256) -> String {
    format!("{} ETH", units(wei, 18))
}

/// Wei as ether for lists: at most six significant decimals.
pub fn ether_short(wei: U256) -> String {
    let exact = units(wei, 18);
    let Some((whole, rest)) = exact.split_once('.') else { return format!("{exact} ETH") };
    let zeros = if whole == "0" { rest.len() - rest.trim_start_matches('0').len() } else { 0 };
    let kept: String = rest.chars().take(zeros + 6).collect();
    let kept = kept.trim_end_matches('0');
    if kept.is_empty() { format!("{whole} ETH") } else { format!("{whole}.{kept} ETH") }
}

/// Wei as gwei, exact.
pub fn gwei(wei: U256) -> String {
    format!("{} gwei", units(wei, 9))
}

/// Start and end of a hash or an address.
pub fn short(text: &str) -> String {
    match (text.get(..8), text.get(text.len().saturating_sub(6)..)) {
        (Some(start), Some(end)) if text.len() > 16 => format!("{start}…{end}"),
        _ => text.to_owned(),
    }
}

/// Seconds since 1970, now.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long ago, in one unit.
pub fn ago(timestamp: u64, now: u64) -> String {
    if timestamp > now {
        return if timestamp - now < 5 { "now".to_owned() } else { format!("in {}", span(timestamp - now)) };
    }
    format!("{} ago", span(now - timestamp))
}

/// A length of time in one unit.
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..DAY => (seconds / 3_600, "h"),
        _ => (seconds / DAY, "d"),
    };
    format!("{} {unit}", grouped(count))
}

/// Date and time in UTC, ISO 8601. Civil dates from days as in Howard Hinnant's "chrono-compatible low-level date
/// algorithms".
pub fn iso(timestamp: u64) -> String {
    let timestamp = timestamp.min(LAST_SECOND);
    let (days, second) = (timestamp / DAY, timestamp % DAY);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A large number with a decimal prefix: `1.23 M`.
pub fn metric(number: U256) -> String {
    const PREFIXES: [&str; 7] = ["", " k", " M", " G", " T", " P", " E"];
    let digits = number.to_string();
    let step = (digits.len() - 1) / 3;
    let Some(prefix) = PREFIXES.get(step).filter(|_| step > 0) else { return grouped(digits) };
    let (whole, rest) = digits.split_at(digits.len() - step * 3);
    format!("{whole}.{}{prefix}", rest.get(..2).unwrap_or("0"))
}

/// A part of a whole in percent, with one decimal.
pub fn percent(part: u64, whole: u64) -> String {
    let thousandths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_bear_the_largest_number() {
        assert_eq!(ether(U256::from(1)), "0.000000000000000001 ETH");
        assert_eq!(ether(U256::from(1_500_000_000_000_000_000_u64)), "1.5 ETH");
        assert_eq!(ether(U256::ZERO), "0 ETH");
        assert_eq!(gwei(U256::from(1_234_000_000_000_u64)), "1,234 gwei");
        assert!(ether(U256::MAX).starts_with("115,792,089,"));
        assert!(ether(U256::MAX).ends_with(".584007913129639935 ETH"));
        assert_eq!(ether_short(U256::from(1_234_567_891_234_567_891_u64)), "1.234567 ETH");
        assert_eq!(ether_short(U256::from(21_000_000_000_000_u64)), "0.000021 ETH");
        assert_eq!(ether_short(U256::from(1_000_000_000_000_000_001_u64)), "1 ETH");
    }

    #[test]
    fn times_are_civil_dates_and_bear_the_largest_number() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(iso(1_438_269_988), "2015-07-30T15:26:28Z");
        assert_eq!(iso(u64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(ago(100, 130), "30 s ago");
        assert_eq!(ago(0, 2 * DAY), "2 d ago");
        assert_eq!(ago(u64::MAX, 0), format!("in {} d", grouped(u64::MAX / DAY)));
    }

    #[test]
    fn numbers_are_grouped_and_shortened() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(metric(U256::from(131_072)), "131.07 k");
        assert_eq!(metric(U256::from(12)), "12");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(5, 0), "500.0 %");
        assert_eq!(percent(u64::MAX, 1), "1844674407370955161500.0 %");
        assert_eq!(short("0x1234567890abcdef1234"), "0x123456…ef1234");
    }
}
