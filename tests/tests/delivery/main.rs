//! From `publish_event()` to a recorded delivery: a real cluster, the real sidecar, a real HTTP receiver.
//!
//! # Layout
//! - `scene`: what a test plays on; `tls_receiver`, `certified`: receivers with certificates of their own; `certificate`: one
//!   for others
//! - `flow`: the request and its record, as specified; `signatures`: verified by the published library; `secrets`: in no log
//! - `as_written`: URLs and addresses; `formats`: each payload format, as its consumers read it; `templates`: bodies of their own
//! - `outcomes`: the behaviour of receivers, and the outcome of the delivery
//! - `names`: the behaviour of DNS servers; `certificates`: the certificates of receivers
//! - `subscriptions`: changes while deliveries are queued
//! - `replay`: deliveries made again and cancelled by hand; `test_subscription`: tests, and waiting for their results
//! - `refused_results`: results that the server refuses for a while
//! - `doorbell`: nothing ever waits for the backstop poll
//! - `crash`: kills, stalls, failpoints, faults at random, several sidecars, shutdown
//! - `configuration`: mistakes of an operator, and the log lines about them; `doctor`: the command that looks for them
//! - `connecting`: reaching the database as libpq does, and poolers and proxies between
//! - `fleet`: several databases with one sidecar
//! - `copies`: nothing is sent from a copy of a database before it is adopted; `point_in_time`: a server that is restored to an
//!   earlier time; `hostile_settings`: defaults of role and database
//! - `ordering`: first in, first out; `rates`: so many per second; `health`: circuit breakers and disabling; `throttling`: receivers that
//!   want less
//! - `verification`: receivers that have to agree before they get deliveries
//! - `maintenance`: regular upkeep; `monitoring`: metrics and health; `traces`: trace contexts, and spans for a collector
//! - `fairness`: a receiver that hangs delays nobody else; `large`: nor does a large event

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod as_written;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod certified;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod contents;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod doorbell;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod health;
#[cfg(test)]
mod hostile_settings;
#[cfg(test)]
mod large;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod maintenance;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod names;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod outcomes;
#[cfg(test)]
mod point_in_time;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod refused_results;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod test_subscription;
#[cfg(test)]
mod throttling;
#[cfg(test)]
mod tls_receiver;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod verification;
