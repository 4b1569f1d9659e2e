//! The application on a socket: as little work as possible for each call.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use scim_edge::exchange::Request;

use crate::fixture::App;

/// A server of [`App`] that stops when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Upstream {
    pub(crate) fn start(app: App) -> io::Result<Upstream> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (app, over) = (Arc::new(app), Arc::clone(&stopped));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let app = Arc::clone(&app);
                // A peer that hangs up is the end of a connection, and no error.
                thread::spawn(move || drop(serve(stream, &app)));
            }
        });
        Ok(Upstream { address, stopped })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, app: &App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    // The replies as they go over the wire, by the request's line and body.
    let mut replies: HashMap<(String, Vec<u8>), Vec<u8>> = HashMap::new();
    while let Some(call) = receive(&mut reader)? {
        let reply = replies.entry(call).or_insert_with_key(|(line, body)| {
            let mut words = line.split(' ').map(str::to_owned);
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let reply = app.reply(&Request { method, target, headers: Vec::new(), body: body.clone() });
            let (status, length) = (reply.status, reply.body.len());
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
            [head.into_bytes(), reply.body].concat()
        });
        stream.write_all(reply)?;
    }
    Ok(())
}

/// The request's line and body; `None` at the end of the connection.
fn receive(reader: &mut impl BufRead) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let length = content_length(reader)?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((line, body)))
}

/// Reads the head of a message up to its end; how long its body is.
pub(crate) fn content_length(reader: &mut impl BufRead) -> io::Result<usize> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            return Ok(length);
        }
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            Some((name, _)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                return Err(io::Error::other("a body in chunks, which is not expected here"));
            }
            _ => {}
        }
    }
}
