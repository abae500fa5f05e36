//! Judging a look-up: which of the objects that a narrowed search returned is ours. The marker decides, never the name.

use crate::api::role::Role;

use super::marker::{Marker, Relation};
use super::plan::Contest;

/// An upstream object as a search shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Adobe's id.
    pub id: String,
    /// The marker in description, name or tags.
    pub marker: Option<Marker>,
    /// Name or title, without the marker.
    pub name: String,
    /// Client id that created it, where Adobe tells it.
    pub created_client: Option<String>,
    /// Creation time in epoch milliseconds, where Adobe tells it.
    pub created_at: Option<i64>,
}

/// What we look for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The marker that our object carries.
    pub marker: &'a Marker,
    /// The name that we create it with.
    pub name: &'a str,
    /// Our client id.
    pub client_id: &'a str,
    /// When the claim was made, in epoch milliseconds; `None` when there was no claim before this pass.
    pub claimed_at: Option<i64>,
}

/// What a look-up showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// Exactly one is ours.
    Ours(String),
    /// None is ours.
    None,
    /// A human has to settle it.
    Contested(Contest),
}

/// Clocks of Adobe and of the cluster may differ by this much, in milliseconds.
const CLOCK_SKEW: i64 = 5 * 60 * 1000;

/// Judges the candidates for one role.
pub fn judge(candidates: &[Candidate], wanted: &Wanted<'_>) -> Sighting {
    let related = |relation: Relation| -> Vec<String> {
        let matches = |candidate: &&Candidate| {
            candidate.marker.as_ref().is_some_and(|marker| marker.relation(wanted.marker) == relation)
        };
        candidates.iter().filter(matches).map(|candidate| candidate.id.clone()).collect()
    };
    let ours = related(Relation::Ours);
    match ours.as_slice() {
        [id] => return Sighting::Ours(id.clone()),
        [] => {}
        _ => return Sighting::Contested(Contest::Several(ours)),
    }
    if wanted.marker.role == Role::Dataset
        && let [id] = named(candidates, wanted, Relation::OtherIncarnation).as_slice()
    {
        return Sighting::Ours(id.clone());
    }
    let mut predecessors = related(Relation::Predecessor);
    // A flow that was replaced together with its dataset retains more than one.
    let of_our_name = named(candidates, wanted, Relation::Predecessor);
    if predecessors.len() > 1 && of_our_name.len() == 1 {
        predecessors = of_our_name;
    }
    match (predecessors.as_slice(), is_retainable(wanted.marker.role)) {
        ([], _) => {}
        ([id], true) => return Sighting::Ours(id.clone()),
        _ => return Sighting::Contested(Contest::Predecessor(predecessors)),
    }
    let twins: Vec<String> = candidates
        .iter()
        .filter(|candidate| is_possible_twin(candidate, wanted))
        .map(|candidate| candidate.id.clone())
        .collect();
    if !twins.is_empty() {
        return Sighting::Contested(Contest::PossibleTwin(twins));
    }
    foreign(candidates, wanted).map_or(Sighting::None, Sighting::Contested)
}

/// Candidates of a relation that have the very name that we would give.
fn named(candidates: &[Candidate], wanted: &Wanted<'_>, relation: Relation) -> Vec<String> {
    let matches = |candidate: &&Candidate| {
        candidate.name == wanted.name
            && candidate.marker.as_ref().is_some_and(|marker| marker.relation(wanted.marker) == relation)
    };
    candidates.iter().filter(matches).map(|candidate| candidate.id.clone()).collect()
}

/// Roles that hold customer data or its shape: what a deleted object retained is attached again.
pub fn is_retainable(role: Role) -> bool {
    matches!(role, Role::Dataset | Role::Schema | Role::FieldGroup)
}

/// An object without marker that may be ours: our name and client, created since our claim.
fn is_possible_twin(candidate: &Candidate, wanted: &Wanted<'_>) -> bool {
    let Some(claimed_at) = wanted.claimed_at else { return false };
    candidate.marker.is_none()
        && candidate.name == wanted.name
        && candidate.created_client.as_deref() == Some(wanted.client_id)
        && candidate.created_at.is_some_and(|created_at| created_at >= claimed_at - CLOCK_SKEW)
}

