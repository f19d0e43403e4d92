//! A store wrapper that records latencies with the `metrics` crate.

use crate::store::{
    Commit, Cursor, Digest, Found, Loaded, Outcome, Page, Result, Select, Store, StoreFuture,
    Swept, Timestamp, Wrapper,
};
use metrics::histogram;
use std::{sync::Arc, time::Instant};

/// A store whose calls are measured.
pub(crate) struct Metered(pub(crate) Arc<dyn Store>);

impl Metered {
    #[expect(
        clippy::disallowed_methods,
        reason = "a latency is measured in real time, independently of the clock that a test sets"
    )]
    fn measured<'a, T: Send + 'a>(
        call: &'static str,
        answer: impl FnOnce() -> StoreFuture<'a, T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        StoreFuture::boxed(async move {
            let begun = Instant::now();
            let answer: Result<T> = answer().await;
            let outcome = if answer.is_ok() { "ok" } else { "error" };
            histogram!("level_session_store_seconds", "call" => call, "outcome" => outcome)
                .record(begun.elapsed());
            answer
        })
    }
}

impl Wrapper for Metered {
    fn inner(&self) -> &dyn Store {
        &*self.0
    }

    fn wrap_load<'a>(
        &'a self,
        id: Digest,
        select: Select<'a>,
        now: Timestamp,
    ) -> StoreFuture<'a, Loaded> {
        Self::measured("load", move || self.0.load(id, select, now))
    }

    fn wrap_commit<'a>(&'a self, commit: Commit<'a>) -> StoreFuture<'a, Outcome> {
        Self::measured("commit", move || self.0.commit(commit))
    }

    fn wrap_find<'a>(
        &'a self,
        field: &'a str,
        entry: &'a [u8],
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Found>> {
        Self::measured("find", move || self.0.find(field, entry, after, limit, now))
    }

    fn wrap_page<'a>(
        &'a self,
        after: Option<&'a Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'a, Page<Digest>> {
        Self::measured("page", move || self.0.page(after, limit, now))
    }

    fn wrap_sweep(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Swept> {
        Self::measured("sweep", move || self.0.sweep(now, limit))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expiry, Keyring, MemoryStore, Sessions, store::Clock, store::Timestamp};
    use http::HeaderMap;
    use metrics::{
        Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit,
    };
    use std::{
        collections::BTreeMap,
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering::Relaxed},
        },
        time::Duration,
    };

    /// Counts by name and labels.
    #[derive(Default)]
    struct Counts(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    struct Samples(Arc<AtomicU64>);

    impl HistogramFn for Samples {
        fn record(&self, _: f64) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    impl Counts {
        fn of(&self, key: &Key) -> Arc<AtomicU64> {
            let labels = key.labels().map(|label| label.value().to_owned());
            let name = [key.name().to_owned()].into_iter().chain(labels);
            let name = name.collect::<Vec<_>>().join(" ");
            self.0.lock().unwrap().entry(name).or_default().clone()
        }
    }

    impl Recorder for Counts {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.of(key))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(Samples(self.of(key))))
        }
    }

    /// Prevents: ended sessions that are not counted, or are counted twice if an observer is also set.
    #[test]
    fn what_begins_and_ends_is_counted_once_beside_an_observer() {
        let counts = Counts::default();
        let observed = Arc::new(AtomicU64::new(0));
        let seen = observed.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        metrics::with_local_recorder(&counts, || {
            runtime.block_on(async {
                let clock = Clock::manual(Timestamp::from_millis(1_000));
                let sessions = Sessions::builder(MemoryStore::new(), Keyring::generate().unwrap())
                    .clock(clock.clone())
                    .expiry(Expiry::idle(Duration::from_secs(60)))
                    .metrics()
                    .metrics()
                    .observer(move |_| {
                        seen.fetch_add(1, Relaxed);
                    })
                    .build()
                    .unwrap();
                for end in 0..3 {
                    let session = sessions.begin(&HeaderMap::new());
                    session.set("a", 1).unwrap();
                    session.commit().await.unwrap();
                    match end {
                        0 => session.destroy().unwrap(),
                        1 => drop(sessions.end(&session.handle().unwrap()).await.unwrap()),
                        _ => session.renew().unwrap(),
                    }
                    let _ = sessions.finish(&session, &mut HeaderMap::new()).await;
                }
                clock.advance(Duration::from_secs(60));
                assert_eq!(sessions.sweep().await.unwrap(), 1);
            });
        });
        let counted = counts.0.lock().unwrap();
        let value = |name: &str| counted.get(name).map_or(0, |count| count.load(Relaxed));
        assert_eq!(value("level_session_created_total"), 3);
        assert_eq!(value("level_session_renewed_total"), 1);
        for reason in ["signed_out", "application", "expired"] {
            assert_eq!(
                value(&format!("level_session_ended_total {reason}")),
                1,
                "{reason}"
            );
        }
        assert_eq!(observed.load(Relaxed), 7);
        assert_eq!(value("level_session_store_seconds sweep ok"), 1);
        assert_eq!(value("level_session_store_seconds commit ok"), 6);
        assert_eq!(value("level_session_store_seconds load error"), 0);
    }
}
