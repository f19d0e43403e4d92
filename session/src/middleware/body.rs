//! The body of a response that replaces one whose session could not be stored.

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

/// How a [`SessionLayer`](crate::SessionLayer) creates its own response bodies, next to bodies of type `B` of the inner
/// service: [`SameBody`] or [`AnyBody`].
#[diagnostic::on_unimplemented(
    message = "a session layer cannot create a response body of type `{B}`",
    label = "the inner service's response body is `{B}`",
    note = "call `.any_body()` on the `SessionLayer`"
)]
pub trait MakeBody<B>: sealed::Sealed {
    /// The body of responses outside the layer.
    type Body;
    #[doc(hidden)]
    fn pass(response: Response<B>) -> Response<Self::Body>;
    #[doc(hidden)]
    fn make(page: Vec<u8>) -> Self::Body;
}

/// The layer's responses have the same body type as those of the inner service: the default. It costs nothing, and works
/// with every body that can be made from a `Vec<u8>`: axum's `Body`, `Full<Bytes>`.
#[derive(Clone, Copy, Debug)]
pub struct SameBody;

// A trait with its own message, so that the compiler reports the layer and not `From`.
#[diagnostic::do_not_recommend]
impl<B: From<Vec<u8>>> MakeBody<B> for SameBody {
    type Body = B;

    fn pass(response: Response<B>) -> Response<B> {
        response
    }

    fn make(page: Vec<u8>) -> B {
        page.into()
    }
}

/// The layer's responses have a [`SessionBody`], which wraps any body: see
/// [`SessionLayer::any_body`](crate::SessionLayer::any_body).
#[derive(Clone, Copy, Debug)]
pub struct AnyBody;

impl<B> MakeBody<B> for AnyBody {
    type Body = SessionBody<B>;

    fn pass(response: Response<B>) -> Response<SessionBody<B>> {
        response.map(|body| SessionBody {
            inner: Either::Theirs { body },
        })
    }

    fn make(page: Vec<u8>) -> SessionBody<B> {
        let page = (!page.is_empty()).then_some(page);
        SessionBody {
            inner: Either::Ours { page },
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::SameBody {}
    impl Sealed for super::AnyBody {}
}

pin_project! {
    /// The body of the inner service's response, or of a response that replaces one whose session could not be stored.
    #[derive(Debug)]
    pub struct SessionBody<B> {
        #[pin]
        inner: Either<B>,
    }
}

pin_project! {
    #[project = EitherProjection]
    #[derive(Debug)]
    enum Either<B> {
        Theirs { #[pin] body: B },
        /// Not sent yet.
        Ours { page: Option<Vec<u8>> },
    }
}

impl<B> Body for SessionBody<B>
where
    B: Body,
    B::Data: From<Vec<u8>>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().inner.project() {
            EitherProjection::Theirs { body } => body.poll_frame(cx),
            EitherProjection::Ours { page } => {
                Poll::Ready(page.take().map(|page| Ok(Frame::data(page.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Either::Theirs { body } => body.is_end_stream(),
            Either::Ours { page } => page.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Either::Theirs { body } => body.size_hint(),
            Either::Ours { page } => {
                SizeHint::with_exact(page.as_ref().map_or(0, |page| page.len() as u64))
            }
        }
    }
}
