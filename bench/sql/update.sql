-- Each client changes the newest 50 tasks of an owner of its own, as the benchmark's clients do. It
-- sends no etags: pgbench cannot keep one from a statement to the next.
\set owner :client_id + 1
\set task :owner * 1000 + random(:tasks_per_owner - 50, :tasks_per_owner - 1)
\set number random(1, 1000000000)
with item as (
    select *
    from unnest(
        array[('00000000-0000-7000-9000-' || lpad(:task::text, 12, '0'))::uuid],
        array[null::bigint],
        array['Water the plants on the terrace, no. ' || :number::text],
        array['water the plants on the terrace, no. ' || :number::text],
        array[null::text],
        array[null::text],
        array[:number::int % 2 = 0],
        array[null::smallint],
        array[null::text],
        array[false],
        array[null::timestamptz],
        array[null::text]
    ) with ordinality as item (
        id, revision, title, title_folded, description, description_folded,
        is_complete, priority, labels, sets_due, due_time, due_time_zone, position
    )
), found as materialized (
    select *
    from task.tasks
    where owner_id = ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid
        and id = any(array[('00000000-0000-7000-9000-' || lpad(:task::text, 12, '0'))::uuid])
    order by id
    for update
), next as (
    select
        item.position,
        found.id,
        coalesce(item.title, found.title) as title,
        coalesce(item.title_folded, found.title_folded) as title_folded,
        coalesce(item.description, found.description) as description,
        coalesce(item.description_folded, found.description_folded) as description_folded,
        coalesce(item.is_complete, found.is_complete) as is_complete,
        coalesce(item.priority, found.priority) as priority,
        coalesce(string_to_array(item.labels, chr(31)), found.labels) as labels,
        case when sets_due then item.due_time else found.due_time end as due_time,
        case when sets_due then item.due_time_zone else found.due_time_zone end
            as due_time_zone,
        case
            when coalesce(item.is_complete, found.is_complete) = found.is_complete
                then found.complete_time
            when item.is_complete then now()
        end as complete_time,
        found.delete_time is null and coalesce(item.revision = found.revision, true)
            as is_allowed
    from item
    join found using (id)
), changed as (
    select next.*, row_number() over (order by position) as number
    from next
    join found using (id)
    where (
        next.title, next.description, next.is_complete, next.priority, next.labels,
        next.due_time, next.due_time_zone
    ) is distinct from (
        found.title, found.description, found.is_complete, found.priority, found.labels,
        found.due_time, found.due_time_zone
    )
    and (select count(*) from next where is_allowed) = 1
    and (
        select sum(
            octet_length(title) + octet_length(description)
            + octet_length(array_to_string(labels, ''))
        )
        from next
    ) <= 4000000
    and not false
), feed as (
    update task.feeds as feed
    set revision = feed.revision + batch.size,
        task_bytes = feed.task_bytes + batch.growth
    from (
        select
            count(*) as size,
            sum(octet_length(changed.title) - octet_length(found.title)) as growth
        from changed
        join found using (id)
    ) as batch
    where feed.owner_id = ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid
        and batch.size > 0 and (batch.growth <= 0 or feed.task_bytes + batch.growth <= 1000000000)
    returning feed.revision - batch.size as previous_revision
), written as (
    update task.tasks as task
    set title = changed.title,
        title_folded = changed.title_folded,
        description = changed.description,
        description_folded = changed.description_folded,
        is_complete = changed.is_complete,
        priority = changed.priority,
        labels = changed.labels,
        due_time = changed.due_time,
        due_time_zone = changed.due_time_zone,
        complete_time = changed.complete_time,
        update_time = greatest(now(), task.update_time),
        revision = feed.previous_revision + changed.number
    from changed, feed
    where task.owner_id = ('00000000-0000-7000-8000-' || lpad(:owner::text, 12, '0'))::uuid and task.id = changed.id
    returning task.id, task.update_time, task.revision
)
select
    next.id as id,
    next.title as title,
    next.description as description,
    next.is_complete as is_complete,
    next.priority as priority,
    next.labels as labels,
    next.due_time,
    next.due_time_zone as due_time_zone,
    coalesce(written.revision, found.revision) as revision,
    found.revision as previous_revision,
    found.create_time as create_time,
    coalesce(written.update_time, found.update_time) as update_time,
    next.complete_time,
    found.delete_time,
    found.purge_time
from next
join found using (id)
left join written using (id);
