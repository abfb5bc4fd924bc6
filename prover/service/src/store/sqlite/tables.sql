CREATE TABLE bundles (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32)) STRICT;

CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    kind INTEGER NOT NULL,              -- 0 prove, 1 decide only, 2 lifecycle
    bundle INTEGER NOT NULL REFERENCES bundles,
    request_id TEXT,
    compliant INTEGER,
    reason INTEGER,
    metadata TEXT NOT NULL,
    entry BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_request ON entries (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX entries_time ON entries (time_ms);
CREATE INDEX entries_bundle ON entries (bundle, seq);
CREATE INDEX entries_violation ON entries (seq) WHERE compliant = 0;
CREATE INDEX entries_lifecycle ON entries (seq) WHERE kind = 2;

CREATE TABLE sealed (seq INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT;

-- Roots of full subtrees, in the order in which appending completes them.
CREATE TABLE nodes (position INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;

CREATE TABLE metadata (
    name TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (name, value, seq)
) STRICT, WITHOUT ROWID;

-- How far the proofs of provable decisions are: 1 pending, 2 failed, 3 proven, 4 verified.
CREATE TABLE states (
    seq INTEGER PRIMARY KEY,
    bundle INTEGER NOT NULL REFERENCES bundles,
    status INTEGER NOT NULL,
    proof INTEGER,
    failure INTEGER
) STRICT;
CREATE INDEX states_bundle ON states (bundle, seq, status);
CREATE INDEX states_pending ON states (bundle, seq) WHERE status = 1;
CREATE INDEX states_failed ON states (seq) WHERE status = 2;
CREATE INDEX states_failure ON states (failure) WHERE failure IS NOT NULL;

CREATE TABLE proofs (
    id INTEGER PRIMARY KEY, bundle INTEGER NOT NULL REFERENCES bundles, row_seqs BLOB NOT NULL,
    proof BLOB NOT NULL, proved_ms INTEGER NOT NULL, verified INTEGER NOT NULL
) STRICT;
CREATE TABLE failures (
    id INTEGER PRIMARY KEY, bundle INTEGER NOT NULL REFERENCES bundles, row_seqs BLOB NOT NULL,
    reason TEXT NOT NULL, failed_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note BLOB NOT NULL) STRICT;

CREATE TABLE stats (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    total INTEGER NOT NULL, lifecycle INTEGER NOT NULL, decide_only INTEGER NOT NULL,
    pending INTEGER NOT NULL, failed INTEGER NOT NULL, proven INTEGER NOT NULL, verified INTEGER NOT NULL,
    compliant INTEGER NOT NULL, violations INTEGER NOT NULL
) STRICT;
INSERT INTO stats VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

-- What was appended stays: REPLACE would get past the DELETE triggers, hence the order on INSERT.
CREATE TRIGGER entries_insert BEFORE INSERT ON entries
    WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entries)
    BEGIN SELECT raise(ABORT, 'entries are appended in order'); END;
CREATE TRIGGER entries_update BEFORE UPDATE ON entries BEGIN SELECT raise(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_delete BEFORE DELETE ON entries BEGIN SELECT raise(ABORT, 'entries are append-only'); END;
CREATE TRIGGER nodes_insert BEFORE INSERT ON nodes
    WHEN NEW.position <> (SELECT coalesce(max(position) + 1, 0) FROM nodes)
    BEGIN SELECT raise(ABORT, 'nodes are appended in order'); END;
CREATE TRIGGER nodes_update BEFORE UPDATE ON nodes BEGIN SELECT raise(ABORT, 'nodes are append-only'); END;
CREATE TRIGGER nodes_delete BEFORE DELETE ON nodes BEGIN SELECT raise(ABORT, 'nodes are append-only'); END;
CREATE TRIGGER sealed_insert BEFORE INSERT ON sealed
    WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM sealed)
    BEGIN SELECT raise(ABORT, 'sealed inputs are appended in order'); END;
CREATE TRIGGER sealed_update BEFORE UPDATE ON sealed BEGIN SELECT raise(ABORT, 'sealed inputs are append-only'); END;
CREATE TRIGGER sealed_delete BEFORE DELETE ON sealed BEGIN SELECT raise(ABORT, 'sealed inputs are append-only'); END;
CREATE TRIGGER metadata_update BEFORE UPDATE ON metadata BEGIN SELECT raise(ABORT, 'metadata is append-only'); END;
CREATE TRIGGER metadata_delete BEFORE DELETE ON metadata BEGIN SELECT raise(ABORT, 'metadata is append-only'); END;
CREATE TRIGGER states_delete BEFORE DELETE ON states BEGIN SELECT raise(ABORT, 'states are kept'); END;
CREATE TRIGGER states_proven BEFORE UPDATE ON states WHEN OLD.proof IS NOT NULL AND NEW.proof IS NOT OLD.proof
    BEGIN SELECT raise(ABORT, 'a record has one proof'); END;
CREATE TRIGGER proofs_delete BEFORE DELETE ON proofs BEGIN SELECT raise(ABORT, 'proofs are kept'); END;
CREATE TRIGGER proofs_update BEFORE UPDATE OF id, bundle, row_seqs, proof, proved_ms ON proofs
    BEGIN SELECT raise(ABORT, 'proofs are kept'); END;
CREATE TRIGGER checkpoints_insert BEFORE INSERT ON checkpoints
    WHEN NEW.size <= (SELECT max(size) FROM checkpoints)
    BEGIN SELECT raise(ABORT, 'checkpoints grow'); END;
CREATE TRIGGER checkpoints_delete BEFORE DELETE ON checkpoints BEGIN SELECT raise(ABORT, 'checkpoints are kept'); END;
CREATE TRIGGER checkpoints_update BEFORE UPDATE OF size, root ON checkpoints
    BEGIN SELECT raise(ABORT, 'checkpoints are kept'); END;
