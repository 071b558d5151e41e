"""The contract of drivers/base.py, held by intel_dfl on simulated cards."""

import errno
import pathlib
import shutil
import struct
import threading
import time

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.bitstream import formats
from cyborg_fpga.bitstream import gbs
from cyborg_fpga.drivers import intel_dfl
from cyborg_fpga.drivers import pci_health
from cyborg_fpga.simulator import payload
from cyborg_fpga.simulator import samples
from tests.fixtures import bitstreams
from tests.fixtures import simulated_host

PF = model.PciAddress.parse('0000:3b:00.0')
PORT = '0000:3b:00.0/port0'
VF_CARD = model.PciAddress.parse('0000:86:00.0')
VF_PORT = '0000:86:00.0/port0'
A10 = '69528db6eb31577a8c3668f9faa081f6'
D5005 = '9346116da52d5ca8b06aa9a389ef7c8d'
FUNCTION = 'd8424dc4a4a3c413f89e433683f9040b'
OTHER = 'f7df405cbd7acf7222f144b0b93acd18'


class DriverTest(base.BaseTestCase):
    scenario = simulated_host.QUICK

    def setUp(self):
        super().setUp()
        self.host = self.useFixture(
            simulated_host.SimulatedHost(self.scenario)
        )
        self.simulator = self.host.simulator
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        self.sys = self.host.directory / 'sys/bus/pci/devices'

    def image(self, region=A10, function=FUNCTION, **kwargs):
        path = self.host.directory / f'{region}-{function}'
        path.write_bytes(samples.sample_gbs(region, function, **kwargs))
        return path

    def report(self, address=PF):
        (found,) = [
            r for r in self.driver.discover() if r.pci_address == address
        ]
        return found

    def deployable(self, address=PF):
        (found,) = self.report(address).deployables
        return found

    def fails(self, cause, words, call, *args):
        exc = self.assertRaises(errors.DeviceFailed, call, *args)
        self.assertEqual(cause, exc.kwargs['cause'], exc)
        self.assertIn(words, exc.kwargs['detail'])
        return exc


