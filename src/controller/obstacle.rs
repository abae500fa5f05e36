//! From failed calls to obstacles: the one place that decides what a failure of either port means for the pass.

use crate::aep::{self, ErrorKind};
use crate::api::condition::Reason;
use crate::cluster;
use crate::domain::outcome::{Class, Obstacle};

impl From<cluster::Error> for Obstacle {
    fn from(error: cluster::Error) -> Self {
        match error {
            cluster::Error::Conflict => Self::conflict("the object changed in between"),
            cluster::Error::NotFound => Self::conflict("the object is gone"),
            cluster::Error::Denied(message) => Self::new(
                Class::Denied,
                Reason::KubernetesDenied,
                format!(
                    "the API server refused a call of the operator: {message}. Grant the operator's service account this right"
                ),
            ),
            cluster::Error::Invalid(message) => {
                Self::bug(format!("the API server finds a write of the operator invalid: {message}"))
            }
            cluster::Error::Deadline | cluster::Error::Unavailable(_) => Self::new(
                Class::Unavailable,
                Reason::KubernetesUnavailable,
                "the API server could not be reached",
            ),
        }
    }
}

impl From<aep::Error> for Obstacle {
    fn from(error: aep::Error) -> Self {
        let (class, reason) = classify(&error);
        let mut obstacle = Self::new(class, reason, message(&error, reason));
        obstacle.retry_after = error.retry_after();
        obstacle
    }
}

fn classify(error: &aep::Error) -> (Class, Reason) {
    match error.kind() {
        // The claim grew too old or the lease was lost before anything was sent: a new claim, then again.
        // A stale etag: read again, compare again.
        ErrorKind::NotSent | ErrorKind::PreconditionFailed => (Class::Conflict, Reason::Progressing),
        ErrorKind::TokenRefused | ErrorKind::Unauthorized => {
            (Class::Denied, Reason::PlatformCredentialsRefused)
        }
        ErrorKind::Denied => (Class::Denied, denied_reason(error.code())),
        ErrorKind::Limited => (Class::Limited, Reason::RateLimited),
        ErrorKind::Unavailable | ErrorKind::Malformed => (Class::Unavailable, Reason::UpstreamUnavailable),
        ErrorKind::Ambiguous => (Class::Ambiguous, Reason::OutcomeUnknown),
        ErrorKind::NotFound | ErrorKind::Refused => refused(error.code()),
    }
}

fn denied_reason(code: Option<&str>) -> Reason {
    match code {
        Some(code) if code.starts_with("2120") || code.starts_with("2118") || code.starts_with("2121") => {
            Reason::PermissionMissing
        }
        _ => Reason::PlatformCredentialsRefused,
    }
}

/// What a 4xx of Flow Service says, by the codes of its error catalogue.
fn refused(code: Option<&str>) -> (Class, Reason) {
    let number: String = code.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    match number.as_str() {
        "1404" => (Class::Conflict, Reason::Progressing),
        "1416" | "1420" | "1421" | "1422" | "1444" | "1457" | "1458" => {
            (Class::Unavailable, Reason::UpstreamBusy)
        }
        "1415" => (Class::Invalid, Reason::StripeCredentialsRefused),
        "1418" | "1447" => (Class::Blocked, Reason::InUseUpstream),
        "1419" => (Class::Invalid, Reason::RowsRefused),
        "1412" | "1425" => (Class::Invalid, Reason::SchemaMismatch),
        "2000" | "2001" | "2002" | "2114" | "2115" => (Class::Denied, Reason::PlatformCredentialsRefused),
        "2100" | "2101" | "2103" | "2106" => (Class::Invalid, Reason::SandboxNotFound),
        "2118" | "2120" | "2121" => (Class::Denied, Reason::PermissionMissing),
        _ => (Class::Invalid, Reason::UpstreamRefused),
    }
}

fn message(error: &aep::Error, reason: Reason) -> String {
    let remedy = reason.remedy();
    let mut text = error.to_string();
    if !remedy.is_empty() {
        text.push_str(". ");
        text.push_str(remedy);
    }
    text
}
