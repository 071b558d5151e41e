"""What a GBS file may say, and what nobody may make us believe."""

import json
import pathlib
import tracemalloc

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import gbs

REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
MAGIC = bytes.fromhex('58656f6e46504741b74742537630303 1'.replace(' ', ''))
GOOD = gbs.build(REGION, FUNCTION, b'raw image', name='nlb_400')


def described(**changes):
    """A header's JSON as a vendor's packager writes it."""
    return {
        'version': 1,
        'platform-name': 'DCP',
        'afu-image': {
            'magic-no': 488605312,
            'interface-uuid': '69528DB6-EB31-577A-8C36-68F9FAA081F6',
            'clock-frequency-high': 'auto-400',
            'power': 7,
            'accelerator-clusters': [
                {
                    'name': 'nlb_400',
                    'total-contexts': 1,
                    'accelerator-type-uuid': (
                        'd8424dc4-a4a3-c413-f89e-433683f9040b'
                    ),
                }
            ],
            **changes,
        },
    }


def file(header, payload=b'raw'):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return MAGIC + len(text).to_bytes(4, 'little') + text + payload


class TestParse(base.BaseTestCase):
    def test_a_vendors_file_says_what_it_is(self):
        found = gbs.parse(file(described()))
        self.assertEqual(REGION, found.region_id)
        self.assertEqual(FUNCTION, found.function_id)
        self.assertEqual('nlb_400', found.name)
        self.assertEqual('DCP', found.platform)
        self.assertEqual(7, found.power)
        self.assertEqual(3, found.payload_size)

    def test_what_we_build_is_read_back(self):
        found = gbs.parse(GOOD)
        self.assertEqual(
            (REGION, FUNCTION), (found.region_id, found.function_id)
        )
        self.assertEqual(b'raw image', GOOD[found.header_size :])

    def test_a_file_on_disk_is_read_the_same_way(self):
        (path,) = self.create_tempfiles([('afu', b'')])
        pathlib.Path(path).write_bytes(GOOD)
        self.assertEqual(gbs.parse(GOOD), gbs.parse(pathlib.Path(path)))

    def test_a_missing_file_is_an_unusable_one(self):
        missing = pathlib.Path('/nonexistent/file')
        self.assertRaises(errors.BadBitstream, gbs.parse, missing)

    def test_the_first_bytes_are_enough_for_the_header(self):
        head = (GOOD + b'x' * 9999)[: gbs.HEADER_LIMIT]
        found = gbs.parse_header(head, None)
        self.assertIsNone(found.payload_size)
        self.assertEqual(FUNCTION, found.function_id)

    def test_a_file_that_ends_with_its_header_is_refused(self):
        self._refused('ends', file(described(), b''))

    def test_a_truncated_header_is_refused(self):
        for length in range(gbs.parse(GOOD).header_size):
            self.assertRaises(errors.BadBitstream, gbs.parse, GOOD[:length])

    def test_a_header_longer_than_the_limit_is_refused(self):
        data = MAGIC + (4096).to_bytes(4, 'little') + b' ' * 5000
        self._refused('4096', data)

    def test_a_whole_header_longer_than_the_limit_is_refused_too(self):
        header = {**described(), 'filler': 'x' * gbs.HEADER_LIMIT}
        self.assertRaises(
            errors.BadBitstream, gbs.parse_header, file(header), None
        )

    def test_no_more_of_a_file_than_its_header_is_read(self):
        (path,) = self.create_tempfiles([('afu', b'')])
        sparse = pathlib.Path(path)
        with sparse.open('wb') as stream:
            stream.write(GOOD)
            stream.truncate(64 << 20)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(FUNCTION, gbs.parse(sparse).function_id)
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)

    def test_a_signed_file_is_named_as_such(self):
        self._refused('signed', (0xB6EAFD19).to_bytes(4, 'little') + GOOD)

    def test_each_wrong_member_is_named(self):
        cluster = described()['afu-image']['accelerator-clusters'][0]
        for word, changes in (
            ('magic-no', {'magic-no': 1}),
            ('interface-uuid', {'interface-uuid': 'x' * 32}),
            ('interface-uuid', {'interface-uuid': None}),
            ('clusters', {'accelerator-clusters': []}),
            ('clusters', {'accelerator-clusters': {}}),
            ('clusters', {'accelerator-clusters': [1]}),
            (
                'accelerator-type-uuid',
                {'accelerator-clusters': [{'name': 'x'}]},
            ),
            ('name', {'accelerator-clusters': [{**cluster, 'name': '\x1b'}]}),
            (
                'name',
                {'accelerator-clusters': [{**cluster, 'name': '\ud800'}]},
            ),
        ):
            self._refused(word, file(described(**changes)))

    def test_json_made_to_hurt_is_refused(self):
        for header in (
            b'[' * 4000,
            b'{"a":' * 800,
            b'{"version":' + b'9' * 4000 + b'}',
            b'\xff\xfe',
            b'[]',
            b'"x"',
            b'{}',
        ):
            self._refused('header|afu-image', file(header))

    def test_a_version_of_thousands_of_digits_is_refused(self):
        header = {**described(), 'version': int('9' * 1000)}
        self._refused('version', file(header))

    def _refused(self, words, data):
        exc = self.assertRaises(errors.BadBitstream, gbs.parse, data)
        self.assertRegex(str(exc), words)


class TestFuzz(base.BaseTestCase):
    @hypothesis.settings(max_examples=300, deadline=None, database=None)
    @hypothesis.given(st.binary(max_size=300))
    def test_any_bytes_are_refused_or_read(self, data):
        self._parse(data)
        self._parse(file(data))

    @hypothesis.settings(max_examples=300, deadline=None, database=None)
    @hypothesis.given(
        st.integers(0, len(GOOD) - 1),
        st.integers(0, 255),
        st.integers(0, len(GOOD)),
    )
    def test_a_damaged_file_is_refused_or_read(self, where, value, end):
        data = bytearray(GOOD)
        data[where] = value
        self._parse(bytes(data[:end]))
        self._parse(bytes(data))

    @hypothesis.settings(max_examples=200, deadline=None, database=None)
    @hypothesis.given(
        st.dictionaries(
            st.sampled_from(list(described()['afu-image'])),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.text(),
                lambda inner: (
                    st.lists(inner)
                    | st.dictionaries(
                        st.sampled_from(['name', 'accelerator-type-uuid']),
                        inner,
                    )
                ),
                max_leaves=4,
            ),
        )
    )
    def test_members_of_any_type_are_refused_or_read(self, changes):
        self._parse(file(described(**changes)))

    def _parse(self, data):
        try:
            found = gbs.parse(data)
        except errors.BadBitstream:
            return
        self.assertRegex(found.region_id, '^[0-9a-f]{32}$')
        self.assertRegex(found.function_id, '^[0-9a-f]{32}$')
        self.assertEqual(len(data), found.header_size + found.payload_size)
