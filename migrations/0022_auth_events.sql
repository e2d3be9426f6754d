-- Owner: auth-service. The audit log: one row per security event, never with a secret.

create table auth.events (
    -- A UUIDv7.
    id uuid not null,
    create_time timestamptz not null default current_timestamp,
    -- A name in docs/reference/events.md.
    event text not null,
    -- The user that the event is about. No foreign key: the log outlives the user.
    user_id uuid,
    username text,
    -- The kind of actor: `user`, `administrator`, `command` or `service`; and the user, for the first
    -- two.
    actor text not null,
    actor_id uuid,
    session_id uuid,
    ip_address text,
    user_agent text,
    -- What else the event tells, as an object of strings: for example the roles that were set.
    details jsonb not null default '{}',
    constraint events_pkey primary key (id)
);

-- A user's events, and all events, newest first. The second also finds what is to be purged.
create index events_user_id_idx on auth.events (user_id, create_time desc, id desc);
create index events_create_time_idx on auth.events (create_time desc, id desc);
