//! The metrics: names, labels and buckets in one place. Labels come from closed sets; names and messages of objects are no labels, except
//! those of flows where that is asked for.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::gauges::{Gauges, Sources};
use crate::aep::{CallReport, ErrorKind, Lane, Observer};
use crate::api::KINDS;
use crate::domain::outcome::{Class, Obstacle};

/// What the metrics page is, for its reader.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;
/// How the name of every metric starts.
const PREFIX: &str = "aep_operator";

/// Names and values of one series.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// What the controllers and the client count. Clones share it.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    requests: Counters<4>,
    request_seconds: Histograms<2>,
    permit_seconds: Histograms<1>,
    reconcile_seconds: Histograms<2>,
    ready_seconds: Histograms<1>,
    happenings: [Counters<1>; Happening::ALL.len()],
}

/// Something worth counting that befell an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Upstream differed from spec although spec had not changed.
    DriftFound,
    /// Such a difference was taken back.
    DriftCorrected,
    /// Another process had recorded its object first, so the one that this process had created was deleted.
    DuplicateRefused,
    /// An upstream object with our marker was found whose custom resource does not exist.
    OrphanFound,
    /// A watch failed; it is begun again.
    WatchFailed,
}

impl Happening {
    const ALL: [Self; 5] = [
        Self::DriftFound,
        Self::DriftCorrected,
        Self::DuplicateRefused,
        Self::OrphanFound,
        Self::WatchFailed,
    ];

    const fn name_and_help(self) -> (&'static str, &'static str) {
        match self {
            Self::DriftFound => {
                ("drift_found", "Differences found upstream that no change of spec explains, by kind")
            }
            Self::DriftCorrected => ("drift_corrected", "Differences taken back upstream, by kind"),
            Self::DuplicateRefused => (
                "duplicates_refused",
                "Objects deleted again because another process had recorded its own first, by kind",
            ),
            Self::OrphanFound => {
                ("orphans_found", "Upstream objects with our marker and without custom resource, by kind")
            }
            Self::WatchFailed => ("watch_failures", "Failures of watches and of the queue, by kind"),
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::DriftFound => 0,
            Self::DriftCorrected => 1,
            Self::DuplicateRefused => 2,
            Self::OrphanFound => 3,
            Self::WatchFailed => 4,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self(Arc::new(Families {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            permit_seconds: Family::new_with_constructor(seconds),
            reconcile_seconds: Family::new_with_constructor(seconds),
            ready_seconds: Family::new_with_constructor(long_seconds),
            happenings: Default::default(),
        }));
        // A series that begins with its first increment hides that increment from every rate.
        for kind in KINDS {
            let labels = [("kind", kind.into())];
            for counters in &metrics.0.happenings {
                drop(counters.get_or_create(&labels));
            }
            let [kind] = labels;
            drop(metrics.0.reconcile_seconds.get_or_create(&[kind, ("outcome", Class::Bug.as_str().into())]));
        }
        metrics
    }
}

fn seconds() -> Histogram {
    Histogram::new([0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

fn long_seconds() -> Histogram {
    Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0])
}

impl Metrics {
    /// A pass over an object of a kind has ended.
    pub fn reconciled(&self, kind: &str, outcome: Result<(), &Obstacle>, took: Duration) {
        let outcome = outcome.map_or_else(|obstacle| obstacle.class.as_str(), |()| "Done");
        let labels = [("kind", kind.to_owned().into()), ("outcome", outcome.into())];
        self.0.reconcile_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// An object is Ready for the first time.
    pub fn became_ready(&self, kind: &str, age: Duration) {
        self.0.ready_seconds.get_or_create(&[("kind", kind.to_owned().into())]).observe(age.as_secs_f64());
    }

    /// Something befell an object of a kind.
    pub fn count(&self, happening: Happening, kind: &str) {
        self.0.happenings[happening.index()].get_or_create(&[("kind", kind.to_owned().into())]).inc();
    }

    fn register(&self, registry: &mut Registry) {
        let families = &self.0;
        registry.register(
            "upstream_requests",
            "Calls to Adobe, by service, endpoint, method and status (or the kind of failure without an answer)",
            families.requests.clone(),
        );
        registry.register(
            "upstream_request_duration_seconds",
            "Time from sending a call to its answer",
            families.request_seconds.clone(),
        );
        registry.register(
            "budget_wait_seconds",
            "Time that a call waited for the request budget; the count is the number of permits",
            families.permit_seconds.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "Time of one pass over an object, by outcome",
            families.reconcile_seconds.clone(),
        );
        registry.register(
            "time_to_ready_seconds",
            "Time from the creation of an object until it is Ready for the first time",
            families.ready_seconds.clone(),
        );
        for happening in Happening::ALL {
            let (name, help) = happening.name_and_help();
            registry.register(name, help, families.happenings[happening.index()].clone());
        }
    }
}

impl Observer for Metrics {
    fn finished(&self, call: &CallReport) {
        // The gate held it back: no call was made.
        if call.kind == Some(ErrorKind::NotSent) {
            return;
        }
        let (api, path) = service_and_path(&call.endpoint);
        let code = call.status.map_or_else(
            || call.kind.map_or(Cow::Borrowed("none"), |kind| kind.as_str().into()),
            |status| status.to_string().into(),
        );
        let (api, path) = (("api", Cow::from(api.to_owned())), ("path", Cow::from(path.to_owned())));
        let seconds = call.duration.as_secs_f64();
        self.0.request_seconds.get_or_create(&[api.clone(), path.clone()]).observe(seconds);
        let labels = [api, path, ("method", call.method.to_string().into()), ("code", code)];
        self.0.requests.get_or_create(&labels).inc();
    }

    fn permitted(&self, lane: Lane, waited: Duration) {
        self.0.permit_seconds.get_or_create(&[("lane", lane.as_str().into())]).observe(waited.as_secs_f64());
    }
}

/// The service and the path below it: `flowservice` and `/flows/{id}` of `/data/foundation/flowservice/flows/{id}`.
fn service_and_path(endpoint: &str) -> (&str, &str) {
    let below = endpoint.strip_prefix("/data/foundation").unwrap_or(endpoint).trim_start_matches('/');
    below.find('/').map_or((below, "/"), |end| (&below[..end], &below[end..]))
}

/// The metrics page. Clones share it.
#[derive(Debug, Clone)]
pub struct Page(Arc<Registry>);

impl Page {
    /// A page of the metrics and of what `sources` hold at the time of asking.
    pub fn new(metrics: &Metrics, sources: Sources) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        metrics.register(&mut registry);
        registry.register_collector(Box::new(Gauges(sources)));
        Self(Arc::new(registry))
    }

    /// The page in Prometheus' text format.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}
