//! Fault plans: which call goes wrong, when, and how. Every plan counts how often it was reached.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::incoming::Incoming;

/// Which calls a fault is for. Absent members match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Match {
    /// The service: `ims`, `flowservice`, `conversion`, `schemaregistry`, `catalog` or `sandbox-management`.
    pub service: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The endpoint template, such as `/flows/{id}`.
    pub endpoint: Option<String>,
    /// A regular expression on the path.
    pub path: Option<String>,
    /// A regular expression on the decoded query, `name=value` joined by `&`.
    pub query: Option<String>,
    /// A regular expression on the body.
    pub body: Option<String>,
    /// The caller's client id.
    pub caller: Option<String>,
    /// The organisation.
    pub org: Option<String>,
    /// The sandbox name.
    pub sandbox: Option<String>,
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Times {
    /// So many times.
    Count(u64),
    /// Always: the text `forever`.
    Word(Forever),
}

/// The text `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Forever {
    /// Always.
    Forever,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// This answer, without doing anything.
    Status(Canned),
    /// The call is done, but the answer is this.
    StatusAfterCommit(Canned),
    /// The connection breaks before anything is done.
    DropBeforeCommit,
    /// The call is done and the connection breaks before the answer.
    DropAfterCommit,
    /// The call is done and the connection breaks within the answer.
    DropMidBody,
    /// Slow; the call goes on and other faults may strike it too.
    DelayMs(Delay),
    /// The call is done, but the body of the answer is spoilt.
    ReplaceBody(Spoilt),
    /// Somebody else edits the object that the call names, right before the call is done.
    Edit(Edit),
    /// Nothing is done and no answer comes.
    Hang,
    /// The call is done and no answer comes.
    HangAfterCommit,
}

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canned {
    /// The status.
    pub status: u16,
    /// A JSON body, or a text that is sent as HTML. By default the gateway's body for that status.
    #[serde(default)]
    pub body: Option<Value>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// An edit by somebody else, free of the service's rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Edit {
    /// A JSON Patch of the document.
    pub patch: Vec<Value>,
    /// Whose edit it is; by default the UI's.
    #[serde(default)]
    pub client: Option<String>,
}

/// A delay in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Delay {
    /// Before the call is done.
    pub before: u64,
    /// Between that and the answer.
    pub after: u64,
}

/// How a body is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Spoilt {
    /// Nothing.
    Empty,
    /// The first half.
    Cut,
    /// A page for people.
    Html,
    /// Every id is another one.
    WrongId,
    /// The ids are missing.
    NoId,
    /// The ids are no ids.
    BadId,
    /// Etags are missing.
    NoEtag,
    /// Etags are weak ones.
    WeakEtag,
    /// Etags have their quotes twice.
    DoubleQuotedEtag,
    /// A page other than the first says that it comes next itself.
    PageLoop,
    /// Ten mebibytes.
    Huge,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// JSON of another type.
    WrongType,
    /// JSON that nests very deeply.
    Deep,
    /// Unknown members beside the known ones.
    ExtraFields,
}

/// A fault to plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// A name for reports.
    #[serde(default)]
    pub name: Option<String>,
    /// Which calls.
    #[serde(default, rename = "match")]
    pub on: Match,
    /// How many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// How often it strikes; absent is once.
    #[serde(default)]
    pub times: Option<Times>,
    /// Of the matching calls, the share that it strikes, evenly spread; absent is all.
    #[serde(default)]
    pub percent: Option<u8>,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// A fault that strikes once.
    pub fn once(on: Match, action: Action) -> Self {
        Self { name: None, on, skip: 0, times: None, percent: None, action }
    }
}

/// A fault with its counters.
#[derive(Debug, Clone)]
struct Planned {
    id: u64,
    fault: Fault,
    patterns: [Option<Regex>; 3],
    matched: u64,
    reached: u64,
}

/// The planned faults.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    planned: Vec<Planned>,
    next_id: u64,
}

/// What strikes one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strike {
    /// The sum of all delays.
    pub delay: Delay,
    /// The one other thing that happens.
    pub action: Option<Action>,
    /// The names of the faults.
    pub label: Option<String>,
}

impl Faults {
    /// Plans a fault and gives its id, or says which pattern is not valid.
    pub fn add(&mut self, fault: Fault) -> Result<u64, String> {
        let compile = |text: &Option<String>| {
            text.as_deref()
                .map(Regex::new)
                .transpose()
                .map_err(|why| format!("not a regular expression: {why}"))
        };
        let patterns = [compile(&fault.on.path)?, compile(&fault.on.query)?, compile(&fault.on.body)?];
        self.next_id += 1;
        self.planned.push(Planned { id: self.next_id, fault, patterns, matched: 0, reached: 0 });
        Ok(self.next_id)
    }

    /// Removes one fault, or all.
    pub fn remove(&mut self, id: Option<u64>) {
        self.planned.retain(|planned| id.is_some_and(|id| id != planned.id));
    }

