//! etcd, the API server, the controller manager, the scheduler and the cluster's DNS server: processes of the host.

use std::{
    fs,
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{addons, command::output, home::Home, network, process};

/// URL of the API server.
pub const API_SERVER: &str = "https://172.30.0.1:6443";

const NAMES: [&str; 5] = ["etcd", "apiserver", "controller-manager", "scheduler", "coredns"];

/// Starts everything; [`wait_until_ready`] tells when it answers.
///
/// # Errors
/// When a program can't be started.
pub fn start(home: &Home) -> Result<()> {
    let (client, peer) = (free_loopback_port()?, free_loopback_port()?);
    let etcd = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    let pki = |file: &str| home.path("pki").join(file).display().to_string();
    let config = |user: &str| home.path(format!("{user}.kubeconfig")).display().to_string();

    let data = home.path("data/etcd").display().to_string();
    start_one(
        home,
        "etcd",
        "etcd",
        &[
            ("data-dir", &data),
            ("listen-client-urls", &etcd),
            ("advertise-client-urls", &etcd),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("default={peer}")),
            ("unsafe-no-fsync", "true"),
        ],
    )?;
    start_one(
        home,
        "apiserver",
        "kube-apiserver",
        &[
            ("etcd-servers", &etcd),
            ("bind-address", network::HOST_ADDRESS),
            ("advertise-address", network::HOST_ADDRESS),
            ("secure-port", "6443"),
            // Webhooks and extension servers are reached by endpoint address: the host has no service proxy.
            ("enable-aggregator-routing", "true"),
            ("kubelet-preferred-address-types", "InternalIP"),
            ("tls-cert-file", &pki("apiserver.crt")),
            ("tls-private-key-file", &pki("apiserver.key")),
            ("client-ca-file", &pki("ca.crt")),
            ("service-account-key-file", &pki("sa.pub")),
            ("service-account-signing-key-file", &pki("sa.key")),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("service-cluster-ip-range", network::SERVICE_RANGE),
            ("authorization-mode", "Node,RBAC"),
            ("enable-admission-plugins", "NodeRestriction"),
            ("kubelet-client-certificate", &pki("admin.crt")),
            ("kubelet-client-key", &pki("admin.key")),
            ("kubelet-certificate-authority", &pki("ca.crt")),
            ("requestheader-client-ca-file", &pki("ca.crt")),
            ("requestheader-allowed-names", "front-proxy-client"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-username-headers", "X-Remote-User"),
            ("proxy-client-cert-file", &pki("front-proxy.crt")),
            ("proxy-client-key-file", &pki("front-proxy.key")),
        ],
    )?;
    start_one(
        home,
        "controller-manager",
        "kube-controller-manager",
        &[
            ("kubeconfig", &config("controller-manager")),
            ("service-account-private-key-file", &pki("sa.key")),
            ("root-ca-file", &pki("ca.crt")),
            ("cluster-signing-cert-file", &pki("ca.crt")),
            ("cluster-signing-key-file", &pki("ca.key")),
            ("use-service-account-credentials", "true"),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            ("node-monitor-period", "2s"),
            ("node-monitor-grace-period", "20s"),
            ("horizontal-pod-autoscaler-sync-period", "5s"),
        ],
    )?;
    start_one(
        home,
        "scheduler",
        "kube-scheduler",
        &[
            ("kubeconfig", &config("scheduler")),
            ("leader-elect", "false"),
            ("secure-port", "0"),
        ],
    )
}

/// Starts the cluster's DNS server, once its role exists.
///
/// # Errors
/// When it can't be started.
pub fn start_dns(home: &Home) -> Result<()> {
    let corefile = home.path("data/Corefile");
    fs::write(&corefile, addons::corefile(home)).context("failed to write the DNS server's configuration")?;
    start_one(home, "coredns", "coredns", &[("conf", &corefile.display().to_string())])
}

/// Waits until the API server says it is ready.
///
/// # Errors
/// When a process of the control plane ends, or after two minutes; the error holds the process's last words.
pub fn wait_until_ready(home: &Home) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut readyz = Command::new(home.bin().join("kubectl"));
    readyz
        .arg("--kubeconfig")
        .arg(home.kubeconfig())
        .args(["get", "--raw", "/readyz"]);
    while let Err(error) = output(&mut readyz) {
        check(home)?;
        if Instant::now() > deadline {
            return Err(error).with_context(|| {
                format!(
                    "the API server is not ready after two minutes; it said last:\n{}",
                    process::log_tail(home, "apiserver")
                )
            });
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Checks that what was started of the control plane still runs.
///
/// # Errors
/// When a process has ended; the error holds its last words.
pub fn check(home: &Home) -> Result<()> {
    let started = process::names(home);
    for name in NAMES
        .iter()
        .filter(|name| started.iter().any(|started| started == *name))
    {
        if !process::is_running(home, name) {
            bail!("{name} has ended; it said last:\n{}", process::log_tail(home, name));
        }
    }
    Ok(())
}

fn start_one(home: &Home, name: &str, program: &str, flags: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(home.bin().join(program));
    command.args(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
    process::start(home, name, &command)
}

/// A port that nobody listens on at the moment.
fn free_loopback_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}
