"""Options of the bitstream catalogue."""

import re

from oslo_config import cfg
from oslo_config import types

_ID = '([0-9A-Fa-f-]{1,64}|[*])'

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
    cfg.StrOpt(
        'signature',
        default='if_present',
        choices=[
            ('required', 'What is not signed is not loaded.'),
            (
                'if_present',
                'What is signed is loaded only where the signature is right.',
            ),
            ('off', 'Signatures are not looked at.'),
        ],
        help="""
What becomes of bitstreams with and without a signature (Glance's properties
``img_signature`` and so on). Each agent checks it on the very bytes that it
loads, with certificates from ``[key_manager]``; a conductor that is told the
same refuses claims early. Set it on both.
""",
    ),
    cfg.ListOpt(
        'allowed_certificates',
        item_type=types.String(regex=re.compile(f'{_ID}:{_ID}')),
        default=['*:*'],
        help="""
Whose signatures count for whom: ``<project id>:<certificate uuid>`` each, and
``*`` is any project or any certificate. The project is the one for which a
bitstream is loaded, whoever owns the image. By default every certificate that
the key manager has counts for everybody, as in Glance; with ``signature =
required`` name those that you trust.
""",
    ),
    cfg.IntOpt(
        'abandoned_after',
        default=3600,
        min=900,
        help="""
Seconds after the last sign of life of an upload through the API until what it
has left in Glance is deleted: the process that took it has died. Glance itself
may take ten minutes for the last byte.
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
