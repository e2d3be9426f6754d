-- Owner: auth-service. The enabled administrators. One must remain.
--
-- Not `concurrently`: that waits for every session, and so for those that wait to migrate. Reads go
-- on; the table was altered by another migration, whose lock has ended.

create index users_admin_idx on auth.users (id)
    where 'admin' = any (roles) and not disabled and delete_time is null;
