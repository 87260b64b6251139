//! The certificate by which this program shows who it is (`sslcert` and `sslkey`).

use super::roots::certificates;
use super::setup::SetupError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub struct ClientIdentity {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) key_file: PathBuf,
}

impl ClientIdentity {
    /// Reads the files; as libpq, not a key that others can read.
    ///
    /// # Errors
    /// Names the file.
    pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, SetupError> {
        let file = || key_file.to_owned();
        let unreadable = |source| SetupError::Unreadable {
            file: file(),
            source,
        };
        let metadata = std::fs::metadata(key_file).map_err(unreadable)?;
        let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
        if metadata.mode() & forbidden != 0 {
            return Err(SetupError::OpenKey { file: file() });
        }
        let pem = std::fs::read(key_file).map_err(unreadable)?;
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|_| SetupError::NoKey { file: file() })?;
        Ok(Self {
            certificates: certificates(certificate_file)?,
            key,
            key_file: file(),
        })
    }
}
