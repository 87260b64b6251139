//! Small parts of pages.

mod action;
mod content;
mod copy;
mod filter;
mod link;
mod note;
mod number;
mod pager;
mod plot;
mod state;
mod time;

pub use action::action;
pub use content::{body, headers};
pub use copy::{as_sql, id, short, sql_text};
pub use filter::{Choice, choice_filter, filters, text_filter, time_filter};
pub use link::linked;
pub use note::{done, refused};
pub use number::{count, milliseconds, percent, quantity};
pub use pager::next_page;
pub use plot::{Line, Stacked, lines, sparkline, stacked};
pub use state::{breaker, delivery_state, severity, subscription_state};
pub use time::{Moment, absolute, relative};
