//! Where objects lie: locations as URIs, and the object store behind an `s3://` one.

use std::{borrow::Cow, fmt};

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A folder in an object store, as a URI: `s3://bucket/prefix/`.
///
/// The prefix is a folder: `s3://photos/2025` and `s3://photos/2025/` mean the same, and neither holds
/// `s3://photos/2025-old/a.jpg`. The command line alone also takes `file:///path/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(String);

/// The rule that keeps `file://` out of the cluster, where it would read a pod's own secrets. The command line
/// leaves out just this rule.
pub const LOCATION_MESSAGE: &str =
    "write a location as s3://BUCKET/PREFIX/, the bucket in lower case (file:// works with the command line only)";

impl Location {
    /// A location from its URI, not checked.
    pub fn new(uri: impl Into<String>) -> Self {
        Self(uri.into())
    }

    /// The URI as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Location {
    fn schema_name() -> Cow<'static, str> {
        "Location".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$')",
                "message": LOCATION_MESSAGE,
            }],
        })
    }
}

/// How an S3 object store is reached. Without any of it, the store is Amazon's in the region that the
/// environment names, with the pod's workload identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Base URL of the S3 API, such as `http://s3.example.svc:9000`. Amazon S3 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#]+/?$')").message("write the endpoint as http://HOST:PORT or https://HOST:PORT"))]
    pub endpoint: Option<String>,
    /// Region that requests are signed for. From the environment when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub region: Option<String>,
    /// Whether the bucket is named in the path (`http://HOST/BUCKET/KEY`) instead of the host name, as most
    /// servers other than Amazon's want it.
    #[serde(default)]
    pub path_style: bool,
    /// The access key. Workload identity (or, on a laptop, the usual AWS environment) when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretReference>,
    /// Certificates that the endpoint's TLS certificate is checked against, beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<ConfigMapReference>,
}

/// A Secret in the same namespace with the keys `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, for temporary
/// credentials, `AWS_SESSION_TOKEN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub secret_name: String,
}

/// A ConfigMap in the same namespace with the key `ca.crt`: one or more PEM certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapReference {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = DNS_SUBDOMAIN))]
    pub config_map_name: String,
}

const DNS_SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
