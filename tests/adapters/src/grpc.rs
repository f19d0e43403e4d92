//! A gRPC service with text messages, shared by client and server: no protobuf, and no generated code.

use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::Bytes,
};

/// The name of the service.
pub const NAME: &str = "conformance.Visits";
/// A method that performs the action in the message.
pub const ACT: &str = "/conformance.Visits/Act";
/// A method that adds to two sessions.
pub const TWO: &str = "/conformance.Visits/Two";
/// A method that produces its messages after the head of the response was sent.
pub const LATE: &str = "/conformance.Visits/Late";

/// UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, text.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes: Bytes = bytes::Buf::copy_to_bytes(from, bytes::Buf::remaining(from));
        let text = String::from_utf8(bytes.into());
        text.map(Some)
            .map_err(|_| Status::invalid_argument("no text"))
    }
}
