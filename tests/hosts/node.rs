//! What only the Node server does. It is the shipped one, with the npm package as it is packed.

use scim_edge::cli::DemoHost;
use scim_edge::cli::node::NodeServer;
use serde_json::json;

use crate::common::{Answer, Front, SECRETS, http};
use crate::raw_app::{MAPPING, RawApp};
use scim_edge::cli::demo::TOKEN;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("a_request_and_its_reply_arrive_whole", a_request_and_its_reply_arrive_whole),
    ("replies_are_whole_up_to_16_mib", replies_are_whole_up_to_16_mib),
    ("a_body_that_is_too_large_is_refused", a_body_that_is_too_large_is_refused),
    ("a_client_that_is_gone_cancels_the_calls", a_client_that_is_gone_cancels_the_calls),
    ("a_broken_mapping_does_not_start", a_broken_mapping_does_not_start),
    ("other_paths_are_not_found", other_paths_are_not_found),
];

fn a_request_and_its_reply_arrive_whole() {
    let app = RawApp::start();
    let front = Front::start(DemoHost::Node, MAPPING, app.address());
    let scim = front.scim();
    let created = scim.post("/Users", &json!({ "userName": "zoë", "title": "1 & 2" }));
    assert_eq!(created.expect(201)["userName"], "zoë");
    assert_eq!(created.headers["content-length"], created.text.len().to_string());
    assert_eq!(created.headers["location"], format!("{}/scim/v2/Users/new", scim.origin));
    assert_eq!(scim.get("/Users?filter=userName%20eq%20%22a%26b%20%C3%AB%22").expect(200)["totalResults"], 0);
    let head = scim.send("HEAD", "/Users/1", None);
    assert_eq!((head.status, head.text.as_str()), (405, ""));
    let deleted = scim.delete("/Users/1");
    deleted.expect(204);
    assert_eq!(deleted.text, "");
    let calls = app.take_calls();
    let [create, list, delete] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(create.line, "POST /users HTTP/1.1");
    assert_eq!(create.json(), json!({ "login": "zoë", "title": "1 & 2" }));
    assert_eq!(create.values("host"), [app.address().to_string()]);
    assert_eq!(create.values("content-length"), [create.body.len().to_string()]);
    assert_eq!(create.values("x-api-key"), ["native-secret"]);
    assert_eq!(list.line, "GET /users?login=a%26b%20%C3%AB HTTP/1.1");
    assert_eq!((delete.line.as_str(), delete.body.len()), ("DELETE /users/1 HTTP/1.1", 0));
}

fn replies_are_whole_up_to_16_mib() {
    let app = RawApp::start();
    let front = Front::start(DemoHost::Node, MAPPING, app.address());
    let size = 16 << 20;
    let user = front.scim().get(&format!("/Users/big-{size}")).expect(200);
    assert!(user["title"].as_str().unwrap().len() > size - 200);
    let detail = front.scim().get(&format!("/Users/big-{}", size + 1)).error(502);
    assert!(detail.contains("too large"), "{detail}");
}

fn a_body_that_is_too_large_is_refused() {
    let app = RawApp::start();
    let front = Front::start(DemoHost::Node, MAPPING, app.address());
    let scim = front.scim();
    let limit = 1 << 20;
    let post = |length: usize| {
        let mut body = json!({ "userName": "big" }).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        Answer::to(scim.request("POST", "/Users").bearer_auth(TOKEN).body(body))
    };
    post(limit).expect(201);
    for length in [limit + 1, 3 * limit] {
        let detail = post(length).error(413);
        assert!(detail.contains("larger than 1048576 bytes"), "{detail}");
    }
}

fn a_client_that_is_gone_cancels_the_calls() {
    let app = RawApp::start();
    let front = Front::start(DemoHost::Node, MAPPING, app.address());
    for word in ["stall-before", "stall-within"] {
        let client = std::thread::scope(|scope| {
            let request = front.scim().request("GET", &format!("/Users/{word}")).bearer_auth(TOKEN);
            scope.spawn(|| request.timeout(std::time::Duration::from_secs(2)).send()).join().unwrap()
        });
        assert!(client.unwrap_err().is_timeout());
        app.hung_up();
    }
    front.scim().get("/Users/7").expect(200);
}

fn a_broken_mapping_does_not_start() {
    let broken = MAPPING.replace("native: login", "nativ: login").replace("create: {}", "creat: {}");
    let settings = SECRETS.into_iter().chain([("SCIM_EDGE_UPSTREAM", "http://127.0.0.1:1")]);
    let settings: Vec<_> = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let error = NodeServer::start(&broken, &settings).unwrap_err().to_string();
    for text in ["mapping:8:", "nativ", "creat", "help: "] {
        assert!(error.contains(text), "`{text}` is not in {error}");
    }
    let error = NodeServer::start(MAPPING, &settings[1..]).unwrap_err().to_string();
    assert!(error.contains("SCIM_EDGE_TOKENS is not set"), "{error}");
}

fn other_paths_are_not_found() {
    let app = RawApp::start();
    let front = Front::start(DemoHost::Node, MAPPING, app.address());
    let detail = Answer::to(http().get(format!("{}/login?next=/scim/v2", front.scim().origin))).error(404);
    assert!(detail.contains("not a SCIM path"), "{detail}");
}
