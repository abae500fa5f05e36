//! Which functions the language has, with how many arguments and what result.

use serde_json::{Value, json};

use super::parser::{Node, visit};

/// One function: name, category, fewest and most arguments, JSON type of the result.
struct Function {
    name: &'static str,
    category: &'static str,
    fewest: usize,
    most: usize,
    result: Option<&'static str>,
}

const fn f(
    name: &'static str,
    category: &'static str,
    arguments: (usize, usize),
    result: Option<&'static str>,
) -> Function {
    Function { name, category, fewest: arguments.0, most: arguments.1, result }
}

const MANY: usize = usize::MAX;
const TEXT: Option<&str> = Some("string");
const TRUTH: Option<&str> = Some("boolean");
const WHOLE: Option<&str> = Some("integer");
const NUMBER: Option<&str> = Some("number");
const LIST: Option<&str> = Some("array");
const OBJECT: Option<&str> = Some("object");

/// Every function that the guide lists.
const FUNCTIONS: &[Function] = &[
    f("concat", "String", (1, MANY), TEXT),
    f("explode", "String", (1, 2), LIST),
    f("instr", "String", (2, 4), WHOLE),
    f("replacestr", "String", (3, 3), TEXT),
    f("substr", "String", (2, 3), TEXT),
    f("lower", "String", (1, 1), TEXT),
    f("lcase", "String", (1, 1), TEXT),
    f("upper", "String", (1, 1), TEXT),
    f("ucase", "String", (1, 1), TEXT),
    f("split", "String", (2, 2), LIST),
    f("join", "String", (2, 2), TEXT),
    f("lpad", "String", (3, 3), TEXT),
    f("rpad", "String", (3, 3), TEXT),
    f("left", "String", (2, 2), TEXT),
    f("right", "String", (2, 2), TEXT),
    f("ltrim", "String", (1, 1), TEXT),
    f("rtrim", "String", (1, 1), TEXT),
    f("trim", "String", (1, 1), TEXT),
    f("equals", "String", (2, 2), TRUTH),
    f("equalsIgnoreCase", "String", (2, 2), TRUTH),
    f("extract_regex", "Regular expressions", (2, 2), LIST),
    f("matches_regex", "Regular expressions", (2, 2), TRUTH),
    f("sha1", "Hashing", (1, 2), TEXT),
    f("sha256", "Hashing", (1, 2), TEXT),
    f("sha512", "Hashing", (1, 2), TEXT),
    f("md5", "Hashing", (1, 2), TEXT),
    f("crc32", "Hashing", (1, 2), TEXT),
    f("get_url_protocol", "URL", (1, 1), TEXT),
    f("get_url_host", "URL", (1, 1), TEXT),
    f("get_url_port", "URL", (1, 1), WHOLE),
    f("get_url_path", "URL", (1, 2), TEXT),
    f("get_url_query_str", "URL", (2, 2), OBJECT),
    f("now", "Date / Time", (0, 0), TEXT),
    f("timestamp", "Date / Time", (0, 0), WHOLE),
    f("format", "Date / Time", (2, 2), TEXT),
    f("dformat", "Date / Time", (2, 2), TEXT),
    f("date", "Date / Time", (1, 3), TEXT),
    f("date_part", "Date / Time", (2, 2), WHOLE),
    f("set_date_part", "Date / Time", (3, 3), TEXT),
    f("make_date_time", "Date / Time", (7, 8), TEXT),
    f("make_timestamp", "Date / Time", (7, 8), TEXT),
    f("zone_date_to_utc", "Date / Time", (1, 1), TEXT),
    f("zone_date_to_zone", "Date / Time", (2, 2), TEXT),
    f("size_of", "Hierarchies - Objects", (1, 1), WHOLE),
    f("is_empty", "Hierarchies - Objects", (1, 1), TRUTH),
    f("arrays_to_object", "Hierarchies - Objects", (2, MANY), OBJECT),
    f("to_object", "Hierarchies - Objects", (2, MANY), OBJECT),
    f("str_to_object", "Hierarchies - Objects", (1, 3), OBJECT),
    f("contains_key", "Hierarchies - Objects", (1, 1), TRUTH),
    f("is_set", "Hierarchies - Objects", (1, 1), TRUTH),
    f("nullify", "Hierarchies - Objects", (0, 0), None),
    f("get_keys", "Hierarchies - Objects", (1, 1), LIST),
    f("get_values", "Hierarchies - Objects", (3, 4), TEXT),
    f("coalesce", "Hierarchies - Arrays", (1, MANY), None),
    f("first", "Hierarchies - Arrays", (1, MANY), None),
    f("last", "Hierarchies - Arrays", (1, MANY), None),
    f("add_to_array", "Hierarchies - Arrays", (2, MANY), LIST),
    f("join_arrays", "Hierarchies - Arrays", (2, MANY), LIST),
    f("to_array", "Hierarchies - Arrays", (1, MANY), LIST),
    f("decode", "Logical operators", (3, MANY), None),
    f("iif", "Logical operators", (3, 3), None),
    f("min", "Aggregation", (1, MANY), None),
    f("max", "Aggregation", (1, MANY), None),
    f("to_bigint", "Type conversions", (1, 1), WHOLE),
    f("to_decimal", "Type conversions", (1, 1), NUMBER),
    f("to_float", "Type conversions", (1, 1), NUMBER),
    f("to_integer", "Type conversions", (1, 1), WHOLE),
    f("json_to_object", "JSON", (1, 1), None),
    f("uuid", "Special operations", (0, 0), TEXT),
    f("guid", "Special operations", (0, 0), TEXT),
    f("ua_os_name", "User agent", (1, 1), TEXT),
    f("ua_os_version_major", "User agent", (1, 1), TEXT),
    f("ua_os_version", "User agent", (1, 1), TEXT),
    f("ua_os_name_version", "User agent", (1, 1), TEXT),
    f("ua_agent_version", "User agent", (1, 1), TEXT),
    f("ua_agent_version_major", "User agent", (1, 1), TEXT),
    f("ua_agent_name", "User agent", (1, 1), TEXT),
    f("ua_device_class", "User agent", (1, 1), TEXT),
];

fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Whether every call names a function and passes as many arguments as it takes.
pub(super) fn check(root: &Node) -> Result<(), String> {
    let mut problem = None;
    visit(root, &mut |node| {
        if let (Node::Call(name, arguments), None) = (node, &problem) {
            problem = check_call(name, arguments.len());
        }
    });
    problem.map_or(Ok(()), Err)
}

fn check_call(name: &str, count: usize) -> Option<String> {
    match find(name) {
        None => Some(format!("function {name} does not exist")),
        Some(function) if count < function.fewest || count > function.most => {
            Some(format!("function {name} does not take {count} arguments"))
        }
        Some(_) => None,
    }
}

/// The JSON type of a node's value, where it can be told without data.
pub(super) fn result_type(node: &Node) -> Option<&'static str> {
    match node {
        Node::Literal(Value::Null) | Node::Field(_) => None,
        Node::Literal(value) => Some(crate::lake::convert::type_of(value)),
        Node::Call(name, arguments) if name == "iif" => same_type(arguments.get(1)?, arguments.get(2)?),
        Node::Call(name, _) => find(name)?.result,
        Node::Unary("!", _) => TRUTH,
        Node::Binary("+", left, right) => {
            (result_type(left)? != "string" && result_type(right)? != "string").then_some("number")
        }
        Node::Unary(_, _) | Node::Binary("-" | "*" | "/" | "%", _, _) => NUMBER,
        Node::Binary(_, _, _) => TRUTH,
        Node::Choice(_, then, otherwise) => same_type(then, otherwise),
        Node::Array(_) => LIST,
        Node::Object(_) => OBJECT,
    }
}

fn same_type(one: &Node, other: &Node) -> Option<&'static str> {
    result_type(one).filter(|is| Some(*is) == result_type(other))
}

/// The list of functions as `GET /languages/el/functions` shows it.
pub(crate) fn catalogue() -> Value {
    let entry = |function: &Function| {
        let most = if function.most == MANY { "any number of".to_owned() } else { function.most.to_string() };
        json!({
            "category": function.category,
            "function": function.name,
            "description": format!("Takes {} to {most} arguments.", function.fewest),
            "syntax": format!("{}(…)", function.name),
            "returns": function.result.unwrap_or("depends on the arguments"),
            "returnType": java_type(function.result),
            "example": "",
            "result": "",
            "params": [],
            "since": 1,
        })
    };
    FUNCTIONS.iter().map(entry).collect()
}

fn java_type(result: Option<&str>) -> &'static str {
    match result {
        Some("string") => "java.lang.String",
        Some("boolean") => "java.lang.Boolean",
        Some("integer") => "java.lang.Integer",
        Some("number") => "java.lang.Double",
        Some("array") => "java.util.List",
        Some("object") => "java.util.Map",
        _ => "java.lang.Object",
    }
}
