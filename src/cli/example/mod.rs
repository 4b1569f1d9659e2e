//! An example application: a small user API of its own that knows nothing of SCIM, for the demo and the
//! tests.
//!
//! Every path is below [`BASE`] and wants the header `X-Api-Key`. Ids are integers, and no user has the id of a
//! group, as SCIM wants it (RFC 7643 section 3.1); timestamps are epoch seconds, answers enveloped: `{"data": …}`, with `"meta": {"total", "page", "per_page"}` beside it in a
//! list. `?page=` counts from 1; `?per_page=` is 25 unless told and at most 100, larger ones are capped
//! silently; lists are in the order of ids. Unknown query parameters are ignored.
//!
//! | call | answers |
//! |---|---|
//! | `GET /users?login=&email=&external_id=&status=` | 200, the users that match, without regard to case |
//! | `POST /users` `{"user": {…}}` | 201, the user |
//! | `GET`, `PATCH`, `DELETE /users/{id}` | 200, 200, 204; `PATCH` takes the changed fields, bare or in `user` |
//! | `POST`, `DELETE /users/{id}/suspend` | 204; `status` becomes `SUSPENDED`, `ACTIVE` |
//! | `PUT /users/{id}/password` `{"password": "…"}` | 204; at least 8 characters |
//! | `GET /users/{id}/groups` | 200, the groups that the user is in |
//! | `GET /groups?name=`, `POST /groups` `{"name": "…"}` | 200, 201 |
//! | `GET`, `PATCH`, `DELETE /groups/{id}` | 200, 200, 204 |
//! | `GET /groups/{id}/memberships?user_id=` | 200, rows `{"id", "user_id"}` |
//! | `POST /groups/{id}/memberships` `{"user_id": 7}` | 201, the row; 409 `already_member` |
//! | `DELETE /groups/{id}/memberships/{key}` | 204; `key` is the `id` of the row |
//!
//! A user has `login` (required) and `email`, each unique without regard to case, `first_name`,
//! `last_name`, `display_name`, `title`, `phone`, `locale`, `external_id`, `status`, `dept` (`{"name",
//! "code"}` or null), and, read only, `id`, `api_token`, `created_at`, `updated_at`. A group has `name`, and, read
//! only, `id`, `created_at`, `updated_at`; memberships do not change it.
//!
//! Errors are `{"errors": [{"code", "field", "message"}]}` with 400 `malformed`, 401 `unauthorized`, 404
//! `not_found`, 405, 409, 413, 415, or 422 with `blank`, `invalid`, `taken`, `unknown_field` or `not_found`.
//!
//! Outside [`BASE`], for tests and without a key: `/_test/faults` (`GET`, `PUT`, `DELETE`; see [`Fault`])
//! and `/_test/log` (`GET`, `DELETE`; see [`Call`]).

mod calls;
mod extract;
mod failure;
mod faults;
mod fields;
mod memberships;
mod routes;
mod server;
mod store;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::oneshot;

pub use calls::{Call, Calls};
pub use faults::{Effect, Fault, Faults, RetryAfter};

use store::Store;

/// The prefix of every path of the application.
pub const BASE: &str = "/api/v2";

/// How to start the application.
#[derive(Clone, Debug)]
pub struct Options {
    /// The loopback port to listen on; 0 for one that is free.
    pub port: u16,
    /// The `SQLite` file, made where there is none; in memory without one.
    pub database: Option<PathBuf>,
    /// What requests must carry in `X-Api-Key`.
    pub api_key: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { port: 0, database: None, api_key: "example-key".to_owned() }
    }
}

/// What every request handler sees.
struct Shared {
    store: Store,
    calls: Calls,
    faults: Faults,
    api_key: String,
}

/// The application, running on a thread of its own until it is dropped.
pub struct ExampleApp {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ExampleApp {
    /// Starts the application; it answers as soon as this returns.
    pub fn start(options: Options) -> anyhow::Result<ExampleApp> {
        let store = Store::open(options.database.as_deref()).context("cannot open the example's database")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .with_context(|| format!("cannot listen on port {}", options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { store, calls: Calls::default(), faults: Faults::default(), api_key: options.api_key });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let router = routes::router(shared.clone());
        let thread = std::thread::Builder::new().name("example".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    result = server::serve(listener, router) => {
                        if let Err(error) = result {
                            log::error!("the example application stopped: {error}");
                        }
                    }
                    _ = stopped => {}
                }
            });
        })?;
        Ok(ExampleApp { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The origin, without [`BASE`] and without a slash at the end: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the application listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls received so far.
    pub fn log(&self) -> &Calls {
        &self.shared.calls
    }

    /// What is to go wrong with the requests to come.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every user as the API shows it, in the order of ids.
    pub fn users(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.shared.store.all_users()?)
    }

    /// The user with this login, compared without regard to case.
    pub fn user(&self, login: &str) -> anyhow::Result<Option<Value>> {
        Ok(self.shared.store.user_by_login(login)?)
    }

    /// Whether the user `id` has a password, and this is it.
    pub fn password_is(&self, id: i64, password: &str) -> anyhow::Result<bool> {
        Ok(self.shared.store.password_is(id, password)?)
    }

    /// Every group as the API shows it, in the order of ids.
    pub fn groups(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.shared.store.all_groups()?)
    }

    /// The ids of the members of the group `id`, ascending.
    pub fn members(&self, id: i64) -> anyhow::Result<Vec<i64>> {
        Ok(self.shared.store.members(id)?)
    }

    /// Adds `count` users in one transaction and returns their ids, ascending. The user with the id 42 is
    /// `user000042`, `user000042@example.com`, `User 000042`, in one of four departments by turns; every
    /// user whose id is divisible by ten is suspended.
    pub fn seed_users(&self, count: usize) -> anyhow::Result<Vec<i64>> {
        Ok(self.shared.store.seed_users(count)?)
    }

    /// Adds a group with these users as its members in one transaction and returns its id.
    pub fn seed_group(&self, name: &str, members: &[i64]) -> anyhow::Result<i64> {
        Ok(self.shared.store.seed_group(name, members)?)
    }
}

impl Drop for ExampleApp {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The receiver is gone only where the thread has ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
