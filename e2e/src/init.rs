//! What runs inside a node: its first process, which starts the container runtime, the service proxy and the kubelet,
//! starts them again when one ends, and reaps what pods leave behind. When it is killed, the kernel ends the rest.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{WaitOptions, wait};

use crate::{
    cgroup,
    command::{output, run},
    home::Home,
    network,
    node::Node,
    tools::Tool,
};

const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
const CNI_PLUGINS: &str = "/usr/lib/cni";

struct Service {
    name: &'static str,
    command: Command,
    pid: u32,
}

/// Runs a node; returns only when it fails.
///
/// # Errors
/// When the node can't be set up.
pub fn init(home: &Home, node: Node) -> Result<()> {
    mount_private_folders()?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("failed to turn on IP forwarding")?;
    let files = home.path(node.name());
    fs::create_dir_all(files.join("cni")).with_context(|| format!("failed to make {}", files.display()))?;
    for (name, content) in [
        ("containerd.toml", containerd_config(home, node)),
        ("cni/10-bridge.conflist", cni_config(home, node)),
        ("kubelet.yaml", kubelet_config(home, node)),
        ("resolv.conf", format!("nameserver {}\n", network::HOST_ADDRESS)),
    ] {
        fs::write(files.join(name), content).with_context(|| format!("failed to write {name}"))?;
    }

    let mut runtime = Service {
        name: "containerd",
        command: containerd(home, node),
        pid: 0,
    };
    start(home, node, &mut runtime)?;
    import_images(home)?;
    let mut services = [
        runtime,
        Service {
            name: "kube-proxy",
            command: kube_proxy(home, node),
            pid: 0,
        },
        Service {
            name: "kubelet",
            command: kubelet(home, node),
            pid: 0,
        },
    ];
    for service in &mut services[1..] {
        start(home, node, service)?;
    }
    loop {
        let Some((pid, _)) = wait(WaitOptions::empty()).context("failed to wait for processes")? else {
            continue;
        };
        let ended = pid.as_raw_nonzero().get().cast_unsigned();
        if let Some(service) = services.iter_mut().find(|service| service.pid == ended) {
            std::thread::sleep(Duration::from_secs(1)); // the pace of a service manager, not a wait for anything
            start(home, node, service)?;
        }
    }
}

/// Mounts of pods must not reach the host, and sockets and namespaces of a former life must not be seen.
fn mount_private_folders() -> Result<()> {
    run("mount --make-rshared /")?;
    run("mount -t tmpfs -o mode=755 run /run")?;
    for folder in ["/run/netns", "/run/lock", "/run/containerd"] {
        fs::create_dir_all(folder).with_context(|| format!("failed to make {folder}"))?;
    }
    Ok(())
}

fn start(home: &Home, node: Node, service: &mut Service) -> Result<()> {
    let path = home.path(format!("log/{}-{node}.log", service.name));
    let log = File::options().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("failed to open {}", path.display()))?;
    service
        .command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let child = service
        .command
        .spawn()
        .with_context(|| format!("failed to start {}", service.name))?;
    service.pid = child.id();
    Ok(())
}

fn import_images(home: &Home) -> Result<()> {
    let ctr = || {
        let mut ctr = Command::new(home.bin().join("ctr"));
        ctr.args(["--address", CONTAINERD_SOCKET]);
        ctr
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = output(ctr().arg("version")) {
        if Instant::now() > deadline {
            return Err(error).context("containerd does not answer");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let archives = fs::read_dir(home.path("images")).context("failed to list the images")?;
    for archive in archives.flatten() {
        output(
            ctr()
                .args(["--namespace", "k8s.io", "images", "import"])
                .arg(archive.path()),
        )?;
    }
    Ok(())
}

// === services ===

fn containerd(home: &Home, node: Node) -> Command {
    let mut command = Command::new(home.bin().join("containerd"));
    command
        .arg("--config")
        .arg(home.path(node.name()).join("containerd.toml"));
    // It finds its shim on PATH: another version of the shim there breaks every pod.
    command.env("PATH", search_path(home));
    command
}

fn kube_proxy(home: &Home, node: Node) -> Command {
    let mut command = Command::new(home.bin().join("kube-proxy"));
    command.arg("--kubeconfig").arg(home.path("kube-proxy.kubeconfig"));
    command.args(["--hostname-override", &node.name(), "--bind-address", &node.address()]);
    command.args([
        "--proxy-mode",
        "nftables",
        "--cluster-cidr",
        network::POD_RANGE,
        "--conntrack-max-per-core",
        "0",
    ]);
    command.env("PATH", search_path(home));
    command
}

fn kubelet(home: &Home, node: Node) -> Command {
    let (name, files) = (node.name(), home.path(node.name()));
    let mut command = Command::new(home.bin().join("kubelet"));
    command.arg("--config").arg(files.join("kubelet.yaml"));
    command.arg("--kubeconfig").arg(home.path(format!("{name}.kubeconfig")));
    command.arg("--root-dir").arg(files.join("kubelet"));
    command.args(["--hostname-override", &name, "--node-ip", &node.address()]);
    command.env("PATH", search_path(home));
    command
}

fn search_path(home: &Home) -> String {
    format!(
        "{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        home.bin().display()
    )
}

// === configuration files ===

fn containerd_config(home: &Home, node: Node) -> String {
    let files = home.path(node.name());
    let files = files.display();
    // Without CAP_SYS_RESOURCE, runc dies on a negative oomScoreAdj unless it is restricted.
    format!(
        r#"version = 3
root = "{files}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[ttrpc]
  address = "{CONTAINERD_SOCKET}.ttrpc"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "registry.local/pause:3"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{CNI_PLUGINS}"]
  conf_dir = "{files}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
"#
    )
}

fn cni_config(home: &Home, node: Node) -> String {
    let config = serde_json::json!({
        "cniVersion": "1.0.0",
        "name": "collodion",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": home.path(node.name()).join("ipam"),
                    "ranges": [[{"subnet": node.pod_range()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    config.to_string()
}

fn kubelet_config(home: &Home, node: Node) -> String {
    let name = node.name();
    // Short lease and heartbeat: a node that lost its power is noticed in seconds (see control_plane).
    let config = serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": home.path("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": home.path(format!("pki/{name}.crt")),
        "tlsPrivateKeyFile": home.path(format!("pki/{name}.key")),
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::of(node),
        "podLogsDir": home.path(&name).join("podlogs"),
        "failCgroupV1": false,
        "failSwapOn": false,
        "clusterDNS": [network::DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "resolvConf": home.path(&name).join("resolv.conf"),
        "nodeStatusUpdateFrequency": "4s",
        "nodeLeaseDurationSeconds": 8,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    });
    config.to_string()
}

/// Checks that the programs which [`init`] needs and the tools do not bring are there.
///
/// # Errors
/// When the container network plugins are not where they are looked for.
pub fn check_plugins() -> Result<()> {
    if !std::path::Path::new(CNI_PLUGINS).join("bridge").exists() {
        bail!("no container network plugins in {CNI_PLUGINS}: install the package containernetworking-plugins");
    }
    Ok(())
}

/// Puts links to programs into the cluster's folder.
///
/// # Errors
/// When a link can't be made.
pub fn link_programs(home: &Home, programs: &[Tool]) -> Result<()> {
    for (name, program) in programs {
        symlink(program, home.bin().join(name)).with_context(|| format!("failed to link {}", program.display()))?;
    }
    Ok(())
}
