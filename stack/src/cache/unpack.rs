//! Postgres out of its jar: a zip that holds one `.txz`, a tar compressed with xz.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context;
use lzma_rust2::XzReader;

/// Unpacks Postgres (`bin`, `lib`, `share`) from its jar into a folder.
pub(super) fn postgres(jar: &Path, into: &Path) -> anyhow::Result<()> {
    let of_jar = || format!("{} holds no Postgres", jar.display());
    let file = File::open(jar).with_context(|| format!("cannot read {}", jar.display()))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).with_context(of_jar)?;
    let name = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.ends_with(".txz"))
        .with_context(of_jar)?
        .into_owned();
    let compressed = archive.by_name(&name).with_context(of_jar)?;
    tar::Archive::new(XzReader::new(BufReader::new(compressed), false))
        .unpack(into)
        .with_context(|| format!("cannot unpack Postgres into {}", into.display()))
}
