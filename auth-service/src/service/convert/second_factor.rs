//! Codes and recovery codes of requests.

use proto::auth::v1::{
    self as pb, complete_login_request as login, disable_totp_request as disable,
    regenerate_recovery_codes_request as regenerate,
};
use shared::error::FieldViolations;

use super::not_empty;
use crate::domain::{
    password::Password,
    second_factor::{Factor, RecoveryCode},
    totp::TotpCode,
};

/// The code of ConfirmTotp.
pub(in crate::service) fn code(text: &str) -> Result<TotpCode, FieldViolations> {
    let mut bad = FieldViolations::new();
    let code = bad.check("code", TotpCode::parse(text));
    bad.or(code)
}

/// The challenge and the factor of a login.
pub(in crate::service) fn login_completion(
    request: pb::CompleteLoginRequest,
) -> Result<(String, Factor), FieldViolations> {
    let mut bad = FieldViolations::new();
    let challenge = bad.check("challenge", not_empty(request.challenge));
    let factor = match request.factor {
        None => missing(&mut bad),
        Some(login::Factor::Code(text)) => typed_code(&mut bad, &text),
        Some(login::Factor::RecoveryCode(text)) => typed_recovery_code(&mut bad, &text),
    };
    bad.or(challenge.zip(factor))
}

/// The password and the factor that disable the second factor.
pub(in crate::service) fn totp_end(
    request: pb::DisableTotpRequest,
) -> Result<(Password, Factor), FieldViolations> {
    let mut bad = FieldViolations::new();
    let password = bad.check("current_password", not_empty(request.current_password));
    let factor = match request.factor {
        None => missing(&mut bad),
        Some(disable::Factor::Code(text)) => typed_code(&mut bad, &text),
        Some(disable::Factor::RecoveryCode(text)) => typed_recovery_code(&mut bad, &text),
    };
    let (password, factor) = bad.or(password.zip(factor))?;
    Ok((Password::typed(password), factor))
}

/// The password and the factor that replace the recovery codes.
pub(in crate::service) fn recovery_code_renewal(
    request: pb::RegenerateRecoveryCodesRequest,
) -> Result<(Password, Factor), FieldViolations> {
    let mut bad = FieldViolations::new();
    let password = bad.check("current_password", not_empty(request.current_password));
    let factor = match request.factor {
        None => missing(&mut bad),
        Some(regenerate::Factor::Code(text)) => typed_code(&mut bad, &text),
        Some(regenerate::Factor::RecoveryCode(text)) => typed_recovery_code(&mut bad, &text),
    };
    let (password, factor) = bad.or(password.zip(factor))?;
    Ok((Password::typed(password), factor))
}

fn missing(bad: &mut FieldViolations) -> Option<Factor> {
    bad.check("code", Err("must be set, or recovery_code".into()))
}

fn typed_code(bad: &mut FieldViolations, text: &str) -> Option<Factor> {
    bad.check("code", TotpCode::parse(text)).map(Factor::Code)
}

fn typed_recovery_code(bad: &mut FieldViolations, text: &str) -> Option<Factor> {
    bad.check("recovery_code", RecoveryCode::parse(text)).map(Factor::RecoveryCode)
}
