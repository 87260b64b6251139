//! Whatever a receiver does, and what becomes of the delivery. Cases that wait for something wait side by side.

mod connections;
mod hostile;
mod limits;
mod retries;
mod statuses;
