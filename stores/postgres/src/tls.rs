//! TLS by rustls, against the certificates that the system trusts.

use level_session_store::{Error, ErrorKind, Result};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Checks the server's certificate and its name, whatever `sslmode` says. The file of `SSL_CERT_FILE`, if that variable is
/// set, takes the place of the system's certificates.
pub(crate) fn connector() -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "the system has no certificates that a server could be checked against",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(ErrorKind::Config, "TLS cannot be set up").because(cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
