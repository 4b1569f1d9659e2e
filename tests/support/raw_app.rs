//! An application on a raw socket, which can do to a connection what an HTTP server cannot be told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// The mapping that the application goes with. Its user ids are texts, so that a request can say by an id what is to
/// happen.
pub(crate) const MAPPING: &str = "\
mapping: v1
upstream: { headers: { X-Api-Key: { env: NATIVE_API_KEY } } }
resources:
  User:
    path: /users
    attributes:
      id: { native: id, access: read }
      userName: { native: login, required: true }
      title: { native: title }
    list: { filters: { userName eq: { query: { login: '{value}' } } } }
    create: {}
    update: {}
    delete: {}
";

/// One native call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// `GET /users/1 HTTP/1.1`.
    pub line: String,
    /// Names as they were sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// The values of every field called `name`.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An application of one connection a request. The last segment of the path says what happens to a `GET`:
///
/// - `close`: the connection is closed without an answer; `half`: within the body; `garbage` is no HTTP at all;
/// - `stall-before`, `stall-within`: nothing more comes until the peer hangs up, which [`RawApp::hung_up`] reports;
/// - `plain-503`: an answer of that status, as like Envoy's own as an application can make it;
/// - `big-1000`: a user whose JSON has so many bytes; `together-40`: a user, once so many calls wait for one;
/// - anything else is the id of a user.
///
/// `POST` answers with the object that was sent and the id `new`, `DELETE` with 204, and a list has no rows.
pub(crate) struct RawApp {
    address: SocketAddr,
    shared: Arc<Shared>,
    hung_up: Mutex<Receiver<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    calls: Mutex<Vec<Received>>,
    waiting: Mutex<usize>,
    gathered: Condvar,
}

impl RawApp {
    pub(crate) fn start() -> RawApp {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (over, hung_up) = channel();
        let seen = shared.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if seen.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, over) = (seen.clone(), over.clone());
                // A peer that closes while it is written to is what some tests want.
                thread::spawn(move || drop(serve(stream, &seen, &over)));
            }
        });
        RawApp { address, shared, hung_up: Mutex::new(hung_up) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls so far, which are forgotten.
    pub(crate) fn take_calls(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.calls.lock().unwrap())
    }

    /// Waits until the peer has hung up on a call that stalls.
    pub(crate) fn hung_up(&self) {
        let over = self.hung_up.lock().unwrap();
        over.recv_timeout(Duration::from_mins(1)).expect("the native call goes on");
    }
}

impl Drop for RawApp {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// An address that nothing listens on.
pub(crate) fn closed() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn serve(mut stream: TcpStream, shared: &Shared, over: &Sender<()>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let call = receive(&mut reader)?;
    shared.calls.lock().unwrap().push(call.clone());
    let target = call.line.split(' ').nth(1).unwrap_or_default().to_owned();
    let method = call.line.split(' ').next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let word = path.rsplit('/').next().unwrap_or_default();
    let begun = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"id\":";
    let reply = match (method, word) {
        ("DELETE", _) => b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec(),
        ("POST", _) => {
            let mut object: Value = serde_json::from_slice(&call.body).unwrap_or_else(|_| json!({}));
            object["id"] = "new".into();
            ok("201 Created", object.to_string().as_bytes())
        }
        (_, "users") => ok("200 OK", b"[]"),
        (_, "close" | "stall-before") => Vec::new(),
        (_, "half" | "stall-within") => begun.to_vec(),
        (_, "garbage") => b"garbage\r\n\r\n".to_vec(),
        (_, word) => {
            if let Some(status) = word.strip_prefix("plain-") {
                let text = "upstream request timeout";
                let length = text.len();
                format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\ncontent-type: text/plain\r\n\r\n{text}")
                    .into_bytes()
            } else {
                if let Some(number) = word.strip_prefix("together-") {
                    gather(shared, number.parse().unwrap());
                }
                ok("200 OK", user(word).as_bytes())
            }
        }
    };
    stream.write_all(&reply)?;
    if word.starts_with("stall") {
        let _ = reader.read_to_end(&mut Vec::new());
        let _ = over.send(());
        return Ok(());
    }
    stream.shutdown(Shutdown::Both)
}

fn receive(reader: &mut impl BufRead) -> std::io::Result<Received> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut call = Received { line: line.trim_end().to_owned(), headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            call.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let length = call.values("content-length").first().map_or(0, |length| length.parse().unwrap());
    call.body = vec![0; length];
    reader.read_exact(&mut call.body)?;
    Ok(call)
}

fn ok(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nx-app: yes\r\n\
         keep-alive: timeout=5\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nserver: app\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn user(id: &str) -> String {
    let user = |title: &str| json!({ "id": id, "login": format!("login-{id}"), "title": title }).to_string();
    let size: usize = id.strip_prefix("big-").map_or(0, |size| size.parse().unwrap());
    user(&"x".repeat(size.saturating_sub(user("").len())))
}

/// Waits until `number` calls are here.
fn gather(shared: &Shared, number: usize) {
    let mut waiting = shared.waiting.lock().unwrap();
    *waiting += 1;
    shared.gathered.notify_all();
    while *waiting % number != 0 {
        let (again, late) = shared.gathered.wait_timeout(waiting, Duration::from_secs(30)).unwrap();
        waiting = again;
        if late.timed_out() {
            return;
        }
    }
}
