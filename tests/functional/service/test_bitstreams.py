"""Bitstreams through our own API, into a real Glance."""

import contextlib
import io
import pathlib
import uuid
from unittest import mock
from urllib import parse

import fixtures
import oslo_messaging as messaging
import webob
from castellan import options
from glanceclient import exc as glance_exc

from cyborg_fpga.bitstream import gbs
from cyborg_fpga.clients import certificate_files
from cyborg_fpga.rpc import conductor
from cyborg_fpga.simulator import samples
from tests.fixtures import inprocess
from tests.fixtures import signing
from tests.functional.service import base

ALICE, ADAM, MALLORY = inprocess.ALICE, inprocess.ADAM, inprocess.MALLORY
READER = 'rita:demo:reader'
REGION = inprocess.REGION
OCTETS = 'application/octet-stream'


#: One that has to be mended after each test, which costs more than all else.
CARD = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10, numa_node: 0,
     program_fixed: 0, program_rate: 1000000000}
"""


class UploadTest:
    scenario = CARD
    #: The catalogue's own look at Glance comes after the test.
    settings = {'bitstream': {'sync_interval': 3600}}

    def setUp(self):
        super().setUp()
        self.name = f'upload-{uuid.uuid4().hex}'
        self.function = uuid.uuid4().hex
        self.data = samples.sample_gbs(REGION, self.function, size=65536)

    def send(
        self, data=None, *, token=ALICE, length=None, kind=OCTETS, **said
    ):
        """The answer to an upload."""
        data = self.data if data is None else data
        said = {'name': self.name, 'type': self.service.type, **said}
        query = parse.urlencode({k: v for k, v in said.items() if v})
        request = webob.Request.blank(
            f'/v2/bitstreams?{query}',
            method='POST',
            headers={'X-Auth-Token': token, 'Content-Type': kind},
        )
        request.body_file = io.BytesIO(data)
        request.content_length = len(data) if length is None else length
        return request.get_response(self.service.web.app)

    def sent(self, *args, **kwargs):
        answer = self.send(*args, **kwargs)
        self.assertEqual(201, answer.status_int, answer.text)
        self.addCleanup(self.forget, answer.json['uuid'])
        return answer.json

    def forget(self, image):
        with contextlib.suppress(glance_exc.HTTPNotFound):
            self.service.cloud.delete(image)

    def images(self):
        """What Glance has of this test's name, as an administrator sees."""
        found = self.service.cloud.glance().images.list(
            filters={'name': self.name, 'visibility': 'all'}
        )
        return list(found)

    def refuse(self, status, code, *args, **kwargs):
        """The sentence of a refusal that leaves nothing in Glance."""
        found, sentence = self.refused(status, self.send(*args, **kwargs))
        self.assertEqual(code, found, sentence)
        self.assertEqual([], self.images())
        return sentence


