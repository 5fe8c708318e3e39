//! Metrics for Prometheus, besides those of the pipeline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::pipeline::{BATCH_FILL, DEVICE_FAILURES, DEVICES, FORWARD_SECONDS, TOKENS};

pub(super) const REQUESTS: &str = "bertqa_requests_total";
pub(super) const REQUESTS_IN_FLIGHT: &str = "bertqa_requests_in_flight";
pub(super) const REQUEST_SECONDS: &str = "bertqa_request_seconds";
pub(super) const ERRORS: &str = "bertqa_errors_total";
pub(super) const ROWS: &str = "bertqa_rows_total";
pub(super) const BUFFERED_BYTES: &str = "bertqa_buffered_bytes";
pub(super) const MODEL_FAILURES: &str = "bertqa_model_failures_total";
pub(super) const QUEUE_ROWS: &str = "bertqa_queue_rows";
pub(super) const QUEUE_WAIT_SECONDS: &str = "bertqa_queue_wait_seconds";

const SECONDS: [f64; 15] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const SHARES: [f64; 8] = [0.03125, 0.0625, 0.125, 0.25, 0.5, 0.75, 0.99, 1.0];

/// How often the recorder tidies up; between two times it keeps every measurement of a histogram.
pub(super) const UPKEEP: Duration = Duration::from_secs(5);

/// Makes this program's metrics ones that can be shown. All servers of a program show the same.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(BATCH_FILL.to_owned()), &SHARES))
        .context("cannot set up metrics")?
        .install_recorder()
        .context("cannot set up metrics")?;
    describe_counter!(REQUESTS, "Requests, by method, route and status");
    describe_gauge!(REQUESTS_IN_FLIGHT, "Requests whose answer is not sent yet");
    describe_histogram!(REQUEST_SECONDS, "Time from a request's head to the end of its answer, by route");
    describe_counter!(ERRORS, "Requests that ended with an error, by kind");
    describe_counter!(ROWS, "Rows that came out, by outcome: answered, failed");
    describe_gauge!(BUFFERED_BYTES, "Memory that the rows of requests hold");
    describe_counter!(MODEL_FAILURES, "How often the model failed, or could not be loaded again");
    describe_counter!(DEVICE_FAILURES, "How often a device failed while others ran, or could not be loaded again");
    describe_gauge!(DEVICES, "Devices that the model runs on");
    describe_gauge!(QUEUE_ROWS, "Rows that wait for the network");
    describe_histogram!(QUEUE_WAIT_SECONDS, "Time for which rows waited for their turn");
    describe_histogram!(FORWARD_SECONDS, "Time of forward passes");
    describe_histogram!(
        BATCH_FILL,
        "How full forward passes are: windows as a share of the batch size, or tokens of a fixed shape"
    );
    describe_counter!(TOKENS, "Tokens that the network ran on");
    Ok(installed.insert(handle).clone())
}
