//! Users with a second factor, and their authenticator.

use aws_lc_rs::hmac;
use base32::Alphabet;
use proto::auth::v1::{self as pb, complete_login_request::Factor};
use test_support::eventually;
use tonic::Status;

use super::{App, Login, PASSWORD};

/// The authenticator app of a user. Not the crate that the service uses.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator(Vec<u8>);

/// An enrolled user.
pub(crate) struct Enrolled {
    /// The session that enrolled.
    pub(crate) login: Login,
    pub(crate) authenticator: Authenticator,
    pub(crate) recovery_codes: Vec<String>,
    /// The step whose code confirmed the enrolment, so that the next one is unused.
    pub(crate) step: i64,
}

impl Authenticator {
    /// Reads the secret that BeginTotpEnrollment returned.
    pub(crate) fn new(secret: &str) -> Self {
        let alphabet = Alphabet::Rfc4648 { padding: false };
        Self(base32::decode(alphabet, secret).expect("the secret is in base32"))
    }

    /// The secret that it shares with the service.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.0
    }

    /// The code of a step (RFC 4226, section 5.3).
    pub(crate) fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let bytes = tag.as_ref()[offset..offset + 4].try_into().expect("there are four");
        format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
    }

    /// A code that is not one of a step near this one.
    pub(crate) fn wrong_code(&self, step: i64) -> String {
        let near: Vec<_> = (step - 4..step + 5).map(|step| self.code(step)).collect();
        let mut codes = (0..).map(|number| format!("{number:06}"));
        codes.find(|code| !near.contains(code)).expect("a code is wrong")
    }
}

impl App {
    /// The current time step of the database, of which some seconds are left.
    pub(crate) async fn step(&self) -> i64 {
        let mut step = 0;
        eventually("a step has some seconds left", async || {
            let now = self.query("select floor(extract(epoch from clock_timestamp()))::text").await;
            let now: i64 = now.parse().expect("it is a number");
            step = now / 30;
            now % 30 < 20
        })
        .await;
        step
    }

    /// Registers a user, logs them in and enables the second factor with the previous code, so that
    /// the current and the next one are unused.
    pub(crate) async fn enroll(&self, username: &str) -> Enrolled {
        let login = self.new_login(username).await;
        let begun = login.begin_totp(PASSWORD).await.expect("the enrolment begins");
        let authenticator = Authenticator::new(&begun.secret);
        let step = self.step().await - 1;
        let confirmed = login.confirm_totp(&authenticator.code(step)).await;
        let recovery_codes = confirmed.expect("the code is right");
        Enrolled { login, authenticator, recovery_codes, step }
    }

    /// The challenge of a login with [`PASSWORD`].
    pub(crate) async fn challenge(&self, username: &str) -> String {
        let answer = self.try_log_in(username, PASSWORD).await.expect("the password is right");
        answer.into_inner().challenge().expect("a second factor is missing").challenge
    }

    /// Completes a login.
    pub(crate) async fn complete(
        &self,
        challenge: &str,
        factor: Factor,
    ) -> Result<pb::CompleteLoginResponse, Status> {
        let challenge = challenge.to_owned();
        let request = pb::CompleteLoginRequest { challenge, factor: Some(factor) };
        Ok(self.client().complete_login(request).await?.into_inner())
    }

    /// Logs a user in with [`PASSWORD`] and this factor.
    pub(crate) async fn log_in_with(
        &self,
        username: &str,
        factor: Factor,
    ) -> Result<Login, Status> {
        let challenge = self.challenge(username).await;
        let answer = self.complete(&challenge, factor).await?;
        let tokens = answer.tokens.expect("tokens are returned");
        Ok(Login { client: self.client(), tokens })
    }
}

impl Enrolled {
    /// The next unused code. There are two before the harness would have to wait.
    pub(crate) fn next_code(&mut self) -> String {
        self.step += 1;
        self.authenticator.code(self.step)
    }
}

impl Login {
    pub(crate) async fn begin_totp(
        &self,
        password: &str,
    ) -> Result<pb::BeginTotpEnrollmentResponse, Status> {
        let current_password = password.to_owned();
        let request = self.request(pb::BeginTotpEnrollmentRequest { current_password });
        Ok(self.client.clone().begin_totp_enrollment(request).await?.into_inner())
    }

    /// Returns the recovery codes.
    pub(crate) async fn confirm_totp(&self, code: &str) -> Result<Vec<String>, Status> {
        let request = self.request(pb::ConfirmTotpRequest { code: code.to_owned() });
        Ok(self.client.clone().confirm_totp(request).await?.into_inner().recovery_codes)
    }

    pub(crate) async fn disable_totp(&self, password: &str, factor: Factor) -> Result<(), Status> {
        use pb::disable_totp_request::Factor as Its;
        let factor = Some(match factor {
            Factor::Code(code) => Its::Code(code),
            Factor::RecoveryCode(code) => Its::RecoveryCode(code),
        });
        let request = pb::DisableTotpRequest { current_password: password.to_owned(), factor };
        self.client.clone().disable_totp(self.request(request)).await.map(drop)
    }

    /// Returns the new recovery codes.
    pub(crate) async fn regenerate_recovery_codes(
        &self,
        password: &str,
        factor: Factor,
    ) -> Result<Vec<String>, Status> {
        use pb::regenerate_recovery_codes_request::Factor as Its;
        let factor = Some(match factor {
            Factor::Code(code) => Its::Code(code),
            Factor::RecoveryCode(code) => Its::RecoveryCode(code),
        });
        let current_password = password.to_owned();
        let request = pb::RegenerateRecoveryCodesRequest { current_password, factor };
        let answer = self.client.clone().regenerate_recovery_codes(self.request(request)).await?;
        Ok(answer.into_inner().recovery_codes)
    }

    /// The caller, if the session has not ended.
    pub(crate) async fn user(&self) -> Result<pb::User, Status> {
        let request = self.request(pb::GetCurrentUserRequest {});
        let answer = self.client.clone().get_current_user(request).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }
}
