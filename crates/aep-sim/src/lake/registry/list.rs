//! Lists: filter by `property`, order, and pages that start strictly after a value.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::accept::{self, Form};
use super::{Context, Kind, Refusal, Registry, Resource, global};
use crate::lake::compare;
use crate::wire::{Call, Reply};

/// No answer holds more than this.
const MAX_PAGE: usize = 300;

impl Registry {
    pub(super) fn list(&self, context: &Context<'_>, container: &str, kind: Kind) -> Result<Reply, Refusal> {
        let short = accept::list(context)?;
        let mut found: Vec<(&Resource, Value)> = Vec::new();
        for resource in self.of_kind(container, kind) {
            let raw = self.render(resource, &Form::RAW);
            if matches(context.call, &raw)? {
                found.push((resource, raw));
            }
        }
        let page = Page::of(context.call)?;
        found.sort_by(|a, b| page.order(a, b));
        let (items, next) = page.cut(found);
        let results: Vec<Value> =
            items.into_iter().map(|(one, raw)| if short { one.summary() } else { raw }).collect();
        Ok(Reply::json(200, page.envelope(&results, &next, kind)))
    }

    fn of_kind(&self, container: &str, kind: Kind) -> Vec<&Resource> {
        let all = if container == "global" { global::all().collect() } else { self.tenant_resources() };
        all.into_iter().filter(|resource| resource.kind == kind).collect()
    }
}

/// Whether an object passes every `property` parameter.
pub(super) fn matches(call: &Call, object: &Value) -> Result<bool, Refusal> {
    for filter in call.queries("property") {
        if !matches_one(filter, object)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn matches_one(filter: &str, object: &Value) -> Result<bool, Refusal> {
    let Some((at, operator)) = compare::find_operator(filter) else {
        return Ok(object.get(filter).is_some());
    };
    let (name, wanted) = (&filter[..at], &filter[at + operator.len()..]);
    if name.is_empty() {
        return Err(Refusal::query(format!("The filter {filter} names no property.")));
    }
    let value = object.get(name).unwrap_or(&Value::Null);
    match value {
        // A list of classes passes when one of them does.
        Value::Array(items) if operator == "!=" => {
            Ok(!items.iter().any(|item| compare::test(item, "==", wanted)))
        }
        Value::Array(items) => Ok(items.iter().any(|item| compare::test(item, operator, wanted))),
        _ => Ok(compare::test(value, operator, wanted)),
    }
}

/// `orderby`, `start` and `limit`.
struct Page {
    fields: Vec<(String, bool)>,
    start: Option<String>,
    limit: usize,
}

impl Page {
    fn of(call: &Call) -> Result<Self, Refusal> {
        let order = call.query("orderby").filter(|order| !order.is_empty());
        if order.is_none() && (call.query("limit").is_some() || call.query("start").is_some()) {
            return Err(Refusal::query("The parameters limit and start need orderby."));
        }
        let limit = match call.query("limit").map(str::parse::<usize>) {
            None => MAX_PAGE,
            Some(Ok(limit @ 0..=500)) => limit.clamp(1, MAX_PAGE),
            Some(_) => return Err(Refusal::query("The parameter limit must be a number between 0 and 500.")),
        };
        let field = |name: &str| match name.strip_prefix('-') {
            Some(name) => (name.to_owned(), true),
            None => (name.trim_start_matches(['+', ' ']).to_owned(), false),
        };
        let fields = order.unwrap_or("updated").split(',').map(field).collect();
        Ok(Self { fields, start: call.query("start").map(str::to_owned), limit })
    }

    fn order(&self, a: &(&Resource, Value), b: &(&Resource, Value)) -> Ordering {
        let by_fields = self.fields.iter().map(|(name, descending)| {
            let order = compare::values(&key(a, name), &key(b, name));
            if *descending { order.reverse() } else { order }
        });
        by_fields.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.0.seq.cmp(&b.0.seq))
    }

    /// The page itself, and the `start` of the next one. Items with an equal key stay together, since the next page starts
    /// strictly after it: that is why `limit` is only a hint.
    fn cut<'r>(&self, sorted: Vec<(&'r Resource, Value)>) -> (Vec<(&'r Resource, Value)>, Value) {
        let (name, descending) = &self.fields[0];
        let after_start = |item: &(&Resource, Value)| {
            let Some(start) = &self.start else { return true };
            let order = compare::to_text(&key(item, name), start);
            if *descending { order.is_lt() } else { order.is_gt() }
        };
        let mut rest: Vec<_> = sorted.into_iter().filter(after_start).collect();
        let mut end = self.limit.min(rest.len());
        while end > 0 && end < rest.len() && key(&rest[end], name) == key(&rest[end - 1], name) {
            end += 1;
        }
        let next = if end < rest.len() { key(&rest[end - 1], name) } else { Value::Null };
        rest.truncate(end);
        (rest, next)
    }

    fn envelope(&self, results: &[Value], next: &Value, kind: Kind) -> Value {
        let order: Vec<String> = self
            .fields
            .iter()
            .map(|(name, down)| if *down { format!("-{name}") } else { name.clone() })
            .collect();
        let order = order.join(",");
        let word = kind.word();
        let link = match next {
            Value::Null => Value::Null,
            Value::String(text) => json!({"href": format!("/tenant/{word}?orderby={order}&start={text}")}),
            other => json!({"href": format!("/tenant/{word}?orderby={order}&start={other}")}),
        };
        json!({
            "_page": {"orderby": order, "next": next, "count": results.len()},
            "results": results,
            "_links": {
                "next": link,
                format!("global_{word}"): {"href": format!("/data/foundation/schemaregistry/global/{word}")},
            },
        })
    }
}

fn key((resource, raw): &(&Resource, Value), name: &str) -> Value {
    match name {
        "updated" | "modified" => json!(resource.modified),
        "created" => json!(resource.created),
        _ => raw.get(name).cloned().unwrap_or(Value::Null),
    }
}
