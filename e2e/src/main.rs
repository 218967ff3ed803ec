//! `collodion-e2e`: starts a Kubernetes cluster with Collodion in it on this machine, and removes it again.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use collodion_e2e::{
    home::Home,
    images::{self, Programs},
    init,
    kubectl::kubectl,
    lifecycle, network,
    node::Node,
    prerequisites,
    progress::step,
    s3::{self, S3},
    tools::{self, repository},
};
use kube::{Client, Config, config::Kubeconfig};

/// A real Kubernetes of three nodes on this machine, with an S3 server and Collodion in it.
#[derive(Parser)]
#[command(name = "collodion-e2e", disable_help_subcommand = true)]
struct Arguments {
    /// Folder of the cluster [default: collodion/cluster in the user's state folder]
    #[arg(long, global = true)]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the cluster and fill the bucket `photos` with the example photographs
    Up,
    /// Remove the cluster
    Down,
    /// Write the container images of this tree as archives, to load them into a cluster of one's own
    Images {
        /// An empty folder for the archives
        folder: PathBuf,
    },
    /// Do something to a node
    #[command(subcommand)]
    Node(NodeCommand),
}

#[derive(Subcommand)]
enum NodeCommand {
    /// Cut the power: everything on the node ends at once
    PowerOff {
        /// node1, node2 or node3
        node: Node,
    },
    /// Switch the power on again
    PowerOn {
        /// node1, node2 or node3
        node: Node,
    },
    /// Pull the network cable
    Cut {
        /// node1, node2 or node3
        node: Node,
    },
    /// Plug the network cable in again
    Heal {
        /// node1, node2 or node3
        node: Node,
    },
    /// Be a node's first process
    #[command(hide = true)]
    Init {
        /// node1, node2 or node3
        node: Node,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let home = match &arguments.home {
        Some(home) => Home::new(home)?,
        None => Home::in_state_folder("cluster")?,
    };
    match &arguments.command {
        Command::Up => up(&home),
        Command::Down => lifecycle::down(&home),
        Command::Images { folder } => {
            prerequisites::ensure()?;
            images::build(folder, &tools::build()?, &Programs::build(&["--bins"])?)
        }
        Command::Node(NodeCommand::PowerOff { node }) => node.power_off(&home),
        Command::Node(NodeCommand::PowerOn { node }) => node.power_on(&home),
        Command::Node(NodeCommand::Cut { node }) => network::cut(*node),
        Command::Node(NodeCommand::Heal { node }) => network::heal(*node),
        Command::Node(NodeCommand::Init { node }) => init::init(&home, *node),
    }
}

fn up(home: &Home) -> Result<()> {
    prerequisites::ensure()?;
    let harness = std::env::current_exe().context("failed to find this program's file")?;
    lifecycle::up(home, &harness, &Programs::build(&["--bins"])?)?;
    let count = {
        let _step = step("example photographs");
        seed(home)?
    };
    home.disown()?;
    eprint!(
        "
The cluster is ready. Its bucket `photos` holds {count} files.

  export KUBECONFIG={kubeconfig} PATH={bin}:$PATH
  kubectl apply -f examples/
  kubectl get imagejobs --namespace collodion-example --watch
  kubectl wait --for=condition=Complete imagejob/web-renditions --namespace collodion-example --timeout=5m

{fetch}
`make cluster-down` removes the cluster.
",
        kubeconfig = home.kubeconfig().display(),
        bin = home.bin().display(),
        fetch = fetch_hint(home)?,
    );
    Ok(())
}

/// Puts the example photographs into the bucket that the example reads, and makes the one it writes to.
#[tokio::main]
async fn seed(home: &Home) -> Result<usize> {
    let kubeconfig = Kubeconfig::read_from(home.kubeconfig()).context("failed to read the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    let s3 = S3::connect(Client::try_from(config).context("failed to make a client of the API server")?).await?;
    for bucket in ["photos", "renditions"] {
        s3.create_bucket(bucket).await?;
    }
    s3.upload(&repository().join("examples/photos"), "photos").await
}

/// How to get the report from the cluster's S3 server, with nothing but curl.
fn fetch_hint(home: &Home) -> Result<String> {
    let service = [
        "get",
        "service",
        "s3",
        "--namespace",
        s3::NAMESPACE,
        "-o",
        "jsonpath={.spec.ports[0].nodePort}",
    ];
    let port = kubectl(&home.into(), service)?;
    let (key, secret) = s3::CREDENTIALS;
    let node = Node::ALL[0].address();
    Ok(format!(
        "The report, once it is complete:

  report=$(kubectl get imagejob web-renditions --namespace collodion-example --output jsonpath='{{.status.report}}')
  curl --aws-sigv4 aws:amz:us-east-1:s3 --header x-amz-content-sha256:UNSIGNED-PAYLOAD --user {key}:{secret} http://{node}:{port}/${{report#s3://}} --output report.html
"
    ))
}
