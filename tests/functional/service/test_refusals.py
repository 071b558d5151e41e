"""Bad input and missing helpers: a sentence, a code, and nothing left."""

import errno
import uuid
from unittest import mock

from cyborg_fpga.agent import cache
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.simulator import samples
from tests.fixtures import inprocess
from tests.functional.service import base

OTHER_REGION = 'a5d72a3cc8b04939912cf715e5dc10ca'


class RefusalTest(base.ServiceTest):
    def refuse(self, status, code, *, token=inprocess.ALICE, **wanted):
        """A claim that must be refused, with nothing left; the sentence."""
        found, sentence = self.refused(
            status, self.service.ask(token=token, **wanted)
        )
        self.assertEqual(code, found, sentence)
        self.assert_untouched()
        return sentence


class TestRequests(RefusalTest):
    def test_unknown_host_is_refused(self):
        sentence = self.refuse(
            400, 'fpga.invalid_input', hostname='nowhere.example.com'
        )
        self.assertIn('nowhere.example.com', sentence)

    def test_two_names_for_the_host_must_agree(self):
        self.refuse(400, 'fpga.invalid_input', nodename='another')

    def test_disabled_host_is_refused(self):
        name = self.service.hostname
        self.service.call('PATCH', f'/hosts/{name}', {'status': 'disabled'})
        sentence = self.refuse(409, 'fpga.host_unavailable')
        self.assertIn('disabled', sentence)
        # Nor is it found by who does not name it.
        total, reserved, _ = self.service.stock()
        self.assertEqual(total, reserved)

    def test_malformed_members_are_refused(self):
        for wanted in (
            {'image_uuid': 'not-a-uuid'},
            {'image_uuid': 7},
            {'count': 0},
            {'count': -1},
            {'count': 10**12},
            {'count': '2'},
            {'count': 1.5},
            {'count': None},
            {'type': 'Not A Type'},
            {'type': ['crypto']},
            {'type': 'x' * 33},
            {'traits': 'CUSTOM_FPGA'},
            {'traits': ['lower']},
            {'traits': ['CUSTOM_FPGA'] * 2},
            {'resource_class': 'drop table'},
            {'hostname': ''},
            {'hostname': 'x' * 300},
            {'unknown': 1},
            {'instance_uuid': 'web-1'},
        ):
            with self.subTest(wanted):
                self.refuse(400, 'fpga.invalid_input', **wanted)

    def test_unreadable_bodies_are_refused(self):
        for body in (b'[', b'[]', b'null', b'"x"', b'\xff', b'[' * 9000):
            with self.subTest(body[:9]):
                answer = self.service.web.request(
                    '/v2/claims',
                    method='POST',
                    body=body,
                    headers={
                        'X-Auth-Token': inprocess.ALICE,
                        'Content-Type': 'application/json',
                    },
                    expect_errors=True,
                )
                self.refused(400, answer)
        self.assert_untouched()

    def test_malformed_ids_in_urls_are_refused(self):
        for method, path in (
            ('GET', '/claims/%00'),
            ('GET', '/claims/nonsense'),
            ('DELETE', '/claims/nonsense'),
            ('DELETE', f'/claims/{uuid.uuid4()}'),
            ('GET', f'/operations/{uuid.uuid4()}'),
            ('POST', f'/operations/{uuid.uuid4()}/cancel'),
            ('GET', f'/devices/{uuid.uuid4()}'),
            ('GET', '/hosts/nowhere'),
        ):
            with self.subTest(path):
                answer = self.service.call(method, path)
                self.assertIn(answer.status_int, (400, 404), answer.text)
                self.refused(answer.status_int, answer)

    def test_more_than_there_is_is_refused(self):
        self.refuse(
            409, 'fpga.no_capacity', resource_class=inprocess.PF, count=3
        )
        self.refuse(
            409, 'fpga.no_capacity', resource_class=inprocess.VF, count=5
        )
        self.assertEqual((2, 0, 0), self.service.stock())

    def test_unknown_class_trait_or_type_is_refused(self):
        sentence = self.refuse(
            409, 'fpga.no_capacity', resource_class='CUSTOM_NOTHING'
        )
        self.assertIn('CUSTOM_NOTHING', sentence)
        sentence = self.refuse(
            409, 'fpga.no_capacity', traits=['CUSTOM_NOTHING']
        )
        self.assertIn('CUSTOM_NOTHING', sentence)
        sentence = self.refuse(409, 'fpga.no_capacity', type='nothing')
        self.assertIn('nothing', sentence)

    def test_a_second_claim_of_the_last_card_is_refused(self):
        claim = self.service.claim(resource_class=inprocess.PF, count=2)
        code, _ = self.refused(
            409, self.service.ask(resource_class=inprocess.PF)
        )
        self.assertEqual('fpga.no_capacity', code)
        self.service.released(claim['uuid'])

    def test_full_is_not_mistaken_for_not_fitting(self):
        image = self.service.known_image()
        claim = self.service.claim(resource_class=inprocess.PF, count=2)
        for wanted in ({'image_uuid': image}, {'type': self.service.type}):
            for hostname in (self.service.hostname, None):
                body = {
                    **wanted,
                    **({'hostname': hostname} if hostname else {}),
                }
                with self.subTest(body):
                    answer = self.service.call(
                        'POST', '/claims', body, token=inprocess.ALICE
                    )
                    code, sentence = self.refused(409, answer)
                    self.assertEqual('fpga.no_capacity', code, sentence)
        self.service.released(claim['uuid'])


