//! The database side by itself: the promises of the extension's SQL, without a sidecar.
//!
//! | module | promise |
//! | --- | --- |
//! | `publish`, `bulk`, `idempotency`, `two_phase` | an event is published exactly when its transaction commits |
//! | `matching`, `subscriptions` | the subscriptions that get an event; their settings |
//! | `doorbell`, `shards`, `claim`, `ordering`, `record`, `health` | the sidecar's side of the protocol, several sessions at once |
//! | `receivers`, `retry_schedules` | settings about a receiver, and the times of retries |
//! | `manage_subscriptions`, `move_subscriptions` | subscriptions as functions, one and many |
//! | `replay`, `event_history`, `list_deliveries`, `subscription_deliveries`, `list_events`, `expiry` | deliveries made again, listed, cancelled, expired; the history of an event |
//! | `one_delivery` | one event replayed, one delivery cancelled; deliveries and tenants listed in pages |
//! | `test_subscription`, `wait_for_delivery` | tests of subscriptions, and their results |
//! | `verifications` | receivers that agree first |
//! | `limits` | the limits of a tenant |
//! | `access_tokens` | what tokens of the HTTP API permit, and whom |
//! | `audit` | all changes are in the audit log |
//! | `alerts`, `endpoint_events` | alerts fire and are resolved; tenants are told of their own endpoints |
//! | `metrics` | numbers of hours, and reports that read them; `doctor()` |
//! | `settings`, `partitions`, `links`, `dump_restore`, `adopt_database` | operations |
//! | `upgrade` | an upgraded database is as a new one, with all rows |
//! | `retention` | old rows go, without anybody waiting; that they are gone is told |
//! | `data_protection` | all of a tenant, and the contents of an event, are deleted |
//! | `traces` | the trace context of publishers is in their events |
//! | `watch`, `resources` | changes of a watched table are published; events carry their resource |
//! | `event_types` | event types: versions, schemas, examples |
//! | `docs`, `examples` | SQL of the documents and examples as it stands, and its output; links |
//! | `reference` | `docs/reference` agrees with the catalogues and the sidecar's help |
//! | `previews`, `templates` | requests as SQL shows them; ready-made settings |
//! | `native` | the functions in Rust, called as SQL calls them |
//! | `isolation` | the rights of roles to the rows of tenants |
//! | `hostile_schema` | nothing of another schema is called, whatever `search_path` is |
//! | `privileges`, `catalogue`, `plans` | rules that catalogues and statistics prove |
//! | `look_ups` | how many partitions a look-up opens |
//! | `support` | worlds, sessions, claims and records for these |

// `cfg(test)` tells clippy that the modules' helpers are tests too, where `unwrap` is fine.
#[cfg(test)]
mod access_tokens;
#[cfg(test)]
mod adopt_database;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod claim;
#[cfg(test)]
mod data_protection;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod doorbell;
#[cfg(test)]
mod dump_restore;
#[cfg(test)]
mod encodings;
#[cfg(test)]
mod endpoint_events;
#[cfg(test)]
mod event_history;
#[cfg(test)]
mod event_size;
#[cfg(test)]
mod event_types;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod expiry;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod health;
#[cfg(test)]
mod hostile_schema;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod list_deliveries;
#[cfg(test)]
mod list_events;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod look_ups;
#[cfg(test)]
mod manage_subscriptions;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod move_subscriptions;
#[cfg(test)]
mod native;
#[cfg(test)]
mod notify_queue;
#[cfg(test)]
mod one_delivery;
#[cfg(test)]
mod ordering;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod poll;
#[cfg(test)]
mod previews;
#[cfg(test)]
mod privileges;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod publish_arguments;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod record;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod restored_events;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod retry_schedules;
#[cfg(test)]
mod row_locks;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod shards;
#[cfg(test)]
mod subscription_deliveries;
#[cfg(test)]
mod subscriptions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod test_subscription;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod two_phase;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod value_sizes;
#[cfg(test)]
mod verifications;
#[cfg(test)]
mod wait_for_delivery;
#[cfg(test)]
mod watch;
