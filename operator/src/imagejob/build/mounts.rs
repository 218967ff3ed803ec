//! What a pod mounts: the snapshot, the Secrets and ConfigMaps that its storages name, and a folder for scratch files.

use std::collections::BTreeSet;

use collodion_crds::{ImageJob, Input, Output, Storage, wire::MOUNT_PATH};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount,
};

use super::snapshot_name;

/// The group of the pods may read, nobody may write.
const SECRET_MODE: i32 = 0o440;
const CONFIG_MODE: i32 = 0o444;

/// Volumes and where the container mounts each.
pub(super) fn volumes(job: &ImageJob) -> Vec<(Volume, VolumeMount)> {
    let (secrets, config_maps) = references(job);
    let mut volumes = vec![read_only("job", format!("{MOUNT_PATH}/job"), snapshot(job)), scratch()];
    volumes.extend(secrets.iter().enumerate().map(|(i, secret)| {
        let source = SecretVolumeSource {
            secret_name: Some((*secret).to_owned()),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        };
        let volume = Volume {
            secret: Some(source),
            ..Volume::default()
        };
        read_only(&format!("secret-{i}"), format!("{MOUNT_PATH}/secrets/{secret}"), volume)
    }));
    volumes.extend(config_maps.iter().enumerate().map(|(i, config_map)| {
        let source = ConfigMapVolumeSource {
            name: (*config_map).to_owned(),
            default_mode: Some(CONFIG_MODE),
            ..ConfigMapVolumeSource::default()
        };
        let volume = Volume {
            config_map: Some(source),
            ..Volume::default()
        };
        read_only(
            &format!("configmap-{i}"),
            format!("{MOUNT_PATH}/configmaps/{config_map}"),
            volume,
        )
    }));
    volumes
}

/// Names of the Secrets and of the ConfigMaps that the storages of input and output refer to, each once.
fn references(job: &ImageJob) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let Input {
        location: _,
        storage: input,
        include: _,
        exclude: _,
    } = &job.spec.input;
    let Output {
        location: _,
        storage: output,
        key: _,
        existing: _,
    } = &job.spec.output;
    let default = job.spec.storage.as_ref();
    let (mut secrets, mut config_maps) = (BTreeSet::new(), BTreeSet::new());
    for storage in [input.as_ref().or(default), output.as_ref().or(default)]
        .into_iter()
        .flatten()
    {
        let Storage {
            endpoint: _,
            region: _,
            path_style: _,
            credentials,
            ca_bundle,
        } = storage;
        secrets.extend(credentials.as_ref().map(|secret| secret.secret_name.as_str()));
        config_maps.extend(ca_bundle.as_ref().map(|config_map| config_map.config_map_name.as_str()));
    }
    (secrets, config_maps)
}

fn snapshot(job: &ImageJob) -> Volume {
    let item = KeyToPath {
        key: "job.json".to_owned(),
        path: "job.json".to_owned(),
        mode: None,
    };
    let source = ConfigMapVolumeSource {
        name: snapshot_name(job),
        default_mode: Some(CONFIG_MODE),
        items: Some(vec![item]),
        ..ConfigMapVolumeSource::default()
    };
    Volume {
        config_map: Some(source),
        ..Volume::default()
    }
}

fn scratch() -> (Volume, VolumeMount) {
    let volume = Volume {
        name: "tmp".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    let mount = VolumeMount {
        name: "tmp".to_owned(),
        mount_path: "/tmp".to_owned(),
        ..VolumeMount::default()
    };
    (volume, mount)
}

fn read_only(name: &str, mount_path: String, volume: Volume) -> (Volume, VolumeMount) {
    let mount = VolumeMount {
        name: name.to_owned(),
        mount_path,
        read_only: Some(true),
        ..VolumeMount::default()
    };
    (
        Volume {
            name: name.to_owned(),
            ..volume
        },
        mount,
    )
}
