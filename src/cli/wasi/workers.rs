//! Instances of the component: each has its own store, and serves several requests as in `wasmtime serve`.

use std::future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};
use wasmtime::component::{GuestTaskId, ResourceTable};
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, Proxy, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::outbound::Outbound;

/// `wasmtime serve`'s defaults for WASI 0.3.
const REQUESTS_PER_INSTANCE: usize = 128;
const CONCURRENT_REQUESTS_PER_INSTANCE: usize = 16;
const IDLE: Duration = Duration::from_secs(1);

/// What a store holds: everything that one instance sees of its host.
pub(super) struct Host {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Host {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}

/// What instances are made of.
pub(super) struct Workers {
    pub(super) service: ServicePre<Host>,
    pub(super) env: Vec<(String, String)>,
    /// The directory that instances see as `/`, read-only.
    pub(super) mount: Option<PathBuf>,
    pub(super) outbound: Outbound,
    pub(super) log: Log,
}

impl HandlerState for Workers {
    type StoreData = Host;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Host, Expiration, Worker>> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.envs(&self.env).stderr(self.log.clone());
        if let Some(mount) = &self.mount {
            wasi.preopened_dir(mount, "/", FsPerms::ReadOnly)?;
        }
        let host = Host {
            table: ResourceTable::new(),
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            outbound: self.outbound.clone(),
        };
        let mut store = Store::new(self.service.engine(), host);
        let service = self.service.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy: Proxy::P3(service),
            view: WasiHttpView::http,
            expiration: Expiration(Box::pin(sleep(IDLE))),
            state: Worker { log: self.log.clone() },
        })
    }
}

/// Ends an instance that has been idle for [`IDLE`]. Requests are not bounded: the component bounds its calls.
pub(super) struct Expiration(Pin<Box<Sleep>>);

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        let WorkerStatus::Idle = status else {
            return Poll::Pending;
        };
        let deadline = (start + IDLE).into();
        if self.0.deadline() != deadline {
            self.0.as_mut().reset(deadline);
        }
        self.0.as_mut().poll(context)
    }
}

pub(super) struct Worker {
    log: Log,
}

impl WorkerState for Worker {
    type StoreData = Host;
    type RequestData = ();

    fn should_accept_request(&self, concurrent_count: usize, total_count: usize) -> ShouldAccept {
        if total_count >= REQUESTS_PER_INSTANCE {
            ShouldAccept::Never
        } else if concurrent_count >= CONCURRENT_REQUESTS_PER_INSTANCE {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Host>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        Box::pin(future::pending())
    }

    fn drop(&self, _: Store<Host>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            self.log.write(format!("an instance of the component failed: {error:?}\n").as_bytes());
        }
    }
}

/// What instances write to their standard error, and how they fail: the end of it is kept.
#[derive(Clone, Default)]
pub(super) struct Log {
    kept: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
    echo: bool,
}

impl Log {
    const KEPT: usize = 64 << 10;

    /// A log that is also written to this process's standard error.
    pub(super) fn echoing() -> Self {
        Log { echo: true, ..Log::default() }
    }

    /// Ignores everything from here on: instances that are cut off as their host stops are not failures.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn write(&self, bytes: &[u8]) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let surplus = kept.len().saturating_sub(Log::KEPT);
        kept.drain(..surplus);
        if self.echo {
            eprint!("{}", String::from_utf8_lossy(bytes));
        }
    }

    pub(super) fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Log {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
