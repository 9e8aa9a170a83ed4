//! One listening port: accepts connections up to a limit and serves HTTP/1.1 on each, with timeouts against clients that
//! hold a connection without using it. It must not know JSON-RPC.

use crate::{
    Listener, ServeError,
    http::{HEAD_HEADER, HttpService, Port},
    timed::TimedStream,
};
use hyper::{
    Method,
    header::{HeaderValue, RETRY_AFTER},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Connections the system accepts before we do; thousands of clients may come at once after a restart.
const BACKLOG: u32 = 4096;
/// Bytes of a request's headers, and of a pipeline not yet looked at.
const HEADER_BYTES: usize = 64 << 10;
/// How long to wait when the system has no more sockets for us.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(100);
/// How long a browser remembers what it may do here (geth).
const CORS_AGE: Duration = Duration::from_secs(600);
/// What a client reads that is one too many.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 1\r\n\
    content-length: 21\r\nconnection: close\r\n\r\ntoo many connections\n";

/// Binds a port.
pub(crate) fn bind(listener: &Listener) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = listener.listen;
    let bind = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A node that is started again at once finds its port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    bind().map_err(|source| ServeError::Listen { address, source })
}

/// `None` when no browser may call from elsewhere.
pub(crate) fn cors(domains: &[String]) -> Result<Option<CorsLayer>, ServeError> {
    if domains.is_empty() {
        return Ok(None);
    }
    let origins = if domains.iter().any(|domain| domain == "*") {
        AllowOrigin::any()
    } else {
        let origin =
            |domain: &String| domain.parse::<HeaderValue>().map_err(|_| ServeError::CorsDomain(domain.clone()));
        AllowOrigin::list(domains.iter().map(origin).collect::<Result<Vec<_>, _>>()?)
    };
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HEAD_HEADER, RETRY_AFTER])
        .max_age(CORS_AGE);
    Ok(Some(layer))
}

/// Accepts connections until `stop` changes.
pub(crate) async fn accept(
    socket: TcpListener,
    port: Arc<Port>,
    cors: Option<CorsLayer>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(port.node.config.max_connections.min(Semaphore::MAX_PERMITS)));
    loop {
        let (stream, peer) = tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if is_exhausted(&error) {
                        tracing::warn!(%error, "no more connections can be accepted for now");
                        tokio::time::sleep(OUT_OF_SOCKETS).await;
                    }
                    continue;
                }
            },
            _ = stop.changed() => return,
        };
        let Ok(permit) = places.clone().try_acquire_owned() else {
            // Without waiting: whoever is refused has no claim on our time.
            let _ = stream.try_write(FULL);
            continue;
        };
        let service = HttpService { port: port.clone(), peer: peer.ip(), permit: Arc::new(permit) };
        tokio::spawn(connection(stream, service, cors.clone(), stop.clone()));
    }
}

/// Whether accepting fails for want of something, and would fail at once again.
fn is_exhausted(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn connection(stream: TcpStream, service: HttpService, cors: Option<CorsLayer>, mut stop: watch::Receiver<bool>) {
    // It fails only on a socket that is gone already.
    let _ = stream.set_nodelay(true);
    let config = &service.port.node.config;
    let io = TokioIo::new(TimedStream::new(stream, config.write_timeout));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(config.header_timeout).max_buf_size(HEADER_BYTES);
    let service = tower::ServiceBuilder::new().option_layer(cors).service(service);
    let connection = builder.serve_connection(io, TowerToHyperService::new(service)).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
