-- The data of tandem.sql, in the columns of the usual service.

create table tasks (
    owner_id uuid not null,
    id uuid not null,
    title text not null,
    description text not null,
    is_complete boolean not null,
    create_time timestamptz not null,
    update_time timestamptz not null,
    primary key (owner_id, id)
);

insert into tasks (owner_id, id, title, description, is_complete, create_time, update_time)
select
    ('00000000-0000-7000-8000-' || lpad(owner::text, 12, '0'))::uuid,
    ('00000000-0000-7000-9000-' || lpad((owner * 1000 + item)::text, 12, '0'))::uuid,
    'Water the plants on the balcony, row ' || owner % 100 || '.' || item,
    'The ones in the shade need half a can twice a week, the ones in the sun a whole one every '
    || 'evening; mind the saucers, row ' || item,
    item % 3 = 0,
    timestamptz '2026-01-01 00:00:00Z' + (item * 200000 + owner) * interval '0.05 seconds',
    timestamptz '2026-01-01 00:00:00Z' + (item * 200000 + owner) * interval '0.05 seconds'
from generate_series(0, current_setting('bench.tasks_per_owner')::int - 1) as item
join generate_series(
    1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
) as owner
on item = 0 or owner <= current_setting('bench.large_owners')::int
order by item, owner;

create index tasks_owner_create_time_idx on tasks (owner_id, create_time desc);

-- Fairness: most owners have one task, so that PostgreSQL would expect few tasks of any owner, and
-- read and sort all of them for a page of 50.
alter table tasks alter column owner_id set (n_distinct = 1000);

vacuum analyze tasks;
