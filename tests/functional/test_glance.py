"""Our Glance client against a real Glance."""

import contextlib
import http.server
import threading
import uuid

import fixtures
from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import glance
from tests.fixtures import cloud
from tests.fixtures import gate

ALICE = 'alice:project-a'
BOB = 'bob:project-b'


def caller(token):
    return context.RequestContext(auth_token=token, overwrite=False)


class GlanceCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.client = glance.Glance(self.cloud.conf)


class TestGet(GlanceCase):
    def test_an_image_is_read_with_its_properties(self):
        image_id = self.cloud.upload(
            b'12345', name='crypto', vendor='intel', type='crypto'
        )
        image = self.client.get(image_id)
        self.assertEqual(('crypto', 'active'), (image.name, image.status))
        self.assertEqual({'FPGA'}, image.tags)
        self.assertEqual(
            {'vendor': 'intel', 'type': 'crypto'}, image.properties
        )
        self.assertEqual((5, 'sha512'), (image.size, image.os_hash_algo))
        self.assertEqual(128, len(image.os_hash_value))

    def test_one_request_is_enough(self):
        image_id = self.cloud.upload()
        before = self.client.requests
        self.client.get(image_id, caller(ALICE + ':admin'))
        self.assertEqual(1, self.client.requests - before)

    def test_an_owner_sees_a_private_image_and_a_stranger_does_not(self):
        image_id = self.cloud.upload(token=ALICE, visibility='private')
        self.assertEqual(
            'project-a', self.client.get(image_id, caller(ALICE)).owner
        )
        exc = self.assertRaises(
            errors.NotFound, self.client.get, image_id, caller(BOB)
        )
        self.assertEqual(f'No image {image_id}.', exc.message)

    def test_the_service_sees_every_private_image(self):
        image_id = self.cloud.upload(token=ALICE, visibility='private')
        self.assertEqual('private', self.client.get(image_id).visibility)

    def test_an_unknown_a_deleted_and_a_malformed_id_are_not_found(self):
        deleted = self.cloud.upload()
        self.cloud.delete(deleted)
        for image_id in (str(uuid.uuid4()), deleted, '../../v2/schemas'):
            self.assertRaises(errors.NotFound, self.client.get, image_id)

    def test_threads_may_share_a_client(self):
        image_id = self.cloud.upload()
        found = []

        def ask():
            for _ in range(5):
                found.append(self.client.get(image_id).id)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([image_id] * 40, found)


class TestLists(GlanceCase):
    def changed(self, since):
        return [image.id for image in self.client.changed_since(since)]

    def test_a_change_is_listed_whatever_the_tag_and_visibility(self):
        since = self.client.get(self.cloud.upload()).updated_at
        ids = [
            self.cloud.upload(token=ALICE, visibility='private'),
            self.cloud.upload(token=BOB, visibility='community'),
            self.cloud.upload(tags=()),
            self.cloud.upload(None),
        ]
        self.assertLessEqual(set(ids), set(self.changed(since)))

    def test_a_removed_tag_is_a_change(self):
        image_id = self.cloud.upload()
        since = self.client.get(image_id).updated_at
        self.cloud.untag(image_id)
        [found] = [
            i for i in self.client.changed_since(since) if i.id == image_id
        ]
        self.assertEqual(frozenset(), found.tags)

    def test_the_newest_change_is_the_last_that_is_listed(self):
        self.cloud.upload()
        newest = self.client.newest_change()
        found = list(self.client.changed_since(newest))
        self.assertEqual(newest, found[-1].updated_at)

    def test_tagged_images_come_in_pages(self):
        ids = {self.cloud.upload() for _ in range(5)}
        untagged = self.cloud.upload(tags=())
        found, marker = [], None
        while page := self.client.page(marker, 2):
            found += [image.id for image in page]
            marker = found[-1]
        self.assertLessEqual(ids, set(found))
        self.assertNotIn(untagged, found)
        self.assertEqual(sorted(found), found)

    def test_an_unknown_marker_is_not_found(self):
        unknown = str(uuid.uuid4())
        self.assertRaises(errors.NotFound, self.client.page, unknown, 2)

    def test_the_whole_list_is_read_in_pages(self):
        since = self.client.get(self.cloud.upload()).updated_at
        ids = {self.cloud.upload(None) for _ in range(5)}
        self.useFixture(
            fixtures.MonkeyPatch('cyborg_fpga.clients.glance._PAGE', 2)
        )
        before = self.client.requests
        self.assertLessEqual(ids, set(self.changed(since)))
        self.assertGreater(self.client.requests - before, 2)