class Create(UploadTest):
    def test_a_file_becomes_its_users_image_and_can_be_claimed_at_once(self):
        made = self.sent(vendor='intel')
        self.assertEqual(
            (True, '', REGION, self.function, self.service.type, 'demo'),
            (
                made['usable'],
                made['reason'],
                made['region_id'],
                made['function_id'],
                made['type'],
                made['project_id'],
            ),
        )
        [image] = self.images()
        self.assertEqual(
            (made['uuid'], 'demo', ['FPGA'], 'active', len(self.data)),
            (image.id, image.owner, image.tags, image.status, image.size),
        )
        self.assertEqual(self.function, image['function_id'])
        claim = self.service.claim(type=self.service.type, token=ALICE)
        self.assertEqual(made['uuid'], claim['image_uuid'])

    def test_another_project_gets_nothing_of_it(self):
        made = self.sent()
        url = f'/bitstreams/{made["uuid"]}'
        for method, body in (
            ('GET', None),
            ('PATCH', {'type': 'x'}),
            ('DELETE', None),
        ):
            answer = self.service.call(method, url, body, token=MALLORY)
            self.assertEqual(404, answer.status_int, method)
        answer = self.service.call('POST', f'{url}/verify', token=MALLORY)
        self.assertEqual(404, answer.status_int)

    def test_a_public_one_is_for_administrators_and_gives_its_trait(self):
        self.refuse(403, 'fpga.forbidden', visibility='public')
        self.sent(token=inprocess.ADMIN, visibility='public')
        trait = f'CUSTOM_ACCELERATOR_{self.service.type.upper()}'
        self.service.until(
            'Placement has the trait',
            lambda: trait in self.service.traits(),
            60,
        )
        [image] = self.images()
        self.service.call('DELETE', f'/bitstreams/{image.id}')
        self.service.until(
            'the trait goes with the last that fits',
            lambda: trait not in self.service.traits(),
            60,
        )

    def test_a_trusted_projects_private_one_gives_its_trait_too(self):
        conf = self.service.conf
        conf.set_override('trusted_projects', ['demo'], 'bitstream')
        self.addCleanup(conf.clear_override, 'trusted_projects', 'bitstream')
        made = self.sent(visibility='private')
        trait = f'CUSTOM_ACCELERATOR_{self.service.type.upper()}'
        self.service.until(
            'Placement has the trait',
            lambda: trait in self.service.traits(),
            60,
        )
        self.service.call('DELETE', f'/bitstreams/{made["uuid"]}')
        self.service.until(
            'the trait goes with it',
            lambda: trait not in self.service.traits(),
            60,
        )

    def test_a_reader_uploads_nothing(self):
        self.refuse(403, 'fpga.forbidden', token=READER)

    def test_what_is_no_bitstream_never_gets_to_glance(self):
        before = self.service.glance.asked
        for data, said in (
            (b'no bitstream at all', 'its format is not known'),
            (self.data[:40], 'it is cut off within its header'),
            (
                gbs.build(REGION, self.function, b'x' * 512, signed=True)[:-1]
                + b'y',
                'it does not match the hash in its signature',
            ),
        ):
            sentence = self.refuse(400, 'fpga.bitstream.malformed', data)
            self.assertIn(said, sentence)
        self.assertEqual(before, self.service.glance.asked)

    def test_what_the_file_contradicts_never_gets_to_glance(self):
        before = self.service.glance.asked
        for name in ('region_id', 'function_id'):
            sentence = self.refuse(
                400, 'fpga.bitstream.malformed', **{name: '9' * 32}
            )
            self.assertIn(f'its {name} is {"9" * 32}, in the file', sentence)
        self.assertEqual(before, self.service.glance.asked)

    def test_a_large_signed_file_that_is_damaged_is_taken_back(self):
        data = gbs.build(REGION, self.function, bytes(5 << 20), signed=True)
        self.sent(data)
        damaged = data[:-7] + b'x' + data[-6:]
        self.service.cloud.delete(self.images()[0].id)
        sentence = self.refuse(400, 'fpga.bitstream.malformed', damaged)
        self.assertIn('it does not match the hash', sentence)

    def test_an_upload_that_is_cut_off_leaves_no_image(self):
        large = samples.sample_gbs(REGION, self.function, size=6 << 20)
        for data, there in ((self.data, 1000), (large, 5 << 20)):
            sentence = self.refuse(
                400, 'fpga.invalid_input', data[:there], length=len(data)
            )
            self.assertIn(f'ends {len(data) - there} bytes too', sentence)

    def test_a_body_must_say_what_it_is_and_how_long(self):
        self.refuse(415, 'fpga.media_type', kind='application/json')
        self.refuse(400, 'fpga.invalid_input', b'')
        request = webob.Request.blank(
            '/v2/bitstreams',
            method='POST',
            headers={'X-Auth-Token': ALICE, 'Content-Type': OCTETS},
        )
        request.environ.pop('CONTENT_LENGTH', None)
        request.environ['wsgi.input'] = io.BytesIO(self.data)
        answer = request.get_response(self.service.web.app)
        self.assertEqual('fpga.length_required', self.refused(411, answer)[0])

    def test_words_that_nobody_knows_are_refused(self):
        self.refuse(400, 'fpga.invalid_input', colour='blue')
        self.refuse(400, 'fpga.invalid_input', type='No Type')

    def test_what_glance_says_is_plain_text(self):
        sentence = self.refuse(400, 'fpga.invalid_input', name='\U0001f642')
        self.assertIn("Glance refused it: Name can't contain", sentence)

    def test_only_this_one_may_be_large(self):
        limit = self.service.conf.api.max_upload_bytes
        self.refuse(413, 'fpga.too_large', length=limit + 1)
        answer = self.service.call(
            'POST', '/claims', {'type': 'x' * 200000}, token=ALICE
        )
        self.assertEqual('fpga.too_large', self.refused(413, answer)[0])

    def test_without_glance_it_is_said(self):
        self.service.glance.shut()
        code, sentence = self.refused(503, self.send())
        self.assertEqual('fpga.service_unavailable', code)
        self.assertIn('Glance cannot be used now', sentence)

    def test_without_a_conductor_it_is_stored_all_the_same(self):
        with mock.patch.object(
            conductor.ConductorAPI,
            'refresh_bitstream',
            autospec=True,
            # Nobody there: waiting for that would take ten seconds.
            side_effect=messaging.MessagingTimeout,
        ):
            answer = self.send()
        self.assertEqual(202, answer.status_int, answer.text)
        self.addCleanup(self.forget, answer.json['uuid'])
        [image] = self.images()
        self.assertEqual(image.id, answer.json['uuid'])


