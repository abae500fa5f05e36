//! The file system of an image: the operator, the authorities that it trusts, and the user that it runs as. Nothing else, not even a shell.

use std::fmt::Write as _;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use super::{NAME, USER};

/// Where the TLS stack looks for authorities if nothing else is set.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// A compressed layer.
pub struct Layer {
    /// The tar file, compressed with gzip.
    pub gzip: Vec<u8>,
    /// The digest of the tar file before that, which the image's configuration names.
    pub diff_id: String,
}

/// Packs the binary and what it needs around it.
pub fn layer(binary: &[u8], epoch: u64) -> Result<Layer> {
    let passwd = format!("root:x:0:0::/:/sbin/nologin\nnonroot:x:{USER}:{USER}::/:/sbin/nologin\n");
    let group = format!("root:x:0:\nnonroot:x:{USER}:\n");
    let authorities = authorities();
    // In the order of their names; a folder before what it holds.
    let entries: [(&str, u32, Option<&[u8]>); 7] = [
        (NAME, 0o755, Some(binary)),
        ("etc/", 0o755, None),
        ("etc/group", 0o644, Some(group.as_bytes())),
        ("etc/passwd", 0o644, Some(passwd.as_bytes())),
        ("etc/ssl/", 0o755, None),
        ("etc/ssl/certs/", 0o755, None),
        (AUTHORITIES, 0o644, Some(authorities.as_bytes())),
    ];
    let mut tar = Builder::new(Vec::new());
    for (path, mode, content) in entries {
        append(&mut tar, path, mode, content, epoch)?;
    }
    let tar = tar.into_inner()?;
    let diff_id = digest(&tar);
    let mut gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut gzip, &tar)?;
    Ok(Layer { gzip: gzip.finish()?, diff_id })
}

/// Adds a file, or without content a folder, that belongs to root.
pub fn append(
    tar: &mut Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: Option<&[u8]>,
    epoch: u64,
) -> Result<()> {
    let content_or_nothing = content.unwrap_or_default();
    let mut header = Header::new_ustar();
    header.set_entry_type(if content.is_some() { EntryType::Regular } else { EntryType::Directory });
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    header.set_size(content_or_nothing.len() as u64);
    Ok(tar.append_data(&mut header, path, content_or_nothing)?)
}

/// Mozilla's list of authorities, at the version in Cargo.lock, so that it does not depend on the machine.
fn authorities() -> String {
    let mut text = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        let base64 = STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in base64.as_bytes().chunks(64) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// A digest in the spelling of OCI.
pub fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
