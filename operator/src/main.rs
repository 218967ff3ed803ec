//! `collodion-operator`: waits to be the leader, then reconciles ImageJobs until it is told to stop.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use clap::Parser;
use collodion_operator::{config::Config, controller, http, leader::Candidate, metrics::Metrics};
use kube::Client;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Time for running reconciles to end after a request to stop.
const SHUTDOWN: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(&config.log))
        .with_writer(std::io::stderr)
        .init();
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("failed to find a way to the API server")?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("failed to listen on {}", config.listen))?;
    let metrics = Metrics::default();
    let mut candidate = Candidate::new(client.clone(), &config.pod_namespace, &config.pod_name);
    let (stop, stop_http) = (stop_signal()?, CancellationToken::new());
    let server = tokio::spawn(http::serve(
        listener,
        metrics.clone(),
        candidate.contact(),
        stop_http.clone(),
    ));

    tokio::select! {
        () = candidate.win() => {}
        () = stop.cancelled() => {
            candidate.release().await;
            return Ok(());
        }
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        worker_image = config.worker_image,
        "leading"
    );
    metrics.leads(true);
    let reconciling = controller::run(client, &config, metrics.clone(), stop.clone());
    tokio::pin!(reconciling);
    tokio::select! {
        () = &mut reconciling => {}
        // Whoever took the lease goes on from here; the pod's next start is a candidate again.
        lost = candidate.hold() => bail!("lost the lease: {lost}"),
        () = stop.cancelled() => {
            tracing::info!("stopping");
            if timeout(SHUTDOWN, reconciling).await.is_err() {
                tracing::warn!("running reconciles did not end in time");
            }
        }
    }
    metrics.leads(false);
    candidate.release().await;
    stop_http.cancel();
    server
        .await
        .context("the HTTP server panicked")?
        .context("the HTTP server failed")?;
    Ok(())
}

/// A token that SIGTERM or SIGINT cancels.
fn stop_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    Ok(stop)
}
