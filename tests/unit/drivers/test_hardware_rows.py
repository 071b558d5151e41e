"""Each way in which hardware was seen to fail, and the test that is for it.

What real kernels and tools do is known from notes made on them; every row of
those is here, so that none is forgotten. The rows that have no other place
have their tests below.
"""

import importlib
import struct

from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from tests.fixtures import simulated_host
from tests.unit.drivers import subjects

_UNIT = 'tests.unit.'
_DFL = 'drivers.test_dfl_error_rows.TestRows'
_KERNEL = f'{_DFL}.test_the_kernel_answers_as_it_was_seen_to'
_DRIVER = f'{_DFL}.test_the_driver_makes_of_it_what_it_means'
_FILES = 'simulator.test_view.TestFiles'
_BUS = 'simulator.test_bus'
_VFS = 'drivers.test_virtual_functions'
_XRT, _AWS, _MANAGER = (
    f'drivers.test_error_rows.{name}'
    for name in ('TestXrt', 'TestAws', 'TestManager')
)
_ATTRIBUTES = (
    'drivers.test_error_rows.TestPci.'
    'test_attributes_refuse_as_those_of_the_kernel'
)

#: (what happens, tests below tests.unit)
ROWS = (
    # Attributes of any kind.
    (
        'a read-only attribute is opened for writing: EACCES, at open',
        f'{_FILES}.test_an_attribute_that_is_only_read_is_not_opened_for_'
        'writing',
        _ATTRIBUTES,
    ),
    (
        'a write-only attribute is read: EACCES',
        f'{_FILES}.test_an_attribute_that_is_only_written_is_not_opened_to_'
        'read',
        _ATTRIBUTES,
    ),
    (
        'a file is made or removed: EACCES, EPERM',
        f'{_FILES}.test_nothing_can_be_made_or_removed',
    ),
    (
        'an attribute has 4096 bytes, whatever it shows',
        f'{_FILES}.test_sizes_and_modes_are_those_of_sysfs',
    ),
    ('a number is no number: EINVAL', _ATTRIBUTES),
    ('no driver_override is "(null)"', _ATTRIBUTES),
    (
        'reading one attribute fails, as a normal state',
        f'{_FILES}.test_an_error_of_an_attribute_comes_from_reading_it',
        'drivers.test_intel_dfl.TestDiscover.'
        'test_any_attribute_may_be_missing_without_ending_the_scan',
        'drivers.test_intel_dfl.TestDiscover.'
        'test_any_attribute_may_be_garbage_without_ending_the_scan',
    ),
    (
        'a device goes while its attribute is open: ENODEV',
        f'{_FILES}.test_what_was_open_when_its_card_vanished_has_no_device',
    ),
    # Virtual functions.
    (
        'more VFs than there can be: ERANGE; another number: EBUSY',
        f'{_BUS}.TestVirtualFunctions.test_numbers_are_taken_as_the_kernel_'
        'does',
        f'{_VFS}.TestPci.test_more_than_the_card_can_is_told',
        f'{_VFS}.TestDfl.test_another_number_goes_through_none',
    ),
    (
        'VFs of a PF without a driver: ENOENT',
        f'{_BUS}.TestVirtualFunctions.test_a_pf_without_a_driver_makes_none',
    ),
    (
        'a VF is not at the address after its PF',
        'simulator.test_tree.TestTree.test_vfs_and_their_pf_name_each_other',
    ),
    (
        'removing VFs waits for a guest, and takes the links first',
        f'{_BUS}.TestVirtualFunctions.test_removal_waits_for_the_guest_and_'
        'takes_the_links_first',
        f'{_VFS}.TestDfl.test_a_removal_that_waits_for_a_guest_is_left_behind',
        f'{_VFS}.TestPci.test_vfs_are_what_is_offered_until_their_removal_'
        'has_ended',
    ),
    (
        'VFs without as many released ports: EINVAL',
        f'{_BUS}.TestPorts.test_vfs_need_as_many_released_ports',
        _KERNEL,
    ),
    # DFL.
    ('the base region has no interface: ENOENT', _KERNEL),
    ('a port in reset shows no function: EBUSY', _KERNEL, _DRIVER),
    ('a manager is "unknown" until the first load', _KERNEL),
    ('a wrong interface, a damaged image: EIO and a status', _KERNEL, _DRIVER),
    (
        'each reason that a manager gives',
        'drivers.test_hardware_rows.TestStatus.'
        'test_what_a_manager_says_of_a_failure_is_told',
    ),
    (
        'each bit of the status that the driver of before gave',
        'drivers.test_hardware_rows.TestStatus.'
        'test_each_bit_of_the_old_status_has_its_words',
    ),
    ('a port that is not there, flags: EINVAL', _KERNEL),
    ('hardware that is silent: ETIMEDOUT', _KERNEL, _DRIVER),
    ('a region or manager in use: EBUSY', _KERNEL, _DRIVER),
    ('a port is released twice, or with its node open: EBUSY', _KERNEL),
    ('a released port is gone from sysfs', _KERNEL),
    ('a port is given back while its VF lives: accepted', _KERNEL),
    (
        'a region is loaded under a running guest: accepted',
        _KERNEL,
        'agent.test_users.UsersTest.'
        'test_a_region_that_a_guest_has_is_not_programmed',
    ),
    (
        'a port that comes back has no driver',
        _KERNEL,
        f'{_VFS}.TestDfl.test_ports_go_back_after_the_vfs_and_get_their_'
        'driver',
    ),
    (
        'a whole card that a guest has shows no region',
        'drivers.test_intel_dfl.TestDiscover.'
        'test_a_card_that_is_in_a_guest_as_a_whole_is_still_there',
    ),
    (
        'a card that no driver is bound to shows no region',
        'drivers.test_intel_dfl.TestDiscover.'
        'test_a_card_that_no_driver_was_ever_bound_to_is_there_and_ill',
    ),
    (
        'ports of a card with several PFs have no function at all',
        f'{_VFS}.TestOfs.test_vfs_do_not_take_the_port',
    ),
    # XRT.
    (
        'EINVAL for another shell or XRT, EOPNOTSUPP, EBUSY, EKEYREJECTED',
        f'{_XRT}.test_what_the_driver_refuses_leaves_the_old_function',
    ),
    (
        'a load that fails leaves no function',
        f'{_XRT}.test_a_load_that_fails_takes_the_old_function_with_it',
    ),
    (
        'what is loaded already is not loaded again',
        f'{_XRT}.test_what_is_loaded_already_is_not_loaded_again',
    ),
    (
        'attributes of a driver that is not ready: EINVAL',
        f'{_XRT}.test_a_function_that_nobody_has_ready_is_a_normal_state',
    ),
    (
        'a context is open',
        'drivers.test_xilinx_xrt.TestTools.'
        'test_a_card_that_programs_use_is_not_programmed',
    ),
    (
        'the newer tool has other words',
        f'{_XRT}.test_the_newer_tool_says_it_in_other_words',
    ),
    (
        'a report goes to a file that must not be there',
        'drivers.test_xilinx_xrt.TestStandIns.'
        'test_words_and_codes_are_those_of_the_real_ones',
    ),
    (
        'a reset that fails ends with 0',
        'drivers.test_error_rows.TestXrtWipe.'
        'test_a_reset_that_fails_ends_with_0_and_is_found_out',
    ),
    # AWS.
    (
        'each code of a refused load',
        f'{_AWS}.test_an_image_that_is_refused_leaves_the_old_one',
    ),
    (
        'each code of a failed load',
        f'{_AWS}.test_an_image_that_fails_leaves_a_slot_that_says_so',
    ),
    (
        'each status of a slot',
        f'{_AWS}.test_each_status_is_busy_empty_or_an_error',
    ),
    (
        'a function whose ids change with a load',
        'drivers.test_aws_f2.TestDiscover.'
        'test_a_card_stays_the_same_while_its_ids_change',
    ),
    # FPGA managers.
    (
        'each errno of a load',
        f'{_MANAGER}.test_what_the_kernel_answers_becomes_a_cause',
    ),
    (
        'each state of a manager',
        f'{_MANAGER}.test_each_state_is_busy_empty_or_an_error',
    ),
    (
        'a write that does not give the result',
        f'{_MANAGER}.test_a_write_whose_result_is_not_told_is_found_by_the_'
        'state',
    ),
    (
        'firmware is looked for below its directory only',
        'drivers.test_fpga_manager.TestKernel.'
        'test_a_name_is_looked_up_below_the_firmware_only',
    ),
    # Any function.
    (
        'a reset that the kernel refuses',
        'drivers.test_error_rows.TestPci.'
        'test_a_reset_that_the_kernel_refuses_becomes_a_cause',
    ),
    (
        'a bus that answers for a device that does not',
        'drivers.test_pci_health.TestRead.'
        'test_a_card_that_does_not_answer_is_a_problem',
    ),
)


