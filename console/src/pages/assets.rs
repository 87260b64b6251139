//! Files that pages refer to. They are part of the program, and their address has a digest of their content, so that
//! browsers keep them for as long as they like.

use crate::http::problem::Problem;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Response, StatusCode};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
    digest: LazyLock<String>,
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset {
            name: $name,
            kind: $kind,
            content: include_bytes!(concat!("../../assets/", $name)),
            digest: LazyLock::new(|| digest(include_bytes!(concat!("../../assets/", $name)))),
        }
    };
}

static ASSETS: [Asset; 6] = [
    asset!("style.css", "text/css; charset=utf-8"),
    asset!("console.js", "text/javascript; charset=utf-8"),
    asset!("trouble.js", "text/javascript; charset=utf-8"),
    asset!("renewal.js", "text/javascript; charset=utf-8"),
    asset!("portal.js", "text/javascript; charset=utf-8"),
    // https://htmx.org, version 2.0.11; htmx.LICENSE is its licence.
    asset!("htmx.min.js", "text/javascript; charset=utf-8"),
];

fn digest(content: &[u8]) -> String {
    Sha256::digest(content)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The address of a file, such as `/assets/0123456789abcdef/style.css`.
pub fn url(name: &str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let digest = asset.map_or("", |asset| asset.digest.as_str());
    format!("/assets/{digest}/{name}")
}

/// A file, by digest and name.
pub async fn get(Path((digest, name)): Path<(String, String)>) -> Result<Response<Body>, Problem> {
    let found = ASSETS
        .iter()
        .find(|asset| asset.name == name && *asset.digest == digest);
    let Some(asset) = found else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "there is no such file in this version",
        ));
    };
    Response::builder()
        .header(CONTENT_TYPE, asset.kind)
        .header(CACHE_CONTROL, "public, max-age=31536000, immutable")
        .body(Body::from(asset.content))
        .map_err(|error| Problem::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_an_address() {
        for asset in &ASSETS {
            let address = url(asset.name);
            assert!(address.contains(asset.digest.as_str()) && asset.digest.len() == 16);
        }
    }
}
