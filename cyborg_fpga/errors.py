"""Every exception this service raises on purpose, and its HTTP face.

    FPGAError                       500
    +-- InvalidInput                400
    |   +-- BadBitstream                 a file that is not what it says
    |   +-- DoesNotFit                   a good file for another region
    |   +-- Untrusted                    a file that nobody trusted has signed
    +-- Forbidden                   403
    |   +-- OverQuota
    |   +-- ServiceTokenRequired         a user did what only Nova may do
    +-- NotFound                    404
    +-- MethodNotAllowed            405
    +-- NotAcceptable               406
    +-- Conflict                    409
    |   +-- Duplicate
    |   +-- WrongState
    |   +-- InUse
    |   +-- NoCapacity
    |   +-- NoAllocation            an instance that Placement knows nothing of
    |   +-- HostUnavailable
    |   +-- CannotRun               a function that gives no answer here
    |   +-- StaleFence
    |   +-- StaleReport
    +-- BitstreamUnusable           409
    +-- Ambiguous                   409   a name that means several functions
    +-- LengthRequired              411
    +-- TooLarge                    413
    +-- UnsupportedMediaType        415
    +-- Unresolved                  423
    +-- DeviceFailed                502   a card refused or lied
    +-- ServiceUnavailable          503   Glance, Placement, a conductor

Raise the narrowest class. Only :mod:`cyborg_fpga.api` turns one into a
response, so no other module mentions HTTP.
"""

from typing import Any
from typing import ClassVar


class FPGAError(Exception):
    """Base class.

    :ivar http_status: Status the API answers with.
    :ivar code: Stable, documented, machine-readable; never reworded.
    """

    http_status: ClassVar[int] = 500
    code: ClassVar[str] = 'fpga.internal'
    template: ClassVar[str] = 'The service failed unexpectedly.'

    def __init__(self, message: str | None = None, /, **kwargs: Any) -> None:
        # oslo.messaging rebuilds an error from ``args`` and ``kwargs``. A
        # missing key is a bug in the caller: let KeyError say so.
        super().__init__(message or self.template.format(**kwargs))
        self.kwargs = kwargs

    @property
    def message(self) -> str:
        """The text for users. ``str()`` of an error that came over RPC ends
        in the remote traceback.
        """
        return str(self.args[0])


class InvalidInput(FPGAError):
    http_status = 400
    code = 'fpga.invalid_input'
    template = 'Invalid request: {reason}'


class BadBitstream(InvalidInput):
    code = 'fpga.bitstream.malformed'
    template = 'Not a usable bitstream: {reason}'


class DoesNotFit(InvalidInput):
    code = 'fpga.bitstream.does_not_fit'
    template = 'The bitstream does not fit: {reason}'


class Untrusted(InvalidInput):
    code = 'fpga.bitstream.untrusted'
    template = 'The bitstream is not trusted: {reason}'


class Forbidden(FPGAError):
    http_status = 403
    code = 'fpga.forbidden'
    template = 'Access was denied to the following resource: {rule}'


class OverQuota(Forbidden):
    code = 'fpga.over_quota'
    template = (
        'Quota exceeded: the project may hold {limit} deployables, holds '
        '{held} and wants {wanted} more.'
    )


class ServiceTokenRequired(Forbidden):
    code = 'fpga.service_token_required'
    template = (
        'This operation requires a service token. Use the Compute API to '
        'manage instance accelerators.'
    )


class NotFound(FPGAError):
    http_status = 404
    code = 'fpga.not_found'
    template = 'No {kind} {ident}.'


class MethodNotAllowed(FPGAError):
    """``kwargs['allow']`` lists the methods that the URL has."""

    http_status = 405
    code = 'fpga.method_not_allowed'
    template = '{method} is not allowed here, only {allow}.'


class NotAcceptable(FPGAError):
    http_status = 406
    code = 'fpga.version'
    template = '{reason}'


class Conflict(FPGAError):
    http_status = 409
    code = 'fpga.conflict'
    template = 'Concurrent update; read again and retry.'


class Duplicate(Conflict):
    code = 'fpga.duplicate'
    template = 'A {kind} {ident} already exists.'


class WrongState(Conflict):
    code = 'fpga.wrong_state'
    template = '{kind} {ident} is {state}; {reason}'


class InUse(Conflict):
    code = 'fpga.in_use'
    template = '{kind} {ident} is in use: {reason}'


class NoCapacity(Conflict):
    code = 'fpga.no_capacity'
    template = 'Not enough free FPGAs: {reason}'


class NoAllocation(Conflict):
    code = 'fpga.no_allocation'
    template = (
        'Instance {instance} of this project holds no {what} in '
        'Placement{where}.'
    )


class HostUnavailable(Conflict):
    code = 'fpga.host_unavailable'
    template = 'Host {hostname} is {state}.'


class CannotRun(Conflict):
    code = 'fpga.function.cannot_run'
    template = 'The function at {address} cannot be run: {reason}.'


class StaleFence(Conflict):
    code = 'fpga.operation.stale'
    template = 'Operation {operation} was given up; its fence {fence} is old.'


class StaleReport(Conflict):
    code = 'fpga.report.stale'
    template = 'A newer report of {hostname} is known already.'


class BitstreamUnusable(FPGAError):
    http_status = 409
    code = 'fpga.bitstream.unusable'
    template = 'Bitstream {image} cannot be used: {reason}'


class Ambiguous(FPGAError):
    http_status = 409
    code = 'fpga.bitstream.ambiguous'
    template = (
        'There are several functions with {what}; name one by the uuid of '
        'its image: {candidates}.'
    )


class LengthRequired(FPGAError):
    http_status = 411
    code = 'fpga.length_required'
    template = 'The request must say how long its body is (Content-Length).'


class TooLarge(FPGAError):
    http_status = 413
    code = 'fpga.too_large'
    template = 'The request is larger than {limit} bytes.'


class UnsupportedMediaType(FPGAError):
    http_status = 415
    code = 'fpga.media_type'
    template = 'A request body must be application/json, not {given}.'


class Unresolved(FPGAError):
    http_status = 423
    code = 'fpga.arq.unresolved'
    template = 'ARQ {arq} is {state}: ask again.'


class DeviceFailed(FPGAError):
    """A card did not do what it was told.

    ``kwargs['cause']`` is a :class:`model.Cause` value, ``kwargs['detail']``
    the kernel's or tool's own words.
    """

    http_status = 502
    code = 'fpga.device_failed'
    template = '{deployable}: {cause}: {detail}'


class ServiceUnavailable(FPGAError):
    http_status = 503
    code = 'fpga.service_unavailable'
    template = '{service} cannot be used now: {reason}'
