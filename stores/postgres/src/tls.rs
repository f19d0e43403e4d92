//! TLS with rustls, verified against the system's root certificates.

use level_session_store::{Error, ErrorKind, Result};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Verifies the server's certificate and its name, whatever the `sslmode`. If the variable `SSL_CERT_FILE` is set, its
/// file replaces the system's root certificates.
pub(crate) fn connector() -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Error::new(
            ErrorKind::Config,
            "no root certificates found to verify the server's certificate: install them, or set `SSL_CERT_FILE`",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::new(ErrorKind::Config, "cannot set up TLS").because(cause))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
