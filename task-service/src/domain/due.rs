//! When a task is due.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use icu_time::zone::{WindowsParser, iana::IanaParserExtended};
use shared::error::Invalid;

/// What the database has as the time zone of a floating time. No IANA zone has this name.
pub(crate) const FLOATING: &str = "floating";

/// All day, at a moment, or at a floating time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// All day, in any time zone.
    Date(NaiveDate),
    /// At a moment, chosen in this time zone.
    Moment { time: DateTime<Utc>, zone: TimeZone },
    /// At this time of the wall clock, wherever the user is (RFC 5545, section 3.3.5, form 1).
    Floating(NaiveDateTime),
}

impl Due {
    /// The moment, or the beginning of the day or the floating time as if it were in UTC: the value
    /// for comparisons.
    pub(crate) fn time(&self) -> DateTime<Utc> {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN).and_utc(),
            Self::Moment { time, .. } => *time,
            Self::Floating(time) => time.and_utc(),
        }
    }

    /// The time zone, or [`FLOATING`]. An all-day date has none.
    pub(crate) fn zone(&self) -> Option<&str> {
        match self {
            Self::Date(_) => None,
            Self::Moment { zone, .. } => Some(&zone.0),
            Self::Floating(_) => Some(FLOATING),
        }
    }

    /// The inverse of [`time`](Self::time) and [`zone`](Self::zone).
    pub(crate) fn from_parts(time: DateTime<Utc>, zone: Option<TimeZone>) -> Self {
        match zone {
            None => Self::Date(time.date_naive()),
            Some(TimeZone(name)) if name == FLOATING => Self::Floating(time.naive_utc()),
            Some(zone) => Self::Moment { time, zone },
        }
    }
}

/// A bound of due times, in a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct DueBound {
    /// For moments.
    pub(crate) time: DateTime<Utc>,
    /// The time zone's wall clock at that time, as if it were in UTC: for dates and floating times.
    pub(crate) wall_clock: DateTime<Utc>,
}

impl DueBound {
    /// Without a time zone, it is UTC.
    pub(crate) fn new(time: DateTime<Utc>, zone: Option<&TimeZone>) -> Self {
        let zone = zone.and_then(|TimeZone(name)| name.parse::<Tz>().ok());
        let wall_clock = zone.map(|zone| time.with_timezone(&zone).naive_local().and_utc());
        Self { time, wall_clock: wall_clock.unwrap_or(time) }
    }
}

/// A name of the IANA time zone database.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct TimeZone(String);

impl TimeZone {
    /// More than any name has, with a prefix.
    const MAX_BYTES: usize = 128;

    /// Accepts a name in the exact spelling of the database, also behind the prefix of a calendar
    /// program: `/mozilla.org/20050126_1/Europe/Berlin`. Accepts names of Windows.
    pub(crate) fn parse(name: &str) -> Result<Self, Invalid> {
        let is_iana = |name: &&str| name.parse::<Tz>().is_ok();
        let suffixes = || name.match_indices('/').map(|(i, _)| &name[i + 1..]);
        let prefixed = || name.starts_with('/').then(suffixes)?.find(is_iana);
        let find = || Some(name).filter(is_iana).or_else(|| windows_zone(name)).or_else(prefixed);
        // Each suffix of a long name would cost a look-up.
        let found = if name.len() <= Self::MAX_BYTES { find() } else { None };
        found.map(|name| Self(name.to_owned())).ok_or_else(|| {
            "must be an IANA time zone, such as Europe/Berlin, or its Windows name; a fixed offset \
             is written as Etc/GMT+8, which is 8 hours behind UTC"
                .into()
        })
    }
}

/// The IANA name of a Windows time zone, by CLDR's table for the whole world.
fn windows_zone(name: &str) -> Option<&'static str> {
    let zone = WindowsParser::new().parse(name, None)?;
    let canonical = IanaParserExtended::new().iter().find(|known| known.time_zone == zone)?;
    Some(canonical.canonical)
}

impl From<TimeZone> for String {
    fn from(TimeZone(name): TimeZone) -> Self {
        name
    }
}

/// Reads a calendar date, years 1 to 9999.
pub(crate) fn parse_date(year: i32, month: i32, day: i32) -> Result<NaiveDate, Invalid> {
    let parsed = || {
        let (month, day) = (month.try_into().ok()?, day.try_into().ok()?);
        NaiveDate::from_ymd_opt(year, month, day).filter(|_| (1..=9999).contains(&year))
    };
    parsed().ok_or_else(|| "must be a valid calendar date, years 1 to 9999".into())
}

