//! The Envoy module without Envoy: a host of the proxy-wasm ABI (0.2.1), as far as the module uses it,
//! whose native calls are answered by the test.
//!
//! It behaves as Envoy was seen to: a call that found no application is a made-up `text/plain` 503 or
//! 504, an unknown cluster is refused at once, and a stream may be answered once only.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;

use scim_edge::Environment;
use scim_edge::exchange::{Reply, Request, Response, Unreachable};
use wasmtime::{
    Caller, Config, Extern, Instance, InstancePre, Linker, Memory, Result, Store, TypedFunc, WasmResults, bail,
    format_err,
};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};

/// The time in every VM at first, in milliseconds since the Unix epoch: 2026-01-01T00:00:00Z. It passes by ticks only.
pub(crate) const NOW: u64 = 1_767_225_600_000;

const ROOT: u32 = 1;

mod status {
    pub(crate) const OK: u32 = 0;
    pub(crate) const NOT_FOUND: u32 = 1;
    pub(crate) const BAD_ARGUMENT: u32 = 2;
}

/// The cluster of a token endpoint at another host than the application.
pub(crate) const TOKEN_CLUSTER: &str = "token-endpoint";

/// The compiled module.
pub(crate) struct Module(InstancePre<State>);

impl Module {
    pub(crate) fn load(path: &Path) -> Result<Module> {
        Self::load_with(&Config::new(), path)
    }

    /// As [`Module::load`], for a wasmtime of this configuration.
    pub(crate) fn load_with(config: &Config, path: &Path) -> Result<Module> {
        let engine = wasmtime::Engine::new(config)?;
        let module = wasmtime::Module::from_file(&engine, path)?;
        let mut linker = Linker::new(&engine);
        add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
        add_abi(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Module(linker.instantiate_pre(&module)?))
    }
}

/// Runs one SCIM request in a VM of its own. See [`Vm::run`].
pub(crate) fn run(
    module: &Module,
    mapping: &str,
    environment: &Environment,
    request: &Request,
    reply: &mut dyn FnMut(Request) -> Reply,
) -> Result<Response> {
    Vm::start(module, mapping, environment)?.run(request, reply)
}

/// A VM whose plugin is configured. What it caches outlives a request, as it does in Envoy.
pub(crate) struct Vm {
    store: Store<State>,
    instance: Instance,
    streams: u32,
}

impl Vm {
    /// Starts the plugin. The error is what the plugin logged if it refuses its configuration.
    pub(crate) fn start(module: &Module, mapping: &str, environment: &Environment) -> Result<Vm> {
        let mut vm = Vm::create(module, mapping, environment)?;
        vm.configure()?;
        Ok(vm)
    }

    /// Makes a VM whose plugin has yet to see its configuration.
    pub(crate) fn create(module: &Module, mapping: &str, environment: &Environment) -> Result<Vm> {
        let mut wasi = WasiCtxBuilder::new();
        for (name, value) in environment {
            wasi.env(name, value);
        }
        let state = State {
            wasi: wasi.build_p1(),
            configuration: mapping.as_bytes().to_vec(),
            request: Vec::new(),
            body: Vec::new(),
            answers: None,
            token: 0,
            dispatched: VecDeque::new(),
            reply: Response::default(),
            answer: None,
            log: Vec::new(),
            counters: Vec::new(),
            now: NOW,
            tick: 0,
        };
        let mut store = Store::new(module.0.module().engine(), state);
        // Only an engine that counts takes it.
        let _ = store.set_fuel(u64::MAX);
        let instance = module.0.instantiate(&mut store)?;
        let mut vm = Vm { store, instance, streams: ROOT };
        vm.call::<(), ()>("_initialize", ())?;
        vm.call::<_, ()>("proxy_on_context_create", (ROOT, 0))?;
        let started: u32 = vm.call("proxy_on_vm_start", (ROOT, 0))?;
        if started == 0 {
            bail!("{}", vm.store.data().log.join("\n"));
        }
        Ok(vm)
    }

