//! Human titles of XDM fields, derived from their keys. A title never changes once a schema carries it.

/// The title of a field: `amount_refunded` becomes `Amount refunded`.
pub fn humanised(key: &str) -> String {
    if key == "three_d_secure" {
        return "3D Secure".into();
    }
    let words: Vec<String> =
        key.split(['_', '-']).filter(|word| !word.is_empty()).map(word_of_title).collect();
    let title = words.join(" ");
    let mut letters = title.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => key.to_owned(),
    }
}

fn word_of_title(word: &str) -> String {
    match word {
        "cvc" | "url" => word.to_uppercase(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::humanised;

    #[test]
    fn a_key_becomes_a_sentence() {
        let titles = [
            ("amount_refunded", "Amount refunded"),
            ("id", "Id"),
            ("receipt_url", "Receipt URL"),
            ("cvc_check", "CVC check"),
            ("three_d_secure", "3D Secure"),
            ("last4", "Last4"),
            ("eventType", "EventType"),
            ("_", "_"),
        ];
        for (key, title) in titles {
            assert_eq!(humanised(key), title);
        }
    }
}
