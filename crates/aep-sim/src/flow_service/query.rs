//! Filters, order, pages and counts of the list endpoints.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

use super::entity::Entity;
use super::errors::error;
use crate::wire::Reply;

/// The largest page.
pub const MAX_LIMIT: usize = 100;
const DEFAULT_LIMIT: usize = 20;
/// Fields that are texts without an order, so comparisons make no sense on them.
const UNORDERED: &[&str] = &["id", "name", "description", "state", "flowId", "baseConnectionId"];
const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equal),
    ("!=", Operator::Unknown),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("~", Operator::Unknown),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Equal),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Above,
    Below,
    AtLeast,
    AtMost,
    Unknown,
}

/// One `property` parameter.
#[derive(Debug, Clone)]
pub struct Filter {
    path: Vec<(String, bool)>,
    operator: Operator,
    values: Vec<String>,
}

impl Filter {
    /// Parses `path op value[,value…]`.
    pub fn parse(text: &str) -> Result<Self, Reply> {
        let Some((path, operator, rest)) = split(text) else {
            return Err(error(1440, format!("No known operator in filter [{text}]")));
        };
        if operator == Operator::Unknown {
            return Err(error(1440, format!("Unsupported operator in filter [{text}]")));
        }
        let path =
            parse_path(path).ok_or_else(|| error(1449, format!("Invalid field in filter [{text}]")))?;
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(error(1452, format!("No value in filter [{text}]")));
        }
        let values = values(rest);
        if operator != Operator::Equal {
            if values.len() > 1 {
                return Err(error(1443, format!("The operator takes one value in filter [{text}]")));
            }
            if path.len() == 1 && UNORDERED.contains(&path[0].0.as_str()) {
                return Err(error(1448, format!("The operator does not fit the field in filter [{text}]")));
            }
        }
        Ok(Self { path, operator, values })
    }

    /// Whether an object passes.
    pub fn matches(&self, entity: &Entity) -> bool {
        self.matches_fields(&entity.doc)
    }

    /// Whether a JSON object passes.
    pub fn matches_fields(&self, fields: &Map<String, Value>) -> bool {
        let Some(((first, list), rest)) = self.path.split_first() else { return false };
        fields.get(first).is_some_and(|value| self.walk(value, *list, rest))
    }

    fn walk(&self, value: &Value, list: bool, rest: &[(String, bool)]) -> bool {
        if list {
            return value
                .as_array()
                .is_some_and(|items| items.iter().any(|item| self.walk(item, false, rest)));
        }
        match rest.split_first() {
            None => self.values.iter().any(|wanted| self.compare(value, wanted)),
            Some(((name, list), rest)) => value.get(name).is_some_and(|value| self.walk(value, *list, rest)),
        }
    }

    fn compare(&self, value: &Value, wanted: &str) -> bool {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return false,
        };
        if self.operator == Operator::Equal {
            return text == wanted;
        }
        let order = match (text.parse::<f64>(), wanted.parse::<f64>()) {
            (Ok(have), Ok(wanted)) => have.partial_cmp(&wanted),
            _ => Some(text.as_str().cmp(wanted)),
        };
        match self.operator {
            Operator::Above => order == Some(Ordering::Greater),
            Operator::Below => order == Some(Ordering::Less),
            Operator::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Operator::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::Equal | Operator::Unknown => false,
        }
    }
}

fn split(text: &str) -> Option<(&str, Operator, &str)> {
    let at = text.find(['=', '<', '>', '!', '~'])?;
    let (path, rest) = text.split_at(at);
    let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
    Some((path, *operator, &rest[sign.len()..]))
}

fn parse_path(text: &str) -> Option<Vec<(String, bool)>> {
    let parts = text.trim().split('.').map(|part| {
        let (name, list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let good = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-:".contains(c));
        good.then(|| (name.to_owned(), list))
    });
    parts.collect()
}

/// The values of a filter: one in quotes, or several separated by commas.
fn values(text: &str) -> Vec<String> {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match quoted {
        Some(inner) if !inner.contains('"') => vec![inner.to_owned()],
        _ => text.split(',').map(|value| value.trim().trim_matches('"').to_owned()).collect(),
    }
}

/// What a list call asks for. It travels inside the continuation token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The `property` parameters.
    pub properties: Vec<String>,
    /// The `orderby` parameter.
    pub orderby: Option<String>,
    /// The `limit` parameter.
    pub limit: Option<usize>,
    /// Only the number of objects.
    pub count: bool,
    /// Where the page starts.
    pub from: Position,
}

