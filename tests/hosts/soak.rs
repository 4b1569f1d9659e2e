//! Mixed traffic of identity providers for a while: `SCIM_EDGE_SOAK=600 cargo test --test hosts -- soak`, ten seconds
//! unless it is said. Every answer is what it must be, and the VM's memory does not grow.

use std::thread;
use std::time::{Duration, Instant};

use scim_edge::cli::envoy::Envoy;
use scim_edge::cli::example::{ExampleApp, Options};
use serde_json::{Value, json};

use crate::common::{Answer, MAPPING, Scim, envoy_config, http, start_envoy, user};

pub(crate) const TESTS: &[(&str, fn())] = &[("soak", soak)];

/// Between two requests: 25 in a second.
const INTERVAL: Duration = Duration::from_millis(40);

/// Clients that work side by side, each on a user of its own.
const CLIENTS: u32 = 5;

/// What an identity provider asks about a user from the first day to the last, in this order, and the answers.
const LIFE: [(&str, u16); 15] = [
    ("find", 200),
    ("create", 201),
    ("create", 409),
    ("find", 200),
    ("read", 200),
    ("update", 200),
    ("join", 204),
    ("read the group", 200),
    ("replace", 200),
    ("suspend", 200),
    ("list", 200),
    ("resume", 200),
    ("leave", 204),
    ("delete", 204),
    ("read", 404),
];

fn soak() {
    let seconds = std::env::var("SCIM_EDGE_SOAK").map_or(10, |text| text.parse().expect("SCIM_EDGE_SOAK is a number"));
    let app = ExampleApp::start(Options { api_key: "native-secret".to_owned(), ..Options::default() }).unwrap();
    app.seed_users(200).unwrap();
    let group = app.seed_group("Soak", &[]).unwrap();
    let envoy = start_envoy(&envoy_config(MAPPING, app.address()));
    let rounds = u32::try_from(seconds * 25).unwrap().div_ceil(CLIENTS);
    let start = Instant::now() + INTERVAL;
    let (mut times, early) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let scim = Scim::new(&format!("http://{}", envoy.address()));
                scope.spawn(move || Client { scim, number, group, id: String::new() }.run(rounds, start))
            })
            .collect();
        thread::sleep(Duration::from_secs(seconds) / 2);
        let early = memory(&envoy);
        (clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>(), early)
    });
    let late = memory(&envoy);
    times.sort_unstable();
    let percentile = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    println!(
        "{} requests in {seconds} s: p50 {:.1?}, p99 {:.1?}, longest {:.1?}; memory of the VM {} KiB after half of \
         the time, {} KiB at the end",
        times.len(),
        percentile(50),
        percentile(99),
        percentile(100),
        early >> 10,
        late >> 10
    );
    // Two requests that need much may meet for the first time at any time; a leak would be seen in every one.
    assert!(late <= early + early / 10, "the VM's memory grows");
    assert!(!envoy.log().contains("[error]"), "{}", envoy.log());
}

/// Bytes of the VM's memory.
fn memory(envoy: &Envoy) -> u64 {
    let stats = http().get(format!("http://{}/stats", envoy.admin())).send().unwrap().text().unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("wasmcustom.scim_edge.memory_bytes: "));
    line.unwrap_or_else(|| panic!("no gauge in {stats}")).parse().unwrap()
}

struct Client {
    scim: Scim,
    number: u32,
    group: i64,
    /// Of the user that lives now.
    id: String,
}

impl Client {
    /// Makes a request when it is due, and takes the time from then on.
    fn run(mut self, rounds: u32, start: Instant) -> Vec<Duration> {
        (0..rounds)
            .map(|round| {
                let due = start + INTERVAL * (round * CLIENTS + self.number);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let life = usize::try_from(round).unwrap();
                let (what, status) = LIFE[life % LIFE.len()];
                let answer = self.ask(what, life / LIFE.len());
                let time = due.elapsed();
                assert_eq!(answer.status, status, "{what} in round {round}: {}", answer.text);
                if (what, status) == ("create", 201) {
                    answer.json()["id"].as_str().unwrap().clone_into(&mut self.id);
                }
                time
            })
            .collect()
    }

    fn ask(&self, what: &str, life: usize) -> Answer {
        let name = format!("soak.{}.{life}", self.number);
        let (path, group) = (format!("/Users/{}", self.id), format!("/Groups/{}", self.group));
        let member = |op: &str| json!([{ "op": op, "path": "members", "value": [{ "value": self.id }] }]);
        let set = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
        match what {
            "find" => self.scim.get(&format!("/Users?filter=userName%20eq%20%22{name}%22")),
            "create" => self.scim.post("/Users", &user(&name)),
            "read" => self.scim.get(&path),
            "update" => self.scim.patch(&path, &set("title", json!("Guide"))),
            "join" => self.scim.patch(&group, &member("add")),
            "leave" => self.scim.patch(&group, &member("remove")),
            "read the group" => self.scim.get(&group),
            "replace" => self.scim.send("PUT", &path, Some(&user(&name))),
            "suspend" => self.scim.patch(&path, &set("active", json!(false))),
            "resume" => self.scim.patch(&path, &set("active", json!(true))),
            "list" => self.scim.get("/Users?count=100"),
            _ => self.scim.delete(&path),
        }
    }
}