/// Reads a time of the day, truncated to microseconds.
pub(crate) fn parse_time_of_day(
    hours: i32,
    minutes: i32,
    seconds: i32,
    nanos: i32,
) -> Result<NaiveTime, Invalid> {
    let parsed = || {
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        let (hours, minutes) = (hours.try_into().ok()?, minutes.try_into().ok()?);
        NaiveTime::from_hms_nano_opt(hours, minutes, seconds.try_into().ok()?, nanos / 1000 * 1000)
    };
    parsed().ok_or_else(|| "must have a time of the day from 00:00:00 to 23:59:59.999999999".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_must_be_a_valid_calendar_date() {
        for (year, month, day) in [(1, 1, 1), (9999, 12, 31), (2024, 2, 29)] {
            assert!(parse_date(year, month, day).is_ok());
        }
        for (year, month, day) in [
            (0, 1, 1),
            (10_000, 1, 1),
            (-1, 1, 1),
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (2026, 2, 29),
            (2026, -1, 1),
            (i32::MAX, i32::MAX, i32::MAX),
            (i32::MIN, i32::MIN, i32::MIN),
        ] {
            assert!(parse_date(year, month, day).is_err(), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_time_zone_must_be_an_iana_name() {
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"] {
            assert_eq!(String::from(TimeZone::parse(good).unwrap()), good);
        }
        for bad in [
            "",
            "europe/berlin",
            "Mars/Olympus",
            "+02:00",
            "GMT-0800",
            "UTC+01:00",
            "UTC ",
            "Europe/Berlin\0",
            "Customized Time Zone",
            "tzone://Microsoft/Custom",
            "/Mars/Olympus",
            "/",
            "x/Europe/Berlin",
        ] {
            assert!(TimeZone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_names_of_windows_and_of_calendar_programs_become_iana_names() {
        for (name, expected) in [
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("Pacific Standard Time", "America/Los_Angeles"),
            ("India Standard Time", "Asia/Kolkata"),
            ("AUS Eastern Standard Time", "Australia/Sydney"),
            ("GMT Standard Time", "Europe/London"),
            ("FLE Standard Time", "Europe/Kyiv"),
            ("UTC-11", "Etc/GMT+11"),
            ("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"),
            ("/freeassociation.sourceforge.net/America/New_York", "America/New_York"),
            (
                "/citadel.org/20210210_1/America/Argentina/Buenos_Aires",
                "America/Argentina/Buenos_Aires",
            ),
            ("/softwarestudio.org/Tzfile/UTC", "UTC"),
        ] {
            assert_eq!(TimeZone::parse(name).map(String::from), Ok(expected.to_owned()));
            assert!(expected.parse::<Tz>().is_ok());
        }
    }

    #[test]
    fn a_due_time_round_trips_through_its_parts() {
        let date = Due::Date(parse_date(2026, 11, 22).unwrap());
        let zone = TimeZone::parse("Asia/Tokyo").unwrap();
        let moment = Due::Moment { time: date.time(), zone };
        let floating = Due::Floating(date.time().naive_utc());
        for due in [date, moment, floating] {
            let zone = due.zone().map(|name| TimeZone(name.to_owned()));
            assert_eq!(Due::from_parts(due.time(), zone), due);
        }
    }

    #[test]
    fn a_bound_has_the_wall_clock_of_its_time_zone() {
        let midnight: DateTime<Utc> = "2026-11-28T08:00:00Z".parse().unwrap();
        let zone = TimeZone::parse("America/Los_Angeles").unwrap();
        let bound = DueBound::new(midnight, Some(&zone));
        assert_eq!(bound.wall_clock, "2026-11-28T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        assert_eq!(DueBound::new(midnight, None).wall_clock, midnight);
    }

    #[test]
    fn a_time_of_the_day_follows_each_rule() {
        assert!(parse_time_of_day(0, 0, 0, 0).is_ok());
        assert!(parse_time_of_day(23, 59, 59, 999_999_999).is_ok());
        for (hours, minutes, seconds, nanos) in
            [(24, 0, 0, 0), (-1, 0, 0, 0), (0, 60, 0, 0), (0, 0, 60, 0), (0, 0, 59, 1_000_000_000)]
        {
            assert!(parse_time_of_day(hours, minutes, seconds, nanos).is_err());
        }
    }
}
