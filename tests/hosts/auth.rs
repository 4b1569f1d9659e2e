//! Who may send SCIM requests.

use scim_edge::cli::DemoHost;
use scim_edge::cli::demo::Demo;
use sha2::{Digest, Sha256};

use crate::common::{Answer, MAPPING, Scim, user};

const SECRETS: [&str; 5] = ["first-canary", "second-canary", "third-canary", "wrong-canary", "demo-application-key"];

/// Two tokens in clear, as in a rotation, and two as digests, one of them of a token of 64 KiB.
pub(crate) fn tokens(host: DemoHost) {
    let long = "long-canary-".repeat((64 << 10) / 12 + 1);
    let digest = |token: &str| {
        let hex: String = Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    let tokens = format!("first-canary second-canary,{}, {}", digest("third-canary"), digest(&long));
    let demo = Demo::start_with(host, MAPPING, &[("SCIM_EDGE_TOKENS", &tokens)]).unwrap();
    let scim = Scim::of(&demo);
    let ask = |credential: Option<&str>| {
        let mut request = scim.request("GET", "/Users");
        if let Some(credential) = credential {
            request = request.header("authorization", credential);
        }
        Answer::to(request)
    };

    let as_bearer = |token: &str| format!("Bearer {token}");
    for credential in [
        as_bearer("first-canary"),
        as_bearer("second-canary"),
        as_bearer("third-canary"),
        as_bearer(&long),
        "bearer first-canary".to_owned(),
        // Some identity providers send the token alone.
        "second-canary".to_owned(),
    ] {
        ask(Some(&credential)).expect(200);
    }

    demo.app().log().clear();
    let mut answers = vec![ask(None)];
    for credential in [
        as_bearer("wrong-canary"),
        as_bearer("first-canary second-canary"),
        as_bearer("first-canar"),
        as_bearer(&digest("third-canary")),
        as_bearer(""),
        as_bearer(&"x".repeat(64 << 10)),
        "Basic Zmlyc3QtY2FuYXJ5".to_owned(),
        "Basic first-canary".to_owned(),
    ] {
        answers.push(ask(Some(&credential)));
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = scim.request(method, "/Users/1").header("authorization", "Bearer wrong-canary");
        answers.push(Answer::to(request.body(user("auth.nobody").to_string())));
    }
    answers.push(Answer::to(scim.request("GET", "/ServiceProviderConfig")));
    answers.push(Answer::to(scim.request("GET", "/Nothing")));
    for answer in &answers {
        answer.error(401);
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        for secret in SECRETS.into_iter().chain(["canary"]) {
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
    }
    assert_eq!(demo.app().log().lines(), Vec::<String>::new(), "the application hears of it");
    let log = demo.log();
    for secret in SECRETS.into_iter().chain(["canary", "Zmlyc3QtY2FuYXJ5"]) {
        assert!(!log.contains(secret), "`{secret}` in {log}");
    }
    assert!(log.contains(" 401 calls=0 "), "{log}");
}
