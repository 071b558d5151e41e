"""A simulated card that is not well, as the driver and the agent see it."""

import errno

from oslotest import base

from cyborg_fpga import model
from cyborg_fpga.agent import health
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import xilinx_xrt
from tests.fixtures import simulated_host
from tests.unit import test_conf

CARD = '0000:3b:00.0'
OLD = "cards: [{address: '0000:3b:00.0', old_names: true}]"
FME = f'bus/pci/devices/{CARD}/fpga/intel-fpga-dev.*/intel-fpga-fme.*'
#: A card of each kind.
ALL = """
cards:
  - {address: '0000:3b:00.0'}
  - {address: '0000:4b:00.0', old_names: true}
  - {address: '0000:5b:00.0', family: U250}
  - {address: '0000:6b:00.0', family: F2}
  - {address: '0000:7b:00.0', family: SRIOV}
  - {address: 'ffffffff:ff:00.0', family: ZYNQ7000}
"""
DFL = ('0000:3b:00.0', '0000:4b:00.0')
#: Fault -> the cards that have something to show it.
SHOWING = {
    'hot': (*DFL, '0000:5b:00.0'),
    'thirsty': (*DFL, '0000:5b:00.0'),
    'porterrors': DFL,
    'errors': (*DFL, '0000:5b:00.0'),
    'aer': (*DFL, '0000:5b:00.0', '0000:6b:00.0', '0000:7b:00.0'),
}


