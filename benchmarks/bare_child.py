"""What a plain script needs to bring an image from Glance to a card.

``python -m benchmarks.bare_child HOST FILE``: HOST is a simulated host's
directory, FILE is where the image goes. For each line of standard input, the
URL of an image's data, its sha512 and a token, it prints how many seconds all
took, and how many of them the hash.
"""

import hashlib
import pathlib
import struct
import sys
import time

import requests

from cyborg_fpga.bitstream import formats
from cyborg_fpga.drivers import dfl_tree
from cyborg_fpga.simulator import accessor

_CHUNK = 1 << 20
_PORT_PR = struct.Struct('<IIIIQ')
_FME_PORT_PR = 0xB680


def load(fs, image):
    """Give the card its image, without a look at what it holds."""
    card = dfl_tree.Card(fs, dfl_tree.addresses(fs)[0])
    said = formats.parse(image)
    fs.ioctl(
        card.fme_node,
        _FME_PORT_PR,
        _PORT_PR.pack(_PORT_PR.size, 0, 0, said.payload_size, 0),
        image=image,
        offset=said.payload_offset,
    )


def copy(url, token, image):
    """Copy and hash.

    :returns: The hash, and the seconds that it took.
    """
    found, spent = hashlib.sha512(), 0.0
    headers = {'X-Auth-Token': token}
    with (
        requests.get(url, headers=headers, stream=True, timeout=60) as answer,
        image.open('wb') as file,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_content(_CHUNK):
            file.write(chunk)
            started = time.perf_counter()
            found.update(chunk)
            spent += time.perf_counter() - started
    return found.hexdigest(), spent


def main(host, file):
    fs, image = accessor.SimulatedSysfs(host), pathlib.Path(file)
    print('ready', flush=True)
    for line in sys.stdin:
        url, wanted, token = line.split()
        started = time.perf_counter()
        found, hashing = copy(url, token, image)
        if found != wanted:
            raise RuntimeError(f'the hash is {found}')
        load(fs, image)
        print(time.perf_counter() - started, hashing, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
