//! The address of the server, and the protection of the connection to it.

use level_session_store::{Error, ErrorKind, Result};
use std::{future::Future, net::IpAddr, pin::Pin, str::FromStr as _, task::Context, task::Poll};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error as Cause, NoTls,
    config::{Host, SslMode},
};

/// A checked address.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_postgres_rustls::MakeRustlsConnect>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protection {
    /// By TLS, unless the server is on this machine.
    #[default]
    OffLoopback,
    /// Not at all.
    PlainText,
}

impl Address {
    pub(crate) fn new(url: &str, protection: Protection) -> Result<Self> {
        // The client's own text may show a part of the address.
        let mut config = Config::from_str(&plain_mode(url)).map_err(|_| {
            refused("the address of the server cannot be read: it has the form `postgres://user:password@host:port/database`")
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused("the address of the server names no host"));
        }
        if config.get_application_name().is_none() {
            config.application_name("level-session");
        }
        let asks_for_tls = config.get_ssl_mode() == SslMode::Require;
        let needs_tls = protection == Protection::OffLoopback && !is_local(&config);
        if !(asks_for_tls || needs_tls) {
            config.ssl_mode(SslMode::Disable);
            return Ok(Self {
                config,
                #[cfg(feature = "tls")]
                tls: None,
            });
        }
        // `prefer` would connect without TLS if the server has none.
        config.ssl_mode(SslMode::Require);
        #[cfg(feature = "tls")]
        return Ok(Self {
            config,
            tls: Some(crate::tls::connector()?),
        });
        #[cfg(not(feature = "tls"))]
        Err(refused(
            "the server is on another machine and this build has no TLS: enable the feature `tls`, or set `plain_text` if the \
             network is your own",
        ))
    }

    /// A connection outside the pool.
    pub(crate) async fn connect(&self) -> Result<(Client, Messages), Cause> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let (client, mut connection) = self.config.connect(tls.clone()).await?;
            return Ok((
                client,
                Messages(Box::new(move |cx| connection.poll_message(cx))),
            ));
        }
        let (client, mut connection) = self.config.connect(NoTls).await?;
        Ok((
            client,
            Messages(Box::new(move |cx| connection.poll_message(cx))),
        ))
    }

    /// A connection driven by a task of its own.
    pub(crate) async fn client(&self) -> Result<Client, Cause> {
        let (client, mut messages) = self.connect().await?;
        tokio::spawn(async move {
            while let Some(Ok(_)) = std::future::poll_fn(|cx| messages.poll(cx)).await {}
        });
        Ok(client)
    }
}

type Poller = dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Cause>>> + Send;

/// Drives the connection and yields the server's unsolicited messages.
pub(crate) struct Messages(Box<Poller>);

impl Messages {
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, Cause>>> {
        (self.0)(cx)
    }
}

/// Connects for the pool.
impl deadpool_postgres::Connect for Address {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<
        Box<dyn Future<Output = Result<(Client, tokio::task::JoinHandle<()>), Cause>> + Send + '_>,
    > {
        Box::pin(async move {
            let (client, mut messages) = Self::connect(self).await?;
            let task = tokio::spawn(async move {
                while let Some(message) = std::future::poll_fn(|cx| messages.poll(cx)).await {
                    if let Err(cause) = message {
                        let fault = crate::fault::Fault::of(&cause);
                        tracing::debug!(
                            error = &fault as &dyn std::error::Error,
                            "a connection to the session store's PostgreSQL server was closed"
                        );
                        return;
                    }
                }
            });
            Ok((client, task))
        })
    }
}

/// Replaces the `sslmode`s of other clients that verify the certificate: this client always does.
fn plain_mode(url: &str) -> String {
    ["verify-full", "verify-ca"]
        .iter()
        .fold(url.to_owned(), |url, mode| {
            url.replace(&format!("sslmode={mode}"), "sslmode=require")
        })
}

/// Whether every host is this machine: a loopback address, `localhost` or a Unix socket.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    // If there are addresses, the client connects to them and not to the host names.
    match config.get_hostaddrs() {
        [] => hosts,
        addresses => addresses.iter().all(IpAddr::is_loopback),
    }
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

    use super::*;

    fn mode(url: &str, protection: Protection) -> Option<SslMode> {
        let address = Address::new(url, protection).ok()?;
        Some(address.config.get_ssl_mode())
    }

    /// Passwords and sessions would cross the network in plain text.
    #[test]
    fn plain_text_stays_on_this_machine_unless_it_is_asked_for() {
        let secured = cfg!(feature = "tls").then_some(SslMode::Require);
        for local in [
            "127.0.0.1",
            "127.1.2.3",
            "[::1]",
            "localhost",
            "%2Frun%2Fpostgresql",
        ] {
            let url = format!("postgres://user:secret@{local}/db");
            assert_eq!(
                mode(&url, Protection::OffLoopback),
                Some(SslMode::Disable),
                "{local}"
            );
        }
        for far in [
            "db.example",
            "10.0.0.1",
            "localhost.example",
            "127.0.0.1,10.0.0.1",
            "[::2]",
        ] {
            let url = format!("postgres://user:secret@{far}/db");
            assert_eq!(mode(&url, Protection::OffLoopback), secured, "{far}");
            for asked in ["disable", "prefer"] {
                let url = format!("{url}?sslmode={asked}");
                assert_eq!(
                    mode(&url, Protection::OffLoopback),
                    secured,
                    "{far}, {asked}"
                );
            }
            assert_eq!(
                mode(&url, Protection::PlainText),
                Some(SslMode::Disable),
                "{far}"
            );
        }
        let elsewhere = "postgres://localhost/db?hostaddr=10.0.0.1";
        assert_eq!(mode(elsewhere, Protection::OffLoopback), secured);
        for asked in ["require", "verify-ca", "verify-full"] {
            let url = format!("postgres://localhost/db?sslmode={asked}");
            assert_eq!(mode(&url, Protection::PlainText), secured, "{asked}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_shown() {
        for url in [
            "",
            "postgres://",
            "postgres:///db",
            "redis://hunter2@h",
            "postgres://u:hunter2@h:port/db",
        ] {
            let error = Address::new(url, Protection::PlainText).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
