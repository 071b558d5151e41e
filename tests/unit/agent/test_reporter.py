import dataclasses
import errno
import threading
from unittest import mock

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import reporter
from cyborg_fpga.agent import scan
from tests.unit.agent import base
from tests.unit.agent import fakes


class ReporterTest(base.ExecutorTest):
    def setUp(self):
        super().setUp()
        self.start()

    def reporting(self, interval=60.0, drivers=None, boot=7, patience=60.0):
        self.reporter = reporter.Reporter(
            'host1',
            drivers or {'fake': self.cards},
            self.conductor,
            resource_provider_name='host1.example.com',
            interval=interval,
            patience=patience,
            cache=self.cache,
        )
        self.addCleanup(self.reporter.stop)
        self.reporter.start(self.executor, boot)
        return self.reported(1)

    def reported(self, count):
        """The report number *count*, once it has come."""
        self.assertTrue(
            fakes.wait_for(lambda: len(self.conductor.reports) >= count),
            f'no report {count}',
        )
        return self.conductor.reports[count - 1]

    def test_first_report_comes_at_once_and_says_everything(self):
        report = self.reporting()
        self.assertEqual('host1', report.hostname)
        self.assertEqual('host1.example.com', report.resource_provider_name)
        self.assertEqual((7, 1), (report.boot_id, report.sequence))
        self.assertEqual(
            [fakes.CARD, fakes.OTHER_CARD],
            [device.pci_address for device in report.devices],
        )

    def test_reports_go_on_and_are_numbered(self):
        self.reporting(interval=0.02)
        self.assertEqual(3, self.reported(3).sequence)

    def test_waking_brings_a_report(self):
        self.reporting()
        self.reporter.wake()
        self.reported(2)

    def test_what_was_told_is_not_told_again(self):
        heard = []
        self.conductor.heartbeat = lambda ctx, report: bool(
            heard.append(report) or True
        )
        first = self.reporting(interval=0.02)
        self.assertTrue(fakes.wait_for(lambda: len(heard) >= 3, seconds=60))
        self.assertEqual([first], self.conductor.reports)
        self.assertEqual({first.digest}, {report.digest for report in heard})
        self.assertEqual([2, 3, 4], [r.sequence for r in heard][:3])
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        self.assertNotEqual(first.digest, self.reported(2).digest)

    def test_what_the_cache_holds_is_told_when_it_changed(self):
        heard = []
        self.conductor.heartbeat = lambda ctx, report: bool(
            heard.append(report) or True
        )
        first = self.reporting(interval=0.02)
        self.assertEqual(0, first.cache['files'])
        operation = fakes.program(self.images)
        with self.cache.fetch(operation, lambda done, total: None):
            self.assertEqual(
                (f'sha512-{operation.image_hash_value}',),
                self.reported(2).cached,
            )
        del heard[:]
        self.assertTrue(fakes.wait_for(lambda: len(heard) >= 3, seconds=60))
        self.assertEqual(2, len(self.conductor.reports))

    def test_whoever_forgot_what_was_told_is_told_again(self):
        asked = []

        def heartbeat(ctx, report):
            asked.append(report.sequence)
            if len(asked) > 1:
                # As a conductor of an earlier release answers.
                raise messaging.RemoteError('NoSuchMethod', 'heartbeat')
            return False

        self.conductor.heartbeat = heartbeat
        self.reporting(interval=0.02)
        self.assertEqual([1, 2, 3], [self.reported(n + 1).sequence
                                     for n in range(3)])  # fmt: skip
        self.assertEqual([2, 3], asked[:2])

    def test_fences_that_are_higher_are_asked_for_again(self):
        asked = []
        self.conductor.heartbeat = lambda ctx, report: asked.append(report)
        self.conductor.report = lambda ctx, report: (
            self.conductor.reports.append(report) or {fakes.REGION: 1}
        )
        self.reporting(interval=0.02)
        self.reported(4)
        self.assertEqual([], asked)

    def test_digest_changes_with_the_cards_alone(self):
        self.reporting()
        self.reporter.wake()
        self.reported(2)
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        self.reporter.wake()
        first, second, third = (self.reported(n) for n in (1, 2, 3))
        self.assertEqual(first.digest, second.digest)
        self.assertNotEqual(second.digest, third.digest)
        self.assertEqual(third.digest, reporter.digest_of(third))

    def test_every_member_but_the_numbers_counts_for_the_digest(self):
        report = self.reporting()
        for values in (
            {'hostname': 'other'},
            {'resource_provider_name': 'other'},
            {'devices': ()},
        ):
            changed = dataclasses.replace(report, **values)
            self.assertNotEqual(
                report.digest, reporter.digest_of(changed), values
            )

    def test_fences_are_told(self):
        self.executor.raise_fences({fakes.REGION: 3})
        first, second = self.reporting().devices
        self.assertEqual(3, first.deployables[0].fence)
        self.assertEqual(0, second.deployables[0].fence)

    def test_card_with_an_operation_in_the_scan_is_busy(self):
        operation = fakes.program(self.images)
        ran = []

        def scanning():
            if not ran:
                ran.append(self.run_to_end(operation))

        self.cards.scanning = scanning
        first, second = self.reporting().devices
        self.assertTrue(first.deployables[0].busy)
        self.assertFalse(second.deployables[0].busy)
        self.reporter.wake()
        self.assertFalse(self.reported(2).devices[0].deployables[0].busy)

    def test_fence_told_is_the_one_from_before_the_scan(self):
        self.cards.scanning = lambda: self.executor.raise_fences(
            {fakes.REGION: 3}
        )
        report = self.reporting()
        self.assertEqual(0, report.devices[0].deployables[0].fence)

    def test_higher_fences_are_kept_and_reported_at_once(self):
        self.conductor.fences = {fakes.REGION: 9}
        self.reporting()
        report = self.reported(2)
        self.assertEqual(9, report.devices[0].deployables[0].fence)
        self.assertRaises(
            errors.StaleFence,
            self.executor.run,
            fakes.program(self.images, fence=8),
        )

    def test_conductor_that_does_not_listen_is_not_flooded(self):
        class Deaf(dict):
            count = 100

        def report(ctx, report):
            self.conductor.reports.append(report)
            Deaf.count += 1
            return {fakes.REGION: Deaf.count}

        self.conductor.report = report
        self.reporting()
        self.reported(3)
        self.assertFalse(
            fakes.wait_for(lambda: len(self.conductor.reports) > 3, 0.1)
        )

    def test_silent_or_refusing_conductor_is_asked_again(self):
        for error in (
            messaging.MessagingTimeout(),
            errors.ServiceUnavailable(service='database', reason='x'),
            errors.StaleReport(hostname='host1'),
            AttributeError('bug'),
        ):
            report = mock.Mock(side_effect=[error, {}, {}])
            self.conductor.report = report
            self.reporter = reporter.Reporter(
                'host1',
                {'fake': self.cards},
                self.conductor,
                resource_provider_name='host1',
                interval=0.01,
            )
            self.reporter.start(self.executor, 1)
            self.assertTrue(
                fakes.wait_for(lambda call=report: call.call_count >= 2)
            )
            self.reporter.stop()
            self.assertEqual(2, report.call_args_list[1][0][1].sequence)

    def test_driver_that_fails_leaves_its_cards_in_the_report(self):
        first = self.reporting()
        for error in (
            OSError(errno.EIO, 'gone'),
            errors.DeviceFailed(deployable='x', cause='x', detail='x'),
            KeyError('x'),
        ):
            count = len(self.conductor.reports)
            self.cards.refuses['discover'] = error
            self.reporter.wake()
            report = self.reported(count + 1)
            self.assertEqual(
                [device.pci_address for device in first.devices],
                [device.pci_address for device in report.devices],
            )
            self.assertTrue(report.devices[0].deployables[0].busy)
            self.assertIs(model.Health.SUSPECT, report.devices[0].health)
        self.cards.refuses.clear()
        self.reporter.wake()
        self.assertEqual(first.digest, self.reported(5).digest)

    def test_driver_that_never_worked_does_not_hide_the_others(self):
        broken = fakes.Cards()
        broken.refuses['discover'] = OSError(errno.EIO, 'gone')
        report = self.reporting(drivers={'broken': broken, 'fake': self.cards})
        self.assertEqual(2, len(report.devices))

    def hanging(self):
        """A second driver, whose scan hangs until ``self.free`` is set."""
        self.free = threading.Event()
        self.addCleanup(self.free.set)
        other = fakes.Cards()
        first = other.discover()
        report = [
            dataclasses.replace(
                device,
                pci_address=model.PciAddress.parse(f'0000:a{n}:00.0'),
                deployables=(),
            )
            for n, device in enumerate(first)
        ]
        other.discover = mock.Mock(side_effect=lambda: report)

        def hang():
            other.discover.side_effect = lambda: self.free.wait(60) and report

        return other, hang

    def comes(self, holds):
        """A report of which *holds* is true, once it has come."""
        self.assertTrue(
            fakes.wait_for(lambda: holds(self.conductor.reports[-1]), 60)
        )
        return self.conductor.reports[-1]

    def test_driver_that_hangs_stops_neither_reports_nor_other_drivers(self):
        other, hang = self.hanging()
        first = self.reporting(
            drivers={'other': other, 'fake': self.cards}, interval=0.01
        )
        self.assertEqual(4, len(first.devices))
        self.reporter._patience = 0.1
        hang()
        self.comes(lambda r: r.devices[0].health is model.Health.SUSPECT)
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        scans = other.discover.call_count
        report = self.comes(
            lambda r: (
                r.devices[2].deployables[0].function_id == fakes.CRYPTO
                and r.devices[2].health is model.Health.OK
            )
        )
        # As they were, beside what is true now of the others.
        self.assertEqual(
            [device.pci_address for device in first.devices],
            [device.pci_address for device in report.devices],
        )
        self.assertIs(model.Health.SUSPECT, report.devices[0].health)
        self.reported(len(self.conductor.reports) + 5)
        # One thread hangs, and no other was started after it.
        self.assertEqual(scans, other.discover.call_count)
        hung = [t for t in threading.enumerate() if t.name == 'scan-other']
        self.assertEqual(1, len(hung))

    def test_driver_that_hung_is_asked_again_when_it_has_ended(self):
        other, hang = self.hanging()
        hang()
        self.reporting(
            drivers={'other': other, 'fake': self.cards},
            interval=0.01,
            patience=0.1,
        )
        # It never worked, so nobody knows of any card of it.
        self.comes(lambda report: len(report.devices) == 2)
        self.free.set()
        self.comes(lambda report: len(report.devices) == 4)
        self.comes(lambda r: r.devices[0].health is model.Health.OK)

    def test_what_a_scan_of_before_finds_is_not_of_now(self):
        free = threading.Event()
        self.addCleanup(free.set)
        looking = scan.Scan('fake', self.cards)
        looking.start()
        self.assertIs(model.Health.OK, looking.cards(60)[0].health)
        self.cards.scanning = lambda: free.wait(60)
        looking.start()
        self.assertIs(model.Health.SUSPECT, looking.cards(0)[0].health)
        looking.start()
        free.set()
        looking._thread.join(60)
        self.assertIs(model.Health.SUSPECT, looking.cards(60)[0].health)
        looking.start()
        self.assertIs(model.Health.OK, looking.cards(60)[0].health)

    def test_bug_of_a_driver_does_not_hide_the_others(self):
        broken = fakes.Cards()
        broken.refuses['discover'] = AttributeError('bug')
        report = self.reporting(drivers={'broken': broken, 'fake': self.cards})
        self.assertEqual(2, len(report.devices))

    def test_executor_learns_what_the_cards_can(self):
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        self.cards.levels = (model.WipeLevel.CLEAR,)
        self.reporting()
        wipe = fakes.wipe(model.WipeLevel.RESET, images=self.images)
        self.run_to_end(wipe)
        self.assertEqual(model.WipeLevel.CLEAR, self.cards.acts()[0][2])
