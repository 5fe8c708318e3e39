//! The names by which a server may be asked.
//!
//! A page on the web can have its own name point to 127.0.0.1, and would then be let in as if it were of this machine.
//! What only this machine can reach is asked by names of this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::{ApiError, Problem};

/// The names that are let in.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Arc<[String]>);

impl Hosts {
    /// Those for a server at this address, besides `allowed`; `None`: any. One that others can reach has names that it
    /// does not know.
    pub(super) fn new(address: SocketAddr, allowed: &[String]) -> Option<Self> {
        if !address.ip().is_loopback() || allowed.iter().any(|host| host == "*") {
            return None;
        }
        Some(Self(allowed.iter().map(|host| host.to_ascii_lowercase()).collect()))
    }

    fn has(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.is_loopback();
        }
        // Nobody can have a name without a dot in the web's names.
        !host.contains('.') || host.ends_with(".localhost") || self.0.contains(&host)
    }
}

/// Turns away requests by several names, by none, and by another than `hosts`, if those are known.
pub(super) async fn require(
    State(hosts): State<Option<Hosts>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if !is_proper(&request) {
        return Err(Problem::HostHeader.into());
    }
    match (hosts, asked_for(request.uri(), request.headers())) {
        (Some(hosts), Some(host)) if !hosts.has(&host) => Err(Problem::UnknownHost { host }.into()),
        _ => Ok(next.run(request).await),
    }
}

/// Whether the header is as RFC 9112 has it (section 3.2): two of them may be read in two ways.
fn is_proper(request: &Request) -> bool {
    let mut values = request.headers().get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => false,
        (Some(host), None) => !host.as_bytes().trim_ascii().is_empty() || request.uri().authority().is_some(),
        (None, None) => request.version() < Version::HTTP_11,
    }
}

/// The name without its port; `None` in a request of HTTP/1.0 that has none, as browsers do not send.
fn asked_for(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(host) = uri.host() {
        return Some(host.to_owned());
    }
    let value = headers.get(header::HOST)?;
    let authority: Option<Authority> = value.to_str().ok().and_then(|text| text.parse().ok());
    Some(
        authority.map_or_else(|| String::from_utf8_lossy(value.as_bytes()).into_owned(), |host| host.host().to_owned()),
    )
}
