//! Dates: instants in microseconds of UTC, and the periods that shorter texts name.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time, date};
use jiff::fmt::temporal::Pieces;
use serde::{Serialize, Serializer};

/// An instant, in whole microseconds since 1970-01-01T00:00:00Z, from year 0 to 9999.
///
/// Read from ISO 8601: `2020-03-01`, `2020-03-01T10:30Z`, `2020-03-01 10:30:00.5+02:00`. A date
/// without a time is its midnight, and a time without a zone is taken as UTC. Digits beyond the
/// microsecond are cut off.
///
/// Written as `2020-03-01` if it is a midnight, as `2020-03-01T10:30:00Z` otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

/// A text that is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no date: write it as 2020-03-01 or 2020-03-01T10:30:00Z")]
pub struct InvalidDate;

impl Date {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn microseconds(self) -> i64 {
        self.0
    }

    /// The instant so many microseconds after 1970-01-01T00:00:00Z; `None` before year 0 or
    /// after 9999.
    pub fn from_microseconds(microseconds: i64) -> Option<Self> {
        let year = civil(microseconds)?.year();
        (0..=9999).contains(&year).then_some(Date(microseconds))
    }
}

fn epoch() -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0)
}

fn civil(microseconds: i64) -> Option<DateTime> {
    epoch()
        .checked_add(SignedDuration::from_micros(microseconds))
        .ok()
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        // The library also reads forms without hyphens, which may as well be numbers.
        if !has_shape(text, "dddd-dd-dd") {
            return Err(InvalidDate);
        }
        let pieces = Pieces::parse(text).map_err(|_| InvalidDate)?;
        let time = pieces.time().unwrap_or(Time::midnight());
        let local = pieces.date().to_datetime(time).duration_since(epoch());
        // Not through the library's own instants, which end before the last day of 9999: a
        // usual way to say that something does not end.
        let offset = pieces.to_numeric_offset();
        let seconds = offset.map_or(0, |offset| i64::from(offset.seconds()));
        let nanoseconds = local.as_nanos() - i128::from(seconds) * 1_000_000_000;
        i64::try_from(nanoseconds.div_euclid(1000))
            .ok()
            .and_then(Date::from_microseconds)
            .ok_or(InvalidDate)
    }
}

/// The first and the last instant of what a text names: a year, a month or a day, or one instant
/// twice.
pub(crate) fn period(text: &str) -> Result<(Date, Date), InvalidDate> {
    let (first, last) = match text.len() {
        4 if has_shape(text, "dddd") => (format!("{text}-01-01"), Some(12)),
        7 if has_shape(text, "dddd-dd") => (format!("{text}-01"), Some(1)),
        10 => (text.to_owned(), None),
        _ => {
            let instant = text.parse()?;
            return Ok((instant, instant));
        }
    };
    let first: Date = first.parse()?;
    let day = civil(first.0).ok_or(InvalidDate)?.date();
    let last_day = match last {
        Some(12) => day.last_of_year(),
        Some(_) => day.last_of_month(),
        None => day,
    };
    let end = last_day.to_datetime(Time::MAX).duration_since(epoch());
    let end = i64::try_from(end.as_nanos().div_euclid(1000)).map_err(|_| InvalidDate)?;
    Ok((first, Date::from_microseconds(end).ok_or(InvalidDate)?))
}

/// Whether `text` begins with `d`igits and hyphens as `shape` has them.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() >= shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| {
            if shape == b'd' {
                byte.is_ascii_digit()
            } else {
                byte == shape
            }
        })
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match civil(self.0) {
            Some(at) if at.time() == Time::midnight() => write!(f, "{}", at.date()),
            Some(at) => write!(f, "{at}Z"),
            None => write!(f, "{} µs", self.0),
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn iso_8601_is_read_as_utc_unless_it_says_otherwise() {
        for (text, microseconds) in [
            ("1970-01-01", 0),
            ("1970-01-02", 86_400_000_000),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1970-01-01 00:00:01", 1_000_000),
            ("1970-01-01T00:01", 60_000_000),
            ("1969-12-31T23:59:59.9999999Z", -1),
            ("1970-01-01T00:00:00.0000019Z", 1),
        ] {
            assert_eq!(date(text).microseconds(), microseconds, "{text}");
        }
    }

    #[test]
    fn the_first_and_the_last_days_are_dates() {
        for text in [
            "0000-01-01",
            "9999-12-31",
            "9999-12-31T23:59:59Z",
            "2020-02-29",
        ] {
            assert_eq!(date(text).to_string(), text);
        }
        assert!("9999-12-31T23:59:59-01:00".parse::<Date>().is_err());
        assert!("0000-01-01T00:00:00+01:00".parse::<Date>().is_err());
    }

    #[test]
    fn what_may_be_something_else_is_no_date() {
        for text in [
            "",
            "2020",
            "2020-03",
            "20200301",
            "2020-3-1",
            "01.03.2020",
            "2021-02-29",
            "2020-13-01",
            "2020-03-01x",
            "2020-03-01T25:00Z",
            "-002020-03-01",
            "2020-W10-1",
            "12:30",
        ] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_shorter_text_is_a_period() {
        let end = |text: &str| period(text).unwrap().1.to_string();
        assert_eq!(period("2020").unwrap().0, date("2020-01-01"));
        assert_eq!(end("2020"), "2020-12-31T23:59:59.999999Z");
        assert_eq!(end("2020-02"), "2020-02-29T23:59:59.999999Z");
        assert_eq!(end("1960-02-28"), "1960-02-28T23:59:59.999999Z");
        assert_eq!(end("9999"), "9999-12-31T23:59:59.999999Z");
        assert_eq!(end("2020-02-28T10:00Z"), "2020-02-28T10:00:00Z");
        for text in [
            "",
            "202",
            "20201",
            "2020-13",
            "äöüß-1",
            "now",
            "2020-2",
            "2020-02-30",
        ] {
            assert!(period(text).is_err(), "{text}");
        }
    }
}
