"""Microversions: the header that asks for one, and the two documents from
which clients learn which there are.
"""

import re
from typing import Any

import webob

from cyborg_fpga import errors

SERVICE_TYPE = 'accelerator'
HEADER = 'OpenStack-API-Version'
MAJOR = 2
MIN_MINOR = 0
MAX_MINOR = 3
MIN = f'{MAJOR}.{MIN_MINOR}'
MAX = f'{MAJOR}.{MAX_MINOR}'

# Without leading zeros: 2.03 is not 2.3, and 2.10 is not 2.1.
_NUMBERS = re.compile(r'([1-9]\d{0,5})\.(0|[1-9]\d{0,5})', re.ASCII)
_ENVIRON = 'cyborg_fpga.minor'


def negotiate(req: webob.Request) -> int:
    """The minor version that *req* asks for; without a header the oldest.

    :raises errors.NotAcceptable: We do not speak it.
    """
    asked = _asked(req.headers.get(HEADER))
    if asked == 'latest':
        minor = MAX_MINOR
    else:
        match = _NUMBERS.fullmatch(asked)
        if match is None:
            raise errors.NotAcceptable(
                reason=f'Invalid value for {HEADER} header'
            )
        minor = _supported(int(match[1]), int(match[2]))
    req.environ[_ENVIRON] = minor
    return minor


def _asked(header: str | None) -> str:
    """The part of *header* that is for us: one may name several services."""
    if header is None:
        return MIN
    words = [part.split() for part in header.split(',')]
    for part in words:
        if len(part) == 2 and part[0].lower() == SERVICE_TYPE:
            return part[1].lower()
    # Cyborg takes a lone version too.
    return words[0][0].lower() if len(words[0]) == 1 else ''


def _supported(major: int, minor: int) -> int:
    if major != MAJOR:
        raise errors.NotAcceptable(
            reason='Mutually exclusive versions requested. Version '
            f'{major}.{minor} requested but not supported by this service. '
            f'The supported version range is: [{MIN}, {MAX}].'
        )
    if not MIN_MINOR <= minor <= MAX_MINOR:
        raise errors.NotAcceptable(
            reason=f'Version {major}.{minor} was requested but the minor '
            'version is not supported by this service. The supported version '
            f'range is: [{MIN}, {MAX}].'
        )
    return minor


def stamp(req: webob.Request, response: webob.Response) -> None:
    """Say in *response*'s headers which versions there are."""
    response.vary = (*(response.vary or ()), HEADER)
    response.headers['OpenStack-API-Minimum-Version'] = MIN
    response.headers['OpenStack-API-Maximum-Version'] = MAX
    minor = req.environ.get(_ENVIRON)
    if minor is not None:
        response.headers[HEADER] = f'{SERVICE_TYPE} {MAJOR}.{minor}'


def root_document(base_url: str) -> dict[str, Any]:
    """``GET /``."""
    version = _version('v2', f'{base_url}/v2')
    return {
        'name': 'OpenStack Cyborg API',
        'description': 'FPGAs: discovery, programming and claims. Speaks '
        "Cyborg's API.",
        'versions': [version],
        'default_version': version,
    }


def v2_document(base_url: str) -> dict[str, Any]:
    """``GET /v2``. Not wrapped; its ``id`` differs: so does Cyborg's."""
    return _version('v2.0', f'{base_url}/v2/')


def _version(ident: str, href: str) -> dict[str, Any]:
    return {
        'id': ident,
        'status': 'CURRENT',
        'min_version': MIN,
        'max_version': MAX,
        'links': [{'href': href, 'rel': 'self'}],
    }
