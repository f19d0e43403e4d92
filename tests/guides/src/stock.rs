/// Lets one call of [`stock`] return.
pub static STOCK: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);

/// A slow service.
async fn stock() {
    let permit = STOCK.acquire().await;
    permit.expect("the semaphore is never closed").forget();
}