    /// Hands the configuration over.
    pub(crate) fn configure(&mut self) -> Result<()> {
        let size = u32::try_from(self.store.data().configuration.len())?;
        let configured: u32 = self.call("proxy_on_configure", (ROOT, size))?;
        if configured == 0 {
            bail!("{}", self.store.data().log.join("\n"));
        }
        Ok(())
    }

    /// Runs one SCIM request; `reply` answers its native calls. Calls that are in flight together are
    /// answered last first, as nothing may depend on their order.
    ///
    /// It is an error if the plugin traps, lets the request pass, never answers or answers twice.
    pub(crate) fn run(&mut self, request: &Request, reply: &mut dyn FnMut(Request) -> Reply) -> Result<Response> {
        let (calls, incoming) = channel();
        let (outgoing, replies) = channel();
        self.answer(move |call| {
            calls.send(call)?;
            Ok(replies.recv()?)
        });
        thread::scope(|scope| {
            // The module runs aside, so that `reply`, which need not be `Send`, runs here while a call
            // is being dispatched: only then can the dispatch be refused.
            let stream = scope.spawn(|| {
                let outcome = self.stream(request);
                self.store.data_mut().answers = None;
                outcome
            });
            while let Ok(call) = incoming.recv() {
                let _ = outgoing.send(reply(call));
            }
            stream.join().unwrap_or_else(|_| bail!("the proxy-wasm host panicked"))
        })
    }

    /// Has native calls answered from now on.
    pub(crate) fn answer(&mut self, answers: impl FnMut(Request) -> Result<Reply> + Send + 'static) {
        self.store.data_mut().answers = Some(Box::new(answers));
    }

    /// Bytes of the VM's memory.
    #[allow(dead_code)]
    pub(crate) fn memory_size(&mut self) -> Option<usize> {
        Some(self.instance.get_memory(&mut self.store, "memory")?.data_size(&self.store))
    }

    /// The wasm instructions since this was asked last, of a VM whose engine counts them.
    #[allow(dead_code)]
    pub(crate) fn instructions(&mut self) -> Result<u64> {
        let left = self.store.get_fuel()?;
        self.store.set_fuel(u64::MAX)?;
        Ok(u64::MAX - left)
    }

    /// What the plugin has logged.
    #[allow(dead_code)]
    pub(crate) fn log(&self) -> &[String] {
        &self.store.data().log
    }

