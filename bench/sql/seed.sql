-- The data of tandem.sql and people.sql, in the columns of the seed, which has created its tables
-- itself.

insert into users (id, username, hashed_password)
select
    number,
    'user-' || number,
    '$2b$12$BmT0IymevUWEoiOLLdiIB.RRhKmtQ1aY5Tsp13LIV5X8/mbRXNJRG'
from generate_series(
    1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
) as number;

insert into tasks (id, owner_id, title, description, is_complete, created_at)
select
    owner * 1000 + item,
    owner,
    'Water the plants on the balcony, row ' || owner % 100 || '.' || item,
    'The ones in the shade need half a can twice a week, the ones in the sun a whole one every '
    || 'evening; mind the saucers, row ' || item,
    item % 3 = 0,
    timestamptz '2026-01-01 00:00:00Z' + (item * 200000 + owner) * interval '0.05 seconds'
from generate_series(0, current_setting('bench.tasks_per_owner')::int - 1) as item
join generate_series(
    1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
) as owner
on item = 0 or owner <= current_setting('bench.large_owners')::int
order by item, owner;

select setval('tasks_id_seq', 1000000000);

-- Fairness: see usual.sql.
alter table tasks alter column owner_id set (n_distinct = 1000);

vacuum analyze tasks;

vacuum analyze users;
