/// The session without a declared type.
#[derive(Clone, Debug)]
pub struct Untyped(std::sync::Arc<()>);
