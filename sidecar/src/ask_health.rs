//! `webhooks-sidecar health`: asks a sidecar on this machine how it is.

use crate::config::HealthArgs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// No answer is longer.
const MAX_ANSWER: u64 = 64 << 10;

/// Prints the answer. Success: all is well.
pub fn run(args: &HealthArgs) -> ExitCode {
    let path = if args.alive { "/healthz" } else { "/readyz" };
    match ask(reachable(args.metrics_listen), path, args.timeout) {
        Ok((is_well, answer)) => {
            println!("{}", answer.trim_end());
            match is_well {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            println!("no answer from {}: {error}", args.metrics_listen);
            ExitCode::FAILURE
        }
    }
}

/// What listens on all addresses is reached at that of this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => Ipv4Addr::LOCALHOST.into(),
            false => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Whether the status is 200, and the answer's text.
fn ask(address: SocketAddr, path: &str, timeout: Duration) -> io::Result<(bool, String)> {
    let timeout = timeout.max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("that is no answer of HTTP"))?;
    let is_well = head.split(' ').nth(1) == Some("200");
    Ok((is_well, body.to_owned()))
}
