//! From failed calls to obstacles: the one place that decides what a failure of either port means for the pass.

use crate::aep::{self, ErrorKind};
use crate::api::condition::Reason;
use crate::cluster;
use crate::domain::catalogue;
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
            cluster::Error::Unparsed(why) => {
                Self::new(Class::Unavailable, Reason::ReferenceNotReady, format!("{why}: see its conditions"))
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
        ErrorKind::TokenRefused => (Class::Denied, Reason::PlatformCredentialsRefused),
        ErrorKind::Limited => (Class::Limited, Reason::RateLimited),
        ErrorKind::Unavailable | ErrorKind::Malformed => (Class::Unavailable, Reason::UpstreamUnavailable),
        ErrorKind::Ambiguous => (Class::Ambiguous, Reason::OutcomeUnknown),
        ErrorKind::Unauthorized | ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Refused => {
            refused(error)
        }
    }
}

/// What a 4xx says: by its code, else by its status.
fn refused(error: &aep::Error) -> (Class, Reason) {
    if let Some(code) = error.code_number().and_then(catalogue::find) {
        return (code.class, code.reason);
    }
    match error.kind() {
        ErrorKind::Unauthorized | ErrorKind::Denied => (Class::Denied, Reason::PlatformCredentialsRefused),
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
