//! Requests to receivers, over HTTP/1.1.
//!
//! - [`request`]: what a delivery's request says, [`template`] makes the bodies of some; [`options_handshake`]: the
//!   request that asks a receiver whether it wants deliveries, and [`permission`], what its answer means
//! - [`send`]: one request of a delivery, under its deadline, and what came of it
//! - [`client`]: one request and its answer, on a connection that is kept or new
//! - [`wire`]: a request as bytes; [`head`], [`body`], [`reply`]: an answer as far as it came, without any I/O
//! - [`exchange`]: both over one connection; [`connect`], [`connection`], [`pool`]: where connections come from, and
//!   where they wait for the next request; [`resolve`]: names to addresses, behind the address policy
//!
//! No redirects, no proxies, no decompression: nothing is connected to or unpacked that was not asked for. Why this is
//! no general client, and no HTTP/2: docs/explanation/decisions/0001-http-1-only.md.

mod body;
pub mod client;
mod connect;
pub mod connection;
mod error;
mod exchange;
mod head;
pub mod options_handshake;
mod permission;
mod pool;
mod reply;
mod request;
pub mod resolve;
pub mod send;
pub mod template;
mod wire;
