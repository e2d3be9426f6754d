-- Owner: auth-service. Signing keys follow one another; what state one is in follows from the times
-- here and the database's clock. The defaults are for the release before, which knows one key.

alter table auth.signing_keys
    -- Counts the keys. Of several instances that make the next one, the first to insert wins.
    add column number bigint not null default 1,
    -- From when on it signs. The one before it has retired then.
    add column activate_time timestamptz not null default current_timestamp,
    -- The longest lifetime of the tokens that it signs: it is published until they have expired.
    add column token_lifetime_seconds integer not null default 900,
    -- When it was revoked, if it was. Its private half is gone then.
    add column revoke_time timestamptz,
    add constraint signing_keys_number_key unique (number);

update auth.signing_keys set activate_time = create_time;

drop index auth.signing_keys_single_idx;
