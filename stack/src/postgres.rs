//! A real Postgres server, made and run here.

pub mod configuration;
pub mod databases;

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Url;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use crate::cache::Programs;
use crate::credentials::{ADMIN, Credentials};
use crate::folder::DataFolder;
use crate::process::log::tail;
use crate::process::{Kind, Process, Spec};
use crate::user::User;
use crate::whole::{make_folder, make_whole, write_whole};
use configuration::Configuration;

/// Long, because after a hard end Postgres first replays what it had not written back.
const START_MAX: Duration = Duration::from_secs(180);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What Postgres says when it was killed and its last sessions have not noticed yet. It passes.
const STILL_IN_USE: &str = "is still in use";

/// Where root's data goes when Postgres' user cannot enter the data folder.
const SHARED_DATA: &str = "/var/lib/stockbook";

/// A Postgres server of our own. No `Debug`: it knows a password.
pub struct Postgres {
    process: Process,
    admin_url: Url,
    statement_statistics: bool,
}

impl Postgres {
    /// Makes the data where there is none yet, and starts the server.
    ///
    /// # Errors
    /// The data is another version's, or the programs fail.
    pub async fn launch(
        folder: &DataFolder,
        programs: &Programs,
        credentials: &Credentials,
        port: u16,
    ) -> anyhow::Result<Self> {
        let user = User::for_postgres()?;
        let programs_home = programs.postgres(user).await?;
        let site = Site { home: home(folder)?, bin: programs_home.join("bin"), user };
        if site.home != folder.postgres() {
            tracing::info!(
                "Postgres does not run as root, and its user cannot enter {}: its data is in {}",
                folder.root().display(),
                site.home.display()
            );
        }
        make_folder(&site.home, 0o711)?;
        site.make_cluster(&credentials.admin, programs.postgres_major()).await?;
        let statement_statistics = ["so", "dylib"]
            .map(|ending| format!("lib/postgresql/pg_stat_statements.{ending}"))
            .iter()
            .any(|library| programs_home.join(library).exists());
        site.configure(port, statement_statistics)?;
        let process = Process::start(folder, site.server())?;
        Ok(Self { process, admin_url: admin_url(port, &credentials.admin)?, statement_statistics })
    }

    /// Waits until the server answers.
    ///
    /// # Errors
    /// It ended, or did not answer in time; the message ends with its log.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            let Err(seen) = self.answers().await else {
                return Ok(());
            };
            if self.process.has_ended()? {
                let log = tail(self.process.log(), 20);
                if !log.contains(STILL_IN_USE) || Instant::now() > deadline {
                    bail!("Postgres ended while it was starting; {log}");
                }
                self.process.start_again()?;
            }
            if Instant::now() > deadline {
                let log = tail(self.process.log(), 20);
                bail!("Postgres does not answer ({seen:#}); {log}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn answers(&self) -> anyhow::Result<()> {
        let connect = PgConnection::connect(self.admin_url.as_str());
        let connection =
            tokio::time::timeout(ANSWER_MAX, connect).await.context("no answer in time")??;
        connection.close().await.context("it broke off")
    }

    /// Starts it once more after it has ended, and waits until it answers.
    ///
    /// # Errors
    /// As [`Postgres::ready`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    /// Waits until the server has ended.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.ended().await
    }

    /// Ends every session and stops the server in order.
    ///
    /// # Errors
    /// The operating system refuses.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop().await
    }

    /// Its process: to kill, pause and resume it, and for its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Whether it counts what every statement costs, in `pg_stat_statements`.
    #[must_use]
    pub fn counts_statements(&self) -> bool {
        self.statement_statistics
    }

    /// The superuser's URL, with its password.
    #[must_use]
    pub fn admin_url(&self) -> &Url {
        &self.admin_url
    }
}

fn admin_url(port: u16, password: &str) -> anyhow::Result<Url> {
    let text = format!("postgres://{ADMIN}:{password}@127.0.0.1:{port}/postgres");
    Url::parse(&text).context("the password is hexadecimal")
}

/// Where Postgres' data lies: in the data folder, or for root, when that lies where Postgres' user
/// cannot go (`/root`), in a folder of `/var/lib/stockbook` named after the data folder.
///
/// # Errors
/// There is no user to run Postgres as.
pub(crate) fn home(folder: &DataFolder) -> anyhow::Result<PathBuf> {
    match User::for_postgres()? {
        Some(user) if !user.may_enter(folder.root()) => {
            let digest = Sha256::digest(folder.root().as_os_str().as_encoded_bytes());
            Ok(Path::new(SHARED_DATA).join(&hex::encode(digest)[..16]))
        }
        _ => Ok(folder.postgres()),
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

    async fn make_cluster(&self, password: &str, major: &str) -> anyhow::Result<()> {
        let cluster = self.cluster();
        if cluster.is_dir() {
            return check_version(&cluster, major);
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
            // The order of text must not depend on the machine.
            .args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"])
            .arg("--no-instructions")
            .current_dir("/")
            .kill_on_drop(true);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        let output = command.output().await.context("cannot run initdb")?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            bail!("initdb failed:\n{}", String::from_utf8_lossy(&said).trim());
        }
        Ok(())
    }

    /// Writes both configuration files anew at every start: what they say is decided here.
    fn configure(&self, port: u16, statement_statistics: bool) -> anyhow::Result<()> {
        let configuration =
            Configuration { port, client_rules: &self.client_rules(), statement_statistics };
        write_whole(&self.configuration(), configuration.text().as_bytes(), 0o644)?;
        write_whole(&self.client_rules(), configuration::CLIENT_RULES.as_bytes(), 0o644)
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

fn check_version(cluster: &Path, major: &str) -> anyhow::Result<()> {
    let found = std::fs::read_to_string(cluster.join("PG_VERSION"))
        .with_context(|| format!("{} is no Postgres data", cluster.display()))?;
    if found.trim() != major {
        bail!(
            "the data was made by Postgres {}, this is {major}: `cargo stack reset` removes it",
            found.trim()
        );
    }
    Ok(())
}
