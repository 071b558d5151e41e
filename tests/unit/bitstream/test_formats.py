"""What holds for every format: found by its head, read in bounds."""

import pathlib
import tracemalloc

import hypothesis
from hypothesis import strategies as st
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga.bitstream import ecp5
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.bitstream import header
from cyborg_fpga.bitstream import ice40
from cyborg_fpga.bitstream import source
from cyborg_fpga.bitstream import xclbin
from cyborg_fpga.bitstream import xilinx_bit
from tests.fixtures import bitstreams
from tests.fuzz import bitstreams as fuzz

#: The same examples every time, however busy the machine.
steady = hypothesis.settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
ids = st.binary(min_size=16, max_size=16).map(bytes.hex)
words = st.from_regex('[A-Za-z0-9_-]{1,60}', fullmatch=True)
images = st.binary(min_size=1, max_size=600)


class FormatsCase(base.BaseTestCase):
    def refused(self, words, act, *args, **kwargs):
        exc = self.assertRaises(errors.BadBitstream, act, *args, **kwargs)
        self.assertRegex(exc.message, words)

    def on_disk(self, data):
        (path,) = self.create_tempfiles([('file', b'')])
        pathlib.Path(path).write_bytes(data)
        return pathlib.Path(path)


class TestDetect(FormatsCase):
    def test_each_is_told_from_the_others(self):
        for name, make in bitstreams.GOOD.items():
            wanted = name if name in set(header.Format) else 'gbs'
            self.assertEqual(wanted, formats.detect(make()))

    def test_anything_else_is_refused(self):
        for data in (b'', b'\xff', b'not a bitstream', bytes(9999)):
            self.assertIsNone(formats.detect(data))
            self.refused('format is not known', formats.parse, data)

    def test_another_format_than_the_wanted_is_named(self):
        for name, said in (
            ('xclbin', 'an xclbin for Alveo cards'),
            ('bit', 'a Xilinx .bit file'),
            ('ice40', 'an iCE40 bitstream'),
            ('ecp5', 'an ECP5 bitstream'),
        ):
            self.refused(
                rf'it is {said}, not an Intel bitstream \(GBS\)',
                formats.parse,
                bitstreams.GOOD[name](),
                only=header.Format.GBS,
            )


class TestBounds(FormatsCase):
    def test_every_truncation_of_every_format_is_refused(self):
        for name, make in bitstreams.GOOD.items():
            data = make()
            # What ends before its image is no file; of the two without a
            # container, verify() sees that the end is missing.
            act = formats.parse
            if name in ('ice40', 'ecp5'):
                act = formats.verify
            said = formats.parse(data)
            end = said.payload_offset or len(data) - 9
            for size in (*range(min(end, 1400)), end):
                self.refused('.', act, data[:size])

    def test_every_byte_may_be_anything(self):
        for make in bitstreams.GOOD.values():
            data = make()[:1500]
            for at in range(min(len(data), 700)):
                for value in (0, 0x80, 0xFF):
                    changed = bytearray(data)
                    changed[at] = value
                    fuzz.judge(bytes(changed))

    def test_no_more_of_a_large_file_than_its_header_is_read(self):
        for name in ('gbs', 'legacy', 'xclbin'):
            data = bytearray(bitstreams.GOOD[name]())
            size = 64 << 20
            if name == 'xclbin':
                data[304:312] = size.to_bytes(8, 'little')
            path = self.on_disk(data)
            with path.open('r+b') as stream:
                stream.truncate(size)
            tracemalloc.start()
            try:
                self.assertEqual(size, formats.parse(path).size)
                self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
            finally:
                tracemalloc.stop()

    def test_a_checksum_is_made_without_holding_the_file(self):
        path = self.on_disk(bitstreams.signed(length=48 << 20))
        with path.open('r+b') as stream:
            stream.truncate(1359 + (48 << 20))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.refused('match the hash', formats.verify, path)
        self.assertLess(tracemalloc.get_traced_memory()[1], 4 << 20)


