//! Copies the data of a server while it works, by the interface that Postgres has for programs: the server that
//! is fetched comes without `pg_basebackup`.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use anyhow::Context;
use reqwest::Url;
use sqlx::{Connection, PgConnection};

use crate::user::User;
use crate::whole::{ignore_missing, make_whole, write_whole};

/// Folders whose contents are of one run of a server only, or, as the write-ahead log, come another way.
const EMPTY: [&str; 7] = [
    "pg_wal",
    "pg_replslot",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_subtrans",
];

/// Files that say something of the server that is copied.
const LEFT_OUT: [&str; 5] =
    ["postmaster.pid", "postmaster.opts", "backup_label", "standby.signal", "recovery.signal"];

/// Makes the folder `to` a copy of the cluster in `from`, whose server is at `of`.
pub(super) async fn copy_running(
    of: &Url,
    from: &Path,
    to: &Path,
    user: Option<User>,
) -> anyhow::Result<()> {
    make_whole(to, 0o700, async |partial| {
        // The backup ends with the session that began it.
        let mut session = PgConnection::connect(of.as_str()).await.context("cannot reach it")?;
        sqlx::query(include_str!("../../queries/begin_backup.sql")).execute(&mut session).await?;
        copy_files(from, partial, user).await?;
        let label: String = sqlx::query_scalar(include_str!("../../queries/end_backup.sql"))
            .fetch_one(&mut session)
            .await?;
        session.close().await?;
        let file = partial.join("backup_label");
        write_whole(&file, label.as_bytes(), 0o600)?;
        give(&file, user)?;
        Ok(())
    })
    .await
    .with_context(|| format!("cannot copy {}", from.display()))
}

/// Copies a folder whose files nobody or only a server in backup changes.
pub(super) async fn copy_files(from: &Path, to: &Path, user: Option<User>) -> anyhow::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let copy = move || -> anyhow::Result<()> {
        give(&to, user)?;
        copy_folder(&from, &to, user, true)?;
        Ok(())
    };
    tokio::task::spawn_blocking(copy).await.context("copying was interrupted")?
}

fn copy_folder(from: &Path, to: &Path, user: Option<User>, is_top: bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        let is = |names: &[&str]| is_top && names.iter().any(|one| name == *one);
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
            if !is(&EMPTY) {
                copy_folder(&entry.path(), &target, user, false)?;
            }
        } else if is(&LEFT_OUT) {
            continue;
        } else {
            // A table may go meanwhile; what the write-ahead log says of it is enough.
            ignore_missing(fs::copy(entry.path(), &target).map(drop))?;
        }
        ignore_missing(give(&target, user))?;
    }
    Ok(())
}

/// Lets a file or folder belong to the user that runs Postgres.
pub(super) fn give(path: &Path, user: Option<User>) -> io::Result<()> {
    match user {
        Some(User { uid, gid }) => lchown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}
