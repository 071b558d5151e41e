"""Read a subunit stream; print what tools/test puts into its summary.

The first line is ``PASSED FAILED SKIPPED``; then one line per reason for
which tests were skipped, with the classes. How the failed ones failed goes
into the file that is the first argument, if there is one; into the second,
if there is one, a regular expression per line by which stestr finds what to
run again: empty where something failed that must not fail once.
"""

import collections
import re
import sys

import subunit
import testtools

# Who plays races often has found one when it fails once.
_ONCE = 'tests.functional.db.'
_AGAIN = 3

# Of each detail, the end: a log is long, and so may be what keeps ours.
_LINES = 25


def _reason(test):
    detail = test['details'].get('reason')
    return detail.as_text().strip() if detail else 'no reason given'


def _story(test):
    yield f'{test["id"]}: {test["status"]}'
    for name, detail in sorted(test['details'].items()):
        lines = [
            line
            for line in detail.as_text().strip().splitlines()
            if ' DEBUG ' not in line and ' INFO ' not in line
        ]
        if lines:
            yield f'  -- {name}'
            yield from (f'  {line[:300]}' for line in lines[-_LINES:])
    yield ''


def _again(failed):
    if len(failed) > _AGAIN or any(_ONCE in ident for ident in failed):
        return
    for ident in failed:
        # What failed for a whole class carries the name of the class.
        whole = re.fullmatch(r'setUpClass \((.+)\)', ident)
        name = f'{whole[1]}.' if whole else ident
        yield f'^{re.escape(name)}' + ('' if whole else '$')


def main():
    failed = []
    stories = []
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
            failed.append(test['id'])
            stories.extend(_story(test))

    result = testtools.StreamToDict(seen)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(
        sys.stdin.buffer, non_subunit_name='stdout'
    ).run(result)
    result.stopTestRun()
    print(counts['passed'], counts['failed'], counts['skipped'])
    for reason, names in sorted(skipped.items()):
        print(f'{", ".join(sorted(names))}: {reason}')
    for path, lines in zip(
        sys.argv[1:], (stories, _again(failed)), strict=False
    ):
        with open(path, 'w', encoding='utf-8') as out:
            out.writelines(f'{line}\n' for line in lines)


if __name__ == '__main__':
    main()
