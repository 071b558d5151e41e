"""Options of the agent that runs on every host with FPGAs."""

from oslo_config import cfg
from oslo_config import types

GROUP = cfg.OptGroup('agent', title='Per-host agent')

OPTS = [
    cfg.ListOpt(
        'enabled_drivers',
        default=['intel_dfl'],
        help="""
Drivers this host loads, in order.

Each name is an entry point in ``cyborg_fpga.drivers``. The agent refuses to
start if one is missing, so that a typing error is not mistaken for a host
without cards.
""",
    ),
    cfg.StrOpt(
        'sysroot',
        default='/sys',
        help='Where the kernel shows its devices.',
    ),
    cfg.StrOpt(
        'devroot',
        default='/dev',
        help='Where the device nodes are.',
    ),
    cfg.StrOpt(
        'firmware_path',
        default='/lib/firmware',
        help="""
Where the kernel looks for firmware. Driver ``fpga_manager`` puts images there
for the time of a load, in the directory ``cyborg-fpga``, and a record of the
last one.
""",
    ),
    cfg.ListOpt(
        'tools_path',
        default=[],
        item_type=types.String(regex='^/[^:]*$'),
        help="""
Directories in which drivers ``xilinx_xrt`` and ``aws_f2`` look for the
vendors' tools, and nowhere else. Empty: where the vendors install them,
``/opt/xilinx/xrt/bin`` and the system's directories. They are run as root.
""",
    ),
    cfg.StrOpt(
        'simulator',
        help="""
Directory of a simulated FPGA host (``cyborg-fpga-simulator run DIR``).

Where set, the agent reads ``DIR/sys`` and ``DIR/dev`` instead of *sysroot*
and *devroot*, and lets the simulated cards answer writes and ioctls.
""",
    ),
    cfg.StrOpt(
        'state_path',
        default='/var/lib/cyborg-fpga',
        help="""
Directory of the agent's journal and fences. It must survive a restart: an
agent that lost it cannot tell what it did last.
""",
    ),
    cfg.StrOpt(
        'cache_path',
        default='/var/cache/cyborg-fpga',
        help='Directory of the downloaded bitstreams.',
    ),
    cfg.IntOpt(
        'cache_size_mb',
        default=10240,
        min=1,
        help="""
How large the bitstream cache may grow, in MiB. The least recently used files
go first; a file in use never goes.
""",
    ),
    cfg.IntOpt(
        'prefetch',
        default=4,
        min=0,
        help="""
How many bitstreams a host downloads before anybody asks for them: of those
that are public or a trusted project's and fit its cards, the ones that were
loaded most often in the last week, on any host. It does so while no card is
worked on, into what is free of the cache and with a tenth of the disk left;
nothing leaves for them. 0: none.
""",
    ),
    cfg.FloatOpt(
        'report_interval',
        default=30.0,
        min=0.1,
        help="""
Seconds between two reports to the conductor. An unchanged report costs one
SQL statement and nothing else.
""",
    ),
    cfg.StrOpt(
        'resource_provider_name',
        help="""
Name of this host's resource provider in Placement. Unset: the fully
qualified domain name, then the host name, whichever Placement knows.
""",
    ),
    cfg.DictOpt(
        'blank_bitstreams',
        default={},
        help="""
Region id (32 hex digits) to the path of a bitstream without a function, as
the card's vendor supplies it. A card whose region has none cannot be wiped at
level ``clear`` by loading one.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
