//! Every route and every layer.
//!
//! The two halves share nothing but the storage below. The account half knows who asks, by a
//! session. The sealed half refuses whatever would tell.

use crate::{
    app::App,
    db::Sessions,
    error::Error,
    headers::SecurityHeaders,
    observe,
    routes::{
        account, device_session, devices, docs, ephemeral_keys, health, inbox, keys, links, live,
        page, passkeys, publish, recovery, registration, resets, rotation, sealed, server,
        session_keys, tokens, touch,
    },
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::{Next, from_fn, from_fn_with_state, map_response, map_response_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use letterbox_protocol::wire::Problem;
use std::panic::resume_unwind;
use tokio::task::JoinError;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};
use utoipa::{
    OpenApi,
    openapi::{
        ContentBuilder, PathItem, Ref, ResponseBuilder,
        path::Operation,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// A passkey session, and a page of our own origin for whatever changes something.
fn account_half() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(registration::start))
        .routes(routes!(registration::verify))
        .routes(routes!(passkeys::register_start))
        .routes(routes!(passkeys::register_finish))
        .routes(routes!(passkeys::login_start))
        .routes(routes!(passkeys::login_finish))
        .routes(routes!(device_session::start))
        .routes(routes!(device_session::finish))
        .routes(routes!(account::logout))
        .routes(routes!(account::account, account::delete))
        .routes(routes!(account::disclosure))
        .routes(routes!(touch::start))
        .routes(routes!(devices::list))
        .routes(routes!(devices::rename))
        .routes(routes!(devices::revoke))
        .routes(routes!(publish::publish))
        .routes(routes!(rotation::rotate))
        .routes(routes!(keys::refill))
        .routes(routes!(keys::status))
        .routes(routes!(keys::check))
        .routes(routes!(keys::sender_certificate))
        .routes(routes!(tokens::issue))
        .routes(routes!(inbox::page))
        .routes(routes!(inbox::acks))
        .routes(routes!(inbox::reads))
        .routes(routes!(inbox::delete))
        .routes(routes!(live::live))
        .routes(routes!(session_keys::page))
        .routes(routes!(session_keys::acks))
        .routes(routes!(session_keys::wrap))
        .routes(routes!(links::offer))
        .routes(routes!(links::link, links::approve))
        .routes(routes!(links::digits))
        .routes(routes!(links::complete))
        .routes(routes!(recovery::info, recovery::put))
        .routes(routes!(recovery::recover))
        .routes(routes!(resets::begin, resets::cancel))
        .routes(routes!(ephemeral_keys::open_now))
        .routes(routes!(ephemeral_keys::claim))
}

/// One token a request, and nothing that says who asks.
fn sealed_half() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sealed::lookup))
        .routes(routes!(sealed::send))
        .routes(routes!(sealed::ephemeral_key))
}

/// For everybody.
fn open() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(server::server))
        .routes(routes!(tokens::directory))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(docs::document))
        .routes(routes!(docs::page))
}

/// The page, and nothing but the page, is compressed: an answer that mixes a secret with what
/// somebody else chose must not tell its content by its size.
fn pages() -> Router<App> {
    Router::new()
        .route("/docs/style.css", get(docs::style))
        .fallback_service(get(page::page).fallback(unknown))
        .layer(CompressionLayer::new())
}

/// The whole server.
pub fn router(app: App) -> Router {
    let account = account_half()
        .layer(from_fn_with_state(app.clone(), own_origin))
        .layer(session_layer(&app))
        .layer(map_response_with_state(app.clone(), whole_removal))
        .layer(from_fn(to_the_end));
    let sealed = sealed_half().layer(from_fn(unidentified)).layer(map_response(alone));
    let headers = SecurityHeaders::new(&app.origin);
    let (api, _) = open().merge(account).merge(sealed).split_for_parts();
    api.method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .merge(pages())
        .layer(CatchPanicLayer::custom(|_| Error::internal("a handler panicked").into_response()))
        .layer(from_fn(move |request, next| headers.clone().set(request, next)))
        .layer(from_fn(observe::request))
        .with_state(app)
}

async fn unknown() -> Error {
    Error::NotFound
}

/// The cookie's name: with `__Host-`, browsers hold it to `https`, this host and no domain.
fn cookie_name(app: &App) -> &'static str {
    if app.origin.is_secure() { "__Host-letterbox" } else { "letterbox" }
}

fn session_layer(app: &App) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions::new(app.db.clone(), app.clock.clone()))
        .with_name(cookie_name(app))
        .with_secure(app.origin.is_secure())
        .with_http_only(true)
        .with_same_site(SameSite::Strict)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(time::Duration::DAY))
}

/// Answers to the end, also where the client goes away meanwhile: what was stored is followed by the
/// word to live sockets, and by what the session knows of it.
async fn to_the_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await.map_err(JoinError::try_into_panic) {
        Ok(response) => response,
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Error::internal("the server stops").into_response(),
    }
}

