"""What is read of the well-being of PCI functions, from a tree by hand."""

import errno
import os
import pathlib

import fixtures
from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.drivers import sysfs

CARD = model.PciAddress.parse('0000:3b:00.0')
SECOND = model.PciAddress.parse('0000:3b:00.1')
OTHER = model.PciAddress.parse('0000:5e:00.0')


class Failing(sysfs.Sysfs):
    """Some attributes cannot be read."""

    failing: dict[str, int] = {}

    def read_bytes(self, path, limit=65536):
        number = self.failing.get(path.rpartition('/')[2])
        if number:
            raise OSError(number, os.strerror(number))
        return super().read_bytes(path, limit)


class TestRead(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.sys = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.fs = Failing(str(self.sys))
        self.fs.failing = {}
        for address in (CARD, SECOND, OTHER):
            self.attribute(address, 'config', '\x86\x80\x00\x00')

    def attribute(self, address, name, text):
        path = self.sys / 'bus/pci/devices' / str(address) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode('latin-1'))

    def chip(self, number, address, **values):
        path = self.sys / 'devices/pci0000:3a' / str(address) / 'dfl-fme.0'
        path = path / f'hwmon/hwmon{number}'
        path.mkdir(parents=True)
        for name, value in values.items():
            (path / name).write_text(f'{value}\n')
        link = self.sys / f'class/hwmon/hwmon{number}'
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(path, link.parent))

    def read(self, *functions):
        return pci_health.read(self.fs, functions or (CARD,))

    def test_a_card_that_shows_nothing_has_no_problem(self):
        self.assertEqual(pci_health.Readings(), self.read())
        gone = model.PciAddress.parse('0000:99:00.0')
        self.assertEqual(pci_health.Readings(), self.read(gone))

    def test_the_kernels_counters_are_those_of_all_functions(self):
        for address, count in ((CARD, 3), (SECOND, 4), (OTHER, 100)):
            for name, total in (
                ('correctable', 'COR'),
                ('nonfatal', 'NONFATAL'),
                ('fatal', 'FATAL'),
            ):
                text = f'RxErr 1\nBadTLP 2\nTOTAL_ERR_{total} {count}\n'
                self.attribute(address, f'aer_dev_{name}', text)
        self.assertEqual(
            {'correctable': 7, 'nonfatal': 7, 'fatal': 7},
            self.read(CARD, SECOND).counters,
        )

    def test_counters_that_are_not_understood_are_not_there(self):
        for text in ('', 'TOTAL_ERR_COR many\n', 'RxErr 1\n'):
            self.attribute(CARD, 'aer_dev_correctable', text)
            self.assertEqual(pci_health.Readings(), self.read(), text)

    def test_a_driver_may_have_units_of_its_own_beside_each_value(self):
        self.chip(0, CARD, name='hwmon_sdm', temp1_input=45, temp1_unitm=0,
                  temp1_upper_critical=105, power1_input=743,
                  power1_unitm=-1, temp2_input=3, temp2_unitm='?',
                  temp3_input=1, temp3_unitm=4000)  # fmt: skip
        self.assertEqual(
            [('power', 74.3, None), ('temperature', 45, 105),
             ('temperature', 0.003, None), ('temperature', 1e9, None)],
            [(s.kind, s.value, s.critical) for s in self.read().sensors],
        )  # fmt: skip

    def test_what_a_card_throttles_for_is_no_sensor(self):
        self.chip(0, CARD, name='x', temp15_label='CS_TARGET_TEMP',
                  temp15_input=100000, power2_label='CS_TARGET_POWER',
                  power2_input=225000000)  # fmt: skip
        self.assertEqual((), self.read().sensors)

    def test_sensors_are_found_wherever_below_the_function_they_are(self):
        self.chip(0, CARD, name='dfl_fme_thermal', temp1_input=41500,
                  temp1_crit=100000, temp1_max=90000)  # fmt: skip
        self.chip(1, CARD, name='bmc', power1_input=44522000,
                  power1_label='Board Power', power1_crit_alarm=1,
                  temp1_input='', curr1_input=5)  # fmt: skip
        self.chip(2, OTHER, name='other', temp1_input=1)
        self.assertEqual(
            (
                pci_health.Sensor(
                    name='dfl_fme_thermal',
                    kind='temperature',
                    value=41.5,
                    critical=100,
                ),
                pci_health.Sensor(
                    name='Board Power', kind='power', value=44.522, alarm=True
                ),
            ),
            self.read().sensors,
        )

    def test_what_is_unknown_is_no_problem(self):
        self.chip(0, CARD, name='x', temp1_input=1)
        for number in (errno.ENOENT, errno.EBUSY, errno.EINVAL, errno.EACCES):
            self.fs.failing = dict.fromkeys(
                ('config', 'aer_dev_fatal', 'temp1_input', 'name'), number
            )
            self.assertEqual(pci_health.Readings(), self.read())

    def test_an_error_of_the_hardware_is_a_problem(self):
        self.chip(0, CARD, name='x', temp1_input=1)
        self.fs.failing = {'temp1_input': errno.EIO, 'config': errno.EIO}
        self.assertEqual(
            (
                f'config of {CARD} cannot be read: Input/output error',
                'temp1_input cannot be read: Input/output error',
            ),
            self.read().problems,
        )

    def test_a_card_that_does_not_answer_is_a_problem(self):
        self.attribute(CARD, 'config', '\xff' * 64)
        self.assertEqual(
            (f'{CARD} does not answer on its bus',), self.read().problems
        )

    def test_virtual_functions_are_not_asked(self):
        card = model.DeviceReport(
            driver='x',
            pci_address=CARD,
            vendor='x',
            family='X',
            vendor_id='8086',
            product_id='09c4',
            deployables=(
                model.DeployableReport(name='a', handles=(SECOND,)),
                model.DeployableReport(
                    name='b',
                    handles=(OTHER,),
                    handle_kind=model.HandleKind.VF,
                ),
            ),
        )
        self.assertEqual([CARD, SECOND], pci_health.physical(card))
