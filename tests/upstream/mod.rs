//! Upstream servers on loopback: one that echoes, and raw ones that misbehave.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

/// Answers every request with what it received, as JSON. Headers of the request ask for more: `x-status` for this
/// status, `x-reply-size` for a body of as many `x`, `x-together` to wait for as many requests.
pub(crate) struct Upstream {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Gathering(std::sync::Mutex<BTreeMap<usize, Arc<Barrier>>>);

impl Upstream {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(echo)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::new(Gathering::default()));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Upstream {
            address,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

async fn echo(
    State(gathering): State<Arc<Gathering>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = |name: &str| -> Option<usize> { headers.get(name)?.to_str().ok()?.parse().ok() };
    if let Some(number) = asked("x-together") {
        let barrier = {
            let mut barriers = gathering.0.lock().unwrap();
            barriers
                .entry(number)
                .or_insert_with(|| Arc::new(Barrier::new(number)))
                .clone()
        };
        barrier.wait().await;
    }
    let status = asked("x-status").map_or(StatusCode::OK, |status| {
        StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap()
    });
    let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &headers {
        let values = seen.entry(name.as_str()).or_default();
        values.push(value.to_str().unwrap());
    }
    let body = match asked("x-reply-size") {
        Some(size) => "x".repeat(size),
        None if status == StatusCode::NO_CONTENT => String::new(),
        None => json!({
            "method": method.as_str(),
            "target": uri.to_string(),
            "headers": seen,
            "body": String::from_utf8_lossy(&body),
        })
        .to_string(),
    };
    (status, [("x-from", "upstream")], body).into_response()
}

/// An address that nothing listens on.
pub(crate) fn closed() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Accepts one connection, reads the head of a request, and answers it with `reply` as it is. Then it closes the
/// connection or, to `hold` it, waits until the peer does; that it is over is told to the receiver.
pub(crate) fn raw(reply: &'static str, hold: bool) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (over, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "the request has no end");
            head.extend_from_slice(&buffer[..length]);
        }
        stream.write_all(reply.as_bytes()).unwrap();
        while hold && stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        let _ = over.send(());
    });
    (address, receiver)
}
