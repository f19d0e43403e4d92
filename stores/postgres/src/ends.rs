//! Reports ends to other processes: in batches, by `NOTIFY`.
//!
//! A `NOTIFY` in each commit would serialize all commits of the database. So the ends are collected for a moment and
//! sent together, on a background connection, with `synchronous_commit` off: the ends themselves are already stored.

use crate::{
    Shared,
    address::Address,
    fault::{self, Fault},
    param::{Param, Statement},
    schema::Schema,
    server::{Doing, Server},
};
use level_session_store::{Digest, Result};
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::sleep,
};
use tokio_postgres::AsyncMessage;

const TELL: Doing = Doing::Writing("notify other processes of ended sessions");

/// How long ends are collected.
const MOMENT: Duration = Duration::from_millis(50);

/// Digests per message: the payload of a `NOTIFY` is limited to 8,000 bytes.
const BATCH: usize = 100;

/// How many ends are queued at most while the server is unreachable. An end that is not reported still takes effect at
/// the next access.
const WAITING: usize = 100_000;

/// The longest delay before a broken connection is reopened.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends by this process that are to be reported to others.
pub(crate) struct Ends {
    /// This process's name in its messages.
    pub(crate) sender: String,
    waiting: Mutex<VecDeque<Digest>>,
    more: Notify,
}

impl Ends {
    pub(crate) fn new(sender: String) -> Self {
        Self {
            sender,
            waiting: Mutex::default(),
            more: Notify::new(),
        }
    }

    pub(crate) fn push(&self, id: Digest) {
        let mut waiting = self.lock();
        if waiting.len() < WAITING {
            waiting.push_back(id);
            self.more.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Digest>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Vec<Digest> {
        let mut waiting = self.lock();
        let many = waiting.len().min(BATCH);
        waiting.drain(..many).collect()
    }
}

/// The channel of a schema: its name is limited to 63 bytes.
pub(crate) fn channel(schema: &Schema) -> String {
    let name = Digest::of("level-session postgres channel", schema.name().as_bytes());
    format!("level_session_{}", name.short())
}

impl Server {
    /// Sends everything that is queued.
    pub(crate) async fn tell(&self, ends: &Ends) {
        loop {
            let ids = ends.next();
            if ids.is_empty() {
                return;
            }
            if let Err(error) = self.notify(&ends.sender, &ids).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot notify other processes of ended sessions: they notice at their next access"
                );
            }
        }
    }

    async fn notify(&self, sender: &str, ids: &[Digest]) -> Result<()> {
        let mut payload = String::with_capacity(sender.len() + ids.len() * 65);
        payload.push_str(sender);
        for id in ids {
            payload.push(' ');
            for byte in id.as_bytes() {
                payload.push_str(&format!("{byte:02x}"));
            }
        }
        let mut notify = Statement::default();
        let channel = notify.bind(Param::Text(channel(&self.schema)));
        let payload = notify.bind(Param::Text(payload));
        notify.push(format_args!(
            "SELECT pg_notify({channel}, {payload}), set_config('synchronous_commit', 'off', true)"
        ));
        self.rows(TELL, &notify).await.map(drop)
    }
}

/// Reports the ends by this process for as long as the store exists.
pub(crate) async fn tell(store: Weak<Shared>, ends: Arc<Ends>) {
    loop {
        ends.more.notified().await;
        sleep(MOMENT).await;
        let Some(store) = store.upgrade() else {
            return;
        };
        store.server.tell(&ends).await;
    }
}

/// Listens on a separate connection and reopens it when it breaks. Returns once it listens for the first time.
pub(crate) async fn listen(
    store: Weak<Shared>,
    address: Address,
    channel: String,
    sender: String,
) -> Result<JoinHandle<()>> {
    let (first, listens) = oneshot::channel();
    let mut first = Some(first);
    let task = tokio::spawn(async move {
        let mut wait = Duration::from_millis(100);
        loop {
            let heard = hear(&store, &address, &channel, &sender, &mut first).await;
            if store.strong_count() == 0 {
                return;
            }
            if let Err(fault) = heard {
                match first.take() {
                    // The caller that waits for the first time gets the error, and the task ends.
                    Some(first) => {
                        drop(first.send(Err(fault)));
                        return;
                    }
                    None => tracing::warn!(
                        error = &fault as &dyn std::error::Error,
                        "the connection that listens for ended sessions broke: reconnecting"
                    ),
                }
            } else {
                wait = Duration::from_millis(100);
            }
            sleep(wait).await;
            wait = (wait * 2).min(PATIENCE);
        }
    });
    match listens.await {
        Ok(Ok(())) => Ok(task),
        Ok(Err(fault)) => Err(level_session_store::Error::store(
            "cannot listen for sessions that other processes end",
            fault,
        )),
        Err(_) => Err(fault::damaged("the listening task ended")),
    }
}

type First = Option<oneshot::Sender<Result<(), Fault>>>;

async fn hear(
    store: &Weak<Shared>,
    address: &Address,
    channel: &str,
    sender: &str,
    first: &mut First,
) -> Result<(), Fault> {
    let (client, mut messages) = address.connect().await.map_err(|cause| Fault::of(&cause))?;
    let listen = format!("LISTEN {channel}");
    let mut listening = std::pin::pin!(client.batch_execute(&listen));
    let mut done = false;
    loop {
        let message = poll_fn(|cx| {
            if !done && let std::task::Poll::Ready(answer) = listening.as_mut().poll(cx) {
                done = true;
                return match answer {
                    Ok(()) => std::task::Poll::Ready(None),
                    Err(cause) => std::task::Poll::Ready(Some(Some(Err(cause)))),
                };
            }
            messages.poll(cx).map(Some)
        });
        match message.await {
            None => {
                if let Some(first) = first.take() {
                    drop(first.send(Ok(())));
                }
            }
            Some(Some(Ok(AsyncMessage::Notification(told)))) => {
                let Some(store) = store.upgrade() else {
                    return Ok(());
                };
                for id in read(told.payload(), sender) {
                    store.ended.tell(id);
                }
            }
            Some(Some(Ok(_))) => {}
            Some(Some(Err(cause))) => return Err(Fault::of(&cause)),
            Some(None) => return Ok(()),
        }
    }
}

/// The digests of a message from another process; none if the message is not from level-session.
fn read<'a>(payload: &'a str, sender: &str) -> impl Iterator<Item = Digest> + use<'a> {
    let mut words = payload.split(' ');
    let ours = words.next() == Some(sender);
    words.filter(move |_| !ours).filter_map(|word| {
        let mut bytes = [0; 32];
        if word.len() != 64 || !word.is_ascii() {
            return None;
        }
        for (n, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&word[2 * n..2 * n + 2], 16).ok()?;
        }
        Some(Digest::from_bytes(bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any client with a connection to the database can send to a channel.
    #[test]
    fn a_foreign_message_says_nothing() {
        let hex = "ab".repeat(32);
        assert_eq!(read(&format!("other {hex}"), "us").count(), 1);
        for payload in [
            "",
            "other",
            &format!("us {hex}"),
            &format!("other {}", "é".repeat(32)),
            &format!("other {}", "+1".repeat(32)),
            &format!("other {}", &hex[1..]),
        ] {
            // `+1` parses as a number; the result is the digest of no session.
            assert!(read(payload, "us").count() <= usize::from(payload.contains('+')));
        }
    }
}
