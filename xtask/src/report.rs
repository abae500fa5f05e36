//! Runs phases, remembers how they ended and how long they took, and prints the table.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

enum End {
    Passed,
    Failed,
    Skipped(String),
}

struct Line {
    name: String,
    end: End,
    time: Duration,
}

/// The phases so far.
pub struct Report<'a> {
    wants: Box<dyn Fn(&str) -> bool + 'a>,
    lines: Vec<Line>,
    start: Instant,
}

impl<'a> Report<'a> {
    /// An empty report; `wants` says which phases are to be run.
    pub fn new(wants: impl Fn(&str) -> bool + 'a) -> Self {
        Self { wants: Box::new(wants), lines: Vec::new(), start: Instant::now() }
    }

    /// Runs a phase: `Some(true)` if it passed, `None` if it was not wanted.
    pub fn phase(&mut self, name: &str, run: impl FnOnce() -> Result<()>) -> Option<bool> {
        if !(self.wants)(name) {
            return None;
        }
        println!("\n=== {name}   (after {})", shown(self.start.elapsed()));
        let start = Instant::now();
        let result = run().map_err(|error| format!("{error:#}"));
        let passed = result.is_ok();
        self.ended(name, result, start.elapsed());
        Some(passed)
    }

    /// Adds a phase that ended elsewhere.
    pub fn ended(&mut self, name: &str, result: Result<(), String>, time: Duration) {
        let end = match result {
            Ok(()) => End::Passed,
            Err(error) => {
                println!("{name}: {error}");
                End::Failed
            }
        };
        self.lines.push(Line { name: name.into(), end, time });
    }

    /// Adds a phase that was not run.
    pub fn skipped(&mut self, name: &str, why: &str) {
        self.lines.push(Line { name: name.into(), end: End::Skipped(why.into()), time: Duration::ZERO });
    }

    /// Prints the table. An error if a phase failed or could not be run.
    pub fn finish(self) -> Result<()> {
        println!("\n{:<22} {:>10}  result", "phase", "time");
        for Line { name, end, time } in &self.lines {
            let end = match end {
                End::Passed => "ok".to_owned(),
                End::Failed => "FAILED".to_owned(),
                End::Skipped(why) => format!("not run: {why}"),
            };
            println!("{name:<22} {:>10}  {end}", shown(*time));
        }
        println!("{:<22} {:>10}", "total", shown(self.start.elapsed()));
        let failed: Vec<&str> = self
            .lines
            .iter()
            .filter(|line| matches!(line.end, End::Failed))
            .map(|line| line.name.as_str())
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", failed.join(", "))
    }
}

/// A time as people read it.
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_phase_does_not_stop_the_next_but_fails_the_whole() {
        let mut report = Report::new(|_| true);
        assert_eq!(report.phase("a", || bail!("no")), Some(false));
        assert_eq!(report.phase("b", || Ok(())), Some(true));
        assert_eq!(report.finish().unwrap_err().to_string(), "failed: a");
    }

    #[test]
    fn a_phase_that_is_not_wanted_is_not_run() {
        let mut report = Report::new(|name| name != "a");
        assert_eq!(report.phase("a", || bail!("no")), None);
        assert!(report.finish().is_ok());
    }
}
