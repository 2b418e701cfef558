//! A real Postgres server of our own.

mod configuration;
pub mod databases;

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::Url;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::cache::{POSTGRES_MAJOR, Programs};
use crate::credentials::{ADMIN, Credentials};
use crate::folder::DataFolder;
use crate::process::{Kind, Spec, run};
use crate::server::Address;
use crate::services::Service;
use crate::user::User;
use crate::whole::{make_folder, make_whole, write_whole};
use configuration::{CLIENT_RULES, postgresql_conf};

const SHARED_DATA: &str = "/var/lib/stockbook";

/// Makes the data where there is none yet, and starts a server.
pub(crate) async fn launch(
    folder: &DataFolder,
    programs: &Programs,
    credentials: &Credentials,
    port: u16,
) -> anyhow::Result<(Service, Url)> {
    let user = User::for_postgres();
    let bin = programs.postgres(user).await?.join("bin");
    let site = Site { home: home(folder), bin, user };
    if site.home != folder.postgres() {
        tracing::info!(
            "Postgres does not run as root, and its user cannot enter {}, so its data is in {}",
            folder.root().display(),
            site.home.display()
        );
    }
    make_folder(&site.home, 0o711)?;
    site.make_cluster(&credentials.admin).await?;
    site.configure(port)?;
    let admin_url = format!("postgres://{ADMIN}:{}@127.0.0.1:{port}/postgres", credentials.admin);
    let admin_url = Url::parse(&admin_url).context("the password is hexadecimal")?;
    let address = Address::Postgres(admin_url.clone());
    Ok((Service::server(folder, site.server(), address)?, admin_url))
}

/// The home of Postgres' data: in the data folder, or in `/var/lib/stockbook` when root's data folder
/// is in a place that Postgres' user cannot enter, such as `/root`.
pub(crate) fn home(folder: &DataFolder) -> PathBuf {
    match User::for_postgres() {
        Some(user) if !user.may_enter(folder.root()) => {
            let digest = Sha256::digest(folder.root().as_os_str().as_encoded_bytes());
            Path::new(SHARED_DATA).join(&hex::encode(digest)[..16])
        }
        _ => folder.postgres(),
    }
}

/// One server's folders: `cluster/` belongs to Postgres' user, the rest to us.
struct Site {
    home: PathBuf,
    bin: PathBuf,
    user: Option<User>,
}

impl Site {
    fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    fn configuration(&self) -> PathBuf {
        self.home.join("postgresql.conf")
    }

    fn client_rules(&self) -> PathBuf {
        self.home.join("pg_hba.conf")
    }

    async fn make_cluster(&self, password: &str) -> anyhow::Result<()> {
        let cluster = self.cluster();
        if cluster.is_dir() {
            return check_version(&cluster);
        }
        make_whole(&cluster, 0o700, async |partial| {
            let password_file = self.home.join("password");
            write_whole(&password_file, password.as_bytes(), 0o600)?;
            for path in [partial, &password_file] {
                self.give_away(path)?;
            }
            let made = self.initdb(partial, &password_file).await;
            std::fs::remove_file(&password_file).context("cannot remove the password's file")?;
            made
        })
        .await
    }

    async fn initdb(&self, cluster: &Path, password_file: &Path) -> anyhow::Result<()> {
        let mut command = Command::new(self.bin.join("initdb"));
        command
            .arg("--pgdata")
            .arg(cluster)
            .arg("--pwfile")
            .arg(password_file)
            .args(["--username", ADMIN, "--auth", "scram-sha-256", "--encoding", "UTF8"])
            // The order of text does not depend on the machine.
            .args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"])
            .arg("--no-instructions")
            .current_dir("/");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        run(&mut command).await
    }

    /// Writes both configuration files at every start, so that they follow this program.
    fn configure(&self, port: u16) -> anyhow::Result<()> {
        let counts_statements = ["so", "dylib"].iter().any(|ending| {
            let library = format!("../lib/postgresql/pg_stat_statements.{ending}");
            self.bin.join(library).exists()
        });
        let text = postgresql_conf(port, &self.client_rules(), counts_statements);
        write_whole(&self.configuration(), text.as_bytes(), 0o644)?;
        write_whole(&self.client_rules(), CLIENT_RULES.as_bytes(), 0o644)
    }

    fn server(&self) -> Spec {
        let mut config_file = OsString::from("config_file=");
        config_file.push(self.configuration());
        Spec {
            kind: Kind::Postgres,
            name: "postgres".to_owned(),
            program: self.bin.join("postgres"),
            args: vec!["-D".into(), self.cluster().into(), "-c".into(), config_file],
            env: Vec::new(),
            user: self.user,
        }
    }

    fn give_away(&self, path: &Path) -> anyhow::Result<()> {
        let Some(user) = self.user else {
            return Ok(());
        };
        chown(path, Some(user.uid), Some(user.gid))
            .with_context(|| format!("cannot give {} to Postgres' user", path.display()))
    }
}

fn check_version(cluster: &Path) -> anyhow::Result<()> {
    let found = std::fs::read_to_string(cluster.join("PG_VERSION"))
        .with_context(|| format!("{} has no Postgres data", cluster.display()))?;
    if found.trim() != POSTGRES_MAJOR {
        bail!(
            "the data is from Postgres {}, and this is Postgres {POSTGRES_MAJOR}; `cargo stack reset` \
             removes the data",
            found.trim()
        );
    }
    Ok(())
}
