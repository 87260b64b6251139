//! Parked: results that can't be recorded while somebody's transaction has locked what they change. They count against
//! their own subscription alone: nothing more of it is sent, and the room for others is as before.

use super::{Board, State};
use uuid::Uuid;

impl Board {
    /// The result of this delivery waits.
    pub fn park(&mut self, id: Uuid) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        if !matches!(held.state, State::Recording) {
            return;
        }
        held.state = State::Parked;
        self.bytes_in_flight -= std::mem::take(&mut held.size);
        let line = held.line;
        *self.parked.entry(line).or_default() += 1;
        self.drop_waiting_of(line);
    }

    /// One result of this line no longer waits.
    pub(super) fn unpark(&mut self, line: Uuid) {
        if let Some(parked) = self.parked.get_mut(&line) {
            *parked -= 1;
            if *parked == 0 {
                self.parked.remove(&line);
                self.hungry = true;
            }
        }
    }

    /// How many held deliveries take no room: those that can't be recorded, now or at all. Where no result can, not all is
    /// sent nevertheless.
    pub(super) fn aside(&self) -> usize {
        self.stuck.min(self.capacity()) + self.parked.values().sum::<usize>()
    }
}
