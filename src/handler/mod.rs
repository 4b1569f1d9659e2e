//! One async function for each SCIM operation.

use std::rc::Rc;

use crate::Engine;
use crate::exchange::{Moment, Request, Response, Upstream};

/// Answers one SCIM request.
pub(crate) async fn handle(
    engine: Rc<Engine>,
    upstream: Upstream,
    request: Request,
    _moment: Moment,
) -> Response {
    let _ = engine;
    let call = Request {
        target: format!("/echo{}", request.target),
        ..request
    };
    match upstream.call(call).await {
        Ok(reply) => reply,
        Err(error) => Response {
            status: 502,
            headers: vec![],
            body: format!("{{\"detail\":\"{error:?}\"}}").into_bytes(),
        },
    }
}
