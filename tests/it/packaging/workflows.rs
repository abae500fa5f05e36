//! The workflows that test and release: what actionlint says of them, and what it does not ask for.

use serde_json::Value;

use super::{documents, judged, path, read};

const WORKFLOWS: [&str; 2] = ["ci", "release"];

fn workflow(name: &str) -> Value {
    documents(&read(&format!(".github/workflows/{name}.yml"))).remove(0)
}

/// The actions that the jobs of a workflow use.
fn actions(workflow: &Value) -> Vec<String> {
    let jobs = workflow["jobs"].as_object().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_array().into_iter().flatten().chain([job]));
    steps.filter_map(|step| step["uses"].as_str().map(str::to_owned)).collect()
}

#[test]
fn actionlint_finds_no_fault() -> anyhow::Result<()> {
    judged("actionlint", WORKFLOWS.map(|name| path(&format!(".github/workflows/{name}.yml"))))
}

#[test]
fn every_action_is_pinned_by_its_commit() {
    for name in WORKFLOWS {
        for action in actions(&workflow(name)) {
            let pinned = action.split_once('@').is_some_and(|(_, commit)| {
                commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit())
            });
            assert!(pinned || action.starts_with("./"), "{name}: {action}");
        }
    }
}

#[test]
fn a_workflow_may_read_and_only_the_jobs_that_publish_may_write() {
    for name in WORKFLOWS {
        let workflow = workflow(name);
        assert_eq!(workflow["permissions"], serde_json::json!({ "contents": "read" }), "{name}");
        for (job, content) in workflow["jobs"].as_object().unwrap() {
            let writes = content["permissions"].as_object().into_iter().flatten();
            let writes: Vec<&str> =
                writes.filter(|(_, right)| *right == "write").map(|(name, _)| name.as_str()).collect();
            let expected: &[&str] = match job.as_str() {
                "publish" => &["packages", "id-token", "attestations"],
                "notes" => &["contents"],
                _ => &[],
            };
            assert_eq!(writes, expected, "{name}: {job}");
        }
    }
}

#[test]
fn the_release_sets_the_image_where_the_chart_leaves_it_open() {
    let values = read("charts/aep-operator/values.yaml");
    for line in ["  repository: aep-operator\n", "  digest: \"\"\n"] {
        assert_eq!(values.matches(line).count(), 1, "release.yml replaces {line}");
    }
}
