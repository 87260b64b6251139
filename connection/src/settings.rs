//! What the parameters of a connection mean.

mod targets;

use crate::conninfo::{Error, Parameters};
use crate::passfile::Passfile;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::config::ChannelBinding;

/// Longest attempt to connect to one address, unless connect_timeout says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that vanished without a word is noticed after four of these.
const KEEPALIVE: Duration = Duration::from_secs(5);
const KEEPALIVES: u32 = 3;

/// A server that may be the one.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub place: Place,
    /// Its TCP port, or the number in its socket's name.
    pub port: u16,
    /// What it gets if it asks for a password.
    pub password: Option<Vec<u8>>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By TCP: what it is called, and its address if that is known.
    Tcp {
        /// A host name, or an address as it was given.
        name: String,
        /// What to connect to without a look-up.
        address: Option<IpAddr>,
    },
    /// The directory of its socket.
    Unix(PathBuf),
}

/// As in libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where nothing else is let in.
    Allow,
    /// TLS where it is offered.
    Prefer,
    /// TLS; with authorities as `VerifyCa`.
    Require,
    /// A certificate by an authority that is trusted.
    VerifyCa,
    /// One that is for the host, besides.
    VerifyFull,
}

/// Whom to trust to say who the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that the system trusts.
    System,
    /// Those in a file, and no other.
    File(PathBuf),
}

/// Files with a certificate of this side, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM, with what its chain needs.
    pub certificate: PathBuf,
    /// PEM, not encrypted.
    pub key: PathBuf,
}

/// How sessions are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether, and how far servers are verified.
    pub mode: SslMode,
    /// Without asking the server first (PostgreSQL 17).
    pub is_direct: bool,
    /// Who vouches for servers; `None`: nobody is asked.
    pub roots: Option<Roots>,
    /// What a server gets that asks who is there.
    pub client: Option<ClientCertificate>,
}

/// When TCP finds out that the server is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Whether an idle connection is probed.
    pub keepalives: bool,
    /// After so long without traffic.
    pub idle: Duration,
    /// So often until there is an answer.
    pub interval: Duration,
    /// After so many without an answer the server is gone.
    pub count: u32,
    /// How long what was sent may be unacknowledged; `None`: the system's.
    pub user_timeout: Option<Duration>,
}

/// How to reach the database.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The servers, in the order in which they are tried.
    pub targets: Vec<Target>,
    /// In any order.
    pub shuffles: bool,
    /// The role.
    pub user: String,
    /// The database's name.
    pub database: String,
    /// Command-line options for the server.
    pub options: Option<String>,
    /// What the names of the sessions have added.
    pub application_name: Option<String>,
    /// How sessions are encrypted.
    pub tls: Tls,
    /// Whether SCRAM is bound to the TLS session.
    pub channel_binding: ChannelBinding,
    /// Longest attempt at one address; `None`: it may take as long as it takes.
    pub connect_timeout: Option<Duration>,
    /// When a server that vanished is given up.
    pub liveness: Liveness,
    /// What works, but hardly as meant.
    pub warnings: Vec<String>,
}

