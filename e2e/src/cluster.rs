//! The cluster as tests see it: one that all tests of a run share, and for each test a namespace of its own.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use collodion_crds::ImageJob;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams},
    config::Kubeconfig,
};
use tokio::time::{Instant, sleep};

use crate::{
    chart,
    home::Home,
    images::Programs,
    kubectl::{Target, apply, kubectl},
    lifecycle, network,
    node::Node,
    prerequisites, process,
    s3::{self, S3},
};

/// How often a condition that is waited for is looked at.
const POLL: Duration = Duration::from_millis(250);

/// A cluster with Collodion and an S3 server in it.
pub struct Cluster {
    target: Target,
    /// The folder of the cluster, unless it is somebody else's.
    home: Option<Home>,
    /// Operator and worker of this tree.
    pub programs: Programs,
    /// The Kubernetes API.
    pub kube: Client,
    /// The S3 server.
    pub s3: S3,
}

/// A namespace with the S3 credentials and a bucket of the same name.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    /// The namespace's name, and the bucket's.
    pub name: String,
}

// === impl Cluster ===

impl Cluster {
    /// Starts a cluster on this machine that lives no longer than this process.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn start(home: Home, harness: &Path) -> Result<Self> {
        let programs = tokio::task::block_in_place(|| {
            prerequisites::ensure()?;
            let programs = Programs::build(&["--bins", "--tests"])?;
            lifecycle::up(&home, harness, &programs)?;
            anyhow::Ok(programs)
        })?;
        let target = Target::from(&home);
        Self::connect(target, Some(home), programs).await
    }

    /// Uses somebody's own cluster, which has the images already, with `kubectl` and `helm` from `PATH`.
    ///
    /// # Errors
    /// When something can't be installed there.
    pub async fn adopt(kubeconfig: &Path) -> Result<Self> {
        let target = Target {
            kubeconfig: kubeconfig.to_owned(),
            bin: Default::default(),
        };
        let programs = tokio::task::block_in_place(|| {
            if !s3::is_deployed(&target) {
                s3::deploy(&target, None)?;
            }
            chart::install(&target)?;
            chart::restart(&target)?;
            s3::wait_until_ready(&target)?;
            chart::wait_until_ready(&target)?;
            Programs::build(&["--bins", "--tests"])
        })?;
        Self::connect(target, None, programs).await
    }

    async fn connect(target: Target, home: Option<Home>, programs: Programs) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(&target.kubeconfig).context("failed to read the kubeconfig")?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        let kube = Client::try_from(config).context("failed to make a client of the API server")?;
        let s3 = S3::connect(kube.clone()).await?;
        Ok(Self {
            target,
            home,
            programs,
            kube,
            s3,
        })
    }

    /// Removes what [`Cluster::start`] started.
    ///
    /// # Errors
    /// When something can't be removed.
    pub fn stop(&self) -> Result<()> {
        self.home.as_ref().map_or(Ok(()), lifecycle::down)
    }

    /// Makes a namespace for a test.
    ///
    /// # Errors
    /// When the API server or the S3 server refuses it.
    pub async fn namespace(&self, test: &str) -> Result<Namespace<'_>> {
        let name = format!("test-{test}-{}", suffix());
        let (key, secret) = s3::CREDENTIALS;
        let manifest = format!(
            "apiVersion: v1
kind: Namespace
metadata: {{name: {name}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: s3, namespace: {name}}}
stringData: {{AWS_ACCESS_KEY_ID: {key}, AWS_SECRET_ACCESS_KEY: {secret}}}
"
        );
        tokio::task::block_in_place(|| apply(&self.target, &manifest))?;
        self.s3.create_bucket(&name).await?;
        Ok(Namespace { cluster: self, name })
    }

    /// A namespace that was made before.
    pub fn existing_namespace(&self, name: String) -> Namespace<'_> {
        Namespace { cluster: self, name }
    }

    /// Runs `kubectl`.
    ///
    /// # Errors
    /// When it fails; the error holds what it said.
    pub fn kubectl(&self, line: &str) -> Result<String> {
        tokio::task::block_in_place(|| kubectl(&self.target, line.split_whitespace()))
    }

    /// The operator's pod that leads, by the Lease.
    ///
    /// # Errors
    /// When nobody leads.
    pub async fn leader(&self) -> Result<String> {
        let leases: Api<Lease> = Api::namespaced(self.kube.clone(), chart::NAMESPACE);
        let lease = leases
            .get("collodion-operator")
            .await
            .context("failed to read the operator's Lease")?;
        lease
            .spec
            .and_then(|spec| spec.holder_identity)
            .context("no operator leads")
    }

    /// Ends a pod at once: with `kill -9` where the node is one of ours, and by the loss of its object.
    ///
    /// # Errors
    /// When there is no such pod.
    pub async fn kill_pod(&self, namespace: &str, name: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.kube.clone(), namespace);
        if self.home.is_some() {
            let pod = pods
                .get(name)
                .await
                .with_context(|| format!("failed to read the pod {name}"))?;
            let uid = pod.metadata.uid.context("a pod without a UID")?;
            process::kill_in_cgroup(&format!("pod{uid}"));
        }
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::background()
        };
        pods.delete(name, &at_once)
            .await
            .with_context(|| format!("failed to kill the pod {name}"))?;
        Ok(())
    }

    /// Cuts a node's power.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn power_off(&self, node: Node) -> Result<()> {
        tokio::task::block_in_place(|| node.power_off(self.home()?))
    }

    /// Switches a node on again.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn power_on(&self, node: Node) -> Result<()> {
        tokio::task::block_in_place(|| node.power_on(self.home()?))
    }

    /// Pulls a node's network cable.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn cut(&self, node: Node) -> Result<()> {
        self.home().and_then(|_| network::cut(node))
    }

    /// Plugs a node's network cable in again.
    ///
    /// # Errors
    /// When the cluster is somebody else's.
    pub fn heal(&self, node: Node) -> Result<()> {
        self.home().and_then(|_| network::heal(node))
    }

    /// Waits until Kubernetes holds a node for ready, or for not ready.
    ///
    /// # Errors
    /// After two minutes.
    pub async fn wait_for_node(&self, node: Node, ready: bool) -> Result<()> {
        let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
        let deadline = Instant::now() + Duration::from_secs(120);
        while (self.kubectl(&format!("get node {node} -o {path}"))? == "True") != ready {
            if Instant::now() > deadline {
                bail!(
                    "{node} did not become {} in two minutes",
                    if ready { "ready" } else { "unready" }
                );
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    fn home(&self) -> Result<&Home> {
        self.home
            .as_ref()
            .context("only a cluster that the tests started themselves is treated like this")
    }
}

// === impl Namespace ===

impl Namespace<'_> {
    /// `kubectl apply`, unknown fields being errors.
    ///
    /// # Errors
    /// When it is refused; the error holds what a person would read.
    pub fn apply(&self, manifest: &serde_json::Value) -> Result<()> {
        tokio::task::block_in_place(|| apply(&self.cluster.target, &manifest.to_string()))
    }

    /// Reads an ImageJob.
    ///
    /// # Errors
    /// When there is none of the name.
    pub async fn image_job(&self, name: &str) -> Result<ImageJob> {
        let jobs: Api<ImageJob> = Api::namespaced(self.cluster.kube.clone(), &self.name);
        jobs.get(name)
            .await
            .with_context(|| format!("failed to read the ImageJob {name}"))
    }

    /// Waits until an ImageJob has a condition.
    ///
    /// # Errors
    /// As soon as it has failed or is stalled, with what the operator says of that; or when the time is over.
    pub async fn wait_for(&self, name: &str, condition: &str, timeout: Duration) -> Result<ImageJob> {
        self.wait_until(name, condition, timeout, |job| has(job, condition))
            .await
    }

    /// Waits until an ImageJob is as wanted. `what` says what is wanted.
    ///
    /// # Errors
    /// As [`Namespace::wait_for`].
    pub async fn wait_until(
        &self,
        name: &str,
        what: &str,
        timeout: Duration,
        met: impl Fn(&ImageJob) -> bool,
    ) -> Result<ImageJob> {
        let deadline = Instant::now() + timeout;
        loop {
            let job = self.image_job(name).await?;
            if met(&job) {
                return Ok(job);
            }
            for bad in ["Failed", "Stalled"] {
                if let Some(condition) = conditions(&job)
                    .iter()
                    .find(|one| one.type_ == bad && one.status == "True")
                {
                    bail!(
                        "{name} is {bad} instead of {what}: {}: {}",
                        condition.reason,
                        condition.message
                    );
                }
            }
            if Instant::now() > deadline {
                bail!("{name} is not {what} after {timeout:?}; its status: {:#?}", job.status);
            }
            sleep(POLL).await;
        }
    }

    /// Running worker pods of an ImageJob's phase.
    ///
    /// # Errors
    /// When they can't be listed.
    pub async fn running_pods(&self, job: &str, phase: &str) -> Result<Vec<String>> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.kube.clone(), &self.name);
        let label = format!("collodion.dev/imagejob={job},collodion.dev/phase={phase}");
        let list = pods
            .list(&ListParams::default().labels(&label))
            .await
            .context("failed to list pods")?;
        let running = list.items.into_iter().filter(|pod| {
            pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
                && pod.metadata.deletion_timestamp.is_none()
        });
        Ok(running.filter_map(|pod| pod.metadata.name).collect())
    }

    /// Everything one would ask for when a test has failed: objects, events, logs.
    pub fn dump(&self) -> String {
        let name = &self.name;
        let mut questions = vec![
            format!("get imagejobs,jobs,pods --namespace {name} --output wide"),
            format!("get imagejobs --namespace {name} --output yaml"),
            format!("get events --namespace {name} --sort-by=.metadata.creationTimestamp"),
            "get nodes,pods --all-namespaces --output wide".to_owned(),
        ];
        let pods = self
            .cluster
            .kubectl(&format!("get pods --namespace {name} --output name"))
            .unwrap_or_default();
        questions.extend(
            pods.lines()
                .map(|pod| format!("logs {pod} --namespace {name} --tail 40")),
        );
        let operator = chart::NAMESPACE;
        questions.push(format!(
            "logs --namespace {operator} --selector app.kubernetes.io/name=collodion --prefix --tail 80"
        ));
        let answers = questions.into_iter().map(|question| {
            let answer = self
                .cluster
                .kubectl(&question)
                .unwrap_or_else(|error| format!("{error:#}"));
            format!("--- kubectl {question}\n{answer}\n")
        });
        answers.collect()
    }

    /// Removes the namespace, without waiting for the end of it.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn delete(&self) -> Result<()> {
        self.cluster
            .kubectl(&format!("delete namespace {} --wait=false", self.name))
            .map(drop)
    }
}

/// Conditions of an ImageJob.
pub fn conditions(job: &ImageJob) -> &[Condition] {
    job.status.as_ref().map_or(&[], |status| &status.conditions)
}

/// Whether a condition of an ImageJob is true.
pub fn has(job: &ImageJob, condition: &str) -> bool {
    conditions(job)
        .iter()
        .any(|one| one.type_ == condition && one.status == "True")
}

/// A few characters that no other name made on this machine has.
fn suffix() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}", now.as_nanos() & 0xff_ffff_ffff)
}