class TestSource(FormatsCase):
    def test_a_file_on_disk_is_read_the_same_way(self):
        for make in bitstreams.GOOD.values():
            path = self.on_disk(make())
            self.assertEqual(formats.parse(make()), formats.parse(path))
            formats.verify(path)

    def test_a_missing_file_is_an_unusable_one(self):
        missing = pathlib.Path('/nonexistent/file')
        self.refused('cannot be read: No such', formats.parse, missing)
        folder = self.on_disk(b'').parent
        self.refused('cannot be read: Is a dir', formats.parse, folder)

    def test_the_head_is_fetched_once(self):
        fetched = []
        data = bitstreams.xclbin()

        def read(offset, length):
            fetched.append((offset, length))
            return data[offset : offset + length]

        formats.read(source.Source(read, len(data)))
        self.assertEqual([(0, len(data))], fetched)

    def test_only_so_much_may_be_read_behind_the_head(self):
        far = source.Source(lambda offset, length: bytes(length), 1 << 40)
        far.at(1 << 39, source.BUDGET)
        self.refused('too much', far.at, 1 << 39, 1)
        many = source.Source(lambda offset, length: bytes(length), 1 << 40)
        self.assertRaises(
            errors.BadBitstream,
            lambda: [many.at(1 << 39, 1) for _ in range(source.BUDGET)],
        )

    def test_nothing_is_read_behind_the_end(self):
        file = source.beginning(b'abc', 3)
        self.assertEqual(b'bc', file.at(1, 2))
        self.assertEqual(b'bc', file.upto(1, 99))
        self.assertEqual(b'', file.upto(99, 99))
        self.refused('cut off', file.at, 2, 2)
        self.refused('cut off', file.at, 2**64, 0)

    def test_a_file_that_shrinks_is_refused(self):
        file = source.Source(lambda offset, length: b'', 1 << 20)
        self.refused('cut off', file.at, 0, 4)
        self.refused('cut off', lambda: list(file.pieces(0, 9)))


class TestFuzz(FormatsCase):
    def test_changed_files_are_refused_or_read(self):
        accepted = fuzz.run(20000, 4)
        # Otherwise nothing behind the first check was reached.
        self.assertGreater(accepted, 2000)

    @steady
    @hypothesis.given(st.binary(max_size=300))
    def test_any_bytes_are_refused_or_read(self, data):
        for make in bitstreams.GOOD.values():
            good = make()
            for magic in (0, 16, 20, 40):
                fuzz.judge(good[:magic] + data)

    @steady
    @hypothesis.given(
        st.dictionaries(
            st.sampled_from(list(bitstreams.described()['afu-image'])),
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
        fuzz.judge(bitstreams.gbs(bitstreams.described(**changes)))

    @steady
    @hypothesis.given(ids, ids, images, words, st.booleans())
    def test_any_gbs_that_is_built_is_read(
        self, region, function, image, name, signed
    ):
        data = gbs.build(region, function, image, name=name, signed=signed)
        said = formats.parse(data)
        self.assertEqual(
            (region, function, name, signed),
            (said.region_id, said.function_id, said.name, said.signed),
        )
        self.assertIn(image, data[said.payload_offset :])
        formats.verify(data)

    @steady
    @hypothesis.given(ids, ids, images, words, st.integers(1, 2**64 - 1))
    def test_any_xclbin_that_is_built_is_read(
        self, region, function, image, platform, timestamp
    ):
        hypothesis.assume('0' * 32 not in (region, function))
        data = xclbin.build(
            region,
            function,
            image,
            platform=platform,
            feature_timestamp=timestamp,
        )
        said = formats.parse(data)
        self.assertEqual(
            (region, function, platform, timestamp),
            (
                said.region_id,
                said.function_id,
                said.platform,
                said.feature_timestamp,
            ),
        )
        end = said.payload_offset + said.payload_size
        self.assertEqual(image, data[said.payload_offset : end])

    @steady
    @hypothesis.given(
        words, images, words, st.booleans(), st.integers(0, 2**32 - 1)
    )
    def test_any_bit_file_that_is_built_is_read(
        self, part, image, name, partial, idcode
    ):
        data = xilinx_bit.build(
            part, image, name=name, partial=partial, idcode=idcode
        )
        said = formats.parse(data)
        self.assertEqual(
            (part, name, partial, idcode),
            (said.part, said.name, said.partial, said.idcode),
        )
        self.assertTrue(data[said.payload_offset :].endswith(image))

    @steady
    @hypothesis.given(st.integers(1, 90), st.integers(1, 9), st.data())
    def test_any_ice40_file_that_is_built_is_read(self, width, rows, data):
        bank = st.binary(min_size=width * rows, max_size=width * rows)
        banks = data.draw(st.lists(bank, min_size=1, max_size=4))
        file = ice40.build(width, rows * 8, banks)
        self.assertEqual(header.Format.ICE40, formats.parse(file).format)
        formats.verify(file)

    @steady
    @hypothesis.given(
        words,
        st.integers(0, 15),
        st.lists(st.binary(min_size=74, max_size=74), max_size=5),
    )
    def test_any_ecp5_file_that_is_built_is_read(self, part, version, frames):
        idcode = version << 28 | 0x1111043
        file = ecp5.build(part, idcode, frames)
        said = formats.parse(file)
        self.assertEqual((part, idcode), (said.part, said.idcode))
        formats.verify(file)
