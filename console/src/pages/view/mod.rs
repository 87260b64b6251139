//! Small parts of pages.

mod action;
mod copy;
mod number;
mod pager;
mod plot;
mod state;
mod time;

pub use action::action;
pub use copy::{as_sql, id, sql_text};
pub use number::{count, milliseconds, percent};
pub use pager::next_page;
pub use plot::{Line, Stacked, lines, sparkline, stacked};
pub use state::{breaker, delivery_state, subscription_state};
pub use time::{Moment, absolute, relative};
