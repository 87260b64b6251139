\echo Use "ALTER EXTENSION webhooks UPDATE" to load this file. \quit

-- From 0.2.0 to 0.3.0. CONTRIBUTING.md ("Change the schema") says what belongs here, and what `install changes` and
-- `include` stand for.

-- install changes

-- Row-level security of new relations.
-- include security/policies.sql $isolation$

-- New objects are not PUBLIC's either.
-- include security/public.sql
