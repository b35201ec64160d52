"""The tables and queries of the historian in PostgreSQL."""

from __future__ import annotations

from typing import LiteralString

SCHEMA: LiteralString = """
CREATE TABLE raffinate_history (version int NOT NULL);
CREATE TABLE source (
    id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL UNIQUE,
    cursor bigint NOT NULL, epoch_us bigint NOT NULL, first_us bigint NOT NULL,
    last_us bigint NOT NULL);
CREATE TABLE tag (
    id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, source_id int NOT NULL REFERENCES source,
    path text COLLATE "C" NOT NULL, UNIQUE (path, source_id));
CREATE TABLE record (
    source_id int NOT NULL, sequence bigint NOT NULL, source_time bigint NOT NULL,
    wall_time bigint NOT NULL, PRIMARY KEY (source_id, sequence));
CREATE TABLE raw (
    tag_id int NOT NULL, source_time bigint NOT NULL, sequence bigint NOT NULL,
    value float8, quality smallint NOT NULL, result_time bigint,
    PRIMARY KEY (tag_id, source_time, sequence) INCLUDE (value, quality)
) PARTITION BY RANGE (source_time);
CREATE TABLE rollup (
    tag_id int NOT NULL, level bigint NOT NULL, start bigint NOT NULL,
    low float8, high float8, total float8 NOT NULL, good bigint NOT NULL, bad bigint NOT NULL,
    last_time bigint, last float8,
    PRIMARY KEY (tag_id, level, start)) WITH (fillfactor = 70);
CREATE TABLE profile (
    tag_id int NOT NULL, source_time bigint NOT NULL, sequence bigint NOT NULL,
    data bytea NOT NULL, PRIMARY KEY (tag_id, source_time, sequence));
CREATE TABLE note (
    source_id int NOT NULL, sequence bigint NOT NULL, place int NOT NULL,
    source_time bigint NOT NULL, kind text NOT NULL, text text NOT NULL, priority text NOT NULL,
    PRIMARY KEY (source_id, sequence, place));
CREATE INDEX note_time ON note (source_time);
CREATE TABLE sample (
    source_id int NOT NULL, sequence bigint NOT NULL, place int NOT NULL,
    source_time bigint NOT NULL, result_time bigint NOT NULL, taken_at text NOT NULL,
    reading json NOT NULL, PRIMARY KEY (source_id, sequence, place));
CREATE INDEX sample_time ON sample (taken_at, source_time);
CREATE TABLE change (
    source_id int NOT NULL, sequence bigint NOT NULL, place int NOT NULL,
    source_time bigint NOT NULL, entry json NOT NULL,
    PRIMARY KEY (source_id, sequence, place));
CREATE INDEX change_time ON change (source_time);
CREATE TABLE gap (
    source_id int NOT NULL, first bigint NOT NULL, last bigint NOT NULL,
    source_time bigint NOT NULL, PRIMARY KEY (source_id, first));
CREATE TABLE day (day int PRIMARY KEY, rows bigint NOT NULL);
CREATE VIEW history AS
    SELECT tag.path AS tag, source.name AS source, raw.source_time, raw.sequence, raw.value,
           (ARRAY['good', 'below_limit', 'stale', 'bad', 'missing'])[raw.quality + 1] AS quality,
           coalesce(raw.result_time, raw.source_time) AS result_time, record.wall_time
    FROM raw JOIN tag ON tag.id = raw.tag_id JOIN source ON source.id = tag.source_id
         JOIN record ON record.source_id = source.id AND record.sequence = raw.sequence;
"""

# The writers' turn: PostgreSQL has no lock for a table that is not there yet.
SCHEMA_LOCK = 0x52414646

ADD_ROLLUP: LiteralString = """
INSERT INTO rollup SELECT * FROM unnest(
    %s::int[], %s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::float8[])
ON CONFLICT (tag_id, level, start) DO UPDATE SET
    low = least(rollup.low, excluded.low), high = greatest(rollup.high, excluded.high),
    total = rollup.total + excluded.total, good = rollup.good + excluded.good,
    bad = rollup.bad + excluded.bad,
    last_time = greatest(rollup.last_time, excluded.last_time),
    last = CASE WHEN excluded.last_time >= coalesce(rollup.last_time, 0) THEN excluded.last
                ELSE rollup.last END
"""

# The greatest of arrays is that of the greatest time, and float8 holds every µs until 2255.
RAW_TREND: LiteralString = """
SELECT number, low, high, mean, last[3], good, last[1]::bigint FROM (
    SELECT source_time / %(bucket)s AS number, min(value) AS low, max(value) AS high,
           avg(value) AS mean, count(value) AS good,
           max(ARRAY[source_time::float8, sequence::float8, value])
               FILTER (WHERE value IS NOT NULL) AS last
    FROM raw WHERE tag_id = %(tag)s AND source_time BETWEEN %(begin)s AND %(end)s GROUP BY number
) AS bucketed ORDER BY number
"""

# A sum of bigint is numeric, which would make the mean slow and no float; hence the casts.
TREND: LiteralString = """
WITH part AS (
    SELECT start AS t, low, high, total, good, last_time, 0::float8 AS sequence, last FROM rollup
    WHERE tag_id = %(tag)s AND level = %(level)s
          AND start >= %(inner_begin)s AND start < %(inner_end)s
    UNION ALL
    SELECT source_time, value, value, coalesce(value, 0.0), (value IS NOT NULL)::int,
           source_time, sequence, value FROM raw
    WHERE tag_id = %(tag)s AND source_time >= %(begin)s AND source_time < %(inner_begin)s
    UNION ALL
    SELECT source_time, value, value, coalesce(value, 0.0), (value IS NOT NULL)::int,
           source_time, sequence, value FROM raw
    WHERE tag_id = %(tag)s AND source_time >= %(inner_end)s AND source_time <= %(end)s
)
SELECT number, low, high, mean, last[3], good, last[1]::bigint FROM (
    SELECT t / %(bucket)s AS number, min(low) AS low, max(high) AS high,
           sum(total) / nullif(sum(good), 0)::float8 AS mean, sum(good)::bigint AS good,
           max(ARRAY[last_time::float8, sequence, last]) FILTER (WHERE last IS NOT NULL) AS last
    FROM part GROUP BY number
) AS bucketed ORDER BY number
"""

RESOLVE: LiteralString = """
SELECT wanted.asked, (
    SELECT tag.id FROM tag JOIN source ON source.id = source_id
    WHERE path = wanted.path AND (wanted.source IS NULL OR name = wanted.source)
    ORDER BY name <> 'plant', name LIMIT 1)
FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (asked, source, path)
"""
