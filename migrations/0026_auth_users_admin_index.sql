-- no-transaction
-- Owner: auth-service. The enabled administrators. One must remain.

create index concurrently if not exists users_admin_idx on auth.users (id)
    where 'admin' = any (roles) and not disabled and delete_time is null;
