//! A client of an application's own API, to arrange and to check its state without SCIM.

use anyhow::{Context, bail};
use reqwest::blocking::Client;
use serde_json::Value;

/// A client with a credential.
#[derive(Clone, Debug)]
pub struct Native {
    client: Client,
    origin: String,
    header: (&'static str, String),
}

impl Native {
    /// Sends `header` with every request to `origin`.
    pub fn new(origin: &str, header: (&'static str, String)) -> anyhow::Result<Native> {
        // A server that closes idle connections may do so just as one is used again.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;
        Ok(Native { client, origin: origin.to_owned(), header })
    }

    /// The status and the body of what is answered: null where it is empty, a string where it is not JSON.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let (name, value) = &self.header;
        let url = format!("{}{path}", self.origin);
        let mut request = self.client.request(method.parse()?, url).header(*name, value);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let text = response.text()?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        Ok((status, body))
    }

    /// The body of what is answered; an error unless it is a success.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        match self.send(method, path, body)? {
            (200..=299, body) => Ok(body),
            (status, body) => bail!("{method} {path}: {status} {body}"),
        }
    }
}
