"""The tables of a fleet, which stand beside those of DBOS in one database."""

import sqlalchemy as sa

from attractor.fleet.records import RowState

FORMAT = 4
"""Rises when a table changes."""

COLUMNS = (
    ("fleet_run", "orders", "json not null default '{}'"),
    ("fleet_run", "unpriced_tokens", "bigint not null default 0"),
    ("fleet_universe", "unpriced_tokens", "bigint not null default 0"),
)
"""The columns that tables got after their first format."""

SWEEP = "sweep"
"""The name of the lease of who sweeps."""

TABLES = sa.MetaData()

# The defaults are the values of a new run.
RUNS = sa.Table(
    "fleet_run",
    TABLES,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("universe", sa.Text, nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=1),
    sa.Column("epoch", sa.Integer, nullable=False, default=0),
    sa.Column("owner", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.Text, nullable=False, default=RowState.QUEUED),
    sa.Column("wants_run", sa.Boolean, nullable=False, default=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False, default=0),
    sa.Column("wake_at", sa.Double, nullable=False, default=0.0),
    sa.Column("reason", sa.Text, nullable=False, default=""),
    sa.Column("details", sa.JSON, nullable=False, default=dict),
    sa.Column("cancel", sa.Boolean, nullable=False, default=False),
    sa.Column("lost", sa.Integer, nullable=False, default=0),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("changed", sa.Double, nullable=False),
    sa.Column("queued_at", sa.Double, nullable=False),
    sa.Column("held_from", sa.Text, nullable=False, default=RowState.QUEUED),
    sa.Column("max_cost_usd", sa.Double),
    sa.Column("max_tokens", sa.BigInteger),
    sa.Column("cost_usd", sa.Double, nullable=False, default=0.0),
    sa.Column("tokens", sa.BigInteger, nullable=False, default=0),
    sa.Column("unpriced_tokens", sa.BigInteger, nullable=False, default=0, server_default="0"),
    sa.Column("orders", sa.JSON, nullable=False, default=dict, server_default="{}"),
    sa.Index("fleet_run_by_state", "state", "pool", "priority", "queued_at"),
    sa.Index("fleet_run_by_owner", "owner"),
    sa.Index("fleet_run_by_change", "changed"),
    sa.Index(
        "fleet_run_of_actor",
        "universe",
        "actor",
        unique=True,
        sqlite_where=sa.text("actor <> '' and state <> 'ended'"),
        postgresql_where=sa.text("actor <> '' and state <> 'ended'"),
    ),
)

WORKERS = sa.Table(
    "fleet_worker",
    TABLES,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("began", sa.Double, nullable=False),
    sa.Column("beat", sa.Double, nullable=False),
    sa.Column("is_draining", sa.Boolean, nullable=False),
)

TAILS = sa.Table(
    "fleet_tail",
    TABLES,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("watched_until", sa.Double, nullable=False),
    # The commit after which the tail was written.
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("tail", sa.Text, nullable=False),
)

# The last heads of runs, the present ones too: one is offered if a newer one is damaged.
HEADS = sa.Table(
    "fleet_head",
    TABLES,
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("committed", sa.Double, nullable=False),
    sa.Index("fleet_head_of_run", "run_id", "seq"),
)

POOLS = sa.Table(
    "fleet_pool",
    TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("concurrency", sa.Integer, nullable=False),
    sa.Column("share", sa.Double, nullable=False),
)

# A row for each universe, and for each of its worlds, with what was spent on a day (since 1970).
UNIVERSES = sa.Table(
    "fleet_universe",
    TABLES,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("universe", sa.Text, nullable=False, index=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("caps", sa.JSON, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Double, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("unpriced_tokens", sa.BigInteger, nullable=False, server_default="0"),
)

LEASES = sa.Table(
    "fleet_lease",
    TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)

META = sa.Table(
    "fleet_meta",
    TABLES,
    # A random id, so that a store or a server finds out that the database is another one.
    sa.Column("fleet", sa.Text, primary_key=True),
    sa.Column("format", sa.Integer, nullable=False),
    # The id of the store, once it is made.
    sa.Column("store", sa.Text, nullable=False),
)
