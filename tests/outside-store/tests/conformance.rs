//! The conformance suite, run on a store outside of this workspace.

use level_session_store::conformance::model;
use outside_store::MapStore;

level_session_store::conformance_tests!(outside, MapStore::new());

/// Prevents: a model that only this library's own tests can run.
#[tokio::test]
async fn it_agrees_with_the_model() {
    for seed in 0..60 {
        let words = model::words(seed, 60);
        let exact = model::Sweeps::Exact;
        model::run(&mut MapStore::new(), &words, exact, async |_| {}).await;
    }
}
