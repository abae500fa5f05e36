//! What can go wrong with a call to the API server.

/// A failed call to the API server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody wrote in between: the resource version is stale.
    #[error("the object changed in between")]
    Conflict,
    /// The object does not exist.
    #[error("not found")]
    NotFound,
    /// RBAC, a quota or an admission rule refused the call.
    #[error("refused by the API server: {0}")]
    Denied(String),
    /// The API server finds the request invalid.
    #[error("invalid for the API server: {0}")]
    Invalid(String),
    /// The object holds something that this version cannot read.
    #[error("{0}")]
    Unparsed(String),
    /// No answer in time.
    #[error("no answer from the API server in time")]
    Deadline,
    /// Any other failure.
    #[error("the API server could not be reached")]
    Unavailable(#[source] Box<kube::Error>),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict,
            kube::Error::Api(status) if status.is_not_found() => Self::NotFound,
            kube::Error::Api(status) if status.is_forbidden() => Self::Denied(status.message),
            kube::Error::Api(status) if status.is_invalid() => Self::Invalid(status.message),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
