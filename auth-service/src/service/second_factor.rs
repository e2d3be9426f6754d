//! The second factor: enrolment, its end, and the check of a code.

use proto::auth::v1 as pb;
use shared::{error::Error, ids::UserId, time};
use tandem_server::metrics::{IntCounter, Metrics};

use super::{Auth, convert};
use crate::{
    config::{Config, SecondFactorConfig},
    domain::{
        account_token::{AccountToken, AccountTokens},
        root_key::RootKey,
        second_factor::{Enrolled, Factor, Proof, RecoveryCode},
        session::{Caller, Source},
        totp::{TotpCode, TotpSecret},
        user::Account,
    },
    events::{Entry, Event},
    store::users::totp,
    throttle::Guess,
};

/// What the second factor needs besides the database.
pub(super) struct SecondFactor {
    root_key: RootKey,
    issuer: String,
    pub(super) challenges: AccountTokens,
    pub(super) logins: Logins,
}

/// Counts logins with a second factor by their outcome.
pub(super) struct Logins {
    pub(super) challenged: IntCounter,
    pub(super) code: IntCounter,
    pub(super) recovery_code: IntCounter,
    rejected: IntCounter,
}

impl SecondFactor {
    pub(super) fn new(config: &Config, metrics: &Metrics) -> Self {
        let [challenged, code, recovery_code, rejected] = metrics.counters(
            (
                "tandem_auth_second_factor_total",
                "Logins of users with a second factor: challenged after the right password, \
                 completed with a code or a recovery code; and wrong codes in any call.",
            ),
            "outcome",
            ["challenged", "code", "recovery_code", "rejected"],
        );
        let root_key = config.root_key.get().clone();
        Self {
            issuer: config.second_factor.issuer().to_owned(),
            challenges: SecondFactorConfig::challenges(&root_key),
            logins: Logins { challenged, code, recovery_code, rejected },
            root_key,
        }
    }
}

impl Auth {
    pub(super) async fn begin_totp(
        &self,
        caller: &Caller,
        account: &Account,
        req: pb::BeginTotpEnrollmentRequest,
        source: &Source,
    ) -> Result<pb::BeginTotpEnrollmentResponse, Error> {
        let password = convert::current_password(req.current_password)?;
        if account.user.totp_enabled {
            return Err(Error::TotpEnabled);
        }
        self.check_current_password(caller, account, password, source).await?;
        let secret = TotpSecret::generate();
        let sealed = secret.seal(&self.second_factor.root_key, caller.id);
        totp::begin(&self.db, caller.id, account.password_version, &sealed).await?;
        Ok(pb::BeginTotpEnrollmentResponse {
            secret: secret.base32(),
            otpauth_uri: secret.uri(&self.second_factor.issuer, &account.user.username),
        })
    }

    pub(super) async fn confirm(
        &self,
        caller: &Caller,
        account: &Account,
        code: TotpCode,
        source: &Source,
    ) -> Result<pb::ConfirmTotpResponse, Error> {
        if account.user.totp_enabled {
            return Err(Error::TotpEnabled);
        }
        let version = account.password_version;
        let mut guess = self.throttles.second_factor(caller.id, source)?;
        let found = totp::find(&self.db, caller.id, version).await?;
        let (stored, sealed) = found
            .and_then(|mut stored| stored.sealed_secret.take().map(|sealed| (stored, sealed)))
            .ok_or(Error::TotpNotBegun)?;
        let secret = TotpSecret::open(&self.second_factor.root_key, caller.id, &sealed);
        // Sealed under another root key: the user can begin again.
        let secret = secret.ok_or(Error::TotpNotBegun)?;
        guess.count();
        let Some(step) = secret.step(&code, stored.last_step, stored.read_time) else {
            return Err(self.reject(caller.id, "code", source));
        };
        let codes = RecoveryCode::generate_all();
        let hashes = codes.each_ref().map(|code| code.hash(caller.id));
        totp::enable(&self.db, caller, version, &sealed, step, &hashes).await?;
        guess.settle_right();
        self.record(Event::TotpEnabled, caller, account, source);
        Ok(pb::ConfirmTotpResponse { recovery_codes: texts(&codes) })
    }