class TestImages(RefusalTest):
    def test_image_for_another_card_is_refused_with_the_reason(self):
        image = self.service.image(region=OTHER_REGION)
        sentence = self.refuse(
            400, 'fpga.bitstream.does_not_fit', image_uuid=image
        )
        self.assertIn(OTHER_REGION, sentence)
        self.assertIn(inprocess.REGION, sentence)

    def test_type_for_another_card_is_refused_with_the_reason(self):
        self.service.known_image(region=OTHER_REGION)
        sentence = self.refuse(
            400, 'fpga.bitstream.does_not_fit', type=self.service.type
        )
        self.assertIn(OTHER_REGION, sentence)

    def test_image_of_another_vendor_is_refused(self):
        image = self.service.image(vendor='somebody')
        self.refuse(400, 'fpga.bitstream.does_not_fit', image_uuid=image)

    def test_image_of_another_vendor_than_its_format_is_refused(self):
        image = self.service.image(vendor='xilinx')
        sentence = self.refuse(
            409, 'fpga.bitstream.unusable', image_uuid=image
        )
        self.assertIn('its vendor is xilinx', sentence)

    def test_image_without_a_vendor_fits_by_its_region(self):
        image = self.service.image(vendor=None)
        claim = self.service.claim(image_uuid=image)
        self.assertEqual(image, claim['image_uuid'])

    def test_image_that_nobody_knows_is_refused(self):
        image = str(uuid.uuid4())
        sentence = self.refuse(404, 'fpga.not_found', image_uuid=image)
        self.assertIn(image, sentence)

    def test_image_without_the_tag_is_refused(self):
        image = self.service.image(tags=())
        sentence = self.refuse(
            409, 'fpga.bitstream.unusable', image_uuid=image
        )
        self.assertIn('tag FPGA', sentence)

    def test_image_without_data_is_refused(self):
        image = self.service.cloud.upload(None, visibility='public')
        self.addCleanup(self.service.cloud.delete, image)
        self.refuse(409, 'fpga.bitstream.unusable', image_uuid=image)

    def test_image_without_a_region_is_refused(self):
        image = self.service.image(data=b'no bitstream at all' * 100)
        sentence = self.refuse(
            409, 'fpga.bitstream.unusable', image_uuid=image
        )
        self.assertIn('region', sentence)

    def test_private_image_of_another_project_does_not_exist(self):
        image = self.service.image(
            visibility='private', token=inprocess.MALLORY
        )
        self.refuse(404, 'fpga.not_found', image_uuid=image)
        claim = self.service.claim(token=inprocess.MALLORY, image_uuid=image)
        self.service.released(claim['uuid'], token=inprocess.MALLORY)

    def test_type_is_not_served_from_another_projects_private_image(self):
        image = self.service.image(
            visibility='private', token=inprocess.MALLORY
        )
        self.service.until(
            'the catalogue has it',
            lambda: (
                # Between its creation and its data it is listed, but empty.
                self.service.call(
                    'GET', f'/bitstreams/{image}', token=inprocess.MALLORY
                ).json.get('usable')
            ),
        )
        self.refuse(409, 'fpga.no_capacity', type=self.service.type)
        claim = self.service.claim(
            token=inprocess.MALLORY, type=self.service.type
        )
        self.assertEqual(image, claim['image_uuid'])

    def test_type_that_became_private_meanwhile_is_not_served(self):
        image = self.service.known_image()
        with self.stale_catalogue():
            self.service.cloud.glance().images.update(
                image, visibility='private'
            )
            self.refuse(409, 'fpga.no_capacity', type=self.service.type)

    def test_type_is_served_from_what_is_left_of_it(self):
        old = self.service.known_image()
        new = self.service.known_image()
        with self.stale_catalogue():
            self.service.cloud.delete(new)
            claim = self.service.claim(type=self.service.type)
        self.assertEqual(old, claim['image_uuid'])

    def stale_catalogue(self):
        """The catalogue is not brought up to date."""
        reconciler = self.service.conductor._manager.reconciler
        return mock.patch.object(
            reconciler._catalogue, 'cycle', autospec=True, return_value=False
        )

    def test_type_and_image_must_agree(self):
        image = self.service.image()
        sentence = self.refuse(
            400, 'fpga.invalid_input', image_uuid=image, type='another'
        )
        self.assertIn(self.service.type, sentence)
        claim = self.service.claim(image_uuid=image, type=self.service.type)
        self.assertEqual(image, claim['image_uuid'])