class Change(UploadTest):
    def change(self, image, token=ALICE, **said):
        return self.service.call(
            'PATCH', f'/bitstreams/{image["uuid"]}', said, token=token
        )

    def test_what_is_said_of_it_can_be_changed_and_taken_away(self):
        made = self.sent(version='1', driver='intel_dfl')
        changed = self.change(
            made, token=ADAM, type='other', version='2', driver=None,
            name=f'{self.name}-b', visibility='private',
        )  # fmt: skip
        self.assertEqual(200, changed.status_int, changed.text)
        self.assertEqual(
            ('other', '2', None, f'{self.name}-b', 'private', True),
            tuple(
                changed.json[name]
                for name in (
                    'type', 'version', 'driver', 'name', 'visibility',
                    'usable',
                )
            ),
        )  # fmt: skip

    def test_another_name_for_the_same_says_nothing_else_after_it(self):
        made = self.sent(type=None)
        self.service.cloud.glance().images.update(
            made['uuid'], **{'bs-type': 'old'}
        )
        changed = self.change(made, type='new').json
        self.assertEqual('new', changed['type'])
        changed = self.change(made, type=None).json
        self.assertIsNone(changed['type'])

    def test_what_the_file_contradicts_is_refused_and_not_written(self):
        made = self.sent()
        code, sentence = self.refused(
            400, self.change(made, type='x', region_id='9' * 32)
        )
        self.assertEqual('fpga.bitstream.malformed', code)
        self.assertIn('in the file it is', sentence)
        url = f'/bitstreams/{made["uuid"]}'
        self.assertEqual(made, self.service.get(url, token=ALICE))

    def test_to_publish_is_for_administrators(self):
        made = self.sent()
        self.refused(403, self.change(made, visibility='public'))
        changed = self.change(made, token=inprocess.ADMIN, visibility='public')
        self.assertEqual('public', changed.json['visibility'])
        # Seen by all, and still its project's alone to change.
        self.refused(403, self.change(made, token=MALLORY, type='x'))


