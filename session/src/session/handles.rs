use super::Untyped;
use crate::{
    Result,
    field::{CounterValue, Key},
};

macro_rules! handle { ($($name:ident)*) => {$(
    /// Handle.
    #[derive(Debug)]
    #[must_use]
    pub struct $name<'a, T: 'static> { session: &'a Untyped, key: Key<T> }
    impl<'a, T> $name<'a, T> {
        #[doc(hidden)]
        pub fn new(session: &'a Untyped, key: Key<T>) -> Self { Self { session, key } }
    }
)*}}
handle!(Field OptField Counter Flash);

impl<T> Field<'_, T> {
    /// Set.
    pub fn set(self, _value: T) -> Result<()> {
        let _ = (self.session, self.key);
        todo!()
    }
}
impl<T> OptField<'_, T> {
    /// Set.
    pub fn set(self, _value: T) -> Result<()> {
        todo!()
    }
}
impl<T> Flash<'_, T> {
    /// Set.
    pub fn set(self, _value: T) -> Result<()> {
        todo!()
    }
}
impl<T: CounterValue> Counter<'_, T> {
    /// Add.
    pub fn add(self, _value: T) -> Result<()> {
        todo!()
    }
}
impl<T> Future for Field<'_, T> {
    type Output = Result<T>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        todo!()
    }
}
impl<T> Future for OptField<'_, T> {
    type Output = Result<Option<T>>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        todo!()
    }
}
impl<T> Future for Flash<'_, T> {
    type Output = Result<Option<T>>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        todo!()
    }
}
impl<T> Future for Counter<'_, T> {
    type Output = Result<T>;
    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        todo!()
    }
}
