//! Jobs that lose a pod on the way.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use collodion_e2e::{
    chart,
    cluster::{Cluster, Namespace},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    corpus::{self, Picture},
    manifest::{NAME, OUTPUT, image_job},
    rendered,
};

const SHARD: usize = 16;

pub(crate) async fn a_worker_killed_in_the_middle_of_a_shard_loses_nothing(
    cluster: &Cluster,
    ns: &Namespace<'_>,
) -> Result<()> {
    let pictures = start_slowly(cluster, ns, 4).await?;
    wait_for_the_middle(cluster, ns).await?;
    let pods = ns.running_pods(NAME, "process").await?;
    let first = pods
        .iter()
        .find(|pod| pod.contains("-process-0-"))
        .context("the first shard's pod has ended")?;
    cluster.kill_pod(&ns.name, first).await?;
    let job = ns.wait_for(NAME, "Complete", Duration::from_secs(240)).await?;
    rendered::check(cluster, ns, &job, &pictures).await
}

pub(crate) async fn the_leading_operator_killed_in_the_middle_of_a_job_loses_nothing(
    cluster: &Cluster,
    ns: &Namespace<'_>,
) -> Result<()> {
    let pictures = start_slowly(cluster, ns, 5).await?;
    wait_for_the_middle(cluster, ns).await?;
    let leader = cluster.leader().await?;
    cluster.kill_pod(chart::NAMESPACE, &leader).await?;
    let job = ns.wait_for(NAME, "Complete", Duration::from_secs(240)).await?;
    ensure!(
        cluster.leader().await? != leader,
        "the operator that was killed still leads"
    );
    rendered::check(cluster, ns, &job, &pictures).await
}

/// Starts a job whose shards take their time, for workers get a small share of a CPU.
async fn start_slowly(cluster: &Cluster, ns: &Namespace<'_>, seed: u64) -> Result<Vec<Picture>> {
    let pictures = corpus::pictures(seed, SHARD * 3)?;
    corpus::store(&cluster.s3, ns, &pictures).await?;
    let mut manifest = image_job(ns);
    let spec: &mut Value = &mut manifest["spec"];
    spec["shard"] = json!({"objects": SHARD});
    spec["worker"] = json!({"resources": {"limits": {"cpu": "200m", "memory": "512Mi"}}});
    ns.apply(&manifest)?;
    Ok(pictures)
}

/// Waits until the first shard has some of its outputs, and fails when it has all of them.
async fn wait_for_the_middle(cluster: &Cluster, ns: &Namespace<'_>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        // Shards are cut from the listing in order, so the first one's images are 000 and the even ones after it.
        let listing = cluster.s3.list(&ns.name, OUTPUT).await?;
        let first: Vec<_> = (0..SHARD).map(|index| format!("{OUTPUT}{:03}.", index * 2)).collect();
        let of_first = |key: &String| first.iter().any(|prefix| key.starts_with(prefix));
        match listing.iter().filter(|(key, _)| of_first(key)).count() {
            0..4 => {}
            count if count < SHARD * 2 => return Ok(()),
            _ => bail!("the first shard was finished before anything could be killed"),
        }
        if Instant::now() > deadline {
            bail!("the first shard has no outputs after two minutes");
        }
        sleep(Duration::from_millis(100)).await;
    }
}
