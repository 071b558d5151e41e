"""A Glance that answers nonsense, too much, or less than it is asked for.

How a real one behaves is held by ``tests/functional/test_glance.py``.
"""

import http.server
import json
import threading
import uuid
from unittest import mock
from urllib import parse

from oslotest import base

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga.clients import glance
from cyborg_fpga.clients import glance_image
from cyborg_fpga.clients import glance_upload
from cyborg_fpga.clients import session
from cyborg_fpga.conductor import images
from tests.fixtures import cloud

SINCE = '2026-01-01T00:00:00Z'


def record(**members):
    """An image as Glance writes it."""
    return {
        'id': str(uuid.uuid4()),
        'name': 'aes',
        'status': 'active',
        'visibility': 'public',
        'owner': 'demo',
        'tags': ['FPGA'],
        'size': 4096,
        'checksum': '0' * 32,
        'os_hash_algo': 'sha512',
        'os_hash_value': '0' * 128,
        'created_at': SINCE,
        'updated_at': SINCE,
        'region_id': '1' * 32,
        **members,
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        self.server.asked.append(self.path)
        body = self.server.answer(parse.urlsplit(self.path))
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            # Who has had too much hangs up.
            self.close_connection = True

    do_POST = do_DELETE = do_GET

    def log_message(self, *args):
        pass


class GlanceTest(base.BaseTestCase):
    """:ivar server: Its ``answer(url)`` makes the body of every answer."""

    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _Handler
        )
        self.addCleanup(self.server.server_close)
        self.server.asked = []
        thread = threading.Thread(
            target=self.server.serve_forever, kwargs={'poll_interval': 0.05}
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        url = f'http://127.0.0.1:{self.server.server_port}'
        self.options = {
            'auth_type': 'admin_token',
            'endpoint': url,
            'token': 'a',
        }
        self.client = self.asking()

    def asking(self, **options):
        """A client of it."""
        group = {**self.options, **options}
        return glance.Glance(cloud.configuration({'glance': group}))

    def answer(self, body):
        self.server.answer = lambda url: body

    def hold(self, *records, most=1000):
        """Be a Glance of *records* that gives *most* at a time."""
        there = {one['id']: one for one in records}

        def answer(url):
            query = dict(parse.parse_qsl(url.query))
            if 'limit' not in query:
                return there[url.path.rpartition('/')[2]]
            ids = sorted(i for i in there if i > query.get('marker', ''))
            limit = min(int(query['limit']), most)
            body = {'images': [there[ident] for ident in ids[:limit]]}
            if len(body['images']) == limit:
                query['marker'] = ids[limit - 1]
                body['next'] = f'/v2/images?{parse.urlencode(query)}'
            return body

        self.server.answer = answer
        return sorted(there)


class TestNonsense(GlanceTest):
    def unavailable(self, *asks):
        for ask in asks:
            exc = self.assertRaises(errors.ServiceUnavailable, ask)
            self.assertIn('Glance cannot be used now', exc.message)

    def get(self):
        return self.client.get(str(uuid.uuid4()))

    def lists(self):
        return (
            lambda: self.client.page(None, 2),
            lambda: list(self.client.changed_since(SINCE)),
            self.client.newest_change,
        )

    def test_what_is_no_json_is_no_answer(self):
        for body in (b'', b'<html>', b'[' * 100000, b'\xff', b'[]', b'7'):
            self.answer(body)
            self.unavailable(self.get, *self.lists())

    def test_what_is_no_list_of_images_is_no_answer(self):
        for body in ({}, {'images': None}, {'images': {}}, {'images': [7]}):
            self.answer(body)
            self.unavailable(*self.lists())

    def test_members_that_fit_no_record_are_no_answer(self):
        for members in (
            {'id': None},
            {'id': 7},
            {'id': 'x'},
            {'id': str(uuid.uuid4()) + '\n'},
            {'name': ['aes']},
            {'status': None},
            {'status': 'x' * 33},
            {'visibility': 1},
            {'owner': 'x' * 256},
            {'tags': 7},
            {'size': '4096'},
            {'size': -1},
            {'size': 1 << 63},
            {'size': True},
            {'os_hash_value': 'x' * 129},
            {'updated_at': None},
            {'updated_at': 'yesterday'},
            {'updated_at': '2026-01-01T00:00:00.5Z'},
        ):
            self.answer({**record(), **members})
            with self.subTest(members):
                self.unavailable(self.get)
            self.answer({'images': [record(), {**record(), **members}]})
            with self.subTest(members):
                self.unavailable(*self.lists()[:2])

    def test_a_list_that_goes_on_elsewhere_ends_here(self):
        found = [record()]
        for following in (
            'http://127.0.0.1:9/v2/images?limit=2',
            '//127.0.0.1:9/v2/images?limit=2',
            7,
        ):
            self.answer({'images': found, 'next': following})
            self.assertEqual(1, len(list(self.client.changed_since(SINCE))))

    def test_a_list_that_goes_on_where_it_was_ends(self):
        self.server.answer = lambda url: {
            'images': [record()],
            'next': f'{url.path}?{url.query}',
        }
        self.assertEqual(1, len(list(self.client.changed_since(SINCE))))


class TestSlow(GlanceTest):
    def test_who_does_not_answer_in_time_is_not_waited_for(self):
        end = threading.Event()
        self.addCleanup(end.set)

        def answer(url):
            end.wait(60)
            return {'images': []}

        self.server.answer = answer
        client = self.asking(timeout=1)
        for ask in (
            lambda: client.get(str(uuid.uuid4())),
            lambda: client.page(None, 2),
        ):
            exc = self.assertRaises(errors.ServiceUnavailable, ask)
            self.assertIn('it does not answer in time', exc.message)
            self.assertFalse(end.is_set())

    def test_who_asks_for_a_user_gives_up_before_the_user(self):
        end = threading.Event()
        self.addCleanup(end.set)

        def answer(url):
            end.wait(10)
            return {}

        self.server.answer = answer
        conf = cloud.configuration({'glance': self.options})
        self.assertLess(2 * session.QUICK_SECONDS, conf.api.conductor_timeout)
        ctx = context.RequestContext(auth_token='a', overwrite=False)
        image, writer = str(uuid.uuid4()), glance_upload.Writer(conf)
        # Otherwise thirty seconds, and so the answer comes.
        with mock.patch.object(session, 'QUICK_SECONDS', 0.2):
            for ask in (
                lambda: glance.Glance(conf).get(image, ctx),
                lambda: writer.create(
                    ctx, image, name='x', visibility=None, properties={}
                ),
                lambda: writer.undo(ctx, image),
            ):
                self.server.asked.clear()
                exc = self.assertRaises(errors.ServiceUnavailable, ask)
                self.assertIn('it does not answer in time', exc.message)
                self.assertEqual(2, len(self.server.asked))
                self.assertFalse(end.is_set())


class TestMuch(GlanceTest):
    def test_properties_that_nobody_reads_are_not_kept(self):
        for properties in (
            {f'p{n}': 'x' for n in range(30000)},
            {'p': 'x' * (65 << 10)},
            {'x' * (65 << 10): 'p'},
        ):
            self.answer({**record(), **properties})
            found = self.client.get(str(uuid.uuid4()))
            self.assertEqual({}, found.properties)
            self.assertFalse(images.needs_header(found))
            row = images.read_image(found, [])
            self.assertFalse(row.usable)
            self.assertIn('has more properties than', row.reason)

    def test_a_page_that_is_too_large_is_read_in_smaller_ones(self):
        ids = self.hold(*(record(pad='x' * 40000) for _ in range(20)))
        # A page of one has about as many bytes.
        with mock.patch.object(glance, '_MAX_ANSWER', 100000):
            self.assertEqual(ids[:15], self.of(self.client.page(None, 15)))
            self.assertEqual(ids[5:], self.of(self.client.page(ids[4], 50)))
            found = list(self.client.changed_since(SINCE))
        self.assertEqual(ids, self.of(found))
        self.assertEqual(glance_image.Image, type(found[0]))

    def test_a_record_that_is_too_large_is_said_in_a_sentence(self):
        self.answer({'images': [record(pad='x' * 40000)]})
        with mock.patch.object(glance, '_MAX_ANSWER', 10000):
            for ask in (
                lambda: self.client.get(str(uuid.uuid4())),
                lambda: self.client.page(None, 15),
                lambda: list(self.client.changed_since(SINCE)),
            ):
                exc = self.assertRaises(errors.ServiceUnavailable, ask)
                self.assertIn('too large to be read', exc.message)

    def test_a_glance_that_gives_less_at_a_time_is_asked_again(self):
        ids = self.hold(*(record() for _ in range(12)), most=5)
        self.assertEqual(ids, self.of(self.client.page(None, 50)))
        self.assertEqual(ids[:7], self.of(self.client.page(None, 7)))
        self.assertEqual(ids[7:], self.of(self.client.page(ids[6], 7)))

    def test_a_full_page_costs_one_request(self):
        ids = self.hold(*(record() for _ in range(12)))
        self.assertEqual(ids[:5], self.of(self.client.page(None, 5)))
        self.assertEqual(1, len(self.server.asked))

    def of(self, found):
        return [image.id for image in found]
