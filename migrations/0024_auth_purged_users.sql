-- Owner: auth-service. The users that were purged, for services that store what belonged to them.

create table auth.purged_users (
    -- In commit order: purges hold one lock. Gaps are possible.
    sequence bigint generated always as identity,
    -- Not a foreign key: the user is gone.
    user_id uuid not null,
    purge_time timestamptz not null default current_timestamp,
    constraint purged_users_pkey primary key (sequence)
);

-- The id of a purged user is never used again.
create index purged_users_user_id_idx on auth.purged_users (user_id);
