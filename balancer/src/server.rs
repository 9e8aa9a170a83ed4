//! A listener with patience and a bound: headers must come in time, connections are counted, shutdown waits a little.
//!
//! `axum::serve` has no limit on how long a client may take over its headers; that is the reason for this file.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take once shutdown began.
const GRACE: Duration = Duration::from_secs(3);

/// Who is at the other end, put into every request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(SocketAddr);

/// The client's address as the connection has it.
pub(crate) fn peer(request: &Request) -> IpAddr {
    // Only a request that came through no socket has none.
    request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip())
}

/// Serves `app` until `shutdown`. While `connections` has no place left, new ones wait in the system's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    connections: Arc<Semaphore>,
    shutdown: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        if let Some((stream, address, place)) = accepted {
            connection(stream, address, place, app.clone(), &graceful, cut.clone());
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were still open at shutdown and are cut");
    }
    cut.cancel();
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            // Out of file descriptors, as a rule: trying again at once would only burn CPU.
            tracing::warn!(%error, "cannot accept connections");
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

fn connection(
    stream: TcpStream,
    address: SocketAddr,
    place: OwnedSemaphorePermit,
    app: Router,
    graceful: &GracefulShutdown,
    cut: CancellationToken,
) {
    // Small answers must not wait for Nagle; a socket that refuses the option works without.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        app.clone().oneshot(request.map(Body::new))
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            ended = connection => if let Err(error) = ended {
                tracing::trace!(error = ?error, %address, "connection ended");
            },
            () = cut.cancelled() => {}
        }
        drop(place);
    });
}