/// tower-sessions removes a cookie without its attributes, which browsers refuse for a `__Host-`
/// one.
async fn whole_removal(State(app): State<App>, mut response: Response) -> Response {
    let name = cookie_name(&app);
    let removal = format!("{name}=;");
    let headers = response.headers_mut();
    let is_removal = |value: &HeaderValue| value.as_bytes().starts_with(removal.as_bytes());
    if headers.get_all(header::SET_COOKIE).iter().any(is_removal) {
        let secure = if app.origin.is_secure() { "; Secure" } else { "" };
        let whole = format!("{name}=; HttpOnly; SameSite=Strict{secure}; Path=/; Max-Age=0");
        headers.remove(header::SET_COOKIE);
        if let Ok(whole) = HeaderValue::from_str(&whole) {
            headers.insert(header::SET_COOKIE, whole);
        }
    }
    response
}

/// Whatever changes something, and every WebSocket, comes from a page of our own origin.
async fn own_origin(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && !request.headers().contains_key(header::UPGRADE) {
        return Ok(next.run(request).await);
    }
    let origins = request.headers().get_all(header::ORIGIN);
    let own = app.origin.header();
    let mut origins = origins.iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin.as_bytes() == own.as_bytes() => Ok(next.run(request).await),
        _ => Err(Error::ForeignOrigin),
    }
}

/// A sealed request that carries a cookie is refused, whatever cookie it is.
async fn unidentified(request: Request, next: Next) -> Result<Response, Error> {
    if request.headers().contains_key(header::COOKIE) {
        return Err(Error::IdentityOnSealedRequest);
    }
    Ok(next.run(request).await)
}

/// A connection ends with its one sealed request: two on the same would be seen to be one client's.
async fn alone(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "letterbox",
        description = "A sealed-sender mailbox. Bodies are JSON; binary values are unpadded \
            base64url; times are seconds since 1970. Errors are `application/problem+json` \
            (RFC 9457) with a stable `type`.\n\nThe WebSocket's frames, and what the values mean, \
            are described in `docs/protocol.md`."
    ),
    tags(
        (name = "account", description = "With the session's cookie. Requests that change \
            something, and the WebSocket, need the page's own `Origin`."),
        (name = "sealed", description = "With a token and nothing that says who asks: a request \
            with a `Cookie` is refused."),
        (name = "open", description = "For everybody."),
    ),
    components(schemas(Problem))
)]
struct Document;

/// The description of every route, for `/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let all = OpenApiRouter::<App>::with_openapi(Document::openapi());
    let mut api = all.merge(open()).merge(account_half()).merge(sealed_half()).into_openapi();
    let token = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
        "Authorization",
        "`PrivateToken token=\"…\"` (RFC 9577): a blind token of 162 bytes, for one request.",
    )));
    api.components
        .get_or_insert_default()
        .security_schemes
        .insert("token".to_owned(), token.into());
    for item in api.paths.paths.values_mut() {
        operations(item).for_each(describe_problems);
    }
    api
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Every operation may answer with a problem.
fn describe_problems(operation: &mut Operation) {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description("What is wrong.")
        .content("application/problem+json", content)
        .build();
    operation.responses.responses.insert("default".to_owned(), response.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::StatusCode};
    use std::{sync::Arc, time::Duration};
    use tokio::{sync::Semaphore, time::timeout};
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn what_a_request_began_is_done_when_its_client_has_gone() {
        let [begun, seen, done] = [(); 3].map(|()| Arc::new(Semaphore::new(0)));
        let steps = [begun.clone(), seen.clone(), done.clone()];
        let handler = async move || {
            let [begun, seen, done] = steps;
            begun.add_permits(1);
            let _ = seen.acquire().await;
            done.add_permits(1);
        };
        let router = Router::new().route("/", get(handler)).layer(from_fn(to_the_end));
        let answer = router.oneshot(Request::new(Body::empty()));
        tokio::select! {
            _ = answer => panic!("it waits"),
            _ = begun.acquire() => {}
        }
        seen.add_permits(1);
        let done = timeout(Duration::from_secs(60), done.acquire()).await;
        assert!(done.is_ok_and(|done| done.is_ok()));
    }

    #[tokio::test]
    async fn a_panic_comes_through() {
        let panicking = get(async || -> StatusCode { panic!("as tests do") });
        let router = Router::new().route("/", panicking).layer(from_fn(to_the_end));
        let layer = CatchPanicLayer::custom(|_| StatusCode::IM_A_TEAPOT.into_response());
        let answer = router.layer(layer).oneshot(Request::new(Body::empty())).await;
        assert_eq!(answer.map(|answer| answer.status()), Ok(StatusCode::IM_A_TEAPOT));
    }
}
