//! Clients that send the same requests again and again, each the next one when it has its answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use scim_edge::exchange::Request;

use crate::upstream::content_length;

/// A request as it goes over the wire.
pub(crate) fn wire(request: &Request) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    if request.header("host").is_none() {
        head.push_str("host: app\r\n");
    }
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !request.body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", request.body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &request.body].concat()
}

/// `clients` connections, each of which sends `work` (requests one after the other) `times` times. How long each time
/// took.
pub(crate) fn run(
    address: SocketAddr,
    work: &[Vec<u8>],
    clients: usize,
    times: usize,
) -> anyhow::Result<Vec<Duration>> {
    thread::scope(|scope| {
        let client = || scope.spawn(|| client(address, work, times));
        let clients: Vec<_> = (0..clients).map(|_| client()).collect();
        let mut all = Vec::with_capacity(clients.len() * times);
        for client in clients {
            match client.join() {
                Ok(took) => all.extend(took?),
                Err(_) => bail!("a client panicked"),
            }
        }
        all.sort_unstable();
        Ok(all)
    })
}

fn client(address: SocketAddr, work: &[Vec<u8>], times: usize) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut reader = BufReader::with_capacity(1 << 16, stream.try_clone()?);
    let mut body = Vec::new();
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        for request in work {
            stream.write_all(request)?;
            receive(&mut reader, &mut body)?;
        }
        took.push(start.elapsed());
    }
    Ok(took)
}

/// Reads one response, which must be a success.
fn receive(reader: &mut impl BufRead, body: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut line = String::new();
    reader.read_line(&mut line).context("no response")?;
    let length = content_length(reader)?;
    body.resize(length, 0);
    reader.read_exact(body).context("half a response")?;
    if line.split(' ').nth(1).is_none_or(|status| !status.starts_with('2')) {
        bail!("{}{}", line, String::from_utf8_lossy(body));
    }
    Ok(())
}
