"""What it costs to follow a Glance of many images, and how soon one is there.

A real Glance; the many images are written into its database, since to make
them one by one would take it half an hour.
"""

import datetime
import io
import pathlib
import sqlite3
import statistics
import tempfile
import time
import urllib.parse
import uuid

import sqlalchemy as sa
import webob

from cyborg_fpga import context
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.db import bitstreams
from cyborg_fpga.db import engine
from cyborg_fpga.db import schema
from cyborg_fpga.simulator import samples
from tests.fixtures import cloud
from tests.fixtures import inprocess

_CYCLES = (
    'catalogue.load_s.10000',
    'catalogue.requests_per_cycle',
    'catalogue.sql_per_cycle',
    'catalogue.cycle_ms.10000',
    'catalogue.sweep_cycles.10000',
)
_UPLOADS = ('catalogue.claimable_s', 'catalogue.trait_s')
FIGURES = (*_CYCLES, *_UPLOADS)

REACHES = {
    'catalogue.requests_per_cycle': ('at most', 2),
    # A page of 100 at a time, and the one after the last.
    'catalogue.sweep_cycles.10000': ('at most', 101),
    'catalogue.claimable_s': ('at most', 5),
}

_IMAGES = 10000
_GONE = 50
_ROUNDS = 5
_SECONDS = 60
_TIME = '%Y-%m-%d %H:%M:%S'
#: Long enough that no cycle of the conductor's falls into a round.
_SETTINGS = {
    'bitstream': {'sync_interval': 3600},
    'api': {'conductor_timeout': 60},
}


def run(wanted):
    with cloud.Cloud() as there:
        ids = _fill(cloud.shared().datadir / 'glance.db')
        if wanted & set(_CYCLES):
            yield from _cycles(there.conf, ids)
    if wanted & set(_UPLOADS):
        yield from _uploads()


def _fill(path):
    """Write images into Glance's database; their ids."""
    moment = datetime.datetime(2026, 1, 1)
    images, properties, tags = [], [], []
    for number in range(_IMAGES):
        ident = str(uuid.uuid4())
        when = (moment + datetime.timedelta(minutes=number)).strftime(_TIME)
        images.append(
            (
                ident, f'image-{number}', 1 << 20, 'active', 'public',
                f'{number:032x}', 'sha512', f'{number:0128x}', when, when,
                0, 'raw', 'bare', 'bench', 0, 0, 0, 0,
            )
        )  # fmt: skip
        for name, value in (
            ('vendor', 'intel'),
            ('type', f'bench{number % 40}'),
            ('region_id', f'{number % 7 + 1:032x}'),
            ('function_id', f'{number + 1:032x}'),
        ):
            properties.append((ident, name, value, when, when, 0))
        tags.append((ident, glance.TAG, when, when, 0))
    with sqlite3.connect(path, timeout=_SECONDS) as database:
        database.executemany(
            'INSERT INTO images (id, name, size, status, visibility, checksum,'
            ' os_hash_algo, os_hash_value, created_at, updated_at, deleted,'
            ' disk_format, container_format, owner, min_disk, min_ram,'
            ' protected, os_hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,'
            ' ?, ?, ?, ?, ?, ?, ?)',
            images,
        )
        database.executemany(
            'INSERT INTO image_properties (image_id, name, value, created_at,'
            ' updated_at, deleted) VALUES (?, ?, ?, ?, ?, ?)',
            properties,
        )
        database.executemany(
            'INSERT INTO image_tags (image_id, value, created_at, updated_at,'
            ' deleted) VALUES (?, ?, ?, ?, ?)',
            tags,
        )
    database.close()
    return sorted(image[0] for image in images)


def _cycles(conf, ids):
    with tempfile.TemporaryDirectory() as folder:
        url = f'sqlite:///{pathlib.Path(folder) / "bench.db"}'
        conf.set_override('connection', url, 'database')
        engine.configure(conf)
        schema.upgrade()
        ctx, client = context.service(), glance.Glance(conf)
        follower = catalogue.Catalogue(conf, client)
        started = time.perf_counter()
        follower.cycle(ctx)
        yield 'catalogue.load_s.10000', time.perf_counter() - started, 's'
        yield from _unchanged(ctx, follower, client)
        yield 'catalogue.sweep_cycles.10000', _swept(ctx, follower, ids), ''
        engine.dispose()


