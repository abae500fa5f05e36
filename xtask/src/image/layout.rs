//! An OCI image layout (image-spec 1.1) of one image, as a tar file: what `skopeo`, `podman` and `docker load` read.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tar::{Archive, Builder};

use super::layer::{Layer, append, digest};
use super::{NAME, USER};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What an image consists of.
pub struct Image<'a> {
    /// Its file system.
    pub layer: Layer,
    /// Its processor, in the spelling of Go.
    pub architecture: &'a str,
    /// The version of the operator.
    pub version: &'a str,
    /// The commit.
    pub revision: Option<String>,
    /// The time of everything in it.
    pub epoch: u64,
}

impl Image<'_> {
    /// The layout as a tar file, and the digest by which the image is pulled.
    pub fn archive(&self) -> Result<(Vec<u8>, String)> {
        let config = serde_json::to_vec(&self.config()?)?;
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &self.layer.gzip)],
            "annotations": self.labels()?,
        }))?;
        let mut listed = descriptor(MANIFEST, &manifest);
        listed["platform"] = json!({ "architecture": self.architecture, "os": "linux" });
        listed["annotations"] = json!({ "org.opencontainers.image.ref.name": self.version });
        let index = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [listed],
        }))?;
        let mut files: BTreeMap<String, &[u8]> = BTreeMap::new();
        for blob in [config.as_slice(), &manifest, &self.layer.gzip] {
            files.insert(blob_path(&digest(blob)), blob);
        }
        files.insert("index.json".to_owned(), &index);
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#);
        let mut tar = Builder::new(Vec::new());
        for folder in ["blobs/", "blobs/sha256/"] {
            append(&mut tar, folder, 0o755, None, self.epoch)?;
        }
        for (path, content) in files {
            append(&mut tar, &path, 0o644, Some(content), self.epoch)?;
        }
        Ok((tar.into_inner()?, digest(&manifest)))
    }

    fn config(&self) -> Result<Value> {
        Ok(json!({
            "created": self.created()?,
            "architecture": self.architecture,
            "os": "linux",
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": [format!("/{NAME}")],
                "Cmd": ["run"],
                "WorkingDir": "/",
                "ExposedPorts": { "8080/tcp": {} },
                "Labels": self.labels()?,
            },
            "rootfs": { "type": "layers", "diff_ids": [self.layer.diff_id] },
            "history": [{ "created": self.created()?, "created_by": "cargo xtask image" }],
        }))
    }

    fn labels(&self) -> Result<Value> {
        let mut labels = json!({
            "org.opencontainers.image.title": NAME,
            "org.opencontainers.image.description": "Brings Stripe payment data into Adobe Experience Platform, as declared in Kubernetes",
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.created": self.created()?,
        });
        if let Some(revision) = &self.revision {
            labels["org.opencontainers.image.revision"] = json!(revision);
        }
        Ok(labels)
    }

    fn created(&self) -> Result<String> {
        Ok(jiff::Timestamp::from_second(i64::try_from(self.epoch)?)?.to_string())
    }
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// What a layout holds, read back: the configuration of its image and its one layer. Every digest on the way is proven.
pub fn read(archive: &[u8]) -> Result<(Value, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(path, content);
    }
    let index: Value = serde_json::from_slice(files.get("index.json").context("no index")?)?;
    let mut blob = |descriptor: &Value| {
        let name = descriptor["digest"].as_str().unwrap_or_default();
        let content = files.remove(&blob_path(name)).with_context(|| format!("no blob {name}"))?;
        ensure!(digest(&content) == name, "the blob {name} is another one");
        ensure!(descriptor["size"] == content.len(), "the size of {name}");
        Ok(content)
    };
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0])?)?;
    let config = serde_json::from_slice(&blob(&manifest["config"])?)?;
    Ok((config, blob(&manifest["layers"][0])?))
}

#[cfg(test)]
mod tests {
    use super::super::layer::layer;
    use super::*;

    fn image(epoch: u64) -> Image<'static> {
        Image {
            layer: layer(b"a small program", epoch).unwrap(),
            architecture: "amd64",
            version: "1.2.3",
            revision: Some("abc".to_owned()),
            epoch,
        }
    }

    #[test]
    fn the_same_input_gives_the_same_image_and_another_time_another_one() {
        let (first, digest) = image(1).archive().unwrap();
        assert_eq!((first, digest.clone()), image(1).archive().unwrap());
        assert_ne!(digest, image(2).archive().unwrap().1);
    }

    #[test]
    fn what_is_read_back_is_what_was_packed() {
        let (archive, _) = image(1_700_000_000).archive().unwrap();
        let (config, gzip) = read(&archive).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        let mut seen = Vec::new();
        let mut tar = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut tar).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&tar));
        for entry in Archive::new(tar.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 1_700_000_000));
            seen.push((entry.path().unwrap().to_string_lossy().into_owned(), header.mode().unwrap()));
        }
        assert_eq!(seen[0], ("aep-operator".to_owned(), 0o755));
        assert!(seen.is_sorted_by(|a, b| a.0 <= b.0), "{seen:?}");
    }

    #[test]
    fn a_layout_that_was_tampered_with_is_refused() {
        let (mut archive, _) = image(1).archive().unwrap();
        let at = archive
            .windows(7)
            .position(|part| part == b"nonroot")
            .or_else(|| archive.windows(11).position(|part| part == b"65532:65532"));
        archive[at.unwrap()] ^= 1;
        assert!(read(&archive).unwrap_err().to_string().contains("is another one"));
    }
}
