//! The table of who may import whom and who may call what. A module without a row is an error, so that the table stays whole.

use std::path::{Component, Path};

use super::paths::{self, Found};

/// One row: a module of the operator, or a member of the workspace.
struct Row {
    module: &'static str,
    /// Modules of the operator that it may import, besides itself.
    ours: &'static [&'static str],
    /// Paths that it must not use, by their first segments.
    forbidden: &'static [&'static str],
}

const HTTP: [&str; 6] = ["reqwest", "axum", "hyper", "tower", "rustls", "governor"];
const CLOCKS: [&str; 4] = ["Timestamp::now", "SystemTime::now", "Instant::now", "Zoned::now"];

const ROWS: &[Row] = &[
    Row {
        module: "api",
        ours: &[],
        forbidden: &[
            "tokio",
            "futures",
            ".await",
            "kube::Client",
            "kube::client",
            "kube::Api",
            "kube::runtime",
        ],
    },
    Row {
        module: "domain",
        ours: &["api"],
        forbidden: &[
            "tokio",
            "futures",
            "http",
            ".await",
            "kube::Client",
            "kube::client",
            "kube::Api",
            "kube::runtime",
        ],
    },
    // The clock is no module of the domain: it is how everybody but the domain learns the time.
    Row { module: "aep", ours: &["clock"], forbidden: &["kube", "k8s_openapi", "schemars"] },
    Row { module: "cluster", ours: &["api", "domain", "clock"], forbidden: &["reqwest", "axum"] },
    Row {
        module: "controller",
        ours: &["api", "domain", "aep", "cluster", "clock", "telemetry"],
        forbidden: &["reqwest", "axum", "clap"],
    },
    Row { module: "clock", ours: &[], forbidden: &["tokio", "kube", "reqwest"] },
    Row { module: "args", ours: &["aep"], forbidden: &["kube", "reqwest"] },
    Row {
        module: "telemetry",
        ours: &["api", "domain", "aep", "args"],
        forbidden: &["kube", "reqwest", "axum"],
    },
    Row { module: "http", ours: &["telemetry"], forbidden: &["kube", "reqwest"] },
    Row {
        module: "run",
        ours: &["api", "domain", "aep", "cluster", "controller", "clock", "args", "telemetry", "http"],
        forbidden: &[],
    },
    Row { module: "main", ours: &["api", "args", "run", "telemetry"], forbidden: &["kube", "reqwest"] },
    Row { module: "lib", ours: &[], forbidden: &[] },
    Row { module: "xtask", ours: &["api"], forbidden: &["aep_sim"] },
    Row { module: "aep-sim", ours: &[], forbidden: &["aep_operator", "testbed", "kube", "k8s_openapi"] },
    // It shows what the operator would do, which only the operator's own code can tell.
    Row {
        module: "kubectl-aep",
        ours: &["api", "domain", "aep", "cluster", "controller", "clock", "args", "telemetry"],
        forbidden: &["aep_sim", "testbed", "reqwest"],
    },
    Row { module: "testbed", ours: &[], forbidden: &["aep_operator", "aep_sim"] },
];

/// The other members of the workspace.
const MEMBERS: [&str; 4] = ["xtask", "aep-sim", "kubectl-aep", "testbed"];

/// Modules that are pure, to which no client and no clock belongs, in addition to their row.
const PURE: [&str; 2] = ["api", "domain"];

/// Calls that are forbidden everywhere in the product, with what to do instead, and the modules that are exempt.
const CALLS: &[(&str, &str, &[&str])] = &[
    ("Timestamp::now", "ask `clock`", &["clock", "aep-sim", "testbed", "xtask"]),
    ("SystemTime::now", "ask `clock`", &["clock", "aep-sim", "testbed", "xtask"]),
    ("Zoned::now", "ask `clock`", &["clock", "aep-sim", "testbed", "xtask"]),
    ("process::exit", "return an error to `main`", &[]),
    ("process::abort", "return an error to `main`", &[]),
    ("Action::await_change", "requeue after a time: a lost event must not be the end", &[]),
    (".name_unchecked", "ask for the name and treat its absence as an error", &[]),
];

