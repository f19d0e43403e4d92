//! One connection to one server, shared by all tasks. It is opened at the first call, and again after it broke.

use crate::{
    cache::{Kept, Proof},
    counts::Counters,
    fault::{self, Fault, Resolver},
    outage::{Cause, Outage, Outages},
};
use level_session_store::{Error, ErrorKind};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, Value,
    aio::MultiplexedConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// The settings of connections: the same for all servers of a store.
#[derive(Clone)]
pub(crate) struct Dial {
    /// Address, user, password, database, TLS. For other servers only host and port differ.
    pub(crate) info: ConnectionInfo,
    pub(crate) client_name: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) counters: Arc<Counters>,
    pub(crate) outages: Arc<Outages>,
    /// The cache that receives the invalidations of these connections.
    pub(crate) tracks: Option<Arc<Kept>>,
}

pub(crate) struct Link {
    dial: Dial,
    client: Client,
    place: String,
    now: Mutex<Now>,
    was_connected: AtomicBool,
    outage: Arc<Outage>,
}

#[derive(Default)]
enum Now {
    #[default]
    Nothing,
    /// A task is connecting: the channel gets its outcome, unless the runtime ends.
    Connecting(watch::Receiver<Option<Result<Connected, String>>>),
    Connected(Connected),
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    proof: Arc<Proof>,
}

impl Dial {
    /// Adds the settings that the library requires: RESP3, which reports disconnections at once; no delay of small
    /// packets; keepalive, to notice a dead peer.
    pub(crate) fn tuned(mut self) -> Self {
        let redis = self.info.redis_settings().clone();
        let alive = TcpKeepalive::new().with_time(Duration::from_secs(15));
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(alive);
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(Duration::from_secs(10));
        self.info = self
            .info
            .set_redis_settings(
                redis
                    .set_protocol(ProtocolVersion::RESP3)
                    .set_skip_set_lib_name(),
            )
            .set_tcp_settings(tcp);
        self
    }

    /// The same settings for another server.
    pub(crate) fn to(&self, host: &str, port: u16) -> Self {
        let addr = match self.info.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        let mut dial = self.clone();
        dial.info = dial.info.set_addr(addr);
        dial
    }

    pub(crate) fn host(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => "127.0.0.1".to_owned(),
        }
    }

    fn unreachable(&self, place: &str, error: &redis::RedisError) -> Error {
        fault::unreachable(place, self.info.redis_settings().db(), error)
    }

    /// The address, without secrets.
    pub(crate) fn place(&self) -> String {
        self.info.addr().to_string()
    }
}

