//! Makes the S3 client that a storage block describes.

use std::{
    env,
    error::Error,
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, timeout::TimeoutConfig};
use aws_sdk_s3::{
    Client,
    config::{IdentityCache, SharedHttpClient, retry::RetryConfig},
};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use collodion_crds::Storage;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::credentials::MountedCredentials;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until an answer begins, the request's body having been sent. An answer's body that stalls is given up by the SDK's
/// own stalled-stream protection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The slowest upload that is waited for, in bytes a second.
const SLOWEST_UPLOAD: u64 = 32 << 10;

/// The region that requests to a named endpoint are signed for when nothing says which.
const DEFAULT_REGION: &str = "us-east-1";

/// The client that `storage` describes. Failed requests are not tried again here but in [`super::Policy`].
pub(super) async fn connect(storage: &Storage, mounts: Option<&Path>) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let Storage {
        endpoint,
        region,
        path_style,
        credentials,
        ca_bundle,
    } = storage;
    let ca = match (mounts, ca_bundle) {
        (Some(mounts), Some(ca)) => Some(mounts.join("configmaps").join(&ca.config_map_name).join("ca.crt")),
        (None, Some(_)) => env::var_os("AWS_CA_BUNDLE").map(PathBuf::from),
        _ => None,
    };
    let ca = ca.map(|path| read_certificates(&path)).transpose()?;
    let shared = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(ca)?)
        .timeout_config(timeouts(0));
    let shared = match region
        .clone()
        .or_else(|| endpoint.as_ref().map(|_| region_of_environment()))
    {
        Some(region) => shared.region(Region::new(region)),
        None => shared,
    };
    let shared = shared.load().await;
    if shared.region().is_none() {
        return Err("no region: set storage.region or the environment variable AWS_REGION".into());
    }
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .retry_config(RetryConfig::disabled())
        .force_path_style(*path_style);
    let config = match endpoint {
        Some(endpoint) => config.endpoint_url(endpoint),
        None => config,
    };
    let config = match (mounts, credentials) {
        (Some(mounts), Some(secret)) => {
            config
                .identity_cache(IdentityCache::no_cache())
                .credentials_provider(MountedCredentials::new(
                    mounts.join("secrets").join(&secret.secret_name),
                ))
        }
        _ => config,
    };
    Ok(Client::from_conf(config.build()))
}

/// The timeouts of a request with a body of so many bytes.
pub(super) fn timeouts(bytes: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT + Duration::from_secs(bytes / SLOWEST_UPLOAD))
        .build()
}

fn region_of_environment() -> String {
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| env::var(name).ok());
    named.unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// The PEM certificates of a file. Checked here because the HTTP client panics on what it can't parse, and takes a
/// file without certificates for none.
fn read_certificates(path: &Path) -> Result<Vec<u8>, String> {
    let fail = |why: &dyn Display| format!("failed to read the CA bundle {}: {why}", path.display());
    let pem = fs::read(path).map_err(|error| fail(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| fail(&error))?;
        roots.add(certificate).map_err(|error| fail(&error))?;
    }
    if roots.is_empty() {
        return Err(fail(&"it holds no PEM certificate"));
    }
    Ok(pem)
}

fn http_client(ca: Option<Vec<u8>>) -> Result<SharedHttpClient, Box<dyn Error + Send + Sync>> {
    let roots = TrustStore::default();
    let roots = ca.into_iter().fold(roots, TrustStore::with_pem_certificate);
    let tls = TlsContext::builder().with_trust_store(roots).build()?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https())
}
