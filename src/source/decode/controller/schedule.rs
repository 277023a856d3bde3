//! Cron expressions: five fields, or a word such as `@daily`.

use crate::model::controller::cron::{Bits, Schedule};
use crate::source::decode::field::Field;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Words for whole expressions.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Decodes `schedule`.
pub fn schedule(field: &Field<'_>) -> Option<Schedule> {
    match parse(field.line()?) {
        Ok(schedule) => Some(schedule),
        Err(problem) => {
            field.problem(problem);
            None
        }
    }
}

fn parse(text: &str) -> Result<Schedule, String> {
    if text.contains("TZ=") {
        return Err("has a time zone in it: move it to timeZone".to_owned());
    }
    let word = WORDS.iter().find(|(word, _)| *word == text);
    let text = word.map_or(text, |(_, meaning)| meaning);
    if text.starts_with('@') {
        let words = WORDS.map(|(word, _)| word).join(", ");
        return Err(format!(
            "unknown word: write five fields, or one of {words}"
        ));
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = fields[..] else {
        return Err(
            "must have five fields: minute, hour, day of the month, month, day of the week"
                .to_owned(),
        );
    };
    let mut week = bits(weekdays, 0, 7, &WEEKDAYS, 0)?;
    // 0 and 7 are both Sunday.
    week = Bits((week.0 | week.0 >> 7) & 0x7f);
    Ok(Schedule {
        minutes: bits(minutes, 0, 59, &[], 0)?,
        hours: bits(hours, 0, 23, &[], 0)?,
        days: bits(days, 1, 31, &[], 1)?,
        months: bits(months, 1, 12, &MONTHS, 1)?,
        weekdays: week,
        either_day: !is_any(days) && !is_any(weekdays),
    })
}

/// A field that begins with `*` leaves the other day field to decide (crontab(5)).
fn is_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// A list of numbers, ranges and steps. `names` stand for the numbers from `base` on.
fn bits(field: &str, min: u32, max: u32, names: &[&str], base: u32) -> Result<Bits, String> {
    let number = |word: &str| {
        let named = names
            .iter()
            .position(|name| word.eq_ignore_ascii_case(name));
        let named = named.and_then(|place| u32::try_from(place).ok());
        let found = named
            .map(|place| place + base)
            .or_else(|| word.parse().ok());
        found
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| format!("{word:?} in {field:?} is not a number from {min} to {max}"))
    };
    let mut all = 0_u64;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let step_by = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return Err(format!("the step in {part:?} must be a number from 1 on")),
        };
        // `*` of weekdays is 0 to 6: 7 is 0 again.
        let last = if names.len() == 7 { 6 } else { max };
        let (from, to) = match (range, range.split_once('-')) {
            ("*" | "?", _) => (min, last),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (_, None) if step.is_some() => (number(range)?, last),
            (_, None) => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(format!(
                "the range {range:?} goes backwards: write the lower number first"
            ));
        }
        for number in (from..=to).step_by(step_by) {
            all |= 1 << number;
        }
    }
    Ok(Bits(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bits: Bits) -> Vec<u32> {
        bits.numbers().collect()
    }

    #[test]
    fn fields_are_sets() {
        let schedule = parse("*/20 1-5/2,9 1,15 jan-Mar 5-7").unwrap();
        assert_eq!(numbers(schedule.minutes), [0, 20, 40]);
        assert_eq!(numbers(schedule.hours), [1, 3, 5, 9]);
        assert_eq!(numbers(schedule.days), [1, 15]);
        assert_eq!(numbers(schedule.months), [1, 2, 3]);
        assert_eq!(numbers(schedule.weekdays), [0, 5, 6]);
        assert!(schedule.either_day);
        assert!(!parse("0 0 1 * *").unwrap().either_day);
        assert!(!parse("0 0 */2 * 1").unwrap().either_day);
        assert_eq!(parse("@hourly"), parse("0 * * * *"));
        assert_eq!(
            numbers(parse("7/15 * * * *").unwrap().minutes),
            [7, 22, 37, 52]
        );
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (text, part) in [
            ("* * * *", "five fields"),
            (
                "60 * * * *",
                "\"60\" in \"60\" is not a number from 0 to 59",
            ),
            ("* * 0 * *", "from 1 to 31"),
            ("* * * foo *", "\"foo\""),
            ("5-1 * * * *", "backwards"),
            ("*/0 * * * *", "step"),
            ("@never", "unknown word"),
            ("@every 5m", "unknown word"),
            ("TZ=UTC * * * * *", "timeZone"),
            ("", "five fields"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }
}
