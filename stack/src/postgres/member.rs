//! A Postgres server that can be followed by a standby, copied while it works, and restored to a moment.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use reqwest::Url;
use sqlx::{Connection, PgConnection};

use super::copy::{copy_files, copy_running, give};
use super::databases::Databases;
use super::{cluster, launch};
use crate::cache::{self, Programs};
use crate::credentials::{ADMIN, Credentials};
use crate::folder::DataFolder;
use crate::places::Places;
use crate::ports;
use crate::process::record::stop_leftovers;
use crate::services::{START_MAX, Service};
use crate::user::User;
use crate::whole::{make_folder, make_whole, write_whole};

/// How much of the write-ahead log is kept for a standby that is being made or was away.
const KEPT_FOR_STANDBYS: &str = "1GB";

/// A running server. Dropping it kills it.
pub struct Member {
    folder: DataFolder,
    programs: Programs,
    credentials: Credentials,
    port: u16,
    url: Url,
    server: Service,
}

/// A copy of a server's data, with the folder to which its write-ahead log is archived.
#[derive(Debug, Clone)]
pub struct Backup {
    data: PathBuf,
    archive: PathBuf,
}

/// A server that does not run yet.
struct Ground {
    folder: DataFolder,
    programs: Programs,
    credentials: Credentials,
}

impl Ground {
    /// Takes the folder, with nothing in it.
    async fn clear(
        root: &Path,
        programs: Programs,
        credentials: Credentials,
    ) -> anyhow::Result<Self> {
        let folder = DataFolder::open(root)?;
        stop_leftovers(&folder.records()).await?;
        folder.clear()?;
        make_folder(&folder.postgres(), 0o711)?;
        Ok(Self { folder, programs, credentials })
    }

    fn cluster(&self) -> PathBuf {
        cluster(&self.folder.postgres())
    }

    /// A file in the data, which has to be there already.
    fn mark(&self, name: &str) -> anyhow::Result<()> {
        let file = self.cluster().join(name);
        write_whole(&file, b"", 0o600)?;
        give(&file, User::for_postgres()).with_context(|| format!("{}", file.display()))
    }

    async fn start(self, settings: Vec<(&'static str, String)>) -> anyhow::Result<Member> {
        self.start_with(settings, &[]).await
    }

    async fn start_with(
        self,
        mut settings: Vec<(&'static str, String)>,
        env: &[(&'static str, String)],
    ) -> anyhow::Result<Member> {
        let Self { folder, programs, credentials } = self;
        let [port] = ports::free()?;
        settings.push(("wal_keep_size", KEPT_FOR_STANDBYS.to_owned()));
        let launched = launch(&folder, &programs, &credentials, port, &settings, env).await?;
        let (mut server, url) = launched;
        server.ready(START_MAX).await?;
        Ok(Member { folder, programs, credentials, port, url, server })
    }
}

impl Member {
    /// A server with nothing in it, in its own folder.
    pub async fn start(root: &Path, places: &Places) -> anyhow::Result<Self> {
        new(root, places).await?.start(Vec::new()).await
    }

    /// The same with variables, which are made for the folder in which its data is to be, and whose files its user can
    /// read.
    pub async fn start_with(
        root: &Path,
        places: &Places,
        env: impl FnOnce(&Path) -> anyhow::Result<Vec<(&'static str, String)>>,
    ) -> anyhow::Result<Self> {
        let ground = new(root, places).await?;
        let env = env(&ground.folder.postgres())?;
        ground.start_with(Vec::new(), &env).await
    }

    /// The same, whose write-ahead log is archived, file by file, as soon as one is full.
    pub async fn start_archiving(root: &Path, places: &Places) -> anyhow::Result<Self> {
        let ground = new(root, places).await?;
        let archive = archive(&ground.folder);
        make_folder(&archive, 0o700)?;
        give(&archive, User::for_postgres())?;
        let archive = archive.display();
        let command = format!("test ! -f \"{archive}/%f\" && cp \"%p\" \"{archive}/%f\"");
        ground.start(vec![("archive_mode", "on".to_owned()), ("archive_command", command)]).await
    }

    /// A standby of this server, which it reaches by a port of this machine.
    pub async fn follow(&self, root: &Path, by: u16) -> anyhow::Result<Self> {
        let ground = self.another(root).await?;
        let user = User::for_postgres();
        copy_running(&self.url, &self.cluster(), &ground.cluster(), user).await?;
        ground.mark("standby.signal")?;
        let password = &self.credentials.admin;
        let primary = format!(
            "host=127.0.0.1 port={by} user={ADMIN} password={password} application_name=standby"
        );
        let retry = "200ms".to_owned();
        ground
            .start(vec![("primary_conninfo", primary), ("wal_retrieve_retry_interval", retry)])
            .await
    }

    /// Copies the data while the server works. It has to archive.
    pub async fn back_up(&self) -> anyhow::Result<Backup> {
        let data = self.folder.postgres().join("backup");
        copy_running(&self.url, &self.cluster(), &data, User::for_postgres()).await?;
        Ok(Backup { data, archive: archive(&self.folder) })
    }

    /// Another server, with what this one had at a moment: the backup, and what was archived from then on. It
    /// takes commands when that is done.
    pub async fn restore(&self, root: &Path, backup: &Backup, until: &str) -> anyhow::Result<Self> {
        let ground = self.another(root).await?;
        let user = User::for_postgres();
        make_whole(&ground.cluster(), 0o700, async |partial| {
            copy_files(&backup.data, partial, user).await?;
            std::fs::copy(backup.data.join("backup_label"), partial.join("backup_label"))?;
            give(&partial.join("backup_label"), user)?;
            Ok(())
        })
        .await?;
        ground.mark("recovery.signal")?;
        let command = format!("cp \"{}/%f\" \"%p\"", backup.archive.display());
        let settings = vec![
            ("restore_command", command),
            ("recovery_target_time", until.to_owned()),
            ("recovery_target_action", "promote".to_owned()),
        ];
        ground.start(settings).await
    }

    /// Lets a standby take commands from now on.
    pub async fn promote(&self) -> anyhow::Result<()> {
        let mut session = PgConnection::connect(self.url.as_str()).await?;
        let promoted: bool = sqlx::query_scalar(include_str!("../../queries/promote.sql"))
            .fetch_one(&mut session)
            .await?;
        ensure!(promoted, "the standby does not take commands in time");
        Ok(())
    }

    /// Its databases, once it takes commands.
    pub async fn databases(&self) -> anyhow::Result<Databases> {
        Databases::open(self.url.clone(), self.credentials.clone()).await
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of its superuser.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.url
    }

    /// Ends it as `kill -9` does; what it had stays.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.server.kill().await.map(drop)
    }

    /// Starts it again where it was, if it has ended, and waits until it answers.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        match self.server.process().has_ended()? {
            true => self.server.start_again().await,
            false => self.server.ready(START_MAX).await,
        }
    }

    /// Stops it and removes what it had.
    pub async fn remove(mut self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.folder.clear()
    }

    fn cluster(&self) -> PathBuf {
        cluster(&self.folder.postgres())
    }

    async fn another(&self, root: &Path) -> anyhow::Result<Ground> {
        Ground::clear(root, self.programs.clone(), self.credentials.clone()).await
    }
}

async fn new(root: &Path, places: &Places) -> anyhow::Result<Ground> {
    let programs = cache::fetch(places).await?;
    let ground = Ground::clear(root, programs, Credentials::random()).await?;
    Ok(ground)
}

fn archive(folder: &DataFolder) -> PathBuf {
    folder.postgres().join("archive")
}
