#!/bin/sh
# Run by the image of PostgreSQL when it makes its data folder: the three roles, with the passwords of the environment.
set -eu
psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres \
  -v migrator_password="'$MIGRATOR_PASSWORD'" -v app_password="'$APP_PASSWORD'" -f /roles.sql
