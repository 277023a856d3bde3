//! The times of a cron schedule, in a time zone.
//!
//! A time that a clock change leaves out (summer begins) has no run; one that comes twice (summer ends) has its run at
//! the first of the two, unless the hours are `*`.

use crate::model::controller::cron::Schedule;
use crate::model::time::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

/// Days looked at: every schedule that has times at all has one within 28 years (a leap day on a weekday).
const DAYS: i32 = 366 * 28 + 8;

fn zoned(time: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let micros = i64::try_from(time.micros()).ok()?;
    let time = jiff::Timestamp::from_microsecond(micros).ok()?;
    Some(time.to_zoned(zone.clone()))
}

fn stamp(time: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(time.as_microsecond())
        .ok()
        .and_then(Timestamp::from_micros)
}

/// The first time after a moment.
pub fn next_after(schedule: &Schedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let mut date = zoned(after, zone)?.date();
    for _ in 0..DAYS {
        if on(schedule, date) {
            let found = times(schedule, zone, date).find(|time| *time > after);
            if found.is_some() {
                return found;
            }
        }
        date = date.checked_add(1.day()).ok()?;
    }
    None
}

/// The last time after `after`, up to and with `until`.
pub fn last_between(
    schedule: &Schedule,
    zone: &TimeZone,
    after: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let first = zoned(after, zone)?.date();
    let mut date = zoned(until, zone)?.date();
    for _ in 0..DAYS {
        if date < first {
            return None;
        }
        if on(schedule, date) {
            let found =
                times(schedule, zone, date).filter(|time| (after < *time) && (*time <= until));
            if let Some(found) = found.max() {
                return Some(found);
            }
        }
        date = date.checked_sub(1.day()).ok()?;
    }
    None
}

/// Whether a day is in the schedule.
fn on(schedule: &Schedule, date: Date) -> bool {
    let number = |value: i8| u32::try_from(value).unwrap_or(0);
    let day = schedule.days.has(number(date.day()));
    let weekday = date.weekday().to_sunday_zero_offset();
    let weekday = schedule.weekdays.has(number(weekday));
    let fits = match schedule.either_day {
        true => day || weekday,
        false => day && weekday,
    };
    fits && schedule.months.has(number(date.month()))
}

/// The times of a day, in order.
fn times<'a>(
    schedule: &'a Schedule,
    zone: &'a TimeZone,
    date: Date,
) -> impl Iterator<Item = Timestamp> + 'a {
    let every_hour = schedule.hours.numbers().count() == 24;
    let clock = schedule.hours.numbers().flat_map(|hour| {
        let minutes = schedule.minutes.numbers();
        minutes.map(move |minute| (hour, minute))
    });
    let found = clock.flat_map(move |(hour, minute)| {
        let civil = DateTime::from_parts(date, civil_time(hour, minute));
        instants(zone, civil, every_hour)
    });
    let mut found: Vec<Timestamp> = found.collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter()
}

fn civil_time(hour: u32, minute: u32) -> jiff::civil::Time {
    let part = |value: u32| i8::try_from(value).unwrap_or(0);
    jiff::civil::Time::new(part(hour), part(minute), 0, 0).unwrap_or_default()
}

/// The moments at which clocks show a time: none in a gap; of two the first, or both.
fn instants(zone: &TimeZone, civil: DateTime, both: bool) -> Vec<Timestamp> {
    use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(civil).ok().and_then(stamp);
    match ambiguous.offset() {
        Unambiguous { offset } => at(offset).into_iter().collect(),
        Gap { .. } => Vec::new(),
        Fold { before, after } if both => at(before).into_iter().chain(at(after)).collect(),
        Fold { before, .. } => at(before).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::controller::cron::Bits;

    fn bits(numbers: impl IntoIterator<Item = u32>) -> Bits {
        Bits(numbers.into_iter().fold(0, |all, n| all | 1 << n))
    }

    fn daily(hours: Bits, minutes: Bits) -> Schedule {
        Schedule {
            minutes,
            hours,
            days: bits(1..32),
            months: bits(1..13),
            weekdays: bits(0..7),
            either_day: false,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn after(schedule: &Schedule, zone: &TimeZone, from: &str, count: usize) -> Vec<String> {
        let mut time = at(from);
        let next = || {
            time = next_after(schedule, zone, time)?;
            Some(time.to_string())
        };
        std::iter::from_fn(next).take(count).collect()
    }

    #[test]
    fn times_follow_each_other() {
        let half_past = daily(bits([4, 16]), bits([30]));
        let utc = TimeZone::UTC;
        assert_eq!(
            after(&half_past, &utc, "2026-02-28T04:30:00Z", 2),
            ["2026-02-28T16:30:00Z", "2026-03-01T04:30:00Z"]
        );
        let last =
            |a: &str, b: &str| last_between(&half_past, &utc, at(a), at(b)).map(|t| t.to_string());
        assert_eq!(
            last("2026-01-01T00:00:00Z", "2026-01-09T04:30:00Z").unwrap(),
            "2026-01-09T04:30:00Z"
        );
        assert_eq!(last("2026-01-01T04:30:00Z", "2026-01-01T16:29:59Z"), None);
        assert_eq!(last("2026-01-02T04:30:00Z", "2026-01-01T16:29:59Z"), None);
    }

    #[test]
    fn days_and_weekdays_are_either_or_both() {
        let mut schedule = daily(bits([0]), bits([0]));
        schedule.days = bits([13]);
        schedule.weekdays = bits([5]);
        assert_eq!(
            after(&schedule, &TimeZone::UTC, "2026-01-01T00:00:00Z", 2),
            ["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z"]
        );
        schedule.either_day = true;
        assert_eq!(
            after(&schedule, &TimeZone::UTC, "2026-01-01T00:00:00Z", 3),
            [
                "2026-01-02T00:00:00Z",
                "2026-01-09T00:00:00Z",
                "2026-01-13T00:00:00Z"
            ]
        );
        schedule.either_day = false;
        schedule.days = bits([30]);
        schedule.months = bits([2]);
        assert_eq!(
            next_after(&schedule, &TimeZone::UTC, at("2026-01-01T00:00:00Z")),
            None
        );
    }

    #[test]
    fn summer_time_leaves_out_and_repeats_nothing() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let daily_half_past_two = daily(bits([2]), bits([30]));
        assert_eq!(
            after(&daily_half_past_two, &berlin, "2026-03-27T12:00:00Z", 3),
            [
                "2026-03-28T01:30:00Z",
                "2026-03-30T00:30:00Z",
                "2026-03-31T00:30:00Z"
            ]
        );
        assert_eq!(
            after(&daily_half_past_two, &berlin, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        let hourly = daily(bits(0..24), bits([30]));
        assert_eq!(
            after(&hourly, &berlin, "2026-10-24T23:45:00Z", 3),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:30:00Z"
            ]
        );
    }
}
