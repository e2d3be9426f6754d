-- One more user, with 10,000 tasks of 6,400 characters each. The text is random, so that PostgreSQL
-- cannot compress it.

insert into task.feeds (owner_id, revision, task_count, task_bytes)
select
    ('00000000-0000-7000-8000-' || lpad(owner::text, 12, '0'))::uuid,
    10000,
    10000,
    10000 * 7450
from (select current_setting('bench.large_owners')::int + 1 as owner) as searcher;

insert into task.tasks (
    owner_id, id, title, title_folded, description, description_folded, is_complete, priority, labels,
    revision, create_time, update_time
)
select
    ('00000000-0000-7000-8000-' || lpad(owner::text, 12, '0'))::uuid,
    ('00000000-0000-7000-9000-' || lpad((owner * 1000 + item)::text, 12, '0'))::uuid,
    'Diary, page ' || item,
    'diary, page ' || item,
    text,
    text,
    false,
    2,
    array['diary'],
    item,
    create_time,
    create_time
from (
    select
        owner,
        item,
        (
            select string_agg(md5(item || '.' || part), '')
            from generate_series(1, 200) as part
        ) as text,
        timestamptz '2026-01-01 00:00:00Z' + item * interval '1 minute' as create_time
    from generate_series(0, 9999) as item
    cross join (select current_setting('bench.large_owners')::int + 1 as owner) as searcher
) as task;

vacuum analyze task.tasks;
vacuum analyze task.feeds;
