//! Connections: accepted within the limits, and brought to their end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use super::app::App;

/// How long there has to be no request before connections are closed: as long as one may be on its way.
const QUIET: Duration = Duration::from_secs(1);

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Serves connections until `stop` is ready; then accepts no more, and waits for the requests that there are, at most
/// the grace time. Returns whether all of them ended.
pub(super) async fn serve(listener: TcpListener, router: Router, app: &App, stop: impl Future<Output = ()>) -> bool {
    let limits = &app.limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    let connections = Arc::new(Semaphore::new(limits.max_connections.get().min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let start = |(stream, place): (TcpStream, OwnedSemaphorePermit)| {
        let mut stream = TimeoutStream::new(stream);
        // A client that takes nothing must not hold its connection.
        stream.set_write_timeout(Some(limits.write_timeout));
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        tokio::spawn(async move {
            // What goes wrong with a connection is the client's affair; its request's log line says so.
            let _ = connection.await;
            drop(place);
        });
    };
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = accept(&listener, &connections) => accepted.into_iter().for_each(&start),
            () = &mut stop => break,
        }
    }
    // Connections that wait at the end to be accepted may have brought their request.
    for _ in 0..BACKLOG {
        tokio::select! {
            biased;
            accepted = accept(&listener, &connections) => accepted.into_iter().for_each(&start),
            () = std::future::ready(()) => break,
        }
    }
    drop(listener);
    let ended = tokio::time::timeout(app.limits.grace, async {
        // Only then: a connection that is asked to end does so without reading the request that may be there.
        quiet(app).await;
        graceful.shutdown().await;
    });
    ended.await.is_ok() || app.in_flight().load(Ordering::Relaxed) == 0
}

/// Waits until there has been no request for a while.
async fn quiet(app: &App) {
    let mut since = Instant::now();
    while since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if app.in_flight().load(Ordering::Relaxed) > 0 {
            since = Instant::now();
        }
    }
}

/// The next connection, once there may be one.
async fn accept(listener: &TcpListener, connections: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = connections.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small, and go out at once. It fails only where the connection has failed.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            let of_the_connection =
                [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
            if !of_the_connection.contains(&error.kind()) {
                // As a rule too many open files: until one is closed, trying again is of no use.
                tracing::error!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            None
        }
    }
}
