-- Owner: auth-service. The second factor: TOTP (RFC 6238) and recovery codes. The columns are those
-- of the user, so that one row's lock decides about a code, the factor and `password_version`.

alter table auth.users
    -- 20 random bytes, sealed under the root key and bound to the user. Null without an enrolment.
    add column totp_sealed_secret bytea,
    -- When the user confirmed the secret. Until then a login requires no code.
    add column totp_enable_time timestamptz,
    -- The time step of the last accepted code: a code of this step or an earlier one is rejected.
    add column totp_last_step bigint not null default 0,
    -- SHA-256 of the user's id and the code. A used code is removed.
    add column recovery_code_hashes bytea[] not null default '{}',
    add constraint users_totp_enable_time_check
        check (totp_enable_time is null or totp_sealed_secret is not null) not valid;

-- How the user logged in (RFC 8176). The default is for the release before, which checks passwords.
alter table auth.sessions add column amr text[] not null default '{pwd}';
