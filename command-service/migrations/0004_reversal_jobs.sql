-- Reversals of a window of time: jobs that any instance can go on with, whoever began them. What they
-- have done stands in the log, under their id; these rows say what is left.

-- One row a job.
create table reversal_jobs (
    reversal text collate "C" primary key,
    -- SHA-256 over route and body of the request, where it came with a key: what that may be repeated with.
    request_hash bytea,
    -- The window as asked, why, and who asked: what each step records.
    request json not null,
    -- The heads of the lanes when it was asked: what is recorded later is not touched.
    position text collate "C" not null,
    -- How many events were selected, in how many steps.
    events bigint not null,
    steps bigint not null,
    -- Steps are gone through from the newest to the oldest, and what one refused was in the way of may
    -- have gone by the next pass.
    pass integer not null default 1 check (pass > 0),
    is_done boolean not null,
    started_at timestamptz not null
);
create index reversal_jobs_running on reversal_jobs (started_at) where not is_done;

-- One row a step: the selected events of one correlation, taken back together or not at all.
create table reversal_steps (
    reversal text collate "C" not null references reversal_jobs,
    -- Place in the job's order, from 1.
    nth integer not null,
    correlation_id text collate "C" not null,
    -- The events' lanes and positions, side by side.
    lanes smallint[] not null,
    positions bigint[] not null,
    state text collate "C" not null default 'waiting' check (state in ('waiting', 'reversed', 'refused')),
    -- The pass in which it was last decided; 0 before the first.
    tried integer not null default 0,
    -- Why it was refused, and whether another step of the job may change that.
    refusal json,
    may_yet boolean not null default false,
    primary key (reversal, nth),
    check ((state = 'refused') = (refusal is not null))
);

-- Windows of occurred_at. A lane is mostly written in the order in which things happen, so a few bytes
-- for each 128 pages find them; a tree would cost each event more than the event's own index does.
-- Windows of recorded_at need none: it never runs back in a lane, so positions are found by halving.
create index events_occurred_at on events using brin (occurred_at) with (autosummarize = on);

grant select, insert, update on reversal_jobs, reversal_steps to stockbook_command;
