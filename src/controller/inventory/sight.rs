//! What was seen last of an upstream object, and whether there is a reason to look again.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::fleet::Known;
use crate::aep::model;
use crate::controller::upstream::Object;

/// What was seen last of each object, by its id.
pub(super) type Seen = HashMap<String, Sight>;

/// An object at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sight {
    /// Moves with every write, the service's own included. A version stands in its place where there is no etag; a dataset has neither.
    etag: String,
    /// Moves with what the operator may have to act upon, and with nothing else.
    content: u64,
}

impl Sight {
    /// An object as a list shows it.
    pub(super) fn of(object: &Object) -> Self {
        let content = match object {
            Object::Connection(it) => hash(&steady(it, |it| &mut it.meta)),
            Object::SourceConnection(it) => hash(&steady(it, |it| &mut it.meta)),
            Object::TargetConnection(it) => hash(&steady(it, |it| &mut it.meta)),
            Object::Flow(it) => hash(&steady(it, |it| &mut it.meta)),
            Object::MappingSet(it) => hash(&(it.version, &it.name)),
            Object::Resource(it) => hash(&(&it.version, &it.title, &it.description, it.is_in_union())),
            Object::DataSet(it) => hash(&(&it.name, &it.description, &it.schema_ref, &it.tags)),
        };
        Self { etag: object.tag().unwrap_or_default(), content }
    }

    /// Whether the owner has a reason to look. What its status holds is what the operator wrote or accepted last; at first sight after a
    /// restart another etag may be the work of a run or of a person.
    pub(super) fn is_news(&self, before: Option<&Self>, owner: &Known) -> bool {
        let is_accepted = !self.etag.is_empty() && owner.etag.as_deref() == Some(self.etag.as_str());
        !is_accepted && before.is_none_or(|before| before.content != self.content)
    }
}

/// The object without what moves by itself.
fn steady<T: Clone>(object: &T, meta: impl Fn(&mut T) -> &mut model::Meta) -> T {
    let mut object = object.clone();
    let meta = meta(&mut object);
    meta.etag = None;
    meta.updated_at = None;
    meta.updated_by = None;
    meta.updated_client = None;
    object
}

fn hash(value: &impl Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{value:?}").hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flow(change: impl FnOnce(&mut serde_json::Value)) -> Sight {
        let mut value = json!({
            "id": "f", "name": "n", "etag": "\"1\"", "updatedAt": 1, "state": "enabled",
            "scheduleParams": { "interval": "1", "frequency": "hour", "startTime": "10" },
            "lastRunDetails": { "id": "r", "state": "success" },
        });
        change(&mut value);
        Sight::of(&Object::Flow(serde_json::from_value(value).expect("a flow")))
    }

    #[test]
    fn what_the_service_moves_by_itself_is_no_content_and_what_may_need_a_look_is() {
        let before = flow(|_| {});
        let touched = flow(|flow| {
            flow["etag"] = json!("\"2\"");
            flow["updatedAt"] = json!(2);
            flow["updatedBy"] = json!("service");
        });
        assert_ne!(touched.etag, before.etag);
        assert_eq!(touched.content, before.content);
        for (member, value) in [
            ("/name", json!("renamed")),
            ("/state", json!("disabled")),
            ("/scheduleParams/interval", json!("2")),
            ("/lastRunDetails/id", json!("another")),
        ] {
            let edited = flow(|flow| *flow.pointer_mut(member).expect("a member") = value);
            assert_ne!(edited.content, before.content, "{member}");
        }
    }

    #[test]
    fn an_etag_that_status_holds_needs_no_look() {
        let known = |etag: Option<&str>| Known {
            id: "f".into(),
            etag: etag.map(str::to_owned),
            uid: "u".into(),
            namespace: "n".into(),
            name: "n".into(),
        };
        let sight = |etag: &str, content| Sight { etag: etag.into(), content };
        assert!(!sight("1", 7).is_news(None, &known(Some("1"))), "the operator wrote it last");
        assert!(sight("2", 7).is_news(None, &known(Some("1"))), "at first sight it may have been edited");
        assert!(sight("", 7).is_news(None, &known(None)), "nothing is known of it");
        assert!(!sight("2", 7).is_news(Some(&sight("1", 7)), &known(None)), "a run began");
        assert!(sight("2", 8).is_news(Some(&sight("1", 7)), &known(None)));
        assert!(!sight("2", 8).is_news(Some(&sight("1", 7)), &known(Some("2"))), "our own change");
    }
}
