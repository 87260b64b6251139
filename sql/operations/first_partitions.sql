-- The first partitions, so that no event lies in default. They are not the extension's: pg_dump dumps what is not,
-- and a dump must have them, as it has those that are made later. DROP EXTENSION drops them all with their parents.
--
-- A restore brings its own, and there must be none in their place. Here is_restoring() can't tell, since the server
-- itself turns check_function_bodies off for this script. But every dump sets these two, which are of no use in a
-- session, before it creates the extension. Should somebody else do so, maintain() makes the partitions.
do $partitions$
declare
    partition regclass;
begin
    if (select bool_and(s.source = 'session') from pg_settings s
        where s.name in ('xmloption', 'standard_conforming_strings')) then
        return;
    end if;
    perform webhooks.create_partitions();
    for partition in
        select c.oid::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where c.relnamespace = 'webhooks_private'::regnamespace and c.relkind = 'r' and c.relname !~ '_default$'
    loop
        execute format('alter extension webhooks drop table %s', partition);
    end loop;
end
$partitions$;
