"""What Glance refuses of an upload, and that nothing of it is left."""

import io
import uuid

import fixtures
import psutil
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.api import octets
from cyborg_fpga.api import uploads
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.db import uploads as records
from cyborg_fpga.simulator import cloud as simulator
from tests.fixtures import cloud
from tests.fixtures import database
from tests.fixtures import folders
from tests.fixtures import gate

_MEGABYTE = 1 << 20
#: Of all images of a project.
_QUOTA = 12 * _MEGABYTE
#: Of any file that Glance writes.
_ROOM = 8 * _MEGABYTE


def caller(project):
    return context.RequestContext(
        auth_token=f'alice:{project}:member,reader',
        user_id='alice',
        project_id=project,
        overwrite=False,
    )


class UploadCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(database.Database())
        self.project = f'project-{uuid.uuid4().hex}'
        self.ctx = caller(self.project)

    def uploads(self, conf):
        return uploads.Uploads(conf)

    def send(self, to, size, body=None):
        """The uuid of an uploaded image of *size* bytes."""
        data = gbs.build('1' * 32, '2' * 32, bytes(size))[:size]
        stream = io.BytesIO(data) if body is None else body(data)
        return to.store(
            self.ctx,
            octets.Octets(
                {
                    'CONTENT_TYPE': octets.TYPE,
                    'CONTENT_LENGTH': str(size),
                    'wsgi.input': stream,
                }
            ),
            {'name': self.project, 'type': 'crypto'},
        )

    def pending(self):
        """Images of uploads that have begun and not ended."""
        return [one for one, _ in records.abandoned(self.ctx, -60)]

    def images(self, client):
        """What is left in Glance of the test's."""
        found = client.images.list(
            filters={'owner': self.project, 'visibility': 'all'}
        )
        return [image.id for image in found]


class TestFull(UploadCase):
    """A Glance of its own, which takes four seconds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        quota = fixtures.EnvironmentVariable(
            'OS_DEFAULT__USER_STORAGE_QUOTA', str(_QUOTA)
        )
        with quota:
            cls.full = simulator.Cloud(folders.own() / 'full')
            cls.addClassCleanup(cls.full.stop)
            cls.full.start()

    def setUp(self):
        super().setUp()
        self.conf = cloud.configuration(self.full.options())
        there = self.useFixture(cloud.Cloud())
        there.endpoints = self.full.endpoints
        self.client = there.glance()

    def refused(self, error, size):
        exc = self.assertRaises(
            error, self.send, self.uploads(self.conf), size
        )
        self.assertEqual([], self.pending())
        return exc.message

    def test_a_quota_of_glances_is_said(self):
        first = self.send(self.uploads(self.conf), 6 * _MEGABYTE)
        for size in (7, 64):
            sentence = self.refused(errors.TooLarge, size * _MEGABYTE)
            self.assertIn('quota', sentence)
            self.assertEqual([first], self.images(self.client))

    def test_a_full_storage_is_said(self):
        process = psutil.Process(self.full.pid)
        before = process.rlimit(psutil.RLIMIT_FSIZE)
        self.addCleanup(process.rlimit, psutil.RLIMIT_FSIZE, before)
        process.rlimit(psutil.RLIMIT_FSIZE, (_ROOM, before[1]))
        sentence = self.refused(errors.ServiceUnavailable, 10 * _MEGABYTE)
        self.assertIn('storage is full', sentence)
        self.assertEqual([], self.images(self.client))


class _Away(io.BytesIO):
    """A body during which Glance goes away."""

    def __init__(self, data, door):
        super().__init__(data)
        self._door = door

    def read(self, size=-1):
        if self.tell() > 6 * _MEGABYTE:
            self._door.shut()
        return super().read(size)


class TestAway(UploadCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.client = self.cloud.glance()
        self.door = self.useFixture(gate.Gate(self.cloud.endpoints['image']))
        self.cloud.conf.set_override('endpoint', self.door.url, 'glance')

    def test_what_cannot_be_deleted_now_is_known_to_be_ours(self):
        self.assertRaises(
            errors.ServiceUnavailable,
            self.send,
            self.uploads(self.cloud.conf),
            20 * _MEGABYTE,
            body=lambda data: _Away(data, self.door),
        )
        left = self.images(self.client)
        self.assertEqual(1, len(left))
        self.assertEqual(left, self.pending())
        self.cloud.delete(left[0])

    def test_a_glance_that_is_away_gets_no_image(self):
        self.door.shut()
        exc = self.assertRaises(
            errors.ServiceUnavailable,
            self.send,
            self.uploads(self.cloud.conf),
            1 * _MEGABYTE,
        )
        self.assertIn('Glance cannot be used now', exc.message)
        self.assertEqual([], self.images(self.client))
