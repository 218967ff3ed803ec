//! A real Kubernetes cluster of three nodes on one machine, for tests and for a look around.
//!
//! The control plane runs as processes of the host; each node is a kubelet, a container runtime and a service proxy
//! in namespaces of their own, on one bridge. [`lifecycle`] reads as the list of what is started.

pub mod addons;
pub mod certs;
pub mod cgroup;
pub mod chart;
pub mod cluster;
pub mod command;
pub mod control_plane;
pub mod forward;
pub mod home;
pub mod images;
pub mod init;
pub mod kubectl;
pub mod lifecycle;
pub mod network;
pub mod node;
pub mod oci;
pub mod prerequisites;
pub mod process;
pub mod progress;
pub mod s3;
pub mod tools;
