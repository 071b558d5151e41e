import io

from oslotest import base

from cyborg_fpga.osc import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


class TestBar(base.BaseTestCase):
    def test_on_a_terminal_one_line_grows(self):
        stream = Terminal()
        bar = waiting.Bar(stream)
        bar.show(0, 'fetching')
        bar.show(50, 'done')
        bar.end()
        first, second = stream.getvalue().split('\r')[1:]
        self.assertEqual('[' + '.' * 30 + ']   0 % fetching', first)
        self.assertEqual('[' + '#' * 15 + '.' * 15 + ']  50 % done    \n',
                         second)  # fmt: skip

    def test_elsewhere_only_a_change_of_the_step_is_a_line(self):
        stream = io.StringIO()
        bar = waiting.Bar(stream)
        for percent in (0, 10, 20):
            bar.show(percent, 'programming')
        bar.end()
        self.assertEqual('programming (0 %)\n', stream.getvalue())

    def test_a_percentage_beyond_reason_does_not_break_the_bar(self):
        stream = Terminal()
        waiting.Bar(stream).show(400, 'x')
        self.assertIn('100 %', stream.getvalue())
