//! The chart without a cluster: what it renders for which values, and which values it refuses.

use std::collections::BTreeSet;

use aep_operator::args::{Cli, Command, RunArgs};
use clap::{Args as _, Parser as _};
use serde_json::Value;

use super::{documents, helm, of_kind, path, read};

const CHART: &str = "charts/aep-operator";

fn render(args: &[&str]) -> Result<String, String> {
    let mut all = vec!["template", "aep-operator", CHART, "--namespace", "aep-operator-system"];
    all.extend(args);
    helm(&all)
}

fn values(name: &str) -> String {
    path(&format!("tests/it/packaging/values/{name}.yaml")).to_string_lossy().into_owned()
}

fn with_values(name: &str) -> Vec<Value> {
    documents(&render(&["--values", &values(name)]).unwrap())
}

/// The rendering without the CRDs, which are generated, and with every version of ours as one word.
fn text(args: &[&str]) -> String {
    let mut all = vec!["--set=crds.enabled=false"];
    all.extend(args);
    render(&all).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

fn flags_of(objects: &[Value]) -> Vec<String> {
    let args = &of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"];
    args.as_array().unwrap().iter().map(|flag| flag.as_str().unwrap().to_owned()).collect()
}

fn parsed(flags: &[String]) -> RunArgs {
    let command = std::iter::once("aep-operator").chain(flags.iter().map(String::as_str));
    match Cli::try_parse_from(command).unwrap().command {
        Command::Run(args) => *args,
        Command::Crds => panic!("the Deployment runs the operator"),
    }
}

#[test]
fn helm_finds_no_fault_with_the_chart() {
    helm(&["lint", "--strict", CHART]).unwrap();
    helm(&["lint", "--strict", CHART, "--values", &values("full")]).unwrap();
}

#[test]
fn chart_and_operator_are_of_one_version() {
    let chart = &documents(&read("charts/aep-operator/Chart.yaml"))[0];
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_defaults_render_as_before() {
    insta::assert_snapshot!(text(&[]));
}

#[test]
fn every_switch_and_setting_renders_as_before() {
    insta::assert_snapshot!(text(&["--values", &values("full")]));
}

#[test]
fn a_release_for_some_namespaces_renders_as_before() {
    insta::assert_snapshot!(text(&["--values", &values("namespaced")]));
}

#[test]
fn a_release_without_rights_of_its_own_renders_as_before() {
    insta::assert_snapshot!(text(&["--values", &values("bare")]));
}

#[test]
fn a_release_for_some_namespaces_has_nothing_of_the_cluster_but_crds() {
    let kinds: BTreeSet<String> = with_values("namespaced")
        .iter()
        .filter(|object| object["metadata"]["namespace"].is_null())
        .map(|object| object["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["CustomResourceDefinition".to_owned()]));
}

#[test]
fn the_crds_are_the_generated_ones_and_kept() {
    let objects = documents(&render(&[]).unwrap());
    let crds: Vec<&Value> =
        objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect();
    assert_eq!(crds.len(), 4);
    for crd in crds {
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
        let generated = &documents(&read(&format!("crds/{plural}.yaml")))[0];
        assert_eq!(crd["spec"], generated["spec"], "{plural}");
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{plural}");
    }
    let without = documents(&render(&["--set=crds.enabled=false"]).unwrap());
    assert!(of_kind(&without, "CustomResourceDefinition").is_null());
}

#[test]
fn the_operator_takes_the_flags_of_every_rendering() {
    let default = parsed(&flags_of(&documents(&render(&[]).unwrap())));
    assert!(default.watch_namespaces.is_empty() && default.secret_names.is_empty());
    assert!(default.protect_secrets && default.leader_elect);
    parsed(&flags_of(&with_values("bare")));
    let namespaced = parsed(&flags_of(&with_values("namespaced")));
    assert_eq!(namespaced.watch_namespaces, ["payments", "1001"]);
    assert_eq!(namespaced.secret_names, ["aep-credentials", "stripe"]);
    let full = parsed(&flags_of(&with_values("full")));
    assert!(full.endpoints.allow_http && !full.protect_secrets && !full.verify_rotation);
    assert!((full.requests_per_second - 2.5).abs() < f64::EPSILON);
}

/// Flags that the chart leaves to the operator, with the reason.
const LEFT_OUT: [(&str, &str); 2] =
    [("instance", "the environment gives it: POD_NAME"), ("lease-namespace", "in a Pod it is the Pod's own")];

#[test]
fn every_setting_of_the_operator_is_a_value_of_the_chart() {
    let mut rendered = flags_of(&with_values("full"));
    rendered.extend(flags_of(&with_values("namespaced")));
    let rendered: BTreeSet<String> = rendered
        .iter()
        .filter_map(|flag| flag.strip_prefix("--"))
        .map(|flag| flag.split('=').next().unwrap().to_owned())
        .collect();
    let command = RunArgs::augment_args(clap::Command::new("run"));
    let mut settings: BTreeSet<String> =
        command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect();
    for (flag, _) in LEFT_OUT {
        assert!(settings.remove(flag), "{flag} is left out, but there is no such flag");
    }
    assert_eq!(rendered, settings, "charts/aep-operator/templates/_args.tpl");
}

#[test]
fn the_defaults_of_the_chart_are_those_of_the_operator() {
    let rendered = flags_of(&documents(&render(&["--set=leaderElection.enabled=false"]).unwrap()));
    let rendered = parsed(&rendered);
    let bare = parsed(&["run".to_owned()]);
    // What a Pod does differently from a person at a terminal.
    let rendered = RunArgs { log_format: bare.log_format, ..rendered };
    assert_eq!(format!("{rendered:?}"), format!("{bare:?}"));
}

#[test]
fn bad_values_are_refused_and_named() {
    let cases: [(&str, &[&str]); 9] = [
        ("--set=replicas=two", &["/replicas", "want integer"]),
        ("--set=aep.callDeadline=soon", &["/aep/callDeadline", "soon"]),
        ("--set=aep.url=platform.adobe.io", &["/aep/url"]),
        ("--set=watchNamespaces={Payments}", &["/watchNamespaces/0", "Payments"]),
        ("--set=colour=blue", &["colour", "not allowed"]),
        ("--set=reconcile.concurency=1", &["/reconcile", "concurency", "not allowed"]),
        ("--set=watchNamespaces={payments}", &["clusterId: required together with watchNamespaces"]),
        (
            "--set=replicas=2,leaderElection.enabled=false",
            &["replicas: more than one needs leaderElection.enabled"],
        ),
        ("--set=serviceAccount.create=false", &["serviceAccount.name: name the service account"]),
    ];
    for (value, expected) in cases {
        let refusal = render(&[value]).expect_err(value);
        for text in expected {
            assert!(refusal.contains(text), "{value}: {refusal}");
        }
    }
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    fn compare(at: &str, values: &Value, schema: &Value) {
        let Some(properties) = schema["properties"].as_object() else { return };
        let values = values.as_object().unwrap();
        let named: BTreeSet<&String> = properties.keys().filter(|name| *name != "global").collect();
        assert_eq!(values.keys().collect::<BTreeSet<_>>(), named, "{at}");
        assert_eq!(schema["additionalProperties"], false, "{at}");
        for (name, value) in values {
            compare(&format!("{at}/{name}"), value, &properties[name]);
        }
    }
    let schema: Value = serde_json::from_str(&read("charts/aep-operator/values.schema.json")).unwrap();
    compare("", &documents(&read("charts/aep-operator/values.yaml"))[0], &schema);
}

#[test]
fn alerts_and_dashboard_belong_to_a_release_that_asks_for_them() {
    let objects = documents(&render(&["--set=prometheusRule.enabled=true,dashboard.enabled=true"]).unwrap());
    let alerts = &documents(&read("charts/aep-operator/files/alerts.yaml"))[0];
    assert_eq!(of_kind(&objects, "PrometheusRule")["spec"], *alerts);
    let dashboard = &of_kind(&objects, "ConfigMap")["data"]["aep-operator.json"];
    let dashboard: Value = serde_json::from_str(dashboard.as_str().unwrap()).unwrap();
    let file: Value = serde_json::from_str(&read("charts/aep-operator/files/dashboard.json")).unwrap();
    assert_eq!(dashboard, file);
    let without = documents(&render(&[]).unwrap());
    assert!(of_kind(&without, "PrometheusRule").is_null() && of_kind(&without, "ConfigMap").is_null());
}
