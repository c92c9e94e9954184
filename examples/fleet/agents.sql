-- What a worker may do in the database of a fleet, enforced by PostgreSQL 12 or newer.
-- Run it as the login of the server, which owns the database and has CREATEROLE, after the first
-- start of the server, and after each upgrade:
--     psql postgresql://attractor@HOST/fleet --file agents.sql
-- Then make a login for each machine, with a password of its own:
--     create role attractor_box1 login password 'SECRET' in role attractor_agents;
-- and for each machine with workers of the pool `evaluate`, and no others:
--     create role attractor_box2 login password 'SECRET' in role attractor_evaluators;
-- Nobody logs in as the two roles below: each member can change the settings with which they
-- would log in, such as their search_path, and so lock all others out.
begin;

do $$ begin
  create role attractor_agents;
exception when duplicate_object or unique_violation then null;
end $$;
-- The role of workers of the pool `evaluate`: with the same rights, it claims their rows only.
do $$ begin
  create role attractor_evaluators in role attractor_agents;
exception when duplicate_object or unique_violation then null;
end $$;

-- A worker makes a random token at its start, and sets it in each transaction. Its id is the hash
-- of the token, so nobody else can act as the owner of its runs.
create or replace function fleet_me() returns text language sql stable
  set search_path = pg_catalog, pg_temp as $$
  select left(encode(sha256(convert_to(
    coalesce(current_setting('fleet.token', true), ''), 'UTF8')), 'hex'), 24)
$$;

create or replace function fleet_now() returns double precision language sql volatile
  set search_path = pg_catalog, pg_temp as $$
  select extract(epoch from clock_timestamp())::double precision
$$;

create or replace function fleet_guard_run() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  me text := public.fleet_me();
begin
  if (
    -- A run is executed by its owner, or by nobody.
    new.owner = case new.state when 'running' then me else '' end
    and new.attempt between old.attempt and old.attempt + 1
    and new.lost between 0 and old.lost + 1
    and new.tokens >= 0
    and json_typeof(new.details) = 'object'
    and length(new.details::text) <= 20000
    -- Orders come from people only.
    and not exists (
      select from json_each_text(new.orders) given
      where given.value is null or given.value is distinct from old.orders ->> given.key
    )
    -- Also no NaN, which is larger than every number.
    and least(new.wake_at, new.changed, new.queued_at, new.cost_usd) >= 0
    and greatest(new.wake_at, new.changed, new.queued_at, new.cost_usd) < 1e11
    and case
      when old.owner <> '' and old.owner = me then
        -- The owner commits one head after the other, and gives the run back.
        new.state in ('running', 'queued', 'parked', 'ended')
        and new.epoch = old.epoch
        and (new.seq = old.seq + 1 or (new.seq, new.head) = (old.seq, old.head))
      else
        -- Others change no result. They claim, take over from a dead owner, and enqueue.
        (new.seq, new.head, new.cost_usd, new.tokens, new.unpriced_tokens, new.orders::text)
          = (old.seq, old.head, old.cost_usd, old.tokens, old.unpriced_tokens, old.orders::text)
        and new.epoch between old.epoch + (old.owner <> '')::int and old.epoch + 1
        and case new.state
          when 'running' then
            old.state = 'queued' and not old.cancel and new.epoch > old.epoch
            and (old.pool = 'evaluate') = pg_has_role('attractor_evaluators', 'member')
          when 'queued' then
            old.state in ('queued', 'running')
            or (old.state = 'parked' and old.wake_at > 0 and old.wake_at <= public.fleet_now())
          when 'parked' then old.state = 'running'
          when 'ended' then
            (old.state <> 'ended' and old.cancel)
            or (old.owner like 'server:%' and old.held_from = 'ended')
          else false
        end
    end
  ) is not true then
    raise insufficient_privilege using message =
      format('worker %s may not change run %s in this way', me, old.run_id);
  end if;
  if old.owner not in ('', me) and exists (
    select from public.fleet_worker where id = old.owner and beat > public.fleet_now() - 4
  ) then
    -- A beat came in between: who tried to take over tries again later.
    raise serialization_failure using message =
      format('the owner %s of run %s is alive', old.owner, old.run_id);
  end if;
  return new;
end $$;

create or replace function fleet_refuse() returns trigger language plpgsql as $$
begin
  raise insufficient_privilege using message =
    format('a worker may not change %s in this way', tg_table_name);
end $$;

