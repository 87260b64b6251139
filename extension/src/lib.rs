//! The native half of the extension `webhooks`: pure functions of `webhooks-core` and `webhooks-schema` as SQL functions.
//!
//! The schema is hand-written in `sql/install/`; each `#[pg_extern(sql = false)]` here is declared in
//! `sql/install/10_native.sql`. State changes are all in SQL.
//!
//! # Layout
//! - `ids`: UUIDv7
//! - `filter`: event filters
//! - `init`: when a session loads the library
//! - `jsonpath`: which paths a filter may have
//! - `meters`: what tenants with limits use, in memory shared by all sessions of the database
//! - `payload`: the request body
//! - `resource`: calling a resolver of resources
//! - `schema`: JSON Schemas of event types
//! - `signature`: signing, verification, new secrets
//! - `subscription`: what a valid subscription is
//! - `transaction`: whose a row is that only this session sees

mod filter;
mod ids;
mod init;
mod jsonpath;
mod meters;
mod payload;
mod refuse;
mod resource;
mod schema;
mod signature;
mod subscription;
mod transaction;

pgrx::pg_module_magic!(name, version);
