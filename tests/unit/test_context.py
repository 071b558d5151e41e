"""What is known of a caller."""

from oslotest import base

from cyborg_fpga import context


class TestContext(base.BaseTestCase):
    def test_a_services_roles_reach_the_conductor(self):
        sent = context.RequestContext(
            user_id='u',
            project_id='p',
            roles=['member'],
            service_roles=['service'],
        )
        got = context.from_wire(sent.to_dict())
        self.assertEqual(['service'], got.service_roles)
        self.assertEqual(['member'], got.roles)
        self.assertEqual(sent.request_id, got.request_id)

    def test_a_context_of_an_older_service_has_none(self):
        sent = context.RequestContext(user_id='u').to_dict()
        del sent['service_roles']
        self.assertEqual([], context.from_wire(sent).service_roles)
