"""What the privileged side does for the agent, and what it refuses."""

import os
import pathlib

import fixtures
from oslotest import base

from cyborg_fpga.agent import custody
from cyborg_fpga.drivers import privileged
from cyborg_fpga.drivers import sysfs


class TestPrivileged(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # Entry points then run here, as they would in the other process.
        privileged.default.set_client_mode(False)
        self.addCleanup(privileged.default.set_client_mode, True)
        self.useFixture(
            fixtures.MonkeyPatch(f'{privileged.__name__}._roots', [])
        )
        self.calls = []
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{sysfs.__name__}.Sysfs._call',
                lambda fs, *call: self.calls.append(call),
            )
        )
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.function = root / 'sys/bus/pci/devices/0000:3b:00.0'
        self.function.mkdir(parents=True)
        (self.function / 'sriov_numvfs').write_text('0')
        (self.function / 'remove').write_text('0')
        self.root = root
        self.fs = privileged.PrivilegedSysfs(
            str(root / 'sys'),
            str(root / 'dev'),
            firmware=str(root / 'firmware'),
            tools=[str(root / 'tools')],
        )

    def image(self, content):
        copy = self.enterContext(custody.Copy(self.root))
        copy.add(content)
        return copy.seal()

    def test_a_listed_attribute_is_written(self):
        self.fs.write('bus/pci/devices/0000:3b:00.0/sriov_numvfs', '4')
        self.assertEqual('4', (self.function / 'sriov_numvfs').read_text())

    def test_memory_is_overwritten(self):
        feature = 'fpga_region/region0/dfl-fme.0/dfl_dev.3'
        (self.function / feature).mkdir(parents=True)
        (self.function / feature / 'inf1_clear').write_text('')
        path = f'bus/pci/devices/0000:3b:00.0/{feature}'
        self.fs.write(f'{path}/inf1_clear', '1')
        self.assertEqual(
            '1', (self.function / feature / 'inf1_clear').read_text()
        )
        for name, text in (
            ('inf1_clear', '2'),
            ('inf1_init_done', '1'),
            ('../inf1_clear', '1'),
        ):
            self.assertRaises(
                PermissionError, self.fs.write, f'{path}/{name}', text
            )

    def test_any_other_attribute_is_refused(self):
        for path in (
            'bus/pci/devices/0000:3b:00.0/remove',
            'bus/pci/devices/0000:3b:00.0/x/sriov_numvfs',
            'bus/pci/drivers/dfl-pci/unbind',
            'kernel/sriov_numvfs',
        ):
            self.assertRaises(PermissionError, self.fs.write, path, '1')

    def test_only_drivers_of_cards_take_functions(self):
        for driver in ('dfl-pci', 'ixgbe'):
            (self.root / f'sys/bus/pci/drivers/{driver}').mkdir(parents=True)
            for name in ('bind', 'unbind', 'new_id'):
                path = f'bus/pci/drivers/{driver}/{name}'
                (self.root / 'sys' / path).write_text('')
        self.fs.write('bus/pci/drivers/dfl-pci/bind', '0000:3b:00.0')
        for driver, name, text in (
            ('ixgbe', 'bind', '0000:3b:00.0'),
            ('dfl-pci', 'new_id', '0000:3b:00.0'),
            ('dfl-pci', 'bind', '8086 1572'),
        ):
            self.assertRaises(
                PermissionError,
                self.fs.write,
                f'bus/pci/drivers/{driver}/{name}',
                text,
            )

    def test_only_nodes_of_cards_are_asked_for(self):
        (self.root / 'dev/vfio').mkdir(parents=True)
        (self.root / 'dev/sda').touch()
        node = self.root / 'dev/vfio/12'
        node.touch()
        with open(node) as opened:
            (holder,) = self.fs.opened_by(['vfio/12', 'dfl-port.0'])
            self.assertEqual('vfio/12', holder.node)
            self.assertTrue(opened.readable())
        for name in ('sda', '../shadow', 'vfio/../sda'):
            self.assertRaises(PermissionError, self.fs.opened_by, [name])

    def test_ports_are_released_and_assigned(self):
        for request in (0x4004B681, 0x4004B682):
            self.fs.ioctl('dfl-fme.0', request, bytes(4))
        self.assertEqual(2, len(self.calls))

    def test_an_address_is_checked_again_behind_the_border(self):
        self.assertRaises(
            ValueError, privileged._write, '0000:3b:00', 'reset', '1'
        )

    def test_a_port_is_reset_without_an_argument(self):
        self.fs.ioctl('dfl-port.12', 0xB640, b'')
        self.assertEqual([('dfl-port.12', 0xB640, b'')], self.calls)

    def test_an_image_without_a_name_is_loaded(self):
        image = self.image(b'headerpayload')
        self.fs.ioctl('dfl-fme.0', 0xB680, bytes(24), image=image, offset=6)
        self.assertEqual(1, len(self.calls))

    def test_requests_and_nodes_that_are_not_listed_are_refused(self):
        image = self.image(b'headerpayload')
        for node, request, arg, file in (
            ('dfl-fme.0', 0xB640, b'', None),
            ('dfl-port.0', 0xB680, bytes(24), image),
            ('dfl-fme.0', 0xB680, bytes(24), None),
            ('dfl-fme.0', 0xB680, bytes(23), image),
            ('dfl-port.0', 0xB640, b'x', None),
            ('dfl-port.0', 0x4004B681, b'', None),
            ('sda', 0xB640, b'', None),
            ('dfl-port.0/../sda', 0xB640, b'', None),
        ):
            self.assertRaises(
                PermissionError, self.fs.ioctl, node, request, arg, image=file
            )
        self.assertEqual([], self.calls)

    def test_only_what_this_process_has_open_is_loaded(self):
        secret = self.root / 'shadow'
        secret.write_bytes(b'root')
        link = self.root / 'link'
        link.symlink_to(self.image(b'image'))
        number = self.image(b'image').name
        for image in (
            secret,
            link,
            pathlib.Path(f'/proc/1/fd/{number}'),
            pathlib.Path(f'/proc/self/fd/{number}'),
            pathlib.Path(f'/proc/{os.getpid()}/fd/../fd/{number}'),
        ):
            self.assertRaises(
                PermissionError,
                self.fs.ioctl,
                'dfl-fme.0',
                0xB680,
                bytes(24),
                image=image,
            )
        self.assertEqual([], self.calls)

    def test_what_has_a_name_is_no_image(self):
        secret = self.root / 'shadow'
        secret.write_bytes(b'root')
        with (
            open(secret, 'rb') as named,
            open('/dev/null', 'rb') as node,
        ):
            for opened in (named, node):
                self.assertRaises(
                    PermissionError,
                    privileged._ioctl,
                    'dfl-fme',
                    0,
                    0xB680,
                    bytes(24),
                    opened.fileno(),
                    0,
                )
        self.assertEqual([], self.calls)

    def test_a_manager_loads_images_without_a_name_only(self):
        manager = self.root / 'sys/class/fpga_manager/fpga0'
        manager.mkdir(parents=True)
        for name in ('flags', 'firmware'):
            (manager / name).write_text('')
        (self.root / 'image').write_bytes(b'headabcdefgh')
        image = self.image(b'headabcdefgh')
        (self.root / 'firmware').mkdir()
        said = {'offset': 4, 'function': 'a' * 32, 'partial': True}
        self.fs.load_firmware(0, image, **said)
        self.assertEqual('a' * 32, self.fs.loaded_firmware(0))
        self.assertEqual('1', (manager / 'flags').read_text())
        self.assertRaises(
            PermissionError,
            self.fs.load_firmware,
            0,
            self.root / 'image',
            **said,
        )
        for function in ('../x', 'a' * 31, ''):
            self.assertRaises(
                PermissionError,
                privileged._load_firmware,
                0,
                int(image.name),
                4,
                function,
                True,
            )

    def test_tools_are_told_what_is_listed_and_nothing_else(self):
        image = self.image(b'x')
        ran = []
        self.useFixture(
            fixtures.MonkeyPatch(
                f'{sysfs.__name__}.Sysfs.run',
                lambda fs, *args, **kwargs: (
                    ran.append((*args, kwargs['image'])),
                    sysfs.Ended(0, 'said', ''),
                )[1],
            )
        )
        load = 'program -d 0000:3b:00.1 -u {image}'
        ended = self.fs.run('xbutil', load.split(), image=image, seconds=1)
        self.assertEqual((0, 'said', ''), ended)
        self.assertEqual([('xbutil', load.split(), image)], ran)
        for tool, line, file in (
            ('xbmgmt', 'program -d 0000:3b:00.0 --base', None),
            ('xbmgmt', 'program -d 0000:3b:00.0 --base --user {image}', image),
            ('xbmgmt', 'program -d 0000:3b:00.0 --shell {image}', image),
            ('xbutil', 'program -d 0000:3b:00.1 -u /etc/shadow', None),
            ('xbutil', 'program -d 0000:3b:00.1 -u {image}', None),
            ('xbutil', 'program -d all -u {image}', image),
            ('xbutil', 'reset -d all', None),
            ('xbmgmt', 'reset -d 0000:3b:00.0', None),
            ('xbutil', 'examine -d 0000:3b:00.1 -r platform -f JSON -o /x',
             None),
            ('xbutil', load, self.root / 'image'),
            ('rm', '-rf /', None),
            ('fpga-load-local-image', '-S 0 -I agfi-;x', None),
            ('fpga-load-local-image', '-S 0', None),
            ('fpga-describe-local-image-slots', '-H', None),
            ('/tmp/xbutil', load, image),
        ):  # fmt: skip
            self.assertRaises(
                PermissionError,
                self.fs.run,
                tool,
                line.split(),
                image=file,
                seconds=1,
            )
        self.assertEqual(1, len(ran))
        for line in (
            'fpga-describe-local-image-slots',
            'fpga-describe-local-image -S 0',
            'fpga-load-local-image -S 0 -I agfi-0123456789abcdef0',
            'fpga-clear-local-image -S 0',
            'xrt-smi reset -d 0000:3b:00.1',
        ):
            tool, *words = line.split()
            self.fs.run(tool, words, seconds=1)
        self.assertEqual(6, len(ran))

    def test_tools_of_the_configured_place_are_run(self):
        self.assertFalse(self.fs.has_tool('xbutil'))
        (self.root / 'tools').mkdir()
        tool = self.root / 'tools/xbutil'
        tool.write_text('#!/bin/sh\necho "$@"\n')
        tool.chmod(0o755)
        self.assertTrue(self.fs.has_tool('xbutil'))
        words = ('reset', '-d', '0000:3b:00.1')
        ended = self.fs.run('xbutil', words, seconds=60)
        self.assertEqual('reset -d 0000:3b:00.1\n', ended.output)

    def test_the_roots_are_set_once(self):
        self.assertRaises(
            PermissionError,
            privileged.PrivilegedSysfs,
            '/tmp',
            '/dev',
        )

    def test_an_unset_root_serves_nobody(self):
        privileged._roots.clear()
        self.assertRaises(
            PermissionError, privileged._write, '0000:3b:00.0', 'reset', '1'
        )
