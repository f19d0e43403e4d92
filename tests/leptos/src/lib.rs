//! The application of the guide, as printed there.

use tokio::sync::Semaphore;

/// Lets one call of [`stock`] return.
pub static STOCK: Semaphore = Semaphore::const_new(0);

/// A slow service.
async fn stock() {
    let permit = STOCK.acquire().await;
    permit.expect("the semaphore is never closed").forget();
}

include!("../../../session/docs/leptos.rs");
