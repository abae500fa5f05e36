//! The Accept header, which decides the form of an answer.
//!
//! Lists take no version, look-ups need one. Adobe answers a wrong header with 400, an older page of its documents with
//! 406: a switch offers both.

use super::{Context, Refusal};

/// Which texts an answer keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    All,
    DescriptionsOnly,
    None,
}

/// The form of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) full: bool,
    pub(super) text: Text,
    pub(super) major: u64,
}

impl Form {
    /// What POST, PUT and PATCH answer with.
    pub(super) const RAW: Self = Self { full: false, text: Text::All, major: 1 };
}

/// A media type taken apart: `application/vnd.adobe.<family><-variant>+json; version=<n>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Media<'a> {
    pub(super) family: &'a str,
    pub(super) variant: &'a str,
    pub(super) version: Option<&'a str>,
}

/// Reads a media type of the `vnd.adobe` tree.
pub(super) fn parse(header: &str) -> Option<Media<'_>> {
    let mut parts = header.split(';').map(str::trim);
    let name = parts.next()?.strip_prefix("application/vnd.adobe.")?.strip_suffix("+json")?;
    let version =
        parts.find_map(|part| part.strip_prefix("version=")).map(|version| version.trim_matches('"'));
    let (family, variant) = name.split_at(name.find('-').unwrap_or(name.len()));
    matches!(family, "xed" | "xdm").then_some(Media { family, variant, version })
}

/// Whether a list was asked for in its short form.
pub(super) fn list(context: &Context<'_>) -> Result<bool, Refusal> {
    let header = header(context);
    match parse(header) {
        Some(Media { variant: "-id", version: None, .. }) => Ok(true),
        Some(Media { variant: "", version: None, .. }) => Ok(false),
        _ => Err(refuse(context, Refusal::accept_list(header))),
    }
}

/// The form asked for by a look-up.
pub(super) fn lookup(context: &Context<'_>) -> Result<Form, Refusal> {
    let header = header(context);
    let Some(media) = parse(header) else { return Err(refuse(context, Refusal::accept_lookup(header))) };
    let (full, text) = match media.variant {
        "" | "-deprecatefield" => (false, Text::All),
        "-full" => (true, Text::All),
        "-notext" => (false, Text::None),
        "-full-notext" => (true, Text::None),
        "-full-desc" => (true, Text::DescriptionsOnly),
        _ => return Err(refuse(context, Refusal::accept_lookup(header))),
    };
    let major = media.version.and_then(|version| version.split('.').next()?.parse().ok());
    // The older page also says 400 for a header that only lacks its version.
    let major = major.ok_or_else(|| Refusal::accept_lookup(header))?;
    Ok(Form { full, text, major })
}

/// The header as it came; what a client sends that sets none is `*/*`.
pub(super) fn header<'a>(context: &Context<'a>) -> &'a str {
    context.call.header("accept").unwrap_or("*/*").trim()
}

fn refuse(context: &Context<'_>, newer: Refusal) -> Refusal {
    if context.switches.registry_accept_error == 406 {
        Refusal::not_acceptable(header(context))
    } else {
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_taken_apart() {
        let media = parse("application/vnd.adobe.xed-full-notext+json; version=1").unwrap();
        assert_eq!(media, Media { family: "xed", variant: "-full-notext", version: Some("1") });
        assert_eq!(parse("application/json"), None);
        assert_eq!(parse("application/vnd.adobe.other+json"), None);
    }
}
