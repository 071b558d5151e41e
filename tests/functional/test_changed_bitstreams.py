"""A million bitstreams that are not as they were made.

``FPGA_TEST_MUTATIONS`` is another number of them. They are the same each
time; other ones are made by ``python -m tests.fuzz.bitstreams``.
"""

import os

from oslotest import base

from tests.fuzz import bitstreams as fuzz

FILES = int(os.environ.get('FPGA_TEST_MUTATIONS', 1_000_000))
PARTS = 8


class ChangedBitstreamsTest(base.BaseTestCase):
    def judge_part(self, part):
        files = FILES // PARTS
        # What is wrong is raised, and the seed and number of its file told.
        accepted = fuzz.run(files, seed=part)
        # Otherwise nothing behind the first check was reached.
        self.assertGreater(accepted, files // 10)


for _part in range(PARTS):

    def _test(self, part=_part):
        self.judge_part(part)

    setattr(
        ChangedBitstreamsTest,
        f'test_they_are_refused_or_read_part_{_part + 1}',
        _test,
    )
