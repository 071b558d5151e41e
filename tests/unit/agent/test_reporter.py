import dataclasses
import errno
from unittest import mock

import oslo_messaging as messaging

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import reporter
from tests.unit.agent import base
from tests.unit.agent import fakes


class ReporterTest(base.ExecutorTest):
    def setUp(self):
        super().setUp()
        self.start()

    def reporting(self, interval=60.0, drivers=None, boot=7):
        self.reporter = reporter.Reporter(
            'host1',
            drivers or {'fake': self.cards},
            self.conductor,
            resource_provider_name='host1.example.com',
            interval=interval,
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
        self.cards.refuses.clear()
        self.reporter.wake()
        self.assertEqual(first.digest, self.reported(5).digest)

    def test_driver_that_never_worked_does_not_hide_the_others(self):
        broken = fakes.Cards()
        broken.refuses['discover'] = OSError(errno.EIO, 'gone')
        report = self.reporting(drivers={'broken': broken, 'fake': self.cards})
        self.assertEqual(2, len(report.devices))

    def test_executor_learns_what_the_cards_can(self):
        self.cards.loaded[fakes.REGION] = fakes.CRYPTO
        self.cards.levels = (model.WipeLevel.CLEAR,)
        self.reporting()
        self.run_to_end(fakes.wipe(model.WipeLevel.RESET))
        self.assertEqual(model.WipeLevel.CLEAR, self.cards.acts()[0][2])
