//! HTTP messages as WASI has them.

use http_body_util::BodyExt;
use spin_sdk::http::{IncomingMessage, Uri};
use spin_sdk::wasip3::http::types::{self, ErrorCode, Fields, HeaderError, Method, Trailers};
use spin_sdk::wasip3::http_compat::IncomingBody;
use spin_sdk::wasip3::wit_bindgen::{FutureReader, StreamReader};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

use super::Origin;
use crate::exchange::{Request, Response, Unreachable};

/// Fields about one connection, which the host writes by itself and refuses from a component, and the
/// length, which is that of the body given here.
const HOST_FIELDS: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The whole body, or nothing if it is larger than `limit`; of a larger body up to `discard` bytes are read.
pub(super) async fn collect<T: IncomingMessage>(
    mut body: IncomingBody<T>,
    limit: usize,
    discard: usize,
) -> Result<Option<Vec<u8>>, ErrorCode> {
    let mut collected = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        length = length.saturating_add(data.len());
        if length <= limit {
            collected.extend_from_slice(&data);
        } else {
            collected = Vec::new();
            if length > discard {
                break;
            }
        }
    }
    Ok((length <= limit).then_some(collected))
}

pub(super) fn unreachable(code: &ErrorCode) -> Unreachable {
    match code {
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Unreachable::Timeout,
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::ConfigurationError => Unreachable::Denied,
        ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => Unreachable::TooLarge,
        _ => Unreachable::Connection,
    }
}

pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

pub(super) fn text_headers(headers: &spin_sdk::http::HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

pub(super) fn outgoing_request(origin: &Origin, request: Request) -> Result<types::Request, ErrorCode> {
    // A body of unknown length would be sent in chunks, even an empty one.
    let length = match request.method.as_str() {
        "GET" | "HEAD" if request.body.is_empty() => None,
        _ => Some(request.body.len()),
    };
    let headers = fields(request.headers, length).map_err(|error| match error {
        HeaderError::SizeExceeded => ErrorCode::HttpRequestHeaderSectionSize(None),
        _ => ErrorCode::ConfigurationError,
    })?;
    let (contents, trailers) = contents(request.body);
    let (outgoing, _transmission) = types::Request::new(headers, contents, trailers, None);
    let method = match request.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        _ => Method::Other(request.method),
    };
    outgoing.set_method(&method).map_err(|()| ErrorCode::HttpRequestMethodInvalid)?;
    outgoing
        .set_scheme(Some(&origin.scheme))
        .and_then(|()| outgoing.set_authority(Some(&origin.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&request.target)))
        .map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    Ok(outgoing)
}

/// `method` is the request's: the answer to HEAD has the head of a response only.
pub(super) fn outgoing_response(response: Response, method: &str) -> Result<types::Response, ErrorCode> {
    let (body, length) = match (method, response.status) {
        ("HEAD", _) | (_, 204 | 304) => (Vec::new(), None),
        _ => {
            let length = response.body.len();
            (response.body, Some(length))
        }
    };
    let headers =
        fields(response.headers, length).map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    let (contents, trailers) = contents(body);
    let (outgoing, _transmission) = types::Response::new(headers, contents, trailers);
    outgoing
        .set_status_code(response.status)
        .map_err(|()| ErrorCode::InternalError(Some("status out of range".to_owned())))?;
    Ok(outgoing)
}

fn fields(headers: Vec<(String, String)>, length: Option<usize>) -> Result<Fields, HeaderError> {
    let mut fields: Vec<(String, Vec<u8>)> = headers
        .into_iter()
        .filter(|(name, _)| !HOST_FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)))
        .map(|(name, value)| (name, value.into_bytes()))
        .collect();
    if let Some(length) = length {
        let length = length.to_string().into_bytes();
        fields.push(("content-length".to_owned(), length));
    }
    Fields::from_list(&fields)
}

type Contents = (Option<StreamReader<u8>>, FutureReader<Result<Option<Trailers>, ErrorCode>>);

fn contents(body: Vec<u8>) -> Contents {
    let (no_trailers, trailers) = wit_future::new(|| Ok(None));
    if body.is_empty() {
        drop(no_trailers);
        return (None, trailers);
    }
    let (mut writer, reader) = wit_stream::new();
    spawn(async move {
        // Bytes come back if the other side went away: there is nobody to tell.
        let _unsent = writer.write_all(body).await;
        drop(writer);
        drop(no_trailers);
    });
    (Some(reader), trailers)
}
