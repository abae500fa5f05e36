//! Arbitrary input never panics, and arbitrary secrets never survive.

use proptest::prelude::*;

use super::*;
use crate::aep::redact::Redactor;

proptest! {
    #[test]
    fn any_error_body_becomes_one_short_line(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let envelope = envelope::read(&body, &http::HeaderMap::new(), &Redactor::default());
        prop_assert!(!envelope.message.is_empty() && envelope.message.chars().count() <= 560);
        prop_assert!(!envelope.message.chars().any(char::is_control));
    }

    #[test]
    fn any_json_error_body_is_read(message in ".*", kind in ".*", code in any::<i64>()) {
        let body = json!({"type": kind, "error_code": code, "report": {"detailed-message": message, "request-id": kind}});
        let envelope = envelope::read(body.to_string().as_bytes(), &http::HeaderMap::new(), &Redactor::default());
        prop_assert!(envelope.code.is_none_or(|code| code.len() <= 64));
        prop_assert!(envelope.request_id.is_none_or(|id| id.bytes().all(|byte| byte.is_ascii_graphic())));
    }

    #[test]
    fn a_secret_is_removed_from_any_text(secret in "[!-~]{8,60}", before in ".{0,60}", after in ".{0,60}") {
        let redactor = Redactor::new([&SecretString::from(secret.as_str())]);
        for form in [secret.clone(), encode::component(&secret), Value::from(secret.as_str()).to_string()] {
            let cleaned = redactor.clean(&format!("{before}{form}{after}"));
            prop_assert!(!cleaned.contains(&secret), "{}", cleaned);
        }
    }

    #[test]
    fn decoding_is_the_reverse_of_encoding(text in ".*") {
        prop_assert_eq!(encode::decode(&encode::component(&text)), text);
    }

    #[test]
    fn any_object_of_a_list_is_read_or_refused(value in "[ -~]{0,200}", number in any::<f64>()) {
        for member in [json!(value), json!(number), json!([value]), json!({"a": value}), Value::Null] {
            let item = json!({"id": ID, "name": member, "etag": member, "state": member, "createdAt": member,
                "scheduleParams": member, "transformations": member, "labels": member, "metrics": member, "params": member,
                "lastOperation": member, "activities": member, "connectionSpec": member, "data": member});
            prop_assert!(serde_json::from_value::<model::Flow>(item.clone()).is_ok());
            prop_assert!(serde_json::from_value::<model::Run>(item.clone()).is_ok());
            prop_assert!(serde_json::from_value::<model::Connection>(item.clone()).is_ok());
            prop_assert!(serde_json::from_value::<model::TargetConnection>(item).is_ok());
        }
    }
}
