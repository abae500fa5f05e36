//! Adobe's own resources: behaviours, the two standard classes and what they are made of. Read only.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::{Kind, Resource, rules};

static CORE: LazyLock<BTreeMap<String, Resource>> = LazyLock::new(|| {
    let entries: Vec<Value> =
        serde_json::from_str(include_str!("../../../samples/xdm/core.json")).unwrap_or_default();
    entries.iter().filter_map(load).map(|resource| (resource.id.clone(), resource)).collect()
});

fn load(entry: &Value) -> Option<Resource> {
    let id = entry.get("$id")?.as_str()?;
    let kind: Kind = serde_json::from_value(entry.get("kind")?.clone()).ok()?;
    let version = entry.get("version")?.as_str()?;
    let mut body = rules::members(entry);
    body.shift_remove("kind");
    body.insert("type".into(), "object".into());
    Some(Resource::global(id, kind, version, body))
}

/// One of Adobe's resources.
pub(super) fn get(id: &str) -> Option<&'static Resource> {
    CORE.get(id)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Resource> {
    CORE.values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_library_loads_whole() {
        let entries: Vec<Value> =
            serde_json::from_str(include_str!("../../../samples/xdm/core.json")).unwrap();
        assert_eq!(all().count(), entries.len());
    }
}