class TestDiscover(DriverTest):
    def test_cards_are_reported_in_order_of_their_addresses(self):
        self.assertEqual(
            ['0000:3b:00.0', '0000:5e:00.0', '0000:86:00.0'],
            [str(r.pci_address) for r in self.driver.discover()],
        )

    def test_a_card_without_vfs_hands_out_its_pf(self):
        found = self.deployable()
        self.assertEqual(PORT, found.name)
        self.assertEqual((PF,), found.handles)
        self.assertEqual(model.HandleKind.PF, found.handle_kind)
        self.assertEqual(A10, found.region_id)
        self.assertIsNone(found.function_id)
        self.assertTrue(found.readable)

    def test_vfs_that_share_a_region_are_handles_of_one_deployable(self):
        found = self.deployable(VF_CARD)
        self.assertEqual(VF_PORT, found.name)
        self.assertEqual(model.HandleKind.VF, found.handle_kind)
        self.assertEqual(
            [f'0000:86:10.{n}' for n in (0, 2, 4, 6)],
            [str(handle) for handle in found.handles],
        )
        self.assertTrue(found.readable)

    def test_a_card_says_what_it_is(self):
        found = self.report()
        self.assertEqual(
            ('intel_dfl', 'intel', 'PAC_A10', '8086', '09c4'),
            (
                found.driver,
                found.vendor,
                found.family,
                found.vendor_id,
                found.product_id,
            ),
        )
        self.assertEqual(0, found.numa_node)
        self.assertIsNone(found.serial)
        self.assertIsNone(self.report(VF_CARD).numa_node)
        self.assertEqual('00a1b2c3d4e5f607', self.report(VF_CARD).serial)

    def test_two_scans_say_the_same(self):
        self.assertEqual(self.driver.discover(), self.driver.discover())

    def test_what_is_loaded_is_reported(self):
        self.driver.program(PF, PORT, self.image())
        self.assertEqual(FUNCTION, self.deployable().function_id)

    def test_an_unreadable_function_is_a_state_of_one_attribute(self):
        for name in ('EBUSY', 'ENOENT', 'EINVAL', 'ENODEV', 'EIO'):
            self.simulator.fault(str(PF), 'unreadable', errno=name)
            found = self.deployable()
            self.assertFalse(found.readable)
            self.assertIsNone(found.function_id)
            self.assertEqual(A10, found.region_id)

    def test_any_attribute_may_be_missing_without_ending_the_scan(self):
        pf = (self.sys / str(PF)).resolve()
        attributes = [
            path
            for path in sorted(pf.rglob('*'))
            if path.is_file() and not path.is_symlink()
        ]
        self.assertGreater(len(attributes), 30)
        for path in attributes:
            kept = path.read_bytes()
            path.unlink()
            found = [str(r.pci_address) for r in self.driver.discover()]
            self.assertIn('0000:5e:00.0', found, path)
            self.assertIn('0000:86:00.0', found, path)
            path.write_bytes(kept)

    def test_any_attribute_may_be_garbage_without_ending_the_scan(self):
        pf = (self.sys / str(PF)).resolve()
        for path in sorted(pf.rglob('*')):
            if path.is_file() and not path.is_symlink():
                kept = path.read_bytes()
                path.write_bytes(b'\xff?\n')
                self.assertIn(
                    '0000:5e:00.0',
                    [str(r.pci_address) for r in self.driver.discover()],
                )
                path.write_bytes(kept)

    def test_a_function_that_is_no_id_is_an_error_of_the_card(self):
        (path,) = (self.sys / str(PF)).glob('fpga_region/*/dfl-port.*/afu_id')
        path.write_text('ffff\n')
        self.assertFalse(self.deployable().readable)
        self.fails(
            model.Cause.DEVICE_ERROR,
            'not an AFU id',
            self.driver.identify,
            PF,
            PORT,
        )

    def test_a_region_of_all_ones_is_blank(self):
        (path,) = (self.sys / str(PF)).glob('fpga_region/*/dfl-port.*/afu_id')
        path.write_text('f' * 32 + '\n')
        self.assertTrue(self.deployable().readable)
        self.assertIsNone(self.deployable().function_id)

    def test_a_vanished_card_is_left_out(self):
        self.simulator.fault(str(PF), 'vanish')
        self.assertNotIn(PF, [r.pci_address for r in self.driver.discover()])
        self.simulator.clear(str(PF))
        self.assertIn(PF, [r.pci_address for r in self.driver.discover()])

    def test_a_serial_number_in_a_ring_of_capabilities_ends(self):
        config = bytearray(4096)
        config[0x100:0x104] = (0x0001 | 0x100 << 20).to_bytes(4, 'little')
        (self.sys / str(PF) / 'config').write_bytes(config)
        self.assertIsNone(self.report().serial)

    def test_error_registers_that_are_set_are_problems(self):
        card = self.report()
        self.assertEqual((), self.driver.readings(card).problems)
        self.simulator.fault(str(PF), 'errors', value=4)
        self.assertEqual(
            ('fme_errors: 0x4',), self.driver.readings(card).problems
        )

    def test_a_card_that_goes_after_it_was_found_has_no_readings(self):
        card = self.report()
        self.simulator.fault(str(PF), 'vanish')
        self.assertEqual(pci_health.Readings(), self.driver.readings(card))

    def test_a_card_with_unknown_ids_is_a_family_of_its_own(self):
        (self.sys / str(PF) / 'device').write_text('0x1234\n')
        self.assertEqual('DFL_1234', self.report().family)
        (self.sys / str(PF) / 'vendor').write_text('0x1234\n')
        self.assertEqual(2, len(self.driver.discover()))

    def test_clearing_is_offered_where_a_blank_image_is_configured(self):
        self.assertEqual(
            (model.WipeLevel.RESET,), self.deployable().wipe_levels
        )
        self.driver.blank_images = {A10: pathlib.Path('/blank')}
        self.assertEqual(
            (
                model.WipeLevel.RESET,
                model.WipeLevel.CLEAR,
                model.WipeLevel.BLANK,
            ),
            self.deployable().wipe_levels,
        )
        self.assertEqual(
            (model.WipeLevel.RESET,), self.deployable(VF_CARD).wipe_levels
        )

    def test_a_card_that_is_in_a_guest_as_a_whole_is_still_there(self):
        self.simulator.fault(str(PF), 'guest')
        found = self.report()
        self.assertEqual('PAC_A10', found.family)
        self.assertEqual(0, found.numa_node)
        (region,) = found.deployables
        self.assertEqual((PORT, (PF,)), (region.name, region.handles))
        self.assertEqual({'physical_functions': str(PF)}, found.attributes)
        self.assertFalse(region.readable)
        self.assertIsNone(region.region_id)
        self.fails(
            model.Cause.DEVICE_BUSY, 'vfio-pci', self.driver.identify, PF, PORT
        )
        self.simulator.clear(str(PF))
        self.assertEqual(A10, self.deployable().region_id)

    def bind(self, action, function=PF):
        self.host.fs.write(f'bus/pci/drivers/dfl-pci/{action}', str(function))

    def test_a_card_that_no_driver_was_ever_bound_to_is_there_and_ill(self):
        well = self.report()
        self.bind('unbind')
        self.driver = intel_dfl.IntelDFLDriver(self.host.fs)
        card = self.report()
        self.assertEqual(
            (model.Health.SUSPECT, f'driver not bound to {PF}'),
            (card.health, card.health_reason),
        )
        self.assertEqual(
            (well.vendor, well.family, well.product_id),
            (card.vendor, card.family, card.product_id),
        )
        # There is nothing of it that could be claimed.
        self.assertEqual((), card.deployables)
        self.bind('bind')
        self.assertEqual(well, self.report())

    def test_a_card_that_another_driver_has_says_which(self):
        self.bind('unbind')
        other = self.host.directory / 'sys/bus/pci/drivers/uio_pci_generic'
        other.mkdir()
        (self.sys / str(PF) / 'driver').symlink_to(other)
        card = self.report()
        self.assertIn('driver uio_pci_generic has it', card.health_reason)
        self.assertEqual((), card.deployables)

    def test_only_what_is_listed_is_taken_for_a_card(self):
        before = self.driver.discover()
        unbound = (('0000:01:00.0', '0x8086', '0x1572'),
                   ('0000:02:00.0', '0x10ee', '0x09c4'))  # fmt: skip
        for address, vendor, device in unbound:
            (self.sys / address).mkdir()
            (self.sys / address / 'vendor').write_text(f'{vendor}\n')
            (self.sys / address / 'device').write_text(f'{device}\n')
        self.assertEqual(before, self.driver.discover())

    def test_a_vf_without_a_driver_is_no_card(self):
        before = {r.pci_address for r in self.driver.discover()}
        for vf in self.deployable(VF_CARD).handles:
            self.bind('unbind', vf)
        self.assertEqual(
            before, {r.pci_address for r in self.driver.discover()}
        )

    def test_a_vf_that_a_guest_has_stays_a_handle(self):
        for vf in self.deployable(VF_CARD).handles:
            shutil.rmtree((self.sys / str(vf) / 'fpga_region').resolve())
        found = self.deployable(VF_CARD)
        self.assertEqual(4, len(found.handles))
        self.assertFalse(found.readable)


