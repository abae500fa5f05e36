//! The metrics page, every name and every label of it; and that alerts and dashboard refer to nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};

use super::census::Sighted;
use super::metrics::Happening;
use super::{Census, Metrics, Page, Progress, Sources};
use crate::aep::{self, Aep, CallReport, ErrorKind, Lane, Observer, Operation};
use crate::api::condition::{ConditionType, Reason};
use crate::api::{IngestionFlowStatus, KINDS, all_crds};
use crate::domain::outcome::{Class, Obstacle};

/// The whole contract: metric, type, labels.
const CONTRACT: &[(&str, &str, &[&str])] = &[
    ("aep_operator_budget_wait_seconds", "histogram", &["lane"]),
    ("aep_operator_budget_waiting", "gauge", &["lane"]),
    ("aep_operator_build_info", "gauge", &["version"]),
    ("aep_operator_conditions", "gauge", &["kind", "status", "type"]),
    ("aep_operator_drift_corrected_total", "counter", &["kind"]),
    ("aep_operator_drift_found_total", "counter", &["kind"]),
    ("aep_operator_duplicates_refused_total", "counter", &["kind"]),
    ("aep_operator_flow_consecutive_failures", "gauge", &["flow", "flow_namespace"]),
    ("aep_operator_flow_last_run_records", "gauge", &["flow", "flow_namespace", "records"]),
    ("aep_operator_flow_last_success_timestamp_seconds", "gauge", &["flow", "flow_namespace"]),
    ("aep_operator_flow_runs_healthy", "gauge", &["flow", "flow_namespace"]),
    ("aep_operator_leader", "gauge", &[]),
    ("aep_operator_objects", "gauge", &["kind", "ready", "reason"]),
    ("aep_operator_objects_deleting", "gauge", &["kind"]),
    ("aep_operator_orphans_found_total", "counter", &["kind"]),
    ("aep_operator_reconcile_duration_seconds", "histogram", &["kind", "outcome"]),
    ("aep_operator_reconciles_in_progress", "gauge", &["kind"]),
    ("aep_operator_time_to_ready_seconds", "histogram", &["kind"]),
    ("aep_operator_upstream_request_duration_seconds", "histogram", &["api", "path"]),
    ("aep_operator_upstream_requests_total", "counter", &["api", "code", "method", "path"]),
    ("aep_operator_watch_failures_total", "counter", &["kind"]),
];

struct Unused;

impl aep::Transport for Unused {
    fn send(
        &self,
        _request: http::Request<Vec<u8>>,
    ) -> futures::future::BoxFuture<'_, Result<http::Response<Vec<u8>>, aep::TransportError>> {
        std::future::pending().boxed()
    }
}

/// A page on which every metric has a series.
fn page(per_flow: bool) -> String {
    let metrics = Metrics::default();
    let obstacle = Obstacle::new(Class::Invalid, Reason::InvalidSpec, "canary: a message is no label");
    metrics.reconciled(KINDS[0], Err(&obstacle), Duration::from_millis(3));
    metrics.became_ready(KINDS[0], Duration::from_secs(3));
    metrics.count(Happening::DriftFound, KINDS[0]);
    metrics.permitted(Lane::Create, Duration::ZERO);
    metrics.finished(&call(Some(201), None));
    metrics.finished(&call(None, Some(ErrorKind::Ambiguous)));
    metrics.finished(&call(None, Some(ErrorKind::NotSent)));
    let census = Census::default();
    census.add(Box::new(|see| {
        let status: IngestionFlowStatus = serde_json::from_value(json!({
            "conditions": [
                { "type": "Ready", "status": "True", "reason": "Available", "message": "canary: applied", "lastTransitionTime": "2026-01-01T00:00:00Z" },
                { "type": "RunsHealthy", "status": "False", "reason": "RunFailed", "message": "canary: failed", "lastTransitionTime": "2026-01-01T00:00:00Z" },
            ],
            "lastRun": { "id": "canary-run", "state": "failed", "recordsIn": 7, "recordsOut": 5, "recordsFailed": 2, "errorMessage": "canary: text" },
            "lastSuccess": "2026-01-01T00:00:00Z",
            "consecutiveFailures": 2,
        }))
        .unwrap();
        let sighted = Sighted {
            kind: "IngestionFlow", namespace: "a-namespace", name: "a-name", deleting: true,
            unparsed: false, status: Some(&status.common), flow: Some(&status),
        };
        see(sighted);
    }));
    let progress = Progress::default();
    let _under_way = progress.begin(KINDS[0]);
    let (_leader, leading_until) = aep::sole_leadership();
    let aep = Aep::new(aep::Settings::default(), Arc::new(Unused)).unwrap();
    Page::new(&metrics, Sources { census, progress, leading_until, aep, per_flow }).text().unwrap()
}

