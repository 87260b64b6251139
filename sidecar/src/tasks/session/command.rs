//! What the session can be asked, and how it answers.

use crate::model::{ClaimRequest, Claimed, Settings, Subscription};
use crate::postgres::balance::Balanced;
use crate::postgres::claim::claim;
use crate::postgres::clock_skew::Sample;
use crate::postgres::notification::Signal;
use crate::postgres::owner::Owner;
use crate::postgres::promote::Promoted;
use crate::postgres::subscription_cache::Subscriptions;
use crate::schedule::agenda::Item;
use crate::schedule::claim_planner::Scope;
use std::sync::Arc;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// What the session is asked.
pub enum Command {
    /// Reads the settings.
    Settings,
    /// Unlocks bells, and releases shards. With neither, it keeps the session alive.
    Release { armed: Vec<i16>, shards: Vec<i16> },
    /// Heartbeat: takes free shards up to the fair share.
    Balance { owned: Vec<i16> },
    /// Looks for changes of the settings and of these subscriptions.
    LookForChanges { concerned: Vec<Uuid> },
    /// Makes due deliveries ready.
    Promote { shards: Vec<i16> },
    /// Loads subscriptions anew.
    Load { subscriptions: Vec<Uuid> },
    /// Claims deliveries or tests.
    Claim { scope: Scope, request: ClaimRequest },
    /// Locks bells.
    Arm { shards: Vec<i16> },
    /// Counts no longer as a living sidecar: others may take the shards that it releases.
    Leave,
}

/// What it answers.
pub enum Reply {
    Settings(Arc<Settings>),
    /// All bells are unlocked, and these shards released.
    Released(Vec<i16>),
    Balanced(Balanced),
    /// Whether the settings changed, and which subscriptions.
    Changes {
        are_settings_changed: bool,
        subscriptions: Vec<Uuid>,
        clock: Sample,
    },
    Promoted(Promoted),
    /// Subscriptions whose receivers may have to be asked.
    Loaded(Vec<Arc<Subscription>>),
    Claimed {
        scope: Scope,
        claimed: Claimed,
    },
    /// Whether the bells are locked.
    Armed(bool),
    Left,
}

impl Command {
    /// As what it stands on the agenda.
    pub fn item(&self) -> Item {
        match self {
            Self::Settings => Item::Settings,
            Self::Release { .. } => Item::Release,
            Self::Balance { .. } | Self::Leave => Item::Balance,
            Self::LookForChanges { .. } => Item::Changes,
            Self::Promote { .. } => Item::Promote,
            Self::Load { .. } => Item::Load,
            Self::Claim {
                scope: Scope::Tests,
                ..
            } => Item::Tests,
            Self::Claim { .. } | Self::Arm { .. } => Item::Deliveries,
        }
    }
}

/// Executes commands on the session that owns the shards.
pub struct Executor {
    owner: Owner,
    settings: Arc<Settings>,
    subscriptions: Subscriptions,
}

impl Executor {
    pub fn new(owner: Owner, settings: Arc<Settings>) -> Self {
        Self {
            owner,
            settings,
            subscriptions: Subscriptions::default(),
        }
    }

    pub fn client(&self) -> &Client {
        &self.owner.client
    }

    /// A subscription that was changed is to be loaded anew.
    pub fn forget(&mut self, changed: Signal) {
        match changed {
            Signal::Subscription(id) | Signal::Verify(id) => self.subscriptions.forget(&[id]),
            Signal::Subscriptions => self.subscriptions.clear(),
            Signal::Doorbell | Signal::Test | Signal::Settings => {}
        }
    }

    /// Executes a command. What a claim is to bring is left changed.
    ///
    /// # Errors
    /// Those of its statements.
    pub async fn execute(&mut self, command: &mut Command) -> Result<Reply, Error> {
        let owner = &self.owner;
        Ok(match command {
            Command::Settings => {
                self.settings = Arc::new(owner.settings().await?);
                // They carry the old ones.
                self.subscriptions.clear();
                Reply::Settings(self.settings.clone())
            }
            Command::Release { armed, shards } => {
                owner.disarm(armed).await?;
                if !shards.is_empty() {
                    owner.release(shards).await?;
                }
                Reply::Released(std::mem::take(shards))
            }
            Command::Balance { owned } => {
                let balanced = owner.balance(owned).await?;
                if !balanced.acquired.is_empty() {
                    // Who owned these shards before knew more of their receivers.
                    self.subscriptions.clear();
                }
                Reply::Balanced(balanced)
            }
            Command::LookForChanges { concerned } => self.look_for_changes(concerned).await?,
            Command::Promote { shards } => Reply::Promoted(owner.promote(shards).await?),
            Command::Load { subscriptions } => {
                let loaded = self
                    .subscriptions
                    .reload(owner, &self.settings, subscriptions);
                Reply::Loaded(loaded.await?)
            }
            Command::Claim { scope, request } => {
                let claimed = claim(owner, &self.settings, &mut self.subscriptions, request);
                Reply::Claimed {
                    scope: *scope,
                    claimed: claimed.await?,
                }
            }
            Command::Arm { shards } => Reply::Armed(owner.arm(shards).await?),
            Command::Leave => {
                owner.leave().await?;
                Reply::Left
            }
        })
    }

    /// Looks for what nobody notified this sidecar of: other settings, other versions of subscriptions.
    async fn look_for_changes(&mut self, concerned: &[Uuid]) -> Result<Reply, Error> {
        let settings = self.owner.settings().await?;
        let clock = self.owner.clock().await?;
        let known = self.subscriptions.all_of(concerned);
        let (ids, versions): (Vec<_>, Vec<_>) = known.map(|s| (s.id, s.version)).unzip();
        let subscriptions = match ids.is_empty() {
            true => Vec::new(),
            false => self.owner.changed(&ids, &versions).await?,
        };
        self.subscriptions.forget(&subscriptions);
        Ok(Reply::Changes {
            are_settings_changed: settings.digest != self.settings.digest,
            subscriptions,
            clock,
        })
    }
}
