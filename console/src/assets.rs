//! Style sheet, scripts and picture. They are part of the program, and their names change with their content,
//! so that a browser may keep them forever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::services::Failure;

const FOREVER: &str = "public, max-age=31536000, immutable";

/// One file.
#[derive(Debug)]
struct Asset {
    stem: &'static str,
    ending: &'static str,
    kind: &'static str,
    content: &'static str,
}

const ALL: [Asset; 5] = [
    style("console", include_str!("../assets/console.css")),
    script("show", include_str!("../assets/show.js")),
    script("live", include_str!("../assets/live.js")),
    script("slider", include_str!("../assets/slider.js")),
    Asset {
        stem: "icon",
        ending: "svg",
        kind: "image/svg+xml",
        content: include_str!("../assets/icon.svg"),
    },
];

const fn style(stem: &'static str, content: &'static str) -> Asset {
    Asset { stem, ending: "css", kind: "text/css; charset=utf-8", content }
}

const fn script(stem: &'static str, content: &'static str) -> Asset {
    Asset { stem, ending: "js", kind: "text/javascript; charset=utf-8", content }
}

/// The paths of all of them, in the same order.
static PATHS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let path = |asset: &Asset| {
        let hash = hex::encode(&Sha256::digest(asset.content)[..8]);
        format!("/assets/{}-{hash}.{}", asset.stem, asset.ending)
    };
    ALL.iter().map(path).collect()
});

/// The path of the asset with this name, for a template.
pub(crate) fn path(stem: &str) -> &'static str {
    let index = ALL.iter().position(|asset| asset.stem == stem);
    &PATHS[index.expect("templates name assets that exist")]
}

/// `GET /assets/{name}`
pub(crate) async fn serve(Path(name): Path<String>) -> Result<Response, Failure> {
    let path = format!("/assets/{name}");
    let index = PATHS.iter().position(|known| *known == path).ok_or(Failure::NotFound)?;
    let headers = [(CONTENT_TYPE, ALL[index].kind), (CACHE_CONTROL, FOREVER)];
    Ok((headers, ALL[index].content).into_response())
}
