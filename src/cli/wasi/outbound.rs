//! Outbound HTTP of the component: over real connections, or answered in this process.

use axum::http::{self, HeaderMap, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::exchange::{Reply, Request, Response, Unreachable};

/// One intercepted call, and where its reply goes.
pub(super) type Call = (Request, oneshot::Sender<Reply>);

/// Where outbound requests go.
#[derive(Clone)]
pub(super) enum Outbound {
    /// To the authority of their URI, in plain HTTP/1, one connection each.
    Network,
    /// To the other end of a channel. The calls of the application at `origin` show their paths, others their addresses.
    Intercepted { calls: mpsc::UnboundedSender<Call>, origin: String },
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Done), Error>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Done,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        match self {
            Outbound::Network => Box::new(send(request)),
            Outbound::Intercepted { calls, origin } => Box::new(intercept(calls.clone(), origin.clone(), request)),
        }
    }
}

async fn send(mut request: http::Request<WasiBody>) -> Sent {
    if request.uri().scheme() != Some(&http::uri::Scheme::HTTP) {
        return Err(Error::InternalError(Some("the embedded host speaks plain HTTP only".to_owned())));
    }
    let authority = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?;
    let address = match authority.port() {
        Some(_) => authority.to_string(),
        None => format!("{authority}:80"),
    };
    let stream = TcpStream::connect(address).await.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Dropped with the call, so that a call that the component cancels is closed on the wire.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    *request.uri_mut() = origin_form(request.uri())?;
    let response = sender.send_request(request).await?;
    let response = response.map(|body| body.map_err(Error::from).boxed_unsync());
    let done = async move {
        match connections.join_next().await {
            Some(Ok(result)) => result.map_err(Error::from),
            Some(Err(_)) | None => Ok(()),
        }
    };
    Ok((response, Box::new(done)))
}

fn origin_form(uri: &Uri) -> Result<Uri, Error> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    target.parse().map_err(|_| Error::HttpRequestUriInvalid)
}

async fn intercept(calls: mpsc::UnboundedSender<Call>, origin: String, request: http::Request<WasiBody>) -> Sent {
    let (parts, body) = request.into_parts();
    let mut headers = text_headers(&parts.headers);
    // The origin of an intercepted call is nobody's: leaving it out keeps cases the same for all hosts.
    headers.retain(|(name, _)| name != header::HOST.as_str());
    let target = parts.uri.to_string();
    let target = target.strip_prefix(&origin).map(str::to_owned).unwrap_or(target);
    let request =
        Request { method: parts.method.to_string(), target, headers, body: body.collect().await?.to_bytes().to_vec() };
    let (respond, reply) = oneshot::channel();
    let gone = |_| Error::ConnectionTerminated;
    calls.send((request, respond)).map_err(|_| Error::ConnectionTerminated)?;
    let reply = reply.await.map_err(gone)?.map_err(|reason| match reason {
        Unreachable::Timeout => Error::HttpResponseTimeout,
        Unreachable::Connection => Error::ConnectionRefused,
        Unreachable::Denied => Error::HttpRequestDenied,
        Unreachable::TooLarge => Error::HttpResponseBodySize(None),
    })?;
    let Response { status, headers, body } = reply;
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = Full::from(body).map_err(Error::from).boxed_unsync();
    let response = response.body(body);
    let response = response.map_err(|error| Error::InternalError(Some(error.to_string())))?;
    Ok((response, Box::new(async { Ok(()) })))
}

/// Header fields as the engine has them.
pub(super) fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}