class TestTable(base.BaseTestCase):
    def test_each_row_has_a_test(self):
        for row, *names in ROWS:
            self.assertTrue(names, row)
            for name in names:
                module, _, test = f'{_UNIT}{name}'.rpartition('.')
                module, _, case = module.rpartition('.')
                found = getattr(importlib.import_module(module), case, None)
                self.assertTrue(callable(getattr(found, test, None)), name)

    def test_no_row_is_there_twice(self):
        rows = [row for row, *_ in ROWS]
        self.assertEqual(len(rows), len(set(rows)))


class TestStatus(base.BaseTestCase):
    """What was wrong with an image, in the words of what refused it."""

    MANAGERS = (
        'reconfig operation error',
        'reconfig CRC error',
        'reconfig incompatible image',
        'reconfig IP protocol error',
        'reconfig fifo overflow error',
    )
    OLD = (*MANAGERS, 'timeout', 'secure load error')

    def of(self, name):
        """A card of a subject, and how its loads go wrong."""
        subject = subjects.SUBJECTS[name]
        host = self.useFixture(simulated_host.SimulatedHost(subject.scenario))
        image = host.directory / 'image'
        image.write_bytes(subject.image(subjects.FUNCTION))
        card = model.PciAddress.parse(subject.card)
        return host, subject, (card, subject.deployable, image)

    def told(self, subject, fs, words, load):
        program = subject.driver(fs).program
        exc = self.assertRaises(errors.DeviceFailed, program, *load)
        self.assertEqual(model.Cause.DEVICE_ERROR, exc.kwargs['cause'])
        self.assertIn(words, exc.kwargs['detail'])

    def test_what_a_manager_says_of_a_failure_is_told(self):
        host, subject, load = self.of('intel_dfl')
        (status,) = host.fs.glob(
            f'bus/pci/devices/{subject.card}/fpga_region/*/dfl-fme.*/'
            'dfl-fme-mgr.*/fpga_manager/fpga*/status'
        )

        class Refusing(type(host.fs)):
            said = ''

            def ioctl(self, *args, **kwargs):
                host.simulator.fault(subject.card, 'fail', times=1)
                try:
                    return super().ioctl(*args, **kwargs)
                finally:
                    path = host.directory / 'sys' / status
                    path.write_text(f'{self.said}\n')

        host.fs.__class__ = Refusing
        for words in (*self.MANAGERS, '\n'.join(self.MANAGERS[:2])):
            Refusing.said = words
            self.told(subject, host.fs, words, load)

    def test_each_bit_of_the_old_status_has_its_words(self):
        host, subject, load = self.of('intel_dfl_old')

        class Refusing(type(host.fs)):
            status = 0

            def ioctl(self, node, request, arg, **kwargs):
                answer = super().ioctl(node, request, arg, **kwargs)
                return answer[:-8] + struct.pack('<Q', self.status)

        host.fs.__class__ = Refusing
        for bit, words in enumerate(self.OLD):
            Refusing.status = 1 << bit
            self.told(subject, host.fs, words, load)
        Refusing.status = 3
        self.told(subject, host.fs, ', '.join(self.OLD[:2]), load)
        Refusing.status = 1 << 40
        self.told(subject, host.fs, 'status 0x10000000000', load)
