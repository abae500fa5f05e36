//! When too much is missing at once to be believed.

/// So many objects may be missing from any sandbox.
const FEW: usize = 3;
/// Of a large one every tenth may.
const SHARE: usize = 10;

/// Whether a list that lacks so many of the known objects tells more about who asks than about what exists. A lost role and a reset sandbox
/// answer with empty lists, so the loss of everything is believed only where everything is one object.
pub fn is_suspect(known: usize, missing: usize) -> bool {
    missing > FEW.max(known / SHARE) || (missing == known && known > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_may_be_missing_or_every_tenth_but_not_all() {
        for (known, missing, suspect) in [
            (0, 0, false),
            (1, 1, false),
            (2, 1, false),
            (2, 2, true),
            (4, 3, false),
            (5, 4, true),
            (40, 4, false),
            (40, 5, true),
            (1_000, 100, false),
            (1_000, 101, true),
        ] {
            assert_eq!(is_suspect(known, missing), suspect, "{missing} of {known}");
        }
    }
}
