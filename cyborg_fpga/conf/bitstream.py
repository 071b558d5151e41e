"""Options of the bitstream catalogue."""

from oslo_config import cfg

GROUP = cfg.OptGroup('bitstream', title='Bitstream catalogue')

OPTS = [
    cfg.ListOpt(
        'trusted_projects',
        default=[],
        help="""
Projects whose bitstreams count like public ones: their types become traits,
and their functions may stay loaded when a claim ends.
""",
    ),
    cfg.ListOpt(
        'types',
        default=[],
        help="""
Accelerator types that may become traits. Empty: every type of the form
``[a-z0-9_]{1,32}``.
""",
    ),
    cfg.FloatOpt(
        'sync_interval',
        default=30.0,
        min=0.1,
        help="""
Seconds between two looks at Glance. An unchanged catalogue costs two small
requests, whatever its size.
""",
    ),
    cfg.IntOpt(
        'sweep_page',
        default=100,
        min=1,
        help="""
Images checked per cycle for having been deleted or untagged, which Glance's
list of changes does not tell. The catalogue is at most
``images / sweep_page * sync_interval`` seconds behind in this.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