impl Link {
    pub(crate) fn new(dial: Dial) -> Result<Arc<Self>, Error> {
        let place = dial.place();
        let client =
            Client::open(dial.info.clone()).map_err(|error| dial.unreachable(&place, &error))?;
        let outage = dial.outages.of(&place);
        Ok(Arc::new(Self {
            dial,
            client,
            place,
            now: Mutex::default(),
            was_connected: AtomicBool::new(false),
            outage,
        }))
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn host(&self) -> String {
        self.dial.host()
    }

    /// Host and port, unless the address is a Unix socket.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        match self.dial.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some((host.clone(), *port))
            }
            _ => None,
        }
    }

    pub(crate) async fn call(self: &Arc<Self>, command: &Cmd) -> Result<Value, Fault> {
        Ok(self.call_noted(command).await?.0)
    }

    /// Like [`call`](Self::call), and returns the proof of the connection that responded.
    pub(crate) async fn call_noted(
        self: &Arc<Self>,
        command: &Cmd,
    ) -> Result<(Value, Arc<Proof>), Fault> {
        let mut connected = self.connected().await?;
        match connected.connection.send_packed_command(command).await {
            Ok(Value::ServerError(error)) => Err(Fault::Refused(error.into())),
            Ok(value) => Ok((value, connected.proof)),
            Err(error) => Err(self.failed(&connected, error)),
        }
    }

    /// Connects, unless the link is connected.
    pub(crate) async fn connect_now(self: &Arc<Self>) -> Result<(), Error> {
        match self.connected().await {
            Ok(_) => Ok(()),
            Err(Fault::Unreachable(error)) => Err(error),
            Err(Fault::Refused(error) | Fault::Lost(error)) => {
                Err(self.dial.unreachable(&self.place, &error))
            }
        }
    }

    /// Sends several commands in one round trip, and returns a response for each.
    pub(crate) async fn call_all(
        self: &Arc<Self>,
        commands: &Pipeline,
        count: usize,
    ) -> Result<Vec<Value>, Fault> {
        let mut connected = self.connected().await?;
        let sent = connected
            .connection
            .send_packed_commands(commands, 0, count);
        sent.await.map_err(|error| self.failed(&connected, error))
    }

    /// Drops the connection: the next call opens a new one.
    pub(crate) fn forget(&self) {
        let mut now = self.lock();
        if let Now::Connected(connected) = &*now {
            self.end(&connected.proof);
            *now = Now::Nothing;
        }
    }

    fn is_away(&self, error: &Error) {
        if let Some(times) = self.outage.failed(Cause::Unreachable, Instant::now()) {
            tracing::warn!(
                server = %self.place,
                times,
                %error,
                "a session store's server is unreachable: each request tries to reconnect"
            );
        }
    }

    /// Records that the server rejects commands now.
    pub(crate) fn refuses(&self, error: &Error) {
        if let Some(times) = self.outage.failed(Cause::Refuses, Instant::now()) {
            tracing::warn!(
                server = %self.place,
                times,
                %error,
                "a session store's server rejects commands: each request retries"
            );
        }
    }

    /// Records that the server has accepted a write.
    pub(crate) fn serves(&self) {
        if self.outage.is_over(Cause::Refuses) {
            tracing::info!(server = %self.place, "a session store's server accepts commands again");
        }
    }

    fn end(&self, proof: &Arc<Proof>) {
        proof.end();
        if let Some(kept) = &self.dial.tracks {
            kept.forget_all_of(proof);
        }
    }

    fn failed(&self, connected: &Connected, error: redis::RedisError) -> Fault {
        if let redis::ErrorKind::Server(_) | redis::ErrorKind::Extension = error.kind() {
            return Fault::Refused(error);
        }
        // Also after a timeout: a server that responds late may never respond.
        self.end(&connected.proof);
        self.is_away(&fault::lost("continue", &self.place, &error, false));
        Fault::Lost(error)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection. Calls that find none share one attempt to connect, which runs in a task of its own: so a call
    /// that is no longer polled blocks no other, and concurrent calls wait for an unresponsive server together, not in
    /// turn.
    async fn connected(self: &Arc<Self>) -> Result<Connected, Fault> {
        // Without an outcome, the runtime of an attempt has ended: the first attempt may be that of another runtime.
        for _ in 0..2 {
            let mut attempt = {
                let mut now = self.lock();
                match &*now {
                    Now::Connected(connected) if connected.proof.is_alive() => {
                        return Ok(connected.clone());
                    }
                    Now::Connecting(attempt) if attempt.has_changed().is_ok() => attempt.clone(),
                    _ => {
                        let (told, attempt) = watch::channel(None);
                        *now = Now::Connecting(attempt.clone());
                        tokio::spawn(Arc::clone(self).attempt(told));
                        attempt
                    }
                }
            };
            if let Ok(outcome) = attempt.wait_for(Option::is_some).await
                && let Some(outcome) = &*outcome
            {
                let unreachable =
                    |error: String| Fault::Unreachable(Error::new(ErrorKind::Store, error));
                return outcome.clone().map_err(unreachable);
            }
        }
        Err(Fault::Unreachable(Error::new(
            ErrorKind::Store,
            "cannot connect to the Redis server: the tokio runtime is shutting down",
        )))
    }

    async fn attempt(self: Arc<Self>, told: watch::Sender<Option<Result<Connected, String>>>) {
        let outcome = self.connect().await;
        *self.lock() = match &outcome {
            Ok(connected) => Now::Connected(connected.clone()),
            Err(_) => Now::Nothing,
        };
        match &outcome {
            Ok(_) => {
                if self.was_connected.swap(true, Ordering::AcqRel) {
                    self.dial.counters.reconnected();
                }
                if self.outage.is_over(Cause::Unreachable) {
                    tracing::info!(server = %self.place, "reconnected to a session store's server");
                }
            }
            Err(error) => self.is_away(error),
        }
        told.send_replace(Some(outcome.map_err(|error| error.to_string())));
    }

    async fn connect(&self) -> Result<Connected, Error> {
        let proof = Arc::new(Proof::new());
        let (told, tracks) = (Arc::clone(&proof), self.dial.tracks.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.dial.connect_timeout))
            .set_response_timeout(Some(self.dial.response_timeout))
            .set_pipeline_buffer_size(1_024)
            .set_dns_resolver(Resolver)
            .set_push_sender(move |push: PushInfo| {
                match (push.kind, &tracks) {
                    (PushKind::Disconnection, tracks) => {
                        told.end();
                        if let Some(kept) = tracks {
                            kept.forget_all_of(&told);
                        }
                    }
                    (PushKind::Invalidate, Some(kept)) => kept.changed(&told, &push.data),
                    _ => {}
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await;
        let mut connection = made.map_err(|error| self.dial.unreachable(&self.place, &error))?;
        // A server that rejects this is used without a name for the connection.
        let mut name = redis::cmd("CLIENT");
        name.arg("SETNAME").arg(&self.dial.client_name);
        let _ = connection.send_packed_command(&name).await;
        if self.dial.tracks.is_some() {
            let mut track = redis::cmd("CLIENT");
            track.arg("TRACKING").arg("ON");
            let refused = |error: &redis::RedisError| {
                fault::refused(
                    "enable the invalidations that the cache needs (`CLIENT TRACKING`)",
                    &self.place,
                    error,
                )
            };
            match connection.send_packed_command(&track).await {
                Ok(Value::ServerError(error)) => return Err(refused(&error.into())),
                Ok(_) => {}
                Err(error) => return Err(self.dial.unreachable(&self.place, &error)),
            }
        }
        Ok(Connected { connection, proof })
    }
}
