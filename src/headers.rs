//! The headers that every answer has, and the page's content security policy.

use crate::config::Origin;
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// For everything that is not a page: it may do nothing.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// For every answer. The camera reads the codes that devices show each other.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), geolocation=(), microphone=()"),
];

/// The headers, made once for an origin.
#[derive(Debug, Clone)]
pub struct SecurityHeaders {
    page: HeaderValue,
    secure: bool,
}

impl SecurityHeaders {
    /// For a server of this origin.
    pub fn new(origin: &Origin) -> Self {
        // Older browsers do not take a WebSocket to be covered by 'self'.
        let socket = origin.header().replacen("http", "ws", 1);
        // One Trusted Types policy: a worker's script URL needs it. WebAssembly needs
        // 'wasm-unsafe-eval', which allows nothing else.
        let page = format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
             img-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; \
             connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types letterbox"
        );
        let nothing = || HeaderValue::from_static(NOTHING);
        let page = HeaderValue::from_str(&page).unwrap_or_else(|_| nothing());
        Self { page, secure: origin.is_secure() }
    }

    /// The layer.
    pub async fn set(self, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        // A worker goes by the policy that its own script came with.
        let may_run = kind.is_some_and(|kind| {
            kind.starts_with(b"text/html") || kind.starts_with(b"text/javascript")
        });
        let policy = if may_run { self.page } else { HeaderValue::from_static(NOTHING) };
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if self.secure {
            let year = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
        }
        response
    }
}