class TestSensors(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.host = self.useFixture(simulated_host.SimulatedHost())
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        self.conf = test_conf.configuration()
        self.conf.set_override('recover_after', 1, 'devices')
        self.judge = health.Judge(self.host.fs, self.conf.devices, 0)

    def health(self, address=CARD):
        cards = self.judge.judge(self.driver, self.driver.discover(), ())
        (found,) = [c for c in cards if str(c.pci_address) == address]
        return found.health, found.health_reason

    def test_a_card_has_sensors_and_counters_and_is_well(self):
        (card, *_) = self.driver.discover()
        readings = self.driver.readings(card)
        self.assertEqual(
            [('temperature', 41.5), ('power', 22.0)],
            [(sensor.kind, sensor.value) for sensor in readings.sensors],
        )
        self.assertEqual(
            {'correctable': 0, 'nonfatal': 0, 'fatal': 0}, readings.counters
        )
        self.assertEqual((model.Health.OK, ''), self.health())

    def test_faults_make_it_ill_until_they_are_cleared(self):
        self.conf.set_override('power_limit', 200.0, 'devices')
        for kind, words in (
            ('hot', 'temperature dfl_fme_thermal is 95 °C or more'),
            ('thirsty', 'power dfl_fme_power is 200 W or more'),
            ('porterrors', 'errors of port 0: 0x1'),
            ('errors', 'fme_errors: 0x1'),
            ('aer', 'more than 100 correctable PCI Express errors from one '
             'look to the next'),
        ):  # fmt: skip
            self.assertEqual((model.Health.OK, ''), self.health(), kind)
            self.host.simulator.fault(CARD, kind)
            self.assertEqual((model.Health.SUSPECT, words), self.health())
            self.assertEqual(
                (model.Health.OK, ''), self.health('0000:5e:00.0'), kind
            )
            self.host.simulator.clear(CARD)

    def test_a_card_behind_the_old_driver_has_them_elsewhere(self):
        self.host = self.useFixture(simulated_host.SimulatedHost(OLD))
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        self.conf.set_override('temperature_limit', 90.0, 'devices')
        self.conf.set_override('power_limit', 200.0, 'devices')
        self.judge = health.Judge(self.host.fs, self.conf.devices, 0)
        (found,) = self.driver.discover()
        self.assertEqual(
            [('temperature', 42), ('power', 22)],
            [
                (sensor.kind, sensor.value)
                for sensor in self.driver.readings(found).sensors
            ],
        )
        for kind, words in (
            ('hot', 'temperature thermal_mgmt is 90 °C or more'),
            ('thirsty', 'power power_mgmt is 200 W or more'),
        ):
            self.assertEqual((model.Health.OK, ''), self.health(), kind)
            self.host.simulator.fault(CARD, kind)
            self.assertEqual((model.Health.SUSPECT, words), self.health())
            self.host.simulator.clear(CARD)
        (path,) = self.host.fs.glob(f'{FME}/power_mgmt/consumed')
        (self.host.directory / 'sys' / path).unlink()
        (sensor,) = self.driver.readings(found).sensors
        self.assertEqual('temperature', sensor.kind)

    def test_xrts_sensors_count_in_either_way_that_it_shows_them(self):
        self.conf.set_override('temperature_limit', 90.0, 'devices')
        self.conf.set_override('power_limit', 200.0, 'devices')
        for family, hot, thirsty in (
            ('U250', 'FPGA TEMP', 'POWER'),
            ('VCK5000', 'device', 'Total_Power'),
        ):
            text = f"cards: [{{address: '{CARD}', family: {family}}}]"
            self.host = self.useFixture(simulated_host.SimulatedHost(text))
            self.driver = xilinx_xrt.XilinxXRTDriver(self.host.fs)
            self.judge = health.Judge(self.host.fs, self.conf.devices, 0)
            (found,) = self.driver.discover()
            readings = self.driver.readings(found)
            values = {s.name: s.value for s in readings.sensors}
            self.assertEqual((42, 22), (values[hot], values[thirsty]))
            for kind, words in (
                ('hot', f'temperature {hot} is 90 °C or more'),
                ('thirsty', f'power {thirsty} is 200 W or more'),
            ):
                # What the card throttles for is not what it measures.
                self.assertEqual((model.Health.OK, ''), self.health(), kind)
                self.host.simulator.fault(CARD, kind)
                self.assertEqual((model.Health.SUSPECT, words), self.health())
                self.host.simulator.clear(CARD)
            self.conf.set_override('temperature_limit', 0, 'devices')
            self.host.simulator.fault(CARD, 'hot')
            own = family == 'VCK5000'
            self.assertIs(own, self.health()[0] is model.Health.SUSPECT)
            self.conf.set_override('temperature_limit', 90.0, 'devices')

    def test_a_fault_is_refused_where_nothing_would_show_it(self):
        host = self.useFixture(simulated_host.SimulatedHost(ALL))
        cards = {card['address'] for card in host.simulator.cards()}
        for kind, showing in SHOWING.items():
            for card in cards:
                before = self.attributes(host)
                if card in showing:
                    host.simulator.fault(card, kind)
                    self.assertNotEqual(before, self.attributes(host), kind)
                    host.simulator.clear(card)
                    continue
                exc = self.assertRaises(
                    OSError, host.simulator.fault, card, kind
                )
                self.assertEqual(errno.EINVAL, exc.errno)
                self.assertIn(f'can show {kind!r}', str(exc))
        self.assertEqual(
            [{}] * 6, [c['faults'] for c in host.simulator.cards()]
        )

    def attributes(self, host):
        root = host.directory / 'sys'
        return {p: p.read_bytes() for p in root.rglob('*') if p.is_file()}

    def test_counters_have_the_kernels_form(self):
        path = f'bus/pci/devices/{CARD}/aer_dev_correctable'
        self.host.simulator.fault(CARD, 'aer', correctable=7)
        lines = self.host.fs.read(path).split('\n')
        self.assertEqual(('RxErr 7', 'TOTAL_ERR_COR 7'), (lines[0], lines[-1]))

    def test_what_is_gone_leaves_no_sensor_behind(self):
        before = len(self.host.fs.listdir('class/hwmon'))
        self.host.simulator.fault(CARD, 'vanish')
        after = len(self.host.fs.listdir('class/hwmon'))
        self.assertEqual(before - 2, after)
