//! Ends reported by other processes, over the servers' publish and subscribe.

use crate::{cache::Cache, link::Dial, servers::Servers, shared::Shared};
use level_session_store::{Digest, Home, WatchList};
use redis::{PushInfo, PushKind, Value};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// Listens for as long as the store exists, and reopens a broken connection. Returns once it listens for the first
/// time, or cannot.
pub(crate) fn listen(shared: &Arc<Shared>, dial: &Dial) -> oneshot::Receiver<()> {
    let (listens, listening) = oneshot::channel();
    let weak = Arc::downgrade(shared);
    let ended = Arc::clone(&shared.ended);
    let channel = shared.keys.channel();
    let cache = shared.cache.clone();
    let dial = dial.clone();
    let task = tokio::spawn(async move {
        let mut listens = Some(listens);
        let mut pause = Duration::from_millis(10);
        loop {
            let Some(at) = address(&weak).await else {
                return;
            };
            let (told, mut tells) = mpsc::unbounded_channel::<PushInfo>();
            if let Some(_connection) = subscribe(&dial, at, &channel, told).await {
                pause = Duration::from_millis(10);
                if let Some(listens) = listens.take() {
                    let _ = listens.send(());
                }
                while let Some(push) = tells.recv().await {
                    match push.kind {
                        PushKind::Message => tell(&ended, cache.as_deref(), &push.data),
                        PushKind::Disconnection => break,
                        _ => {}
                    }
                }
                tracing::debug!("the connection that listens for ended sessions broke");
            }
            drop(listens.take());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    });
    let mut tasks = shared
        .background
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    tasks.push(task);
    listening
}

/// A server to listen to: in a Cluster each one publishes. `None` once the store is dropped.
async fn address(shared: &Weak<Shared>) -> Option<Option<(String, u16)>> {
    let shared = shared.upgrade()?;
    let servers: &Servers = &shared.servers;
    Some(
        servers
            .link(Home::ONLY)
            .await
            .ok()
            .and_then(|link| link.address()),
    )
}

async fn subscribe(
    dial: &Dial,
    at: Option<(String, u16)>,
    channel: &str,
    told: mpsc::UnboundedSender<PushInfo>,
) -> Option<redis::aio::MultiplexedConnection> {
    let dial = match at {
        Some((host, port)) => dial.to(&host, port),
        None => dial.clone(),
    };
    let client = redis::Client::open(dial.info.clone()).ok()?;
    let config = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(dial.connect_timeout))
        .set_response_timeout(Some(dial.response_timeout))
        .set_dns_resolver(crate::fault::Resolver)
        .set_push_sender(told);
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .ok()?;
    connection.subscribe(channel).await.ok()?;
    Some(connection)
}

fn tell(ended: &WatchList, cache: Option<&Cache>, data: &[Value]) {
    if let [_, Value::BulkString(digest)] = data
        && let Ok(digest) = <[u8; 32]>::try_from(&digest[..])
    {
        let id = Digest::from_bytes(digest);
        // A watcher may read the session, and this message may arrive before the server's invalidation reaches the
        // cache.
        if let Some(cache) = cache {
            cache.kept.forget(id);
        }
        ended.tell(id);
    }
}
