//! The native half of the extension `webhooks`: pure functions of `webhooks-core` and `webhooks-schema` as SQL functions.
//!
//! The schema is hand-written in `sql/`; each `#[pg_extern(sql = false)]` here is declared there by its symbol, most of them in
//! `sql/base/native.sql`. State changes are all in SQL.
//!
//! # Layout
//! - `context`: short CONTEXT of errors
//! - `doorbell`: which bells a transaction has rung
//! - `ids`: UUIDv7
//! - `filter`: event filters
//! - `locks`: locks that nobody else can take
//! - `notifications`: how many a transaction sends
//! - `json_size`: how large JSON values are as text
//! - `init`: when a session loads the library
//! - `jsonpath`: which paths a filter may have
//! - `meters`: what tenants with limits use, in memory shared by all sessions of the database
//! - `payload`: the request body
//! - `poll`: requests for receivers that fetch them
//! - `publishing`: whether events were matched
//! - `resource`: calling a resolver of resources
//! - `schema`: JSON Schemas of event types
//! - `signature`: signing, verification, new secrets
//! - `subscription`: what a valid subscription is
//! - `transaction`: whose a row is that only this session sees
//! - `watch`: how large a value of a watched table is

mod context;
mod doorbell;
mod filter;
mod ids;
mod init;
mod json_size;
mod jsonpath;
mod locks;
mod meters;
mod notifications;
mod payload;
mod poll;
mod publishing;
mod refuse;
mod resource;
mod schema;
mod signature;
mod subscription;
mod transaction;
mod watch;

pgrx::pg_module_magic!(name, version);
