//! The user that runs Postgres, which refuses to run as root.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// A user of this machine, by numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub uid: u32,
    pub gid: u32,
}

impl User {
    /// The current user when there is nothing to change; `nobody` for root, because every system has
    /// that user and it owns nothing of value.
    pub(crate) fn for_postgres() -> Option<Self> {
        // The same number on all systems of a kind: 65534, or -2 in 32 bits.
        let nobody = if cfg!(target_os = "macos") { u32::MAX - 1 } else { 65_534 };
        rustix::process::geteuid().is_root().then_some(Self { uid: nobody, gid: nobody })
    }

    /// Whether this user may enter a folder and everything above it.
    #[must_use]
    pub(crate) fn may_enter(self, folder: &Path) -> bool {
        let mut test = Command::new("test");
        test.arg("-x").arg(folder).current_dir("/").uid(self.uid).gid(self.gid);
        test.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_enter_a_folder_only_when_all_above_are_open() {
        use std::os::unix::fs::PermissionsExt as _;
        let Some(nobody) = User::for_postgres() else {
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
