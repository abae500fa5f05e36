//! Expressions by example: most are the guide's own.

use serde_json::{Value, json};

use super::Expression;

fn value(expression: &str) -> Value {
    let record = json!({"data": {
        "id": "ch_1", "amount": 1099, "currency": "usd", "none": null, "created": 1_679_090_539, "a.b": 1,
        "items": [{"n": 1}, {"n": 2}], "First Name": "Jim",
    }});
    Expression::parse(expression).unwrap().evaluate(&record, 1_571_850_624_571).unwrap()
}

#[test]
fn documented_examples_give_the_documented_results() {
    for (expression, expected) in [
        (r#"concat("Hi, ", "there", "!")"#, json!("Hi, there!")),
        (r#"explode("Hi, there!", " ")"#, json!(["Hi,", "there!"])),
        (r#"instr("adobe.com", "com")"#, json!(6)),
        (r#"substr("This is a substring test", 7, 8)"#, json!(" a subst")),
        (r#"lower("HeLLo")"#, json!("hello")),
        (r#"ucase("HeLLo")"#, json!("HELLO")),
        (r#"split("Hello world", " ")"#, json!(["Hello", "world"])),
        (r#"join(" ", to_array(true, "Hello", "world"))"#, json!("Hello world")),
        (r#"lpad("bat", 8, "yz")"#, json!("yzyzybat")),
        (r#"rpad("bat", 8, "yz")"#, json!("batyzyzy")),
        (r#"left("abcde", 2)"#, json!("ab")),
        (r#"right("abcde", 2)"#, json!("de")),
        (r#"trim(" hello ")"#, json!("hello")),
        (r#""string1".equals("STRING1")"#, json!(false)),
        (r#"iif("s".equalsIgnoreCase("S"), "True", "False")"#, json!("True")),
        (
            r#"extract_regex("E259,E259B_009,1_1", "([^,]+),[^,]*,([^,]+)")"#,
            json!(["E259,E259B_009,1_1", "E259", "1_1"]),
        ),
        ("timestamp()", json!(1_571_850_624_571_i64)),
        (r#"dformat(1571829875000, "yyyy-MM-dd'T'HH:mm:ss.SSSX")"#, json!("2019-10-23T11:24:35.000Z")),
        (r#"date("2019-10-23 11:24", "yyyy-MM-dd HH:mm")"#, json!("2019-10-23T11:24:00Z")),
        (r#"date_part("MM", date("2019-10-17 11:55:12"))"#, json!(10)),
        ("size_of([1, 2, 3, 4])", json!(4)),
        (
            r#"to_object("firstName", "John", "lastName", "Doe")"#,
            json!({"firstName": "John", "lastName": "Doe"}),
        ),
        (r#"coalesce(null, null, null, "first", null, "second")"#, json!("first")),
        (r#"last("1", "2", "3")"#, json!("3")),
        ("to_array(false, 1, null, 2, 3)", json!([1, 2, 3])),
        (r#"decode("pa", "ca", "California", "pa", "Pennsylvania", "N/A")"#, json!("Pennsylvania")),
        (r#"decode("ny", "ca", "California", "N/A")"#, json!("N/A")),
        ("min(3, 1, 4)", json!(1)),
        (r#"to_decimal("20.5")"#, json!(20.5)),
        (r#"to_integer("12")"#, json!(12)),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn fields_of_the_record_are_read() {
    assert_eq!(value("concat(data.currency, \"-\", data.id)"), json!("usd-ch_1"));
    assert_eq!(value("data.items[1].n + data.amount"), json!(1101));
    assert_eq!(value(r"data.a\.b"), json!(1));
    assert_eq!(value("data.${First Name}"), json!("Jim"));
    assert_eq!(value("data.currency.equals('usd')"), json!(true));
    assert_eq!(value("data.none"), Value::Null);
    assert_eq!(
        value(r#"dformat(data.created * 1000, "yyyy-MM-dd'T'HH:mm:ssX")"#),
        json!("2023-03-17T22:02:19Z")
    );
}

#[test]
fn operators_bind_as_usual() {
    assert_eq!(value("1 + 2 * 3"), json!(7));
    assert_eq!(value("(1 + 2) * 3"), json!(9));
    assert_eq!(value("10 - 2 - 3"), json!(5));
    assert_eq!(value("7 div 2"), json!(3.5));
    assert_eq!(value("7 mod 2"), json!(1));
    assert_eq!(value("data.amount gt 1000 and not (data.currency eq \"eur\")"), json!(true));
    assert_eq!(value("data.none == null ? 'none' : 'some'"), json!("none"));
    assert_eq!(value("data.none ?: 'default'"), json!("default"));
    assert_eq!(value("-data.amount"), json!(-1099));
    assert_eq!(value("\"a\" + 1"), json!("a1"));
}

#[test]
fn broken_expressions_are_refused_with_a_reason() {
    for (expression, reason) in [
        ("", "empty"),
        ("concat(", "ends too early"),
        ("concat(\"a\"", "expected"),
        ("\"a", "not closed"),
        ("data..id", "name"),
        ("a b", "unexpected"),
        ("nosuch(1)", "does not exist"),
        ("lower()", "arguments"),
        ("new", "reserved"),
        ("1 +", "ends too early"),
        ("#", "unexpected character"),
    ] {
        let error = Expression::parse(expression).unwrap_err();
        assert!(error.contains(reason), "{expression:?}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    assert!(Expression::parse(&deep).unwrap_err().contains("nested"));
    assert!(Expression::parse(&format!("\"{}\"", "x".repeat(5000))).unwrap_err().contains("4096"));
}

#[test]
fn evaluation_errors_are_told_not_hidden() {
    let fails =
        |expression: &str| Expression::parse(expression).unwrap().evaluate(&json!({}), 0).unwrap_err();
    assert!(fails("1 / 0").contains("zero"));
    assert!(fails("to_integer(\"x\")").contains("not a number"));
    assert!(fails("sha256(\"x\")").contains("not available"));
}

#[test]
fn an_expression_knows_its_fields_and_its_type() {
    let expression = Expression::parse("iif(data.a > 1, concat(data.b, data.a), \"none\")").unwrap();
    assert_eq!(expression.attributes(), ["data.a", "data.b"]);
    assert_eq!(expression.result_type(), Some("string"));
    assert_eq!(Expression::parse("data.a").unwrap().result_type(), None);
}

#[test]
fn a_long_chain_of_operators_is_refused_before_it_exhausts_the_stack() {
    let chain = |count: usize| vec!["1"; count].join("+");
    assert!(Expression::parse(&chain(2000)).unwrap_err().contains("too many operators"));
    assert_eq!(value(&chain(200)), json!(200));
}

#[test]
fn no_text_makes_the_parsers_panic() {
    const PIECES: [&str; 28] = [
        "data",
        ".",
        "id",
        "[",
        "]",
        "0",
        "*",
        "(",
        ")",
        ",",
        "\"",
        "'",
        "\\",
        "${",
        "}",
        "concat",
        "iif",
        "?",
        ":",
        "+",
        "-",
        "é",
        "日本",
        " ",
        "1.5",
        "not",
        "=~",
        "date(\"2020\")",
    ];
    let mut bits: u64 = 1;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..(bits % 12) {
            // A linear congruential generator is random enough to mix pieces.
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PIECES[usize::try_from(bits >> 33).unwrap() % PIECES.len()]);
        }
        bits = bits.wrapping_add(1);
        let record = json!({"data": {"id": "日本", "items": [1, "é"]}});
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.evaluate(&record, 0);
        }
        let _ = crate::lake::path::parse(&text);
        let _ = super::dates::parse(&text, &text);
        let _ = super::dates::guess(&text);
    }
}
