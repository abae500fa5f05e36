//! The closed list of reasons: why a condition is what it is, and what an event tells. Each with its meaning
//! and its remedy.
//!
//! The catalogue in the documentation is generated from this list, so a remedy is written for the person who
//! reads the condition. Nothing here decides which reason applies.

use std::fmt;

macro_rules! reasons {
    ($($name:ident: $meaning:literal, $remedy:literal;)+) => {
        /// Why a condition is what it is, or what an event tells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $(#[doc = concat!($meaning, "\n\nRemedy: ", $remedy)] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The spelling in conditions, events and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it says, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }

            /// What to do about it.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)+
                }
            }

            /// The reason of that spelling.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
            }
        }
    };
}

reasons! {
    // On the way, and at the goal.
    Pending:
        "The operator has not looked at the object yet.",
        "Wait; if it stays, see whether the operator runs and watches this namespace.";
    Progressing:
        "Work is going on.",
        "Wait.";
    Available:
        "The object is usable, and the present generation is applied upstream.",
        "Nothing to do.";
    InSync:
        "At the last check upstream was as the spec says.",
        "Nothing to do.";
    ReferencesResolved:
        "Every reference has its upstream id and may be used.",
        "Nothing to do.";
    Paused:
        "The annotation paused is true, so the operator keeps its hands off; a deletion waits as well.",
        "Remove the annotation ingestion.aep-operator.io/paused when you are done.";
    Deleting:
        "The upstream objects are being deleted.",
        "Wait.";
    WaitingForDependents:
        "The object is being deleted, but others that refer to it still exist; the message names them.",
        "Delete them, or let them refer to something else.";
    WaitingForRunToEnd:
        "The flow to be replaced still has a run in flight.",
        "Wait, or stop the run in the Platform UI.";

    // Drift.
    DriftCorrected:
        "Upstream differed from the spec and was put back.",
        "Nothing to do; find out who changes the object by hand.";
    DriftReported:
        "Upstream differs from the spec in the fields that the message names, and driftPolicy is Report.",
        "Write the change into the spec, undo it upstream, or set driftPolicy: Correct.";
    StartTimeIgnored:
        "The flow has started, so the changed startTime has no effect.",
        "Put the old startTime back, or leave it out.";
    BackfillIgnored:
        "The flow was made with another backfill than the spec asks for. It speaks of the first run only, so it \
         has no effect any more.",
        "Nothing to do if the dataset holds what was there before; else replace the flow with history Full.";
    ScheduleRefused:
        "Flow Service does not accept this change of the schedule in place.",
        "Undo the change, or move the flow to a new source connection, which replaces it.";
    LostUpdateRace:
        "Others change the upstream object faster than the operator can compare and write.",
        "Find out who changes it; the operator tries again by itself.";

    // What cannot be read.
    Unparsable:
        "The object holds something that this version of the operator cannot read; the message names it. Nothing \
         is done about the object, and what it has upstream stays as it is.",
        "Change what the message names, or run the version of the operator that the installed CRDs belong to.";

    // References.
    ReferenceNotFound:
        "An object that the spec refers to does not exist in this namespace.",
        "Create it, or correct the name.";
    ReferenceNotReady:
        "An object that the spec refers to has no upstream id yet.",
        "See the conditions of that object.";
    ReferenceDeleting:
        "An object that the spec refers to is being deleted.",
        "Wait and create it again, or refer to another one.";
    ReferenceMismatch:
        "The objects that the spec refers to are not of the same organisation, sandbox or Stripe resource.",
        "Refer to objects that belong together.";

    // Credentials and access.
    SecretMissing:
        "A Secret that the spec refers to does not exist in this namespace, or is being deleted.",
        "Create the Secret, or correct the name.";
    SecretKeyMissing:
        "The Secret lacks a key.",
        "Add the key that the message names.";
    SecretInvalid:
        "A value in the Secret cannot be used, for example because it is empty or not text.",
        "Correct the value of the key that the message names.";
    SecretNotAllowed:
        "The operator was installed with a list of the Secrets that it may use, and this one is not on it.",
        "Add the name to secrets.names of the Helm chart, or put the credentials into a Secret of an allowed name.";
    CredentialsAccepted:
        "Adobe accepted the platform credentials, and the connection's own test passed.",
        "Nothing to do.";
    CredentialsRotated:
        "The Stripe key of the connection was replaced by the one in the Secret.",
        "Nothing to do.";
    PlatformCredentialsRefused:
        "Adobe did not accept the client id, client secret, scopes or organisation of the platform \
         credentials.",
        "Correct the Secret; the operator tries again as soon as it changes.";
    StripeCredentialsRefused:
        "The connection's test failed with this Stripe key; an older key stays in use.",
        "Correct the Stripe key in the Secret, or give it the right to read the resource.";
    PermissionMissing:
        "The credentials are valid, but their role lacks a permission for this call.",
        "Give the technical account a role with the permission that the message names, in this sandbox.";
    OrganizationChanged:
        "The Secret now holds credentials of another organisation than the one the upstream objects were \
         created in.",
        "Put credentials of the first organisation back, or create new objects for the other one.";
    SandboxNotFound:
        "The organisation has no sandbox of that name, or the credentials may not see it.",
        "Correct the name, or give the technical account access to the sandbox.";
    SandboxNotActive:
        "The sandbox is being created, reset or deleted.",
        "Wait until it is active.";
    SandboxReset:
        "A sandbox of that name exists, but it is not the one the upstream objects were created in.",
        "Delete this object and create it again for the new sandbox.";
    HiddenByAccessLabel:
        "The upstream object exists, but an access label hides it from the operator's credentials.",
        "Give the technical account a role with that label, or remove the label.";

    // Spec, rows and schemas.
    InvalidSpec:
        "The spec cannot be applied as it is; the message names the field.",
        "Correct the field.";
    RowsAccepted:
        "Data Prep validated the rows, and the target schema has every destination.",
        "Nothing to do.";
    RowsRefused:
        "Data Prep refused one or more rows; status.failures lists them.",
        "Correct the rows.";
    DestinationMissing:
        "The target schema lacks the destination of one or more rows; status.failures lists them.",
        "Add the fields to the schema, or correct the destinations.";
    TypeMismatch:
        "The type of a row does not fit the field of the target schema; status.failures lists the rows.",
        "Correct xdmType, convert with an Expression, or choose another field.";
    TypeUnknown:
        "A row of a managed schema has neither an xdmType nor a shipped type.",
        "Add xdmType to the row.";
    RequiredFieldUnmapped:
        "The target schema requires a field that no row writes.",
        "Add a row for the field that the message names.";
    DuplicateDestination:
        "Two rows write the same field once the tenant is filled in.",
        "Remove one of them.";
    BuiltinMismatch:
        "The built-in rows are not those of the source's resource, or exclude names a row that they do not \
         have.",
        "Choose the built-in rows of the resource that the source reads, and correct exclude.";
    IdentityInvalid:
        "An identity names a field without a row, or a namespace that the organisation does not have.",
        "Correct destination or namespace of the identity.";
    SourceFieldsSeen:
        "Every source of the rows was seen by Adobe's explore call.",
        "Nothing to do.";
    SourceFieldsUnseen:
        "Adobe's explore call did not see the sources that the message names. It infers from live records, \
         so this is a hint only.",
        "Check the spelling; a field that is rare in your data is fine.";
    ExploreEmpty:
        "Adobe's explore call gave no field of the source. The flow is set up all the same, and the call is made again later.",
        "Check the Stripe key's right to read the resource; an account without records has no field to show.";
    SchemaTitleTaken:
        "Another resource of Schema Registry has the title already; the message holds its $id.",
        "Take it over with targetSchema.managed.adopt, or choose another title in another IngestionMapping.";
    SchemaNotFound:
        "No schema has that title or $id.",
        "Create the schema, or correct the title or id.";
    SchemaAmbiguous:
        "More than one schema has that title.",
        "Name the schema by its id.";
    SchemaMismatch:
        "The dataset's schema is not the mapping's schema.",
        "Use a dataset of the mapping's schema, or a mapping of the dataset's schema.";
    SchemaChangeRefused:
        "The change would break a schema that a dataset or Profile already uses.",
        "Undo the change, or build a new schema with another IngestionMapping.";
    DatasetNotFound:
        "No dataset has that name or id.",
        "Create the dataset, or correct the name or id.";
    DatasetAmbiguous:
        "More than one dataset has that name.",
        "Name the dataset by its id.";
    DatasetChangeRefused:
        "Dataset or schema changed without a new source connection; Flow Service needs a new pair.",
        "Give a new sourceConnectionRef as well, or undo the change.";
    SourceInUse:
        "Another flow already reads the source connection; the message names both.",
        "Create a source connection of its own for this flow.";

    ProfileEnabled:
        "The schema or dataset takes part in Real-Time Customer Profile, so the operator never deletes it, \
         whatever deletionPolicy says.",
        "Set deletionPolicy: Retain in targetSchema.managed or dataset.managed: this object then goes, and \
         the schema or dataset stays.";

    // Ownership.
    NotOurs:
        "The upstream object carries the marker of another owner, or none.",
        "Leave it to its owner; to manage it here, free it there first and then name it in adopt.";
    PredecessorFound:
        "An object of the same name that existed before left an upstream object behind; the message names \
         it.",
        "Take it over with adopt, or delete it upstream.";
    DuplicateFound:
        "More than one upstream object carries this object's marker; the message names them.",
        "Name the one to keep in adopt, and delete the others upstream.";
    PossibleTwin:
        "An upstream object without a marker looks like one that a lost answer left behind; the message \
         names it.",
        "If it is, take it over with adopt; if it is not, rename or delete it.";
    ApprovalRequired:
        "An action waits for approval; status.pending shows it.",
        "Approve it: set the annotation ingestion.aep-operator.io/approve to status.pending.digest; or \
         change the spec.";
    AdoptionRefused:
        "The object named in adopt cannot be taken over, for the reason in the message.",
        "Name another object, or change the spec so that it fits.";

    // Upstream.
    InUseUpstream:
        "Flows or datasets that are not managed here use the object that is to be deleted; the message names them.",
        "Delete or change those, or set deletionPolicy: Retain.";
    UpstreamRefused:
        "Adobe refused the request; the message holds its code and request id.",
        "Correct what the message says; give the request id to Adobe's support otherwise.";
    UpstreamFailed:
        "Adobe accepted a change and failed later while applying it; the message holds the error.",
        "Correct what the message says; the operator tries again.";
    UpstreamUnavailable:
        "Adobe does not answer, or answers with a server error.",
        "Wait; the operator tries again by itself. See Adobe's status page.";
    UpstreamBusy:
        "The upstream object is in a state in which Adobe allows no change.",
        "Wait.";
    RateLimited:
        "Adobe limits the rate of requests of the organisation.",
        "Wait; if it happens often, lower the operator's requests per second.";
    OutcomeUnknown:
        "The answer to a request was lost, so the operator looks for its effect before it goes on.",
        "Wait.";
    Gone:
        "The upstream object was deleted by someone else.",
        "Wait if it is made again; a flow is held for your approval.";
    CompletedFlowGone:
        "A flow with frequency once was deleted upstream after it had succeeded; it is not made again.",
        "Delete this object when its record is no longer needed.";
    InventorySuspect:
        "So many known objects are missing from one sandbox at once that nothing is made again or released.",
        "Check the role of the technical account and the sandbox.";

    // Runs.
    RunSucceeded:
        "The last run succeeded without failed records.",
        "Nothing to do.";
    RunPartial:
        "The last run succeeded, but some records failed; the message counts them.",
        "Look at the error diagnostics of the run in the Platform UI.";
    RunFailed:
        "The last run failed; the message holds its first error.",
        "Correct what the error says; the next run tries again.";
    RunOverdue:
        "A run has been under way for much longer than the schedule leaves it; the message names it.",
        "Look at the run in the Platform UI, and stop it there if it hangs.";
    RunsMissing:
        "The flow should have run by its schedule, and did not.",
        "See in the Platform UI whether the flow is enabled and scheduled; an access label may hide its runs.";
    RunStarted:
        "The run that the annotation run-requested-at asked for was started.",
        "Nothing to do.";
    RunRefused:
        "The run that the annotation run-requested-at asked for cannot be started; the message says why.",
        "Correct what the message says, and ask again with another token.";
    BatchGuardrail:
        "The flows of a sandbox start more runs a day than Adobe's guardrail for batches allows.",
        "Lengthen the intervals of flows, or spread the flows over sandboxes.";
    NoRunYet:
        "The flow has not run yet.",
        "Wait for the start time and the first interval.";
    Fresh:
        "The last successful run is younger than freshness.maxAge.",
        "Nothing to do.";
    Stale:
        "The last successful run is older than freshness.maxAge.",
        "See the condition RunsHealthy, and whether the flow is enabled.";

    // What events tell besides.
    Created:
        "An upstream object was created.",
        "Nothing to do.";
    Updated:
        "An upstream object was changed as the spec says.",
        "Nothing to do.";
    Deleted:
        "An upstream object was deleted.",
        "Nothing to do.";
    Adopted:
        "An existing upstream object was taken over.",
        "Nothing to do.";
    Reattached:
        "An upstream object that an earlier object of the same name had retained was taken up again.",
        "Nothing to do.";
    Retained:
        "This object is released, and its upstream objects stay; the message names them.",
        "Delete them upstream when they are no longer needed.";
    Recreated:
        "An upstream object that had been deleted by someone else was made again.",
        "Nothing to do.";
    Replaced:
        "A new upstream object took the place of the old one; the message names a possible overlap or gap.",
        "Check the data in the period that the message names.";
    ReplacementAbandoned:
        "The replacement was given up, and the old flow runs on.",
        "Nothing to do, or correct what the message says.";
    ExtraDeleted:
        "An object that a lost race had created twice was deleted again.",
        "Nothing to do.";

    // Ours.
    KubernetesDenied:
        "The API server refused a call of the operator.",
        "Grant the operator's service account the right that the message names.";
    KubernetesUnavailable:
        "The API server does not answer.",
        "Wait; the operator tries again by itself.";
    InternalError:
        "The operator met a state that should be impossible.",
        "Report it with the operator's log; the object is checked again later.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_a_camel_case_word_that_the_api_accepts() {
        for reason in Reason::ALL {
            let text = reason.as_str();
            assert!(text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
        }
    }

    #[test]
    fn a_spelling_stands_for_one_reason() {
        let spellings: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(spellings.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("pending"), None);
    }

    #[test]
    fn every_reason_is_given_by_some_code() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut text) = (vec![root], String::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                    let file = std::fs::read_to_string(path).unwrap();
                    text.push_str(file.split("#[cfg(test)]").next().unwrap_or_default());
                }
            }
        }
        let given: BTreeSet<&str> = (text.split("Reason::").skip(1))
            .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
            .collect();
        let never: Vec<_> = Reason::ALL.iter().filter(|reason| !given.contains(reason.as_str())).collect();
        assert!(never.is_empty(), "the list promises these and nothing gives them: {never:?}");
    }

    #[test]
    fn every_reason_says_what_it_means_and_what_to_do_in_sentences() {
        for reason in Reason::ALL {
            for text in [reason.meaning(), reason.remedy()] {
                assert!(text.len() > 4 && text.ends_with('.'), "{reason}: {text}");
                assert!(!text.contains('\n'), "{reason}: {text}");
            }
        }
    }
}
