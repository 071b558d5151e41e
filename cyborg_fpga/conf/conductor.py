"""Options of the conductor."""

from oslo_config import cfg
from oslo_config import types

GROUP = cfg.OptGroup('conductor', title='Conductor')

_WARM_POOL = r'[0-9A-Fa-f-]{32,36}:[1-9][0-9]{0,5}(@[^@,\s]+)?$'
_WIPE_LEVELS = ['reset', 'clear', 'blank', 'none']

OPTS = [
    cfg.FloatOpt(
        'host_down_after',
        default=90.0,
        min=0.5,
        help="""
Seconds without a report after which a host counts as down: claims on it are
refused and its free stock is reserved in Placement. A conductor that starts
gives every agent this long before it counts silence.
""",
    ),
    cfg.FloatOpt(
        'reconcile_interval',
        default=5.0,
        min=0.1,
        max=20.0,
        help="""
Seconds between two looks for unfinished work. Every operation ends within 30 s
after its deadline, also when its conductor dies: *lease_seconds*, this and the
5 s that an agent has to answer must not be more together, or the conductor
does not start.
""",
    ),
    cfg.FloatOpt(
        'lease_seconds',
        default=15.0,
        min=0.5,
        max=25.0,
        help="""
Seconds after which another conductor may take over the work of one that does
not extend its lease. See *reconcile_interval* for how long it may be.
""",
    ),
    cfg.FloatOpt(
        'audit_interval',
        default=600.0,
        min=0.0,
        help="""
Seconds between two comparisons of all that Placement holds of the FPGA hosts
with our records, by one conductor for all. Its providers are made what they
should be, allocations of claims that do not exist are deleted, claims that
lost theirs get it back, and accelerator requests of servers that neither
Placement nor Nova knows any more are deleted. 0: never.
""",
    ),
    cfg.FloatOpt(
        'instance_interval',
        default=10.0,
        min=0.1,
        max=15.0,
        help="""
Seconds between two looks, by one conductor for all, whether the instances of
which somebody has claimed what they hold in Placement hold it still. A claim
of one that does not ends within 60 s, also when that conductor dies. A look
costs one request to Placement per provider with such claims, and none where
there are no such claims.
""",
    ),
    cfg.FloatOpt(
        'deadline_factor',
        default=3.0,
        min=1.0,
        help="""
Factor between the time that a driver expects of an operation and the time
after which it is given up.
""",
    ),
    cfg.FloatOpt(
        'deadline_min',
        default=60.0,
        min=0.5,
        help="""
Shortest time an operation is given, in seconds; covers the download of a
small image and a short queue before the card.
""",
    ),
    cfg.FloatOpt(
        'download_rate',
        default=10e6,
        min=1.0,
        help='Bytes per second counted for the download in deadlines.',
    ),
    cfg.IntOpt(
        'quarantine_after',
        default=3,
        min=1,
        help="""
Failed programmings in a row after which a card is quarantined. A failed wipe
quarantines at once.
""",
    ),
    cfg.StrOpt(
        'wipe_public',
        default='reset',
        choices=_WIPE_LEVELS,
        help="""
How a deployable is wiped after a claim when its bitstream is public or of a
trusted project.
""",
    ),
    cfg.StrOpt(
        'wipe_private',
        default='clear',
        choices=_WIPE_LEVELS,
        help="How a deployable is wiped when its bitstream is somebody's own.",
    ),
    cfg.Opt(
        'wipe_at_least',
        type=types.Dict(value_type=types.String(choices=_WIPE_LEVELS)),
        default={},
        help="""
Hosts whose deployables are wiped at this level or a stronger one, whatever
*wipe_public* and *wipe_private* say: ``host1.example.com:clear,*:reset``,
where ``*`` is any other host. From weak to strong: ``none``, ``reset``,
``clear``, ``blank``. Names as ``openstack fpga host list`` shows them.
""",
    ),
    cfg.BoolOpt(
        'exclusive_deployables',
        default=False,
        help="""
Give the VFs of one region to one project at a time: while one of them is
claimed the others are kept for the same project.
""",
    ),
    cfg.ListOpt(
        'warm_pools',
        item_type=types.String(regex=_WARM_POOL),
        default=[],
        help="""
Functions of which some idle deployables are to be kept loaded, so that claims
find them without programming: ``<function or image uuid>:<number>``, with
``@<host name>`` behind it where only those of that host count. Of a function
it is the newest public bitstream, as a claim would have it. Idle deployables
are programmed until there are so many; claims of anything else take them only
where nothing else is left, and one free deployable is always left to claims.
Why a pool is short is logged.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