    /// Every fault with its counters.
    pub fn report(&self) -> Value {
        let faults = self.planned.iter().map(|planned| {
            json!({"id": planned.id, "fault": planned.fault, "matched": planned.matched, "reached": planned.reached})
        });
        faults.collect()
    }

    /// Settles what strikes a call. Delays add up; of the rest the first planned one wins.
    pub fn strike(&mut self, call: &Incoming) -> Strike {
        let mut strike = Strike::default();
        let mut names = Vec::new();
        for planned in &mut self.planned {
            let slow = matches!(planned.fault.action, Action::DelayMs(_));
            if (!slow && strike.action.is_some()) || !planned.is_for(call) || !planned.strikes() {
                continue;
            }
            names.push(planned.fault.name.clone().unwrap_or_else(|| format!("#{}", planned.id)));
            match &planned.fault.action {
                Action::DelayMs(delay) => {
                    strike.delay.before += delay.before;
                    strike.delay.after += delay.after;
                }
                action => strike.action = Some(action.clone()),
            }
        }
        strike.label = (!names.is_empty()).then(|| names.join(", "));
        strike
    }
}

impl Planned {
    fn is_for(&self, call: &Incoming) -> bool {
        let on = &self.fault.on;
        let is = |wanted: &Option<String>, have: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| have.is_some_and(|have| wanted.eq_ignore_ascii_case(have)))
        };
        let [path, query, body] = &self.patterns;
        is(&on.service, Some(call.service.name()))
            && is(&on.method, Some(call.method.as_str()))
            && is(&on.caller, call.header("x-api-key"))
            && is(&on.org, call.header("x-gw-ims-org-id"))
            && is(&on.sandbox, call.header("x-sandbox-name"))
            && (on.endpoint.is_none() || is(&on.endpoint, Some(&call.endpoint())))
            && path.as_ref().is_none_or(|path| path.is_match(&call.path))
            && query.as_ref().is_none_or(|query| {
                let pairs = call.query.iter().map(|(name, value)| format!("{name}={value}"));
                query.is_match(&pairs.collect::<Vec<_>>().join("&"))
            })
            && body.as_ref().is_none_or(|body| body.is_match(&String::from_utf8_lossy(&call.body)))
    }

    fn strikes(&mut self) -> bool {
        self.matched += 1;
        let counted = self.matched.saturating_sub(self.fault.skip);
        let left = match self.fault.times {
            None => self.reached < 1,
            Some(Times::Count(times)) => self.reached < times,
            Some(Times::Word(Forever::Forever)) => true,
        };
        // Spread evenly: strike whenever the running share passes a whole number.
        let percent = u64::from(self.fault.percent.unwrap_or(100).min(100));
        let share = counted > 0 && (counted * percent) / 100 > ((counted - 1) * percent) / 100;
        let strikes = left && share;
        self.reached += u64::from(strikes);
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, uri: &str) -> Incoming {
        Incoming::read(axum::http::Request::builder().method(method).uri(uri).body(Vec::new()).unwrap())
    }

    fn planned(fault: Value) -> Faults {
        let mut faults = Faults::default();
        faults.add(serde_json::from_value(fault).unwrap()).unwrap();
        faults
    }

    #[test]
    fn a_fault_waits_its_turn_and_counts() {
        let mut faults =
            planned(json!({"match": {"service": "flowservice", "method": "post", "endpoint": "/flows"},
            "skip": 1, "times": 2, "action": "dropAfterCommit"}));
        let create = call("POST", "/data/foundation/flowservice/flows");
        let strikes: Vec<bool> = (0..5).map(|_| faults.strike(&create).action.is_some()).collect();
        assert_eq!(strikes, [false, true, true, false, false]);
        assert_eq!(faults.strike(&call("GET", "/data/foundation/flowservice/flows")), Strike::default());
        assert_eq!(faults.report()[0]["reached"], 2);
        assert_eq!(faults.report()[0]["matched"], 5);
    }

    #[test]
    fn a_share_of_calls_is_struck_evenly() {
        let mut faults =
            planned(json!({"percent": 30, "times": "forever", "action": {"status": {"status": 503}}}));
        let get = call("GET", "/x");
        let struck = (0..100).filter(|_| faults.strike(&get).action.is_some()).count();
        assert_eq!(struck, 30);
    }

    #[test]
    fn delays_add_to_another_fault() {
        let mut faults = planned(json!({"action": {"delayMs": {"before": 5}}}));
        faults.add(Fault::once(Match::default(), Action::Hang)).unwrap();
        let strike = faults.strike(&call("GET", "/x"));
        assert_eq!((strike.delay.before, strike.action), (5, Some(Action::Hang)));
    }

    #[test]
    fn a_bad_pattern_is_refused() {
        let on = Match { path: Some("(".to_owned()), ..Match::default() };
        assert!(Faults::default().add(Fault::once(on, Action::Hang)).is_err());
    }
}
