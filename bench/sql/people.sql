-- Users with one password, hashed at the cost of production (12) for those that log in, and at the
-- lowest (4) for those that refresh.

insert into auth.users (id, username, password_hash, create_time, update_time)
select
    ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid,
    'user-' || number,
    '$2b$12$BmT0IymevUWEoiOLLdiIB.RRhKmtQ1aY5Tsp13LIV5X8/mbRXNJRG',
    now(),
    now()
from generate_series(
    1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
) as number;

insert into auth.users (id, username, password_hash, create_time, update_time)
select
    gen_random_uuid(),
    'quick-' || number,
    '$2b$04$zIB3.8EhyVD/tm84d/1aZ.tylH6ktLsxxEk0smkPk6udnAYU5sQuC',
    now(),
    now()
from generate_series(0, 1023) as number;

vacuum analyze auth.users;
