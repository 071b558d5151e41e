"""What people write about a bitstream, as the properties of its image.

They name properties differently: those of Cyborg's specifications, with and
without its prefixes, and the plain words are all understood.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping

from cyborg_fpga.bitstream import header as file_header

#: By our word for it the names that mean it, best known first. Names are
#: compared in lower case, with ``_`` for ``-``, ``:`` and ``.``, and without
#: the prefixes.
NAMES: Mapping[str, tuple[str, ...]] = {
    'vendor': ('vendor', 'vendor_id'),
    'family': ('family', 'board', 'board_family', 'board_name'),
    'type': ('type', 'accelerator_type'),
    'region_id': (
        'region_id',
        'region_uuid',
        'interface_id',
        'interface_uuid',
        'shell_id',
        'shell_uuid',
    ),
    'shell': ('shell', 'shell_name'),
    'function_id': ('function_id', 'function_uuid', 'afu_id', 'afu_uuid'),
    # Cyborg's bs-name; an image's own name is no property.
    'function_name': ('function_name', 'afu_name', 'name'),
    'version': ('version',),
    'driver': ('driver',),
}
_PREFIX = re.compile(r'(accel|bs|fpga)_')
# What a tool called all of the file: the function in it, where nobody says
# more.
_FILE_ID = re.compile('bs[-_:.]uuid', re.IGNORECASE)

_TYPE = re.compile(r'[a-z0-9_]{1,32}')
_ID = re.compile(r'[0-9a-f]{32}')
_BLANK = '0' * 32
_PCI_VENDORS = {'8086': 'intel', '10ee': 'xilinx'}
_VENDORS = frozenset(_PCI_VENDORS.values())
_MAKERS = {
    file_header.Format.GBS: 'intel',
    file_header.Format.XCLBIN: 'xilinx',
    file_header.Format.BIT: 'xilinx',
}
_MAX_WORD = 64


class Said:
    """The properties of one image, by our words for them.

    What is left out, or blank, is None.
    """

    def __init__(self, properties: Mapping[str, str]) -> None:
        words: dict[str, str] = {}
        for key, value in sorted(properties.items()):
            common = _common(key)
            # A plain name goes before one with a prefix.
            if value.strip() and (common == key or common not in words):
                words[common] = value.strip()
        self._words = {
            word: next((words[name] for name in names if name in words), None)
            for word, names in NAMES.items()
        }
        self._file_id = next(
            (v for k, v in properties.items() if _FILE_ID.fullmatch(k)), ''
        )
        shell = self._words['shell']
        if shell and _ident(shell) and not self._words['region_id']:
            self._words['region_id'] = shell

    def word(self, name: str) -> str | None:
        """As it is written."""
        return self._words[name]

    def ident(self, name: str) -> str | None:
        """32 lower-case hex digits, from any way to write a UUID."""
        found = self._words[name]
        if found is None and name == 'function_id':
            found = self._file_id
        return _ident(found or '')

    @property
    def family(self) -> str | None:
        """As cards have it: ``PAC_A10``."""
        found = re.sub(
            '[^A-Z0-9]+', '_', (self._words['family'] or '').upper()
        )
        return found.strip('_')[:_MAX_WORD] or None

    @property
    def type(self) -> str | None:
        found = (self._words['type'] or '').lower()
        return found if _TYPE.fullmatch(found) else None

    @property
    def vendor(self) -> str | None:
        found = self._words['vendor']
        if found is None:
            return None
        plain = found.lower().removeprefix('0x')
        return _PCI_VENDORS.get(plain, plain)[:_MAX_WORD]

    def fault(
        self, header: file_header.Header | None = None, unread: str = ''
    ) -> str:
        """What is wrong with what is said, in a sentence; '': nothing.

        :param header: What the file says, where that is known.
        :param unread: Why it is not known, as the rest of a sentence.
        """
        return (
            self._malformed()
            or self._contradiction(header)
            or self._without_region(header, unread)
        )

    def missing(self, header: file_header.Header) -> dict[str, str]:
        """What *header* says and the properties leave out."""
        function = header.function_id
        told = {
            'region_id': header.region_id,
            'shell': header.platform,
            'function_id': None if function == _BLANK else function,
            'function_name': header.name,
            'version': header.version,
        }
        return {
            name: value
            for name, value in told.items()
            if value and self._words[name] is None
        }

    def _malformed(self) -> str:
        found = self._words['type']
        if found is not None and self.type is None:
            return f'its type {found[:40]!r} is not 1 to 32 of a-z, 0-9 and _'
        if self.type in _VENDORS:
            # Both are CUSTOM_HW_ and the word, in Placement.
            return f"its type {self.type!r} is a vendor's name"
        for name in ('region_id', 'function_id'):
            value = self._words[name]
            if value is not None and self.ident(name) is None:
                return f'its {name} {value[:40]!r} is not a UUID'
        return ''

    def _contradiction(self, header: file_header.Header | None) -> str:
        if header is None:
            return ''
        for name, told in (
            ('region_id', header.region_id),
            ('function_id', header.function_id),
        ):
            value = _ident(self._words[name] or '')
            if None not in (value, told) and value != told:
                return f'its {name} is {value}, in the file it is {told}'
        maker = _MAKERS.get(header.format)
        if maker not in (None, self.vendor) and self.vendor in _VENDORS:
            title = file_header.TITLES[header.format]
            return f'its vendor is {self.vendor}, and its file is {title}'
        shell = self._words['shell'] or ''
        if not _ident(shell) and not file_header.may_be(
            shell, header.platform
        ):
            return (
                f'its shell is {shell[:40]!r}, in the file it is '
                f'{header.platform!r}'
            )
        return ''

    def _without_region(
        self, header: file_header.Header | None, unread: str
    ) -> str:
        if self._words['region_id'] is not None:
            return ''
        if header is not None:
            if header.region_id is not None:
                return ''
            unread = f'is {file_header.TITLES[header.format]}'
        return 'it does not say for which region it is' + (
            f', and its file {unread}' if unread else ''
        )


def meaning(word: str, keys: Iterable[str]) -> list[str]:
    """Those of an image's property names that mean *word*."""
    names = NAMES.get(word, (word,))
    return [key for key in keys if _common(key) in names]


def _common(key: str) -> str:
    plain = re.sub('[-:.]', '_', key.lower())
    return _PREFIX.sub('', plain, count=1)


def _ident(value: str) -> str | None:
    plain = re.sub('[-{} ]', '', value.lower()).removeprefix('0x')
    return plain if _ID.fullmatch(plain) else None
