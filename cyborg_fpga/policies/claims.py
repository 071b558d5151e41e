"""Who may claim FPGAs, and see, program and release what is claimed."""

from cyborg_fpga.policies import base

CREATE = 'fpga:claim:create'
GET_ALL = 'fpga:claim:get_all'
GET_ALL_PROJECTS = 'fpga:claim:get_all_projects'
GET_ONE = 'fpga:claim:get_one'
PROGRAM = 'fpga:claim:program'
DELETE = 'fpga:claim:delete'
FORCE_DELETE = 'fpga:claim:force_delete'

RULES = [
    base.rule(
        CREATE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Claim FPGAs.',
        'POST /v2/claims',
    ),
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        "List one's own project's claims.",
        'GET /v2/claims',
    ),
    base.rule(
        GET_ALL_PROJECTS,
        base.ADMIN,
        "List every project's claims, and see who holds a handle.",
        'GET /v2/claims',
        'GET /v2/deployables',
        'GET /v2/deployables/{uuid}',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        'Show a claim. Who may not gets a 404.',
        'GET /v2/claims/{uuid}',
    ),
    base.rule(
        PROGRAM,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Load another bitstream into what one has claimed.',
        'POST /v2/claims/{uuid}/program',
        'PATCH /v2/claims/{uuid}/program',
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Release a claim.',
        'DELETE /v2/claims/{uuid}',
    ),
    base.rule(
        FORCE_DELETE,
        base.ADMIN,
        "Release a claim without waiting for its wipe; also one of Nova's.",
        'DELETE /v2/claims/{uuid}?force=true',
    ),
]
