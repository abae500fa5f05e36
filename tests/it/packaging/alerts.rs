//! The alert rules, judged by promtool: they are valid, and each fires when it should and not before.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{documents, judged, path, read};

const RULES: &str = "charts/aep-operator/files/alerts.yaml";
const TESTS: &str = "tests/it/packaging/alerts.yaml";

fn promtool(args: [&str; 3], file: &Path) -> Result<()> {
    judged("promtool", args.map(OsStr::new).into_iter().chain([file.as_os_str()]))
}

#[test]
fn promtool_finds_no_fault_with_the_rules() -> Result<()> {
    promtool(["check", "rules", "--lint-fatal"], &path(RULES))
}

#[test]
fn each_alert_fires_when_it_should_and_not_before() -> Result<()> {
    let mut rules = documents(&read(RULES)).swap_remove(0);
    let groups = rules["groups"].as_array_mut().into_iter().flatten();
    // Texts are for people; what is tested is when they are shown.
    groups.flat_map(|group| group["rules"].as_array_mut().into_iter().flatten()).for_each(|rule| {
        rule.as_object_mut().map(|rule| rule.remove("annotations"));
    });
    let folder = tempfile::tempdir()?;
    let tests = folder.path().join("tests.yaml");
    std::fs::write(folder.path().join("alerts.yaml"), rules.to_string())?;
    std::fs::copy(path(TESTS), &tests)?;
    promtool(["test", "rules", "--diff"], &tests)
}

#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let rules = documents(&read(RULES)).swap_remove(0);
    let all = |value: &Value, list: &str| value[list].as_array().cloned().unwrap_or_default();
    let name = |value: &Value, member: &str| value[member].as_str().unwrap_or_default().to_owned();
    let alerts: BTreeSet<String> = all(&rules, "groups")
        .iter()
        .flat_map(|group| all(group, "rules"))
        .map(|rule| name(&rule, "alert"))
        .collect();
    let tests = documents(&read(TESTS)).swap_remove(0);
    let cases: Vec<Value> =
        all(&tests, "tests").iter().flat_map(|test| all(test, "alert_rule_test")).collect();
    for fires in [true, false] {
        let covered: BTreeSet<String> = cases
            .iter()
            .filter(|case| all(case, "exp_alerts").is_empty() != fires)
            .map(|case| name(case, "alertname"))
            .collect();
        assert_eq!(covered, alerts, "a case in which it fires: {fires}");
    }
}
