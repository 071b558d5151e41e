"""An agent as on a real host: what it has is files, device nodes and tools.

The agent is the installed command with its privileged helper, and knows
nothing of a simulator; each of its drivers loads, reads back and wipes.
"""

import pathlib
import uuid

from oslotest import base
from testtools import content

from cyborg_fpga.bitstream import afi
from cyborg_fpga.simulator import samples
from tests.fixtures import mounted
from tests.fixtures import stack

FAMILIES = pathlib.Path(__file__).with_name('families.yaml')
ZYNQ = 'a1b2c3d4' * 4
U250 = 'f2b82d53372f41a4bbe93dfe1c0b3c8e'
CARDS = """
cards:
  - {address: '0000:3b:00.0', family: PAC_A10, program_fixed: 0}
  - {address: '0000:5e:00.0', family: U250, program_fixed: 0}
  - {address: '0000:34:00.0', family: F2, program_fixed: 0}
  - {address: '0000:86:00.0', family: SRIOV, vfs: 2}
  - {address: 'ffffffff:ff:00.0', family: ZYNQ7000, program_fixed: 0}
"""


class Host(mounted.Host):
    """The only one of a mount, with a blank image for its Zynq."""

    def _setUp(self):
        blank = samples.blank_bit('ZYNQ7000')
        (self.directory / 'blank' / f'{ZYNQ}.bit').write_bytes(blank)


class MountedStack(stack.Stack):
    def setUp(self):
        mounted.check()
        super().setUp()

    def _make_host(self, scenario):
        return Host(self.useFixture(mounted.Mounted(scenario)))

    def _places(self):
        return {
            'sysroot': self.host.point / 'sys',
            'devroot': self.host.point / 'dev',
            'firmware_path': self.host.directory / 'firmware',
            'tools_path': self.host.directory / 'tools',
        }


class MountedHostTest(base.BaseTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        drivers = 'intel_dfl,xilinx_xrt,aws_f2,fpga_manager,pci'
        cls.stack = MountedStack(
            scenario=CARDS,
            settings={
                'agent': {'enabled_drivers': drivers},
                'devices': {'families': FAMILIES},
            },
        )
        cls.stack.setUp()
        cls.addClassCleanup(cls.stack.cleanUp)

    def setUp(self):
        super().setUp()
        self.addOnException(self.show_logs)
        self.function = uuid.uuid4().hex

    def show_logs(self, _exc_info):
        for process in self.stack.processes:
            text = process.words()[-20000:]
            self.addDetail(process.name, content.text_content(text))

    def upload(self, data, vendor, **properties):
        return self.stack.cloud.upload(
            data, vendor=vendor, visibility='public', **properties
        )

    def region(self, card):
        """The first region of a card, as the service has it."""
        return next(
            region
            for region in self.stack.deployables()
            if region['device_address'] == card
        )

    def claim(self, **wanted):
        body = {'hostname': self.stack.hostname, **wanted}
        uuid_ = self.stack.api.post('/claims', body)['uuid']
        claim = self.stack.claim_in(uuid_, 'ready', 'failed')
        self.assertEqual('ready', claim['state'], claim)
        return claim

    def loaded_and_wiped(self, image, card, guest, function=None):
        """Claim what an image is loaded into, and give it back."""
        claim = self.claim(image_uuid=image)
        self.assertEqual([guest], claim['addresses'])
        self.assertEqual(
            function or self.function, self.region(card)['function_id']
        )
        self.assertEqual(1, self.stack.loads()[card])
        self.stack.cards.write_memory(guest, 0, b'secret')
        self.stack.release(claim['uuid'])
        self.assertNotEqual(
            b'secret', self.stack.cards.read_memory(guest, 0, 6)
        )

    def test_a_card_of_the_kernels_dfl(self):
        data = samples.sample_gbs(stack.REGION, self.function)
        card = '0000:3b:00.0'
        self.loaded_and_wiped(self.upload(data, 'intel'), card, card)

    def test_a_card_of_xrt(self):
        data = samples.sample_xclbin(U250, self.function)
        self.loaded_and_wiped(
            self.upload(data, 'xilinx'), '0000:5e:00.0', '0000:5e:00.1'
        )

    def test_a_slot_of_aws(self):
        short = self.function[-17:]
        data = afi.build(f'agfi-{short}', 0x10212415)
        card = '0000:34:00.0'
        self.loaded_and_wiped(
            self.upload(data, 'aws'), card, card, f'{short:0>32}'
        )

    def test_a_chip_behind_the_kernels_manager(self):
        data = samples.sample_bit(
            '7z020clg484-1', '03727093', name=self.function
        )
        card = 'ffffffff:ff:00.0'
        image = self.upload(data, 'xilinx', region_id=ZYNQ)
        claim = self.claim(image_uuid=image)
        self.assertEqual([card], claim['addresses'])
        function = self.region(card)['function_id']
        self.assertIsNotNone(function)
        self.assertEqual(1, self.stack.loads()[card])
        self.stack.release(claim['uuid'])
        # Nothing but another load wipes it.
        self.assertEqual(2, self.stack.loads()[card])

    def test_functions_that_nobody_programs(self):
        claim = self.claim(resource_class='CUSTOM_FPGA_ACME_VF', count=2)
        self.assertEqual(
            ['0000:86:10.0', '0000:86:10.2'], sorted(claim['addresses'])
        )
        guest = claim['addresses'][0]
        self.stack.cards.write_memory(guest, 0, b'secret')
        self.stack.release(claim['uuid'])
        self.assertEqual(bytes(6), self.stack.cards.read_memory(guest, 0, 6))
