//! Dates by pattern, with the letters of the documented table.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Patterns tried for a text without a given pattern, in the documented order.
const GUESSES: [&str; 18] = [
    "yyyy-MM-dd HH:mm:ssZ",
    "yyyy-MM-dd HH:mm:ss.SSSZ",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd'T'HH:mm:ss.SSSX",
    "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "yyyy-MM-dd",
    "yyyy/MM/dd",
    "yyyy.MM.dd",
    "yyyy-MMM-dd",
    "yyyyMMdd",
    "MM-dd-yyyy",
    "MMddyyyy",
    "M/dd/yyyy",
    "dd.M.yyyy",
    "M/dd/yyyy hh:mm:ss a",
    "dd.M.yyyy hh:mm:ss a",
    "dd.MMM.yyyy",
    "dd-MMM-yyyy",
];

/// Reads a date without a pattern.
pub(crate) fn guess(text: &str) -> Option<Zoned> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.to_zoned(TimeZone::UTC));
    }
    // The guide's own example has neither seconds nor zone.
    let more =
        ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.SSS"];
    GUESSES.iter().chain(&more).find_map(|pattern| parse(text, pattern).ok())
}

/// Reads a date by a pattern; without a zone it is UTC.
pub(crate) fn parse(text: &str, pattern: &str) -> Result<Zoned, String> {
    let strftime = to_strftime(pattern)?;
    let has_zone = strftime.contains("%z");
    let text = if has_zone { plain_offset(text.trim()) } else { text.trim().to_owned() };
    let unreadable = || format!("{text:?} does not match {pattern}");
    let broken = BrokenDownTime::parse(&strftime, &text).map_err(|_| unreadable())?;
    if has_zone {
        return broken.to_timestamp().map(|at| at.to_zoned(TimeZone::UTC)).map_err(|_| unreadable());
    }
    let date = broken.to_date().map_err(|_| unreadable())?;
    let time = if broken.hour().is_some() {
        broken.to_time().map_err(|_| unreadable())?
    } else {
        jiff::civil::Time::midnight()
    };
    DateTime::from_parts(date, time).to_zoned(TimeZone::UTC).map_err(|_| unreadable())
}

/// Prints a date by a pattern.
pub(crate) fn format(at: &Zoned, pattern: &str) -> Result<String, String> {
    let zone = if at.offset().is_zero() { "Z".to_owned() } else { at.strftime("%:z").to_string() };
    // `X` prints Z for UTC, which no strftime letter does.
    let strftime = translate(pattern, &zone)?;
    BrokenDownTime::from(at).to_string(&strftime).map_err(|_| format!("{pattern} is not a pattern for dates"))
}

/// The date of a number of milliseconds.
pub(crate) fn from_millis(millis: i64) -> Result<Zoned, String> {
    let at = Timestamp::from_millisecond(millis).map_err(|_| format!("{millis} is not a time"))?;
    Ok(at.to_zoned(TimeZone::UTC))
}

/// ISO 8601 with the offset, `Z` for UTC.
pub(crate) fn iso(at: &Zoned) -> String {
    let fraction = if at.subsec_nanosecond() == 0 { "" } else { "%.3f" };
    let zone = if at.offset().is_zero() { "Z" } else { "%:z" };
    at.strftime(&format!("%Y-%m-%dT%H:%M:%S{fraction}{zone}")).to_string()
}

fn to_strftime(pattern: &str) -> Result<String, String> {
    translate(pattern, "%z")
}

/// From the documented letters to strftime's.
fn translate(pattern: &str, zone: &str) -> Result<String, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&letter) = chars.get(at) {
        if letter == '\'' {
            at = quoted(&chars, at, &mut out)?;
            continue;
        }
        let count = chars[at..].iter().take_while(|c| **c == letter).count();
        at += count;
        if letter.is_ascii_alphabetic() {
            out.push_str(
                directive(letter, count, zone)
                    .ok_or_else(|| format!("{letter} in {pattern} is not supported"))?,
            );
        } else {
            let literal = if letter == '%' { "%%".to_owned() } else { letter.to_string() };
            out.push_str(&literal.repeat(count));
        }
    }
    Ok(out)
}