/// Where a page starts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Position {
    /// At the first object.
    #[default]
    Start,
    /// After so many objects. Objects that move meanwhile are missed or met twice.
    Offset(usize),
    /// After the object with this sort key and id.
    After(Value, String),
}

const PARAMETERS: &[&str] = &["property", "orderby", "limit", "continuationToken", "count"];

impl Ask {
    /// Reads the query of a list call.
    pub fn read(query: &[(String, String)]) -> Result<Self, Reply> {
        let mut ask = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "property" => ask.properties.push(value.clone()),
                "orderby" => ask.orderby = Some(value.clone()),
                "limit" => ask.limit = Some(parse_limit(value)?),
                "count" => ask.count = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        if let Some((name, _)) = query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
            return Err(error(1451, format!("Unknown query parameter [{name}]")));
        }
        if ask.count && ask.limit.is_some() {
            return Err(error(1401, "limit and count must not be given together"));
        }
        match query.iter().find(|(name, _)| name == "continuationToken") {
            // The token holds the whole request, since clients differ in whether they repeat its other parameters.
            Some((_, token)) => Self::from_token(token),
            None => Ok(ask),
        }
    }

    fn from_token(token: &str) -> Result<Self, Reply> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim()).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| error(1451, "The continuationToken is not valid"))
    }

    fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

fn parse_limit(value: &str) -> Result<usize, Reply> {
    match value.parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(error(1451, format!("limit must be a positive integer, not [{value}]"))),
    }
}

struct Order {
    path: Vec<(String, bool)>,
    descending: bool,
}

impl Order {
    fn parse(text: &str) -> Result<Self, Reply> {
        // A plus that was not percent-encoded arrives as a blank.
        let text = text.trim();
        let descending = text.starts_with('-');
        let path = parse_path(text.trim_start_matches(['+', '-']));
        let path = path.filter(|path| path.iter().all(|(_, list)| !list));
        let path = path.ok_or_else(|| error(1433, format!("Cannot order by [{text}]")))?;
        Ok(Self { path, descending })
    }

    fn key(&self, entity: &Entity) -> Value {
        let (first, rest) = (&self.path[0].0, &self.path[1..]);
        let found = rest
            .iter()
            .try_fold(entity.doc.get(first), |value, (name, _)| value.map(|value| value.get(name)));
        found.flatten().cloned().unwrap_or(Value::Null)
    }

    fn compare(&self, a: (&Value, &str), b: (&Value, &str)) -> Ordering {
        let order = compare_values(a.0, b.0).then_with(|| a.1.cmp(b.1));
        if self.descending { order.reverse() } else { order }
    }
}

fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// Answers a list call over the objects that the caller may see.
///
/// `page_cap` bounds pages further than `limit` does; `show` makes the wire form of an object.
pub fn page<'a>(
    ask: &Ask,
    href: &str,
    entities: impl Iterator<Item = &'a Entity>,
    page_cap: usize,
    show: impl Fn(&Entity) -> Value,
) -> Result<Value, Reply> {
    let filters: Vec<Filter> =
        ask.properties.iter().map(|text| Filter::parse(text)).collect::<Result<_, _>>()?;
    let order = ask.orderby.as_deref().map(Order::parse).transpose()?;
    let mut found: Vec<(Value, &Entity)> = entities
        .filter(|entity| filters.iter().all(|filter| filter.matches(entity)))
        .map(|entity| (order.as_ref().map_or(Value::Null, |order| order.key(entity)), entity))
        .collect();
    if ask.count {
        return Ok(json!({"count": found.len()}));
    }
    match &order {
        Some(order) => found.sort_by(|a, b| order.compare((&a.0, &a.1.id), (&b.0, &b.1.id))),
        None => found.sort_by_key(|(_, entity)| std::cmp::Reverse(entity.order)),
    }
    let start = match (&ask.from, &order) {
        (Position::Offset(offset), _) => *offset,
        (Position::After(key, id), Some(order)) => found.partition_point(|(own, entity)| {
            order.compare((own, &entity.id), (key, id)) != Ordering::Greater
        }),
        _ => 0,
    };
    let limit = ask.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let limit = if page_cap > 0 { limit.min(page_cap) } else { limit };
    let end = found.len().min(start.saturating_add(limit));
    let items = found.get(start..end).unwrap_or_default();
    let next = items.last().filter(|_| end < found.len()).map(|(key, last)| {
        let from = match order {
            Some(_) => Position::After(key.clone(), last.id.clone()),
            None => Position::Offset(end),
        };
        format!("{href}?continuationToken={}", Ask { from, ..ask.clone() }.token())
    });
    let links = next.map_or_else(|| json!({}), |href| json!({"next": {"href": href}}));
    let items: Vec<Value> = items.iter().map(|(_, entity)| show(entity)).collect();
    Ok(json!({"items": items, "_links": links}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow_service::entity::Kind;
    use crate::wire::Caller;

    fn entity(order: u64, doc: &Value) -> Entity {
        let text = String::new;
        let caller = Caller {
            org: text(),
            tenant: text(),
            sandbox: text(),
            sandbox_id: text(),
            client_id: text(),
            user: text(),
        };
        let mut entity = Entity::new(Kind::Flow, &caller, 0, doc.as_object().unwrap().clone());
        entity.id = format!("id-{order}");
        entity.order = order;
        entity
    }

    fn passes(filter: &str, doc: &Value) -> bool {
        Filter::parse(filter).unwrap().matches(&entity(1, doc))
    }

    fn code(reply: Reply) -> String {
        let body = reply.body.unwrap();
        body["type"].as_str().unwrap().rsplit("FLOW-").next().unwrap().to_owned()
    }

    #[test]
    fn filters_compare_paths_lists_and_numbers() {
        let doc = json!({"name": "a,b", "connectionSpec": {"id": "s"}, "sourceConnectionIds": ["x", "y"],
            "transformations": [{"params": {"mappingId": "m"}}], "metrics": {"n": 12}});
        for good in [
            "name==\"a,b\"",
            "connectionSpec.id==q,s",
            "connectionSpec.id=\"s\"",
            "sourceConnectionIds[]==y",
            "transformations[].params.mappingId==m",
            "metrics.n>9",
            "metrics.n<=12",
        ] {
            assert!(passes(good, &doc), "{good}");
        }
        for bad in ["name==a", "sourceConnectionIds==x", "metrics.n<12", "missing==1"] {
            assert!(!passes(bad, &doc), "{bad}");
        }
    }

    #[test]
    fn wrong_filters_have_their_codes() {
        let codes = [
            ("name", "1440"),
            ("name!=x", "1440"),
            ("a..b==x", "1449"),
            ("n>1,2", "1443"),
            ("name>x", "1448"),
        ];
        for (filter, expected) in codes {
            assert_eq!(code(Filter::parse(filter).unwrap_err()), format!("{expected}-400"), "{filter}");
        }
        assert_eq!(code(Filter::parse("name==").unwrap_err()), "1452-400");
    }

    fn pages(orderby: Option<&str>, objects: &[Entity]) -> Vec<String> {
        let mut ask = Ask { orderby: orderby.map(str::to_owned), limit: Some(2), ..Ask::default() };
        let mut ids = Vec::new();
        loop {
            let answer = page(&ask, "/flows", objects.iter(), 0, |entity| json!(entity.id)).unwrap();
            ids.extend(answer["items"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            let Some(href) = answer["_links"]["next"]["href"].as_str() else { return ids };
            let token = href.split_once('=').unwrap().1.to_owned();
            ask = Ask::read(&[("continuationToken".to_owned(), token)]).unwrap();
        }
    }

    #[test]
    fn pages_cover_everything_once_newest_first_or_ordered() {
        let objects: Vec<Entity> = [3, 1, 2].map(|n| entity(n, &json!({"createdAt": 10 - n}))).to_vec();
        assert_eq!(pages(None, &objects), ["id-3", "id-2", "id-1"]);
        assert_eq!(pages(Some("createdAt"), &objects), ["id-3", "id-2", "id-1"]);
        assert_eq!(pages(Some("-createdAt"), &objects), ["id-1", "id-2", "id-3"]);
    }

    #[test]
    fn count_stands_alone() {
        let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(code(Ask::read(&query(&[("count", "true"), ("limit", "5")])).unwrap_err()), "1401-400");
        assert!(Ask::read(&query(&[("count", "False"), ("limit", "100")])).is_ok());
        assert_eq!(code(Ask::read(&query(&[("orderBy", "name")])).unwrap_err()), "1451-400");
        let ask = Ask::read(&query(&[("count", "true")])).unwrap();
        let objects = [entity(1, &json!({}))];
        assert_eq!(page(&ask, "", objects.iter(), 0, |_| json!(0)).unwrap(), json!({"count": 1}));
    }
}
