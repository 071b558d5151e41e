"""Options that say which cards of a host are ours."""

from oslo_config import cfg

GROUP = cfg.OptGroup('devices', title='Which cards are ours')

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
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
