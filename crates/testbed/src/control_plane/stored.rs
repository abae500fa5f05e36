//! Custom resources written into etcd past the API server.
//!
//! The API server gives every object a UID of its own, and the markers of upstream objects name it. An object that an older version
//! left can therefore be made only where the API server keeps its objects.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::process::http;

/// Writes one object under the key at which the API server looks for it.
pub(super) async fn put(etcd: &str, (plural, group): (&str, &str), object: &Value) -> Result<()> {
    let text = |field: &str| object["metadata"][field].as_str().with_context(|| format!("metadata.{field}"));
    let key = format!("/registry/{group}/{plural}/{}/{}", text("namespace")?, text("name")?);
    // The resource version is that of the key in etcd; what the object says of it is ignored.
    let body = json!({ "key": STANDARD.encode(&key), "value": STANDARD.encode(serde_json::to_vec(object)?) });
    let answer = http()?.post(format!("{etcd}/v3/kv/put")).json(&body).send().await?;
    let status = answer.status();
    if !status.is_success() {
        bail!("etcd answered {status} to the put of {key}: {}", answer.text().await?);
    }
    Ok(())
}
