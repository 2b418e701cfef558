//! The bytes of trade files, unpacked where they are packed.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;

/// One real day, shipped with the clone; its source is named in `samples/README.md`.
const SAMPLE: &[u8] = include_bytes!("../../samples/online-retail-2010-12-01.csv.gz");

/// The largest file that is taken, unpacked. A month of the shop's trade is 4 MB.
const BYTES_MAX: u64 = 256 << 20;

/// What every gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One trade file: its name for messages and its csv text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name to show.
    pub name: String,
    /// The csv, unpacked. Mostly UTF-8, but that is not promised.
    pub csv: Vec<u8>,
}

impl Source {
    /// Reads a csv file, packed with gzip or not.
    ///
    /// # Errors
    /// The file cannot be read or unpacked, or is larger than 256 MiB.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let csv = File::open(path)
            .map_err(anyhow::Error::from)
            .and_then(unpack)
            .with_context(|| format!("cannot read {name}"))?;
        Ok(Self { name, csv })
    }

    /// The sample that is shipped with the clone: the trade of 1 December 2010.
    ///
    /// # Errors
    /// The sample in the clone is damaged.
    pub fn sample() -> anyhow::Result<Self> {
        let csv = unpack(SAMPLE).context("the shipped sample cannot be unpacked")?;
        Ok(Self { name: "online-retail-2010-12-01.csv.gz".to_owned(), csv })
    }
}

/// All of a file, through gzip when it begins like one, whatever its name says.
fn unpack(mut file: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start)?;
    let packed = start == GZIP;
    let whole = Cursor::new(start).chain(file);
    let mut csv = Vec::new();
    if packed {
        MultiGzDecoder::new(whole).take(BYTES_MAX + 1).read_to_end(&mut csv)?;
    } else {
        whole.take(BYTES_MAX + 1).read_to_end(&mut csv)?;
    }
    anyhow::ensure!(csv.len() as u64 <= BYTES_MAX, "it holds more than {BYTES_MAX} bytes");
    Ok(csv)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_packed_file_and_a_plain_one_give_the_same_bytes() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(b"a,b\n1,2\n").expect("memory takes it");
        let packed = packed.finish().expect("memory takes it");
        assert_eq!(unpack(packed.as_slice()).expect("gzip"), b"a,b\n1,2\n");
        assert_eq!(unpack(&b"a,b\n1,2\n"[..]).expect("plain"), b"a,b\n1,2\n");
        assert_eq!(unpack(&b""[..]).expect("empty"), b"");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Source::open(Path::new("no/such.csv")).expect_err("no such file");
        assert!(error.to_string().contains("no/such.csv"), "{error}");
    }
}
