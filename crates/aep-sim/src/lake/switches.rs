//! The switches that the data lake obeys, until the simulator's own list of switches exists.

/// Behaviours on which Adobe's documents disagree.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// A wrong Accept header is answered with 406 instead of 400.
    pub registry_accept_406: bool,
    /// A mapping set asked for without a version is the newest one instead of version 0.
    pub mapping_set_latest: bool,
}

impl Switches {
    pub(crate) fn registry_answers_406(&self) -> bool {
        self.registry_accept_406
    }

    pub(crate) fn mapping_set_default_is_latest(&self) -> bool {
        self.mapping_set_latest
    }
}