fn call(status: Option<u16>, kind: Option<ErrorKind>) -> CallReport {
    CallReport {
        operation: Operation { verb: "create", resource: "flows" },
        method: http::Method::POST,
        endpoint: "/data/foundation/flowservice/flows/{id}/action".to_owned(),
        status,
        kind,
        duration: Duration::from_millis(40),
    }
}

type Contract = BTreeMap<String, (String, BTreeSet<String>)>;

/// Metrics, their types and labels, as a page shows them.
fn contract_of(page: &str) -> Contract {
    let mut metrics = Contract::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, type_) = rest.split_once(' ').unwrap();
            metrics.insert(name.to_owned(), (type_.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|name| metrics.contains_key(*name))
                .unwrap_or(name);
            let names = names_of_labels(labels);
            metrics.get_mut(family).unwrap_or_else(|| panic!("{family} has a type")).1.extend(names);
        }
    }
    metrics
}

/// Names of the labels in `a="x",b="y"}`; values hold no quotes.
fn names_of_labels(labels: &str) -> Vec<String> {
    labels
        .trim_end_matches('}')
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "le")
        .collect()
}

#[test]
fn the_page_shows_exactly_the_metrics_and_labels_of_the_contract() {
    let expected: Contract = CONTRACT
        .iter()
        .map(|(name, type_, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*name).to_owned(), ((*type_).to_owned(), labels))
        })
        .collect();
    assert_eq!(contract_of(&page(true)), expected);
}

#[test]
fn names_of_flows_are_shown_only_where_that_is_asked_for_and_texts_never() {
    assert!(page(true).contains("flow_namespace=\"a-namespace\""));
    assert!(page(true).contains("aep_operator_flow_last_run_records{flow_namespace=\"a-namespace\",flow=\"a-name\",records=\"failed\"} 2"));
    let page = page(false);
    for hidden in ["a-namespace", "a-name", "canary"] {
        assert!(!page.contains(hidden), "{hidden} in\n{page}");
    }
}

#[test]
fn values_tell_what_happened() {
    let page = page(false);
    for line in [
        "aep_operator_upstream_requests_total{api=\"flowservice\",path=\"/flows/{id}/action\",method=\"POST\",code=\"201\"} 1",
        "aep_operator_upstream_requests_total{api=\"flowservice\",path=\"/flows/{id}/action\",method=\"POST\",code=\"Ambiguous\"} 1",
        "aep_operator_upstream_request_duration_seconds_count{api=\"flowservice\",path=\"/flows/{id}/action\"} 2",
        "aep_operator_budget_wait_seconds_count{lane=\"Create\"} 1",
        "aep_operator_budget_waiting{lane=\"Create\"} 0",
        "aep_operator_reconcile_duration_seconds_count{kind=\"StripeBaseConnection\",outcome=\"Invalid\"} 1",
        "aep_operator_reconciles_in_progress{kind=\"StripeBaseConnection\"} 1",
        "aep_operator_time_to_ready_seconds_sum{kind=\"StripeBaseConnection\"} 3",
        "aep_operator_drift_found_total{kind=\"StripeBaseConnection\"} 1",
        "aep_operator_drift_found_total{kind=\"IngestionFlow\"} 0",
        "aep_operator_objects{kind=\"IngestionFlow\",ready=\"True\",reason=\"Available\"} 1",
        "aep_operator_conditions{kind=\"IngestionFlow\",type=\"RunsHealthy\",status=\"False\"} 1",
        "aep_operator_objects_deleting{kind=\"IngestionFlow\"} 1",
        "aep_operator_leader 1",
    ] {
        assert!(page.lines().any(|found| found.starts_with(line)), "no {line} in\n{page}");
    }
    assert!(!page.contains("NotSent"), "a call that the gate held back was not made");
}

