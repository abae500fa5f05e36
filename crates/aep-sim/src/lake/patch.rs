//! JSON Patch as the services take it: an array of operations in the request body.

use json_patch::PatchOperation;
use serde_json::Value;

/// Applies the patch in a request body to a document; on a refusal the document is as it was, and the text says why.
pub(crate) fn apply(body: &[u8], document: &mut Value) -> Result<(), String> {
    let mut raw: Value =
        serde_json::from_slice(body).map_err(|error| format!("The body is not JSON: {error}."))?;
    let operations = raw.as_array_mut().ok_or("The body must be an array of operations.")?;
    // Adobe's own description of JSON Patch prints the operations in upper case.
    for op in operations.iter_mut().filter_map(|operation| operation.get_mut("op")) {
        if let Some(name) = op.as_str() {
            *op = Value::from(name.to_lowercase());
        }
    }
    let operations: Vec<PatchOperation> =
        serde_json::from_value(raw).map_err(|error| format!("The body is not a JSON Patch: {error}."))?;
    json_patch::patch(document, &operations)
        .map_err(|error| format!("Operation {} failed: {error}.", error.operation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_patch_changes_nothing() {
        let mut document = json!({"a": 1});
        let body = br#"[{"op":"add","path":"/b","value":2},{"op":"remove","path":"/none"}]"#;
        assert!(apply(body, &mut document).is_err());
        assert_eq!(document, json!({"a": 1}));
    }

    #[test]
    fn upper_case_operations_are_taken() {
        let mut document = json!({"a": 1});
        apply(br#"[{"op":"REPLACE","path":"/a","value":2}]"#, &mut document).unwrap();
        assert_eq!(document, json!({"a": 2}));
    }
}
