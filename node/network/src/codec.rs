//! Reads and writes requests and responses on a stream: four bytes of length, big endian, then the message.

use crate::message::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, Request, Response};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use std::io;

/// Memory grows with what arrives, not with what the length claims.
const FIRST_ALLOCATION: usize = 64 << 10;

/// The bounded codec.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codec;

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > max {
        return Err(invalid(format!("message of {length} bytes; the most is {max}")));
    }
    let mut bytes = Vec::with_capacity(length.min(FIRST_ALLOCATION));
    let read = io.take(length as u64).read_to_end(&mut bytes).await?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8], max: usize) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= max);
    let length = length.ok_or_else(|| invalid(format!("message of {} bytes; the most is {max}", bytes.len())))?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    metrics::counter!("atoll_network_request_bytes_total", "direction" => "out").increment(u64::from(length));
    io.close().await
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read(io, MAX_REQUEST_BYTES).await?;
        metrics::counter!("atoll_network_request_bytes_total", "direction" => "in").increment(bytes.len() as u64);
        Request::decode(&bytes).map_err(|err| invalid(err.to_string()))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read(io, MAX_RESPONSE_BYTES).await?;
        metrics::counter!("atoll_network_request_bytes_total", "direction" => "in").increment(bytes.len() as u64);
        // Up to 16 MiB of RLP: too long for the task that drives the connections.
        let decoded = tokio::task::spawn_blocking(move || Response::decode(&bytes)).await;
        decoded.map_err(io::Error::other)?.map_err(|err| invalid(err.to_string()))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request.encode(), MAX_REQUEST_BYTES).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response.encode(), MAX_RESPONSE_BYTES).await
    }
}
