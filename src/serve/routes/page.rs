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

const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the index asks for.
const ASSETS: [Asset; 16] = [
    Asset { path: "/page/icon.svg", media_type: SVG, text: include_str!("../page/icon.svg") },
    Asset { path: "/page/base.css", media_type: CSS, text: include_str!("../page/base.css") },
    Asset { path: "/page/ask.css", media_type: CSS, text: include_str!("../page/ask.css") },
    Asset { path: "/page/files.css", media_type: CSS, text: include_str!("../page/files.css") },
    script("/page/alternatives.js", include_str!("../page/alternatives.js")),
    script("/page/api.js", include_str!("../page/api.js")),
    script("/page/app.js", include_str!("../page/app.js")),
    script("/page/ask.js", include_str!("../page/ask.js")),
    script("/page/chat.js", include_str!("../page/chat.js")),
    script("/page/examples.js", include_str!("../page/examples.js")),
    script("/page/files.js", include_str!("../page/files.js")),
    script("/page/job.js", include_str!("../page/job.js")),
    script("/page/passage.js", include_str!("../page/passage.js")),
    script("/page/slices.js", include_str!("../page/slices.js")),
    script("/page/text.js", include_str!("../page/text.js")),
    script("/page/papaparse.min.js", include_str!("../page/vendor/papaparse.min.js")),
];

const fn script(path: &'static str, text: &'static str) -> Asset {
    Asset { path, media_type: JAVASCRIPT, text }
}

/// Only what comes from here, nothing inline, and in nobody's frame.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub(super) fn router() -> OpenApiRouter<App> {
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
