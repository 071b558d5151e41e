"""Downloads an image into a cache, and waits for ever amid it.

``python -m tests.functional.agent.downloading CACHE IMAGE BYTES``: so much of
the file IMAGE comes; then it says ``there``.
"""

import hashlib
import pathlib
import sys
import threading

from cyborg_fpga import model
from cyborg_fpga.agent import cache

_LIMIT = 2**30
_CHUNK = 2**18


def operation(content):
    """One that loads *content*; nobody asks for the rest of it."""
    return model.Operation(
        uuid='o',
        kind=model.OperationKind.PROGRAM,
        deployable_uuid='d',
        deployable='d',
        device=model.PciAddress.parse('0000:3b:00.0'),
        driver='fake',
        hostname='host1',
        fence=1,
        image_uuid='i',
        image_hash_algo='sha512',
        image_hash_value=hashlib.sha512(content).hexdigest(),
        image_size=len(content),
    )


def main(path, image, most):
    content = pathlib.Path(image).read_bytes()

    def download(ident, start=0):
        for at in range(start, int(most), _CHUNK):
            yield content[at : at + _CHUNK]
        print('there', flush=True)
        threading.Event().wait()

    opened = cache.Cache(pathlib.Path(path), _LIMIT, download)
    opened.open()
    with opened.fetch(operation(content), lambda done, total: None):
        raise AssertionError('nothing is served')


if __name__ == '__main__':
    main(*sys.argv[1:])