-- Row level security does not bind the login of the server, which owns the tables: the triggers
-- neither.
drop trigger if exists fleet_guard on fleet_run;
create trigger fleet_guard before update on fleet_run for each row
  when (row_security_active('public.fleet_run'))
  execute function fleet_guard_run();

-- Within a day, what was spent only grows.
drop trigger if exists fleet_guard on fleet_universe;
create trigger fleet_guard before update on fleet_universe for each row
  when (
    row_security_active('public.fleet_universe') and (
      new.day between old.day and floor(fleet_now() / 86400)
      and (new.day > old.day or (new.cost_usd >= old.cost_usd
        and new.tokens >= old.tokens and new.unpriced_tokens >= old.unpriced_tokens))
      and new.cost_usd >= 0 and new.cost_usd < 1e11 and new.tokens >= 0
    ) is not true
  )
  execute function fleet_refuse();

do $$
declare
  name text;
begin
  foreach name in array
    array['fleet_run', 'fleet_head', 'fleet_worker', 'fleet_universe', 'fleet_pool', 'fleet_lease',
      'fleet_tail']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('drop policy if exists fleet_read on %I', name);
    execute format('create policy fleet_read on %I for select using (true)', name);
    execute format('drop policy if exists fleet_change on %I', name);
  end loop;
end $$;
create policy fleet_change on fleet_run for update to attractor_agents using (true);
create policy fleet_change on fleet_universe for update to attractor_agents using (true);
-- The owner notes the head that it has committed.
drop policy if exists fleet_begin on fleet_head;
create policy fleet_begin on fleet_head for insert to attractor_agents
  with check (exists (
    select from fleet_run run where run.run_id = fleet_head.run_id and run.owner = fleet_me()
      and run.seq = fleet_head.seq and run.head = fleet_head.head
  ));
-- The end of a journal is shown by the owner of the run.
create policy fleet_change on fleet_tail for update to attractor_agents
  using (exists (
    select from fleet_run where fleet_run.run_id = fleet_tail.run_id and owner = fleet_me()
  ))
  with check (length(tail) <= 20000);
-- Locked, never changed.
create policy fleet_change on fleet_pool for update to attractor_agents
  using (true) with check (false);
create policy fleet_change on fleet_lease for update to attractor_agents
  using (holder = fleet_me() or until <= fleet_now())
  with check (holder = fleet_me() and until <= fleet_now() + 10);
-- A worker is its own row.
drop policy if exists fleet_begin on fleet_worker;
create policy fleet_begin on fleet_worker for insert to attractor_agents
  with check (id = fleet_me() and began between 0 and fleet_now() + 10
    and beat between 0 and fleet_now() + 10 and json_typeof(labels) = 'array'
    and length(labels::text) <= 2000 and length(concat(name, pool, engine)) <= 1000);
create policy fleet_change on fleet_worker for update to attractor_agents
  using (id = fleet_me())
  with check (id = fleet_me() and beat between 0 and fleet_now() + 10);

revoke create on schema public from public;
grant usage on schema public, dbos to attractor_agents;
grant select on fleet_run, fleet_head, fleet_worker, fleet_universe, fleet_pool, fleet_lease,
  fleet_tail, fleet_meta to attractor_agents;
-- Rights on columns: who may update or delete a whole table may also lock it, and so keep living
-- workers from beating until they count as dead.
grant update (attempt, epoch, owner, state, wants_run, head, seq, wake_at, reason, details, lost,
  changed, queued_at, cost_usd, tokens, unpriced_tokens, orders) on fleet_run to attractor_agents;
grant insert on fleet_head to attractor_agents;
grant insert, update (beat, is_draining) on fleet_worker to attractor_agents;
grant update (day, cost_usd, tokens, unpriced_tokens) on fleet_universe to attractor_agents;
grant update (share) on fleet_pool to attractor_agents;
grant update (epoch, seq, tail) on fleet_tail to attractor_agents;
grant update (holder, until) on fleet_lease to attractor_agents;

-- The queue is shared: in it, a worker can delay, repeat or end attempts, but commit nothing.
grant select, insert, update on all tables in schema dbos to attractor_agents;
grant usage on all sequences in schema dbos to attractor_agents;
revoke insert, update on dbos.dbos_migrations from attractor_agents;
alter default privileges in schema dbos
  grant select, insert, update on tables to attractor_agents;
alter default privileges in schema dbos grant usage on sequences to attractor_agents;

commit;
