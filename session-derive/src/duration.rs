//! Parses the durations of `ttl = ".."`.

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// The maximum lifetime of a field in milliseconds: the maximum lifetime of a cookie (RFC 6265bis, 5.5).
pub(crate) const LONGEST: u64 = 400 * DAY;

/// The units, longest first, with other common spellings.
const UNITS: &[(&str, u64, &str, &[&str])] = &[
    ("w", WEEK, "week", &["wk", "wks", "week", "weeks"]),
    ("d", DAY, "day", &["day", "days"]),
    ("h", HOUR, "hour", &["hr", "hrs", "hour", "hours"]),
    ("m", MINUTE, "minute", &["min", "mins", "minute", "minutes"]),
    ("s", SECOND, "second", &["sec", "secs", "second", "seconds"]),
    (
        "ms",
        1,
        "millisecond",
        &["msec", "millis", "millisecond", "milliseconds"],
    ),
];

/// Parses a duration such as `10m` or `1h30m`: returns milliseconds, or an error message that says what to write.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let unreadable = || {
        let meant = spelt_out(text)
            .map(|meant| format!("; did you mean `{meant}`? Expected"))
            .unwrap_or_else(|| ": expected".to_owned());
        format!(
            "`{text}` is not a duration{meant} a whole number and a unit (`ms`, `s`, `m`, `h`, `d`, `w`), such as \
             `30s`, `10m`, `2h`, `7d`, or a sum such as `1h30m`"
        )
    };
    let parts = parts(text)
        .filter(|parts| !parts.is_empty())
        .ok_or_else(unreadable)?;
    let mut total = Some(0_u64);
    for (number, unit) in parts {
        let (_, unit, ..) = UNITS
            .iter()
            .find(|(name, ..)| *name == unit)
            .ok_or_else(unreadable)?;
        // The text has only digits: a number that does not fit is too long, not invalid.
        let part = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*unit));
        total = total
            .zip(part)
            .and_then(|(total, part)| total.checked_add(part));
    }
    match total {
        Some(0) => Err(format!(
            "a ttl of `{text}` expires at once: use a longer one, such as `10m`"
        )),
        Some(millis) if millis <= LONGEST => Ok(millis),
        _ => Err(format!(
            "a ttl of `{text}` exceeds 400 days, the longest that browsers keep a cookie: use at most `400d`"
        )),
    }
}

/// Milliseconds in words: `1 hour 30 minutes`.
pub(crate) fn in_words(mut millis: u64) -> String {
    let mut words = Vec::new();
    for (_, unit, name, _) in UNITS {
        let n = millis / unit;
        millis %= unit;
        if n > 0 {
            words.push(format!("{n} {name}{}", if n == 1 { "" } else { "s" }));
        }
    }
    words.join(" ")
}

/// Pairs of digits and a word, with or without a space between them; `None` if the text has another form.
fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit())?;
        let (unit, after) = split(after.trim_start(), |c| c.is_ascii_alphabetic())?;
        parts.push((number, unit));
        rest = after.trim_start();
    }
    Some(parts)
}

/// The beginning of a text, if it is not empty, and the rest.
fn split(text: &str, begins: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text.find(|c| !begins(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The short form of a duration in words, such as `10 minutes`.
fn spelt_out(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let short = parts(&text)?.into_iter().map(|(number, unit)| {
        let unit = UNITS
            .iter()
            .find(|(name, .., long)| *name == unit || long.contains(&unit))?;
        Some(format!("{number}{}", unit.0))
    });
    short
        .collect::<Option<String>>()
        .filter(|short| !short.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_are_read() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
            ("1h30m", 5_400_000),
            (" 1h 30 m ", 5_400_000),
            ("0h1s", 1_000),
            ("400d", LONGEST),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "10",
            "m",
            "ten minutes",
            "-5m",
            "1.5h",
            "10m!",
            "10µs",
            "m10",
            "1h-2m",
            "٣m",
        ] {
            assert!(
                parse(text).unwrap_err().contains("is not a duration"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_spelt_out_is_understood_but_refused() {
        for (text, meant) in [
            ("10 minutes", "`10m`"),
            ("1 hour 30 min", "`1h30m`"),
            ("10M", "`10m`"),
            ("2 Weeks", "`2w`"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(
                message.contains(&format!("did you mean {meant}?")),
                "{message}"
            );
        }
        assert!(!parse("10 eons").unwrap_err().contains("did you mean"));
    }

    #[test]
    fn no_time_and_too_long_a_time_are_refused() {
        for text in ["0s", "0m0h"] {
            assert!(
                parse(text).unwrap_err().contains("expires at once"),
                "{text}"
            );
        }
        for text in [
            "401d",
            "400d1ms",
            "58w",
            "99999999999999999999w",
            "18446744073709551615w",
            "18446744073709551615ms1ms",
        ] {
            assert!(
                parse(text).unwrap_err().contains("exceeds 400 days"),
                "{text}"
            );
        }
    }

    #[test]
    fn durations_are_told_in_words() {
        assert_eq!(in_words(600_000), "10 minutes");
        assert_eq!(
            in_words(5_401_500),
            "1 hour 30 minutes 1 second 500 milliseconds"
        );
        assert_eq!(in_words(WEEK + DAY), "1 week 1 day");
    }
}