class TestManyPorts(DriverTest):
    scenario = """
    cards:
      - {address: '0000:3b:00.0', ports: 2, program_fixed: 0}
      - {address: '0000:5e:00.0', ports: 2, vfs: 2, program_fixed: 0,
         vf_stride: 1, family: PAC_D5005}
    """

    def test_the_pf_is_a_handle_once(self):
        self.assertEqual((PF,), self.deployable().handles)

    def test_each_released_port_is_a_deployable_with_its_vf(self):
        card = model.PciAddress.parse('0000:5e:00.0')
        self.assertEqual(
            {
                '0000:5e:00.0/port0': ['0000:5e:10.0'],
                '0000:5e:00.0/port1': ['0000:5e:10.1'],
            },
            {
                d.name: [str(h) for h in d.handles]
                for d in self.report(card).deployables
            },
        )

    def test_programming_one_port_leaves_the_other_alone(self):
        card = model.PciAddress.parse('0000:5e:00.0')
        name = '0000:5e:00.0/port'
        self.driver.program(card, f'{name}1', self.image(D5005))
        self.assertIsNone(self.driver.identify(card, f'{name}0'))
        self.assertEqual(FUNCTION, self.driver.identify(card, f'{name}1'))


class TestManyCards(DriverTest):
    scenario = """
    cards:
      - {address: '0000:3b:00.0', ports: 4, vfs: 4}
      - {address: '0000:5e:00.0', ports: 4, vfs: 4}
      - {address: '0000:86:00.0', ports: 4, vfs: 4}
    """

    def test_regions_are_in_the_order_of_their_numbers(self):
        # .8 .9 .10 .11: the third port's is not the one that sorts third.
        (path,) = (self.sys / str(VF_CARD)).glob(
            'fpga_region/*/dfl-fme.*/dfl-fme-region.10/*/*/compat_id'
        )
        path.write_text(D5005 + '\n')
        self.assertEqual(
            [A10, A10, D5005, A10],
            [d.region_id for d in self.report(VF_CARD).deployables],
        )