class Delete(UploadTest):
    def test_a_deleted_one_is_offered_no_more_at_once(self):
        made = self.sent()
        url = f'/bitstreams/{made["uuid"]}'
        self.refused(403, self.service.call('DELETE', url, token=READER))
        answer = self.service.call('DELETE', url, token=ALICE)
        self.assertEqual(204, answer.status_int, answer.text)
        self.assertEqual([], self.images())
        self.refused(404, self.service.call('GET', url, token=ALICE))
        answer = self.service.ask(type=self.service.type, token=ALICE)
        self.assertEqual('fpga.no_capacity', self.refused(409, answer)[0])

    def test_where_a_deleted_one_is_loaded_it_stays_usable(self):
        made = self.sent()
        claim = self.service.claim(image_uuid=made['uuid'])
        (address,) = claim['addresses']
        url = f'/bitstreams/{made["uuid"]}'
        answer = self.service.call('DELETE', url, token=ALICE)
        self.assertEqual(204, answer.status_int, answer.text)
        now = self.service.get(f'/claims/{claim["uuid"]}', token=ALICE)
        self.assertEqual('ready', now['state'])
        self.assertEqual(self.function, self.service.function(address))
        for wanted, status in (
            ({'image_uuid': made['uuid']}, 404),
            ({'type': self.service.type}, 409),
        ):
            self.refused(status, self.service.ask(**wanted))
        self.service.released(claim['uuid'])

    def test_one_whose_tag_is_taken_away_is_not_claimed_any_more(self):
        made = self.sent()
        self.service.cloud.untag(made['uuid'])
        # The catalogue has not heard of it.
        answer = self.service.ask(type=self.service.type)
        self.assertEqual('fpga.no_capacity', self.refused(409, answer)[0])
        self.assert_untouched()
        # From then on it has.
        url = f'/bitstreams/{made["uuid"]}'
        self.refused(404, self.service.call('GET', url, token=ALICE))

    def test_one_that_glance_has_lost_is_offered_no_more(self):
        made = self.sent()
        self.service.cloud.delete(made['uuid'])
        url = f'/bitstreams/{made["uuid"]}'
        self.assertEqual(made, self.service.get(url, token=ALICE))
        self.refused(404, self.service.call('DELETE', url, token=ALICE))
        self.refused(404, self.service.call('GET', url, token=ALICE))

    def test_what_glance_protects_stays_and_it_says_why(self):
        made = self.sent()
        images = self.service.cloud.glance().images
        images.update(made['uuid'], protected=True)
        self.addCleanup(images.update, made['uuid'], protected=False)
        url = f'/bitstreams/{made["uuid"]}'
        _, sentence = self.refused(
            403, self.service.call('DELETE', url, token=ALICE)
        )
        self.assertIn('protected', sentence)


class Verify(UploadTest):
    def verify(self, image):
        answer = self.service.call(
            'POST', f'/bitstreams/{image["uuid"]}/verify', token=ALICE
        )
        self.assertEqual(200, answer.status_int, answer.text)
        return answer.json

    def test_a_good_one_is_good(self):
        found = self.verify(self.sent())
        self.assertEqual(
            (True, '', 'gbs', len(self.data)),
            (found['good'], found['reason'], found['format'], found['size']),
        )
        self.assertEqual(
            ('none', None), (found['signature'], found['certificate_uuid'])
        )

    def test_bytes_that_rotted_in_the_store_are_noticed(self):
        for size in (65536, 5 << 20):
            made = self.sent(
                samples.sample_gbs(REGION, self.function, size=size)
            )
            path = self.service.stored(made['uuid'])
            with open(path, 'r+b') as file:
                file.seek(size - 100)
                file.write(b'rotten')
            found = self.verify(made)
            self.assertFalse(found['good'])
            self.assertIn('not those that Glance', found['reason'])

    def test_a_file_that_lost_its_end_is_noticed(self):
        made = self.sent()
        path = self.service.stored(made['uuid'])
        with open(path, 'r+b') as file:
            file.truncate(60000)
        url = f'/bitstreams/{made["uuid"]}/verify'
        _, sentence = self.refused(
            503, self.service.call('POST', url, token=ALICE)
        )
        # Who broke it off, the store or the network, nobody knows.
        self.assertIn('Glance cannot be used now', sentence)

    def test_words_that_contradict_the_file_are_noticed(self):
        made = self.sent()
        self.service.cloud.glance().images.update(
            made['uuid'], region_id='9' * 32
        )
        self.assertIn('in the file it is', self.verify(made)['reason'])

    def test_what_cannot_be_used_is_not_good(self):
        images = self.service.cloud.glance().images
        bloated = self.sent()
        many = {f'p{number}': 'x' * 60000 for number in range(2)}
        images.update(bloated['uuid'], **many)
        self.assertIn('more properties than', self.verify(bloated)['reason'])
        empty = images.create(
            name=self.name, tags=['FPGA'], visibility='public',
            disk_format='raw', container_format='bare',
        ).id  # fmt: skip
        self.addCleanup(self.forget, empty)
        images.upload(empty, io.BytesIO())
        # So the catalogue knows of it.
        self.refused(409, self.service.ask(image_uuid=empty, token=ALICE))
        self.assertIn('is empty', self.verify({'uuid': empty})['reason'])

    def test_a_part_of_a_signature_is_noticed(self):
        made = self.sent()
        self.service.cloud.glance().images.update(
            made['uuid'], img_signature='c2lnbmF0dXJl'
        )
        self.assertIn('is not complete', self.verify(made)['reason'])


