//! What the data lake exchanges with the engine that runs flows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A schema and the version that someone relies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRef {
    /// The `$id`.
    pub id: String,
    /// A media type with a version, or a bare version in the older body form.
    pub content_type: String,
}

impl SchemaRef {
    /// Major version and, if named, minor version.
    pub(crate) fn version(&self) -> (u64, Option<u64>) {
        let text = self.content_type.rsplit("version=").next().unwrap_or_default().trim();
        let mut parts = text.split('.').map(|part| part.trim().parse().ok());
        // A reference that names no version means the newest of the only major version.
        (parts.next().flatten().unwrap_or(1), parts.next().flatten())
    }
}

/// One version of a mapping set, as a flow sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingSetView {
    /// The target schema.
    pub schema: SchemaRef,
    /// How many rows it has.
    pub rows: usize,
}

/// One batch to ingest.
#[derive(Debug, Clone)]
pub struct IngestRequest<'a> {
    /// The data set to write to.
    pub dataset_id: &'a str,
    /// The mapping set.
    pub mapping_id: &'a str,
    /// Its version.
    pub mapping_version: u64,
    /// Stripe records, unwrapped; sources see each of them as `data`.
    pub records: &'a [Value],
    /// Percentage of failed records up to which the batch succeeds; `None` tolerates no failure.
    pub partial_ingestion_percent: Option<f64>,
    /// The clock.
    pub now_ms: i64,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestOutcome {
    /// Records read.
    pub input: u64,
    /// Records written.
    pub output: u64,
    /// Records refused.
    pub failed: u64,
    /// Causes by code. A transformation that failed is one too, although its record may have been written.
    pub errors: Vec<IngestError>,
    /// The batch in Catalog.
    pub batch_id: String,
    /// Whether nothing was written because too much failed.
    pub failed_run: bool,
}

/// One cause of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestError {
    /// For example `MAPPER-3700-400`.
    pub code: String,
    /// How many records or rows it hit.
    pub count: u64,
    /// The first occurrence in words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Lake;

    fn schema(content_type: &str) -> SchemaRef {
        SchemaRef { id: "s".to_owned(), content_type: content_type.to_owned() }
    }

    #[test]
    fn versions_are_read_from_media_types_and_bare_texts() {
        assert_eq!(schema("application/vnd.adobe.xed-full+json;version=1.3").version(), (1, Some(3)));
        assert_eq!(schema("application/vnd.adobe.xed+json; version=1").version(), (1, None));
        assert_eq!(schema("1.0").version(), (1, Some(0)));
    }

    #[test]
    fn equality_of_schemas_is_by_major_or_by_full_version() {
        let (one, other) = (schema("application/vnd.adobe.xed-full+json;version=1.3"), schema("1.0"));
        assert!(Lake::same_schema(&one, &other, false));
        assert!(!Lake::same_schema(&one, &other, true));
        let foreign = SchemaRef { id: "t".to_owned(), content_type: "1.0".to_owned() };
        assert!(!Lake::same_schema(&other, &foreign, false));
    }
}
