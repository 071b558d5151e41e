"""Who may see and change bitstreams, and see the types that they offer.

Glance has the last word: it is asked with the caller's own token.
"""

from cyborg_fpga.policies import base

GET_ALL = 'fpga:bitstream:get_all'
GET_ALL_PROJECTS = 'fpga:bitstream:get_all_projects'
GET_ONE = 'fpga:bitstream:get_one'
CREATE = 'fpga:bitstream:create'
PUBLISH = 'fpga:bitstream:publish'
UPDATE = 'fpga:bitstream:update'
DELETE = 'fpga:bitstream:delete'
VERIFY = 'fpga:bitstream:verify'
GET_TYPES = 'fpga:type:get_all'

RULES = [
    base.rule(
        GET_ALL,
        base.PROJECT_READER_OR_ADMIN,
        "List public bitstreams and one's own project's.",
        'GET /v2/bitstreams',
    ),
    base.rule(
        GET_ALL_PROJECTS,
        base.ADMIN,
        "List and show every project's bitstreams.",
        'GET /v2/bitstreams',
        'GET /v2/bitstreams/{uuid}',
    ),
    base.rule(
        GET_ONE,
        base.PROJECT_READER_OR_ADMIN,
        "Show a public bitstream or one's own project's.",
        'GET /v2/bitstreams/{uuid}',
    ),
    base.rule(
        CREATE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "Upload a bitstream to one's own project.",
        'POST /v2/bitstreams',
    ),
    base.rule(
        PUBLISH,
        base.ADMIN,
        'Make a bitstream public, so that its type becomes traits.',
        'POST /v2/bitstreams',
        'PATCH /v2/bitstreams/{uuid}',
    ),
    base.rule(
        UPDATE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "Change what is said of one's own project's bitstream.",
        'PATCH /v2/bitstreams/{uuid}',
    ),
    base.rule(
        DELETE,
        base.PROJECT_MEMBER_OR_ADMIN,
        "Delete one's own project's bitstream.",
        'DELETE /v2/bitstreams/{uuid}',
    ),
    base.rule(
        VERIFY,
        base.PROJECT_MEMBER_OR_ADMIN,
        'Have a bitstream that one may see read and checked as a whole.',
        'POST /v2/bitstreams/{uuid}/verify',
    ),
    base.rule(
        GET_TYPES,
        base.PROJECT_READER_OR_ADMIN,
        'List the accelerator types that bitstreams offer.',
        'GET /v2/types',
    ),
]
