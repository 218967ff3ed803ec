//! Certificates and kubeconfig files: one authority that lives as long as the cluster's folder.

use std::fs;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::{control_plane::API_SERVER, home::Home, network, node::Node};

/// Writes the authority, all certificates and keys (`pki/`) and kubeconfig files.
///
/// # Errors
/// When a certificate can't be made or a file not be written.
pub fn create(home: &Home) -> Result<()> {
    let key = KeyPair::generate().context("failed to make a key")?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = subject(None, "collodion-cluster-ca");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let certificate = authority
        .self_signed(&key)
        .context("failed to sign the authority's certificate")?;
    write(home, "ca.crt", &certificate.pem())?;
    write(home, "ca.key", &key.serialize_pem())?;
    let issuer = Issuer::new(authority, key);

    let api_server = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        network::API_SERVICE,
        network::HOST_ADDRESS,
    ];
    issue(home, &issuer, "apiserver", subject(None, "kube-apiserver"), &api_server)?;
    issue(home, &issuer, "front-proxy", subject(None, "front-proxy-client"), &[])?;
    for (name, organization, common_name) in [
        ("admin", Some("system:masters"), "admin"),
        ("controller-manager", None, "system:kube-controller-manager"),
        ("scheduler", None, "system:kube-scheduler"),
        ("kube-proxy", None, "system:kube-proxy"),
        ("coredns", None, "system:coredns"),
    ] {
        issue(home, &issuer, name, subject(organization, common_name), &[])?;
        write_kubeconfig(home, name)?;
    }
    for node in Node::ALL {
        let name = node.name();
        let subject = subject(Some("system:nodes"), &format!("system:node:{name}"));
        issue(home, &issuer, &name, subject, &[&name, &node.address()])?;
        write_kubeconfig(home, &name)?;
    }

    let service_accounts = KeyPair::generate().context("failed to make a key")?;
    write(home, "sa.key", &service_accounts.serialize_pem())?;
    write(home, "sa.pub", &service_accounts.public_key_pem())
}

fn subject(organization: Option<&str>, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, common_name);
    name
}

fn issue(
    home: &Home,
    issuer: &Issuer<'_, KeyPair>,
    name: &str,
    subject: DistinguishedName,
    hosts: &[&str],
) -> Result<()> {
    let key = KeyPair::generate().context("failed to make a key")?;
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut certificate = CertificateParams::new(hosts)?;
    certificate.distinguished_name = subject;
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = certificate
        .signed_by(&key, issuer)
        .with_context(|| format!("failed to sign for {name}"))?;
    write(home, &format!("{name}.crt"), &certificate.pem())?;
    write(home, &format!("{name}.key"), &key.serialize_pem())
}

fn write(home: &Home, name: &str, content: &str) -> Result<()> {
    let path = home.path("pki").join(name);
    fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))
}

fn write_kubeconfig(home: &Home, user: &str) -> Result<()> {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "collodion", "cluster": {
            "server": API_SERVER,
            "certificate-authority": home.path("pki/ca.crt"),
        }}],
        "users": [{"name": user, "user": {
            "client-certificate": home.path(format!("pki/{user}.crt")),
            "client-key": home.path(format!("pki/{user}.key")),
        }}],
        "contexts": [{"name": "collodion", "context": {"cluster": "collodion", "user": user}}],
        "current-context": "collodion",
    });
    let path = home.path(format!("{user}.kubeconfig"));
    fs::write(&path, config.to_string()).with_context(|| format!("failed to write {}", path.display()))
}