/// The broken rules of one source file, as lines to print.
pub fn check(file: &Path, source: &str) -> Vec<String> {
    let Some(module) = module_of(file) else { return Vec::new() };
    let Some(row) = ROWS.iter().find(|row| row.module == module) else {
        return vec![format!("{}: module {module} has no row in the table", file.display())];
    };
    let own = own_path(file);
    let mut broken = Vec::new();
    for found in paths::find(source) {
        let found = resolved(&own, found);
        if let Some(why) = broken_by(row, &found) {
            broken.push(format!("{}:{}: {why}", file.display(), found.line));
        }
    }
    broken
}

fn broken_by(row: &Row, found: &Found) -> Option<String> {
    let module = row.module;
    let first = found.segments[0].as_str();
    if let Some(target) = imported(module, found)
        && target != module
        && !row.ours.contains(&target)
    {
        return Some(format!("{module} -> {target} ({}): {module} must not import {target}", found.text()));
    }
    let forbidden = row.forbidden.iter().find(|forbidden| starts_with(found, forbidden));
    let forbidden = forbidden
        .or_else(|| PURE.contains(&module).then(|| HTTP.iter().find(|name| **name == first)).flatten());
    if let Some(forbidden) = forbidden {
        return Some(format!("{module} -> {forbidden} ({}): not for {module}", found.text()));
    }
    if module == "domain"
        && let Some(clock) = CLOCKS.iter().find(|clock| contains(found, clock))
    {
        return Some(format!("{clock} in domain: the time is an argument"));
    }
    let call = CALLS.iter().find(|(call, _, exempt)| contains(found, call) && !exempt.contains(&module));
    call.map(|(call, instead, _)| format!("{call} in {module}: {instead}"))
}

/// Which module of the operator a path in `module` leads to. In another member, `crate` is that member.
fn imported<'a>(module: &str, found: &'a Found) -> Option<&'a str> {
    let mut segments = found.segments.iter().map(String::as_str);
    let first = segments.next()?;
    let target = segments.next()?;
    let ours = ROWS.iter().any(|row| row.module == target);
    let is_operator = first == "aep_operator" || (first == "crate" && !MEMBERS.contains(&module));
    (is_operator && ours).then_some(target)
}

fn starts_with(found: &Found, path: &str) -> bool {
    let wanted: Vec<&str> = path.split("::").collect();
    found.segments.len() >= wanted.len() && found.segments.iter().zip(&wanted).all(|(a, b)| a == b)
}

fn contains(found: &Found, path: &str) -> bool {
    let wanted: Vec<&str> = path.split("::").collect();
    found.segments.windows(wanted.len()).any(|window| window == wanted.as_slice())
}

/// The row of a file; `None` for what may import anything (tests, examples, build scripts).
fn module_of(file: &Path) -> Option<String> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    match parts.as_slice() {
        ["src", rest @ ..] => rest.first().map(|name| name.trim_end_matches(".rs").to_owned()),
        ["crates", name, "src", ..] => Some((*name).to_owned()),
        ["xtask", "src", ..] => Some("xtask".into()),
        _ => None,
    }
}

/// The module path of a file of the operator, as segments that begin with `crate`; empty elsewhere.
fn own_path(file: &Path) -> Vec<String> {
    let Ok(below) = file.strip_prefix("src") else { return Vec::new() };
    let mut path = vec!["crate".to_owned()];
    for part in below.with_extension("").components() {
        if let Component::Normal(name) = part {
            path.push(name.to_string_lossy().into_owned());
        }
    }
    if path.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main")) && path.len() > 1 {
        path.pop();
    }
    path
}

