"""Read a subunit stream; print what tools/test puts into its summary.

The first line is ``PASSED FAILED SKIPPED``; then one line per reason for
which tests were skipped, with the classes.
"""

import collections
import sys

import subunit
import testtools


def _reason(test):
    detail = test['details'].get('reason')
    return detail.as_text().strip() if detail else 'no reason given'


def main():
    counts = collections.Counter()
    skipped = collections.defaultdict(set)

    def seen(test):
        if test['status'] in ('success', 'xfail'):
            counts['passed'] += 1
        elif test['status'] == 'skip':
            counts['skipped'] += 1
            name = test['id'].partition('(')[0].rpartition('.')[0]
            skipped[_reason(test)].add(name or test['id'])
        elif test['status'] != 'exists':
            # A test that never ended counts too: its process died.
            counts['failed'] += 1

    result = testtools.StreamToDict(seen)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        sys.stdin.buffer, non_subunit_name='stdout'
    ).run(result)
    result.stopTestRun()
    print(counts['passed'], counts['failed'], counts['skipped'])
    for reason, names in sorted(skipped.items()):
        print(f'{", ".join(sorted(names))}: {reason}')


if __name__ == '__main__':
    main()
