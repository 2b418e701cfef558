//! Where the files are: a folder of this machine, or a prefix in a bucket of an S3-compatible store, with one folder
//! below it for each lane. A file appears there under its name when it is complete and stored for good.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use service_edge::tls::trusting;
use shared_events::lane::Lane;

use super::file::{Complete, Description};
use super::name::{self, Span, Spans};

/// Locked by the one export that writes to a folder.
const LOCK: &str = ".lock";

/// How the name of a bucket begins.
const S3: &str = "s3://";

/// Bytes at the end of a file that are read for its metadata, if that is not longer.
const TAIL_BYTES: u64 = 64 << 10;

pub(super) struct Place {
    store: Arc<dyn ObjectStore>,
    shown: String,
    /// Held until the process ends, however it does.
    _lock: Option<File>,
}

impl Place {
    /// A place to read from: a folder, or `s3://BUCKET/PREFIX`.
    pub(super) fn open(to: &str) -> anyhow::Result<Self> {
        let store = store(to).with_context(|| format!("{to} cannot be used"))?;
        Ok(Self { store, shown: to.to_owned(), _lock: None })
    }

    /// A place to write to. A folder is created if it is missing, and refused if another export writes to it; a
    /// bucket has no such lock.
    pub(super) fn lock(to: &str) -> anyhow::Result<Self> {
        let lock = || -> anyhow::Result<Option<File>> {
            if to.starts_with(S3) {
                return Ok(None);
            }
            ensure!(!to.contains("://"), "it is neither a folder nor {S3}BUCKET/PREFIX");
            fs::create_dir_all(to)?;
            let lock = File::create(Path::new(to).join(LOCK))?;
            match lock.try_lock() {
                Ok(()) => Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => bail!("another export writes to it"),
                Err(TryLockError::Error(error)) => Err(error.into()),
            }
        };
        let lock = lock().with_context(|| format!("{to} cannot be used"))?;
        Ok(Self { _lock: lock, ..Self::open(to)? })
    }

    /// Every lane that there are files of, ascending.
    pub(super) async fn lanes(&self) -> anyhow::Result<Vec<Lane>> {
        let found = self.store.list_with_delimiter(None).await.map_err(said);
        let found = found.with_context(|| format!("{self} cannot be read"))?;
        let folders = found.common_prefixes.iter().filter_map(|folder| folder.filename());
        let mut lanes: Vec<Lane> = folders.filter_map(name::lane_of).collect();
        lanes.sort_unstable();
        Ok(lanes)
    }

    /// The files of a lane.
    pub(super) async fn spans(&self, lane: Lane) -> anyhow::Result<Spans> {
        let folder = Key::from(name::folder(lane));
        let read = async || -> anyhow::Result<Spans> {
            let files: Vec<_> = self.store.list(Some(&folder)).try_collect().await.map_err(said)?;
            let names = files.iter().filter_map(|file| file.location.filename());
            let visible = names.filter(|name| !name.starts_with('.'));
            let spans = visible.map(|name| name.parse().context(name.to_owned()));
            Ok(Spans::new(spans.collect::<anyhow::Result<_>>()?)?)
        };
        read().await.with_context(|| format!("{self}/{folder} cannot be used"))
    }

    /// A whole file.
    pub(super) async fn read(&self, lane: Lane, span: Span) -> anyhow::Result<Bytes> {
        let file = self.store.get(&key(lane, span)).await.map_err(said)?;
        file.bytes().await.map_err(said)
    }

    /// What a file says of itself.
    pub(super) async fn describe(&self, lane: Lane, span: Span) -> anyhow::Result<Description> {
        let key = key(lane, span);
        let read = async || Description::of(&self.metadata(&key).await?);
        read().await.with_context(|| format!("{self}/{key} cannot be read"))
    }

    async fn metadata(&self, key: &Key) -> anyhow::Result<ParquetMetaData> {
        let size = self.store.head(key).await.map_err(said)?.size;
        let mut tail = TAIL_BYTES.min(size);
        loop {
            let bytes = self.store.get_range(key, size - tail..size).await.map_err(said)?;
            let mut reader = ParquetMetaDataReader::new();
            match reader.try_parse_sized(&bytes, size) {
                Ok(()) => return Ok(reader.finish()?),
                Err(ParquetError::NeedMoreData(needed)) if needed as u64 > tail => {
                    tail = (needed as u64).min(size);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Stores a file under its name, which no file has yet.
    pub(super) async fn keep(&self, file: Complete) -> anyhow::Result<()> {
        self.put(file, PutMode::Create).await
    }

    /// Stores a file in the place of one with the same events.
    pub(super) async fn replace(&self, file: Complete) -> anyhow::Result<()> {
        self.put(file, PutMode::Overwrite).await
    }

    async fn put(&self, file: Complete, mode: PutMode) -> anyhow::Result<()> {
        let Description { lane, span, .. } = file.description;
        let key = key(lane, span);
        match self.store.put_opts(&key, file.bytes.into(), mode.into()).await {
            Ok(_) => Ok(()),
            Err(Error::AlreadyExists { .. }) => {
                bail!("{self}/{key} was made by somebody else")
            }
            Err(error) => Err(said(error)).with_context(|| format!("{self}/{key} is not stored")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown)
    }
}

fn key(lane: Lane, span: Span) -> Key {
    Key::from_iter([name::folder(lane), span.to_string()])
}

/// An error once: it repeats its causes, and the page that a store answers with.
fn said(error: Error) -> anyhow::Error {
    let text = error.to_string();
    anyhow!("{}", text.split(": <?xml").next().unwrap_or_default())
}

fn store(to: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let Some(place) = to.strip_prefix(S3) else {
        return Ok(Arc::new(LocalFileSystem::new_with_prefix(to)?.with_fsync(true)));
    };
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let bucket = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_http_connector(Connector)
        .build()?;
    Ok(Arc::new(PrefixStore::new(bucket, Key::parse(prefix.trim_end_matches('/'))?)))
}

/// Makes HTTP clients with the TLS of the other clients.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = trusting(None).and_then(|tls| {
            Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).build()?)
        });
        match client {
            Ok(client) => Ok(HttpClient::new(client)),
            Err(error) => Err(Error::Generic { store: "S3", source: error.into() }),
        }
    }
}
