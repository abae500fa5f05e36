//! `scheduleParams`: parsing, the rules of the flow spec, the form in answers, and the times of runs.

use serde_json::{Map, Value, json};

use super::errors::invalid;
use crate::wire::Reply;

/// A valid schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The scheduled start, in milliseconds.
    pub start_ms: i64,
    /// The time between runs; `None` for `once`.
    pub period_ms: Option<i64>,
    /// Whether the first run also takes what is older than the start.
    pub backfill: bool,
    frequency: String,
    interval: Option<i64>,
}

impl Schedule {
    /// Parses and checks `scheduleParams`.
    pub fn parse(params: Option<&Value>) -> Result<Self, Reply> {
        let Some(Value::Object(params)) = params else {
            return Err(invalid(400, "scheduleParams is required"));
        };
        let start = integer(params, "startTime")?;
        let start = start.ok_or_else(|| invalid(400, "scheduleParams.startTime is required"))?;
        if !(0..100_000_000_000).contains(&start) {
            return Err(invalid(400, "scheduleParams.startTime must be in epoch seconds"));
        }
        let frequency = params.get("frequency").and_then(Value::as_str);
        let frequency = frequency.ok_or_else(|| invalid(400, "scheduleParams.frequency is required"))?;
        let interval = integer(params, "interval")?;
        let backfill = boolean(params, "backfill")?;
        let (unit_s, least) = match frequency {
            "once" if interval.is_some() || backfill.is_some() => {
                return Err(invalid(
                    400,
                    "scheduleParams must not hold interval or backfill with frequency once",
                ));
            }
            "once" => (0, 0),
            "minute" => (60, 15),
            "hour" => (3_600, 1),
            "day" => (86_400, 1),
            "week" => (604_800, 1),
            other => {
                return Err(invalid(400, format!("scheduleParams.frequency [{other}] is not supported")));
            }
        };
        let period_ms =
            if unit_s == 0 { None } else { Some(checked_period(unit_s, interval, least, frequency)?) };
        Ok(Self {
            start_ms: start * 1000,
            period_ms,
            backfill: backfill.unwrap_or(true),
            frequency: frequency.to_owned(),
            interval,
        })
    }

    /// The form in answers: every value is a string.
    pub fn render(&self) -> Value {
        let mut params = Map::new();
        params.insert("startTime".to_owned(), json!((self.start_ms / 1000).to_string()));
        params.insert("frequency".to_owned(), json!(self.frequency));
        if let Some(interval) = self.interval {
            params.insert("interval".to_owned(), json!(interval.to_string()));
            params.insert("backfill".to_owned(), json!(self.backfill.to_string()));
        }
        Value::Object(params)
    }

    /// Whether the two differ in interval or backfill while both repeat.
    pub fn differs_in_rhythm(&self, other: &Self) -> bool {
        self.period_ms.is_some()
            && other.period_ms.is_some()
            && (self.interval != other.interval || self.backfill != other.backfill)
    }

    /// The first run of a flow that has had none.
    pub fn first_run(&self, now_ms: i64) -> i64 {
        self.start_ms.max(now_ms)
    }

    /// The scheduled time after a moment; `None` for `once`.
    pub fn next_run(&self, after_ms: i64) -> Option<i64> {
        let period_ms = self.period_ms?;
        if after_ms < self.start_ms {
            return Some(self.start_ms);
        }
        Some(self.start_ms + ((after_ms - self.start_ms) / period_ms + 1) * period_ms)
    }
}

fn checked_period(unit_s: i64, interval: Option<i64>, least: i64, frequency: &str) -> Result<i64, Reply> {
    match interval {
        None => Err(invalid(400, format!("scheduleParams.interval is required with frequency {frequency}"))),
        Some(interval) if interval < least || interval > 1_000_000 => Err(invalid(
            400,
            format!("scheduleParams.interval must be at least {least} with frequency {frequency}"),
        )),
        Some(interval) => Ok(unit_s * interval * 1000),
    }
}

fn integer(params: &Map<String, Value>, name: &str) -> Result<Option<i64>, Reply> {
    let value = match params.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    value.map(Some).ok_or_else(|| invalid(400, format!("scheduleParams.{name} must be an integer")))
}

fn boolean(params: &Map<String, Value>, name: &str) -> Result<Option<bool>, Reply> {
    let value = match params.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Bool(value)) => Some(*value),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    value.map(Some).ok_or_else(|| invalid(400, format!("scheduleParams.{name} must be a boolean")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &Value) -> Result<Schedule, Reply> {
        Schedule::parse(Some(params))
    }

    #[test]
    fn rules_of_the_flow_spec_hold() {
        let bad = [
            json!({"frequency": "hour", "interval": 1}),
            json!({"startTime": 1, "interval": 1}),
            json!({"startTime": 1, "frequency": "hour"}),
            json!({"startTime": 1, "frequency": "minute", "interval": 14}),
            json!({"startTime": 1, "frequency": "day", "interval": 0}),
            json!({"startTime": 1, "frequency": "once", "interval": 1}),
            json!({"startTime": 1, "frequency": "once", "backfill": true}),
            json!({"startTime": 1_710_267_858_000_i64, "frequency": "once"}),
            json!({"startTime": 1, "frequency": "year", "interval": 1}),
            json!({"startTime": "soon", "frequency": "once"}),
        ];
        for params in bad {
            assert_eq!(parse(&params).unwrap_err().status, 400, "{params}");
        }
        assert!(parse(&json!({"startTime": "1", "frequency": "minute", "interval": "15"})).is_ok());
        assert!(parse(&json!({"startTime": 1, "frequency": "once"})).is_ok());
    }

    #[test]
    fn answers_hold_strings_only() {
        let schedule =
            parse(&json!({"startTime": 1_710_267_858, "frequency": "minute", "interval": 15})).unwrap();
        let expected =
            json!({"startTime": "1710267858", "frequency": "minute", "interval": "15", "backfill": "true"});
        assert_eq!(schedule.render(), expected);
    }

    #[test]
    fn runs_are_aligned_to_the_start() {
        let schedule = parse(&json!({"startTime": 100, "frequency": "hour", "interval": 1})).unwrap();
        assert_eq!(schedule.first_run(5_000), 100_000);
        assert_eq!(schedule.first_run(200_000), 200_000);
        assert_eq!(schedule.next_run(200_000), Some(3_700_000));
        assert_eq!(schedule.next_run(3_700_000), Some(7_300_000));
        assert_eq!(parse(&json!({"startTime": 1, "frequency": "once"})).unwrap().next_run(5), None);
    }
}
