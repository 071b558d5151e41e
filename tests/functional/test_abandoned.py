"""What uploads that break off leave in a real Glance, and what they do not."""

import uuid

import sqlalchemy as sa
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga.clients import glance
from cyborg_fpga.conductor import catalogue
from cyborg_fpga.db import engine
from cyborg_fpga.db import uploads
from tests.fixtures import cloud
from tests.fixtures import database
from tests.fixtures import gate

ALICE = 'alice:project-a'


def grow_old():
    """Let hours pass without a sign of life of any upload."""
    with engine.get_engine().begin() as connection:
        connection.execute(sa.text('UPDATE uploads SET seen = seen - 86400'))


class TestAbandoned(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.useFixture(database.Database())
        self.ctx = context.service()
        self.door = self.useFixture(gate.Gate(self.cloud.endpoints['image']))
        conf = self.cloud.conf
        conf.set_override('endpoint', self.door.url, 'glance')
        self.catalogue = catalogue.Catalogue(conf, glance.Glance(conf))

    def begun(self, *, token=ALICE, tags=(), data=None):
        """An upload of project A's, and its image in Glance."""
        image = str(uuid.uuid4())
        uploads.begin(
            context.RequestContext(project_id='project-a', overwrite=False),
            image,
        )
        self.cloud.upload(data, token=token, tags=tags, id=image)
        return image

    def left(self, *images):
        """Those that are still in Glance, once the catalogue was followed."""
        self.catalogue.cycle(self.ctx)
        found = self.cloud.glance().images.list(
            filters={'visibility': 'all', 'owner': 'project-a'}
        )
        there = {image.id for image in found}
        return [image for image in images if image in there]

    def pending(self):
        return [image for image, _ in uploads.abandoned(self.ctx, -60)]

    def test_what_is_begun_is_deleted_once_nobody_is_at_it(self):
        queued, whole = self.begun(), self.begun(data=b'never checked')
        self.assertEqual([queued, whole], self.left(queued, whole))
        self.assertEqual([queued, whole], self.pending())
        grow_old()
        self.assertEqual([], self.left(queued, whole))
        self.assertEqual([], self.pending())

    def test_a_sign_of_life_keeps_it(self):
        image = self.begun()
        grow_old()
        uploads.go_on(self.ctx, image)
        self.assertEqual([image], self.left(image))

    def test_what_was_finished_or_is_anothers_by_now_is_kept(self):
        kept = [
            self.begun(tags=('FPGA',), data=b'bits'),
            self.begun(tags=('mine',)),
        ]
        other = self.begun(token='bob:project-b')
        grow_old()
        self.assertEqual(kept, self.left(*kept))
        self.assertEqual(
            'queued', self.cloud.glance().images.get(other).status
        )
        self.assertEqual([], self.pending())

    def test_what_is_gone_is_forgotten(self):
        image = self.begun()
        self.cloud.delete(image)
        grow_old()
        self.catalogue.cycle(self.ctx)
        self.assertEqual([], self.pending())

    def test_what_cannot_be_deleted_now_is_deleted_later(self):
        image = self.begun()
        self.cloud.glance().images.update(image, protected=True)
        grow_old()
        self.assertEqual([image], self.left(image))
        self.assertEqual([image], self.pending())
        self.cloud.glance().images.update(image, protected=False)
        self.assertEqual([], self.left(image))
        self.assertEqual([], self.pending())

    def test_nothing_is_asked_where_there_is_none(self):
        self.begun()
        self.catalogue.cycle(self.ctx)
        before = self.door.asked
        self.catalogue._abandoned.clear(self.ctx)
        self.assertEqual(before, self.door.asked)
