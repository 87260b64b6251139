//! Commands for the session: the agenda says what is due, and the doorbell whether that is to claim.

use super::super::session::Command;
use super::Engine;
use crate::schedule::agenda::{Item, Situation};
use crate::schedule::claim_planner::Scope;
use crate::schedule::doorbell::Step;
use std::time::Instant;

impl Engine {
    /// The next command, which begins, or until when there is none.
    pub(super) fn next_command(&mut self, now: Instant) -> Result<Command, Instant> {
        self.cut_off_overdue(now);
        self.look_up_stale();
        loop {
            let active = self.shards.active();
            let releasable = self
                .shards
                .to_release(now, |shard| self.scheduler.busy(shard));
            let situation = Situation {
                is_delivering: !active.is_empty(),
                is_releasing: !releasable.is_empty(),
                is_loading: !self.workers.verifier.due.is_empty(),
                tests_at: self.scheduler.tests_at(now),
            };
            let item = self.agenda.next(now, &situation)?;
            self.agenda.on_started(item, now);
            return Ok(match item {
                Item::Settings => Command::Settings,
                Item::Release => {
                    let forgets = |shard: &i16| self.scheduler.forget_unrecordable(Some(*shard));
                    if releasable
                        .iter()
                        .map(forgets)
                        .fold(false, |any, one| any | one)
                    {
                        // Recorded later, they could hide the success of the next owner's same attempt. The recorder
                        // does not know of shards: it forgets all of them.
                        self.workers.recorder.session_lost();
                        self.scheduler.forget_unrecordable(None);
                    }
                    self.release(releasable)
                }
                Item::Balance => Command::Balance {
                    owned: self.shards.owned(),
                },
                Item::Changes => Command::LookForChanges {
                    concerned: self.scheduler.concerned(),
                },
                Item::Promote => Command::Promote { shards: active },
                Item::Load => Command::Load {
                    subscriptions: self.workers.verifier.due.drain().collect(),
                },
                Item::Tests => {
                    let shards = self.shards.of_tests();
                    let Some(request) = self.scheduler.on_claiming_tests(shards, now) else {
                        continue;
                    };
                    let scope = Scope::Tests;
                    Command::Claim { scope, request }
                }
                Item::Deliveries => {
                    let step = self.next_step(now, active);
                    return step.map_err(|at| at.min(self.agenda.until(now, &situation)));
                }
            });
        }
    }

    /// The next command that the doorbell wants.
    fn next_step(&mut self, now: Instant, active: Vec<i16>) -> Result<Command, Instant> {
        self.scheduler.make_room(now);
        let plan = self.scheduler.next_claim(now, self.shards.at_start());
        match self.doorbell.next(now, &plan) {
            Step::Claim(scope) => {
                self.doorbell.on_claiming(now);
                let cursors = self.shards.cursors();
                let request = self.scheduler.on_claiming(scope, cursors, now);
                Ok(Command::Claim { scope, request })
            }
            Step::Arm => {
                self.doorbell.on_arming(&active);
                Ok(Command::Arm { shards: active })
            }
            Step::Disarm => Ok(self.release(Vec::new())),
            Step::Wait(until) => Err(until),
        }
    }

    /// A command gave up waiting for somebody's lock, or was cancelled: it is made up for from this time on.
    pub(super) fn failed(&mut self, command: Command, retry_at: Instant) {
        self.agenda.on_failed(command.item(), retry_at);
        match command {
            Command::Load { subscriptions } => self.workers.verifier.due.extend(subscriptions),
            Command::Claim {
                scope: Scope::Tests,
                ..
            } => {
                self.scheduler.on_claim_ended();
                self.scheduler.look_for_tests();
            }
            Command::Claim { .. } => {
                self.scheduler.on_claim_failed();
                self.doorbell.on_work();
            }
            // Some of the bells may be locked.
            Command::Release { .. } | Command::Arm { .. } => {
                self.doorbell.on_failed(self.shards.owned());
            }
            Command::Settings
            | Command::Balance { .. }
            | Command::LookForChanges { .. }
            | Command::Promote { .. }
            | Command::Leave => {}
        }
    }
}
