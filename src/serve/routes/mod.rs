//! One file a family of routes.

mod hugging_face;
mod inferences;
mod page;
mod sagemaker;
mod status;
mod stream;

use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use super::app::App;
use super::auth::{self, ApiKey};
use super::error::{ApiError, Kind, Problem};
use super::host::{self, Hosts};
use super::observe;

#[derive(OpenApi)]
#[openapi(
    info(description = "Answers questions from contexts: the span of the context that answers, with its score and its place."),
    modifiers(&Key),
)]
struct Document;

struct Key;

impl utoipa::Modify for Key {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// All routes, and what is done with every request.
pub(super) fn router(app: App, key: Option<ApiKey>, hosts: Option<Hosts>, cors: Option<CorsLayer>) -> Router {
    let mut guarded = OpenApiRouter::new()
        .routes(routes!(inferences::inferences))
        .routes(routes!(stream::stream))
        .routes(routes!(hugging_face::root))
        .routes(routes!(hugging_face::predict))
        .routes(routes!(sagemaker::invocations))
        .routes(routes!(status::info))
        .routes(routes!(status::metrics));
    // What is compressed otherwise is refused where it is read.
    guarded = guarded.route_layer(RequestDecompressionLayer::new().pass_through_unaccepted(true));
    if let Some(key) = key {
        guarded = guarded.route_layer(middleware::from_fn_with_state(key, auth::require));
    }
    let open = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(sagemaker::ping));
    let (router, document) = open.merge(guarded).merge(page::router()).split_for_parts();

    let docs: Router<App> = SwaggerUi::new("/docs").url("/openapi.json", document).into();
    let docs = docs
        .layer(content_security_policy("default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"))
        .layer(middleware::map_response(not_found_as_json));
    let router = router
        .merge(docs)
        .fallback(async || ApiError::from(Problem::NoPath))
        .method_not_allowed_fallback(async || ApiError::from(Problem::WrongMethod))
        .layer(CatchPanicLayer::custom(|_| ApiError::from(Problem::Panicked).into_response()));
    let router = router.layer(middleware::from_fn_with_state(hosts, host::require));
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let router = router
        .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(default_header(header::REFERRER_POLICY, "no-referrer"))
        .layer(content_security_policy("default-src 'none'; frame-ancestors 'none'"))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app);
    // Around the router, since a path is changed before it is looked up.
    Router::new().fallback_service(router).layer(middleware::map_request(without_trailing_slash))
}

/// `/inferences/` is `/inferences`. The documentation's own page is a folder.
async fn without_trailing_slash(mut request: Request) -> Request {
    if let Some(uri) = trimmed(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty() && !path.starts_with("/docs"))?;
    let path = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.ok();
    Uri::from_parts(parts).ok()
}

fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn content_security_policy(policy: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    default_header(header::CONTENT_SECURITY_POLICY, policy)
}

/// The documentation's own answer for a file that it does not have is text.
async fn not_found_as_json(response: Response) -> Response {
    match response.status() {
        status if status == Kind::NotFound.status() => ApiError::from(Problem::NoFile).into_response(),
        _ => response,
    }
}
