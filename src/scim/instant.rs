//! Points in time, which SCIM writes as `dateTime` (RFC 7643 section 2.3.5, RFC 3339).

use std::fmt;

const DAY: i64 = 86_400;
/// The years 0 to 9999, which are all that four digits can say.
const YEARS: std::ops::Range<i64> = -62_167_219_200..253_402_300_800;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    /// Since 1970.
    seconds: i64,
    nanoseconds: u32,
}

impl Instant {
    /// Reads a `dateTime`; without an offset it is UTC, and without a time midnight. Seconds, and the minutes or the colon of
    /// an offset, may be missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
        let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
            Some(at) => time.split_at_checked(at)?,
            None => (time, "Z"),
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = match numbers(time, ':', [2, 2]) {
            Some([hour, minute]) if fraction == "0" => [hour, minute, 0],
            _ => numbers(time, ':', [2, 2, 2])?,
        };
        let days = days(year, month, day);
        // RFC 3339 knows leap seconds, clocks do not.
        if date_of(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days * DAY + hour * 3600 + minute * 60 + second.min(59) - offset_seconds(offset)?;
        Some(Instant { seconds, nanoseconds: nanoseconds(fraction)? })
    }

    /// Whether a text that can be read has everything that SCIM writes but perhaps the offset.
    pub fn is_whole(text: &str) -> bool {
        let has = |at: usize, characters: &[u8]| text.as_bytes().get(at).is_some_and(|byte| characters.contains(byte));
        let offset = text.get(19..).and_then(|rest| rest.find(['+', '-']).and_then(|at| rest.get(at..)));
        has(10, b"Tt") && has(16, b":") && offset.is_none_or(|offset| offset.len() == 6)
    }

    /// The instant that is this many seconds after the beginning of 1970, in the years 0 to 9999.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        YEARS.contains(&seconds).then_some(Instant { seconds, nanoseconds: 0 })
    }

    /// The same in milliseconds.
    pub fn from_milliseconds(milliseconds: i64) -> Option<Self> {
        let nanoseconds = u32::try_from(milliseconds.rem_euclid(1000)).ok()? * 1_000_000;
        Self::from_seconds(milliseconds.div_euclid(1000)).map(|whole| Instant { nanoseconds, ..whole })
    }

    /// Whole seconds since the beginning of 1970.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Whole milliseconds since the beginning of 1970.
    pub fn milliseconds(self) -> i64 {
        self.seconds * 1000 + i64::from(self.nanoseconds / 1_000_000)
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Digit by digit: formatted numbers would be a tenth of what a resource in a list costs.
        let mut text = *b"0000-00-00T00:00:00";
        let parts = [(0, 4, year), (5, 2, month), (8, 2, day), (11, 2, hour), (14, 2, minute), (17, 2, second)];
        for (at, digits, mut number) in parts {
            for digit in text.iter_mut().skip(at).take(digits).rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())?;
        if self.nanoseconds > 0 {
            let fraction = format!("{:09}", self.nanoseconds);
            write!(f, ".{}", fraction.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Numbers of these many digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut out = [0; N];
    for (out, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *out = part.bytes().try_fold(0, |number, byte| Some(number * 10 + i64::from(digit(byte)?)))?;
    }
    parts.next().is_none().then_some(out)
}

/// The nanoseconds that the digits behind a decimal point say.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let mut digits = fraction.bytes().map(digit).chain(std::iter::repeat(Some(0))).take(9);
    let known = digits.try_fold(0, |number, digit| Some(number * 10 + u32::from(digit?)));
    known.filter(|_| !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()))
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

fn offset_seconds(text: &str) -> Option<i64> {
    let (sign, text) = match text.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = match text.len() {
        2 => (text, "00"),
        4 => text.split_at_checked(2)?,
        _ => text.split_once(':')?,
    };
    let ([hours], [minutes]) = (numbers(hours, ':', [2])?, numbers(minutes, ':', [2])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// The days from 1970-01-01 to a date. Years begin in March here, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, the month and the day that [`days`] makes this number of.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_a_date_and_time() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2026-11-23T16:50:43.500Z", "2026-11-23T16:50:43.5Z"),
            ("2026-11-23t16:50:43z", "2026-11-23T16:50:43Z"),
            ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00Z"),
            ("2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"),
            ("2024-02-29T12:00:00", "2024-02-29T12:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("2026-01-01", "2026-01-01T00:00:00Z"),
            ("2026-01-01T08:30Z", "2026-01-01T08:30:00Z"),
            ("2026-01-01 08:30+01", "2026-01-01T07:30:00Z"),
            ("2026-01-01T00:00:00+0000", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00:00:00.5-0830", "2026-01-01T08:30:00.5Z"),
            ("2026-01-01T00:00:00.1234567891Z", "2026-01-01T00:00:00.123456789Z"),
        ] {
            assert_eq!(Instant::parse(text).map(|it| it.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "T",
            "2026-1-1T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.xZ",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00.5Z",
            "2026-01-01T00Z",
            "2026-01-01T",
            "20260101",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:00+000",
            "2026-01-01T00:00:00+2400",
            "2026-01-01T00:00:00+é0",
            "2026-01-01T00:00:00+24:00",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.123456789x",
            "é026-01-01T00:00:00Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_library_for_calendars_says_the_same(milliseconds in -62_167_219_200_000_i64..253_402_300_800_000) {
            let text = jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_string();
            let instant = Instant::from_milliseconds(milliseconds).unwrap();
            prop_assert_eq!(instant.to_string(), text.clone());
            prop_assert_eq!(Instant::parse(&text), Some(instant));
            prop_assert_eq!(instant.milliseconds(), milliseconds);
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = Instant::parse(&text);
        }
    }
}
