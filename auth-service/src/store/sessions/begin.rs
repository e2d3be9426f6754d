//! Begins sessions.

use shared::{db::WorkerPool, error::Error};

use crate::domain::{
    second_factor::Proof,
    session::{ActiveSession, NewSession, PASSWORD_AMR, SECOND_FACTOR_AMR, SessionPolicy},
    user::Account,
};

/// The generation of a session's first refresh token. Its `previous_generation`, 0, has no token.
const FIRST_GENERATION: i64 = 1;

/// Begins a session for an account whose password was verified. Deletes the user's
/// expired sessions and, above the limit, the least recently refreshed ones.
///
/// If the user has a second factor, the same statement uses up `proof`. Returns the number of
/// recovery codes that are left.
///
/// # Errors
/// [`Error::CredentialsInvalid`] if the password, the roles or the second factor have changed
/// since, if the user was disabled or deleted, if the proof has been used, or if it is missing.
pub(crate) async fn insert(
    db: &WorkerPool,
    session: &NewSession,
    account: &Account,
    proof: Option<&Proof>,
    policy: SessionPolicy,
) -> Result<(ActiveSession, i32), Error> {
    let (step, recovery_code) = proof.map_or((None, None), Proof::parts);
    let amr = if proof.is_some() { SECOND_FACTOR_AMR } else { PASSWORD_AMR };
    let begun = sqlx::query!(
        r#"with proven as (
             update auth.users
             set totp_last_step = coalesce($10, totp_last_step),
                 recovery_code_hashes = array_remove(recovery_code_hashes, $11)
             where id = $2
                 and password_version = $9
                 and not disabled
                 and delete_time is null
                 and totp_enable_time is not null
                 and (totp_last_step < $10 or $11 = any (recovery_code_hashes))
             returning cardinality(recovery_code_hashes) as recovery_codes
         ),
         forgotten as (
             delete from auth.sessions
             where user_id = $2
                 and (
                     expire_time <= current_timestamp
                     or id in (
                         select id
                         from auth.sessions
                         where user_id = $2 and expire_time > current_timestamp
                         order by last_refresh_time desc, id desc
                         offset $8
                     )
                 )
         )
         insert into auth.sessions (
             id, user_id, password_version, generation, previous_generation, rotate_time,
             create_time, last_refresh_time, expire_time, absolute_expire_time, user_agent,
             ip_address, amr
         )
         select
             $1, id, password_version, $3, 0, current_timestamp,
             current_timestamp, current_timestamp, current_timestamp + $4, current_timestamp + $5,
             $6, $7, $12
         from auth.users
         where id = $2
             and password_version = $9
             and not disabled
             and delete_time is null
             and (totp_enable_time is null or exists (select from proven))
         returning
             create_time,
             expire_time,
             coalesce((select recovery_codes from proven), 0) as "recovery_codes!""#,
        session.id.0,
        session.user_id.0,
        FIRST_GENERATION,
        policy.idle.min(policy.absolute) as _,
        policy.absolute as _,
        &session.source.user_agent as _,
        session.source.ip_address.to_string(),
        i64::from(policy.max_per_user) - 1,
        account.password_version,
        step,
        recovery_code,
        amr as _,
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await?
    .ok_or(Error::CredentialsInvalid)?;
    let active = ActiveSession {
        user_id: session.user_id,
        session_id: session.id,
        roles: account.user.roles.clone(),
        generation: FIRST_GENERATION,
        expire_time: begun.expire_time,
        auth_time: begun.create_time,
        amr: amr.iter().map(ToString::to_string).collect(),
    };
    Ok((active, begun.recovery_codes))
}
