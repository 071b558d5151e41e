"""Who may ask for accelerator requests, and what Nova does with them."""

from cyborg_fpga.policies import base

GET_ALL = 'cyborg:arq:get_all'
GET_ONE = 'cyborg:arq:get_one'
CREATE = 'cyborg:arq:create'
UPDATE = 'cyborg:arq:update'
DELETE = 'cyborg:arq:delete'
ALL_PROJECTS = 'fpga:arq:all_projects'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        "List one's own project's accelerator requests.",
        'GET /v2/accelerator_requests',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        'Show an accelerator request.',
        'GET /v2/accelerator_requests/{uuid}',
    ),
    base.rule(
        CREATE,
        base.PROJECT_MEMBER_OR_SERVICE,
        'Make accelerator requests.',
        'POST /v2/accelerator_requests',
    ),
    base.rule(
        UPDATE,
        base.PROJECT_MEMBER_OR_SERVICE,
        "Bind and unbind accelerator requests; a service's token is needed "
        'as well.',
        'PATCH /v2/accelerator_requests',
        'PATCH /v2/accelerator_requests/{uuid}',
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_SERVICE,
        "Delete accelerator requests; those of servers need a service's "
        'token as well.',
        'DELETE /v2/accelerator_requests',
        'DELETE /v2/accelerator_requests/{uuid}',
    ),
    base.rule(
        ALL_PROJECTS,
        base.ADMIN,
        "Do the above to every project's accelerator requests, and give one "
        'to another project.',
        'GET /v2/accelerator_requests',
        'GET /v2/accelerator_requests/{uuid}',
        'PATCH /v2/accelerator_requests',
        'PATCH /v2/accelerator_requests/{uuid}',
        'DELETE /v2/accelerator_requests',
        'DELETE /v2/accelerator_requests/{uuid}',
    ),
]
