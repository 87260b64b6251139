//! The HTTP API and the pages: a real cluster, the real console, and requests to it.
//!
//! # Layout
//! - `scene`: a database, a console and tokens
//! - `subscriptions`: created, read, listed, changed and deleted; `deliveries`: listed, read, tested and made again
//! - `events`: published, listed and read; `recovery`: many deliveries made again, and what is known of a receiver
//! - `templates`: made and used; `transfer`: export and import; `numbers`: metrics and usage; `audit`: the audit log
//! - `access`: who may do what, and that a tenant reaches nothing of another one; `problems`: what is wrong with a request
//! - `browser`: what keeps a cookie; `login`, `portal` and `sessions`: who may see pages
//! - `pages_events`, `pages_operator`, `pages_overview`, `pages_recover`: what pages show and do; `pages_speed`: how long they take
//! - `visit`: a browser with pages of a tenant open; `pages_subscriptions`, `pages_lists` and `pages_templates`: what they
//!   show and do
//! - `page_list`: every page and every action, for tests of all of them; `pages_permitted`: what they offer to whom
//! - `chromium`: how all pages look and can be used; `chromium_actions`: what people do with them
//! - `issuer`: an identity provider; `jwt`: its tokens
//! - `process`: health and signals; `connecting`: how the database is reached, and one that is away
//! - `poll`: deliveries that are fetched; `listen`: the commands for who develops a receiver
//! - `ways_out`: where sessions begin that permit little
//! - `rate_limits`: how many requests there may be, and how many of them may wait; `metrics`: what is counted
//! - `openapi`: how the API is described; `schemathesis`: that it is as described; `generated_client`: that programs can use
//!   the description

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod access;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod chromium_actions;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod events;
#[cfg(test)]
mod generated_client;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod listen;
#[cfg(test)]
mod login;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod page_list;
#[cfg(test)]
mod pages_events;
#[cfg(test)]
mod pages_lists;
#[cfg(test)]
mod pages_operator;
#[cfg(test)]
mod pages_overview;
#[cfg(test)]
mod pages_permitted;
#[cfg(test)]
mod pages_recover;
#[cfg(test)]
mod pages_speed;
#[cfg(test)]
mod pages_subscriptions;
#[cfg(test)]
mod pages_templates;
#[cfg(test)]
mod poll;
#[cfg(test)]
mod portal;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rate_limits;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod schemathesis;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod templates;
#[cfg(test)]
#[path = "../delivery/connecting/tls_server.rs"]
#[expect(dead_code)] // The sidecar's tests use all of it.
mod tls_server;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod visit;
#[cfg(test)]
mod ways_out;
