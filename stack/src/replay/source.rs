//! Trade files: the bytes of a csv, unpacked if they are gzip.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;

/// One real day, shipped with the clone; `samples/README.md` names its source.
const SAMPLE: &[u8] = include_bytes!("../../samples/online-retail-2010-12-01.csv.gz");

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug, Clone)]
pub struct Source {
    /// Shown in error messages.
    pub name: String,
    pub csv: Vec<u8>,
}

impl Source {
    /// Reads a csv file, packed with gzip or not.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
        let csv = unpack(bytes).with_context(|| format!("cannot unpack {name}"))?;
        Ok(Self { name, csv })
    }

    /// The shipped sample: the trade of 1 December 2010.
    pub fn sample() -> anyhow::Result<Self> {
        let csv = unpack(SAMPLE.to_vec()).context("cannot unpack the shipped sample")?;
        Ok(Self { name: "online-retail-2010-12-01.csv.gz".to_owned(), csv })
    }

    /// The csv as text. Some copies of the shop's data are Latin-1, where every byte is the
    /// character with that number.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.csv) {
            Ok(text) => text.into(),
            Err(_) => self.csv.iter().copied().map(char::from).collect::<String>().into(),
        }
    }
}

fn unpack(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(bytes);
    }
    let mut csv = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut csv)?;
    Ok(csv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_bytes_stay_and_gzip_is_unpacked() {
        assert_eq!(unpack(b"a,b\n1,2\n".to_vec()).unwrap(), b"a,b\n1,2\n");
        assert!(Source::sample().unwrap().csv.starts_with(b"InvoiceNo,"));
    }

    #[test]
    fn latin_1_and_utf_8_become_the_same_text() {
        for csv in [b"NOTEBOOKS \xa31".to_vec(), "NOTEBOOKS £1".into()] {
            let source = Source { name: String::new(), csv };
            assert_eq!(source.text(), "NOTEBOOKS £1");
        }
    }

    #[test]
    fn an_error_names_the_missing_file() {
        let error = Source::open(Path::new("no/such.csv")).unwrap_err();
        assert!(error.to_string().contains("no/such.csv"), "{error}");
    }
}