    /// The value of a counter that the plugin defined.
    #[allow(dead_code)]
    pub(crate) fn counter(&self, name: &str) -> Option<u64> {
        let counters = &self.store.data().counters;
        counters.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Runs one SCIM request, whose native calls are answered as [`Vm::answer`] said.
    pub(crate) fn stream(&mut self, request: &Request) -> Result<Response> {
        let mut headers = vec![
            (":method".to_owned(), request.method.clone()),
            (":path".to_owned(), request.target.clone()),
            (":scheme".to_owned(), "http".to_owned()),
        ];
        headers.extend(request.headers.iter().map(|(name, value)| match name.as_str() {
            "host" => (":authority".to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        }));
        let count = u32::try_from(headers.len())?;
        let size = u32::try_from(request.body.len())?;
        let state = self.store.data_mut();
        state.request = headers;
        state.body.clone_from(&request.body);
        state.answer = None;
        state.dispatched.clear();

        self.streams += 1;
        let id = self.streams;
        self.call::<_, ()>("proxy_on_context_create", (id, ROOT))?;
        let end = u32::from(size == 0);
        let action: u32 = self.call("proxy_on_request_headers", (id, count, end))?;
        if action == 0 {
            bail!("the request passed through the plugin");
        }
        if size > 0 && self.store.data().answer.is_none() {
            self.call::<_, u32>("proxy_on_request_body", (id, size, 1))?;
        }
        while self.store.data().answer.is_none() {
            let state = self.store.data_mut();
            match state.dispatched.pop_back() {
                Some((token, reply)) => self.deliver(token, reply)?,
                None if state.tick == 0 => bail!("the plugin waits neither for a native call nor for time to pass"),
                None => {
                    state.now += u64::from(state.tick);
                    self.call::<_, ()>("proxy_on_tick", ROOT)?;
                }
            }
        }
        for (token, reply) in std::mem::take(&mut self.store.data_mut().dispatched) {
            self.deliver(token, reply)?;
        }
        let answer = self.store.data_mut().answer.take().unwrap_or_default();
        let count = u32::try_from(answer.headers.len())? + 1;
        let end = u32::from(answer.body.is_empty());
        self.call::<_, u32>("proxy_on_response_headers", (id, count, end))?;
        self.call::<_, ()>("proxy_on_log", id)?;
        self.call::<_, u32>("proxy_on_done", id)?;
        self.call::<_, ()>("proxy_on_delete", id)?;
        Ok(answer)
    }

    fn deliver(&mut self, token: u32, reply: Reply) -> Result<()> {
        let made_up = |status: u16, text: &str| Response {
            status,
            headers: vec![
                ("content-length".to_owned(), text.len().to_string()),
                ("content-type".to_owned(), "text/plain".to_owned()),
            ],
            body: text.as_bytes().to_vec(),
        };
        let reply = match reply {
            Ok(mut reply) => {
                reply.headers.push(("x-envoy-upstream-service-time".to_owned(), "1".to_owned()));
                Some(reply)
            }
            Err(Unreachable::Timeout) => Some(made_up(504, "upstream request timeout")),
            Err(Unreachable::Connection) => Some(made_up(
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            )),
            Err(Unreachable::Denied | Unreachable::TooLarge) => None,
        };
        let (count, size) = match &reply {
            Some(reply) => (reply.headers.len() + 1, reply.body.len()),
            None => (0, 0),
        };
        let arguments = (ROOT, token, u32::try_from(count)?, u32::try_from(size)?, 0);
        self.store.data_mut().reply = reply.unwrap_or_default();
        self.call::<(u32, u32, u32, u32, u32), ()>("proxy_on_http_call_response", arguments)
    }

    fn call<Params, Results>(&mut self, name: &str, params: Params) -> Result<Results>
    where
        Params: wasmtime::WasmParams,
        Results: WasmResults,
    {
        let function: TypedFunc<Params, Results> = self.instance.get_typed_func(&mut self.store, name)?;
        function.call(&mut self.store, params).map_err(|trap| {
            let log = self.store.data().log.join("\n");
            format_err!("`{name}`: {trap:?}\n{log}")
        })
    }
}

/// What the host keeps for a VM.
struct State {
    wasi: WasiP1Ctx,
    configuration: Vec<u8>,
    request: Vec<(String, String)>,
    body: Vec<u8>,
    answers: Option<Answers>,
    token: u32,
    dispatched: VecDeque<(u32, Reply)>,
    /// The reply that is being delivered.
    reply: Response,
    answer: Option<Response>,
    log: Vec<String>,
    counters: Vec<(String, u64)>,
    now: u64,
    /// The period of ticks in milliseconds; 0: none.
    tick: u32,
}

type Answers = Box<dyn FnMut(Request) -> Result<Reply> + Send>;

type Host<'a> = Caller<'a, State>;

fn add_abi(linker: &mut Linker<State>) -> Result<()> {
    let env = "env";
    linker.func_wrap(env, "proxy_log", |mut host: Host, _level: u32, at: u32, size: u32| {
        let line = text(&read(&mut host, at, size)?)?;
        host.data_mut().log.push(line);
        Ok(status::OK)
    })?;
    linker.func_wrap(env, "proxy_get_current_time_nanoseconds", |mut host: Host, at: u32| {
        let now = host.data().now * 1_000_000;
        write(&mut host, at, &now.to_le_bytes())?;
        Ok(status::OK)
    })?;
    linker.func_wrap(env, "proxy_set_tick_period_milliseconds", |mut host: Host, period: u32| {
        host.data_mut().tick = period;
        status::OK
    })?;
    linker.func_wrap(env, "proxy_set_effective_context", |_: Host, _id: u32| status::OK)?;
    linker.func_wrap(env, "proxy_define_metric", |mut host: Host, _kind: u32, name: u32, size: u32, id: u32| {
        let name = text(&read(&mut host, name, size)?)?;
        let next = u32::try_from(host.data().counters.len())?;
        host.data_mut().counters.push((name, 0));
        write(&mut host, id, &next.to_le_bytes())?;
        Ok(status::OK)
    })?;
    linker.func_wrap(env, "proxy_increment_metric", |mut host: Host, id: u32, offset: u64| {
        let Some((_, value)) = host.data_mut().counters.get_mut(id as usize) else {
            return status::NOT_FOUND;
        };
        *value += offset;
        status::OK
    })?;
    linker.func_wrap(env, "proxy_record_metric", |mut host: Host, id: u32, value: u64| {
        let Some((_, kept)) = host.data_mut().counters.get_mut(id as usize) else {
            return status::NOT_FOUND;
        };
        *kept = value;
        status::OK
    })?;
    linker.func_wrap(
        env,
        "proxy_get_buffer_bytes",
        |mut host: Host, kind: u32, start: u32, most: u32, data: u32, size: u32| {
            let state = host.data();
            let buffer = match kind {
                0 => &state.body,
                4 => &state.reply.body,
                7 => &state.configuration,
                _ => return Ok(status::NOT_FOUND),
            };
            let part = buffer.iter().skip(start as usize).take(most as usize).copied().collect::<Vec<_>>();
            give(&mut host, &part, data, size)
        },
    )?;
    linker.func_wrap(
        env,
        "proxy_get_header_map_value",
        |mut host: Host, kind: u32, name: u32, name_size: u32, data: u32, size: u32| {
            let name = text(&read(&mut host, name, name_size)?)?;
            let Some(map) = header_map(host.data(), kind) else {
                return Ok(status::BAD_ARGUMENT);
            };
            let Some((_, value)) = map.into_iter().find(|(key, _)| *key == name) else {
                return Ok(status::NOT_FOUND);
            };
            give(&mut host, value.as_bytes(), data, size)
        },
    )?;
    linker.func_wrap(env, "proxy_get_header_map_pairs", |mut host: Host, kind: u32, data: u32, size: u32| {
        let Some(map) = header_map(host.data(), kind) else {
            return Ok(status::BAD_ARGUMENT);
        };
        give(&mut host, &encode_map(&map)?, data, size)
    })?;
    linker.func_wrap(env, "proxy_http_call", http_call)?;
    linker.func_wrap(env, "proxy_send_local_response", send_local_response)?;
    Ok(())
}

#[allow(clippy::too_many_arguments)]
fn http_call(
    mut host: Host,
    cluster: u32,
    cluster_size: u32,
    headers: u32,
    headers_size: u32,
    body: u32,
    body_size: u32,
    _trailers: u32,
    _trailers_size: u32,
    timeout: u32,
    token_at: u32,
) -> Result<u32> {
    let cluster = read(&mut host, cluster, cluster_size)?;
    if cluster.is_empty() || timeout == 0 {
        return Ok(status::BAD_ARGUMENT);
    }
    let mut call = Request::default();
    let mut authority = None;
    for (name, value) in decode_map(&read(&mut host, headers, headers_size)?)? {
        match name.as_str() {
            ":method" => call.method = value,
            ":path" => call.target = value,
            ":authority" => authority = Some(value),
            _ => call.headers.push((name, value)),
        }
    }
    // A call to another host than the application shows by its address, as in every other host of the cases.
    if let Some(authority) = authority.as_ref().filter(|_| cluster == TOKEN_CLUSTER.as_bytes()) {
        call.target = format!("https://{authority}{}", call.target);
    }
    if authority.is_none() || call.method.is_empty() || call.target.is_empty() {
        return Ok(status::BAD_ARGUMENT);
    }
    call.body = read(&mut host, body, body_size)?;
    let state = host.data_mut();
    let answers = state.answers.as_mut().ok_or_else(|| format_err!("a native call without a request"))?;
    let reply = answers(call)?;
    if reply == Err(Unreachable::Denied) {
        return Ok(status::BAD_ARGUMENT);
    }
    state.token += 1;
    let token = state.token;
    state.dispatched.push_back((token, reply));
    write(&mut host, token_at, &token.to_le_bytes())?;
    Ok(status::OK)
}

#[allow(clippy::too_many_arguments)]
fn send_local_response(
    mut host: Host,
    status: u32,
    _details: u32,
    _details_size: u32,
    body: u32,
    body_size: u32,
    headers: u32,
    headers_size: u32,
    _grpc_status: u32,
) -> Result<u32> {
    let answer = Response {
        status: u16::try_from(status)?,
        headers: decode_map(&read(&mut host, headers, headers_size)?)?,
        body: read(&mut host, body, body_size)?,
    };
    if host.data_mut().answer.replace(answer).is_some() {
        bail!("the plugin answered a stream twice");
    }
    Ok(status::OK)
}

fn header_map(state: &State, kind: u32) -> Option<Vec<(String, String)>> {
    match kind {
        0 => Some(state.request.clone()),
        6 => {
            let mut map = vec![(":status".to_owned(), state.reply.status.to_string())];
            map.extend(state.reply.headers.iter().cloned());
            Some(map)
        }
        _ => None,
    }
}

fn encode_map(map: &[(String, String)]) -> Result<Vec<u8>> {
    let mut bytes = u32::try_from(map.len())?.to_le_bytes().to_vec();
    for (name, value) in map {
        bytes.extend(u32::try_from(name.len())?.to_le_bytes());
        bytes.extend(u32::try_from(value.len())?.to_le_bytes());
    }
    for text in map.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.bytes().chain([0]));
    }
    Ok(bytes)
}

