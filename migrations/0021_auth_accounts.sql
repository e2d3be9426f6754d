-- Owner: auth-service. What an administrator can change about a user, and deletion.

alter table auth.users
    -- Sorted, without duplicates. Only `admin` has a meaning here.
    add column roles text[] not null default '{}',
    add column disabled boolean not null default false,
    -- A deleted user is purged at `purge_time`. Both are null, or neither.
    add column delete_time timestamptz,
    add column purge_time timestamptz,
    add constraint users_delete_time_check
        check ((delete_time is null) = (purge_time is null)) not valid;

-- `password_version` counts everything that ends all sessions of a user: from now on also a change
-- of roles, disabling, deletion and a revocation by an administrator.
