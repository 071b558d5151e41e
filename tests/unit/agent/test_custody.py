"""What is handed to who loads it, whatever becomes of the cache meanwhile."""

import dataclasses
import errno
import hashlib
import os
import pathlib
from unittest import mock

import fixtures
from oslotest import base

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import custody
from cyborg_fpga.clients import certificate_files
from tests.fixtures import handing
from tests.fixtures import signing
from tests.unit.agent import fakes

CONTENT = fakes.image_of(fakes.CRYPTO)
ALTERED = CONTENT.replace(b'.', b'!')


def no_progress(done, total):
    pass


class CustodyTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.images = fakes.Images()
        self.begin()

    def begin(self, **rules):
        self.cache, self.custody = handing.custody_of(
            self.path, 2**20, self.images.download, **rules
        )
        self.addCleanup(self.custody.close)

    def program(self, **values):
        return fakes.program(self.images, content=CONTENT, **values)

    def signed(self, content=CONTENT, **values):
        signer = signing.Signer(self.path)
        said = signer.properties(content)
        return self.program(image_signature=said, **values)

    def fetched(self, operation):
        with self.custody.fetch(operation, no_progress) as path:
            return path.read_bytes()

    def cached(self):
        sha = hashlib.sha512(CONTENT).hexdigest()
        return self.path / 'cache' / f'sha512-{sha}'

    def spoil(self, path, content=ALTERED):
        """Alter a file so that its size and time do not show it."""
        found = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


class TestCopy(CustodyTest):
    def test_what_is_handed_out_stays_whatever_is_done_to_the_cache(self):
        operation = self.program()
        for _ in range(2):
            with self.custody.fetch(operation, no_progress) as path:
                self.spoil(self.cached())
                self.assertEqual(CONTENT, path.read_bytes())
            with self.custody.fetch(operation, no_progress) as path:
                self.cached().unlink()
                self.assertEqual(CONTENT, path.read_bytes())

    def test_it_has_no_name_and_leaves_nothing(self):
        with self.custody.fetch(self.program(), no_progress) as path:
            before = list((self.path / 'cache').iterdir())
            self.assertEqual(0, path.stat().st_nlink)
        self.assertFalse(path.exists())
        self.assertEqual(before, list((self.path / 'cache').iterdir()))

    def test_what_was_altered_in_the_cache_is_downloaded_again(self):
        operation = self.program()
        self.fetched(operation)
        for content in (ALTERED, CONTENT[:-1], b''):
            self.spoil(self.cached(), content)
            self.assertEqual(CONTENT, self.fetched(operation))
        self.assertEqual(4, len(self.images.downloads))

    def test_what_was_altered_and_cannot_be_had_again_is_not_handed_out(self):
        operation = self.program()
        self.fetched(operation)
        self.spoil(self.cached())
        self.images.images[operation.image_uuid] = b'x' * len(CONTENT)
        self.assertRaises(errors.BadBitstream, self.fetched, operation)

    def test_a_download_is_not_read_from_the_disk_again(self):
        with mock.patch.object(
            custody, '_through', side_effect=AssertionError, autospec=True
        ):
            self.assertEqual(CONTENT, self.fetched(self.program()))

    def test_a_full_disk_gets_room_from_the_cache(self):
        operation = self.program()
        self.fetched(operation)
        self.fetched(fakes.program(self.images, function=fakes.ZIP))
        add, full = custody.Copy.add, [OSError(errno.ENOSPC, 'full')]

        def once_full(copy, piece):
            if full:
                raise full.pop()
            add(copy, piece)

        with mock.patch.object(custody.Copy, 'add', once_full):
            self.assertEqual(CONTENT, self.fetched(operation))
        self.assertEqual(1, self.cache.contents()[0]['evictions'])

    def test_what_is_kept_is_as_it_was(self):
        blank = self.path / 'blank'
        blank.write_bytes(b'blank')
        kept = self.custody.keep(blank)
        blank.write_bytes(b'other')
        self.assertEqual(b'blank', kept.read_bytes())
        self.custody.close()
        self.assertFalse(kept.exists())
        self.assertRaises(OSError, self.custody.keep, self.path / 'missing')


class TestSignature(CustodyTest):
    def test_what_is_signed_is_handed_out_from_glance_and_from_the_cache(self):
        self.begin(wanted='required')
        operation = self.signed()
        for _ in range(2):
            self.assertEqual(CONTENT, self.fetched(operation))
        self.assertEqual(1, len(self.images.downloads))

    def test_a_load_asks_the_key_manager_once(self):
        operation = self.signed()
        files = certificate_files.CertificateFiles
        with mock.patch.object(
            files, 'get', autospec=True, side_effect=files.get
        ) as asked:
            for loads in (1, 2):
                self.fetched(operation)
                self.assertEqual(loads, asked.call_count)

    def test_the_signature_of_other_bytes_is_refused(self):
        operation = self.signed(content=b'other')
        for _ in range(2):
            self.assertRaises(errors.Untrusted, self.fetched, operation)

    def test_what_is_not_signed_is_not_even_downloaded(self):
        self.begin(wanted='required')
        self.assertRaises(errors.Untrusted, self.fetched, self.program())
        self.assertEqual([], self.images.downloads)

    def test_what_cannot_be_right_is_not_even_downloaded(self):
        operation = self.signed()
        for certificate in self.path.glob('*.pem'):
            certificate.unlink()
        self.assertRaises(errors.Untrusted, self.fetched, operation)
        self.assertEqual([], self.images.downloads)

    def test_nothing_is_checked_where_signatures_are_off(self):
        self.begin(wanted='off')
        operation = self.signed(content=b'other')
        self.assertEqual(CONTENT, self.fetched(operation))

    def test_a_wipe_loads_again_for_nobody(self):
        self.begin(allowed='demo:*')
        operation = self.signed(project_id='demo')
        self.fetched(operation)
        wipe = model.OperationKind.WIPE
        again = dataclasses.replace(operation, kind=wipe, project_id=None)
        self.assertEqual(CONTENT, self.fetched(again))
        self.assertRaises(errors.Untrusted, self.fetched, self.signed())
