CREATE TABLE bundles (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL UNIQUE);

CREATE TABLE entries (
    seq bigint PRIMARY KEY,
    time_ms bigint NOT NULL,
    kind integer NOT NULL,              -- 0 prove, 1 decide only, 2 lifecycle
    bundle bigint NOT NULL REFERENCES bundles,
    request_id text UNIQUE,
    compliant boolean,
    reason bigint,
    metadata text NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX entries_time ON entries (time_ms);
CREATE INDEX entries_bundle ON entries (bundle, seq);
CREATE INDEX entries_violation ON entries (seq) WHERE NOT compliant;
CREATE INDEX entries_lifecycle ON entries (seq) WHERE kind = 2;

CREATE TABLE sealed (seq bigint PRIMARY KEY, sealed bytea NOT NULL);

-- Roots of full subtrees, in the order in which appending completes them.
CREATE TABLE nodes (position bigint PRIMARY KEY, hash bytea NOT NULL);

CREATE TABLE metadata (name text NOT NULL, value text NOT NULL, seq bigint NOT NULL, PRIMARY KEY (name, value, seq));

-- How far the proofs of provable decisions are: 1 pending, 2 failed, 3 proven, 4 verified.
CREATE TABLE states (
    seq bigint PRIMARY KEY,
    bundle bigint NOT NULL REFERENCES bundles,
    status integer NOT NULL,
    proof bigint,
    failure bigint
);
CREATE INDEX states_bundle ON states (bundle, seq, status);
CREATE INDEX states_pending ON states (bundle, seq) WHERE status = 1;
CREATE INDEX states_failed ON states (seq) WHERE status = 2;
CREATE INDEX states_failure ON states (failure) WHERE failure IS NOT NULL;

CREATE TABLE proofs (
    id bigint PRIMARY KEY, bundle bigint NOT NULL REFERENCES bundles, row_seqs bytea NOT NULL,
    proof bytea NOT NULL, proved_ms bigint NOT NULL, verified boolean NOT NULL
);
CREATE TABLE failures (
    id bigint PRIMARY KEY, bundle bigint NOT NULL REFERENCES bundles, row_seqs bytea NOT NULL,
    reason text NOT NULL, failed_ms bigint NOT NULL
);
CREATE TABLE checkpoints (size bigint PRIMARY KEY, root bytea NOT NULL, note bytea NOT NULL);

CREATE TABLE stats (
    total bigint NOT NULL, lifecycle bigint NOT NULL, decide_only bigint NOT NULL,
    pending bigint NOT NULL, failed bigint NOT NULL, proven bigint NOT NULL, verified bigint NOT NULL,
    compliant bigint NOT NULL, violations bigint NOT NULL
);
INSERT INTO stats VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0);

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON nodes EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sealed EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON metadata EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON states EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON proofs EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON checkpoints EXECUTE FUNCTION append_only();
CREATE TRIGGER one_proof BEFORE UPDATE ON states FOR EACH ROW
    WHEN (OLD.proof IS NOT NULL AND NEW.proof IS DISTINCT FROM OLD.proof) EXECUTE FUNCTION append_only();
CREATE TRIGGER kept BEFORE UPDATE OF id, bundle, row_seqs, proof, proved_ms ON proofs EXECUTE FUNCTION append_only();
CREATE TRIGGER kept BEFORE UPDATE OF size, root ON checkpoints EXECUTE FUNCTION append_only();
