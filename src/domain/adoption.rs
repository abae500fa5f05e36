//! Adoption: whether an existing upstream object may be taken over, and how its differences are shown. Pure.
//!
//! Adoption is by id and never implicit. The marker decides whose an object is; whether its owner still lives is asked elsewhere.

use std::collections::BTreeMap;

use super::drift::Drift;
use super::intent::Intent;
use super::marker::{Marker, Relation};
use crate::api::role::Role;
use crate::api::status::ExternalObject;

/// Who has to give leave before an object is taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: it carries no marker, ours, that of a deleted object of our name, or a copied one.
    Nobody,
    /// Another object of this cluster, if it still exists.
    Neighbour(Marker),
    /// An object of another cluster, which cannot be asked.
    Stranger(Marker),
}

/// Who owns an object that carries the marker `found`, seen from the object whose marker `wanted` is.
pub fn owner(found: Option<Marker>, wanted: &Marker) -> Owner {
    let Some(found) = found else { return Owner::Nobody };
    match found.relation(wanted) {
        Relation::Ours | Relation::OtherIncarnation | Relation::Predecessor | Relation::Copy => Owner::Nobody,
        Relation::Foreign if found.uid == wanted.uid => Owner::Nobody,
        Relation::Foreign if found.owner.cluster == wanted.owner.cluster => Owner::Neighbour(found),
        Relation::Foreign => Owner::Stranger(found),
    }
}

/// One line for each difference that the taking over would change. The marker is no difference: it is the taking over.
pub fn lines(drift: &Drift) -> Vec<String> {
    let shown = |text: &str| if text.is_empty() { "empty".to_owned() } else { text.to_owned() };
    let differences = drift.differences().iter().filter(|difference| difference.field != "marker");
    differences
        .map(|difference| {
            let (desired, observed) = (shown(&difference.desired), shown(&difference.observed));
            format!("{}: {desired} (upstream: {observed})", difference.field)
        })
        .collect()
}

/// The objects that were taken over, by role: as the intent claims, and as status records where the intent was lost.
pub fn adopted<'a>(
    intent: Option<&Intent>,
    recorded: impl IntoIterator<Item = &'a ExternalObject>,
) -> BTreeMap<Role, String> {
    let claims = intent.into_iter().flat_map(|intent| &intent.roles);
    let claimed = claims.filter_map(|(role, claim)| Some((*role, claim.adopted.clone()?)));
    let mut adopted: BTreeMap<Role, String> = claimed.collect();
    let taken = recorded.into_iter().filter(|external| external.adopted == Some(true));
    adopted.extend(taken.map(|external| (external.role, external.id.clone())));
    adopted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::marker;

    fn marker(uid: &str, cluster: &str, name: &str, sandbox: &str) -> Marker {
        Marker {
            uid: uid.into(),
            role: Role::Connection,
            incarnation: 1,
            sandbox: sandbox.into(),
            owner: marker::Owner { cluster: cluster.into(), namespace: "n".into(), name: name.into() },
        }
    }

    #[test]
    fn only_a_marker_of_another_owner_has_to_be_asked_about() {
        let wanted = marker("u1", "c1", "a", "dev");
        let cases = [
            ("no marker", None, Owner::Nobody),
            ("ours", Some(wanted.clone()), Owner::Nobody),
            ("a predecessor's", Some(marker("u0", "c1", "a", "dev")), Owner::Nobody),
            ("copied with its sandbox", Some(marker("u9", "c9", "z", "prod")), Owner::Nobody),
            (
                "of this cluster",
                Some(marker("u2", "c1", "b", "dev")),
                Owner::Neighbour(marker("u2", "c1", "b", "dev")),
            ),
            (
                "of another cluster",
                Some(marker("u2", "c2", "a", "dev")),
                Owner::Stranger(marker("u2", "c2", "a", "dev")),
            ),
        ];
        for (reason, found, expected) in cases {
            assert_eq!(owner(found, &wanted), expected, "{reason}");
        }
    }

    #[test]
    fn every_difference_is_one_whole_line_and_the_marker_is_none() {
        let long = "x".repeat(200);
        let drift = Drift::default().field("description", &long, "").field("marker", "m", "");
        assert_eq!(lines(&drift), [format!("description: {long} (upstream: empty)")]);
    }

    #[test]
    fn status_tells_what_was_adopted_when_the_intent_was_lost() {
        let recorded = |adopted| ExternalObject { adopted, ..ExternalObject::example(Role::Flow, "f") };
        assert_eq!(adopted(None, [&recorded(Some(true))]), BTreeMap::from([(Role::Flow, "f".to_owned())]));
        assert_eq!(adopted(None, [&recorded(None)]), BTreeMap::new());
    }
}
