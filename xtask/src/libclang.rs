//! libclang, which pgrx's bindings generator loads to read PostgreSQL's headers.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::project::Project;
use crate::wheel;

/// The settings with which bindgen finds libclang and the compiler's own headers (`stddef.h`).
pub struct Libclang(Vec<(&'static str, String)>);

impl Libclang {
    /// The libclang that `LIBCLANG_PATH` names, else the pinned one, fetched into the target directory.
    pub fn find(project: &Project) -> Result<Self> {
        if std::env::var_os("LIBCLANG_PATH").is_some() {
            return Ok(Self(Vec::new()));
        }
        let mut compiler = Command::new("cc");
        let headers = process::ask(compiler.arg("-print-file-name=include"))
            .context("a C compiler is needed (Debian: `apt-get install gcc libc6-dev`)")?;
        let wheel = wheel::fetch(project, &project.pins.libclang_wheel)?;
        let native: PathBuf = match find_directory(&wheel) {
            Some(directory) => directory,
            None => anyhow::bail!(
                "{} holds no libclang.so: delete that directory and try again",
                wheel.display()
            ),
        };
        Ok(Self(vec![
            ("LIBCLANG_PATH", native.to_string_lossy().into_owned()),
            ("BINDGEN_EXTRA_CLANG_ARGS", format!("-I{headers}")),
        ]))
    }

    /// Gives a cargo command these settings.
    pub fn apply(&self, command: &mut Command) {
        for (name, value) in &self.0 {
            command.env(name, value);
        }
    }
}

/// The library lies in `clang/native`, in some wheels below `<name>.data/platlib`.
fn find_directory(wheel: &std::path::Path) -> Option<PathBuf> {
    let mut bases = vec![wheel.to_path_buf()];
    for entry in std::fs::read_dir(wheel).ok()?.flatten() {
        bases.push(entry.path().join("platlib"));
    }
    bases
        .into_iter()
        .map(|base| base.join("clang/native"))
        .find(|native| native.join("libclang.so").is_file())
}
