//! The user that runs Postgres, which refuses to run as root.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

/// A user of this machine, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
}

impl User {
    /// The current user when there is nothing to change; `nobody` for root, because every system has
    /// that user and it owns nothing of value.
    pub(crate) fn for_postgres() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("cannot read the users")?;
        let nobody = find(&users, "nobody")
            .context("Postgres does not run as root, and there is no user `nobody` to run it as")?;
        Ok(Some(nobody))
    }

    /// Whether this user may enter a folder and everything above it.
    #[must_use]
    pub(crate) fn may_enter(self, folder: &Path) -> bool {
        let mut test = Command::new("test");
        test.arg("-x").arg(folder).current_dir("/").uid(self.uid).gid(self.gid);
        test.status().is_ok_and(|status| status.success())
    }
}

/// Finds a user in the text of `/etc/passwd`, where macOS has negative numbers.
fn find(users: &str, name: &str) -> Option<User> {
    let number = |text: &str| text.parse::<i64>().ok().map(|number| number as u32);
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some(User { uid: number(ids.next()?)?, gid: number(ids.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_found_among_the_users() {
        let debian = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/sbin/nologin";
        assert_eq!(find(debian, "nobody"), Some(User { uid: 65534, gid: 65533 }));
        let macos = "# comment\nnobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false";
        assert_eq!(find(macos, "nobody").map(|user| user.uid), Some(u32::MAX - 1));
        assert_eq!(find("root:x:0:0::/root:", "nobody"), None);
    }

    #[test]
    fn a_user_may_enter_a_folder_only_when_all_above_are_open() {
        use std::os::unix::fs::PermissionsExt as _;
        let Some(nobody) = User::for_postgres().unwrap() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let set = |mode| {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(0o700);
        assert!(!nobody.may_enter(&inner));
        set(0o711);
        assert!(nobody.may_enter(&inner));
    }
}
