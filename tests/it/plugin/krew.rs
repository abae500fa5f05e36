//! The manifest for krew.

use anyhow::Result;
use serde_json::Value;

#[test]
fn the_krew_manifest_is_of_this_version_and_every_platform_has_the_plugin_and_the_licence() -> Result<()> {
    let path = testbed::binaries::workspace_root().join("deploy/krew/aep.yaml");
    let manifest: Value = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&manifest["metadata"]["name"], &manifest["spec"]["version"]),
        (&"aep".into(), &version.clone().into())
    );
    // krew cuts what is longer.
    assert!(manifest["spec"]["shortDescription"].as_str().is_some_and(|text| text.len() <= 50));
    let platforms = manifest["spec"]["platforms"].as_array().cloned().unwrap_or_default();
    assert!(platforms.len() >= 3, "{platforms:?}");
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        let os = labels["os"].as_str().unwrap_or_default();
        let arch = labels["arch"].as_str().unwrap_or_default();
        let uri = platform["uri"].as_str().unwrap_or_default();
        assert!(uri.ends_with(&format!("/{version}/kubectl-aep-{os}-{arch}.tar.gz")), "{uri}");
        assert_eq!(platform["sha256"].as_str().map(str::len), Some(64), "{platform}");
        assert_eq!(platform["bin"], "kubectl-aep");
        let files: Vec<&Value> =
            platform["files"].as_array().into_iter().flatten().map(|file| &file["from"]).collect();
        assert_eq!(files, ["kubectl-aep", "LICENSE"]);
    }
    Ok(())
}
