"""The tables and queries of the historian in SQLite."""

from __future__ import annotations

from raffinate.runtime.historian_types import QUALITIES, SCHEMA_VERSION

APPLICATION_ID = 0x52414646
"""Marks the file as one of ours, in ASCII: RAFF."""

# Without a rowid a table lies on disk in the order of its key, so that a tag's span is one run of
# pages. A profile of 68 stages stays below the 1,002 bytes that a page of 4 KiB holds in a key.
SCHEMA = f"""
CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cursor INTEGER NOT NULL,
    epoch_us INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);
CREATE TABLE tag (
    id INTEGER PRIMARY KEY, source_id INTEGER NOT NULL REFERENCES source, path TEXT NOT NULL,
    UNIQUE (path, source_id));
CREATE TABLE record (
    source_id INTEGER NOT NULL, sequence INTEGER NOT NULL, source_time INTEGER NOT NULL,
    wall_time INTEGER NOT NULL, PRIMARY KEY (source_id, sequence)) WITHOUT ROWID;
CREATE TABLE raw (
    tag_id INTEGER NOT NULL, source_time INTEGER NOT NULL, sequence INTEGER NOT NULL,
    value REAL, quality INTEGER NOT NULL, result_time INTEGER,
    PRIMARY KEY (tag_id, source_time, sequence)) WITHOUT ROWID;
CREATE TABLE rollup (
    tag_id INTEGER NOT NULL, level INTEGER NOT NULL, start INTEGER NOT NULL,
    low REAL, high REAL, total REAL NOT NULL, good INTEGER NOT NULL, bad INTEGER NOT NULL,
    last_time INTEGER, last REAL, PRIMARY KEY (tag_id, level, start)) WITHOUT ROWID;
CREATE TABLE profile (
    tag_id INTEGER NOT NULL, source_time INTEGER NOT NULL, sequence INTEGER NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY (tag_id, source_time, sequence)) WITHOUT ROWID;
CREATE TABLE note (
    source_id INTEGER NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT NULL,
    source_time INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, priority TEXT NOT NULL,
    PRIMARY KEY (source_id, sequence, place)) WITHOUT ROWID;
CREATE INDEX note_time ON note (source_time);
CREATE TABLE sample (
    source_id INTEGER NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT NULL,
    source_time INTEGER NOT NULL, result_time INTEGER NOT NULL, taken_at TEXT NOT NULL,
    reading TEXT NOT NULL, PRIMARY KEY (source_id, sequence, place)) WITHOUT ROWID;
CREATE INDEX sample_time ON sample (taken_at, source_time);
CREATE TABLE change (
    source_id INTEGER NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT NULL,
    source_time INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (source_id, sequence, place)) WITHOUT ROWID;
CREATE INDEX change_time ON change (source_time);
CREATE TABLE gap (
    source_id INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    source_time INTEGER NOT NULL, PRIMARY KEY (source_id, first)) WITHOUT ROWID;
CREATE TABLE day (day INTEGER PRIMARY KEY, rows INTEGER NOT NULL);
CREATE VIEW history AS
    SELECT tag.path AS tag, source.name AS source, raw.source_time, raw.sequence, raw.value,
           CASE raw.quality {" ".join(f"WHEN {n} THEN '{q}'" for n, q in enumerate(QUALITIES))} END
               AS quality,
           coalesce(raw.result_time, raw.source_time) AS result_time, record.wall_time
    FROM raw JOIN tag ON tag.id = raw.tag_id JOIN source ON source.id = tag.source_id
         JOIN record ON record.source_id = source.id AND record.sequence = raw.sequence;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

ADD_ROLLUP = """
INSERT INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tag_id, level, start) DO UPDATE SET
    low = min(coalesce(low, excluded.low), coalesce(excluded.low, low)),
    high = max(coalesce(high, excluded.high), coalesce(excluded.high, high)),
    total = total + excluded.total, good = good + excluded.good, bad = bad + excluded.bad,
    last_time = max(coalesce(last_time, excluded.last_time),
                    coalesce(excluded.last_time, last_time)),
    last = iif(excluded.last_time >= coalesce(last_time, 0), excluded.last, last)
"""

FIND_LAST = """
SELECT number, low, high, mean,
       (SELECT value FROM raw WHERE tag_id = :tag AND source_time = last_time
        AND value IS NOT NULL ORDER BY sequence DESC LIMIT 1),
       good, last_time
FROM bucketed ORDER BY number
"""

RAW_TREND = f"""
WITH bucketed AS (
    SELECT source_time / :bucket AS number, min(value) AS low, max(value) AS high,
           avg(value) AS mean, count(value) AS good,
           max(CASE WHEN value IS NOT NULL THEN source_time END) AS last_time
    FROM raw WHERE tag_id = :tag AND source_time BETWEEN :begin AND :end GROUP BY number
) {FIND_LAST}
"""

LEVEL_TREND = """
SELECT start / :bucket, low, high, total / nullif(good, 0), last, good, last_time FROM rollup
WHERE tag_id = :tag AND level = :level AND start >= :inner_begin AND start < :inner_end
ORDER BY start
"""

TREND = f"""
WITH part AS (
    SELECT start AS t, low, high, total, good, last_time FROM rollup
    WHERE tag_id = :tag AND level = :level AND start >= :inner_begin AND start < :inner_end
    UNION ALL
    SELECT source_time, value, value, coalesce(value, 0.0), value IS NOT NULL,
           CASE WHEN value IS NOT NULL THEN source_time END FROM raw
    WHERE tag_id = :tag AND source_time >= :begin AND source_time < :inner_begin
    UNION ALL
    SELECT source_time, value, value, coalesce(value, 0.0), value IS NOT NULL,
           CASE WHEN value IS NOT NULL THEN source_time END FROM raw
    WHERE tag_id = :tag AND source_time >= :inner_end AND source_time <= :end
), bucketed AS (
    SELECT t / :bucket AS number, min(low) AS low, max(high) AS high,
           sum(total) / nullif(sum(good), 0) AS mean, sum(good) AS good,
           max(last_time) AS last_time
    FROM part GROUP BY number
) {FIND_LAST}
"""
