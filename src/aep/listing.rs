//! Lists of Flow Service: filters, paging to the end, and what keeps paging honest.
//!
//! A filter only narrows a search. Whether an object is the wanted one is for the caller to see in the answer.

use std::collections::HashSet;
use std::marker::PhantomData;

use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, Endpoint};
use super::error::{Error, Operation};
use super::{Entity, Lane, Session, encode};

/// The most that a page holds (Adobe: Destinations API reference).
const PAGE: &str = "100";
/// More pages than any sandbox has; beyond it something goes in circles.
const MOST_PAGES: usize = 2_000;

/// Which objects a list should show, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    conditions: Vec<String>,
    order: &'static str,
}

impl Default for Filter {
    fn default() -> Self {
        Self::all()
    }
}

impl Filter {
    /// All objects, oldest first: an order in which objects do not move between pages when they are changed.
    pub fn all() -> Self {
        Self { conditions: Vec::new(), order: "createdAt" }
    }

    /// Only objects whose member at `path` equals `value`. Repeated conditions all hold.
    ///
    /// Paths are dotted; an array's end in `[]` (Adobe: "Sort and filter responses"). A comma would mean "or" and cannot be
    /// escaped: such a value does not narrow at all.
    #[must_use]
    pub fn equal(mut self, path: &str, value: &str) -> Self {
        if !value.contains(',') {
            self.conditions.push(format!("{path}=={value}"));
        }
        self
    }

    /// Only objects whose member at `path` is one of `values`, which hold no comma.
    #[must_use]
    pub fn any_of(mut self, path: &str, values: &[&str]) -> Self {
        self.conditions.push(format!("{path}=={}", values.join(",")));
        self
    }

    /// Newest first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.order = "-createdAt";
        self
    }

    pub(super) fn query<'a>(
        &'a self,
        limit: &'a str,
        token: Option<&'a str>,
    ) -> Vec<(&'static str, &'a str)> {
        let mut pairs: Vec<_> =
            self.conditions.iter().map(|condition| ("property", condition.as_str())).collect();
        pairs.push(("orderby", self.order));
        pairs.push(("limit", limit));
        pairs.extend(token.map(|token| ("continuationToken", token)));
        pairs
    }
}

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    #[serde(rename = "_links", default)]
    links: Value,
}

impl<T> Page<T> {
    /// The token of the next page. The link is relative or absolute and may carry other parameters; only the token counts.
    pub fn next_token(&self) -> Option<String> {
        let next = self.links.get("next")?;
        let href = next.get("href").unwrap_or(next).as_str()?;
        let (_, query) = href.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == "continuationToken")
            .map(|(_, token)| encode::decode(token))
            .filter(|token| !token.is_empty())
    }
}

/// A list, page by page.
pub struct Pages<'a, E> {
    session: &'a Session,
    filter: &'a Filter,
    token: Option<String>,
    seen_tokens: HashSet<String>,
    seen_ids: HashSet<String>,
    read: usize,
    done: bool,
    entity: PhantomData<fn() -> E>,
}

impl<'a, E: Entity> Pages<'a, E> {
    pub(super) fn new(session: &'a Session, filter: &'a Filter) -> Self {
        Self {
            session,
            filter,
            token: None,
            seen_tokens: HashSet::new(),
            seen_ids: HashSet::new(),
            read: 0,
            done: false,
            entity: PhantomData,
        }
    }

    /// The next page, or `None` after the last. An object that moved between pages is given once.
    ///
    /// # Errors
    /// Those of a read; a list that goes in circles is `Malformed`. After an error the list is incomplete: start again.
    pub async fn next(&mut self) -> Result<Option<Vec<E>>, Error> {
        if self.done {
            return Ok(None);
        }
        let operation = Operation::new("list", E::COLLECTION);
        let call =
            Call::read(operation, Endpoint::new(super::flow_service::BASE).then(E::COLLECTION), Lane::LookUp)
                .query(&self.filter.query(PAGE, self.token.as_deref()))
                .large();
        let answer = self.session.send(call).await?;
        let page: Page<E> = answer.json()?;
        self.read += 1;
        self.token = page.next_token();
        self.done = self.token.is_none();
        if let Some(token) = &self.token
            && (!self.seen_tokens.insert(token.clone()) || self.read >= MOST_PAGES)
        {
            return Err(answer.not_understood("the list's pages go in circles"));
        }
        let mut items = page.items;
        for item in &items {
            self.session.check(&answer, item.meta())?;
        }
        items.retain(|item| self.seen_ids.insert(item.meta().id.clone()));
        Ok(Some(items))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(links: Value) -> Option<String> {
        Page::<Value> { items: Vec::new(), links }.next_token()
    }

    #[test]
    fn the_next_token_is_found_in_any_documented_link() {
        assert_eq!(token(json!({})), None);
        assert_eq!(token(Value::Null), None);
        assert_eq!(token(json!({"next": null})), None);
        assert_eq!(token(json!({"next": {"href": ""}})), None);
        assert_eq!(token(json!({"next": {"href": "/flows?continuationToken="}})), None);
        assert_eq!(token(json!({"next": {"href": "/flows?continuationToken=abc"}})).as_deref(), Some("abc"));
        let mixed =
            json!({"next": {"href": "https://h/flows?limit=2&continuationToken=a%2Bb+c%3D%3D&property=x"}});
        assert_eq!(token(mixed).as_deref(), Some("a+b+c=="));
    }

    #[test]
    fn a_filter_with_a_comma_does_not_narrow() {
        let filter = Filter::all().equal("name", "a,b").equal("connectionSpec.id", "s");
        assert_eq!(
            filter.query("100", None),
            [("property", "connectionSpec.id==s"), ("orderby", "createdAt"), ("limit", "100")]
        );
    }
}
