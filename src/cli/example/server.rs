//! The accept loop. `axum::serve` would do, but for one thing: it cannot close a connection without an
//! answer, which [`Effect::HangUp`](super::Effect::HangUp) wants.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Clone, Copy)]
pub(super) enum HangUp {
    BeforeAll,
    WithinHead,
}

/// Serves until it is dropped, along with every connection that it has accepted.
pub(super) async fn serve(listener: std::net::TcpListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = TowerToHyperService::new(router);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Mostly no file descriptors left: others will be closed in a moment.
                log::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = service.clone();
        // Past the HTTP server, which writes whole heads only.
        let Ok(bare) = stream.as_fd().try_clone_to_owned().map(std::net::TcpStream::from).map(Arc::new) else {
            continue;
        };
        tokio::spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let answer = service.call(request);
                let bare = bare.clone();
                async move {
                    let response: Response = match answer.await {
                        Ok(response) => response,
                        Err(never) => match never {},
                    };
                    match response.extensions().get::<HangUp>() {
                        Some(HangUp::BeforeAll) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                        Some(HangUp::WithinHead) => {
                            let _ = bare.as_ref().write_all(b"HTTP/1.1 200 OK\r\ncontent-ty");
                            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                        }
                        None => Ok(response),
                    }
                }
            });
            // An error here is a client that went away, or a fault that was asked for.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
