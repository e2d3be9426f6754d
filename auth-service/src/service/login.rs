//! Login in one step, or in two if the user has a second factor.

use proto::auth::v1 as pb;
use shared::{
    error::Error,
    ids::SessionId,
    time::{self, timestamp},
};

use super::{Auth, convert};
use crate::{
    domain::{
        account_token::AccountToken,
        password::PasswordHash,
        second_factor::Proof,
        session::{NewSession, Source},
        user::Account,
    },
    events::{Entry, Event},
    hashing::Verified,
    store::{sessions, users},
};

impl Auth {
    /// Checks a password, and begins a session unless a second factor is missing.
    pub(super) async fn log_in(
        &self,
        req: pb::LoginRequest,
        source: &Source,
    ) -> Result<pb::LoginResponse, Error> {
        let (username, password) = convert::credentials(req)?;
        let mut guess = self.throttles.login(&username, source)?;
        let ticket = self.hashing.admit(source.ip_address)?;
        let found = users::find_by_username(&self.db, &username).await?;
        guess.identify(found.as_ref().map(|account| account.user.id));
        let hash = found.as_ref().and_then(PasswordHash::of);
        let verified = self.hashing.verify(ticket, guess, password, hash).await?;
        let (Some(account), Verified::Right { upgrade }) = (&found, verified) else {
            let user = found.as_ref().map(|account| &account.user);
            self.events.record(&Entry {
                user_id: user.map(|user| user.id),
                username: user.map(|user| &user.username),
                ..Entry::anonymous(Event::LoginFailed, source)
            });
            return Err(Error::CredentialsInvalid);
        };
        let response = if account.user.totp_enabled {
            self.challenge(account, source)
        } else {
            let (tokens, _) = self.begin_session(account, None, source).await?;
            let outcome = Some(pb::login_response::Outcome::Tokens(tokens));
            pb::LoginResponse { outcome, user: Some(account.user.clone().into()) }
        };
        if let Some(hash) = upgrade {
            users::upgrade_hash(&self.db, account, &hash).await?;
        }
        Ok(response)
    }

    /// What a user whose password was right needs to complete the login.
    fn challenge(&self, account: &Account, source: &Source) -> pb::LoginResponse {
        let user_id = account.user.id;
        let token = AccountToken { user_id, password_version: account.password_version };
        let sealed = self.second_factor.challenges.seal(token, time::now());
        self.second_factor.logins.challenged.inc();
        self.record_login(Event::LoginChallenged, account, None, source);
        let challenge = pb::LoginChallenge {
            challenge: sealed.text,
            expire_time: Some(timestamp(sealed.expire_time)),
        };
        let outcome = Some(pb::login_response::Outcome::Challenge(challenge));
        pb::LoginResponse { outcome, user: None }
    }

    /// Checks the second factor of a login and begins the session.
    pub(super) async fn complete(
        &self,
        req: pb::CompleteLoginRequest,
        source: &Source,
    ) -> Result<pb::CompleteLoginResponse, Error> {
        let (challenge, factor) = convert::login_completion(req)?;
        let opened = self.open(&self.second_factor.challenges, &challenge, source)?;
        let token = opened.ok_or(Error::LoginChallengeInvalid)?;
        let proved = self.prove(token, &factor, source).await;
        let (proof, guess) = match proved {
            Err(Error::TotpNotEnabled) => return Err(Error::LoginChallengeInvalid),
            proved => proved?,
        };
        let found = users::find(&self.db, token.user_id).await?;
        let account = found.filter(|account| account.has_version(token.password_version));
        let account = account.ok_or(Error::LoginChallengeInvalid)?;
        let begun = self.begin_session(&account, Some(&proof), source).await;
        let (tokens, recovery_codes) = match begun {
            // Another call has used the code, or has changed the account.
            Err(Error::CredentialsInvalid) => {
                return Err(self.reject(token.user_id, factor.field(), source));
            }
            begun => begun?,
        };
        guess.settle_right();
        self.record_factor(&account, &proof, source);
        Ok(pb::CompleteLoginResponse {
            tokens: Some(tokens),
            user: Some(account.user.into()),
            recovery_code_count: recovery_codes,
        })
    }

    /// Counts a login that a factor completed.
    fn record_factor(&self, account: &Account, proof: &Proof, source: &Source) {
        match proof {
            Proof::Step(_) => self.second_factor.logins.code.inc(),
            Proof::RecoveryCode(_) => {
                self.second_factor.logins.recovery_code.inc();
                self.record_login(Event::RecoveryCodeUsed, account, None, source);
            }
        }
    }

    /// Begins a session for a user whose password was verified, and issues its first tokens.
    /// Returns the number of recovery codes that are left, too.
    async fn begin_session(
        &self,
        account: &Account,
        proof: Option<&Proof>,
        source: &Source,
    ) -> Result<(pb::TokenPair, i32), Error> {
        let session = NewSession::begin(account.user.id, source.clone());
        let (active, recovery_codes) =
            sessions::insert(&self.db, &session, account, proof, self.sessions).await?;
        let tokens = self.tokens.issue(active, time::now())?;
        self.record_login(Event::LoginSucceeded, account, Some(session.id), source);
        Ok((tokens, recovery_codes))
    }

    fn record_login(
        &self,
        event: Event,
        account: &Account,
        session_id: Option<SessionId>,
        source: &Source,
    ) {
        let user = &account.user;
        let entry = Entry::of_user(event, user.id, source);
        self.events.record(&Entry { username: Some(&user.username), session_id, ..entry });
    }
}
