-- The tasks: `bench.large_owners` owners with `bench.tasks_per_owner` each, and `bench.small_owners`
-- with one each. They are inserted in the order of their creation, so that the tasks of an owner are
-- scattered over the table. Ids follow from numbers, as in dataset.rs and in pgbench's scripts.

insert into task.feeds (owner_id, revision, task_count, task_bytes)
select
    ('00000000-0000-7000-8000-' || lpad(owner::text, 12, '0'))::uuid,
    task_count,
    task_count,
    -- About right, and never null, so that no write counts them first.
    task_count * 1200
from (
    select
        owner,
        case
            when owner <= current_setting('bench.large_owners')::int
                then current_setting('bench.tasks_per_owner')::int
            else 1
        end as task_count
    from generate_series(
        1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
    ) as owner
) as feed;

insert into task.tasks (
    owner_id, id, title, title_folded, description, description_folded, is_complete, priority, labels,
    due_time, due_time_zone, revision, create_time, update_time, complete_time
)
select
    ('00000000-0000-7000-8000-' || lpad(owner::text, 12, '0'))::uuid,
    ('00000000-0000-7000-9000-' || lpad((owner * 1000 + item)::text, 12, '0'))::uuid,
    title,
    lower(title),
    description,
    lower(description),
    item % 3 = 0,
    1 + item % 4,
    array['garden', 'home'],
    case when item % 4 = 0 then create_time + interval '7 days' end,
    case when item % 4 = 0 then 'Europe/Berlin' end,
    item,
    create_time,
    create_time,
    case when item % 3 = 0 then create_time end
from (
    select
        owner,
        item,
        'Water the plants on the balcony, row ' || owner % 100 || '.' || item as title,
        'The ones in the shade need half a can twice a week, the ones in the sun a whole one every '
        || 'evening; mind the saucers, row ' || item as description,
        timestamptz '2026-01-01 00:00:00Z'
        + (item * 200000 + owner) * interval '0.05 seconds' as create_time
    from generate_series(0, current_setting('bench.tasks_per_owner')::int - 1) as item
    join generate_series(
        1, current_setting('bench.large_owners')::int + current_setting('bench.small_owners')::int
    ) as owner
    on item = 0 or owner <= current_setting('bench.large_owners')::int
    order by item, owner
) as task;

vacuum analyze task.tasks;
vacuum analyze task.feeds;