class TestProgram(DriverTest):
    def test_the_function_is_read_back_from_the_card(self):
        self.assertIsNone(self.driver.identify(PF, PORT))
        image = self.image()
        self.driver.program(PF, PORT, image)
        self.assertEqual(
            self.driver.expected_function(image),
            self.driver.identify(PF, PORT),
        )

    def test_repeating_it_is_harmless(self):
        self.driver.program(PF, PORT, self.image())
        self.driver.program(PF, PORT, self.image())
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))

    def test_a_region_that_vfs_share_is_programmed_through_the_pf(self):
        self.driver.program(VF_CARD, VF_PORT, self.image(D5005))
        self.assertEqual(FUNCTION, self.driver.identify(VF_CARD, VF_PORT))

    def test_the_other_card_is_left_alone(self):
        self.driver.program(PF, PORT, self.image())
        loads = [c['ports'][0]['loads'] for c in self.simulator.cards()]
        self.assertEqual([1, 0, 0], loads)

    def test_an_image_for_another_region_does_not_touch_the_card(self):
        exc = self.assertRaises(
            errors.DoesNotFit,
            self.driver.program,
            PF,
            PORT,
            self.image(D5005),
        )
        self.assertIn(D5005, str(exc))
        self.assertIn(A10, str(exc))
        self.assertEqual(0, self.simulator.cards()[0]['ports'][0]['loads'])

    def test_a_file_that_is_none_does_not_touch_the_card(self):
        image = self.image()
        image.write_bytes(b'#!/bin/sh')
        self.assertRaises(
            errors.BadBitstream, self.driver.program, PF, PORT, image
        )
        self.assertEqual(0, self.simulator.cards()[0]['ports'][0]['loads'])

    def file(self, data):
        path = self.host.directory / 'file'
        path.write_bytes(data)
        return path

    def raw(self):
        data = self.image().read_bytes()
        return data[formats.parse(data).payload_offset :]

    def test_a_file_of_another_format_is_named_for_what_it_is(self):
        for name, words in (
            ('xclbin', 'it is an xclbin for Alveo cards, not an Intel'),
            ('bit', 'it is a Xilinx .bit file, not an Intel'),
            ('ice40', 'it is an iCE40 bitstream, not an Intel'),
            ('ecp5', 'it is an ECP5 bitstream, not an Intel'),
        ):
            image = self.file(bitstreams.GOOD[name]())
            for act, args in (
                (self.driver.program, (PF, PORT)),
                (self.driver.expected_function, ()),
            ):
                exc = self.assertRaises(errors.BadBitstream, act, *args, image)
                self.assertIn(words, exc.message)
        self.assertEqual(0, self.simulator.cards()[0]['ports'][0]['loads'])

    def test_a_signed_image_goes_to_the_card_with_its_blocks(self):
        image = self.file(gbs.build(A10, FUNCTION, self.raw(), signed=True))
        self.driver.program(PF, PORT, image)
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))

    def test_a_file_that_is_signed_as_a_whole_is_loaded_too(self):
        # So long that nothing is needed to fill it up.
        for size in range(128):
            raw = payload.build(A10, FUNCTION, bytes(size))
            whole = gbs.build(A10, FUNCTION, raw)
            if len(whole) % 128 == 0:
                break
        self.driver.program(PF, PORT, self.file(bitstreams.blocks(whole)))
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))

    def test_a_signed_image_that_was_changed_does_not_touch_the_card(self):
        data = gbs.build(A10, FUNCTION, self.raw(), signed=True)
        image = self.file(data[:-1] + b'x')
        exc = self.assertRaises(
            errors.BadBitstream, self.driver.program, PF, PORT, image
        )
        self.assertIn('match the hash', exc.message)
        self.assertEqual(0, self.simulator.cards()[0]['ports'][0]['loads'])

    def test_the_oldest_header_is_loaded_as_the_function_it_is_told(self):
        image = self.file(gbs.build_legacy(A10, self.raw()))
        self.driver.program(PF, PORT, image)
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))
        self.assertEqual(
            FUNCTION, self.driver.expected_function(image, told=FUNCTION)
        )
        exc = self.assertRaises(
            errors.BadBitstream, self.driver.expected_function, image
        )
        self.assertIn('names its function', exc.message)

    def test_a_files_own_word_goes_before_what_is_told(self):
        self.assertEqual(
            FUNCTION,
            self.driver.expected_function(self.image(), told=OTHER),
        )

    def test_a_damaged_image_fails_with_the_kernels_words(self):
        image = self.image()
        data = bytearray(image.read_bytes())
        data[-1] ^= 1
        image.write_bytes(data)
        self.fails(
            model.Cause.DEVICE_ERROR,
            'write complete error: reconfig CRC error',
            self.driver.program,
            PF,
            PORT,
            image,
        )
        # The old function is gone, and this does not pass by itself.
        self.fails(
            model.Cause.DEVICE_ERROR, 'reset', self.driver.identify, PF, PORT
        )

    def test_a_header_that_lies_about_its_image_is_found_by_the_card(self):
        raw = self.image(D5005).read_bytes()
        raw = raw.replace(
            b'9346116d-a52d-5ca8-b06a-a9a389ef7c8d',
            b'69528db6-eb31-577a-8c36-68f9faa081f6',
        )
        image = self.image()
        image.write_bytes(raw)
        self.fails(
            model.Cause.DEVICE_ERROR,
            'reconfig incompatible image',
            self.driver.program,
            PF,
            PORT,
            image,
        )

    def test_the_card_recovers_with_the_next_good_image(self):
        self.simulator.fault(str(PF), 'fail', percent=30, times=1)
        self.fails(
            model.Cause.DEVICE_ERROR,
            'write error',
            self.driver.program,
            PF,
            PORT,
            self.image(),
        )
        self.driver.program(PF, PORT, self.image())
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))

    def test_a_card_that_lies_is_found_out_by_reading_back(self):
        self.simulator.fault(str(PF), 'lie', function_id=OTHER)
        self.driver.program(PF, PORT, self.image())
        self.assertEqual(OTHER, self.driver.identify(PF, PORT))

    def test_a_port_in_reset_is_busy(self):
        self.simulator.fault(str(PF), 'hang')
        thread = threading.Thread(
            target=self.driver.program, args=(PF, PORT, self.image())
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.simulator.clear, str(PF))
        end = time.monotonic() + 10
        while self.simulator.cards()[0]['ports'][0]['loading'] is None:
            self.assertLess(time.monotonic(), end)
        self.fails(
            model.Cause.DEVICE_BUSY, 'busy', self.driver.identify, PF, PORT
        )
        self.assertFalse(self.deployable().readable)

    def test_a_card_that_is_gone_is_named_so(self):
        self.simulator.fault(str(PF), 'vanish')
        image = self.image()
        for call in (
            lambda: self.driver.program(PF, PORT, image),
            lambda: self.driver.identify(PF, PORT),
            lambda: self.driver.wipe(PF, PORT, model.WipeLevel.RESET),
        ):
            self.fails(model.Cause.DEVICE_GONE, 'gone', call)

    def test_a_region_that_a_card_does_not_have_is_named_so(self):
        for name in ('0000:3b:00.0/port1', '0000:5e:00.0/port0', 'x', ''):
            self.fails(
                model.Cause.DEVICE_GONE,
                'no such region',
                self.driver.identify,
                PF,
                name,
            )

    def test_a_region_without_an_id_is_not_programmed(self):
        (path,) = self.sys.glob(
            f'{PF}/fpga_region/*/*/*/fpga_region/*/compat_id'
        )
        path.unlink()
        self.fails(
            model.Cause.DEVICE_GONE,
            'region id',
            self.driver.program,
            PF,
            PORT,
            self.image(),
        )

    def test_an_errno_becomes_a_cause(self):
        class Refusing(type(self.host.fs)):
            def _call(self, node, request, arg):
                raise OSError(self.number, 'words')

        fs = Refusing(self.host.directory)
        driver = intel_dfl.IntelDFLDriver(fs)
        for fs.number, cause in (
            (errno.EBUSY, model.Cause.DEVICE_BUSY),
            (errno.ETIMEDOUT, model.Cause.TIMEOUT),
            (errno.ENODEV, model.Cause.DEVICE_GONE),
            (errno.EINVAL, model.Cause.DEVICE_ERROR),
            (errno.EPERM, model.Cause.DEVICE_ERROR),
        ):
            self.fails(cause, 'words', driver.program, PF, PORT, self.image())


