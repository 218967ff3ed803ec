//! What a cluster has beside its control plane: the rights of the service proxy, and names for Services.

use anyhow::Result;

use crate::{home::Home, kubectl::apply, network};

const DNS_PORT: u16 = 10053;

/// Creates the proxy's and the DNS server's rights, and the DNS Service.
///
/// # Errors
/// When the API server refuses one.
pub fn create(home: &Home) -> Result<()> {
    let manifest = include_str!("../manifests/addons.yaml");
    let manifest = manifest
        .replace("DNS_SERVICE", network::DNS_SERVICE)
        .replace("HOST_ADDRESS", network::HOST_ADDRESS);
    apply(&home.into(), &manifest.replace("DNS_PORT", &DNS_PORT.to_string()))
}

/// Configuration of the DNS server: names of the cluster, and no others.
pub fn corefile(home: &Home) -> String {
    let (address, kubeconfig) = (network::HOST_ADDRESS, home.path("coredns.kubeconfig"));
    format!(
        "cluster.local:{DNS_PORT} in-addr.arpa:{DNS_PORT} {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig} collodion
        ttl 5
    }}
}}
.:{DNS_PORT} {{
    bind {address}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
",
        kubeconfig = kubeconfig.display()
    )
}
