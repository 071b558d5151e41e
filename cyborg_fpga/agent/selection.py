"""Which of the cards that drivers find are ours: the operator's word."""

import fnmatch
import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.drivers import pci_function

_ID = re.compile('[0-9a-f]{4}/[0-9a-f]{4}')
_ADDRESS = re.compile('[0-9a-f*?:.]+')


class Selection:
    """Keeps what ``[devices] include`` and ``exclude`` leave.

    A card is in or out as a whole: guests of somebody else on one of its
    functions would be reprogrammed with it.

    :raises errors.InvalidInput: An entry is neither an address nor an id.
    """

    def __init__(
        self, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> None:
        self._include = [entry(text) for text in include]
        self._exclude = [entry(text) for text in exclude]

    def ours(
        self, cards: Iterable[model.DeviceReport]
    ) -> Iterator[model.DeviceReport]:
        """Those of *cards* that are ours, in the same order."""
        for card in cards:
            wanted = not self._include or matches(self._include, card)
            if wanted and not matches(self._exclude, card):
                yield card


def functions(card: model.DeviceReport) -> list[str]:
    """Addresses of all functions of *card* that we know of."""
    handles = [h for region in card.deployables for h in region.handles]
    known = [str(address) for address in (card.pci_address, *handles)]
    for name in (pci_function.PHYSICAL, pci_function.VIRTUAL):
        known += card.attributes.get(name, '').split()
    return list(dict.fromkeys(known))


def entry(text: str) -> str:
    """Which cards *text* is about, in the form for :func:`matches`.

    :raises errors.InvalidInput: It is neither an address nor an id.
    """
    plain = text.strip().lower()
    if not _ID.fullmatch(plain) and (
        not _ADDRESS.fullmatch(plain) or ':' not in plain
    ):
        raise errors.InvalidInput(
            reason=f'[devices]: {text!r} is neither a PCI address nor '
            'vendor/product'
        )
    return plain


def matches(entries: Sequence[str], card: model.DeviceReport) -> bool:
    """Whether any of *entries* is about *card*."""
    ids = f'{card.vendor_id}/{card.product_id}'
    return any(
        entry == ids
        or any(
            fnmatch.fnmatchcase(address, entry) for address in functions(card)
        )
        for entry in entries
    )