/// What the command line has beside the connection string.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Of --password-file.
    pub password: Option<String>,
    /// --database-ca-file.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// # Errors
    /// Values that can't be, parameters that can't be honoured.
    pub fn new(parameters: &Parameters, overrides: &Overrides) -> Result<Self, Error> {
        let mut warnings = Vec::new();
        let user = match parameters.value("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|error| {
                Error::File(format!("no user is given, and the system does not tell this process's ({error}): name one in the connection string or in PGUSER"))
            })?,
        };
        let database = parameters.value("dbname").unwrap_or(&user).to_owned();
        let password = overrides
            .password
            .clone()
            .or_else(|| parameters.value("password").map(str::to_owned));
        let passfile = match password {
            Some(_) => Passfile::default(),
            None => {
                let (passfile, warning) = Passfile::read(parameters.value("passfile"));
                warnings.extend(warning);
                passfile
            }
        };
        let mut targets = targets::read(parameters)?;
        for target in &mut targets {
            target.password = match &password {
                Some(password) => Some(password.clone()),
                None => targets::password_in(&passfile, target, &database, &user),
            }
            .map(String::into_bytes);
        }
        refuse_standbys(parameters)?;
        Ok(Self {
            targets,
            shuffles: choice(
                parameters,
                "load_balance_hosts",
                &[("disable", false), ("random", true)],
            )?
            .unwrap_or(false),
            user,
            database,
            options: parameters.value("options").map(str::to_owned),
            application_name: parameters.value("application_name").map(str::to_owned),
            tls: tls(parameters, overrides)?,
            channel_binding: choice(
                parameters,
                "channel_binding",
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
            )?
            .unwrap_or(ChannelBinding::Prefer),
            connect_timeout: connect_timeout(parameters)?,
            liveness: liveness(parameters)?,
            warnings,
        })
    }

    /// The servers, for messages: host and port, or the path of the socket.
    pub fn servers(&self) -> String {
        let targets = self.targets.iter().map(|target| {
            let port = target.port;
            match &target.place {
                Place::Unix(directory) => format!("{}/.s.PGSQL.{port}", directory.display()),
                Place::Tcp { name, .. } if name.contains(':') => format!("[{name}]:{port}"),
                Place::Tcp { name, .. } => format!("{name}:{port}"),
            }
        });
        targets.collect::<Vec<_>>().join(",")
    }

    /// Whether any server is reached by TCP.
    pub fn is_remote(&self) -> bool {
        let is_tcp = |target: &Target| matches!(target.place, Place::Tcp { .. });
        self.targets.iter().any(is_tcp)
    }
}

impl SslMode {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A value out of a list.
fn choice<T: Copy>(
    parameters: &Parameters,
    keyword: &str,
    choices: &[(&str, T)],
) -> Result<Option<T>, Error> {
    let Some(value) = parameters.value(keyword) else {
        return Ok(None);
    };
    let chosen = choices.iter().find(|(name, _)| *name == value);
    match chosen {
        Some((_, choice)) => Ok(Some(*choice)),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(parameters.invalid(keyword, &format!("use one of {}", names.join(", "))))
        }
    }
}

fn number(parameters: &Parameters, keyword: &str) -> Result<Option<i32>, Error> {
    let Some(value) = parameters.value(keyword) else {
        return Ok(None);
    };
    let number = value.trim().parse();
    let number = number.map_err(|_| parameters.invalid(keyword, "not a whole number"))?;
    Ok(Some(number))
}

/// Zero or less is none, as to libpq.
fn positive(parameters: &Parameters, keyword: &str) -> Result<Option<u32>, Error> {
    let number = number(parameters, keyword)?;
    Ok(number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0))
}

fn connect_timeout(parameters: &Parameters) -> Result<Option<Duration>, Error> {
    Ok(match number(parameters, "connect_timeout")? {
        None => Some(CONNECT_TIMEOUT),
        // libpq takes 1 for 2, too.
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.max(2))),
    })
}

fn liveness(parameters: &Parameters) -> Result<Liveness, Error> {
    let seconds = |keyword| {
        let seconds = positive(parameters, keyword)?;
        Ok(seconds.map_or(KEEPALIVE, |seconds| Duration::from_secs(seconds.into())))
    };
    let user_timeout = positive(parameters, "tcp_user_timeout")?;
    Ok(Liveness {
        keepalives: number(parameters, "keepalives")? != Some(0),
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: positive(parameters, "keepalives_count")?.unwrap_or(KEEPALIVES),
        user_timeout: user_timeout.map(|ms| Duration::from_millis(ms.into())),
    })
}

/// Whatever is wanted, only a server that accepts writes will do.
fn refuse_standbys(parameters: &Parameters) -> Result<(), Error> {
    match parameters.value("target_session_attrs") {
        None | Some("any" | "read-write" | "primary") => Ok(()),
        Some(value @ ("read-only" | "standby" | "prefer-standby")) => Err(Error::Refused {
            parameter: format!("{value} for {}", parameters.name("target_session_attrs")),
            advice: "this program writes to the database, which a standby does not let it; use read-write or primary",
        }),
        Some(_) => Err(parameters.invalid(
            "target_session_attrs",
            "use read-write or primary (or any): the first server that accepts writes is taken",
        )),
    }
}

