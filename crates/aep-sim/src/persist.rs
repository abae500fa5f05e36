//! The state file: read at the start, written when something has changed and at the end.
//!
//! It holds digests of secrets, never the secrets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::sim::Sim;
use crate::world::State;

/// How long changes are gathered before they are written.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("cannot use the state file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It does not hold a state.
    #[error("the state file {path} does not hold a state of this simulator; remove it to start afresh")]
    Format {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Sim {
    /// A simulator that goes on from a state file, or starts afresh when there is none.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn load(config: Config, path: &Path) -> Result<Self, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Self::new(config)),
            Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
        };
        let state: State = serde_json::from_slice(&bytes)
            .map_err(|source| Error::Format { path: path.to_owned(), source })?;
        Ok(Self::resume(config, state))
    }

    /// Writes the state. The old file stays until the new one is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let state = self.world().saved();
        let bytes =
            serde_json::to_vec(&state).map_err(|source| Error::Format { path: path.to_owned(), source })?;
        let new = path.with_extension("new");
        std::fs::write(&new, bytes).map_err(io)?;
        std::fs::rename(&new, path).map_err(io)
    }

    /// Saves whenever something has changed, for ever.
    pub async fn keep_saving(&self, path: PathBuf) {
        let mut saved = self.world().changes;
        loop {
            tokio::time::sleep(DEBOUNCE).await;
            let changes = self.world().changes;
            if changes == saved {
                continue;
            }
            let (sim, path) = (self.clone(), path.clone());
            let done = tokio::task::spawn_blocking(move || sim.save(&path)).await;
            match done {
                Ok(Ok(())) => saved = changes,
                Ok(Err(why)) => tracing::warn!(error = &why as &dyn std::error::Error, "state not saved"),
                Err(why) => tracing::warn!(error = &why as &dyn std::error::Error, "state not saved"),
            }
        }
    }
}