class Selection(UploadTest):
    def made(self, **said):
        function = said.pop('function', None) or uuid.uuid4().hex
        data = samples.sample_gbs(REGION, function, size=4096)
        return self.sent(data, **said)

    def test_a_claim_by_name_or_uuid_gets_the_newest_version(self):
        name = f'aes-{uuid.uuid4().hex}'
        found = [
            self.made(function_name=name, version=version)
            for version in ('1.9', '1.10', '1.2')
        ]
        newest = found[1]
        for wanted in (
            {'function_name': name},
            {'function_id': newest['function_id']},
            {'function_name': name, 'type': self.service.type},
            {'type': self.service.type},
        ):
            claim = self.service.claim(**wanted)
            self.assertEqual(newest['uuid'], claim['image_uuid'], wanted)
            self.service.released(claim['uuid'])
        for wanted in (
            {'function_name': name, 'type': 'another'},
            {'function_name': 'nobodys'},
        ):
            answer = self.service.ask(**wanted)
            code, sentence = self.refused(409, answer)
            self.assertEqual('fpga.no_capacity', code)
            self.assertIn('no usable bitstream of', sentence)

    def test_a_name_of_two_functions_is_reported(self):
        name = f'aes-{uuid.uuid4().hex}'
        found = [self.made(function_name=name) for _ in range(2)]
        code, sentence = self.refused(
            409, self.service.ask(function_name=name)
        )
        self.assertEqual('fpga.bitstream.ambiguous', code)
        for image in found:
            self.assertIn(image['uuid'], sentence)
        # By their type any of them will do.
        self.service.claim(type=self.service.type)

    def test_an_older_version_is_not_taken_for_being_loaded(self):
        name = f'aes-{uuid.uuid4().hex}'
        old = self.made(function_name=name, version='1')
        claim = self.service.claim(type=self.service.type)
        self.assertEqual(old['uuid'], claim['image_uuid'])
        self.service.released(claim['uuid'])
        new = self.made(function_name=name, version='2')
        claim = self.service.claim(type=self.service.type)
        self.assertEqual(new['uuid'], claim['image_uuid'])

    def test_one_without_a_type_is_claimed_by_its_uuid_alone(self):
        made = self.made(type=None)
        self.assertEqual((None, True), (made['type'], made['usable']))
        types = self.service.get('/types', token=ALICE)['types']
        self.assertNotIn(self.service.type, [one['type'] for one in types])
        self.refused(409, self.service.ask(type=self.service.type))
        claim = self.service.claim(image_uuid=made['uuid'])
        self.assertEqual(made['uuid'], claim['image_uuid'])

    def test_one_of_another_board_fits_none_of_these(self):
        made = self.made(family='pac-d5005')
        self.assertEqual('PAC_D5005', made['family'])
        region = self.service.deployable()['uuid']
        url = f'/bitstreams?family=PAC_D5005&type={self.service.type}'
        found = self.service.get(url, token=ALICE)
        self.assertEqual([made], found['bitstreams'])
        found = self.service.get(f'{url}&fits={region}', token=ALICE)
        self.assertEqual([], found['bitstreams'])
        for wanted in ({'image_uuid': made['uuid']}, {'type': made['type']}):
            code, sentence = self.refused(400, self.service.ask(**wanted))
            self.assertEqual('fpga.bitstream.does_not_fit', code)
            self.assertIn('PAC_D5005, those there are of PAC_A10', sentence)

    def test_what_fits_a_deployable_is_found(self):
        made = self.made()
        region = self.service.deployable()['uuid']
        url = f'/bitstreams?type={self.service.type}&fits='
        found = self.service.get(f'{url}{region}', token=ALICE)
        self.assertEqual([made], found['bitstreams'])
        answer = self.service.call('GET', f'{url}{uuid.uuid4()}', token=ALICE)
        self.refused(400, answer)


