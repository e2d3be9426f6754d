//! The settings of the second factor and of password resets.

use std::{str::FromStr, time::Duration};

use shared::config::seconds;

use crate::domain::account_token::{AccountTokens, Purpose};
use crate::domain::root_key::RootKey;

/// How long a client has for the second factor after the password.
const CHALLENGE_LIFETIME: Duration = Duration::from_mins(5);

/// The second factor, and password resets.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Second factor and password resets")]
pub struct SecondFactorConfig {
    /// Name of the installation that authenticator apps show beside the username. 1 to 64 printable
    /// characters, without a colon.
    #[arg(
        long = "totp-issuer",
        env = "AUTH_TOTP_ISSUER",
        default_value = "Tandem",
        value_name = "NAME"
    )]
    totp_issuer: TotpIssuer,

    /// Lifetime of a password reset token, in seconds.
    #[arg(
        long = "password-reset-lifetime-seconds",
        env = "AUTH_PASSWORD_RESET_LIFETIME_SECONDS",
        default_value = "3600",
        value_name = "SECONDS",
        value_parser = seconds(1..=604_800)
    )]
    reset_lifetime: Duration,
}

impl SecondFactorConfig {
    /// The issuer in `otpauth://` URIs.
    pub(crate) fn issuer(&self) -> &str {
        &self.totp_issuer.0
    }

    /// The challenges of logins.
    pub(crate) fn challenges(root_key: &RootKey) -> AccountTokens {
        AccountTokens::new(root_key, Purpose::CompleteLogin, CHALLENGE_LIFETIME)
    }

    /// The tokens that reset passwords.
    pub(crate) fn reset_tokens(&self, root_key: &RootKey) -> AccountTokens {
        AccountTokens::new(root_key, Purpose::ResetPassword, self.reset_lifetime)
    }
}

/// An issuer that a label of an `otpauth://` URI can hold.
#[derive(Clone, Debug)]
struct TotpIssuer(String);

impl FromStr for TotpIssuer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        let is_allowed = |c: char| !c.is_control() && c != ':';
        if (1..=64).contains(&name.chars().count()) && name.chars().all(is_allowed) {
            Ok(Self(name.to_owned()))
        } else {
            Err("expected 1 to 64 printable characters without a colon")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_short_and_has_no_colon() {
        for good in ["Tandem", "Ada & Co", "日本"] {
            assert!(good.parse::<TotpIssuer>().is_ok(), "{good}");
        }
        for bad in ["", "  ", "a:b", "a\nb", &"x".repeat(65)] {
            assert!(bad.parse::<TotpIssuer>().is_err(), "{bad:?}");
        }
    }
}
