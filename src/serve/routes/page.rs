use std::hash::{DefaultHasher, Hash, Hasher};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::serve::app::App;

/// A file that is compiled in.
#[derive(Clone, Copy)]
struct Asset {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const INDEX: Asset =
    Asset { path: "/", media_type: "text/html; charset=utf-8", text: include_str!("../page/index.html") };

/// What the index asks for.
const ASSETS: [Asset; 2] = [
    Asset { path: "/app.js", media_type: "text/javascript; charset=utf-8", text: include_str!("../page/app.js") },
    Asset { path: "/style.css", media_type: "text/css; charset=utf-8", text: include_str!("../page/style.css") },
];

/// Only what comes from here, nothing inline, and in nobody's frame.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub fn router() -> OpenApiRouter<App> {
    let router = ASSETS.into_iter().fold(OpenApiRouter::new().routes(routes!(index)), |router, asset| {
        router.route(asset.path, get(async move |headers: HeaderMap| serve(asset, &headers)))
    });
    router.layer(SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ))
}

/// The page for people
#[utoipa::path(
    get,
    path = "/",
    tag = "State",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn index(headers: HeaderMap) -> Response {
    serve(INDEX, &headers)
}

fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let mut hasher = DefaultHasher::new();
    asset.text.hash(&mut hasher);
    let tag = format!("\"{:016x}\"", hasher.finish());
    // Kept, but asked for again: another version of the program has other files under the same names.
    let caching: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, &tag)];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.media_type)], asset.text).into_response()
}