class TestFiles(RefusalTest):
    """What is wrong with the file shows when the agent has it."""

    def fails(self, cause, image):
        """A claim of *image* that fails; the operation's words."""
        before = self.service.loads()
        answer = self.service.ask(image_uuid=image)
        self.assertEqual(202, answer.status_int, answer.text)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual(cause, claim['fault']['code'], claim['fault'])
        self.assertEqual([], claim['addresses'])
        (operation,) = (
            o
            for o in map(self.service.ended, claim['operation_uuids'])
            if o['kind'] == 'program'
        )
        self.assertEqual('failed', operation['state'])
        self.assertEqual(cause, operation['cause'])
        self.assertIn(operation['detail'], claim['fault']['message'])
        self.assertNotIn('Traceback', operation['detail'])
        self.assertEqual(0, self.service.allocated(claim['uuid']))
        self.assertEqual(before, self.service.loads())
        self.service.release(claim['uuid'])
        self.assert_nothing_left()
        return operation['detail']

    def test_tampered_file_is_not_loaded(self):
        image = self.service.image()
        path = self.service.stored(image)
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        self.fails('image_corrupt', image)

    def test_truncated_file_is_not_loaded(self):
        image = self.service.image()
        path = self.service.stored(image)
        path.write_bytes(path.read_bytes()[:-100])
        # Glance itself says how long it ought to be.
        self.fails('image_unavailable', image)

    def test_file_that_was_cut_off_before_its_upload_is_refused(self):
        data = samples.sample_gbs(inprocess.REGION, uuid.uuid4().hex)
        image = self.service.image(data=data[:-100])
        answer = self.service.ask(image_uuid=image)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual('device_error', claim['fault']['code'])
        self.assertIn('CRC error', claim['fault']['message'])

    def test_file_that_is_no_bitstream_is_not_loaded(self):
        image = self.service.image(
            data=b'no bitstream' * 100,
            region_id=inprocess.REGION,
            function_id=uuid.uuid4().hex,
        )
        self.fails('image_corrupt', image)

    def test_file_with_another_function_than_said_is_not_loaded(self):
        image = self.service.image(
            region_id=inprocess.REGION, function_id=uuid.uuid4().hex
        )
        self.fails('image_mismatch', image)

    def test_file_for_another_region_than_said_is_not_loaded(self):
        function = uuid.uuid4().hex
        image = self.service.image(
            data=samples.sample_gbs(OTHER_REGION, function),
            region_id=inprocess.REGION,
            function_id=function,
        )
        self.fails('does_not_fit', image)

    def test_file_that_has_gone_fails_the_claim(self):
        image = self.service.known_image()
        self.service.stored(image).unlink()
        self.fails('image_unavailable', image)

    def test_full_cache_disk_fails_the_claim(self):
        image = self.service.image()
        # The one thing that a test cannot fill everywhere.
        full = OSError(errno.ENOSPC, 'No space left on device')
        with mock.patch.object(
            cache.Cache, '_receive', autospec=True, side_effect=full
        ):
            self.assertIn('No space', self.fails('no_space', image))

    def test_image_larger_than_the_cache_fails_the_claim(self):
        self.service.conf.set_override('cache_size_mb', 1, 'agent')
        self.addCleanup(
            self.service.conf.clear_override, 'cache_size_mb', 'agent'
        )
        self.service.stop_agent()
        self.service.start_agent()
        image = self.service.image(size=2_000_000)
        self.fails('no_space', image)

    def test_damaged_payload_is_refused_by_the_card(self):
        function = uuid.uuid4().hex
        image = self.service.image(
            data=gbs.build(inprocess.REGION, function, b'x' * 500)
        )
        answer = self.service.ask(image_uuid=image)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual('device_error', claim['fault']['code'])
        self.assertIn('protocol error', claim['fault']['message'])
