//! What a pod answers over HTTP while it works: `/progress`, `/healthz` and `/metrics`.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use tokio::net::TcpListener;

use crate::job::Progress;

/// Answers on an address for as long as the process lives; returns once it can be connected to.
///
/// # Errors
/// Fails where the address can't be had.
pub(super) async fn listen(address: SocketAddr, progress: Arc<Progress>) -> io::Result<SocketAddr> {
    let mut registry = Registry::with_prefix("collodion_job");
    registry.register_collector(Box::new(Numbers(Arc::clone(&progress))));
    let registry = Arc::new(registry);
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route(
            "/progress",
            get(async |State(progress): State<Arc<Progress>>| Json(progress.now())),
        )
        .with_state(progress)
        .route("/metrics", get(async move || metrics(&registry)));
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(address)
}

fn metrics(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[derive(Debug)]
struct Numbers(Arc<Progress>);

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.0.now();
        let planned = ConstGauge::new(i64::try_from(now.objects.total).unwrap_or(i64::MAX));
        let help = "Images of this pod's work";
        planned.encode(encoder.encode_descriptor("images_planned", help, None, MetricType::Gauge)?)?;
        let help = "Images that are accounted for";
        let mut images = encoder.encode_descriptor("images", help, None, MetricType::Counter)?;
        for (state, count) in [
            ("done", now.objects.done),
            ("skipped", now.objects.skipped),
            ("failed", now.objects.failed),
        ] {
            ConstCounter::new(count).encode(images.encode_family(&[("state", state)])?)?;
        }
        let mut bytes = encoder.encode_descriptor("bytes", "Bytes moved", None, MetricType::Counter)?;
        for (direction, count) in [("in", now.bytes.input), ("out", now.bytes.output)] {
            ConstCounter::new(count).encode(bytes.encode_family(&[("direction", direction)])?)?;
        }
        Ok(())
    }
}