#[test]
fn the_kinds_are_those_of_the_definitions() {
    let kinds: Vec<_> = all_crds().into_iter().map(|crd| crd.spec.names.kind).collect();
    assert_eq!(kinds, KINDS);
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// Every expression of the alert rules, with the texts that may name labels, and of the dashboard.
fn expressions() -> Vec<(String, String)> {
    let rules: Value = serde_saphyr::from_str(&repository("charts/aep-operator/files/alerts.yaml")).unwrap();
    let dashboard: Value =
        serde_json::from_str(&repository("charts/aep-operator/files/dashboard.json")).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rules = list(&rules["groups"]).into_iter().flat_map(|group| list(&group["rules"]));
    let rules = rules.map(|rule| (text(&rule["expr"]), rule["annotations"].to_string()));
    let targets = list(&dashboard["panels"]).into_iter().flat_map(|panel| list(&panel["targets"]));
    let targets = targets.map(|target| (text(&target["expr"]), text(&target["legendFormat"])));
    rules.chain(targets).collect()
}

/// The words that follow each occurrence of `before`, up to a character that is no part of a name.
fn words_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(before)
        .map(|(at, _)| &text[at + before.len()..])
        .map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())])
        .collect()
}

/// What is wrong with an expression, seen from the contract.
fn strangers(expression: &str, texts: &str) -> Vec<String> {
    let mut strangers = Vec::new();
    // What a scrape adds, and what Prometheus makes of a histogram.
    let mut known: BTreeSet<&str> = BTreeSet::from(["le", "job", "namespace"]);
    for name in words_after(expression, "aep_operator_") {
        let name = format!("aep_operator_{name}");
        let metric = CONTRACT.iter().find(|(known, type_, _)| {
            let ends: &[&str] = if *type_ == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            ends.iter().any(|end| name == format!("{known}{end}"))
        });
        match metric {
            Some((_, _, labels)) => known.extend(*labels),
            None => strangers.push(name),
        }
    }
    for matchers in expression.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        for matcher in matchers.split(',') {
            let (label, value) = matcher.split_once('=').unwrap();
            let (label, value) = (label.trim().trim_end_matches('!'), value.trim_matches('"'));
            let is_known = known.contains(label)
                && match label {
                    "kind" => KINDS.contains(&value),
                    "type" => ConditionType::ALL.iter().any(|type_| type_.as_str() == value),
                    "status" | "ready" => ["True", "False", "Unknown"].contains(&value),
                    _ => true,
                };
            if !is_known {
                strangers.push(matcher.to_owned());
            }
        }
    }
    let by = expression.split(" by (").skip(1).filter_map(|rest| rest.split(')').next());
    let grouped = by.flat_map(|labels| labels.split(", "));
    let named = words_after(texts, "$labels.").into_iter().chain(words_after(texts, "{{"));
    let of_value = |name: &&str| !name.is_empty();
    strangers.extend(
        grouped.chain(named.filter(of_value)).filter(|label| !known.contains(label)).map(str::to_owned),
    );
    strangers
}

#[test]
fn alerts_and_dashboard_refer_only_to_what_the_page_shows() {
    let expressions = expressions();
    assert!(expressions.len() > 40, "{} expressions", expressions.len());
    for (expression, texts) in &expressions {
        assert_eq!(strangers(expression, texts), Vec::<String>::new(), "{expression}");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |wanted| expression.chars().filter(|c| *c == wanted).count();
            assert_eq!(count(open), count(close), "{expression}");
        }
    }
    let wrong = "sum by (sort) (aep_operator_conditions{type=\"Redy\"}) + aep_operator_objekts";
    assert_eq!(strangers(wrong, "{{colour}}"), ["aep_operator_objekts", "type=\"Redy\"", "sort", "colour"]);
}

#[test]
fn every_metric_has_its_line_in_the_documentation() {
    let page = repository("docs/observability.md");
    for (name, _, labels) in CONTRACT {
        let line = page.lines().find(|line| line.starts_with(&format!("| `{name}`")));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        assert!(labels.iter().all(|label| line.contains(&format!("`{label}`"))), "{line}");
    }
}
