"""The images that simulated hardware takes."""

from oslotest import base

from cyborg_fpga.bitstream import formats
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import samples
from tests.fixtures import bitstreams

REGION = '69528db6eb31577a8c3668f9faa081f6'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'


class TestPayload(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.raw = payload.build(REGION, FUNCTION, b'body of the image')

    def test_the_hardware_learns_the_function_from_the_image(self):
        self.assertEqual(FUNCTION, payload.parse(self.raw, REGION).function_id)

    def test_every_byte_is_covered(self):
        for where in range(len(self.raw)):
            damaged = bytearray(self.raw)
            damaged[where] ^= 1
            self.assertRaises(
                payload.BadImage, payload.parse, bytes(damaged), REGION
            )

    def test_a_cut_or_grown_image_is_refused(self):
        for raw in (self.raw + b'x', *(self.raw[:n] for n in range(90))):
            self.assertRaises(payload.BadImage, payload.parse, raw, REGION)

    def test_an_image_for_another_region_is_refused(self):
        exc = self.assertRaises(
            payload.BadImage, payload.parse, self.raw, 'ab' * 16
        )
        self.assertIn('incompatible', str(exc))

    def test_signature_blocks_may_come_first(self):
        content = bitstreams.padded(self.raw)
        signed = bitstreams.blocks(content)
        self.assertEqual(FUNCTION, payload.parse(signed, REGION).function_id)
        for wrong, words in (
            ({'sha': b'1' * 32}, 'operation error'),
            ({'kind': 0}, 'protocol error'),
            ({'length': 256}, 'protocol error'),
        ):
            exc = self.assertRaises(
                payload.BadImage,
                payload.parse,
                bitstreams.blocks(content, **wrong),
                REGION,
            )
            self.assertIn(words, str(exc))


class TestSamples(base.BaseTestCase):
    def test_a_sample_is_a_file_with_an_image_of_the_same_ids(self):
        data = samples.sample_gbs(REGION, FUNCTION, size=1000, name='aes')
        found = formats.parse(data)
        self.assertEqual('aes', found.name)
        self.assertEqual(1000 + payload.SIZE, found.payload_size)
        image = payload.parse(data[found.payload_offset :], REGION)
        self.assertEqual(found.function_id, image.function_id)

    def test_the_same_arguments_make_the_same_bytes(self):
        def make():
            return samples.sample_gbs(REGION, FUNCTION, size=100)

        self.assertEqual(make(), make())
        self.assertNotEqual(make(), samples.sample_gbs(REGION, REGION))