class TestWipe(DriverTest):
    def setUp(self):
        super().setUp()
        self.driver.blank_images = self.host.blank_images()

    def test_a_reset_removes_all_data_and_keeps_the_function(self):
        self.driver.program(PF, PORT, self.image())
        self.simulator.write_memory(str(PF), 0, b'x' * 65536)
        level = model.WipeLevel.RESET
        self.driver.wipe(PF, PORT, level, image=self.image())
        self.assertEqual(
            bytes(65536), self.simulator.read_memory(str(PF), 0, 65536)
        )
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))
        self.assertEqual(2, self.simulator.cards()[0]['ports'][0]['loads'])

    def test_without_its_file_a_function_is_not_said_to_be_reset(self):
        self.driver.program(PF, PORT, self.image())
        self._wipe_fails(model.Cause.IMAGE_UNAVAILABLE, model.WipeLevel.RESET)

    def test_memory_is_overwritten_after_the_logic_that_could_write_it(self):
        steps = []

        class Watched(type(self.host.fs)):
            def write(self, path, text):
                steps.append(path.rpartition('/')[2])
                super().write(path, text)

            def ioctl(self, *args, **kwargs):
                steps.append('load')
                return super().ioctl(*args, **kwargs)

        driver = intel_dfl.IntelDFLDriver(Watched(self.host.directory))
        level = model.WipeLevel.RESET
        driver.wipe(PF, PORT, level, image=self.image())
        self.assertEqual(['load', 'inf0_clear', 'inf1_clear'], steps)

    def test_memory_that_cannot_be_overwritten_takes_a_blank_image(self):
        self.driver.program(PF, PORT, self.image())
        (path, *_) = self.sys.resolve().glob(f'{PF}/*/*/*/dfl_dev.*')
        (path / 'inf1_clear').unlink()
        level = model.WipeLevel.RESET
        self.driver.wipe(PF, PORT, level, image=self.image())
        # Its own, the blank one, its own again.
        self.assertEqual(3, self.simulator.cards()[0]['ports'][0]['loads'])
        self.assertEqual(FUNCTION, self.driver.identify(PF, PORT))
        self.driver.blank_images = {}
        self.assertEqual((), self.deployable().wipe_levels)
        self._wipe_fails(model.Cause.IMAGE_UNAVAILABLE, level)

    def test_a_file_that_went_bad_is_the_cards_failure_once_it_is_wiped(self):
        self.driver.program(PF, PORT, self.image())
        bad = self.image(D5005)
        self.fails(
            model.Cause.IMAGE_CORRUPT,
            '',
            lambda: self.driver.wipe(
                PF, PORT, model.WipeLevel.RESET, image=bad
            ),
        )

    def test_every_vf_of_the_region_is_reset(self):
        handles = self.deployable(VF_CARD).handles
        for handle in handles:
            self.simulator.write_memory(str(handle), 0, b'secret')
        self.driver.wipe(VF_CARD, VF_PORT, model.WipeLevel.RESET)
        for handle in handles:
            self.assertEqual(
                bytes(6), self.simulator.read_memory(str(handle), 0, 6)
            )

    def test_clearing_removes_the_function_too(self):
        for address, name, region in (
            (PF, PORT, A10),
            (VF_CARD, VF_PORT, D5005),
        ):
            for level in (model.WipeLevel.CLEAR, model.WipeLevel.BLANK):
                self.driver.program(address, name, self.image(region))
                guest = str(self.deployable(address).handles[-1])
                self.simulator.write_memory(guest, 0, b'secret')
                self.driver.wipe(address, name, level)
                self.assertIsNone(self.driver.identify(address, name))
                self.assertEqual(
                    bytes(6), self.simulator.read_memory(guest, 0, 6)
                )

    def test_a_blank_image_is_expected_to_show_no_function(self):
        image = self.driver.blank_images[A10]
        self.assertIsNone(self.driver.expected_function(image))

    def test_level_none_touches_nothing(self):
        self.simulator.write_memory(str(PF), 0, b'secret')
        self.driver.wipe(PF, PORT, model.WipeLevel.NONE)
        self.assertEqual(b'secret', self.simulator.read_memory(str(PF), 0, 6))

    def test_a_reset_that_fails_is_told(self):
        self.simulator.fault(str(PF), 'wipe')
        self._wipe_fails(model.Cause.DEVICE_ERROR, model.WipeLevel.RESET)

    def test_a_vf_that_is_not_with_this_host_cannot_be_reset(self):
        for vf in self.deployable(VF_CARD).handles:
            shutil.rmtree((self.sys / str(vf) / 'fpga_region').resolve())
        self.fails(
            model.Cause.DEVICE_BUSY,
            'guest',
            self.driver.wipe,
            VF_CARD,
            VF_PORT,
            model.WipeLevel.RESET,
        )

    def test_clearing_without_a_blank_image_is_told(self):
        self.driver.blank_images = {}
        self._wipe_fails(model.Cause.IMAGE_UNAVAILABLE, model.WipeLevel.CLEAR)

    def test_a_blank_image_that_is_none_is_told(self):
        self.driver.blank_images = {A10: pathlib.Path('/dev/null')}
        self._wipe_fails(model.Cause.IMAGE_CORRUPT, model.WipeLevel.CLEAR)

    def test_a_card_that_is_not_blank_afterwards_is_told(self):
        self.simulator.fault(str(PF), 'lie')
        self._wipe_fails(model.Cause.READBACK_MISMATCH, model.WipeLevel.CLEAR)

    def _wipe_fails(self, cause, level):
        self.fails(cause, '', self.driver.wipe, PF, PORT, level)


