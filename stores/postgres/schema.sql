-- The tables of level-session, version 1. The name of the schema is a setting of the store: replace `level_session`
-- throughout for another one.
--
-- The application's role needs USAGE on the schema, SELECT on "version", and SELECT, INSERT, UPDATE and DELETE on
-- "session" and "value".

CREATE SCHEMA IF NOT EXISTS level_session;

CREATE TABLE level_session.version (
    version integer NOT NULL
);

-- A session; or, without idle_at, the mark of an id that was destroyed or renewed. Times are milliseconds since 1970, of
-- which the largest bigint stands for "never". The id itself is nowhere: digest is a SHA-256 of it.
CREATE TABLE level_session.session (
    digest       bytea   NOT NULL,
    -- A lower bound of the moment when the row is dead: a use of the session leaves it, so that no index changes.
    due          bigint  NOT NULL,
    created      bigint,
    started      bigint,
    seen         bigint,
    told         bigint,
    idle_at      bigint,
    absolute_at  bigint,
    own_idle     bigint,
    own_absolute bigint,
    former_until bigint,
    ended        bigint,
    transient    boolean,
    -- Whether a field refers to "value", and whether a row there may no longer be referred to.
    aside        boolean NOT NULL DEFAULT false,
    stale        boolean NOT NULL DEFAULT false,
    -- The id before a renewal, and on its mark the id after it.
    former       bytea,
    moved        bytea,
    -- What the session is found by: for each indexed field its entry, in base64.
    entries      jsonb   NOT NULL DEFAULT '{}',
    -- For each field its bytes in base64, or # and the base64 of their SHA-256 if they lie in "value".
    fields       jsonb   NOT NULL DEFAULT '{}',
    PRIMARY KEY (digest)
) WITH (fillfactor = 80);

CREATE INDEX session_due ON level_session.session (due);
CREATE INDEX session_entries ON level_session.session USING gin (entries jsonb_path_ops)
    WITH (fastupdate = off) WHERE entries <> '{}';

-- Values above 1 KiB. A row is never changed.
CREATE TABLE level_session.value (
    digest bytea NOT NULL REFERENCES level_session.session ON UPDATE CASCADE ON DELETE CASCADE,
    hash   bytea NOT NULL,
    bytes  bytea NOT NULL,
    PRIMARY KEY (digest, hash)
);

INSERT INTO level_session.version VALUES (1);
