"""What stands between Pecan and our controllers.

A controller's method gets a :class:`Call` with everything checked and gives
plain data back; whatever is about HTTP happens here.
"""

import dataclasses
import functools
import re
import uuid
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import jsonschema
import webob
from oslo_config import cfg
from oslo_serialization import jsonutils

from cyborg_fpga import context
from cyborg_fpga import errors
from cyborg_fpga import policy
from cyborg_fpga.api import auth
from cyborg_fpga.api import filters
from cyborg_fpga.api import octets
from cyborg_fpga.api.schemas import parts
from cyborg_fpga.rpc import conductor

#: Schemas of a route's answers by status; None: no body.
Answers = Mapping[int, parts.Versions | None]

_FORMATS = jsonschema.FormatChecker(formats=())
_UUID = re.compile(
    r'[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE
)
_MESSAGE_LENGTH = 300


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """What controllers are given."""

    conf: cfg.ConfigOpts
    conductor: conductor.ConductorAPI
    policy: policy.Policy


class Controller:
    def __init__(self, services: Services) -> None:
        self.services = services


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as a controller sees it.

    :ivar minor: Microversion 2.*minor*.
    :ivar query: Checked parameters; uuids in canonical form.
    :ivar body: Checked body; None where the route takes none; as it is
        where that takes :data:`parts.BYTES`.
        ``octets.Octets`` where that is an upload.
    :ivar base_url: Of links; without a slash at its end.
    :ivar path_url: Of this very resource, without the query.
    """

    services: Services
    ctx: context.RequestContext
    minor: int
    query: Mapping[str, str]
    body: Any
    base_url: str
    path_url: str

    def authorize(self, rule: str, project_id: str | None = None) -> None:
        """:raises errors.Forbidden: The caller may not do *rule*.

        :param project_id: Of the object acted on; None: the caller's own.
        """
        self.services.policy.authorize(
            self.ctx, rule, self._target(project_id)
        )

    def may(self, rule: str, project_id: str | None = None) -> bool:
        return self.services.policy.check(
            self.ctx, rule, self._target(project_id)
        )

    @property
    def by_service(self) -> bool:
        """Another service stands behind the caller: its token came too.

        The caller is still the user; only ``ctx.service_roles`` are the
        service's.
        """
        options = self.services.conf[auth.GROUP]
        return not set(options.service_token_roles).isdisjoint(
            self.ctx.service_roles
        )

    def require_service_token(self) -> None:
        """Let through what Nova does in a user's name, and no user alone.

        For accelerator requests of instances: PATCH and DELETE by instance
        always; DELETE of a bound one if not :attr:`by_service`, with words
        of its own. Comes on top of the rule, not instead.

        :raises errors.ServiceTokenRequired: No service's token came along.
        """
        if not self.by_service:
            raise errors.ServiceTokenRequired()

    def _target(self, project_id: str | None) -> dict[str, Any] | None:
        return None if project_id is None else {'project_id': project_id}

    def link(self, collection: str, ident: str) -> str:
        return f'{self.base_url}/v2/{collection}/{ident}'

    def self_link(self, collection: str, ident: str) -> list[dict[str, str]]:
        return [{'href': self.link(collection, ident), 'rel': 'self'}]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a controller returns when the data alone does not say it."""

    status: int
    data: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a route takes and gives; tests read it too."""

    query: parts.Schema
    cyborg_filters: bool
    body: parts.Versions | None
    upload: bool
    answers: Answers

    @property
    def status(self) -> int:
        return next(iter(self.answers))


def expose(
    *,
    answers: Answers,
    query: parts.Schema = parts.NO_QUERY,
    cyborg_filters: bool = False,
    body: parts.Versions | None = None,
    upload: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Publish a controller's method.

    :param answers: Schema of the body by status; the usual status first,
        None where there is no body.
    :param query: Schema of the query string.
    :param cyborg_filters: It may also be written as :mod:`filters` reads it.
    :param body: Schemas of the JSON body; None: no body is read.
    :param upload: The body is a file, see :mod:`cyborg_fpga.api.octets`.
    """
    spec = Spec(
        query=query,
        cyborg_filters=cyborg_filters,
        body=body,
        upload=upload,
        answers=answers,
    )

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(
            self: Controller, req: webob.Request, *path: str
        ) -> webob.Response:
            call = _read(req, spec, self.services)
            result = func(self, call, *path)
            if not isinstance(result, Answer):
                result = Answer(status=spec.status, data=result)
            return _response(result)

        wrapper.spec = spec  # type: ignore[attr-defined]
        return wrapper

    return decorate


def canonical(text: str) -> str | None:
    """A UUID as databases hold it; None: *text* is none."""
    return str(uuid.UUID(text)) if _UUID.fullmatch(text) else None