fn decode_map(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let broken = || format_err!("a header map is cut short");
    let number = |index: usize| {
        let at = index * 4;
        let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| u32::from_le_bytes(bytes) as usize).ok_or_else(broken)
    };
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let count = number(0)?;
    let mut rest = bytes.get(4 + count * 8..).ok_or_else(broken)?;
    let mut take = |size: usize| {
        let (part, after) = rest.split_at_checked(size + 1).ok_or_else(broken)?;
        rest = after;
        text(part.strip_suffix(&[0]).ok_or_else(broken)?)
    };
    (0..count).map(|n| Ok((take(number(1 + n * 2)?)?, take(number(2 + n * 2)?)?))).collect()
}

fn text(bytes: &[u8]) -> Result<String> {
    Ok(String::from_utf8(bytes.to_vec())?)
}

fn memory(host: &mut Host) -> Result<Memory> {
    let memory = host.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or_else(|| format_err!("the module exports no memory"))
}

fn read(host: &mut Host, at: u32, size: u32) -> Result<Vec<u8>> {
    let memory = memory(host)?;
    let part = memory.data(&*host).get(at as usize..).and_then(|rest| rest.get(..size as usize));
    part.map(<[u8]>::to_vec).ok_or_else(|| format_err!("a pointer out of bounds"))
}

fn write(host: &mut Host, at: u32, bytes: &[u8]) -> Result<()> {
    Ok(memory(host)?.write(host, at as usize, bytes)?)
}

/// Hands `bytes` over in memory that the module allocates, as the ABI wants it.
fn give(host: &mut Host, bytes: &[u8], data: u32, size: u32) -> Result<u32> {
    let length = u32::try_from(bytes.len())?;
    let mut address = 0;
    if length > 0 {
        let allocate = host.get_export("proxy_on_memory_allocate").and_then(Extern::into_func);
        let allocate = allocate.ok_or_else(|| format_err!("the module cannot allocate"))?;
        address = allocate.typed::<u32, u32>(&*host)?.call(&mut *host, length)?;
        write(host, address, bytes)?;
    }
    write(host, data, &address.to_le_bytes())?;
    write(host, size, &length.to_le_bytes())?;
    Ok(status::OK)
}
