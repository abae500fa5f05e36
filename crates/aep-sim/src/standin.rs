//! A minimal stand-in for the data lake and the Stripe account, until theirs are merged.
pub mod lake {
    use crate::{
        switches::Switches,
        wire::{Call, Caller, Reply},
    };
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct Lake {}
    #[derive(Debug, Clone)]
    pub struct SchemaRef {
        pub id: String,
        pub content_type: String,
    }
    pub struct MappingSetView {
        pub schema: SchemaRef,
        pub rows: usize,
    }
    pub struct IngestRequest<'a> {
        pub dataset_id: &'a str,
        pub mapping_id: &'a str,
        pub mapping_version: u64,
        pub records: &'a [Value],
        pub partial_ingestion_percent: Option<f64>,
        pub now_ms: i64,
    }
    #[derive(Debug, Clone, Default)]
    pub struct IngestError {
        pub code: String,
        pub count: u64,
        pub message: String,
    }
    #[derive(Debug, Clone, Default)]
    pub struct IngestOutcome {
        pub input: u64,
        pub output: u64,
        pub failed: u64,
        pub errors: Vec<IngestError>,
        pub batch_id: String,
        pub failed_run: bool,
    }
    impl Lake {
        pub fn new() -> Self {
            Self {}
        }
        pub fn registry(&mut self, _: &Call, _: &Caller, _: i64, _: &Switches) -> Reply {
            Reply::empty(501)
        }
        pub fn catalog(&mut self, _: &Call, _: &Caller, _: i64, _: &Switches) -> Reply {
            Reply::empty(501)
        }
        pub fn data_prep(&mut self, _: &Call, _: &Caller, _: i64, _: &Switches) -> Reply {
            Reply::empty(501)
        }
        pub fn dataset_schema(&self, _: &str) -> Option<SchemaRef> {
            Some(SchemaRef { id: "s".into(), content_type: "1".into() })
        }
        pub fn has_schema(&self, _: &str) -> bool {
            true
        }
        pub fn mapping_set(&self, _: &str, version: u64) -> Option<MappingSetView> {
            (version < 2).then(|| MappingSetView {
                schema: SchemaRef { id: "s".into(), content_type: "1".into() },
                rows: 1,
            })
        }
        pub fn mapping_problems(&self, _: &str, _: u64) -> Vec<String> {
            Vec::new()
        }
        pub fn same_schema(a: &SchemaRef, b: &SchemaRef, _: bool) -> bool {
            a.id == b.id
        }
        pub fn ingest(&mut self, request: &IngestRequest<'_>) -> IngestOutcome {
            let n = request.records.len() as u64;
            IngestOutcome { input: n, output: n, ..IngestOutcome::default() }
        }
        pub fn inventory(&self) -> Value {
            json!([])
        }
        pub fn rows(&self) -> Value {
            json!({})
        }
    }
}
pub mod stripe {
    use crate::switches::ExploreMode;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    pub struct Account {}
    impl Account {
        pub fn seeded(_: &str, _: i64, _: usize) -> Self {
            Self {}
        }
        pub fn records(&self, _: &str, _: Option<i64>, to: i64) -> Vec<Value> {
            vec![json!({"id": "x", "created": to / 1000})]
        }
        pub fn explore(&self, resource: &str, _: ExploreMode) -> Option<Value> {
            (resource == "charges").then(|| json!({"format": "hierarchical"}))
        }
        pub fn add(&mut self, _: &str, _: i64, _: usize) {}
    }
}
