-- The tables of level-session, version 1. The name of the schema is a setting of the store: to use another schema,
-- replace `level_session` throughout.
--
-- The application's role needs USAGE on the schema, SELECT on "version", and SELECT, INSERT, UPDATE and DELETE on
-- "session" and "value".

CREATE SCHEMA IF NOT EXISTS level_session;

CREATE TABLE level_session.version (
    version integer NOT NULL
);

-- A session; or, if idle_at is null, the mark of an id that was destroyed or renewed. Times are milliseconds since 1970;
-- the largest bigint means "never". The id itself is not stored: digest is its SHA-256.
CREATE TABLE level_session.session (
    digest       bytea   NOT NULL,
    -- A lower bound of the moment when the row is dead. Using the session does not update it, so no index changes.
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
    -- Whether a field refers to "value", and whether "value" may have a row that no field refers to.
    aside        boolean NOT NULL DEFAULT false,
    stale        boolean NOT NULL DEFAULT false,
    -- The id before a renewal; in the mark of that id, the id after the renewal.
    former       bytea,
    moved        bytea,
    -- The index entry of each indexed field, in base64.
    entries      jsonb   NOT NULL DEFAULT '{}',
    -- The bytes of each field in base64, or # and the base64 of their SHA-256 if they are stored in "value".
    fields       jsonb   NOT NULL DEFAULT '{}',
    PRIMARY KEY (digest)
) WITH (fillfactor = 80);

CREATE INDEX session_due ON level_session.session (due);
CREATE INDEX session_entries ON level_session.session USING gin (entries jsonb_path_ops)
    WITH (fastupdate = off) WHERE entries <> '{}';

-- Values larger than 1 KiB. A row never changes.
CREATE TABLE level_session.value (
    digest bytea NOT NULL REFERENCES level_session.session ON UPDATE CASCADE ON DELETE CASCADE,
    hash   bytea NOT NULL,
    bytes  bytea NOT NULL,
    PRIMARY KEY (digest, hash)
);

INSERT INTO level_session.version VALUES (1);