def _unchanged(ctx, follower, client):
    """More than a whole round of the sweep in which nothing changes."""
    statements, requests, most, times = [], [], 0, []
    _count(statements)
    for _ in range(_IMAGES // 100 + 2):
        statements.clear()
        before, started = client.requests, time.perf_counter()
        if follower.cycle(ctx):
            raise RuntimeError('something has changed')
        times.append(time.perf_counter() - started)
        requests.append(client.requests - before)
        most = max(most, len(statements))
    yield 'catalogue.requests_per_cycle', max(requests), 'requests'
    yield 'catalogue.sql_per_cycle', most, 'statements'
    yield 'catalogue.cycle_ms.10000', 1000 * statistics.median(times), 'ms'


def _swept(ctx, follower, ids):
    """Cycles until images are forgotten that Glance does not list as changed.

    Half of them are deleted, half have lost their tag long ago.
    """
    gone = ids[:: _IMAGES // _GONE]
    path = cloud.shared().datadir / 'glance.db'
    with sqlite3.connect(path, timeout=_SECONDS) as database:
        for number, ident in enumerate(gone):
            if number % 2:
                change = "UPDATE images SET deleted = 1, status = 'deleted'"
                database.execute(f'{change} WHERE id = ?', (ident,))
            else:
                change = 'UPDATE image_tags SET deleted = 1'
                database.execute(f'{change} WHERE image_id = ?', (ident,))
    database.close()
    for number in range(1, 2 * _IMAGES):
        follower.cycle(ctx)
        if not bitstreams.recorded(ctx, gone):
            return number
    raise RuntimeError('they are still there')


def _count(statements):
    @sa.event.listens_for(sa.Engine, 'before_cursor_execute')
    def executed(conn, cursor, statement, parameters, ctx, many):
        if not statement.startswith('BEGIN'):
            statements.append(statement)


def _uploads():
    """With all the others there, and a service that has read them."""
    with inprocess.InProcess(settings=_SETTINGS) as service:
        service.until(
            'the catalogue is read',
            lambda: bitstreams.cursor(inprocess.CTX, 'glance_changes'),
            _SECONDS,
        )
        claimed, seen = zip(
            *(_upload(service) for _ in range(_ROUNDS)), strict=True
        )
    yield 'catalogue.claimable_s', max(claimed), 's'
    yield 'catalogue.trait_s', max(seen), 's'


def _upload(service):
    """Seconds from the upload's first byte to a claim, and to the trait."""
    service.new_type()
    data = samples.sample_gbs(inprocess.REGION, uuid.uuid4().hex, size=1 << 20)
    said = {'type': service.type, 'visibility': 'public', 'name': 'bench'}
    request = webob.Request.blank(
        f'/v2/bitstreams?{urllib.parse.urlencode(said)}',
        method='POST',
        headers={
            'X-Auth-Token': inprocess.ADMIN,
            'Content-Type': 'application/octet-stream',
        },
    )
    request.body_file = io.BytesIO(data)
    request.content_length = len(data)
    started = time.perf_counter()
    answer = request.get_response(service.web.app)
    if answer.status_int != 201:
        raise RuntimeError(answer.text)
    claim = service.until('it is claimed', lambda: _claimed(service), _SECONDS)
    claimed = time.perf_counter() - started
    trait = f'CUSTOM_ACCELERATOR_{service.type.upper()}'
    service.until('it is a trait', lambda: trait in service.traits(), _SECONDS)
    seen = time.perf_counter() - started
    service.settled(claim, 'ready')
    service.released(claim)
    return claimed, seen


def _claimed(service):
    answer = service.ask(type=service.type)
    return answer.json['uuid'] if answer.status_int < 300 else None
