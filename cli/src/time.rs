//! Timestamps as text.

use level_session::Timestamp;

/// Formats a timestamp as RFC 3339, in UTC and with milliseconds. Returns `None` ("never") after the year 9999.
#[must_use]
pub fn rfc3339(at: Timestamp) -> Option<String> {
    const DAY: u64 = 86_400_000;
    /// The beginning of the year 10000.
    const END: u64 = 253_402_300_800_000;
    let millis = at.as_millis();
    if millis >= END {
        return None;
    }
    let (days, rest) = (millis / DAY, millis % DAY);
    // Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day is the last day of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = match month < 10 {
        true => (month + 3, 0),
        false => (month - 9, 1),
    };
    let year = year + era * 400 + later;
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_rfc_3339_has_them() {
        let shown = |millis| rfc3339(Timestamp::from_millis(millis));
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(shown(millis).as_deref(), Some(text));
        }
        assert_eq!(shown(253_402_300_800_000), None);
        assert_eq!(rfc3339(Timestamp::MAX), None);
    }
}
