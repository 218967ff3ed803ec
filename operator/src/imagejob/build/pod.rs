//! The pod that does a phase: no privileges, no API token, nothing writable but `/tmp`.

use std::collections::BTreeMap;

use collodion_crds::{Worker, wire::MOUNT_PATH, wire::WORKER_PORT};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, PodSecurityContext, PodSpec,
        PodTemplateSpec, SeccompProfile, SecurityContext, Toleration,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{Snapshot, labels, mounts};
use crate::imagejob::{Phase, pods::CONTAINER};

/// The user and group that the worker image runs as.
const USER: i64 = 65532;
/// Seconds a pod has to finish what it is at, write a checkpoint and leave.
const GRACE_SECONDS: i64 = 60;
/// Seconds after which a pod on a node that went silent is replaced, instead of Kubernetes' own 300.
const UNREACHABLE_SECONDS: i64 = 30;

pub(super) fn template(snapshot: &Snapshot, phase: Phase) -> PodTemplateSpec {
    let Worker {
        resources,
        node_selector,
        tolerations,
        affinity,
        priority_class_name,
        service_account_name,
        image_pull_secrets,
        labels: own_labels,
        annotations,
    } = &snapshot.job().spec.worker;
    let (volumes, volume_mounts) = mounts::volumes(snapshot.job()).into_iter().unzip();
    let container = Container {
        name: CONTAINER.to_owned(),
        image: Some(snapshot.worker_image().to_owned()),
        args: Some(arguments(phase)),
        env: Some(vec![
            field("POD_NAME", "metadata.name"),
            field("POD_UID", "metadata.uid"),
        ]),
        ports: (phase == Phase::Process).then(|| {
            let port = ContainerPort {
                name: Some("http".to_owned()),
                container_port: i32::from(WORKER_PORT),
                ..ContainerPort::default()
            };
            vec![port]
        }),
        resources: resources.clone(),
        security_context: Some(container_security()),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(volume_mounts),
        ..Container::default()
    };
    let spec = PodSpec {
        affinity: affinity.clone(),
        automount_service_account_token: Some(false),
        containers: vec![container],
        enable_service_links: Some(false),
        image_pull_secrets: some(image_pull_secrets),
        node_selector: (!node_selector.is_empty()).then(|| node_selector.clone()),
        priority_class_name: priority_class_name.clone(),
        restart_policy: Some("Never".to_owned()),
        security_context: Some(pod_security()),
        service_account_name: service_account_name.clone(),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        tolerations: Some(tolerate(tolerations)),
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    let metadata = ObjectMeta {
        annotations: (!annotations.is_empty()).then(|| annotations.clone()),
        labels: Some(merge(own_labels, labels(snapshot.job(), Some(phase)))),
        ..ObjectMeta::default()
    };
    PodTemplateSpec {
        metadata: Some(metadata),
        spec: Some(spec),
    }
}

fn arguments(phase: Phase) -> Vec<String> {
    let command = match phase {
        Phase::Plan => "plan",
        Phase::Process => "shard",
        Phase::Report => "report",
    };
    let job = format!("{MOUNT_PATH}/job/job.json");
    let mut arguments = [
        command,
        "-f",
        &job,
        "--mounts",
        MOUNT_PATH,
        "--termination-log",
        "/dev/termination-log",
    ]
    .map(str::to_owned)
    .to_vec();
    if phase == Phase::Process {
        arguments.extend(["--listen".to_owned(), format!("0.0.0.0:{WORKER_PORT}")]);
    }
    arguments
}

/// Collodion's own labels win over the user's: the operator finds its pods by them.
fn merge(theirs: &BTreeMap<String, String>, own: BTreeMap<String, String>) -> BTreeMap<String, String> {
    theirs.clone().into_iter().chain(own).collect()
}

fn tolerate(tolerations: &[Toleration]) -> Vec<Toleration> {
    let away = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|key| Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(UNREACHABLE_SECONDS),
        value: None,
    });
    tolerations.iter().cloned().chain(away).collect()
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(USER),
        run_as_group: Some(USER),
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = ObjectFieldSelector {
        api_version: Some("v1".to_owned()),
        field_path: path.to_owned(),
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(source),
            ..EnvVarSource::default()
        }),
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
