//! Where an installation of PostgreSQL has its files.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Directories of an installation that matter at run time.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Programs.
    pub bindir: PathBuf,
    /// Loadable libraries.
    pub pkglibdir: PathBuf,
    /// `extension/` is below it.
    pub sharedir: PathBuf,
}

impl Layout {
    /// The same directories in a copy that has below `to` what this installation has below `from`.
    pub fn moved(&self, from: &Path, to: &Path) -> Result<Self> {
        let moved = |path: &Path| Ok::<_, anyhow::Error>(to.join(path.strip_prefix(from)?));
        Ok(Self {
            bindir: moved(&self.bindir)?,
            pkglibdir: moved(&self.pkglibdir)?,
            sharedir: moved(&self.sharedir)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_the_layout_of_the_original() {
        let layout = Layout {
            bindir: "/usr/lib/postgresql/15/bin".into(),
            pkglibdir: "/usr/lib/postgresql/15/lib".into(),
            sharedir: "/usr/share/postgresql/15".into(),
        };
        let copy = layout.moved(Path::new("/"), Path::new("/t")).unwrap();
        assert_eq!(copy.sharedir, Path::new("/t/usr/share/postgresql/15"));
        let moved = copy.moved(Path::new("/t"), Path::new("/tmp/x")).unwrap();
        assert_eq!(moved.bindir, Path::new("/tmp/x/usr/lib/postgresql/15/bin"));
    }
}
