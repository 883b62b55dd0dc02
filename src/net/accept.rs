//! The accept loop. `axum::serve` has no timeout for a head, a first byte or a stalled reader, so
//! the loop is our own: every wait has an end, there is a cap on connections, and a stop lets open
//! requests finish.

use super::stalled::Guarded;
use crate::stop::Stop;
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt as _;

/// How long connections may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once, live sockets included. More are closed as they come.
    pub connections: u32,
    /// For a request's head, from the connection's first moment or the answer before.
    pub header: Duration,
    /// For a client that does not read: no byte of an answer taken in this time ends it.
    pub write: Duration,
    /// For open requests and sockets at a stop.
    pub drain: Duration,
}

/// What a handler knows of its connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The other end: a client, or a proxy.
    pub address: SocketAddr,
    /// Held as long as the connection counts. A live socket keeps it beyond its request.
    pub permit: Arc<OwnedSemaphorePermit>,
}

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    room: Arc<Semaphore>,
    router: Router,
}

impl Connections {
    /// Connections that this router answers.
    pub fn new(router: Router, limits: Limits) -> Self {
        Self { limits, room: Arc::new(Semaphore::new(limits.connections as usize)), router }
    }

    /// Accepts until the word to stop; then lets open requests finish, for `drain` at most.
    pub async fn serve(self, listener: TcpListener, mut stop: Stop) {
        let mut stopped = stop.clone();
        loop {
            tokio::select! {
                () = stopped.given() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => self.open(stream, address, &mut stop),
                    Err(error) => pause_after(&error).await,
                },
            }
        }
        drop(listener);
        // Every connection holds a permit, and a live socket still does after its request.
        let drained = self.room.acquire_many(self.limits.connections);
        if tokio::time::timeout(self.limits.drain, drained).await.is_err() {
            tracing::warn!("connections were still open at the end of the drain");
        }
    }

    fn open(&self, stream: TcpStream, address: SocketAddr, stop: &mut Stop) {
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            metrics::counter!("letterbox_connections_refused_total").increment(1);
            return;
        };
        let _ = stream.set_nodelay(true);
        let peer = Peer { address, permit: Arc::new(permit) };
        let router = self.router.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(ConnectInfo(peer.clone()));
            request.map(Body::new)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(64 * 1024)
            .serve_connection(
                TokioIo::new(Guarded::new(stream, self.limits.write)),
                TowerToHyperService::new(router),
            )
            .with_upgrades();
        let mut stop = stop.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // A connection that breaks is its client's affair: nothing is logged.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.given() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

/// Most accept errors are about one connection that is already gone. Running out of descriptors is
/// not, and would spin.
async fn pause_after(error: &std::io::Error) {
    use std::io::ErrorKind as Kind;
    let gone = [Kind::ConnectionAborted, Kind::ConnectionReset, Kind::ConnectionRefused];
    if !gone.contains(&error.kind()) {
        tracing::warn!(kind = %error.kind(), "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
