"""Options that say which cards of a host are ours, and when one is ill."""

from oslo_config import cfg

GROUP = cfg.OptGroup('devices', title='Which cards are ours, and are well')

OPTS = [
    cfg.ListOpt(
        'include',
        default=[],
        help="""
The only cards of this host that are ours: PCI addresses of any function of a
card, in which ``*`` stands for anything (``0000:3b:*``), or the
``vendor/product`` ids of its first function (``8086/09c4``). Empty: every
card that an enabled driver finds.
""",
    ),
    cfg.ListOpt(
        'exclude',
        default=[],
        help="""
Cards that are not ours, in the same form; it goes before *include*. Neither
reported nor touched. A card that was claimed before counts as lost.
""",
    ),
    cfg.ListOpt(
        'vfs',
        default=[],
        help="""
How many virtual functions cards are to have: entries ``card=number``, where
a card is named as in *include* (``0000:3b:*=2,8086/09c4=1``). The first entry
that is about a card holds; a card that none is about is left as it is. A card
is changed while nothing of it is claimed or in use. With 0 it is handed out
whole. Drivers ``intel_dfl`` and ``pci`` can do it.
""",
    ),
    cfg.StrOpt(
        'families',
        help="""
A file with families of cards besides those that the drivers know, or instead
of them, in the form of ``drivers/families.yaml`` in the package. Driver
``pci`` needs it: it takes no card that is not named there.
""",
    ),
    cfg.ListOpt(
        'nova_config',
        default=[],
        help="""
The compute service's configuration files on this host, e.g.
``/etc/nova/nova.conf,/etc/nova/nova-compute.conf``. A card of ours that
``[pci] device_spec`` there matches too is warned about in the log: two
services would give it away. The agent must be able to read them; nothing but
that option is used.
""",
    ),
    cfg.FloatOpt(
        'temperature_limit',
        default=100.0,
        min=0,
        help="""
Degrees Celsius from which on a card is too hot, whatever it calls its own
critical temperature; that counts besides. 0: only that counts.
""",
    ),
    cfg.FloatOpt(
        'power_limit',
        default=0.0,
        min=0,
        help="""
Watts from which on a card draws too much, whatever it calls its own critical
power; that counts besides. 0: only that counts.
""",
    ),
    cfg.IntOpt(
        'correctable_errors_limit',
        default=100,
        min=-1,
        help="""
How many correctable PCI Express errors (AER) of a card between two looks are
still good. -1: they are not looked at.
""",
    ),
    cfg.IntOpt(
        'nonfatal_errors_limit',
        default=0,
        min=-1,
        help='The same of errors that were not corrected and are not fatal.',
    ),
    cfg.IntOpt(
        'fatal_errors_limit',
        default=0,
        min=-1,
        help='The same of fatal ones.',
    ),
    cfg.IntOpt(
        'recover_after',
        default=3,
        min=1,
        help="""
A card that something was wrong with is ``suspect``, and not offered to new
claims, until it has been good for this many looks in a row. A look is made
with a report, not more often than every half ``[agent] report_interval``.
""",
    ),
    cfg.IntOpt(
        'quarantine_after',
        default=10,
        min=0,
        help="""
A card that something is wrong with for this many looks in a row is
``quarantined``, which only an operator ends. 0: never for this reason.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
