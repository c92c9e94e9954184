"""The fixtures of this folder."""

from tests.fleet.postgres import cluster as cluster
from tests.fleet.rigs import (
    database_url as database_url,
    postgres_template as postgres_template,
    rig as rig,
    rig_url as rig_url,
    sqlite_template as sqlite_template,
)
from tests.fleet.s3 import s3_environ as s3_environ
