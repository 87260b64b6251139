//! Hosts, their addresses and ports: lists with commas that belong together.

use super::{Place, Target};
use crate::conninfo::{Error, Parameters};
use crate::passfile::{Key, Passfile};
use std::path::Path;

const PORT: u16 = 5432;
/// Where packages and PostgreSQL's own build put the socket.
const SOCKET_DIRECTORIES: &[&str] = &["/run/postgresql", "/var/run/postgresql", "/tmp"];

/// # Errors
/// Lists of different lengths, ports and addresses that can't be.
pub(super) fn read(parameters: &Parameters) -> Result<Vec<Target>, Error> {
    let hosts = list(parameters, "host");
    let addresses = list(parameters, "hostaddr");
    let count = hosts.len().max(addresses.len()).max(1);
    for (keyword, list) in [("host", &hosts), ("hostaddr", &addresses)] {
        if !list.is_empty() && list.len() != count {
            let reason = format!("it has {} places, and there are {count} hosts", list.len());
            return Err(parameters.invalid(keyword, &reason));
        }
    }
    let ports = ports(parameters, count)?;
    let targets = ports.into_iter().enumerate().map(|(n, port)| {
        let host = hosts.get(n).copied().unwrap_or_default();
        let address = addresses.get(n).copied().unwrap_or_default();
        Ok(Target {
            place: place(parameters, host, address, port)?,
            port,
            password: None,
        })
    });
    targets.collect()
}

fn list<'a>(parameters: &'a Parameters, keyword: &str) -> Vec<&'a str> {
    let value = parameters.value(keyword);
    value.map_or(Vec::new(), |value| {
        value.split(',').map(str::trim).collect()
    })
}

/// One for all, or one for each.
fn ports(parameters: &Parameters, count: usize) -> Result<Vec<u16>, Error> {
    let given = list(parameters, "port");
    let ports: Result<Vec<u16>, Error> = given
        .iter()
        .map(|port| match port.parse() {
            _ if port.is_empty() => Ok(PORT),
            Ok(port) if port > 0 => Ok(port),
            _ => Err(parameters.invalid("port", "not a port number")),
        })
        .collect();
    match ports?.as_slice() {
        [] => Ok(vec![PORT; count]),
        [port] => Ok(vec![*port; count]),
        ports if ports.len() == count => Ok(ports.to_vec()),
        ports => {
            let reason = format!("it has {} places, and there are {count} hosts", ports.len());
            Err(parameters.invalid("port", &reason))
        }
    }
}

fn place(parameters: &Parameters, host: &str, address: &str, port: u16) -> Result<Place, Error> {
    if !address.is_empty() {
        let ip = address
            .parse()
            .map_err(|_| parameters.invalid("hostaddr", "not an IP address; names go into host"))?;
        let name = if host.is_empty() { address } else { host };
        return Ok(Place::Tcp {
            name: name.to_owned(),
            address: Some(ip),
        });
    }
    if host.starts_with('@') {
        return Err(parameters.invalid(
            "host",
            "sockets in the abstract namespace are not supported; use a socket in a directory",
        ));
    }
    if host.starts_with('/') {
        return Ok(Place::Unix(host.into()));
    }
    if host.is_empty() {
        return Ok(default_place(port));
    }
    Ok(Place::Tcp {
        name: host.to_owned(),
        address: None,
    })
}

/// The server of this machine: by its socket, as libpq does, or by TCP if it has none where sockets usually are.
fn default_place(port: u16) -> Place {
    let has_socket = |directory: &&&str| {
        Path::new(directory)
            .join(format!(".s.PGSQL.{port}"))
            .exists()
    };
    match SOCKET_DIRECTORIES.iter().find(has_socket) {
        Some(directory) => Place::Unix(directory.into()),
        None => Place::Tcp {
            name: "localhost".to_owned(),
            address: None,
        },
    }
}

pub(super) fn password_in(
    passfile: &Passfile,
    target: &Target,
    database: &str,
    user: &str,
) -> Option<String> {
    let directory;
    let host = match &target.place {
        Place::Tcp { name, .. } => name,
        Place::Unix(path) => {
            directory = path.to_string_lossy();
            let is_usual = SOCKET_DIRECTORIES.contains(&directory.trim_end_matches('/'));
            if is_usual { "localhost" } else { &*directory }
        }
    };
    passfile.password(&Key {
        host,
        port: target.port,
        database,
        user,
    })
}