    pub(super) async fn disable_totp_of(
        &self,
        caller: &Caller,
        account: &Account,
        req: pb::DisableTotpRequest,
        source: &Source,
    ) -> Result<(), Error> {
        let (password, factor) = convert::totp_end(req)?;
        if !account.user.totp_enabled {
            return Err(Error::TotpNotEnabled);
        }
        self.check_current_password(caller, account, password, source).await?;
        let (proof, guess) = self.prove(token(account), &factor, source).await?;
        totp::disable(&self.db, caller, account.password_version, &proof).await?;
        guess.settle_right();
        self.record(Event::TotpDisabled, caller, account, source);
        Ok(())
    }

    pub(super) async fn regenerate(
        &self,
        caller: &Caller,
        account: &Account,
        req: pb::RegenerateRecoveryCodesRequest,
        source: &Source,
    ) -> Result<pb::RegenerateRecoveryCodesResponse, Error> {
        let (password, factor) = convert::recovery_code_renewal(req)?;
        if !account.user.totp_enabled {
            return Err(Error::TotpNotEnabled);
        }
        self.check_current_password(caller, account, password, source).await?;
        let (proof, guess) = self.prove(token(account), &factor, source).await?;
        let codes = RecoveryCode::generate_all();
        let hashes = codes.each_ref().map(|code| code.hash(caller.id));
        let version = account.password_version;
        totp::replace_recovery_codes(&self.db, caller.id, version, &proof, &hashes).await?;
        guess.settle_right();
        self.record(Event::RecoveryCodesRegenerated, caller, account, source);
        Ok(pb::RegenerateRecoveryCodesResponse { recovery_codes: texts(&codes) })
    }

    /// Checks a factor of the account with this version. The guess counts as wrong until the caller
    /// has used the proof and settles it.
    ///
    /// # Errors
    /// [`Error::SecondFactorWrong`]; [`Error::TotpNotEnabled`] if the account has changed.
    pub(super) async fn prove(
        &self,
        account: AccountToken,
        factor: &Factor,
        source: &Source,
    ) -> Result<(Proof, Guess), Error> {
        let AccountToken { user_id, password_version } = account;
        let mut guess = self.throttles.second_factor(user_id, source)?;
        let found = totp::find(&self.db, user_id, password_version).await?;
        let stored = found.filter(|stored| stored.is_enabled).ok_or(Error::TotpNotEnabled)?;
        let sealed = stored.sealed_secret.unwrap_or_default();
        let enrolled = Enrolled {
            user_id,
            secret: TotpSecret::open(&self.second_factor.root_key, user_id, &sealed),
            last_step: stored.last_step,
            recovery_codes: stored.recovery_code_hashes,
        };
        if enrolled.secret.is_none() && matches!(factor, Factor::Code(_)) {
            return Err(Error::Internal("the root key does not open the TOTP secret".into()));
        }
        guess.count();
        match enrolled.check(factor, stored.read_time) {
            Some(proof) => Ok((proof, guess)),
            None => Err(self.reject(user_id, factor.field(), source)),
        }
    }

    /// Records a factor that is wrong or used.
    pub(super) fn reject(&self, user_id: UserId, field: &'static str, source: &Source) -> Error {
        self.second_factor.logins.rejected.inc();
        let entry = Entry::anonymous(Event::SecondFactorFailed, source);
        self.events.record(&Entry { user_id: Some(user_id), ..entry });
        Error::SecondFactorWrong { field }
    }

    /// Opens a token; `None` if it is not valid. Forged and expired ones count for their source.
    pub(super) fn open(
        &self,
        tokens: &AccountTokens,
        text: &str,
        source: &Source,
    ) -> Result<Option<AccountToken>, Error> {
        let mut attempt = self.throttles.token(source)?;
        let opened = tokens.open(text, time::now());
        if opened.is_err() {
            attempt.keep();
        }
        Ok(opened.ok())
    }
}

fn token(account: &Account) -> AccountToken {
    AccountToken { user_id: account.user.id, password_version: account.password_version }
}

fn texts(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(RecoveryCode::text).collect()
}
