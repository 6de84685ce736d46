-- The three roles of Mandate in a PostgreSQL (15 to 18) of your own. Run once as a superuser, with passwords of your own:
--   psql -v migrator_password="'…'" -v app_password="'…'" -f deploy/roles.sql
-- Then: DATABASE_URL=postgresql://mandate_app:…@host/mandate  DATABASE_OWNER_URL=postgresql://migrator:…@host/mandate

-- owns every table; nobody can log in as it
CREATE ROLE mandate_owner NOLOGIN;
-- migrates: logs in, then SET ROLE mandate_owner
CREATE ROLE migrator LOGIN PASSWORD :migrator_password;
GRANT mandate_owner TO migrator;
ALTER ROLE migrator NOINHERIT;
-- the application: reads and writes what the migrations grant, changes no schema, owns nothing
CREATE ROLE mandate_app LOGIN PASSWORD :app_password;
-- short statements over tables by the month: compiling them takes longer than running them
ALTER ROLE mandate_app SET jit = off;

CREATE DATABASE mandate OWNER mandate_owner;
REVOKE ALL ON DATABASE mandate FROM PUBLIC;
GRANT CONNECT ON DATABASE mandate TO migrator, mandate_app;

-- What keeps even the owner from changing the log (event triggers). Leave these two lines out where your superuser may not create
-- event triggers; `manage.py check --deploy` then says that the owner can rewrite the log (mandate.E007).
\connect mandate
\ir guard.sql
