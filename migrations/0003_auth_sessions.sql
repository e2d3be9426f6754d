-- Owner: auth-service. Logins, each continued by refresh tokens until it expires or is ended.

-- Counts a user's passwords: a session that began with another than today's is over, even if it began
-- while the password was being changed.
alter table auth.users add column password_version integer not null default 1;

create table auth.sessions (
    -- The `sid` claim of its access tokens.
    id uuid not null,
    user_id uuid not null,
    password_version integer not null,
    -- Of the refresh token that is current, and of the last one that the client is known to have had.
    -- A token is a MAC over the session and a generation: nothing here can be presented as one.
    generation bigint not null,
    previous_generation bigint not null,
    -- When the current generation was made.
    rotate_time timestamptz not null,
    create_time timestamptz not null,
    last_refresh_time timestamptz not null,
    -- When it ends if it is not refreshed, and when it ends in any case.
    expire_time timestamptz not null,
    absolute_expire_time timestamptz not null,
    -- Of the login, for its owner to recognise it.
    user_agent text not null,
    ip_address text not null,
    constraint sessions_pkey primary key (id),
    constraint sessions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);

-- A user's sessions, the newest first.
create index sessions_user_id_create_time_idx on auth.sessions (user_id, create_time desc, id desc);