fn tls(parameters: &Parameters, overrides: &Overrides) -> Result<Tls, Error> {
    let modes = [
        SslMode::Disable,
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ]
    .map(|mode| (mode.name(), mode));
    let is_system =
        overrides.ca_file.is_none() && parameters.value("sslrootcert") == Some("system");
    let mode = choice(parameters, "sslmode", &modes)?;
    let mode = match mode {
        // Everybody can have a certificate of such an authority, for another name.
        Some(mode) if is_system && mode != SslMode::VerifyFull => {
            return Err(parameters.invalid(
                "sslmode",
                "with sslrootcert=system it has to be verify-full: anybody can have a certificate of a public authority",
            ));
        }
        None if is_system => SslMode::VerifyFull,
        mode => mode.unwrap_or(SslMode::Prefer),
    };
    let negotiation = [("postgres", false), ("direct", true)];
    let is_direct = choice(parameters, "sslnegotiation", &negotiation)?.unwrap_or(false);
    if is_direct && [SslMode::Disable, SslMode::Allow, SslMode::Prefer].contains(&mode) {
        let reason = format!(
            "direct is for TLS that is required, and sslmode is {}: set sslmode=verify-full",
            mode.name()
        );
        return Err(parameters.invalid("sslnegotiation", &reason));
    }
    Ok(Tls {
        mode,
        is_direct,
        roots: roots(parameters, overrides, mode)?,
        client: client_certificate(parameters)?,
    })
}

/// As to libpq, an authority that is known is asked also where sslmode asks for encryption alone.
fn roots(
    parameters: &Parameters,
    overrides: &Overrides,
    mode: SslMode,
) -> Result<Option<Roots>, Error> {
    if let Some(file) = &overrides.ca_file {
        return Ok(Some(Roots::File(file.clone())));
    }
    match parameters.value("sslrootcert") {
        Some("system") => return Ok(Some(Roots::System)),
        Some(file) => return Ok(Some(Roots::File(file.into()))),
        None => {}
    }
    if let Some(file) = users_file("root.crt") {
        return Ok(Some(Roots::File(file)));
    }
    match mode {
        SslMode::VerifyFull => Ok(Some(Roots::System)),
        SslMode::VerifyCa => Err(parameters.invalid(
            "sslmode",
            "verify-ca needs the server's certificate authority: name its file with sslrootcert or --database-ca-file, or use verify-full, which asks those that the system trusts",
        )),
        _ => Ok(None),
    }
}

fn client_certificate(parameters: &Parameters) -> Result<Option<ClientCertificate>, Error> {
    match parameters.value("sslcertmode") {
        None | Some("allow") => {}
        Some("disable") => return Ok(None),
        Some("require") => {
            return Err(Error::Refused {
                parameter: format!("require for {}", parameters.name("sslcertmode")),
                advice: "whether a server asked for the certificate is not seen here; leave it out, and use clientcert=verify-full in the server's pg_hba.conf",
            });
        }
        Some(_) => return Err(parameters.invalid("sslcertmode", "use disable or allow")),
    }
    let certificate = match parameters.value("sslcert") {
        Some(file) => PathBuf::from(file),
        None => match users_file("postgresql.crt") {
            Some(file) => file,
            None if parameters.value("sslkey").is_some() => {
                return Err(parameters.invalid(
                    "sslkey",
                    "there is a key, and no certificate: name its file with sslcert",
                ));
            }
            None => return Ok(None),
        },
    };
    let key = match parameters.value("sslkey") {
        Some(file) => PathBuf::from(file),
        None => users_file("postgresql.key").ok_or_else(|| {
            let certificate = certificate.display();
            Error::File(format!("there is a client certificate, {certificate}, and no key: name its file with sslkey"))
        })?,
    };
    Ok(Some(ClientCertificate { certificate, key }))
}

/// A file of libpq's in this user's home, if it is there.
fn users_file(name: &str) -> Option<PathBuf> {
    let file = std::env::home_dir()?.join(".postgresql").join(name);
    file.is_file().then_some(file)
}

#[cfg(test)]
mod tests;
