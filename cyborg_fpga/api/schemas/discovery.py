"""JSON schemas of ``/`` and ``/v2``."""

from cyborg_fpga.api.schemas import parts

_VERSION = parts.closed(
    {
        'id': {'enum': ['v2', 'v2.0']},
        'status': {'enum': ['CURRENT']},
        'min_version': {'enum': ['2.0']},
        'max_version': {'enum': ['2.3']},
        'links': parts.LINKS,
    }
)
ROOT: parts.Versions = [
    (
        0,
        parts.closed(
            {
                'name': parts.TEXT,
                'description': parts.TEXT,
                'versions': {'type': 'array', 'items': _VERSION},
                'default_version': _VERSION,
            }
        ),
    )
]
V2: parts.Versions = [(0, _VERSION)]
