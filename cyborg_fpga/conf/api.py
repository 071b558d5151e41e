"""Options of the REST API."""

from oslo_config import cfg

GROUP = cfg.OptGroup('api', title='REST API')

OPTS = [
    cfg.StrOpt(
        'host_ip',
        default='127.0.0.1',
        help='Address ``cyborg-fpga-api`` listens on.',
    ),
    cfg.PortOpt(
        'port',
        default=6666,
        help='Port ``cyborg-fpga-api`` listens on.',
    ),
    cfg.IntOpt(
        'threads',
        default=16,
        min=1,
        help='Requests that ``cyborg-fpga-api`` serves at a time.',
    ),
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            ('keystone', 'Keystone checks every token.'),
            (
                'noauth',
                'Nobody checks: the token ``user:project:role,role`` is '
                'believed. For tests and the all-in-one only.',
            ),
        ],
        help='How callers are identified.',
    ),
    cfg.StrOpt(
        'public_endpoint',
        help="""
URL under which clients reach the API, used in links. Unset: taken from the
request.
""",
    ),
    cfg.IntOpt(
        'max_limit',
        default=1000,
        min=1,
        help='Most items in one page of a list, and the default.',
    ),
    cfg.IntOpt(
        'max_body_bytes',
        default=114688,
        min=1024,
        help='Largest request body; larger ones are answered 413.',
    ),
    cfg.IntOpt(
        'max_function_bytes',
        default=1048576,
        min=1024,
        help="""
Largest request body that a function of a simulated card is given. It goes
through the message queue, to the conductor and to the agent.
""",
    ),
    cfg.IntOpt(
        'max_upload_bytes',
        default=4 << 30,
        min=1024,
        help="""
Largest bitstream that can be uploaded with ``POST /v2/bitstreams``; larger
ones are answered 413. It is passed on to Glance as it comes, and never as a
whole in memory or on a disk here.
""",
    ),
    cfg.IntOpt(
        'conductor_timeout',
        default=30,
        min=1,
        help="""
Seconds to wait for a conductor. A claim that takes longer is answered 202
when its record exists by then, 503 otherwise.
""",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    conf.register_group(cfg.OptGroup(GROUP.name, GROUP.title))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
