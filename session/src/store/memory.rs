//! STUB
/// Stub.
#[derive(Debug)]
pub struct MemoryStore;
