//! What `kubectl get` shows of each kind.
//!
//! Every kind has Ready, what it is upstream, its upstream state and its age; `-o wide` adds why.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition as Column;

use super::role::Role;

/// The columns of a kind, in their order.
pub(super) fn columns(kind: &str) -> Vec<Column> {
    let (own, wide) = match kind {
        "StripeBaseConnection" => base_connection(),
        "StripeSourceConnection" => source_connection(),
        "IngestionMapping" => mapping(),
        "IngestionFlow" => flow(),
        _ => (Vec::new(), Vec::new()),
    };
    let mut columns =
        vec![text("Ready", &ready("status"), "Whether it is usable and as the present spec says")];
    columns.extend(own);
    columns.push(column("Age", "date", ".metadata.creationTimestamp", "Time since its creation"));
    let why = [
        text("Reason", &ready("reason"), "Why Ready is what it is"),
        text("Message", &ready("message"), "What to do about it"),
    ];
    columns.extend(why.into_iter().chain(wide).map(|column| Column { priority: Some(1), ..column }));
    columns
}

type Columns = (Vec<Column>, Vec<Column>);

fn base_connection() -> Columns {
    let own = vec![
        text("Sandbox", ".spec.sandbox", "Sandbox"),
        text("State", &external(Role::Connection, "state"), "State of the base connection in Flow Service"),
        text("Connection", &external(Role::Connection, "id"), "Id of the base connection in Flow Service"),
    ];
    (own, Vec::new())
}

fn source_connection() -> Columns {
    let role = Role::SourceConnection;
    let own = vec![
        text("Resource", ".spec.resourcePath", "Stripe resource"),
        text("State", &external(role, "state"), "State of the source connection in Flow Service"),
        text("Connection", &external(role, "id"), "Id of the source connection in Flow Service"),
    ];
    (own, Vec::new())
}

fn mapping() -> Columns {
    let own = vec![
        text("Resource", ".status.resourcePath", "Stripe resource that the rows read"),
        column("Rows", "integer", ".status.rows", "Number of rows, shipped and own"),
        text("Mapping Set", &external(Role::MappingSet, "id"), "Id of the mapping set in Data Prep"),
        column("Version", "integer", ".status.mappingSetVersion", "Version of the mapping set for flows"),
    ];
    (own, vec![text("Schema", ".status.schemaId", "$id of the target schema")])
}

fn flow() -> Columns {
    let own = vec![
        text("Source", ".spec.sourceConnectionRef.name", "Source connection"),
        text("State", &external(Role::Flow, "state"), "State of the flow in Flow Service"),
        text("Last Run", ".status.lastRun.state", "State of the last run"),
        column("Last Run Age", "date", ".status.lastRun.startedAt", "Time since the last run started"),
    ];
    (own, vec![text("Flow", &external(Role::Flow, "id"), "Id of the flow in Flow Service")])
}

fn ready(field: &str) -> String {
    format!(r#".status.conditions[?(@.type=="Ready")].{field}"#)
}

fn external(role: Role, field: &str) -> String {
    format!(r#".status.external[?(@.role=="{role}")].{field}"#)
}

fn text(name: &str, path: &str, description: &str) -> Column {
    column(name, "string", path, description)
}

fn column(name: &str, type_: &str, path: &str, description: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        description: Some(description.to_owned()),
        ..Column::default()
    }
}