class TestStructure(DriverTest):
    """The simulated card decodes by itself: one wrong byte must show."""

    def test_each_byte_of_the_request_counts(self):
        image = self.image()

        class Flipping(type(self.host.fs)):
            def _call(self, node, request, arg):
                changed = bytearray(arg)
                changed[self.where] ^= 0x55
                super()._call(node, request, bytes(changed))

        fs = Flipping(self.host.directory)
        driver = intel_dfl.IntelDFLDriver(fs)
        for fs.where in range(24):
            self.assertRaises(
                errors.DeviceFailed, driver.program, PF, PORT, image
            )

    def test_the_header_is_not_sent_to_the_card(self):
        class Whole(type(self.host.fs)):
            def ioctl(self, node, request, arg, *, image, offset):
                size = struct.pack('<I', image.stat().st_size)
                arg = arg[:12] + size + arg[16:]
                super().ioctl(node, request, arg, image=image, offset=0)

        driver = intel_dfl.IntelDFLDriver(Whole(self.host.directory))
        self.fails(
            model.Cause.DEVICE_ERROR,
            'protocol',
            driver.program,
            PF,
            PORT,
            self.image(),
        )

    def test_another_request_number_is_refused(self):
        for number in (0xB681, 0xB580, 0x4008B648, 0):
            exc = self.assertRaises(
                OSError, self.host.fs.ioctl, 'dfl-fme.0', number, bytes(24)
            )
            self.assertEqual(errno.EINVAL, exc.errno)

    def test_a_reset_refuses_a_pointer_as_the_kernel_does(self):
        exc = self.assertRaises(
            OSError, self.host.fs.ioctl, 'dfl-port.0', 0xB640, bytes(4)
        )
        self.assertEqual(errno.EINVAL, exc.errno)
