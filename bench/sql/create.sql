\set owner random(:first_owner, :last_owner)
\set number random(1, 1000000000)
\set no_request 0
with batch as (
    select cardinality(array[:number::int]) as size
), feed as (
    insert into task.feeds as feed (owner_id, revision, task_count, task_bytes)
    select ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid, size, size, 1200
    from batch
    where size <= 1000000
    on conflict (owner_id) do update
    set revision = feed.revision + excluded.revision,
        task_count = feed.task_count + excluded.task_count,
        task_bytes = feed.task_bytes + excluded.task_bytes
    where feed.task_count + excluded.task_count <= 1000000
        and feed.task_bytes + excluded.task_bytes <= 1000000000
    returning revision
), request as (
    insert into task.requests (
        owner_id, method, request_id, fingerprint, task_ids, revision, create_time
    )
    select
        ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid,
        '', gen_random_uuid(), '', array[]::uuid[], revision, now()
    from feed
    where :no_request::int <> 0
), created as (
    insert into task.tasks (
        owner_id, id, title, title_folded, description, description_folded, is_complete,
        priority, labels, due_time, due_time_zone, revision, create_time, update_time,
        complete_time
    )
    select
        ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid,
        id, title, title_folded, description, description_folded, is_complete,
        priority, string_to_array(labels, chr(31)), due_time, due_time_zone,
        feed.revision - batch.size + item.position, now(), now(),
        case when is_complete then now() end
    from batch, feed, unnest(
        -- Ordered by time, as a UUIDv7 is.
        array[(
            lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
            || substr(gen_random_uuid()::text, 14)
        )::uuid],
        array['Repot the plants on the balcony, no. ' || :number::text],
        array['repot the plants on the balcony, no. ' || :number::text],
        array['The ones that have outgrown their pots want one size more, fresh soil and a week in the shade; water them the day before.'],
        array['the ones that have outgrown their pots want one size more, fresh soil and a week in the shade; water them the day before.'],
        array[false],
        array[2::smallint],
        array['garden'],
        array[null::timestamptz],
        array[null::text]
    ) with ordinality as item (
        id, title, title_folded, description, description_folded, is_complete,
        priority, labels, due_time, due_time_zone, position
    )
)
select revision
from feed;