/// Replaces `super` and `self` at the start of a path.
fn resolved(own: &[String], found: Found) -> Found {
    let mut rest = found.segments.as_slice();
    let mut base = own.to_vec();
    let mut relative = false;
    while let Some(first) = rest.first().filter(|word| matches!(word.as_str(), "super" | "self")) {
        relative = true;
        if first == "super" {
            base.pop();
        }
        rest = &rest[1..];
    }
    if !relative || own.is_empty() {
        return found;
    }
    let segments = base.into_iter().chain(rest.iter().cloned()).collect();
    Found { line: found.line, segments }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(file: &str, source: &str) -> String {
        check(Path::new(file), source).join("\n")
    }

    /// One breach for each row and call of the table, and the words that the message must contain.
    const BREACHES: &[(&str, &str, &str)] = &[
        ("src/api/flow.rs", "use crate::domain::plan;", "api -> domain"),
        ("src/api/flow.rs", "use kube::Client;", "api -> kube::Client"),
        ("src/api/flow.rs", "use reqwest::Url;", "api -> reqwest"),
        ("src/domain/plan.rs", "use crate::aep::Error;", "domain -> aep"),
        ("src/domain/plan.rs", "use super::super::cluster::read;", "domain -> cluster"),
        ("src/domain/plan.rs", "async fn f() { x.await }", "domain -> .await"),
        ("src/domain/plan.rs", "fn f() { std::time::Instant::now(); }", "the time is an argument"),
        ("src/domain/mapping/row.rs", "use tokio::time;", "domain -> tokio"),
        ("src/aep/auth.rs", "use crate::{api, domain};", "aep -> api"),
        ("src/aep/auth.rs", "use kube::Resource;", "aep -> kube"),
        ("src/cluster/read.rs", "fn f() { crate::aep::g() }", "cluster -> aep"),
        ("src/cluster/read.rs", "use crate::controller::driver;", "cluster -> controller"),
        ("src/controller/driver.rs", "use crate::run::run;", "controller -> run"),
        ("src/controller/driver.rs", "use reqwest::Client;", "controller -> reqwest"),
        ("src/controller/driver.rs", "fn f() { Action::await_change() }", "requeue after a time"),
        ("src/controller/driver.rs", "fn f() { object.name_unchecked() }", "treat its absence as an error"),
        ("src/clock.rs", "use crate::api::GROUP;", "clock -> api"),
        ("src/args.rs", "use crate::controller::driver;", "args -> controller"),
        ("src/telemetry.rs", "use crate::cluster::read;", "telemetry -> cluster"),
        ("src/main.rs", "use aep_operator::controller;", "main -> controller"),
        ("src/lib.rs", "use crate::api::GROUP;", "lib -> api"),
        ("src/run.rs", "fn f() { std::process::exit(1) }", "return an error to `main`"),
        ("src/run.rs", "fn f() { jiff::Timestamp::now() }", "ask `clock`"),
        ("src/extra/mod.rs", "", "module extra has no row"),
        ("xtask/src/demo.rs", "use aep_operator::domain::plan;", "xtask -> domain"),
        ("crates/aep-sim/src/lib.rs", "use aep_operator::api;", "aep-sim -> "),
        ("src/http.rs", "use crate::controller;", "http -> controller"),
        ("crates/kubectl-aep/src/main.rs", "use aep_operator::run::run;", "kubectl-aep -> run"),
        ("crates/testbed/src/lib.rs", "use aep_sim::Sim;", "testbed -> aep_sim"),
    ];

    #[test]
    fn every_rule_can_fail_and_names_the_arrow() {
        for (file, source, expected) in BREACHES {
            let printed = broken(file, source);
            assert!(printed.contains(expected), "{file}: {source}\nshould say {expected}\nsays {printed:?}");
        }
    }

    #[test]
    fn every_row_but_the_one_that_may_all_has_a_breach_above() {
        for row in ROWS.iter().filter(|row| row.module != "run") {
            let start = format!("{} -> ", row.module);
            let tried = BREACHES.iter().any(|(.., expected)| expected.starts_with(&start));
            assert!(tried, "no breach of the row {}", row.module);
        }
    }

    #[test]
    fn what_the_table_allows_passes() {
        let allowed = [
            ("src/domain/plan.rs", "use crate::api::flow; use super::outcome; use super::super::api::Kind;"),
            ("src/controller/driver.rs", "use crate::{aep, api, cluster, domain, clock};"),
            ("src/clock.rs", "fn now() { jiff::Timestamp::now() }"),
            ("src/run.rs", "use crate::controller; use kube::Client;"),
            ("src/aep/auth.rs", "use tokio::time::Instant; fn f() { Instant::now() }"),
            ("xtask/src/crds.rs", "use aep_operator::api::all_crds;"),
            ("tests/it/main.rs", "use aep_operator::domain; use aep_sim::Sim;"),
        ];
        for (file, source) in allowed {
            assert_eq!(broken(file, source), "", "{file}: {source}");
        }
    }
}