/// Objects of others that stand in the way: Adobe asks for one flow per source connection, and titles are unique in a registry.
fn foreign(candidates: &[Candidate], wanted: &Wanted<'_>) -> Option<Contest> {
    let stands_in_the_way = |candidate: &&Candidate| match wanted.marker.role {
        Role::Flow => candidate.marker.as_ref().is_none_or(|marker| marker.uid != wanted.marker.uid),
        Role::Schema | Role::FieldGroup => candidate.name == wanted.name,
        _ => false,
    };
    let ids: Vec<String> =
        candidates.iter().filter(stands_in_the_way).map(|candidate| candidate.id.clone()).collect();
    (!ids.is_empty()).then_some(Contest::Foreign(ids))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::marker::Owner;

    fn marker(uid: &str, role: Role) -> Marker {
        Marker {
            uid: uid.into(),
            role,
            incarnation: 1,
            sandbox: "dev".into(),
            owner: Owner { cluster: "c".into(), namespace: "n".into(), name: "a".into() },
        }
    }

    fn candidate(id: &str, marker: Option<Marker>) -> Candidate {
        Candidate {
            id: id.into(),
            marker,
            name: "n/a".into(),
            created_client: Some("client".into()),
            created_at: Some(1_000_000_000),
        }
    }

    fn judged(role: Role, candidates: &[Candidate]) -> Sighting {
        let marker = marker("mine", role);
        judge(
            candidates,
            &Wanted { marker: &marker, name: "n/a", client_id: "client", claimed_at: Some(1_000_000_000) },
        )
    }

    #[test]
    fn one_of_ours_is_taken_among_any_number_of_others() {
        let candidates = [
            candidate(
                "x",
                Some(Marker {
                    owner: Owner { cluster: "other".into(), ..marker("b", Role::Connection).owner },
                    ..marker("b", Role::Connection)
                }),
            ),
            candidate("mine", Some(marker("mine", Role::Connection))),
            candidate("hand-made", None),
        ];
        assert_eq!(judged(Role::Connection, &candidates), Sighting::Ours("mine".into()));
    }

    #[test]
    fn two_of_ours_are_left_to_a_human() {
        let candidates = [
            candidate("a", Some(marker("mine", Role::Connection))),
            candidate("b", Some(marker("mine", Role::Connection))),
        ];
        assert_eq!(
            judged(Role::Connection, &candidates),
            Sighting::Contested(Contest::Several(vec!["a".into(), "b".into()]))
        );
    }

    #[test]
    fn a_predecessor_is_taken_over_only_where_it_holds_data_or_its_shape() {
        let dataset = [candidate("d", Some(marker("before", Role::Dataset)))];
        assert_eq!(judged(Role::Dataset, &dataset), Sighting::Ours("d".into()));
        let connection = [candidate("c", Some(marker("before", Role::Connection)))];
        assert_eq!(
            judged(Role::Connection, &connection),
            Sighting::Contested(Contest::Predecessor(vec!["c".into()]))
        );
    }

    #[test]
    fn of_several_retained_datasets_the_one_of_our_name_is_taken() {
        let before = |id: &str, name: &str| Candidate {
            name: name.into(),
            ..candidate(id, Some(marker("before", Role::Dataset)))
        };
        let datasets = [before("d1", "n/a"), before("d2", "another")];
        assert_eq!(judged(Role::Dataset, &datasets), Sighting::Ours("d1".into()));
        let earlier = |id: &str, name: &str| {
            let marker = Marker { incarnation: 7, ..marker("mine", Role::Dataset) };
            Candidate { name: name.into(), ..candidate(id, Some(marker)) }
        };
        assert_eq!(judged(Role::Dataset, &[earlier("d1", "n/a")]), Sighting::Ours("d1".into()));
        assert_eq!(judged(Role::Dataset, &[earlier("d2", "another")]), Sighting::None);
    }

    #[test]
    fn an_unmarked_object_with_our_name_and_client_is_a_possible_twin() {
        assert_eq!(
            judged(Role::Connection, &[candidate("t", None)]),
            Sighting::Contested(Contest::PossibleTwin(vec!["t".into()]))
        );
        let older = Candidate { created_at: Some(1), ..candidate("t", None) };
        assert_eq!(judged(Role::Connection, &[older]), Sighting::None, "it was there before the claim");
        let hand_made = Candidate { created_client: Some("exc_app".into()), ..candidate("t", None) };
        assert_eq!(judged(Role::Connection, &[hand_made]), Sighting::None);
    }

    #[test]
    fn a_foreign_flow_on_our_source_and_a_foreign_title_stand_in_the_way() {
        let unmarked = |id: &str| Candidate { created_client: None, ..candidate(id, None) };
        assert_eq!(
            judged(Role::Flow, &[unmarked("f")]),
            Sighting::Contested(Contest::Foreign(vec!["f".into()]))
        );
        assert_eq!(
            judged(Role::Schema, &[unmarked("s")]),
            Sighting::Contested(Contest::Foreign(vec!["s".into()]))
        );
        assert_eq!(judged(Role::TargetConnection, &[unmarked("t")]), Sighting::None);
    }

    #[test]
    fn a_copy_in_another_sandbox_is_ignored() {
        let copy = Marker { sandbox: "prod".into(), ..marker("mine", Role::Connection) };
        assert_eq!(judged(Role::Connection, &[candidate("c", Some(copy))]), Sighting::None);
    }
}
