use std::rc::Rc;

use serde_json::{Value, json};

use crate::Engine;
use crate::engine::NativeToken;
use crate::exchange::{Exchange, Moment, Output, Request, Response};

const MAPPING: &str = "{mapping: v1, upstream: {base: '/{tenant}/api', headers: {x-key: 'k {env.KEY_{tenant}}'}, \
    auth: {oauth: {token_url: '/{tenant}/token', client_id: edge, client_secret: {env: 'SECRET_{tenant}'}, \
    client: body}}}, paging: {offset: {param: o, size: s, max: 9}, items: d, total: t}, resources: {User: {path: /u, \
    attributes: {id: {native: id, access: read}, userName: {native: n}}, list: {}}}}";

fn engine() -> Rc<Engine> {
    let settings = [
        (
            "SCIM_EDGE_TOKENS",
            "acme=a,acme=a2==,umbrella=sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
        ),
        ("KEY_acme", "1"),
        ("KEY_umbrella", "2"),
        ("SECRET_acme", "s1"),
        ("SECRET_umbrella", "s2"),
    ];
    let environment = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Rc::new(Engine::new(MAPPING, "mapping.yaml", &environment).unwrap())
}

/// The calls that a request becomes, with their credentials, and its response. Token endpoints give out `token` for
/// `expires_in` seconds, and `refused` is a token that the application does not take.
fn run(
    engine: &Rc<Engine>,
    (client, target): (&str, &str),
    now: u64,
    (token, expires_in, refused): (&str, Value, &str),
) -> (Vec<String>, Response) {
    let request = Request {
        method: "GET".to_owned(),
        target: format!("/scim/v2{target}"),
        headers: vec![("authorization".to_owned(), format!("Bearer {client}"))],
        body: Vec::new(),
    };
    let mut exchange = Exchange::new(Rc::clone(engine), request, Moment { now: now * 1000, entropy: [1; 32] });
    let mut calls = Vec::new();
    loop {
        match exchange.poll_output() {
            Output::Call(id, call, _) => {
                let path = call.target.split('?').next().unwrap_or_default().to_owned();
                let credential = call.header("authorization").unwrap_or_default();
                let reply = if path.ends_with("/token") {
                    calls.push(format!("{path} {}", String::from_utf8_lossy(&call.body)));
                    (200, json!({ "access_token": token, "expires_in": expires_in }))
                } else {
                    calls.push(format!("{path} {} {credential}", call.header("x-key").unwrap_or_default()));
                    let status = if credential.ends_with(refused) { 401 } else { 200 };
                    (status, json!({ "d": [{ "id": call.target, "n": "a" }], "t": 3, "id": "7", "n": "a" }))
                };
                let body = reply.1.to_string().into_bytes();
                exchange.handle_reply(id, Ok(Response { status: reply.0, headers: Vec::new(), body }), now * 1000);
            }
            Output::Respond(response) => return (calls, response),
            Output::Waiting | Output::Pause(..) => panic!("it waits for nothing"),
        }
    }
}

#[test]
fn a_token_is_kept_until_shortly_before_it_expires_and_renewed_once_when_it_is_refused() {
    let engine = engine();
    let read = ("a", "/Users/7");
    let login = |body: &str| format!("/acme/token client_id=edge&client_secret={body}&grant_type=client_credentials");
    let (calls, _) = run(&engine, read, 0, ("t1", json!(300), "-"));
    assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t1".to_owned()]);
    let (calls, _) = run(&engine, read, 269, ("t2", json!(300), "-"));
    assert_eq!(calls, ["/acme/api/u/7 k 1 Bearer t1"]);
    let (calls, _) = run(&engine, read, 270, ("t2", json!("40"), "-"));
    assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t2".to_owned()]);
    // Half of a short time.
    let (calls, _) = run(&engine, read, 290, ("t3", json!(null), "-"));
    assert_eq!(calls, [login("s1"), "/acme/api/u/7 k 1 Bearer t3".to_owned()]);
    let (calls, response) = run(&engine, read, 9_000_000, ("t4", json!(300), "t3"));
    let refused = "/acme/api/u/7 k 1 Bearer t3".to_owned();
    assert_eq!(calls, [refused, login("s1"), "/acme/api/u/7 k 1 Bearer t4".to_owned()]);
    assert_eq!(response.status, 200);
    let (calls, response) = run(&engine, read, 9_000_001, ("t5", json!(300), "t4"));
    assert_eq!((calls.len(), response.status), (3, 200));
    let (calls, response) = run(&engine, read, 9_000_002, ("t5", json!(300), "t5"));
    assert_eq!((calls.len(), response.status), (3, 502));
}

