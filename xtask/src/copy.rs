//! Copies a PostgreSQL installation. Its programs find their files relative to themselves, so a copy with the same
//! layout below another root works.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::layout::Layout;
use crate::wheel;

/// PostgreSQL's programs; the directory may be `/usr/bin`, so we copy these only.
const PROGRAMS: &[&str] = &[
    "initdb",
    "pg_basebackup",
    "pg_config",
    "pg_controldata",
    "pg_ctl",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "pg_restore",
    "pg_upgrade",
    "pg_waldump",
    "pgbench",
    "postgres",
    "psql",
];

/// Copies what is needed to run an installation to the same paths below `root`.
pub fn installation(from: &Layout, root: &Path) -> Result<()> {
    let to = from.moved(Path::new("/"), root)?;
    fs::create_dir_all(&to.bindir)?;
    for program in PROGRAMS {
        let original = from.bindir.join(program);
        if original.is_file() {
            file(&original, &to.bindir.join(program))?;
        }
    }
    tree(&from.pkglibdir, &to.pkglibdir)?;
    tree(&from.sharedir, &to.sharedir)?;
    wheel::open_to_all(root)
}

/// Copies a directory and all below it. Symbolic links become what they point to; dangling ones are left out.
pub fn tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match fs::metadata(&from) {
            Ok(kind) if kind.is_dir() => tree(&from, &to)?,
            Ok(_) => file(&from, &to)?,
            Err(_) => {}
        }
    }
    Ok(())
}

/// Copies a file.
pub fn file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
