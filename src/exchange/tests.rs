//! What a host sees of the bounds on time and concurrency.

use super::*;
use crate::Environment;

const NOW: u64 = 1_767_225_600_000;

fn exchange(limits: &str, method: &str, target: &str, body: &str) -> Exchange {
    let mapping = format!(
        "mapping: v1\nupstream: {{}}\nlimits: {limits}\nresources:\n  User:\n    path: /users\n    attributes:\n      \
         id: {{ native: id, access: read }}\n      userName: {{ native: login, required: true }}\n      \
         title: {{ native: title }}\n    update: {{}}\n  Group:\n    path: /groups\n    attributes:\n      \
         id: {{ native: id, access: read }}\n      displayName: {{ native: name, required: true }}\n    members:\n      \
         add: {{ method: PUT, path: '/groups/{{id}}/{{member}}' }}\n      \
         remove: {{ method: DELETE, path: '/groups/{{id}}/{{member}}' }}\n"
    );
    let environment = Environment::from([("SCIM_EDGE_TOKENS".to_owned(), "t".to_owned())]);
    let engine = Rc::new(Engine::new(&mapping, "m.yaml", &environment).unwrap());
    let request = Request {
        method: method.to_owned(),
        target: format!("/scim/v2{target}"),
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
        body: body.as_bytes().to_vec(),
    };
    Exchange::new(engine, request, Moment { now: NOW, entropy: [7; 32] })
}

fn call(exchange: &mut Exchange) -> (CallId, Duration) {
    match exchange.poll_output() {
        Output::Call(id, _, timeout) => (id, timeout),
        other => panic!("{other:?}"),
    }
}

fn status(exchange: &mut Exchange) -> u16 {
    match exchange.poll_output() {
        Output::Respond(response) => response.status,
        other => panic!("{other:?}"),
    }
}

fn user() -> Reply {
    Ok(Response { status: 200, headers: Vec::new(), body: br#"{"id":"7","login":"a","title":null}"#.to_vec() })
}

const PATCH: &str = r#"{"Operations":[{"op":"replace","path":"title","value":"x"}]}"#;

#[test]
fn a_call_ends_with_the_request() {
    let mut exchange = exchange("{ time: 5, call: 3 }", "PATCH", "/Users/7", PATCH);
    let (id, timeout) = call(&mut exchange);
    assert_eq!(timeout, Duration::from_secs(3));
    exchange.handle_reply(id, user(), NOW + 3_500);
    assert_eq!(call(&mut exchange).1, Duration::from_millis(1_500));
}

#[test]
fn no_call_begins_after_the_end() {
    let mut exchange = exchange("{ time: 5, call: 10 }", "PATCH", "/Users/7", PATCH);
    let (id, timeout) = call(&mut exchange);
    assert_eq!(timeout, Duration::from_secs(5));
    exchange.handle_reply(id, user(), NOW + 5_000);
    assert_eq!(status(&mut exchange), 504);
}

#[test]
fn pauses_double_and_do_not_outlast_the_request() {
    let mut exchange = exchange("{ time: 1, retries: 5 }", "GET", "/Users/7", "");
    let mut now = NOW;
    for expected in [100, 200, 400] {
        let (id, _) = call(&mut exchange);
        exchange.handle_reply(id, Err(Unreachable::Connection), now);
        let Output::Pause(id, pause) = exchange.poll_output() else { panic!() };
        assert_eq!(pause, Duration::from_millis(expected));
        assert!(matches!(exchange.poll_output(), Output::Waiting));
        now += expected;
        exchange.resume(id, now);
    }
    let (id, timeout) = call(&mut exchange);
    assert_eq!(timeout, Duration::from_millis(300));
    exchange.handle_reply(id, Err(Unreachable::Connection), now);
    assert_eq!(status(&mut exchange), 502);
}

#[test]
fn only_so_many_calls_are_under_way_at_once() {
    let members: Vec<String> = (1..=7).map(|id| format!(r#"{{"value":"{id}"}}"#)).collect();
    let body = format!(r#"{{"Operations":[{{"op":"add","path":"members","value":[{}]}}]}}"#, members.join(","));
    let mut exchange = exchange("{ concurrency: 3 }", "PATCH", "/Groups/5", &body);
    let mut batches = Vec::new();
    loop {
        let mut batch = Vec::new();
        let response = loop {
            match exchange.poll_output() {
                Output::Call(id, ..) => batch.push(id),
                Output::Respond(response) => break Some(response),
                _ => break None,
            }
        };
        if let Some(response) = response {
            assert_eq!(response.status, 204);
            break;
        }
        batches.push(batch.len());
        for id in batch {
            exchange.handle_reply(id, Ok(Response { status: 204, ..Response::default() }), NOW);
        }
    }
    assert_eq!(batches, [3, 3, 1]);
}

/// What hosts do that reuse an instance for many requests, and interleave them.
#[test]
fn exchanges_of_one_engine_do_not_see_each_other() {
    let first = exchange("{}", "GET", "/Users/7", "");
    let engine = first.engine.clone();
    let request = |id: u32| Request {
        method: "GET".to_owned(),
        target: format!("/scim/v2/Users/{id}"),
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
        body: Vec::new(),
    };
    let start = |id| Exchange::new(engine.clone(), request(id), Moment { now: NOW, entropy: [7; 32] });
    let mut exchanges: Vec<(u32, Exchange)> = (1..=40).map(|id| (id, start(id))).collect();
    let calls: Vec<CallId> = exchanges.iter_mut().map(|(_, exchange)| call(exchange).0).collect();
    // The last one is answered first, and every third one never.
    for ((id, exchange), call) in exchanges.iter_mut().zip(calls).rev().filter(|((id, _), _)| id % 3 != 0) {
        let body = format!(r#"{{"id":"{id}","login":"secret-{id}"}}"#).into_bytes();
        exchange.handle_reply(call, Ok(Response { status: 200, headers: Vec::new(), body }), NOW);
    }
    for (id, exchange) in &mut exchanges {
        match exchange.poll_output() {
            Output::Respond(response) => {
                let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
                assert_eq!((&body["id"], &body["userName"]), (&id.to_string().into(), &format!("secret-{id}").into()));
            }
            Output::Waiting => assert_eq!(*id % 3, 0),
            other => panic!("{other:?}"),
        }
    }
}
