//! Flow Service's error bodies: one table of codes, one function that fills the envelope.

use serde_json::{Value, json};

use crate::wire::Reply;

/// Code, status and title, as in Adobe's table of Flow Service errors (titles in our words).
const CODES: &[(u16, u16, &str)] = &[
    (1100, 400, "Provider refuses access"),
    (1101, 404, "Provider resource not found"),
    (1102, 500, "Provider internal error"),
    (1400, 500, "Internal error"),
    (1401, 400, "Limit and count exclude each other"),
    (1402, 400, "Finalize is not possible"),
    (1403, 400, "If-Match header missing"),
    (1404, 412, "Version not matching"),
    (1405, 400, "Request body is empty"),
    (1410, 400, "State must not be given in a create request"),
    (1412, 400, "Invalid mapping version"),
    (1413, 400, "Invalid spec id"),
    (1414, 400, "Connection spec cannot be changed"),
    (1415, 400, "Unknown auth spec name"),
    (1416, 400, "Not possible in this state"),
    (1418, 400, "Base connection is in use"),
    (1419, 400, "Mapping validation failed"),
    (1420, 400, "Entity is in a transitional state"),
    (1421, 400, "State cannot be transitioned"),
    (1422, 400, "Action does not fit the state"),
    (1425, 400, "Schemas of data set and mapping differ"),
    (1426, 400, "Spec writes need a service token"),
    (1427, 400, "Flow run writes need a service token"),
    (1430, 400, "Flow not found"),
    (1433, 400, "Invalid order"),
    (1434, 400, "Unsupported patch operation"),
    (1435, 400, "Unsupported action"),
    (1436, 400, "Unsupported sub operation"),
    (1439, 404, "Resource not found"),
    (1440, 400, "Invalid filter operator"),
    (1443, 400, "Operator takes one value"),
    (1447, 400, "Flows still contain this id"),
    (1448, 400, "Operator does not fit the field"),
    (1449, 400, "Invalid filter field"),
    (1451, 400, "Invalid query parameter"),
    (1452, 400, "Filter value missing"),
    (1455, 400, "Invalid patch instruction"),
    (1456, 400, "State value not allowed"),
    (1457, 400, "Update not possible while being deleted"),
    (1458, 400, "Delete not possible while being deleted"),
    (2100, 404, "Sandbox not found"),
    (2103, 404, "Sandbox is not active"),
    (2105, 400, "x-sandbox-name header missing"),
    (2110, 400, "x-sandbox-id is not allowed with a user token"),
    (2111, 400, "Sandbox name must not be a wildcard"),
    (2120, 403, "Permission missing"),
    (2250, 500, "Data Prep call failed"),
];

/// The status that belongs to a code.
fn row(code: u16) -> (u16, &'static str) {
    let found = CODES.iter().find(|(known, _, _)| *known == code);
    found.map_or((500, "Internal error"), |(_, status, title)| (*status, *title))
}

/// An error with a code, in the full envelope. The gateway fills in the request id.
pub fn error(code: u16, detail: impl Into<String>) -> Reply {
    envelope(code, &detail.into(), None)
}

/// The error for an object that does not exist or is hidden.
pub fn not_found(collection: &str, id: &str) -> Reply {
    envelope(1439, &format!("{collection} not found with id = [{id}]"), Some((collection, id)))
}

/// A 400 or 422 for which no code is documented.
pub fn invalid(status: u16, detail: impl Into<String>) -> Reply {
    let detail = detail.into();
    Reply::json(status, json!({"errorMessage": detail, "errorDetails": detail}))
}

fn envelope(code: u16, detail: &str, subject: Option<(&str, &str)>) -> Reply {
    let (status, title) = row(code);
    let mut report = json!({"detailed-message": detail, "request-id": Value::Null});
    if let Some((collection, id)) = subject {
        report["id"] = json!(id);
        report["type"] = json!(collection);
    }
    let body = json!({
        "type": format!("https://ns.adobe.com/aep/errors/FLOW-{code}-{status}"),
        "title": title,
        "status": status,
        "report": report,
        "errorMessage": detail,
        "errorDetails": detail,
    });
    Reply::json(status, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_ends_in_code_and_status() {
        let reply = error(1425, "differ");
        assert_eq!(reply.status, 400);
        let body = reply.body.unwrap();
        assert_eq!(body["type"], "https://ns.adobe.com/aep/errors/FLOW-1425-400");
        assert_eq!(body["report"]["detailed-message"], "differ");
    }

    #[test]
    fn codes_are_listed_once() {
        let mut codes: Vec<u16> = CODES.iter().map(|(code, _, _)| *code).collect();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }
}
