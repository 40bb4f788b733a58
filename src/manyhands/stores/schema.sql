-- One file holds many studies. Every change of a study's rows goes with a check of its epoch.

CREATE TABLE studies (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    spec        TEXT    NOT NULL,            -- JSON of ports.StudySpec
    end_reason  TEXT    NOT NULL DEFAULT '', -- why its last run ended; empty while one goes on, or if it was cut off
    epoch       INTEGER NOT NULL DEFAULT 0,  -- one more for each driver that took the study
    owner       TEXT    NOT NULL DEFAULT '', -- JSON: host, pid, born_at, since; empty if nobody has it
    -- when the owner last showed that it lives, in seconds since 1970
    seen_at     REAL    NOT NULL DEFAULT 0,
    n_reports   INTEGER NOT NULL DEFAULT 0   -- how many it has; since schema 3
) STRICT;

CREATE TABLE trials (
    study_id     INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    id           INTEGER NOT NULL,
    point        TEXT    NOT NULL,           -- JSON: flat name -> value; a choice is the index of its option
    state        TEXT    NOT NULL,
    value        REAL,
    variance     REAL,
    metrics      TEXT    NOT NULL,           -- JSON
    split_values TEXT    NOT NULL,           -- JSON: a number for each split, or a list of numbers
    reason       TEXT    NOT NULL,
    traceback    TEXT    NOT NULL,
    lost         TEXT    NOT NULL,           -- JSON: a text for each lost attempt
    started_at   REAL    NOT NULL,
    ended_at     REAL,
    worker       TEXT    NOT NULL,
    "order"      INTEGER NOT NULL,           -- rank among the outcomes; -1 while there is none
    "values"     TEXT    NOT NULL DEFAULT '[]', -- JSON: a number for each of several objectives; since schema 2
    constraints  TEXT    NOT NULL DEFAULT '[]', -- JSON: a number for each constraint; since schema 2
    parent       INTEGER,                    -- whose checkpoint it began with; since schema 3
    paused_s     REAL    NOT NULL DEFAULT 0, -- seconds; since schema 3
    PRIMARY KEY (study_id, id)
) STRICT, WITHOUT ROWID;

-- Each time that a trial was written, and how many reports of its study had been written before. Since schema 3.
CREATE TABLE moments (
    id        INTEGER PRIMARY KEY,           -- in their order
    study_id  INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    trial_id  INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    n_reports INTEGER NOT NULL
) STRICT;

CREATE INDEX moments_by_study ON moments (study_id);

CREATE TABLE splits (
    study_id INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    trial_id INTEGER NOT NULL,
    split    INTEGER NOT NULL,
    result   TEXT    NOT NULL,               -- JSON of trial.Result
    PRIMARY KEY (study_id, trial_id, split)
) STRICT, WITHOUT ROWID;

CREATE TABLE reports (
    id       INTEGER PRIMARY KEY,            -- in the order of arrival
    study_id INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    trial_id INTEGER NOT NULL,
    split    INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    step     INTEGER NOT NULL,
    value    REAL,                           -- NULL if it was not finite
    metrics  TEXT    NOT NULL,               -- JSON
    at       REAL    NOT NULL
) STRICT;

CREATE INDEX reports_by_trial ON reports (study_id, trial_id);

CREATE TABLE logs (
    id       INTEGER PRIMARY KEY,            -- in the order of arrival
    study_id INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
    trial_id INTEGER NOT NULL,
    split    INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    text     TEXT    NOT NULL
) STRICT;

CREATE INDEX logs_by_trial ON logs (study_id, trial_id);