class Trust(UploadTest):
    def setUp(self):
        super().setUp()
        self.keys = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        conf, group = self.service.conf, certificate_files.GROUP
        options.set_defaults(conf, backend='certificate_files')
        conf.register_opts(certificate_files.OPTS, group=group)
        conf.set_override('path', str(self.keys), group)
        self.addCleanup(conf.clear_override, 'path', group)

    def sign(self, content, signer=None, data=None):
        """Say that the image is signed, as the signer of *content* does."""
        made = self.sent(data)
        answer = self.service.call(
            'PATCH',
            f'/bitstreams/{made["uuid"]}',
            (signer or signing.Signer(self.keys)).properties(content),
            token=ALICE,
        )
        self.assertEqual(200, answer.status_int, answer.text)
        return made['uuid']

    def test_a_signed_one_is_loaded(self):
        image = self.sign(self.data)
        claim = self.service.claim(image_uuid=image)
        self.assertEqual(
            self.function, self.service.function(claim['addresses'][0])
        )

    def test_one_with_the_signature_of_another_is_not_loaded(self):
        image = self.sign(self.data[:-1])
        loads = self.service.loads()
        answer = self.service.ask(image_uuid=image)
        claim = self.service.settled(answer.json['uuid'], 'failed')
        self.assertEqual('image_untrusted', claim['fault']['code'])
        self.assertIn('does not match', claim['fault']['message'])
        self.assertEqual(loads, self.service.loads())

    def verified(self, image, state):
        """The answer about an image whose signature must be *state*."""
        answer = self.service.call(
            'POST', f'/bitstreams/{image}/verify', token=ALICE
        )
        self.assertEqual(200, answer.status_int, answer.text)
        found = answer.json
        self.assertEqual(
            (state, state == 'verified'), (found['signature'], found['good'])
        )
        # Who it is that somebody only claims to be, nobody is told.
        self.assertEqual(
            state != 'verified', found['certificate_subject'] is None
        )
        return found

    def test_verify_says_who_signed_the_bytes(self):
        for size in (65536, 5 << 20):
            data = samples.sample_gbs(REGION, self.function, size=size)
            signer = signing.Signer(self.keys)
            found = self.verified(self.sign(data, signer, data), 'verified')
            self.assertEqual(
                (signer.uuid, f'CN={signer.uuid}', ''),
                (
                    found['certificate_uuid'],
                    found['certificate_subject'],
                    found['reason'],
                ),
            )
            self.assertIn('T', found['certificate_expires_at'])

    def test_verify_notices_the_signature_of_other_bytes(self):
        found = self.verified(self.sign(self.data[:-1]), 'invalid')
        self.assertIn('does not match certificate', found['reason'])

    def test_verify_notices_another_key(self):
        image = self.sign(self.data)
        other = signing.Signer(self.keys).uuid
        self.service.cloud.glance().images.update(
            image, img_signature_certificate_uuid=other
        )
        found = self.verified(image, 'invalid')
        self.assertIn(f'does not match certificate {other}', found['reason'])

    def test_verify_says_both_that_bytes_rotted_and_are_not_what_was_signed(
        self,
    ):
        image = self.sign(self.data)
        with open(self.service.stored(image), 'r+b') as file:
            file.seek(60000)
            file.write(b'rotten')
        found = self.verified(image, 'invalid')
        self.assertIn('not those that Glance', found['reason'])
        self.assertIn('does not match certificate', found['reason'])

    def test_verify_notices_a_certificate_that_has_expired(self):
        signer = signing.Signer(self.keys, since=-2, until=-1)
        found = self.verified(self.sign(self.data, signer), 'invalid')
        self.assertIn('has expired at', found['reason'])

    def test_verify_says_where_it_cannot_check_a_signature(self):
        signer = signing.Signer(self.keys)
        image = self.sign(self.data, signer)
        (self.keys / f'{signer.uuid}.pem').write_text('damaged')
        found = self.verified(image, 'unchecked')
        self.assertIn('the API cannot check its signature', found['reason'])
        self.assertIn('key manager cannot be used now', found['reason'])


class TestBitstreams(
    Create, Change, Delete, Verify, Selection, Trust, base.ServiceTest
):
    """All of them with one service, which takes seconds to start."""
