"""One supervisor of child processes: it starts them, hears them, ends them, and says in words how they ended.

No child outlives its parent, even one that is killed: each watches for its parent's end and then ends itself.
"""

from engine.processes.calls import call_apart, cores, run_all
from engine.processes.child import Child, be_nice, describe_end
from engine.processes.launch import one_voice
from engine.processes.others import OtherWork
from engine.processes.program import Program, run_program

__all__ = [
    "Child",
    "OtherWork",
    "Program",
    "be_nice",
    "call_apart",
    "cores",
    "describe_end",
    "one_voice",
    "run_all",
    "run_program",
]