def known_uuid(kind: str, text: str) -> str:
    """:raises errors.NotFound: *text* is no UUID, so nothing has it."""
    found = canonical(text)
    if found is None:
        raise errors.NotFound(kind=kind, ident=text[:64])
    return found


def required_uuid(text: str) -> str:
    """:raises errors.InvalidInput: As Cyborg, where a URL must have one."""
    found = canonical(text)
    if found is None:
        raise errors.InvalidInput(
            f"Invalid input for field/attribute uuid. Value: '{text[:64]}'. "
            'unable to convert to uuid. Error: Expected a uuid but received '
            f'{text[:64]}.'
        )
    return found


def current(versions: parts.Versions, minor: int) -> parts.Schema:
    """The schema that holds at microversion 2.*minor*."""
    return [schema for first, schema in versions if first <= minor][-1]


@_FORMATS.checks('uuid')
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or canonical(value) is not None


def _read(req: webob.Request, spec: Spec, services: Services) -> Call:
    minor = req.environ.get('cyborg_fpga.minor', 0)
    public = services.conf.api.public_endpoint
    base_url = (public or req.application_url).rstrip('/')
    return Call(
        services=services,
        ctx=context.RequestContext.from_environ(req.environ),
        minor=minor,
        query=_query(req, spec),
        body=_body_of(req, spec, minor),
        base_url=base_url,
        path_url=base_url + req.path_info.rstrip('/'),
    )


def _body_of(req: webob.Request, spec: Spec, minor: int) -> Any:
    if spec.upload:
        return octets.Octets(req.environ)
    return None if spec.body is None else _body(req, spec.body, minor)


def _query(req: webob.Request, spec: Spec) -> dict[str, str]:
    given: dict[str, str] = {}
    properties = spec.query['properties']
    pairs: filters.Pairs = req.GET.items()
    if spec.cyborg_filters:
        pairs = filters.plain(pairs, properties)
    for name, value in pairs:
        if name not in properties:
            raise errors.InvalidInput(f'Unknown argument: "{name[:64]}"')
        if name in given:
            raise errors.InvalidInput(f'Argument given twice: "{name}"')
        given[name] = value
    # No parameter is required.
    checked: dict[str, str] = _check(given, spec.query) if given else {}
    return checked


def _body(req: webob.Request, versions: parts.Versions, minor: int) -> Any:
    raw = req.body
    if versions is parts.BYTES:
        return raw
    if not raw:
        # Only a schema without required members agrees with this.
        return _check({}, current(versions, minor))
    media = req.content_type.lower() or 'application/json'
    if not re.fullmatch(r'application/([\w.-]+\+)?json', media):
        raise errors.UnsupportedMediaType(given=media[:64])
    try:
        data = jsonutils.loads(raw)
        # Not every database stores what JSON can write, and Python reads
        # what is no JSON: NaN, and 1e999 as infinite.
        storable = '\\u0000' not in jsonutils.dumps(
            data, ensure_ascii=False, allow_nan=False
        ) and jsonutils.dumps(data, ensure_ascii=False).encode('utf-8')
    except (ValueError, RecursionError) as exc:
        raise errors.InvalidInput('Request is not in valid JSON format') from (
            exc
        )
    if not storable:
        raise errors.InvalidInput(reason='it has NUL characters')
    return _check(data, current(versions, minor))


def _check(data: Any, schema: parts.Schema) -> Any:
    """*data* with its top-level uuids in canonical form.

    :raises errors.InvalidInput: It does not agree with *schema*.
    """
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=_FORMATS
    )
    worst = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if worst is not None:
        raise errors.InvalidInput(reason=_sentence(worst))
    properties = schema.get('properties', {})
    if not isinstance(data, dict):
        return data
    return {
        name: canonical(value)
        if value and properties.get(name, {}).get('format') == 'uuid'
        else value
        for name, value in data.items()
    }


def _sentence(error: jsonschema.ValidationError) -> str:
    where = '.'.join(str(part) for part in error.absolute_path)
    said = error.message
    rule: Any = error.schema
    if error.validator == 'pattern' and 'description' in rule:
        said = f'must be {rule["description"]}, not {error.instance!r}'
    if len(said) > _MESSAGE_LENGTH:
        said = f'{said[:_MESSAGE_LENGTH]}…'
    return f'{where}: {said}' if where else said


def _response(answer: Answer) -> webob.Response:
    if answer.data is None:
        response = webob.Response(status=answer.status)
        response.content_type = None
    elif isinstance(answer.data, bytes):
        response = webob.Response(
            answer.data,
            status=answer.status,
            content_type='application/octet-stream',
        )
    else:
        response = webob.Response(
            jsonutils.dump_as_bytes(answer.data),
            status=answer.status,
            content_type='application/json',
        )
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response
