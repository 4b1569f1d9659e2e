//! Native calls that are made again, where doing them twice is doing them once.

use std::time::Duration;

use super::{Native, is_absent};
use crate::exchange::{Reply, Request, Response, Unreachable};
use crate::mapping::errors::retry_after;

/// The longest `Retry-After` that is waited for. A client is told of a longer one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The pause before the first repetition where the application asks for none; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// What calls are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// They change nothing, even by POST.
    Reads,
    Writes,
    /// The same, and their own success is taken for that of somebody else the second time.
    Creates,
}

impl Native<'_> {
    /// Makes calls, and those again that found nobody or a busy application, where doing them twice is doing them
    /// once (RFC 9110 section 9.2.2), while the request has time.
    pub(super) async fn send_patiently(
        &self,
        requests: Vec<&Request>,
        effect: Effect,
        credential: Option<&(String, String)>,
    ) -> Vec<Reply> {
        let prepare = |request: &Request| self.prepare(request, credential);
        let mut replies = self.upstream.call_all(requests.iter().map(|request| prepare(request))).await;
        for attempt in 0..self.mapping().limits.retries {
            let usual = PAUSE.saturating_mul(1 << attempt);
            let mut pause = Duration::ZERO;
            let mut again: Vec<(&Request, &mut Reply)> = Vec::new();
            for (request, reply) in requests.iter().zip(&mut replies) {
                if let Some(wanted) = pause_before_repeating((request, effect), reply, self.moment.now, usual) {
                    pause = pause.max(wanted);
                    again.push((request, reply));
                }
            }
            if again.is_empty() || !self.upstream.pause(pause).await {
                break;
            }
            let second = self.upstream.call_all(again.iter().map(|(request, _)| prepare(request))).await;
            for ((request, reply), second) in again.into_iter().zip(second) {
                *reply = second.map(|second| if is_done(request, reply, &second) { done() } else { second });
            }
        }
        replies
    }
}

/// How long to wait before a call is made again, if it is to be made again: `usual` unless the application says when.
fn pause_before_repeating(
    (request, effect): (&Request, Effect),
    reply: &Reply,
    now: u64,
    usual: Duration,
) -> Option<Duration> {
    // What has been done makes a condition fail the second time.
    let conditional = ["if-match", "if-none-match"].iter().any(|name| request.header(name).is_some());
    let idempotent = matches!(request.method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE") && !conditional;
    let idempotent = match effect {
        Effect::Reads => true,
        Effect::Writes => idempotent,
        Effect::Creates => false,
    };
    let pause = match reply {
        Err(Unreachable::Connection) => usual,
        Ok(reply) if matches!(reply.status, 502..=504) => retry_after(reply, now).map_or(usual, Duration::from_secs),
        // An application that does not say when is not asked at once.
        Ok(reply) if reply.status == 429 => Duration::from_secs(retry_after(reply, now)?),
        _ => return None,
    };
    (idempotent && pause <= PATIENCE).then_some(pause)
}

/// Whether the second reply to a DELETE says that the first one, whose reply was lost, has been carried out.
fn is_done(request: &Request, first: &Reply, second: &Response) -> bool {
    let lost = matches!(first, Err(_) | Ok(Response { status: 502 | 504, .. }));
    request.method == "DELETE" && lost && is_absent(second, &[])
}

fn done() -> Response {
    Response { status: 204, ..Response::default() }
}
