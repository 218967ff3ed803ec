//! The S3 server in the cluster, and a client for it outside.

use std::{fs, os::unix::fs::chown, path::Path, time::Duration};

use anyhow::{Context, Result};
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    primitives::ByteStream,
};
use kube::Client as KubeClient;

use crate::{
    forward::Forward,
    home::Home,
    kubectl::{Target, apply, kubectl},
};

/// Namespace of the server.
pub const NAMESPACE: &str = "collodion-example";
/// Base URL of the server for pods.
pub const ENDPOINT: &str = "http://s3.collodion-example.svc:9000";
/// The access key and its secret.
pub const CREDENTIALS: (&str, &str) = ("collodion", "not-a-secret");

const USER: u32 = 65532;

/// A client of the server in the cluster.
#[derive(Debug)]
pub struct S3 {
    client: Client,
    /// The server as this process reaches it.
    pub endpoint: String,
    _forward: Forward,
}

/// Deploys the server. With a home its objects lie there, so that they outlive pods and nodes; else with the pod.
///
/// # Errors
/// When the API server refuses it.
pub fn deploy(target: &Target, home: Option<&Home>) -> Result<()> {
    let mut manifest = include_str!("../manifests/s3.yaml").to_owned();
    if let Some(home) = home {
        let folder = home.path("data/s3");
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        chown(&folder, Some(USER), Some(USER)).context("failed to give the S3 server its folder")?;
        manifest = manifest.replace(
            "emptyDir: {}",
            &format!("hostPath: {{path: {:?}}}", folder.display().to_string()),
        );
    }
    apply(target, &manifest)
}

/// Whether the server is there already.
pub fn is_deployed(target: &Target) -> bool {
    kubectl(target, ["get", "deployment", "s3", "--namespace", NAMESPACE]).is_ok()
}

/// Waits until the server answers.
///
/// # Errors
/// When it does not within three minutes.
pub fn wait_until_ready(target: &Target) -> Result<()> {
    let rollout = [
        "rollout",
        "status",
        "deployment/s3",
        "--namespace",
        NAMESPACE,
        "--timeout=180s",
    ];
    kubectl(target, rollout)
        .map(drop)
        .context("the S3 server does not get ready")
}

impl S3 {
    /// Connects to the server, through the API server.
    ///
    /// # Errors
    /// When no local port is free.
    pub async fn connect(kube: KubeClient) -> Result<Self> {
        let forward = Forward::open(kube, NAMESPACE, "app=s3", 9000).await?;
        let endpoint = format!("http://{}", forward.address);
        let (key, secret) = CREDENTIALS;
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&endpoint)
            .region(Region::from_static("us-east-1"))
            .force_path_style(true)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(8)
                    .with_max_backoff(Duration::from_secs(2)),
            )
            .credentials_provider(Credentials::new(key, secret, None, None, "example"))
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            endpoint,
            _forward: forward,
        })
    }

    /// Makes a bucket, unless it is there.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        match self.client.create_bucket().bucket(bucket).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_bucket_already_owned_by_you()) =>
            {
                Ok(())
            }
            Err(error) => Err(error).with_context(|| format!("failed to make the bucket {bucket}")),
        }
    }

    /// Stores an object.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn put(&self, bucket: &str, key: &str, content: Vec<u8>) -> Result<()> {
        let put = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from(content));
        put.send()
            .await
            .with_context(|| format!("failed to store s3://{bucket}/{key}"))?;
        Ok(())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>> {
        let what = || format!("failed to read s3://{bucket}/{key}");
        let answer = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .with_context(what)?;
        Ok(answer.body.collect().await.with_context(what)?.to_vec())
    }

    /// Keys and ETags of all objects whose keys begin with a prefix, in order.
    ///
    /// # Errors
    /// When the server refuses the listing.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .into_paginator()
            .send();
        let mut objects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("failed to list s3://{bucket}/{prefix}"))?;
            objects.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|one| Some((one.key?, one.e_tag?))),
            );
        }
        Ok(objects)
    }

    /// Stores every file of a folder and its subfolders; returns how many.
    ///
    /// # Errors
    /// When a file can't be read or stored.
    pub async fn upload(&self, folder: &Path, bucket: &str) -> Result<usize> {
        let mut count = 0;
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).with_context(|| format!("failed to list {}", next.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let content = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
                self.put(bucket, &path.strip_prefix(folder)?.to_string_lossy(), content)
                    .await?;
                count += 1;
            }
        }
        Ok(count)
    }
}
