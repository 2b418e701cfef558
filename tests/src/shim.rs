//! Small libraries in C, loaded into a process before its others, that make the system answer something else.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a file of `tests/shims` into a folder.
pub fn compile(source: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shims").join(source);
    let library = folder.join(source.file_name().expect("a file")).with_extension("so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
    compiler.arg(&library).arg(&source).arg("-ldl");
    let output = compiler.output().expect("there is a C compiler, named cc");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile:\n{said}", source.display());
    library
}
