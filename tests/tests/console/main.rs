//! The HTTP API and the pages: a real cluster, the real console, and requests to it.
//!
//! # Layout
//! - `scene`: a database, a console and tokens
//! - `subscriptions`: created, read, listed, changed and deleted; `deliveries`: listed, read, tested and made again
//! - `events`: published and read; `recovery`: many deliveries made again, and what is known of a receiver
//! - `access`: who may do what, and that a tenant reaches nothing of another one; `problems`: what is wrong with a request
//! - `browser`: what keeps a cookie; `login`, `portal` and `sessions`: who may see pages
//! - `visit`: a browser with pages of a tenant open; `pages_subscriptions`, `pages_lists` and `pages_templates`: what they
//!   show and do
//! - `issuer`: an identity provider; `jwt`: its tokens
//! - `process`: health, signals, and a database that is away

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod access;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod events;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod jwt;
#[cfg(test)]
mod login;
#[cfg(test)]
mod pages_lists;
#[cfg(test)]
mod pages_subscriptions;
#[cfg(test)]
mod pages_templates;
#[cfg(test)]
mod portal;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod process;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod visit;
