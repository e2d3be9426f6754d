//! The password of an account: its change by the user, its reset with a token, and the check that
//! protects other changes.

use proto::auth::v1 as pb;
use shared::{
    error::Error,
    ids::UserId,
    time::{self, timestamp},
};
use tandem_server::metrics::{IntCounter, Metrics};

use super::{Auth, convert};
use crate::{
    config::Config,
    domain::{
        account_token::{AccountToken, AccountTokens},
        actor::Actor,
        password::{Password, PasswordHash},
        session::{Caller, Source},
        user::Account,
    },
    events::{self, Entry, Event},
    hashing::Verified,
    store::users::{self, reset},
};

/// The tokens that reset passwords, and their metrics.
pub(super) struct PasswordResets {
    tokens: AccountTokens,
    token_created: IntCounter,
    reset: IntCounter,
    rejected: IntCounter,
}

impl PasswordResets {
    pub(super) fn new(config: &Config, metrics: &Metrics) -> Self {
        let [token_created, reset, rejected] = metrics.counters(
            (
                "tandem_auth_password_resets_total",
                "Reset tokens that were created, passwords that were reset, and reset tokens that \
                 were rejected.",
            ),
            "outcome",
            ["token_created", "reset", "rejected"],
        );
        let tokens = config.second_factor.reset_tokens(config.root_key.get());
        Self { tokens, token_created, reset, rejected }
    }
}

impl Auth {
    pub(super) async fn replace_password(
        &self,
        caller: &Caller,
        account: &Account,
        req: pb::ChangePasswordRequest,
        source: &Source,
    ) -> Result<(), Error> {
        let mut guess = self.throttles.user(&account.user, source)?;
        guess.count_choice();
        let username = account.user.username.to_string();
        let address = source.ip_address;
        let new = self.hashing.hash_chosen(address, req.new_password, &username).await?;
        let (current, new) = convert::password_change(req.current_password, new)?;
        let (ticket, stored) = (self.hashing.admit(address)?, PasswordHash::of(account));
        if let Verified::Wrong = self.hashing.verify(ticket, guess, current, stored).await? {
            self.record(Event::PasswordChangeFailed, caller, account, source);
            return Err(Error::CurrentPasswordWrong);
        }
        users::change_password(&self.db, caller, account.password_version, &new).await?;
        self.record(Event::PasswordChanged, caller, account, source);
        Ok(())
    }

    /// Checks the caller's current password, throttled like a login.
    pub(super) async fn check_current_password(
        &self,
        caller: &Caller,
        account: &Account,
        password: Password,
        source: &Source,
    ) -> Result<(), Error> {
        let guess = self.throttles.user(&account.user, source)?;
        let ticket = self.hashing.admit(source.ip_address)?;
        let stored = PasswordHash::of(account);
        match self.hashing.verify(ticket, guess, password, stored).await? {
            Verified::Right { .. } => Ok(()),
            Verified::Wrong => {
                self.record(Event::CurrentPasswordWrong, caller, account, source);
                Err(Error::CurrentPasswordWrong)
            }
        }
    }

    /// Creates a token with which this user can set a new password.
    pub(super) async fn create_reset_token(
        &self,
        actor: &Actor,
        user_id: UserId,
    ) -> Result<pb::CreatePasswordResetTokenResponse, Error> {
        let password_version = reset::record_token(&self.db, actor, user_id).await?;
        let token = AccountToken { user_id, password_version };
        let sealed = self.resets.tokens.seal(token, time::now());
        self.resets.token_created.inc();
        events::log_change(&Event::PasswordResetTokenCreated.name(), user_id, actor);
        Ok(pb::CreatePasswordResetTokenResponse {
            reset_token: sealed.text,
            expire_time: Some(timestamp(sealed.expire_time)),
        })
    }

    /// Replaces the password of the user that a reset token names.
    pub(super) async fn reset(
        &self,
        req: pb::ResetPasswordRequest,
        source: &Source,
    ) -> Result<(), Error> {
        let (reset_token, new_password) = convert::password_reset(req)?;
        let token = self.open(&self.resets.tokens, &reset_token, source)?;
        let user_id = token.map(|token| token.user_id);
        let reject = || {
            self.resets.rejected.inc();
            let entry = Entry::anonymous(Event::PasswordResetFailed, source);
            self.events.record(&Entry { user_id, ..entry });
            Error::ResetTokenInvalid
        };
        let token = token.ok_or_else(reject)?;
        // Until the password is replaced: choosing one can take as long as a guess at one.
        let mut attempt = self.throttles.token(source)?;
        attempt.keep();
        let found = users::find(&self.db, token.user_id).await?;
        let account = found.filter(|account| account.has_version(token.password_version));
        let account = account.ok_or_else(reject)?;
        let username = account.user.username.to_string();
        let new = self.hashing.hash_chosen(source.ip_address, new_password, &username).await?;
        let new = convert::new_password(new)?;
        if !reset::reset_password(&self.db, &account, &new).await? {
            return Err(reject());
        }
        attempt.release();
        self.resets.reset.inc();
        let user = account.user;
        let entry = Entry::of_user(Event::PasswordReset, user.id, source);
        self.events.record(&Entry { username: Some(&user.username), ..entry });
        Ok(())
    }
}
