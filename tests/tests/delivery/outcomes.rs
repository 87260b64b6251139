//! Whatever a receiver does, and what becomes of the delivery. Cases that wait for something wait side by side.

mod connections;
mod exhausted;
mod hostile;
mod kept_connections;
mod limits;
mod odd_answers;
mod retries;
mod statuses;
mod tls;
