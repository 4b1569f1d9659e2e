//! Makes the request that came as a call of the cluster `app`, parses the reply as JSON, and answers with it printed.

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType};
use serde_json::Value;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter))
    }
}

struct Filter;

impl Filter {
    fn dispatch(&self, body: Option<&[u8]>) {
        let field = |name| self.get_http_request_header(name).unwrap_or_default();
        let (method, path) = (field(":method"), field(":path"));
        let headers = vec![
            (":method", method.as_str()),
            (":path", path.as_str()),
            (":authority", "app"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        if self.dispatch_http_call("app", headers, body, vec![], Duration::from_secs(5)).is_err() {
            self.send_http_response(503, vec![], None);
        }
    }
}

impl Context for Filter {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, size: usize, _trailers: usize) {
        let status = hostcalls::get_map_value(MapType::HttpCallResponseHeaders, ":status").ok().flatten();
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(502);
        let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size).ok().flatten();
        let parsed = body.and_then(|body| serde_json::from_slice::<Value>(&body).ok());
        let printed = parsed.map(|value| value.to_string());
        let headers = vec![("content-type", "application/json")];
        self.send_http_response(status, headers, printed.as_ref().map(String::as_bytes));
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            self.dispatch(None);
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            let body = self.get_http_request_body(0, size);
            self.dispatch(body.as_deref());
        }
        Action::Pause
    }
}
