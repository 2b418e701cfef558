//! The user that Postgres runs as: it refuses to run as root.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Context;

/// A user of this machine, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
}

impl User {
    /// Whom Postgres must run as: nobody else for an ordinary user, `nobody` for root.
    ///
    /// `nobody` because it is on every system and owns nothing of worth.
    ///
    /// # Errors
    /// Root cannot find `nobody` among the users.
    pub fn for_postgres() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("cannot read the users")?;
        let nobody = named(&users, "nobody")
            .context("Postgres does not run as root and there is no user `nobody` to run it as")?;
        Ok(Some(nobody))
    }

    /// Whether this user may pass through `folder` and all above it.
    #[must_use]
    pub fn may_enter(self, folder: &Path) -> bool {
        folder
            .ancestors()
            .all(|part| std::fs::metadata(part).is_ok_and(|of| self.may_pass(&Owned::of(&of))))
    }

    fn may_pass(self, folder: &Owned) -> bool {
        let bit = if folder.uid == self.uid {
            0o100
        } else if folder.gid == self.gid {
            0o010
        } else {
            0o001
        };
        folder.mode & bit != 0
    }
}

struct Owned {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Owned {
    fn of(metadata: &Metadata) -> Self {
        Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() }
    }
}

/// Finds a user in the text of `/etc/passwd`, where a number may be negative (macOS).
fn named(users: &str, name: &str) -> Option<User> {
    let number = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<i32>().ok()? as u32));
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let mut ids = fields.skip(1);
        Some(User { uid: number(ids.next()?)?, gid: number(ids.next()?)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: User = User { uid: 65534, gid: 65534 };

    #[test]
    fn nobody_is_found_among_the_users() {
        let debian = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/sbin/nologin";
        assert_eq!(named(debian, "nobody"), Some(NOBODY));
        let macos = "# comment\nnobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false";
        assert_eq!(named(macos, "nobody").map(|user| user.uid), Some(u32::MAX - 1));
        assert_eq!(named("root:x:0:0::/root:", "nobody"), None);
    }

    #[test]
    fn a_folder_is_passed_by_the_bit_that_concerns_the_user() {
        let folder = |uid, gid, mode| Owned { uid, gid, mode };
        assert!(NOBODY.may_pass(&folder(0, 0, 0o40755)));
        assert!(!NOBODY.may_pass(&folder(0, 0, 0o40700)), "as /root is");
        assert!(NOBODY.may_pass(&folder(65534, 0, 0o40700)));
        assert!(!NOBODY.may_pass(&folder(65534, 0, 0o40077)), "the owner's own bit counts");
        assert!(NOBODY.may_pass(&folder(0, 65534, 0o40710)));
    }
}
