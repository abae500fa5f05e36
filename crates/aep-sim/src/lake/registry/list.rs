//! Lists: filter by `property`, order, and pages that start strictly after a value.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::accept::{self, Form};
use super::{Context, Kind, Refusal, Registry, Resource, global};
use crate::lake::{compare, visible};
use crate::wire::{Call, Reply};

/// No answer holds more than this.
const MAX_PAGE: usize = 300;

impl Registry {
    pub(super) fn list(&self, context: &Context<'_>, container: &str, kind: Kind) -> Result<Reply, Refusal> {
        let short = accept::list(context)?;
        let page = Page::of(context.call)?;
        let mut found = Vec::new();
        for resource in self.of_kind(container, kind) {
            if visible(resource.created, context.now_ms, context.switches.list_lag_ms)
                && matches(context.call, |name| self.member(resource, name))?
            {
                found.push(resource);
            }
        }
        let keyed =
            found.into_iter().map(|resource| (page.keys(|name| self.member(resource, name)), resource));
        let (items, next) = page.cut(keyed.collect());
        let show = |one: &Resource| if short { one.summary() } else { self.render(one, &Form::RAW) };
        let results: Vec<Value> = items.into_iter().map(show).collect();
        Ok(Reply::json(200, page.envelope(&results, &next, kind)))
    }

    fn of_kind(&self, container: &str, kind: Kind) -> Vec<&Resource> {
        let all = if container == "global" { global::all().collect() } else { self.tenant_resources() };
        all.into_iter().filter(|resource| resource.kind == kind).collect()
    }

    /// One member of the raw form. What the owner wrote is found without making that form.
    fn member(&self, resource: &Resource, name: &str) -> Value {
        match name {
            "updated" | "modified" => json!(resource.modified),
            "created" => json!(resource.created),
            "$id" => json!(resource.id),
            "version" => json!(resource.version),
            _ if resource.body.contains_key(name) => resource.body[name].clone(),
            _ if !name.contains(':') && name != "imsOrg" => Value::Null,
            _ => self.raw(resource).get(name).cloned().unwrap_or(Value::Null),
        }
    }
}

/// Whether an object passes every `property` parameter.
pub(super) fn matches(call: &Call, member: impl Fn(&str) -> Value) -> Result<bool, Refusal> {
    for filter in call.queries("property") {
        if !matches_one(filter, &member)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn matches_one(filter: &str, member: impl Fn(&str) -> Value) -> Result<bool, Refusal> {
    let Some((at, operator)) = compare::find_operator(filter) else {
        return Ok(!member(filter).is_null());
    };
    let (name, wanted) = (&filter[..at], &filter[at + operator.len()..]);
    if name.is_empty() {
        return Err(Refusal::query(format!("The filter {filter} names no property.")));
    }
    match member(name) {
        // A list of classes passes when one of them does.
        Value::Array(items) if operator == "!=" => {
            Ok(!items.iter().any(|item| compare::test(item, "==", wanted)))
        }
        Value::Array(items) => Ok(items.iter().any(|item| compare::test(item, operator, wanted))),
        value => Ok(compare::test(&value, operator, wanted)),
    }
}

/// A resource with the values it is ordered by.
type Keyed<'r> = (Vec<Value>, &'r Resource);

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

    fn keys(&self, member: impl Fn(&str) -> Value) -> Vec<Value> {
        self.fields.iter().map(|(name, _)| member(name)).collect()
    }

    fn order(&self, a: &Keyed<'_>, b: &Keyed<'_>) -> Ordering {
        let by_fields = self.fields.iter().zip(a.0.iter().zip(&b.0)).map(|((_, descending), (a, b))| {
            let order = compare::values(a, b);
            if *descending { order.reverse() } else { order }
        });
        by_fields.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.1.seq.cmp(&b.1.seq))
    }

    /// The page itself, and the `start` of the next one. Items with an equal key stay together, since the next page starts
    /// strictly after it: that is why `limit` is only a hint.
    fn cut<'r>(&self, mut found: Vec<Keyed<'r>>) -> (Vec<&'r Resource>, Value) {
        found.sort_by(|a, b| self.order(a, b));
        let descending = self.fields[0].1;
        if let Some(start) = &self.start {
            found.retain(|(keys, _)| {
                let order = compare::to_text(&keys[0], start);
                if descending { order.is_lt() } else { order.is_gt() }
            });
        }
        let mut end = self.limit.min(found.len());
        while end > 0 && end < found.len() && found[end].0[0] == found[end - 1].0[0] {
            end += 1;
        }
        let next = if end < found.len() { found[end - 1].0[0].clone() } else { Value::Null };
        (found.into_iter().take(end).map(|(_, resource)| resource).collect(), next)
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
