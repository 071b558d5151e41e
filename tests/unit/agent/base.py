"""An executor with its journal and cache on disk, that can be restarted."""

import pathlib
import tempfile
import threading
import time
import uuid

from oslotest import base

from cyborg_fpga.agent import executor
from cyborg_fpga.agent import journal
from tests.fixtures import handing
from tests.unit.agent import fakes


class ExecutorTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.cards = fakes.Cards()
        self.images = fakes.Images()
        self.conductor = fakes.Conductor()
        self.changes = threading.Event()
        self.executor = None

    def start(self):
        """Start an agent on the same directory, after a stop if need be."""
        if self.executor is not None:
            self.stop()
        self.journal = journal.Journal(self.path / 'state')
        self.journal.open()
        self.cache, self.custody = handing.custody_of(
            self.path, 2**20, self.images.download
        )
        self.executor = executor.Executor(
            self.journal,
            {'fake': self.cards},
            self.custody,
            self.conductor,
            changed=self.changes.set,
        )
        self.executor.start()
        self.addCleanup(self.stop)
        return self.executor

    def stop(self):
        for gate in self.cards.hangs.values():
            gate.set()
        self.executor.stop(timeout=2)
        self.journal.close()

    def hang(self, **values):
        """Have an operation on the card until ``self.gate`` is set."""
        self.gate = self.cards.hangs[fakes.REGION] = threading.Event()
        operation = fakes.program(self.images, **values)
        self.start().run(operation)
        fakes.wait_for(self.cards.acts)
        return operation

    def left(self, operation, stage, **values):
        """Write the journal of an agent that was killed at *stage*."""
        state = journal.Journal(self.path / 'state')
        state.open()
        state.raise_fence(operation.deployable, operation.fence)
        entry = journal.Entry(
            operation=operation,
            status=fakes.model.OperationStatus(
                uuid=operation.uuid, fence=operation.fence, step=stage.value
            ),
            stage=stage,
            accepted_at=time.time(),
            **{'attempt': str(uuid.uuid4()), **values},
        )
        state.write(entry)
        state.close()

    def run_to_end(self, operation):
        """Run *operation* and return the outcome the conductor was told."""
        if self.executor is None:
            self.start()
        self.executor.run(operation)
        outcome = self.conductor.outcome(operation.uuid)
        self.assertIsNotNone(outcome, 'no outcome came')
        return outcome