fn quoted(chars: &[char], start: usize, out: &mut String) -> Result<usize, String> {
    let length =
        chars[start + 1..].iter().position(|c| *c == '\'').ok_or("a quote in the pattern is not closed")?;
    if length == 0 {
        out.push('\'');
    }
    for c in &chars[start + 1..start + 1 + length] {
        if *c == '%' {
            out.push('%');
        }
        out.push(*c);
    }
    Ok(start + length + 2)
}

fn directive(letter: char, count: usize, zone: &str) -> Option<&str> {
    Some(match (letter, count) {
        ('y' | 'u', 2) => "%y",
        ('y' | 'u', _) => "%Y",
        ('Y', _) => "%G",
        ('M' | 'L', 1) => "%-m",
        ('M' | 'L', 2) => "%m",
        ('M' | 'L', 3) => "%b",
        ('M' | 'L', _) => "%B",
        ('d', 1) => "%-d",
        ('d', _) => "%d",
        ('D', _) => "%j",
        ('w', _) => "%V",
        ('E', 1..=3) => "%a",
        ('E', _) => "%A",
        ('H', 1) => "%-H",
        ('H', _) => "%H",
        ('h', 1) => "%-I",
        ('h', _) => "%I",
        ('m', 1) => "%-M",
        ('m', _) => "%M",
        ('s', 1) => "%-S",
        ('s', _) => "%S",
        ('S', 1..=3) => "%3f",
        ('S', _) => "%9f",
        ('a', _) => "%p",
        ('X', _) => zone,
        ('Z' | 'x', _) => "%z",
        ('V', _) => "%Q",
        _ => return None,
    })
}

/// `Z` and `+01:00` as `+0000` and `+0100`, which one directive reads.
fn plain_offset(text: &str) -> String {
    if let Some(local) = text.strip_suffix('Z') {
        return format!("{local}+0000");
    }
    let bytes = text.as_bytes();
    if bytes.len() > 6 && bytes[bytes.len() - 3] == b':' && matches!(bytes[bytes.len() - 6], b'+' | b'-') {
        return format!("{}{}", &text[..text.len() - 3], &text[text.len() - 2..]);
    }
    if bytes.len() > 3 && matches!(bytes[bytes.len() - 3], b'+' | b'-') && text.contains(':') {
        return format!("{text}00");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_by_the_given_pattern() {
        let at = parse("2019-10-23 11:24", "yyyy-MM-dd HH:mm").unwrap();
        assert_eq!(iso(&at), "2019-10-23T11:24:00Z");
        assert!(parse("23.10.2019", "yyyy-MM-dd").is_err());
        let zoned = parse("2019-10-23 11:24:00-0800", "yyyy-MM-dd HH:mm:ssZ").unwrap();
        assert_eq!(iso(&zoned), "2019-10-23T19:24:00Z");
    }

    #[test]
    fn a_time_is_printed_by_the_given_pattern() {
        let at = from_millis(1_571_829_875_000).unwrap();
        assert_eq!(format(&at, "yyyy-MM-dd'T'HH:mm:ss.SSSX").unwrap(), "2019-10-23T11:24:35.000Z");
        assert_eq!(format(&at, "d MMM yy, h:mm a").unwrap(), "23 Oct 19, 11:24 AM");
        assert!(format(&at, "qqqq").is_err());
    }

    #[test]
    fn documented_shapes_are_guessed() {
        for (text, want) in [
            ("2020-12-31", "2020-12-31T00:00:00Z"),
            ("20201231", "2020-12-31T00:00:00Z"),
            ("12/31/2020 01:02:03 PM", "2020-12-31T13:02:03Z"),
            ("31-Dec-2020", "2020-12-31T00:00:00Z"),
            ("2020-12-31T10:00:00.005+01:00", "2020-12-31T09:00:00.005Z"),
        ] {
            assert_eq!(guess(text).map(|at| iso(&at)).as_deref(), Some(want), "{text}");
        }
        assert_eq!(guess("soon"), None);
    }
}
