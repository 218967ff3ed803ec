//! Tests on a real cluster, which all of them share: started before the first, removed after the last.
//!
//! `make test` runs them. On their own: `COLLODION_E2E=1 cargo test --package collodion-e2e --test cluster`, as root.
//! With `KUBECONFIG` set, the tests that disturb nobody run in that cluster; its nodes need the images that
//! `collodion-e2e images FOLDER` writes.

mod corpus;
mod corrupt;
mod invalid;
mod killed;
mod looks;
mod manifest;
mod nodes;
mod rendered;
mod same;

use std::{env, fmt::Write, future::Future, path::Path, pin::Pin, process::ExitCode, sync::Arc};

use anyhow::Result;
use collodion_e2e::{
    cluster::{Cluster, Namespace},
    home::Home,
    lifecycle,
};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// A test: its name, whether it disturbs others in the cluster, and what it does in a namespace of its own.
struct Test {
    name: &'static str,
    disruptive: bool,
    run: for<'a> fn(&'a Cluster, &'a Namespace<'a>) -> Outcome<'a>,
}

macro_rules! test {
    ($module:ident::$name:ident) => {
        Test {
            name: stringify!($name),
            disruptive: false,
            run: |cluster, ns| Box::pin($module::$name(cluster, ns)),
        }
    };
    (disruptive $module:ident::$name:ident) => {
        Test {
            disruptive: true,
            ..test!($module::$name)
        }
    };
}

const TESTS: &[Test] = &[
    test!(rendered::every_image_of_a_bucket_is_rendered_and_counted),
    test!(corrupt::one_bad_image_never_costs_its_neighbours),
    test!(invalid::a_manifest_with_mistakes_is_refused_with_a_sentence),
    test!(invalid::a_job_cannot_be_edited_into_another),
    test!(same::the_command_line_makes_the_same_bytes),
    test!(killed::a_worker_killed_in_the_middle_of_a_shard_loses_nothing),
    test!(disruptive killed::the_leading_operator_killed_in_the_middle_of_a_job_loses_nothing),
    test!(disruptive nodes::a_node_without_power_is_noticed_and_comes_back),
    test!(disruptive nodes::a_node_without_network_is_noticed_and_comes_back),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        let trials = TESTS.iter().map(|test| Trial::test(test.name, || Ok(())));
        return libtest_mimic::run(&arguments, trials.collect()).exit_code();
    }
    if env::var_os("COLLODION_E2E").is_none() {
        eprintln!("the tests on a cluster run with `make test`, or with COLLODION_E2E=1 as root");
        return ExitCode::SUCCESS;
    }
    let runtime = Arc::new(Runtime::new().expect("a runtime can be made"));
    match run(&arguments, &runtime) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, runtime: &Arc<Runtime>) -> Result<ExitCode> {
    let adopted = env::var_os("KUBECONFIG");
    let cluster = match &adopted {
        Some(kubeconfig) => runtime.block_on(Cluster::adopt(Path::new(kubeconfig)))?,
        None => start(runtime)?,
    };
    let cluster = Arc::new(cluster);
    let mut failed = false;
    // Those that disturb others run on their own, one after the other.
    for disruptive in [false, true] {
        let tests = TESTS
            .iter()
            .filter(|test| test.disruptive == disruptive && !(disruptive && adopted.is_some()));
        let trials: Vec<_> = tests.map(|test| trial(test, &cluster, runtime)).collect();
        let threads = if disruptive { Some(1) } else { arguments.test_threads };
        let arguments = Arguments {
            test_threads: threads,
            ..arguments.clone()
        };
        failed |= libtest_mimic::run(&arguments, trials).has_failed();
    }
    cluster.stop()?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Starts a cluster that is removed when the run is interrupted, too.
fn start(runtime: &Runtime) -> Result<Cluster> {
    let home = Home::in_state_folder("test-cluster")?;
    let interrupted = home.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("interrupted: removing the cluster");
            let removed = tokio::task::block_in_place(|| lifecycle::down(&interrupted));
            std::process::exit(if removed.is_ok() { 130 } else { 1 });
        }
    });
    let harness = Path::new(env!("CARGO_BIN_EXE_collodion-e2e"));
    runtime.block_on(runtime.spawn(Cluster::start(home, harness)).into_future())?
}

fn trial(test: &'static Test, cluster: &Arc<Cluster>, runtime: &Arc<Runtime>) -> Trial {
    let (cluster, runtime) = (cluster.clone(), runtime.clone());
    Trial::test(test.name, move || {
        let task = runtime.spawn(async move { in_namespace(&cluster, test).await });
        runtime
            .block_on(task)
            .unwrap_or_else(|panic| Err(panic.to_string()))
            .map_err(Failed::from)
    })
}

/// Runs a test in a namespace of its own, which is removed when it passes and told everything about when it fails.
async fn in_namespace(cluster: &Arc<Cluster>, test: &'static Test) -> Result<(), String> {
    let short: String = test.name.split('_').filter_map(|word| word.chars().next()).collect();
    let namespace = cluster.namespace(&short).await.map_err(|error| format!("{error:#}"))?;
    let outcome = tokio::spawn({
        let (cluster, name) = (cluster.clone(), namespace.name.clone());
        async move {
            let namespace = cluster.existing_namespace(name);
            (test.run)(&cluster, &namespace).await
        }
    });
    let mut reason = match outcome.await {
        Ok(Ok(())) => return namespace.delete().map_err(|error| format!("{error:#}")),
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => panic.to_string(),
    };
    let _ = write!(reason, "\n\n{}", tokio::task::block_in_place(|| namespace.dump()));
    Err(reason)
}