#[test]
fn tenants_share_nothing() {
    let engine = engine();
    // `a`, `b` (by its digest) and another token of the first tenant.
    let (calls, _) = run(&engine, ("a", "/Users/7"), 0, ("t1", json!(300), "-"));
    assert!(calls[0].contains("client_secret=s1"), "{calls:?}");
    let (calls, _) = run(&engine, ("b", "/Users/7"), 0, ("t2", json!(300), "-"));
    assert!(calls[0].starts_with("/umbrella/token") && calls[0].contains("client_secret=s2"), "{calls:?}");
    assert_eq!(calls[1], "/umbrella/api/u/7 k 2 Bearer t2");
    let (calls, _) = run(&engine, ("a2==", "/Users/7"), 0, ("-", json!(300), "-"));
    assert_eq!(calls, ["/acme/api/u/7 k 1 Bearer t1"]);

    let (_, response) = run(&engine, ("a", "/Users?cursor=&count=1"), 0, ("-", json!(300), "-"));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let next = format!("/Users?count=1&cursor={}", body["nextCursor"].as_str().unwrap());
    assert_eq!(run(&engine, ("a2==", &next), 0, ("-", json!(300), "-")).1.status, 200);
    let (calls, response) = run(&engine, ("b", &next), 0, ("-", json!(300), "-"));
    assert!(calls.is_empty() && response.status == 400, "{calls:?}");
    for unknown in ["acme", "acme=a", "c", ""] {
        assert_eq!(run(&engine, (unknown, "/Users/7"), 0, ("-", json!(300), "-")).1.status, 401);
    }
}

/// An application that knows one session at a time, the one that began last.
#[derive(Default)]
struct Sessions {
    logins: usize,
    /// Whether it is in no state to begin another.
    closed: bool,
}

impl Sessions {
    fn reply(&mut self, call: &Request) -> Response {
        let (status, body) = if call.target.ends_with("/token") {
            self.logins += 1;
            let token = format!("s{}", self.logins);
            if self.closed { (500, Value::Null) } else { (200, json!({ "access_token": token, "expires_in": 300 })) }
        } else if call.header("authorization") == Some(&format!("Bearer s{}", self.logins)) {
            (200, json!({ "id": "7", "n": "a" }))
        } else {
            (401, Value::Null)
        };
        Response { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// The statuses of requests at once, each of which gets one thing that it waits for in its turn.
    fn serve(&mut self, engine: &Rc<Engine>, count: usize) -> Vec<u16> {
        let mut exchanges: Vec<Exchange> = (0..count).map(|_| read(engine)).collect();
        let mut waits: Vec<Vec<Output>> = exchanges.iter().map(|_| Vec::new()).collect();
        let mut statuses = Vec::new();
        for round in 0..100 {
            for (exchange, waits) in exchanges.iter_mut().zip(&mut waits) {
                match waits.pop() {
                    Some(Output::Call(id, call, _)) => exchange.handle_reply(id, Ok(self.reply(&call)), round * 100),
                    Some(Output::Pause(id, _)) => exchange.resume(id, round * 100),
                    _ => {}
                }
                loop {
                    match exchange.poll_output() {
                        Output::Waiting => break,
                        Output::Respond(response) => {
                            statuses.push(response.status);
                            break;
                        }
                        output => waits.push(output),
                    }
                }
            }
        }
        statuses
    }
}

fn read(engine: &Rc<Engine>) -> Exchange {
    let request = Request {
        method: "GET".to_owned(),
        target: "/scim/v2/Users/7".to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer a".to_owned())],
        body: Vec::new(),
    };
    Exchange::new(Rc::clone(engine), request, Moment { now: 0, entropy: [1; 32] })
}

#[test]
fn of_requests_at_once_one_logs_in() {
    let (engine, mut sessions) = (engine(), Sessions::default());
    assert_eq!(sessions.serve(&engine, 6), [200; 6]);
    assert_eq!(sessions.logins, 1);
    // Somebody else has ended that session.
    sessions.logins += 1;
    assert_eq!(sessions.serve(&engine, 6), [200; 6]);
    assert_eq!(sessions.logins, 3);
}

#[test]
fn a_login_that_fails_is_not_repeated_by_those_who_wait_for_it() {
    let (engine, mut sessions) = (engine(), Sessions { closed: true, ..Sessions::default() });
    let mut statuses = sessions.serve(&engine, 6);
    statuses.sort_unstable();
    assert_eq!((sessions.logins, statuses), (1, vec![502, 503, 503, 503, 503, 503]));
    sessions.closed = false;
    assert_eq!(sessions.serve(&engine, 2), [200; 2]);
}

#[test]
fn a_session_that_another_request_began_meanwhile_is_tried_too() {
    let engine = engine();
    let mut exchange = read(&engine);
    for (token, meanwhile, (status, body)) in [
        (None, None, (200, json!({ "access_token": "s1" }))),
        (Some("Bearer s1"), None, (401, Value::Null)),
        (None, None, (200, json!({ "access_token": "s2" }))),
        (Some("Bearer s2"), Some("s3"), (401, Value::Null)),
        (Some("Bearer s3"), None, (200, json!({ "id": "7", "n": "a" }))),
    ] {
        let Output::Call(id, call, _) = exchange.poll_output() else { panic!("it makes no call") };
        assert_eq!(call.header("authorization"), token);
        if let Some(value) = meanwhile {
            *engine.tenants[0].token.borrow_mut() = Some(NativeToken { value: value.to_owned(), until: None });
        }
        let body = body.to_string().into_bytes();
        exchange.handle_reply(id, Ok(Response { status, headers: Vec::new(), body }), 0);
    }
    assert!(matches!(exchange.poll_output(), Output::Respond(response) if response.status == 200));
}
