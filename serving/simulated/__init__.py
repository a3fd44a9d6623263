"""An engine that answers like vLLM and computes nothing: the project's public test double, and what rehearsals run on.

One line starts one, in a test or in a shell::

    with simulated_engine() as url: ...
    python -m serving.simulated --model meta-llama/Llama-3.1-8B-Instruct --accelerator H100 --port 8000

Read :mod:`serving.simulated.batch` for what is scheduled, :mod:`serving.simulated.engine` for when, and
:mod:`serving.simulated.api` for what is answered.
"""

from serving.simulated.asked import Ask, RefusedError
from serving.simulated.double import simulated_engine
from serving.simulated.engine import Clock, Engine, Simulation
from serving.simulated.pace import Steady

__all__ = ["Ask", "Clock", "Engine", "RefusedError", "Simulation", "Steady", "simulated_engine"]
