-- Owner: auth-service. The deleted users in the order of their purge.

create index users_purge_time_idx on auth.users (purge_time)
    where purge_time is not null;
