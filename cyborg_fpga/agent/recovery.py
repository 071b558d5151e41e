"""The truth about an operation that a dead agent had begun."""

from cyborg_fpga import errors
from cyborg_fpga import model
from cyborg_fpga.agent import journal
from cyborg_fpga.agent import task as agent_task
from cyborg_fpga.drivers import base

_BUSY_PERIOD = 0.5


def recover(
    task: agent_task.Task, driver: base.Driver | None
) -> model.OperationStatus:
    """Read the card and say how *task* ended; never touches the card.

    Blocks while the card is busy with what the dead agent began, at most
    until the deadline.

    :raises Failure: ``interrupted``, where the card cannot be read.
    :raises Stopped: The agent is stopping.
    """
    entry = task.entry
    if driver is None:
        raise agent_task.Failure(
            model.Cause.INTERRUPTED,
            f'the agent died; driver {task.operation.driver} is gone since',
        )
    try:
        found = _settled(task, driver)
    except agent_task.UNREADABLE as exc:
        raise agent_task.Failure(
            model.Cause.INTERRUPTED,
            f'the agent died, and the card cannot be read: {exc}',
        ) from exc
    # Where the same function was there before, or for a wipe, finding it
    # proves nothing unless the driver had said that it is done.
    complete = entry.stage is not journal.Stage.PROGRAMMING or entry.telling
    if complete and found == entry.expected:
        return task.outcome(succeeded=True, touched=True, function_id=found)
    return task.outcome(
        touched=True,
        function_id=found,
        cause=model.Cause.INTERRUPTED,
        detail=f'the agent died; the card shows function {found}',
    )


def _settled(task: agent_task.Task, driver: base.Driver) -> str | None:
    operation = task.operation
    while True:
        try:
            return driver.identify(operation.device, operation.deployable)
        except errors.DeviceFailed as exc:
            busy = exc.kwargs.get('cause') == model.Cause.DEVICE_BUSY
            if not busy or task.overdue():
                raise
        if task.stopping.wait(_BUSY_PERIOD):
            raise agent_task.Stopped
