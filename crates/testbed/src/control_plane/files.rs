//! The files that a control plane starts with: credentials, keys, the audit policy and the kubeconfig.
//!
//! All made anew for each start, readable by nobody else, and gone with the folder.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use crate::go_build::hex;

/// The DER bytes before the point in the `SubjectPublicKeyInfo` of a P-256 key (RFC 5480).
const P256_PUBLIC_KEY_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const AUDIT_POLICY: &str = r"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - level: Metadata
    resources:
      - group: ingestion.aep-operator.io
      - group: ''
        resources: [secrets, events, namespaces]
      - group: events.k8s.io
      - group: coordination.k8s.io
      - group: apiextensions.k8s.io
  - level: None
";

/// Paths and values of one control plane.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) kubeconfig: PathBuf,
    pub(super) server: String,
    pub(super) token: String,
    pub(super) tokens: PathBuf,
    pub(super) audit_policy: PathBuf,
    pub(super) signing_key: PathBuf,
    pub(super) verifying_key: PathBuf,
}

/// Where the API server writes its audit log.
pub(super) fn audit_log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

/// Where the API server writes its own certificate, with the authority that signed it.
pub(super) fn certificate(folder: &Path) -> PathBuf {
    folder.join("certs/apiserver.crt")
}

/// Writes everything but the kubeconfig, which needs the certificate that the API server makes.
pub(super) fn write(folder: &Path, port: u16) -> Result<Files> {
    let files = Files {
        kubeconfig: folder.join("admin.kubeconfig"),
        server: format!("https://127.0.0.1:{port}"),
        token: random_token()?,
        tokens: folder.join("tokens.csv"),
        audit_policy: folder.join("audit-policy.yaml"),
        signing_key: folder.join("service-accounts.key"),
        verifying_key: folder.join("service-accounts.pub"),
    };
    let (private, public) = key_pair()?;
    write_private(&files.tokens, &format!("{},testbed-admin,testbed-admin,system:masters\n", files.token))?;
    write_private(&files.signing_key, &private)?;
    write_private(&files.verifying_key, &public)?;
    write_private(&files.audit_policy, AUDIT_POLICY)?;
    // What an earlier start left would be taken for this one's.
    let _ = fs::remove_file(certificate(folder));
    Ok(files)
}

/// Writes a kubeconfig for a bearer token.
pub(super) fn write_kubeconfig(path: &Path, server: &str, authority: &[u8], token: &str) -> Result<()> {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {
            "server": server, "certificate-authority-data": STANDARD.encode(authority)}}],
        "users": [{"name": "testbed", "user": {"token": token}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
        "current-context": "testbed",
    });
    write_private(path, &serde_json::to_string_pretty(&kubeconfig)?)
}

/// Writes a file that only its owner may read, replaced as a whole.
pub(super) fn write_private(path: &Path, content: &str) -> Result<()> {
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file.write_all(content.as_bytes())?)
}

fn random_token() -> Result<String> {
    let bytes: [u8; 24] =
        ring::rand::generate(&SystemRandom::new()).map_err(|_| anyhow!("no randomness"))?.expose();
    Ok(hex(&bytes))
}

/// A P-256 key pair as PEM: private (PKCS 8) and public (`SubjectPublicKeyInfo`).
fn key_pair() -> Result<(String, String)> {
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
        .map_err(|_| anyhow!("cannot make a key for service account tokens"))?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), &random)
        .map_err(|error| anyhow!("cannot read the key just made: {error}"))?;
    let public = [&P256_PUBLIC_KEY_PREFIX, pair.public_key().as_ref()].concat();
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        lines.push(line.to_owned());
        rest = next;
    }
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}