class TestDownload(GlanceCase):
    def test_the_bytes_come_in_pieces(self):
        data = bytes(range(256)) * 8192
        chunks = list(self.client.download(self.cloud.upload(data)))
        self.assertEqual(data, b''.join(chunks))
        self.assertGreater(len(chunks), 1)

    def test_it_can_be_stopped_early(self):
        image_id = self.cloud.upload(bytes(3 << 20))
        with contextlib.closing(self.client.download(image_id)) as chunks:
            self.assertGreater(len(next(chunks)), 0)
        self.assertEqual(image_id, self.client.get(image_id).id)

    def test_it_can_go_on_where_it_was_stopped(self):
        data = bytes(range(256)) * 8192
        image_id = self.cloud.upload(data)
        for start in (1, 1 << 20, len(data) - 1, len(data), len(data) + 9):
            chunks = self.client.download(image_id, start)
            self.assertEqual(data[start:], b''.join(chunks), start)

    def test_what_was_had_before_is_not_sent_again(self):
        image_id = self.cloud.upload(bytes(20 << 20))
        door = self.useFixture(gate.Gate(self.cloud.endpoints['image']))
        self.cloud.conf.set_override('endpoint', door.url, 'glance')
        cut = door.hang_up_after('/file', 1 << 20)
        client = glance.Glance(self.cloud.conf)
        start = (20 << 20) - 5000
        rest = b''.join(client.download(image_id, start))
        self.assertEqual(bytes(5000), rest)
        self.assertEqual(0, cut())

    def test_a_part_can_be_had_alone(self):
        image_id = self.cloud.upload(b'0123456789')
        for offset, length, wanted in (
            (0, 4, b'0123'),
            (0, 10, b'0123456789'),
            (3, 4, b'3456'),
            (7, 99, b'789'),
        ):
            self.assertEqual(
                wanted, self.client.part(image_id, offset, length)
            )

    def test_a_part_costs_no_more_than_it_is_long(self):
        image_id = self.cloud.upload(bytes(20 << 20))
        door = self.useFixture(gate.Gate(self.cloud.endpoints['image']))
        self.cloud.conf.set_override('endpoint', door.url, 'glance')
        # Whatever is sent behind so much does not arrive.
        cut = door.hang_up_after('/file', 1 << 20)
        client = glance.Glance(self.cloud.conf)
        self.assertEqual(bytes(5000), client.part(image_id, 15 << 20, 5000))
        self.assertEqual(0, cut())

    def test_an_image_without_data_is_not_found(self):
        image_id = self.cloud.upload(None)
        self.assertRaises(
            errors.NotFound, list, self.client.download(image_id)
        )

    def test_an_unknown_image_is_not_found(self):
        self.assertRaises(
            errors.NotFound, list, self.client.download(str(uuid.uuid4()))
        )


class _Truncating(http.server.BaseHTTPRequestHandler):
    """Promises 1000 bytes, sends 10 and hangs up."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'application/octet-stream')
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(b'0123456789')

    def log_message(self, *args):
        pass


class _Whole(http.server.BaseHTTPRequestHandler):
    """A store that gives no parts: one refuses, one gives all."""

    def do_GET(self):
        refuses = 'Range' in self.headers and self.server.refuses
        self.send_response(400 if refuses else 200)
        self.send_header('Content-Type', 'application/octet-stream')
        data = b'' if refuses else bytes(range(256)) * 8192
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        # Who has enough hangs up.
        with contextlib.suppress(OSError):
            self.wfile.write(data)

    def log_message(self, *args):
        pass


class TestWhole(base.BaseTestCase):
    def test_a_store_without_parts_gives_them_all_the_same(self):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _Whole)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        url = f'http://127.0.0.1:{server.server_port}'
        options = {'auth_type': 'admin_token', 'endpoint': url, 'token': 'a'}
        client = glance.Glance(cloud.configuration({'glance': options}))
        for server.refuses in (True, False):
            found = client.part(str(uuid.uuid4()), (1 << 20) + 3, 4)
            self.assertEqual(bytes([3, 4, 5, 6]), found)
            start = (1 << 21) - 3
            rest = client.download(str(uuid.uuid4()), start)
            self.assertEqual(bytes([253, 254, 255]), b''.join(rest))


class TestAway(base.BaseTestCase):
    def client(self, url):
        options = {
            'auth_type': 'admin_token',
            'endpoint': url,
            'token': 'admin',
        }
        return glance.Glance(cloud.configuration({'glance': options}))

    def test_a_glance_that_is_away_is_said_in_a_sentence(self):
        client = self.client('http://127.0.0.1:9')
        for ask in (
            lambda: client.get(str(uuid.uuid4())),
            lambda: client.page(None, 2),
            lambda: list(client.changed_since('2026-01-01T00:00:00Z')),
            lambda: list(client.download(str(uuid.uuid4()))),
        ):
            exc = self.assertRaises(errors.ServiceUnavailable, ask)
            self.assertEqual(
                'Glance cannot be used now: it cannot be reached', exc.message
            )

    def test_a_download_that_breaks_off_is_an_error(self):
        server = http.server.HTTPServer(('127.0.0.1', 0), _Truncating)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        self.addCleanup(thread.join)
        client = self.client(f'http://127.0.0.1:{server.server_port}')
        self.assertRaises(
            errors.ServiceUnavailable,
            list,
            client.download(str(uuid.uuid4())),
        )

    def test_a_token_that_glance_refuses_is_said_in_a_sentence(self):
        shared = cloud.shared().options()
        shared['glance']['token'] = ''
        client = glance.Glance(cloud.configuration(shared))
        exc = self.assertRaises(
            errors.ServiceUnavailable, client.get, str(uuid.uuid4())
        )
        self.assertIn('Glance cannot be used now', exc.message)
