//! A real Postgres server of our own.

pub mod databases;
mod copy;
pub mod member;

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use reqwest::Url;
use tokio::process::Command;

use crate::cache::{POSTGRES_MAJOR, Programs};
use crate::credentials::{ADMIN, Credentials};
use crate::folder::DataFolder;
use crate::process::{Kind, Spec, run};
use crate::server::Address;
use crate::services::Service;
use crate::user::User;
use crate::whole::{make_folder, make_whole, write_whole};

/// Makes the data where there is none yet, starts a server, and returns it with the URL of its
/// superuser. Settings given here come last; variables are in addition to the inherited ones.
pub(crate) async fn launch(
    folder: &DataFolder,
    programs: &Programs,
    credentials: &Credentials,
    port: u16,
    more: &[(&'static str, String)],
    env: &[(&'static str, String)],
) -> anyhow::Result<(Service, Url)> {
    let user = User::for_postgres();
    let programs = programs.postgres(user).await?;
    let home = folder.postgres();
    if !home.starts_with(folder.root()) {
        tracing::info!(
            "Postgres does not run as root, and its user cannot enter {}, so its data is in {}",
            folder.root().display(),
            home.display()
        );
    }
    make_folder(&home, 0o711)?;
    let cluster = cluster(&home);
    make_cluster(&cluster, &programs.join("bin/initdb"), user, &credentials.admin).await?;
    check_version(&cluster)?;

    // Both files are written at every start, so that they follow this program.
    let (settings, rules) = (home.join("postgresql.conf"), home.join("pg_hba.conf"));
    write_whole(&settings, include_bytes!("../postgresql.conf"), 0o644)?;
    write_whole(&rules, include_bytes!("../pg_hba.conf"), 0o644)?;
    let mut arguments = vec!["-D".into(), cluster.into()];
    let mut set = |name: &str, value: &OsStr| {
        let mut setting = OsString::from(format!("{name}="));
        setting.push(value);
        arguments.extend(["-c".into(), setting]);
    };
    set("config_file", settings.as_os_str());
    set("hba_file", rules.as_os_str());
    set("port", port.to_string().as_ref());
    let counts_statements = ["so", "dylib"].iter().any(|ending| {
        programs.join(format!("lib/postgresql/pg_stat_statements.{ending}")).exists()
    });
    if counts_statements {
        set("shared_preload_libraries", "pg_stat_statements".as_ref());
    }
    for (name, value) in more {
        set(name, value.as_ref());
    }
    let spec = Spec {
        kind: Kind::Postgres,
        name: "postgres".to_owned(),
        program: programs.join("bin/postgres"),
        args: arguments,
        env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        user,
    };
    let url = format!("postgres://{ADMIN}:{}@127.0.0.1:{port}/postgres", credentials.admin);
    let url = Url::parse(&url).context("the password is hexadecimal")?;
    Ok((Service::server(folder, spec, Address::Postgres(url.clone()))?, url))
}

/// Where the data is. It belongs to Postgres' user, the rest of the home to us.
fn cluster(home: &Path) -> PathBuf {
    home.join("cluster")
}

async fn make_cluster(
    cluster: &Path,
    initdb: &Path,
    user: Option<User>,
    password: &str,
) -> anyhow::Result<()> {
    make_whole(cluster, 0o700, async |partial| {
        let password_file = cluster.with_file_name("password");
        write_whole(&password_file, password.as_bytes(), 0o600)?;
        let mut initdb = Command::new(initdb);
        initdb
            .arg("--pgdata")
            .arg(partial)
            .arg("--pwfile")
            .arg(&password_file)
            .args(["--username", ADMIN, "--auth", "scram-sha-256", "--encoding", "UTF8"])
            // The order of text does not depend on the machine.
            .args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"])
            .arg("--no-instructions")
            .current_dir("/");
        if let Some(User { uid, gid }) = user {
            for path in [partial, &password_file] {
                chown(path, Some(uid), Some(gid))
                    .with_context(|| format!("cannot give {} to Postgres' user", path.display()))?;
            }
            initdb.uid(uid).gid(gid);
        }
        let made = run(&mut initdb).await;
        std::fs::remove_file(&password_file).context("cannot remove the password's file")?;
        made
    })
    .await
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
